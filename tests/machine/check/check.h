/* SPDX-License-Identifier: MIT
 *
 * check.h: as much of libcheck as our tests use, in one header, for the machines for which nobody has
 * installed libcheck. The same contract: each test runs in a process of its own, with its case's fixture
 * around it and a limit of time; results are TAP on standard output.
 */
#ifndef MACHINE_CHECK_H
#define MACHINE_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct check_case TCase;
typedef struct check_suite Suite;
typedef struct check_suite SRunner;
typedef struct check_test {
	const char *name;
	void (*fn)(int);
} TTest;
enum print_output { CK_SILENT };

#define START_TEST(test)                                     \
	static void test##_fn(int _i);                       \
	static const TTest test##_test = {#test, test##_fn}; \
	static const TTest *const test = &test##_test;       \
	static void test##_fn(__attribute__((unused)) int _i)
#define END_TEST

Suite *suite_create(const char *name);
TCase *tcase_create(const char *name);
void suite_add_tcase(Suite *s, TCase *tc);
void tcase_set_timeout(TCase *tc, double seconds);
void tcase_add_checked_fixture(TCase *tc, void (*before)(void), void (*after)(void));
void tcase_add_loop_test(TCase *tc, const TTest *test, int first, int end);
#define tcase_add_test(tc, test) tcase_add_loop_test(tc, test, 0, 1)
SRunner *srunner_create(Suite *s);
void srunner_set_tap(SRunner *runner, const char *path);
void srunner_run_all(SRunner *runner, enum print_output verbosity);
int srunner_ntests_failed(SRunner *runner);
void srunner_free(SRunner *runner);

__attribute__((noreturn, format(printf, 3, 4))) void check_fail(
	const char *file, int line, const char *format, ...);

#define ck_assert_msg(ok, ...) ((ok) ? (void)0 : check_fail(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(ok)	       ck_assert_msg(ok, "%s", #ok)
#define check_compare(type, format, a, op, b)                                                 \
	do {                                                                                  \
		type a_ = (a);                                                                \
		type b_ = (b);                                                                \
		ck_assert_msg(                                                                \
			a_ op b_, "%s: %" format " and %" format, #a " " #op " " #b, a_, b_); \
	} while (0)
#define ck_assert_int_eq(a, b)	 check_compare(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ne(a, b)	 check_compare(intmax_t, PRIdMAX, a, !=, b)
#define ck_assert_int_lt(a, b)	 check_compare(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_int_le(a, b)	 check_compare(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_gt(a, b)	 check_compare(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_ge(a, b)	 check_compare(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_uint_eq(a, b)	 check_compare(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_ne(a, b)	 check_compare(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_uint_lt(a, b)	 check_compare(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_uint_le(a, b)	 check_compare(uintmax_t, PRIuMAX, a, <=, b)
#define ck_assert_uint_gt(a, b)	 check_compare(uintmax_t, PRIuMAX, a, >, b)
#define ck_assert_uint_ge(a, b)	 check_compare(uintmax_t, PRIuMAX, a, >=, b)
#define ck_assert_ptr_eq(a, b)	 check_compare(const void *, "p", a, ==, b)
#define ck_assert_ptr_ne(a, b)	 check_compare(const void *, "p", a, !=, b)
#define ck_assert_ptr_null(a)	 ck_assert_ptr_eq(a, NULL)
#define ck_assert_ptr_nonnull(a) ck_assert_ptr_ne(a, NULL)

#endif
