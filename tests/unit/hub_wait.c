/* SPDX-License-Identifier: MIT
 *
 * Waiters: woken once, all by one notify, by a notify between the check and the wait, by the end of the
 * handle; and gone without a trace when they give up.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hub_helpers.h"

/* A thread that prepares, says so, and waits. */
struct sleeper {
	struct bell_hub *hub;
	struct bell_handle handle;
	int64_t timeout;
	pthread_t thread;
	uint32_t prepared;
	int result;
	int64_t value;
};

static void *sleep_at(void *userdata)
{
	struct sleeper *s = userdata;
	struct bell_hub_waiter w;

	s->result = bell_hub_prepare(s->hub, s->handle, &w);
	bell_store_release(&s->prepared, 1);
	if (s->result == 0)
		s->result = bell_hub_wait(s->hub, &w, s->timeout, &s->value);
	return NULL;
}

static void start(struct sleeper *s, struct bell_hub *hub, struct bell_handle handle)
{
	*s = (struct sleeper){.hub = hub, .handle = handle, .timeout = -1};
	s->thread = spawn(sleep_at, s);
	while (!bell_load_acquire(&s->prepared))
		sched_yield();
}

static void expect_woken(struct sleeper *s, int result, int64_t value)
{
	join(s->thread);
	ck_assert_int_eq(s->result, result);
	ck_assert_int_eq(s->value, value);
}

START_TEST(a_notify_wakes_the_waiter_with_its_value)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct sleeper s;

	start(&s, hub, h);
	sleep_ms(_i * 20); /* asleep, or on its way */
	ck_assert_int_eq(bell_hub_notify(hub, h, 42), 1);
	expect_woken(&s, 0, 42);
	ck_assert_int_eq(bell_hub_notify(hub, h, 43), 0);
	bell_hub_unref(hub);
}

START_TEST(a_notify_before_the_wait_is_not_lost)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w;
	int64_t value = 0;

	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 7), 1);
	ck_assert_int_eq(bell_hub_notify(hub, h, 8), 0); /* woken once */
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), 0);
	ck_assert_int_eq(value, 7);
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), -EINVAL); /* it has ended */
	bell_hub_unref(hub);
}

START_TEST(a_notify_before_prepare_is_not_remembered)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w;
	int64_t value = 77;

	ck_assert_int_eq(bell_hub_notify(hub, h, 7), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w, 0, &value), -ETIMEDOUT);
	ck_assert_int_eq(value, 77);
	bell_hub_unref(hub);
}

START_TEST(unregister_wakes_the_waiter)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct sleeper s;

	start(&s, hub, h);
	sleep_ms(_i * 20);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	expect_woken(&s, -ECANCELED, 0);
	bell_hub_unref(hub);
}

START_TEST(notify_and_unregister_before_the_wait_leave_the_notify)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w, late;
	int64_t value = 0;

	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, -1), 1);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), 0);
	ck_assert_int_eq(value, -1);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &late), -ESTALE);
	ck_assert_int_eq(bell_hub_wait(hub, &late, -1, &value), -EINVAL); /* returns, and at once */
	bell_hub_unref(hub);
}

/* 100: more than are woken in one go. */
START_TEST(one_notify_wakes_all)
{
	const int counts[] = {3, 100};
	const int n = counts[_i];
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct sleeper s[100];
	int i;

	for (i = 0; i < n; i++)
		start(&s[i], hub, h);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, n);
	ck_assert_int_eq(bell_hub_notify(hub, h, 5), n);
	for (i = 0; i < n; i++)
		expect_woken(&s[i], 0, 5);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	bell_hub_unref(hub);
}

