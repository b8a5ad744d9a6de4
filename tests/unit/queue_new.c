/* SPDX-License-Identifier: MIT
 *
 * The life of a queue: which ones can be made, what is refused and leaves nothing behind, references.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "helpers.h"

static struct bell_queue *const untouched = (void *)(uintptr_t)-128;

static void expect_refusal(uint32_t capacity, unsigned flags, int error)
{
	struct bell_queue *q = untouched;

	ck_assert_int_eq(bell_queue_new(&q, capacity, flags), error);
	ck_assert_ptr_eq(q, untouched);
}

static const uint32_t capacities[] = {
	1, 2, 3, 4, 5, 100, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1};

START_TEST(a_queue_has_exactly_the_tokens_below_its_capacity)
{
	const uint32_t capacity = capacities[_i / 2];
	struct bell_queue *q = queue_of(capacity, mode_of(_i % 2 * 2));

	ck_assert_uint_eq(bell_queue_capacity(q), capacity);
	ck_assert_int_eq(bell_queue_notify(q, capacity), -EINVAL);
	ck_assert_int_eq(bell_queue_notify(q, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(bell_queue_notify(q, capacity - 1), 1);
	EXPECT(q, capacity - 1);
	ck_assert_int_eq(bell_queue_notify(q, 0), 1);
	EXPECT(q, 0);
	bell_queue_unref(q);
}

START_TEST(capacity_zero_and_beyond_the_largest_are_refused)
{
	expect_refusal(0, 0, -EINVAL);
	expect_refusal(0, BELL_QUEUE_EDGE, -EINVAL);
	expect_refusal(0, BELL_QUEUE_SINGLE_PRODUCER, -EINVAL);
	expect_refusal(BELL_QUEUE_CAPACITY_MAX + 1, BELL_QUEUE_SINGLE_PRODUCER, -EINVAL);
	expect_refusal(BELL_QUEUE_CAPACITY_MAX + 1, 0, -EINVAL);
	expect_refusal(UINT32_MAX, 0, -EINVAL);
}

START_TEST(flags_that_nobody_knows_are_refused)
{
	unsigned bit;

	for (bit = 4; bit; bit <<= 1) {
		expect_refusal(8, bit, -EINVAL);
		expect_refusal(8, bit | BELL_QUEUE_EDGE | BELL_QUEUE_SINGLE_PRODUCER, -EINVAL);
	}
	expect_refusal(8, UINT32_MAX, -EINVAL);
}

START_TEST(the_getters_tell_what_was_asked_for)
{
	struct bell_queue *q = queue_of(100, mode_of(_i));

	ck_assert_uint_eq(bell_queue_capacity(q), 100);
	ck_assert_uint_eq(bell_queue_flags(q), mode_of(_i));
	ck_assert_int_ge(bell_queue_fd(q), 0);
	ck_assert_uint_eq((uintptr_t)q % BELL_CACHE_LINE, 0);
	bell_queue_unref(q);
}

START_TEST(the_bell_is_a_silent_nonblocking_eventfd_closed_on_exec)
{
	struct bell_queue *q = queue_of(1, mode_of(_i));
	int fd = bell_queue_fd(q);

	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_uint_eq(fd_count(fd), 0);
	bell_queue_unref(q);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

/* All descriptors below the limit are taken. */
START_TEST(without_a_descriptor_to_spare_the_error_is_emfile)
{
	struct rlimit old, low;
	struct bell_queue *q;
	int lowest_free = dup(0), r;

	ck_assert_int_ge(lowest_free, 0);
	close(lowest_free);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)lowest_free;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	q = untouched;
	r = bell_queue_new(&q, 8, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_ptr_eq(q, untouched);
	bell_queue_unref(queue_of(8, 0));
}

