/* SPDX-License-Identifier: MIT
 *
 * Threads that sleep at a permit: timeouts, signals, cancellation, fork, and memory that goes at once.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

static struct bell_permit permit;

static void fresh(void)
{
	permit = (struct bell_permit){0};
}

struct sleeper {
	pthread_t thread;
	struct bell_waiter w;
	int64_t timeout;
	int result;
	uint32_t calls, done;
};

/* Sleeps until it is notified, counting the calls that it takes. */
static void *sleep_at(void *arg)
{
	struct sleeper *s = arg;

	do {
		(void)bell_fetch_add_relaxed(&s->calls, 1);
		s->result = bell_permit_wait(&permit, &s->w, s->timeout);
	} while (s->result == -EINTR);
	bell_store_release(&s->done, 1);
	return NULL;
}

/* Returns when it is queued. Nobody else may be. */
static void start(struct sleeper *s, int64_t timeout)
{
	s->timeout = timeout;
	s->calls = s->done = 0;
	bell_permit_prepare(&permit, &s->w);
	s->thread = spawn(sleep_at, s);
	while (!(bell_load_acquire(&permit.state) & 1))
		sched_yield();
}

static int end_of(struct sleeper *s)
{
	join(s->thread);
	return s->result;
}

static int ask(struct bell_waiter *w, int64_t timeout)
{
	bell_permit_prepare(&permit, w);
	return bell_permit_wait(&permit, w, timeout);
}

/* -- timeouts -------------------------------------------------------------------------------- */

START_TEST(a_wait_times_out_and_not_before_its_time)
{
	const int64_t timeouts[] = {1, 1000, 1000000, 20000000};
	struct bell_waiter w;
	int64_t began = runner_now();

	ck_assert_int_eq(ask(&w, timeouts[_i]), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - began, timeouts[_i]);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 0); /* it is out */
	ck_assert_int_eq(ask(&w, -1), 0);
}

START_TEST(a_wait_of_any_length_is_ended_by_each_notify)
{
	const int64_t timeouts[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX - 1, INT64_C(1) << 62};
	struct sleeper s;

	start(&s, timeouts[_i]);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 1);
	ck_assert_int_eq(end_of(&s), 0);
	start(&s, timeouts[_i]);
	ck_assert_int_eq(bell_permit_notify_last(&permit), 1);
	ck_assert_int_eq(end_of(&s), 0);
	start(&s, timeouts[_i]);
	ck_assert_int_eq(bell_permit_notify_all(&permit), 1);
	ck_assert_int_eq(end_of(&s), 0);
	ck_assert_int_eq(ask(&s.w, 0), -ETIMEDOUT);
}

START_TEST(a_broadcast_between_two_waits_of_which_the_first_timed_out_is_not_missed)
{
	struct bell_waiter w;

	ck_assert_int_eq(ask(&w, _i), -ETIMEDOUT);
	ck_assert_int_eq(bell_permit_notify_all(&permit), 0);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w, _i), 0);
	ck_assert_int_eq(ask(&w, 0), 0); /* what is stored is still there */
}

START_TEST(an_enabled_waiter_that_times_out_is_out)
{
	struct bell_waiter w;

	bell_permit_prepare(&permit, &w);
	ck_assert_int_eq(bell_permit_enable(&permit, &w), 0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w, _i), -ETIMEDOUT);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 0);
	ck_assert_int_eq(bell_permit_enable(&permit, &w), 1);
}

/* -- one after the other --------------------------------------------------------------------- */

START_TEST(sleepers_are_woken_in_their_order)
{
	struct sleeper s[4] = {0};
	const bool last = _i;
	int i, j;

	for (i = 0; i < 4; i++) {
		s[i].timeout = -1;
		bell_permit_prepare(&permit, &s[i].w);
		ck_assert_int_eq(bell_permit_enable(&permit, &s[i].w), 0);
		s[i].thread = spawn(sleep_at, &s[i]);
	}
	for (i = 0; i < 4; i++) {
		struct sleeper *next = &s[last ? 3 - i : i];

		ck_assert_int_eq(
			last ? bell_permit_notify_last(&permit) : bell_permit_notify_one(&permit),
			1);
		ck_assert_int_eq(end_of(next), 0);
		for (j = i + 1; j < 4; j++)
			ck_assert(!bell_load_acquire(&s[last ? 3 - j : j].done));
	}
}

