/* SPDX-License-Identifier: MIT
 *
 * wait: tokens at once if there are any, else a sleep that ends with a token, in time, or with close.
 */
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "helpers.h"

static const int64_t timeouts[] = {0, 1, 10000000, INT64_MAX, INT64_MAX - 1, -1, INT64_MIN};
#define TIMEOUTS (sizeof(timeouts) / sizeof(*timeouts))

START_TEST(tokens_that_wait_are_returned_at_once_whatever_the_timeout)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t tokens[8];
	size_t i;

	for (i = 0; i < TIMEOUTS; i++) {
		bell_queue_notify(q, 6);
		bell_queue_notify(q, 2);
		ck_assert_int_eq(bell_queue_wait(q, tokens, 8, timeouts[i]), 2);
		ck_assert_uint_eq(tokens[0], 6);
		ck_assert_uint_eq(tokens[1], 2);
	}
	bell_queue_unref(q);
}

START_TEST(max_zero_is_refused_whatever_the_timeout_and_takes_nothing)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token = 77;
	size_t i;

	for (i = 0; i < TIMEOUTS; i++)
		ck_assert_int_eq(bell_queue_wait(q, &token, 0, timeouts[i]), -EINVAL);
	bell_queue_notify(q, 3);
	for (i = 0; i < TIMEOUTS; i++)
		ck_assert_int_eq(bell_queue_wait(q, &token, 0, timeouts[i]), -EINVAL);
	ck_assert_uint_eq(token, 77);
	EXPECT(q, 3);
	bell_queue_unref(q);
}

START_TEST(ten_tokens_come_in_several_waits_in_order)
{
	struct bell_queue *q = queue_of(16, mode_of(_i));
	uint32_t tokens[16], i, next = 0;
	ssize_t n;

	for (i = 0; i < 10; i++)
		bell_queue_notify(q, i);
	while ((n = bell_queue_wait(q, tokens, next < 6 ? 3 : 16, 0)) > 0)
		for (i = 0; i < (size_t)n; i++)
			ck_assert_uint_eq(tokens[i], next++);
	ck_assert_int_eq(n, -ETIMEDOUT);
	ck_assert_uint_eq(next, 10);
	bell_queue_unref(q);
}

START_TEST(a_hundred_notifies_are_one_token)
{
	struct bell_queue *q = queue_of(1, mode_of(_i));
	uint32_t tokens[4], i;

	for (i = 0; i < 100; i++)
		bell_queue_notify(q, 0);
	ck_assert_int_eq(bell_queue_wait(q, tokens, 4, -1), 1);
	ck_assert_int_eq(bell_queue_wait(q, tokens, 4, 0), -ETIMEDOUT);
	bell_queue_unref(q);
}

static const int64_t short_timeouts[] = {0, 1, 499, 100000, 1000000, 10000000, 30000000};
static const uint32_t spins[] = {0, 1, BELL_WAIT_SPIN_DEFAULT, 20000000, UINT32_MAX};

/* Never early, however it spends the time: spinning, sleeping, or both. */
START_TEST(a_timeout_is_never_early)
{
	struct bell_queue *q = queue_of(8, mode_of(_i % 4));
	size_t i, again;

	bell_queue_set_spin(q, spins[_i / 4]);
	for (i = 0; i < sizeof(short_timeouts) / sizeof(*short_timeouts); i++) {
		for (again = 0; again < 3; again++) {
			int64_t start = runner_now();
			uint32_t token;

			ck_assert_int_eq(
				bell_queue_wait(q, &token, 1, short_timeouts[i]), -ETIMEDOUT);
			ck_assert_int_ge(runner_now() - start, short_timeouts[i]);
		}
	}
	bell_queue_notify(q, 1);
	EXPECT(q, 1);
	bell_queue_unref(q);
}

/* What a thread does to a queue after a while, with a reference of its own. */
static void *notify_soon(void *q)
{
	sleep_ms(30);
	bell_queue_notify(q, 5);
	return bell_queue_unref(q);
}

static void *notify_three_soon(void *q)
{
	sleep_ms(30);
	bell_queue_notify_many(q, (uint32_t[]){5, 6, 7}, 3);
	return bell_queue_unref(q);
}

static void *close_soon(void *q)
{
	sleep_ms(30);
	bell_queue_close(q);
	return bell_queue_unref(q);
}

static const int64_t long_timeouts[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX - 1, 60000000000};

START_TEST(a_notify_wakes_a_sleeper_before_its_timeout)
{
	struct bell_queue *q = queue_of(8, mode_of(_i % 4));
	pthread_t thread;
	uint32_t token;

	bell_queue_set_spin(q, 0);
	thread = spawn(notify_soon, bell_queue_ref(q));
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, long_timeouts[_i / 4]), 1);
	ck_assert_uint_eq(token, 5);
	join(thread);
	bell_queue_unref(q);
}