START_TEST(unregister_wakes_all)
{
	enum { WAITERS = 100 };
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w[WAITERS];
	int i;

	for (i = 0; i < WAITERS; i++)
		ck_assert_int_eq(bell_hub_prepare(hub, h, &w[i]), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	for (i = 0; i < WAITERS; i++)
		ck_assert_int_eq(bell_hub_wait(hub, &w[i], -1, NULL), -ECANCELED);
	ck_assert_uint_eq(hub_stats_of(hub).canceled, WAITERS);
	bell_hub_unref(hub);
}

START_TEST(every_value_arrives_as_it_is)
{
	static const int64_t values[] = {
		0, 42, -1, 12345, -9999, INT64_MAX, INT64_MIN, INT64_C(1) << 40};
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 1);
	uint32_t id = subscribed(client, h, 1, BELL_DROP_NEWEST);
	struct bell_hub_waiter w;
	int64_t value;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
		ck_assert_int_eq(bell_hub_notify(hub, h, values[i]), 2);
		ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), 0);
		ck_assert_int_eq(value, values[i]);
		expect_value(client, id, values[i], 0);
	}
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(timeouts_of_all_lengths_are_fine)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w;
	int64_t before = runner_now();

	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w, 5000000, NULL), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - before, 5000000);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w, 1, NULL), -ETIMEDOUT);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	bell_hub_notify(hub, h, 1);
	ck_assert_int_eq(bell_hub_wait(hub, &w, INT64_MAX, NULL), 0);
	bell_hub_unref(hub);
}

START_TEST(a_wait_with_the_longest_timeout_is_woken)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct sleeper s = {
		.hub = hub, .handle = h, .timeout = _i == 0 ? INT64_MAX : INT64_MAX - 1000000000};

	s.thread = spawn(sleep_at, &s);
	while (!bell_load_acquire(&s.prepared))
		sched_yield();
	sleep_ms(10);
	bell_hub_notify(hub, h, 3);
	expect_woken(&s, 0, 3);
	bell_hub_unref(hub);
}

START_TEST(a_cancelled_waiter_is_gone)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w, other, zero = {0};

	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &other), 0);
	bell_hub_cancel(hub, &w);
	bell_hub_cancel(hub, &w); /* nothing */
	bell_hub_cancel(hub, &zero);
	memset(&w, 0x55, sizeof(w)); /* it is ours again */
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1);
	ck_assert_int_eq(bell_hub_wait(hub, &other, -1, NULL), 0);
	bell_hub_cancel(hub, &other); /* it has ended */
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1);
	bell_hub_cancel(hub, &w); /* woken, and no longer wanted */
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	bell_hub_cancel(hub, &w);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	bell_hub_unref(hub);
}

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kb = -1;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmRSS: %ld", &kb) != 1)
		;
	fclose(f);
	return kb;
}

/* The seed's left each of them in a list: 16 MB. */
START_TEST(a_hundred_thousand_cancelled_waits_leave_nothing)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_queue *q = queue_of(1, 0);
	struct bell_hub_waiter w;
	uint32_t i, failed = 0;
	long before = 0;

	for (i = 0; i < 100000; i++) {
		if (i == 1000)
			before = resident_kb();
		if (i % 3 == 0) {
			failed += bell_hub_prepare(hub, h, &w) != 0;
			bell_hub_cancel(hub, &w);
		} else if (i % 3 == 1) {
			failed += bell_hub_prepare(hub, h, &w) != 0;
			failed += bell_hub_wait(hub, &w, 0, NULL) != -ETIMEDOUT;
		} else {
			failed += bell_hub_bind(hub, h, &w, q, 0) != 0;
			bell_hub_cancel(hub, &w);
		}
	}
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 0);
	if (!HELPERS_SANITIZED)
		ck_assert_int_lt(resident_kb() - before, 512);
	bell_queue_unref(q);
	bell_hub_unref(hub);
}

START_TEST(the_limit_of_waiters_is_an_error_and_a_counter)
{
	struct bell_hub_options options = {.handles = 2, .waiters_per_handle = 2};
	struct bell_hub_waiter w[3];
	struct bell_handle h, other;
	struct bell_hub *hub;

	ck_assert_int_eq(bell_hub_new(&hub, &options), 0);
	h = handle_of(hub, NULL);
	other = handle_of(hub, NULL);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w[0]), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w[1]), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w[2]), -ENOSPC);
	ck_assert_int_eq(bell_hub_wait(hub, &w[2], -1, NULL), -EINVAL);
	ck_assert_uint_eq(hub_stats_of(hub).no_waiters, 1);
	ck_assert_int_eq(bell_hub_prepare(hub, other, &w[2]), 0); /* of its own */
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 2);
	bell_hub_cancel(hub, &w[0]);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w[0]), 0);
	bell_hub_cancel(hub, &w[0]);
	bell_hub_cancel(hub, &w[1]);
	bell_hub_cancel(hub, &w[2]);
	bell_hub_unref(hub);
}

