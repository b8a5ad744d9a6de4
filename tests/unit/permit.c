/* SPDX-License-Identifier: MIT
 *
 * The permit, step by step in one thread: who is notified by what, in which order, and what becomes
 * of a notification whose waiter does not want it.
 */
#include "permits.h"

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
	return runner_run(s);
}