#if !HELPERS_SANITIZED
START_TEST(without_memory_the_error_is_enomem_and_no_descriptor_stays_open)
{
	struct rlimit old, low;
	int lowest_free = dup(0);

	ck_assert_int_ge(lowest_free, 0);
	close(lowest_free);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
	low = old;
	low.rlim_cur = 512 << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &low), 0);
	expect_refusal(BELL_QUEUE_CAPACITY_MAX, 0, -ENOMEM);
	expect_refusal(BELL_QUEUE_CAPACITY_MAX / 8, 0, -ENOMEM);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
	ck_assert_int_eq(fcntl(lowest_free, F_GETFD), -1);
}

static long resident_pages(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	long size, resident;

	ck_assert_ptr_nonnull(statm);
	ck_assert_int_eq(fscanf(statm, "%ld %ld", &size, &resident), 2);
	fclose(statm);
	return resident;
}

START_TEST(only_what_is_touched_becomes_real_memory)
{
	long before = resident_pages();
	struct bell_queue *q = queue_of(1 << 26, 0); /* 320 MiB of address space */

	ck_assert_int_eq(bell_queue_notify(q, (1 << 26) - 1), 1);
	EXPECT(q, (1 << 26) - 1);
	ck_assert_int_lt(resident_pages() - before, 1024);
	bell_queue_unref(q);
}

/* Ten gigabytes of address space, which the machine may refuse; nothing else may happen. */
START_TEST(the_largest_capacity_works_where_the_address_space_is_granted)
{
	struct bell_queue *q = untouched;
	int r = bell_queue_new(&q, BELL_QUEUE_CAPACITY_MAX, 0);

	if (r < 0) {
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_eq(q, untouched);
		return;
	}
	ck_assert_int_eq(bell_queue_notify(q, BELL_QUEUE_CAPACITY_MAX - 1), 1);
	ck_assert_int_eq(bell_queue_notify(q, 0), 1);
	ck_assert_int_eq(bell_queue_notify(q, BELL_QUEUE_CAPACITY_MAX), -EINVAL);
	EXPECT(q, BELL_QUEUE_CAPACITY_MAX - 1, 0);
	bell_queue_unref(q);
}
#endif

START_TEST(the_last_reference_frees_and_no_other)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int i, fd = bell_queue_fd(q);

	for (i = 0; i < 1000; i++)
		ck_assert_ptr_eq(bell_queue_ref(q), q);
	for (i = 0; i < 1000; i++)
		ck_assert_ptr_null(bell_queue_unref(q));
	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	EXPECT(q, 3);
	ck_assert_ptr_null(bell_queue_unref(q));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

START_TEST(unref_of_null_does_nothing)
{
	ck_assert_ptr_null(bell_queue_unref(NULL));
}

START_TEST(a_queue_may_be_dropped_with_tokens_in_it)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	bell_queue_unref(q);
	q = queue_of(8, mode_of(_i));
	bell_queue_notify(q, 1);
	bell_queue_close(q);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("queue new");
	TCase *tc = runner_case(s, "queue new", 30);

	tcase_add_loop_test(tc, a_queue_has_exactly_the_tokens_below_its_capacity, 0,
		2 * sizeof(capacities) / sizeof(*capacities));
	tcase_add_test(tc, capacity_zero_and_beyond_the_largest_are_refused);
	tcase_add_test(tc, flags_that_nobody_knows_are_refused);
	add_in_all_modes(tc, the_getters_tell_what_was_asked_for);
	add_in_all_modes(tc, the_bell_is_a_silent_nonblocking_eventfd_closed_on_exec);
	tcase_add_test(tc, without_a_descriptor_to_spare_the_error_is_emfile);
#if !HELPERS_SANITIZED
	tcase_add_test(tc, without_memory_the_error_is_enomem_and_no_descriptor_stays_open);
	tcase_add_test(tc, only_what_is_touched_becomes_real_memory);
	tcase_add_test(tc, the_largest_capacity_works_where_the_address_space_is_granted);
#endif
	add_in_all_modes(tc, the_last_reference_frees_and_no_other);
	tcase_add_test(tc, unref_of_null_does_nothing);
	add_in_all_modes(tc, a_queue_may_be_dropped_with_tokens_in_it);
	return runner_run(s);
}
