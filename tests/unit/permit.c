/* SPDX-License-Identifier: MIT
 *
 * The permit, step by step in one thread: who is notified by what, in which order, and what becomes of a
 * notification whose waiter does not want it. enable asks without blocking.
 */
#include "helpers.h"

static struct bell_permit permit;
static struct bell_waiter w[128];

static void fresh(void)
{
	permit = (struct bell_permit){0};
}

/* Prepare these, and queue them in this order. */
static void queue_up(unsigned first, unsigned last)
{
	for (; first <= last; first++) {
		bell_permit_prepare(&permit, &w[first]);
		ck_assert_int_eq(bell_permit_enable(&permit, &w[first]), 0);
	}
}

#define READY(i)   ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 1)
#define PENDING(i) ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 0)
#define ONE(woken) ck_assert_int_eq(bell_permit_notify_one(&permit), woken)
#define LAST(woken) ck_assert_int_eq(bell_permit_notify_last(&permit), woken)
#define ALL(woken) ck_assert_int_eq(bell_permit_notify_all(&permit), woken)

static void prepare(unsigned i)
{
	bell_permit_prepare(&permit, &w[i]);
}

static void cancel(unsigned i)
{
	bell_permit_cancel(&permit, &w[i]);
}

/* Nothing is stored, and nobody is queued. */
static void expect_empty(void)
{
	prepare(127);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[127], 0), -ETIMEDOUT);
	ALL(0);
}

/* One notification is stored, and nobody is queued. Takes it. */
static void expect_stored(void)
{
	prepare(127);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[127], 0), 0);
	expect_empty();
}

/* -- the stored notification ----------------------------------------------------------------- */

START_TEST(a_notify_before_the_wait_is_stored)
{
	ONE(0);
	prepare(0);
	READY(0);
	expect_empty();
}

START_TEST(notifications_do_not_accumulate)
{
	ONE(0);
	LAST(0);
	ONE(0);
	expect_stored();
}

START_TEST(one_stored_notification_serves_one_waiter)
{
	ONE(0);
	prepare(0);
	READY(0);
	queue_up(1, 1);
	PENDING(1);
	ONE(1);
	READY(1);
	expect_empty();
}

START_TEST(enable_takes_the_stored_notification)
{
	ONE(0);
	prepare(0);
	prepare(1);
	READY(0);
	PENDING(1);
	cancel(1);
	expect_empty();
}

START_TEST(a_waiter_that_is_only_prepared_takes_the_notification_later)
{
	prepare(0);
	ONE(0);
	READY(0);
	expect_empty();
}

START_TEST(a_wait_without_blocking_takes_it_or_is_not_queued)
{
	prepare(0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], 0), -ETIMEDOUT);
	ONE(0); /* not to it */
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], 0), 0);
	expect_empty();
}

/* -- one of several -------------------------------------------------------------------------- */

START_TEST(a_notify_after_enable_makes_it_ready)
{
	queue_up(0, 0);
	ONE(1);
	READY(0);
	READY(0); /* and it says so until it is prepared anew */
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], -1), 0);
	expect_empty();
}

START_TEST(asking_again_changes_nothing)
{
	queue_up(0, 1);
	PENDING(1);
	PENDING(0);
	PENDING(0);
	ONE(1);
	READY(0); /* it kept its place */
	PENDING(1);
	cancel(1);
}

START_TEST(notify_one_wakes_the_first_only)
{
	queue_up(0, 1);
	ONE(1);
	PENDING(1);
	READY(0);
	PENDING(1);
	cancel(1);
	expect_empty();
}

START_TEST(notify_last_wakes_the_last_only)
{
	queue_up(0, 1);
	LAST(1);
	PENDING(0);
	READY(1);
	PENDING(0);
	cancel(0);
	expect_empty();
}

START_TEST(the_order_is_that_of_enable_and_not_of_prepare)
{
	prepare(0);
	queue_up(1, 1);
	PENDING(0);
	ONE(1);
	READY(1);
	PENDING(0);
	ONE(1);
	READY(0);
}

START_TEST(a_hundred_are_woken_in_their_order_from_either_end)
{
	unsigned i;

	queue_up(0, 99);
	for (i = 0; i < 50; i++) {
		PENDING(i);
		ONE(1);
		READY(i);
		PENDING(99 - i);
		LAST(1);
		READY(99 - i);
	}
	expect_empty();
}

START_TEST(two_notifies_with_one_waiter_wake_it_and_store_one)
{
	queue_up(0, 0);
	ONE(1);
	ONE(0);
	READY(0);
	expect_stored();
}

/* -- cancelling ------------------------------------------------------------------------------ */