START_TEST(a_notify_reaches_a_receiver_that_spins)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	pthread_t thread;
	uint32_t token;

	bell_queue_set_spin(q, UINT32_MAX);
	thread = spawn(notify_soon, bell_queue_ref(q));
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	ck_assert_uint_eq(token, 5);
	join(thread);
	bell_queue_unref(q);
}

START_TEST(a_woken_sleeper_takes_no_more_than_max_and_the_rest_waits)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	pthread_t thread = spawn(notify_three_soon, bell_queue_ref(q));
	uint32_t tokens[3], want = 5;
	ssize_t i, n;

	while (want < 8) {
		n = bell_queue_wait(q, tokens, 2, -1);
		ck_assert_int_ge(n, 1);
		ck_assert_int_le(n, 2);
		for (i = 0; i < n; i++)
			ck_assert_uint_eq(tokens[i], want++);
	}
	join(thread);
	bell_queue_unref(q);
}

START_TEST(close_ends_a_blocked_wait)
{
	struct bell_queue *q = queue_of(8, mode_of(_i % 4));
	pthread_t thread = spawn(close_soon, bell_queue_ref(q));
	uint32_t token;

	ck_assert_int_eq(bell_queue_wait(q, &token, 1, long_timeouts[_i / 4]), -ESHUTDOWN);
	join(thread);
	bell_queue_unref(q);
}

START_TEST(a_closed_queue_is_drained_and_then_says_so_whatever_the_timeout)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token;
	size_t i;

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, 0), 1);
	for (i = 0; i < TIMEOUTS; i++)
		ck_assert_int_eq(bell_queue_wait(q, &token, 1, timeouts[i]), -ESHUTDOWN);
	ck_assert(fd_readable(bell_queue_fd(q)));
	bell_queue_unref(q);
}

START_TEST(a_bell_closed_by_a_stranger_is_an_error_and_no_hang)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token;

	close(bell_queue_fd(q));
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), -EBADF);
	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1); /* tokens win */
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, INT64_MAX), -EBADF);
	bell_queue_unref(q);
}

/* Without threads, so each step is certain: wait takes one of three, the loop takes the others. */
START_TEST(wait_and_an_epoll_loop_may_alternate)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), round;
	uint32_t token;

	bell_queue_set_spin(q, 0);
	for (round = 0; round < 100; round++) {
		ck_assert_int_eq(loop_events(epfd), 0);
		if (round % 3 == 0) /* arms, and sleeps in vain */
			ck_assert_int_eq(bell_queue_wait(q, &token, 1, 1000), -ETIMEDOUT);
		bell_queue_notify_many(q, (uint32_t[]){1, 2, 3}, 3);
		if (round % 2)
			ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
		ck_assert_int_eq(loop_events(epfd), 1);
		if (round % 2)
			EXPECT(q, 2, 3);
		else
			EXPECT(q, 1, 2, 3);
		ck_assert_int_eq(bell_queue_arm(q), 1);
	}
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(what_wait_drained_leaves_the_loop_asleep_after_its_next_arm)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), round;
	uint32_t token;

	for (round = 0; round < 100; round++) {
		bell_queue_notify(q, 4);
		ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
		ck_assert_int_eq(loop_events(epfd), 1); /* rung, and nobody armed since */
		expect_nothing(q);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_int_eq(loop_events(epfd), 0);
	}
	close(epfd);
	bell_queue_unref(q);
}

static void *look_while_pinned(void *cpu)
{
	struct bell_queue *q;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(*(int *)cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	q = queue_of(8, 0);
	ck_assert_uint_eq(q->spin.limit, BELL_WAIT_SPIN_DEFAULT);
	bell_queue_unref(q);
	return NULL;
}

START_TEST(on_one_cpu_a_new_queue_does_not_spin)
{
	cpu_set_t all, one;
	struct bell_queue *q;
	int cpu;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	if (CPU_COUNT(&all) > 1) {
		q = queue_of(8, 0);
		ck_assert_uint_eq(q->spin.limit, BELL_WAIT_SPIN_DEFAULT);
		bell_queue_unref(q);
		join(spawn(look_while_pinned, &cpu)); /* one thread is, the process is not */
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	q = queue_of(8, 0);
	ck_assert_uint_eq(q->spin.limit, 0);
	bell_queue_unref(q);
}

/* Once the receiver has announced that it sleeps. */
static void *notify_late(void *q)
{
	while (stats_of(q).arms == 0)
		sleep_ms(1);
	sleep_ms(2);
	bell_queue_notify(q, 3);
	return NULL;
}

/* Asleep, with nothing to spin for, until a token comes. */
static void sleep_through_one(struct bell_queue *q)
{
	pthread_t thread;
	uint32_t token;

	bell_queue_notify(q, 3); /* of a queue that is born armed */
	EXPECT(q, 3);
	ck_assert_uint_eq(stats_of(q).arms, 0);
	q->spin.budget = 0;
	thread = spawn(notify_late, q);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	join(thread);
}

START_TEST(a_sleep_within_the_limit_makes_the_next_wait_spin_for_as_long)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_set_spin(q, UINT32_MAX);
	sleep_through_one(q);
	ck_assert_uint_ge(q->spin.budget, 2000000);
	bell_queue_unref(q);
}

START_TEST(sleeps_beyond_the_limit_end_the_spinning_but_for_a_try_now_and_then)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_set_spin(q, 1000);
	q->spin.misses = 61;
	sleep_through_one(q);
	ck_assert_uint_eq(q->spin.budget, 0);
	ck_assert_uint_eq(q->spin.misses, 62);
	bell_queue_unref(q);
}

