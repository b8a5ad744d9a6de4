/* SPDX-License-Identifier: MIT
 *
 * Broadcasts, step by step in one thread: whom they wake, and what they leave alone; and the
 * generation behind them.
 */
#include "permits.h"

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

/* The generation stands above two bits of state: neither may spill into the other, however high it
 * is. */
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
	Suite *s = suite_create("permit all");
	TCase *tc = runner_case(s, "permit", 20);

	tcase_add_checked_fixture(tc, fresh, NULL);
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