START_TEST(a_waiter_of_another_hub_is_refused)
{
	struct bell_hub *hub = hub_of(2), *stranger = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w;

	handle_of(stranger, NULL);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	ck_assert_int_eq(bell_hub_wait(stranger, &w, -1, NULL), -EINVAL);
	ck_assert_int_eq(bell_hub_result(stranger, &w, NULL), -EINVAL);
	bell_hub_cancel(stranger, &w);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1); /* it is still there */
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, NULL), 0);
	bell_hub_unref(hub);
	bell_hub_unref(stranger);
}

static void nothing(int signal)
{
	(void)signal;
}

static void *interrupt(void *userdata)
{
	sleep_ms(30);
	pthread_kill(*(pthread_t *)userdata, SIGUSR1);
	return NULL;
}

START_TEST(a_signal_is_told_once_and_the_waiter_stays)
{
	struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	pthread_t self = pthread_self(), thread;
	struct bell_hub_waiter w;
	int64_t value = 0;

	sigaction(SIGUSR1, &action, NULL);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	thread = spawn(interrupt, &self);
	ck_assert_int_eq(bell_hub_wait(hub, &w, _i ? INT64_C(60000000000) : -1, &value), -EINTR);
	join(thread);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 1);
	ck_assert_int_eq(bell_hub_notify(hub, h, 9), 1);
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), 0);
	ck_assert_int_eq(value, 9);
	bell_hub_unref(hub);
}

START_TEST(notify_preserves_errno)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct sleeper s;

	start(&s, hub, h);
	errno = 4711;
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1);
	ck_assert_int_eq(errno, 4711);
	expect_woken(&s, 0, 1);
	bell_hub_unref(hub);
}

/* Nobody is left waiting, however often: with a word for notify that is quiet, and one that is not. */
START_TEST(a_waiter_may_come_again_for_ever)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_hub_waiter w;
	int i;

	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
		ck_assert_int_eq(bell_hub_notify(hub, h, i), 1);
		ck_assert_int_eq(bell_hub_wait(hub, &w, -1, NULL), 0);
		if (i % 3 == 0)
			ck_assert_int_eq(bell_hub_notify(hub, h, i), 0);
		if (i % 6 == 0)
			ck_assert_int_eq(bell_hub_notify(hub, h, i), 0);
	}
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub wait");
	TCase *tc = runner_case(s, "hub wait", 60);

	tcase_add_loop_test(tc, a_notify_wakes_the_waiter_with_its_value, 0, 2);
	tcase_add_test(tc, a_notify_before_the_wait_is_not_lost);
	tcase_add_test(tc, a_notify_before_prepare_is_not_remembered);
	tcase_add_loop_test(tc, unregister_wakes_the_waiter, 0, 2);
	tcase_add_test(tc, notify_and_unregister_before_the_wait_leave_the_notify);
	tcase_add_loop_test(tc, one_notify_wakes_all, 0, 2);
	tcase_add_test(tc, unregister_wakes_all);
	tcase_add_test(tc, every_value_arrives_as_it_is);
	tcase_add_test(tc, timeouts_of_all_lengths_are_fine);
	tcase_add_loop_test(tc, a_wait_with_the_longest_timeout_is_woken, 0, 2);
	tcase_add_test(tc, a_cancelled_waiter_is_gone);
	tcase_add_test(tc, a_hundred_thousand_cancelled_waits_leave_nothing);
	tcase_add_test(tc, the_limit_of_waiters_is_an_error_and_a_counter);
	tcase_add_test(tc, a_waiter_of_another_hub_is_refused);
	tcase_add_loop_test(tc, a_signal_is_told_once_and_the_waiter_stays, 0, 2);
	tcase_add_test(tc, notify_preserves_errno);
	tcase_add_test(tc, a_waiter_may_come_again_for_ever);
	return runner_run(s);
}