/* -- signals --------------------------------------------------------------------------------- */

static uint32_t handled;

static void handle(int sig)
{
	(void)sig;
	(void)bell_fetch_add_relaxed(&handled, 1);
}

static void handle_signals(int flags)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = flags};

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

START_TEST(a_signal_ends_a_wait_and_not_the_waiting)
{
	struct sleeper s;

	handle_signals(_i & 2 ? SA_RESTART : 0);
	start(&s, _i & 1 ? INT64_C(1) << 60 : -1);
	while (bell_load_relaxed(&s.calls) < 3)
		pthread_kill(s.thread, SIGUSR1);
	while (bell_permit_notify_one(&permit) == 0 && !bell_load_acquire(&s.done))
		sched_yield(); /* stored: it takes that when it comes back */
	ck_assert_int_eq(end_of(&s), 0);
}

struct pair {
	struct bell_permit ping, pong;
	uint32_t rounds, errors, eintr;
};

/* One notify a wait: what is lost hangs. */
static void await(struct pair *pair, struct bell_permit *p)
{
	struct bell_waiter w;
	int r;

	bell_permit_prepare(p, &w);
	while ((r = bell_permit_wait(p, &w, INT64_C(1) << 60)) == -EINTR)
		(void)bell_fetch_add_relaxed(&pair->eintr, 1);
	if (r != 0)
		(void)bell_fetch_add_relaxed(&pair->errors, 1);
}

static void *pong(void *arg)
{
	struct pair *pair = arg;
	uint32_t i;

	for (i = 0; i < pair->rounds; i++) {
		await(pair, &pair->ping);
		(void)bell_permit_notify_one(&pair->pong);
	}
	return NULL;
}

START_TEST(a_storm_of_signals_loses_nothing)
{
	struct pair pair = {.rounds = 5000};
	pthread_t thread;
	uint32_t i;

	handle_signals(_i ? SA_RESTART : 0);
	thread = spawn(pong, &pair);
	for (i = 0; i < pair.rounds; i++) {
		pthread_kill(thread, SIGUSR1);
		(void)bell_permit_notify_one(&pair.ping);
		pthread_kill(thread, SIGUSR1);
		await(&pair, &pair.pong);
	}
	join(thread);
	ck_assert_uint_eq(pair.errors, 0);
	ck_assert_uint_gt(bell_load_relaxed(&handled), 0);
}

/* -- threads that are to end, processes that begin ------------------------------------------- */

static void *end_at_next_point(void *arg)
{
	sleep_at(arg);
	pthread_testcancel();
	return NULL;
}