START_TEST(a_cancelled_waiter_is_passed_over)
{
	queue_up(0, 0);
	prepare(1);
	cancel(0);
	PENDING(1);
	ONE(1);
	READY(1);
	expect_empty();
}

START_TEST(cancelling_takes_out_any_of_the_queue)
{
	unsigned i, gone = (unsigned)_i;

	queue_up(0, 2);
	cancel(gone);
	for (i = 0; i < 3; i++) {
		if (i == gone)
			continue;
		ONE(1);
		READY(i);
	}
	expect_empty();
}

START_TEST(who_was_chosen_and_cancels_hands_on)
{
	queue_up(0, 1);
	ONE(1);
	cancel(0);
	READY(1);
	expect_empty();
}

START_TEST(who_was_chosen_as_first_hands_on_to_the_first)
{
	queue_up(0, 2);
	ONE(1);
	cancel(0);
	PENDING(2);
	READY(1);
	cancel(2);
	expect_empty();
}

START_TEST(who_was_chosen_as_last_hands_on_to_the_last)
{
	queue_up(0, 2);
	LAST(1);
	cancel(2);
	PENDING(0);
	READY(1);
	cancel(0);
	expect_empty();
}

START_TEST(a_notification_is_handed_on_until_somebody_wants_it)
{
	queue_up(0, 2);
	LAST(1);
	cancel(2);
	cancel(1);
	cancel(0);
	expect_stored();
}

START_TEST(two_that_were_chosen_and_cancel_leave_one_stored)
{
	queue_up(0, 1);
	ONE(1);
	ONE(1);
	cancel(0);
	cancel(1);
	expect_stored();
}

START_TEST(who_has_noted_its_notification_cannot_hand_it_on)
{
	queue_up(0, 1);
	ONE(1);
	READY(0);
	cancel(0);
	PENDING(1);
	cancel(1);
	cancel(1); /* twice is fine */
	expect_empty();
}

START_TEST(cancelling_what_is_not_queued_does_nothing)
{
	struct bell_waiter never = {0};

	bell_permit_cancel(&permit, &never);
	prepare(0);
	ONE(0);
	cancel(0);
	expect_stored();
}

START_TEST(a_waiter_that_is_not_prepared_is_refused)
{
	struct bell_waiter never = {0};
	struct bell_queue *q = queue_of(1, 0);

	ONE(0);
	ck_assert_int_eq(bell_permit_enable(&permit, &never), -EINVAL);
	ck_assert_int_eq(bell_permit_wait(&permit, &never, -1), -EINVAL);
	ck_assert_int_eq(bell_permit_wait(&permit, &never, 0), -EINVAL);
	ck_assert_int_eq(bell_permit_bind(&permit, &never, q, 0), -EINVAL);
	prepare(0);
	cancel(0);
	ck_assert_int_eq(bell_permit_enable(&permit, &w[0]), -EINVAL);
	expect_stored();
	bell_queue_unref(q);
}

/* -- broadcast ------------------------------------------------------------------------------- */

START_TEST(a_broadcast_wakes_all_who_are_queued)
{
	queue_up(0, 1);
	ALL(2);
	READY(0);
	READY(1);
	expect_empty();
}

START_TEST(a_broadcast_of_any_size_wakes_each_once)
{
	const unsigned sizes[] = {1, 31, 32, 33, 64, 65, 100};
	const unsigned n = sizes[_i];
	unsigned i;

	queue_up(0, n - 1);
	ALL((int)n);
	ALL(0);
	for (i = 0; i < n; i++)
		READY(i);
	queue_up(0, n - 1);
	for (i = 0; i < n; i++)
		PENDING(i);
	ALL((int)n);
	for (i = 0; i < n; i++)
		cancel(i); /* handed on to nobody */
	expect_empty();
}

START_TEST(a_broadcast_is_for_all_who_are_prepared_before)
{
	prepare(0);
	ALL(0);
	prepare(1);
	READY(0);
	PENDING(1);
	cancel(1);
}

START_TEST(a_broadcast_with_nobody_there_is_forgotten)
{
	ALL(0);
	queue_up(0, 0);
	cancel(0);
	expect_empty();
}

START_TEST(a_broadcast_keeps_what_is_stored)
{
	ONE(0);
	ALL(0);
	expect_stored();
}

START_TEST(a_broadcast_is_taken_before_what_is_stored)
{
	prepare(0);
	ALL(0);
	ONE(0);
	READY(0);
	expect_stored();
	prepare(0);
	ONE(0);
	ALL(0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], 0), 0);
	expect_stored();
}

START_TEST(one_broadcast_does_not_satisfy_two_waits_in_a_row)
{
	queue_up(0, 0);
	ALL(1);
	READY(0);
	prepare(0);
	PENDING(0);
	ALL(1);
	READY(0);
}

