/* SPDX-License-Identifier: MIT
 *
 * hub_inject.c: races of waiters made to happen: a thread is stopped in the middle of a call while others
 * go on. The library is built with its injection points on.
 */
#include <stdlib.h>
#include <string.h>

#include "hub_stops.h"

START_TEST(a_notify_while_the_time_runs_out_is_not_lost)
{
	struct caller c = {.timeout = _i, .value = 77};

	set_up();
	begin(&c, call_wait, "leaving");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 5), 1);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 5);
	bell_hub_unref(hub);
}

START_TEST(the_end_while_the_time_runs_out_is_told)
{
	struct caller c = {.timeout = 1};

	set_up();
	begin(&c, call_wait, "leaving");
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, -ECANCELED);
	bell_hub_unref(hub);
}

START_TEST(a_notify_just_before_the_sleep_is_not_lost)
{
	struct caller c = {.timeout = -1};

	set_up();
	begin(&c, call_wait, "blocking");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 6), 1);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 6);
	bell_hub_unref(hub);
}

START_TEST(a_waiter_hears_before_its_prepare_has_returned)
{
	static const char *const points[] = {"prepared", "fenced"};
	struct caller c = {.timeout = -1};

	set_up();
	begin(&c, call_wait, points[_i]);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 8), 1);
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 8);
	bell_hub_unref(hub);
}

/* Its membarrier was before the word was quiet, and says nothing of notifies that came since. */
START_TEST(a_fence_of_before_is_not_taken_for_one_of_now)
{
	struct caller c = {.timeout = -1};
	struct bell_hub_waiter w;

	set_up();
	begin(&c, call_wait, "fenced");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 1); /* wakes it, before it has noticed */
	ck_assert_int_eq(bell_hub_notify(hub, handle, 2), 0); /* the word is quiet */
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_uint_eq(word() & FENCED, 0);
	ck_assert_int_eq(bell_hub_prepare(hub, handle, &w), 0);
	ck_assert_uint_eq(word() & FENCED, FENCED);
	bell_hub_cancel(hub, &w);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 2), 0);
	ck_assert_uint_eq(word() & (LISTENED | FENCED), 0);
	bell_hub_unref(hub);
}

/* Forty waiters are woken in two goes. Between them one leaves, and another comes that is not meant. */
START_TEST(waiters_may_leave_and_come_between_two_goes)
{
	enum { WAITERS = 40 };
	struct bell_hub_waiter w[WAITERS], late;
	struct caller c = {.value = 3};
	int64_t value = 0;
	int i;

	set_up();
	for (i = 0; i < WAITERS; i++)
		ck_assert_int_eq(bell_hub_prepare(hub, handle, &w[i]), 0);
	begin(&c, call_notify, "waking");
	bell_hub_cancel(hub, &w[35]);
	memset(&w[35], 0x55, sizeof(w[35]));
	ck_assert_int_eq(bell_hub_prepare(hub, handle, &late), 0);
	ck_assert_int_eq(
		bell_hub_wait(hub, &w[0], 0, &value), 0); /* and its memory is ours again */
	memset(&w[0], 0x55, sizeof(w[0]));
	finish(&c);
	ck_assert_int_eq(c.result, WAITERS - 1);
	for (i = 1; i < WAITERS; i++)
		if (i != 35)
			ck_assert_int_eq(bell_hub_wait(hub, &w[i], 0, &value), 0);
	ck_assert_int_eq(bell_hub_result(hub, &late, NULL), -EAGAIN);
	bell_hub_cancel(hub, &late);
	ck_assert_uint_eq(hub->slots[handle.index].n_waiters, 0);
	bell_hub_unref(hub);
}

/* A notifier that is stopped with the wakes still to make has everything it needs for them. */
START_TEST(whoever_was_told_may_be_gone_before_the_wake)
{
	struct bell_hub_waiter *w = malloc(sizeof(*w)), *bound = malloc(sizeof(*bound));
	struct bell_client *client;
	struct caller c = {.value = 3};
	struct bell_queue *q;

	set_up();
	client = subscribed(4, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_queue_new(&q, 1, 0), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, handle, w), 0);
	ck_assert_int_eq(bell_hub_bind(hub, handle, bound, q, 0), 0);
	begin(&c, call_notify, "waking");
	ck_assert_int_eq(bell_hub_wait(hub, w, -1, NULL), 0);
	ck_assert_int_eq(bell_hub_result(hub, bound, NULL), 0);
	free(w);
	free(bound);
	bell_queue_unref(q);
	bell_client_free(client);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 4), 0); /* and the lock is free */
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, 3);
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub inject");
	TCase *tc = runner_case(s, "hub inject", 60);

	tcase_add_loop_test(tc, a_notify_while_the_time_runs_out_is_not_lost, 0, 2);
	tcase_add_test(tc, the_end_while_the_time_runs_out_is_told);
	tcase_add_test(tc, a_notify_just_before_the_sleep_is_not_lost);
	tcase_add_loop_test(tc, a_waiter_hears_before_its_prepare_has_returned, 0, 2);
	tcase_add_test(tc, a_fence_of_before_is_not_taken_for_one_of_now);
	tcase_add_test(tc, waiters_may_leave_and_come_between_two_goes);
	tcase_add_test(tc, whoever_was_told_may_be_gone_before_the_wake);
	return runner_run(s);
}
