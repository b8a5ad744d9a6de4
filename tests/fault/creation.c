/* SPDX-License-Identifier: MIT
 *
 * Making a queue when the system has nothing left, or does not know the call: the error comes out as
 * it is, nothing is left behind, and what is only a help may be missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helpers.h"
#include "refuse.h"

/* What bell_queue_new() made of it. */
struct attempt {
	unsigned flags;
	struct bell_queue *q;
	int r;
};

static void attempt(void *userdata)
{
	struct attempt *a = userdata;

	a->r = bell_queue_new(&a->q, 8, a->flags);
}

static char somewhere;
static struct bell_queue *const untouched = (void *)&somewhere;

static void expect_good(struct bell_queue *q)
{
	int epfd = loop_watching(q);

	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	close(epfd);
	bell_queue_unref(q);
}

static const int exhausted[] = {EMFILE, ENFILE, ENOMEM, ENODEV, EPERM, ENOSYS};

START_TEST(an_error_of_eventfd_comes_out_as_it_is)
{
	struct attempt a = {.q = untouched};

	refuse_during(SYS_eventfd2, exhausted[_i], attempt, &a);
	ck_assert_int_eq(a.r, -exhausted[_i]);
	ck_assert_ptr_eq(a.q, untouched);
	expect_good(queue_of(8, 0));
}

/* A sleep behind a preempted producer uses it, and any with a single producer: no_membarrier.c. */
START_TEST(a_queue_can_be_made_without_membarrier)
{
	struct attempt a = {.flags = mode_of(_i % 4), .q = untouched};

	refuse_during(SYS_membarrier, _i / 4 ? ENOSYS : EPERM, attempt, &a);
	ck_assert_int_eq(a.r, 0);
	/* A single producer needs it: any number of them may notify instead. */
	ck_assert_uint_eq(bell_queue_flags(a.q), mode_of(_i % 2));
	ck_assert_uint_eq(a.q->limit, 8);
	expect_good(a.q);
}

/* How many processors there are decides only whether wait spins. */
START_TEST(a_queue_can_be_made_without_knowing_the_processors)
{
	struct attempt a = {.q = untouched};
	uint32_t token;

	refuse_during(SYS_sched_getaffinity, EINVAL, attempt, &a);
	ck_assert_int_eq(a.r, 0);
	ck_assert_int_eq(bell_queue_wait(a.q, &token, 1, 1000000), -ETIMEDOUT);
	bell_queue_notify(a.q, 5);
	ck_assert_int_eq(bell_queue_wait(a.q, &token, 1, -1), 1);
	ck_assert_int_eq(bell_queue_arm(a.q), 1);
	expect_good(a.q);
}

#ifdef HAVE_LIBC_CALLOC
void *__libc_calloc(size_t n, size_t size);

static __thread bool out_of_memory;
static uint32_t refused;

/* In front of the C library's, for the library too. */
void *calloc(size_t n, size_t size)
{
	if (!out_of_memory)
		return __libc_calloc(n, size);
	refused++;
	errno = ENOMEM;
	return NULL;
}

START_TEST(without_a_byte_of_memory_the_error_is_enomem_and_the_descriptor_is_closed)
{
	struct bell_queue *q = untouched;
	int i, r = -ENOMEM;

	for (i = 0; i < 1000 && r == -ENOMEM; i++) {
		out_of_memory = true;
		r = bell_queue_new(&q, 1 + (uint32_t)i, mode_of(i % 2));
		out_of_memory = false;
	}
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(q, untouched);
	ck_assert_uint_eq(refused, 1000); /* and it was calloc, each time */
	expect_good(queue_of(8, 0));
}
#endif

int main(void)
{
	Suite *s = suite_create("fault creation");
	TCase *tc = runner_case(s, "fault creation", 30);

	if (!refuse_probe())
		return 0;
	tcase_add_loop_test(tc, an_error_of_eventfd_comes_out_as_it_is, 0,
		sizeof(exhausted) / sizeof(*exhausted));
	tcase_add_loop_test(tc, a_queue_can_be_made_without_membarrier, 0, 8);
	tcase_add_test(tc, a_queue_can_be_made_without_knowing_the_processors);
#ifdef HAVE_LIBC_CALLOC
	tcase_add_test(
		tc, without_a_byte_of_memory_the_error_is_enomem_and_the_descriptor_is_closed);
#else
	puts("# not tested: calloc that fails (a sanitizer's, or no glibc)");
	fflush(stdout);
#endif
	return runner_run(s);
}