START_TEST(what_follows_a_broadcast_is_not_lost_with_its_waiters)
{
	queue_up(0, 0);
	ALL(1);
	ONE(0);
	cancel(0);
	expect_stored();
}

START_TEST(who_was_chosen_before_a_broadcast_still_hands_on)
{
	queue_up(0, 1);
	ONE(1);
	ALL(1);
	queue_up(2, 2);
	cancel(0);
	READY(1);
	READY(2);
	expect_empty();
}

/* The generation stands above two bits of state: neither may spill into the other, however high it is. */
START_TEST(the_generation_wraps_where_nobody_can_count_to)
{
	const uint64_t generations[] = {UINT32_MAX, UINT32_MAX >> 2, UINT64_MAX >> 2};

	permit.state = generations[_i] << 2;
	prepare(0);
	ONE(0);
	ALL(0);
	prepare(1);
	READY(0);
	READY(1); /* what was stored is still there, once */
	queue_up(2, 3);
	ALL(2);
	READY(2);
	READY(3);
	expect_empty();
}

START_TEST(four_thousand_million_broadcasts_are_not_mistaken_for_none)
{
	prepare(0);
	permit.state += UINT64_C(1) << 34;
	READY(0);
}

START_TEST(a_permit_is_small)
{
	if (sizeof(void *) == 8) {
		ck_assert_uint_eq(sizeof(struct bell_permit), 32);
		ck_assert_uint_eq(sizeof(struct bell_waiter), 48);
	}
}

int main(void)
{
	Suite *s = suite_create("permit");
	TCase *tc = runner_case(s, "permit", 20);

	tcase_add_checked_fixture(tc, fresh, NULL);
	tcase_add_test(tc, a_notify_before_the_wait_is_stored);
	tcase_add_test(tc, notifications_do_not_accumulate);
	tcase_add_test(tc, one_stored_notification_serves_one_waiter);
	tcase_add_test(tc, enable_takes_the_stored_notification);
	tcase_add_test(tc, a_waiter_that_is_only_prepared_takes_the_notification_later);
	tcase_add_test(tc, a_wait_without_blocking_takes_it_or_is_not_queued);
	tcase_add_test(tc, a_notify_after_enable_makes_it_ready);
	tcase_add_test(tc, asking_again_changes_nothing);
	tcase_add_test(tc, notify_one_wakes_the_first_only);
	tcase_add_test(tc, notify_last_wakes_the_last_only);
	tcase_add_test(tc, the_order_is_that_of_enable_and_not_of_prepare);
	tcase_add_test(tc, a_hundred_are_woken_in_their_order_from_either_end);
	tcase_add_test(tc, two_notifies_with_one_waiter_wake_it_and_store_one);
	tcase_add_test(tc, a_cancelled_waiter_is_passed_over);
	tcase_add_loop_test(tc, cancelling_takes_out_any_of_the_queue, 0, 3);
	tcase_add_test(tc, who_was_chosen_and_cancels_hands_on);
	tcase_add_test(tc, who_was_chosen_as_first_hands_on_to_the_first);
	tcase_add_test(tc, who_was_chosen_as_last_hands_on_to_the_last);
	tcase_add_test(tc, a_notification_is_handed_on_until_somebody_wants_it);
	tcase_add_test(tc, two_that_were_chosen_and_cancel_leave_one_stored);
	tcase_add_test(tc, who_has_noted_its_notification_cannot_hand_it_on);
	tcase_add_test(tc, cancelling_what_is_not_queued_does_nothing);
	tcase_add_test(tc, a_waiter_that_is_not_prepared_is_refused);
	tcase_add_test(tc, a_broadcast_wakes_all_who_are_queued);
	tcase_add_loop_test(tc, a_broadcast_of_any_size_wakes_each_once, 0, 7);
	tcase_add_test(tc, a_broadcast_is_for_all_who_are_prepared_before);
	tcase_add_test(tc, a_broadcast_with_nobody_there_is_forgotten);
	tcase_add_test(tc, a_broadcast_keeps_what_is_stored);
	tcase_add_test(tc, a_broadcast_is_taken_before_what_is_stored);
	tcase_add_test(tc, one_broadcast_does_not_satisfy_two_waits_in_a_row);
	tcase_add_test(tc, what_follows_a_broadcast_is_not_lost_with_its_waiters);
	tcase_add_test(tc, who_was_chosen_before_a_broadcast_still_hands_on);
	tcase_add_loop_test(tc, the_generation_wraps_where_nobody_can_count_to, 0, 3);
	tcase_add_test(tc, four_thousand_million_broadcasts_are_not_mistaken_for_none);
	tcase_add_test(tc, a_permit_is_small);
	return runner_run(s);
}