/* What is left to spin for after some waits in vain, of 50000 ns. */
static uint32_t budget_after_waits(unsigned mode, int64_t timeout_ns)
{
	struct bell_queue *q = queue_of(8, mode);
	uint32_t token, budget;
	int again;

	bell_queue_set_spin(q, 50000);
	for (again = 0; again < 20; again++)
		ck_assert_int_eq(bell_queue_wait(q, &token, 1, timeout_ns), -ETIMEDOUT);
	budget = q->spin.budget;
	bell_queue_unref(q);
	return budget;
}

START_TEST(waits_in_vain_end_the_spinning_too)
{
	ck_assert_uint_eq(budget_after_waits(mode_of(_i), 1000), 0);
}

START_TEST(a_mere_look_teaches_nothing)
{
	ck_assert_uint_eq(budget_after_waits(mode_of(_i), 0), 50000);
}

/* So many tokens at once, and a wait that may take max of them. Did it let them gather first? */
static bool gathers(struct bell_queue *q, uint32_t count, size_t max)
{
	uint32_t tokens[8], token;

	for (token = 0; token < count; token++)
		bell_queue_notify(q, token);
	ck_assert_int_gt(bell_queue_wait(q, tokens, max, -1), 0);
	return q->gathered;
}

START_TEST(tokens_that_keep_coming_are_let_gather_unless_that_brings_few)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_set_spin(q, 50000);
	ck_assert(!gathers(q, 1, 8)); /* the first is just a token */
	ck_assert(gathers(q, 1, 8));  /* here is another */
	ck_assert(!gathers(q, 1, 8)); /* and that was all */
	ck_assert(gathers(q, 6, 8));
	ck_assert(gathers(q, 6, 8)); /* worth while */
	ck_assert(gathers(q, 6, 4));
	ck_assert(!gathers(q, 0, 2)); /* the two it left */
	bell_queue_unref(q);
}

START_TEST(who_does_not_spin_lets_nothing_gather)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int again;

	bell_queue_set_spin(q, 0);
	for (again = 0; again < 4; again++)
		ck_assert(!gathers(q, 6, 8));
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("wait");
	TCase *tc = runner_case(s, "wait", 60);

	add_in_all_modes(tc, tokens_that_wait_are_returned_at_once_whatever_the_timeout);
	add_in_all_modes(tc, max_zero_is_refused_whatever_the_timeout_and_takes_nothing);
	add_in_all_modes(tc, ten_tokens_come_in_several_waits_in_order);
	add_in_all_modes(tc, a_hundred_notifies_are_one_token);
	tcase_add_loop_test(tc, a_timeout_is_never_early, 0, 4 * sizeof(spins) / sizeof(*spins));
	tcase_add_loop_test(tc, a_notify_wakes_a_sleeper_before_its_timeout, 0, 20);
	add_in_all_modes(tc, a_notify_reaches_a_receiver_that_spins);
	add_in_all_modes(tc, a_woken_sleeper_takes_no_more_than_max_and_the_rest_waits);
	tcase_add_loop_test(tc, close_ends_a_blocked_wait, 0, 20);
	add_in_all_modes(tc, a_closed_queue_is_drained_and_then_says_so_whatever_the_timeout);
	add_in_all_modes(tc, a_bell_closed_by_a_stranger_is_an_error_and_no_hang);
	add_in_all_modes(tc, wait_and_an_epoll_loop_may_alternate);
	add_in_all_modes(tc, what_wait_drained_leaves_the_loop_asleep_after_its_next_arm);
	add_in_all_modes(tc, a_sleep_within_the_limit_makes_the_next_wait_spin_for_as_long);
	add_in_all_modes(tc, sleeps_beyond_the_limit_end_the_spinning_but_for_a_try_now_and_then);
	add_in_all_modes(tc, waits_in_vain_end_the_spinning_too);
	add_in_all_modes(tc, a_mere_look_teaches_nothing);
	add_in_all_modes(tc, tokens_that_keep_coming_are_let_gather_unless_that_brings_few);
	add_in_all_modes(tc, who_does_not_spin_lets_nothing_gather);
	tcase_add_test(tc, on_one_cpu_a_new_queue_does_not_spin);
	return runner_run(s);
}