START_TEST(a_wait_is_not_a_point_of_cancellation)
{
	struct sleeper s = {.timeout = -1};
	void *result = NULL;

	bell_permit_prepare(&permit, &s.w);
	s.thread = spawn(end_at_next_point, &s);
	while (!(bell_load_acquire(&permit.state) & 1))
		sched_yield();
	pthread_cancel(s.thread);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 1); /* it is still there */
	ck_assert_int_eq(pthread_join(s.thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(s.result, 0);
	ck_assert_uint_eq(s.done, 1);
}

static void take_out(void *w)
{
	bell_permit_cancel(&permit, w);
}

/* Between enable and its end the owner has points of cancellation of its own. Not a call that blocks:
 * cancelled in one a thread is never out of it for ThreadSanitizer, which then ignores its atomics. */
static void *stay_enabled(void *arg)
{
	struct bell_waiter w;

	bell_permit_prepare(&permit, &w);
	pthread_cleanup_push(take_out, &w);
	if (bell_permit_enable(&permit, &w) == 0)
		for (;;)
			pthread_testcancel();
	pthread_cleanup_pop(1);
	return arg;
}

START_TEST(a_cleanup_handler_hands_on_what_its_thread_was_chosen_for)
{
	pthread_t thread = spawn(stay_enabled, NULL);
	struct bell_waiter w;
	bool chosen = _i;

	while (!(bell_load_acquire(&permit.state) & 1))
		sched_yield();
	if (chosen)
		ck_assert_int_eq(bell_permit_notify_one(&permit), 1);
	pthread_cancel(thread);
	join(thread);
	ck_assert_int_eq(ask(&w, 0), chosen ? 0 : -ETIMEDOUT);
}

/* The child's verdict is its exit status. */
static int child_of(int (*run)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(run());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

static int use_copy(void)
{
	struct bell_waiter w;

	return ask(&w, -1) != 0 || ask(&w, 0) != -ETIMEDOUT || bell_permit_notify_one(&permit) != 0;
}

static int zero_and_use_copy(void)
{
	permit = (struct bell_permit){0};
	return bell_permit_notify_one(&permit) != 0 || use_copy();
}

START_TEST(a_child_has_a_copy_of_an_idle_permit)
{
	struct bell_waiter w;

	bell_permit_notify_one(&permit);
	ck_assert_int_eq(child_of(use_copy), 0);
	ck_assert_int_eq(ask(&w, 0), 0); /* the child took its own */
}

START_TEST(a_child_may_zero_its_copy_of_a_busy_one)
{
	struct sleeper s;

	start(&s, -1);
	ck_assert_int_eq(child_of(zero_and_use_copy), 0);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 1);
	ck_assert_int_eq(end_of(&s), 0);
}

/* -- memory ---------------------------------------------------------------------------------- */

static void *notify_once(void *arg)
{
	(void)bell_permit_notify_one(arg);
	return NULL;
}

static void *notify_last_once(void *arg)
{
	(void)bell_permit_notify_last(arg);
	return NULL;
}

/* Whoever is told may free what told it: sanitizers see who touches it then. */
START_TEST(who_is_woken_may_free_the_permit_at_once)
{
	void *(*const notifies[])(void *) = {notify_once, notify_last_once};
	struct bell_permit *p;
	struct bell_waiter w;
	pthread_t thread;
	int i;

	for (i = 0; i < 1000; i++) {
		p = calloc(1, sizeof(*p));
		ck_assert_ptr_nonnull(p);
		bell_permit_prepare(p, &w);
		if (i & 1)
			(void)bell_permit_enable(p, &w);
		thread = spawn(notifies[_i], p);
		if (i & 2)
			while (bell_permit_enable(p, &w) == 0)
				sched_yield();
		else
			ck_assert_int_eq(bell_permit_wait(p, &w, -1), 0);
		free(p);
		join(thread);
	}
}

int main(void)
{
	Suite *s = suite_create("permit wait");
	TCase *tc = runner_case(s, "waits", 60);

	tcase_add_checked_fixture(tc, fresh, NULL);
	tcase_add_loop_test(tc, a_wait_times_out_and_not_before_its_time, 0, 4);
	tcase_add_loop_test(tc, a_wait_of_any_length_is_ended_by_each_notify, 0, 5);
	tcase_add_loop_test(
		tc, a_broadcast_between_two_waits_of_which_the_first_timed_out_is_not_missed, 0, 2);
	tcase_add_loop_test(tc, an_enabled_waiter_that_times_out_is_out, 0, 2);
	tcase_add_loop_test(tc, sleepers_are_woken_in_their_order, 0, 2);
	tcase_add_loop_test(tc, a_signal_ends_a_wait_and_not_the_waiting, 0, 4);
	tcase_add_loop_test(tc, a_storm_of_signals_loses_nothing, 0, 2);
	tcase_add_test(tc, a_wait_is_not_a_point_of_cancellation);
	tcase_add_loop_test(tc, a_cleanup_handler_hands_on_what_its_thread_was_chosen_for, 0, 2);
	tcase_add_test(tc, a_child_has_a_copy_of_an_idle_permit);
	tcase_add_test(tc, a_child_may_zero_its_copy_of_a_busy_one);
	tcase_add_loop_test(tc, who_is_woken_may_free_the_permit_at_once, 0, 2);
	return runner_run(s);
}
