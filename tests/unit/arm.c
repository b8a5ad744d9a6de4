/* SPDX-License-Identifier: MIT
 *
 * arm and the fd, as an epoll loop sees them: silent when told to sleep, readable when there is
 * something, and one write for one arm.
 */
#include <unistd.h>

#include "helpers.h"

START_TEST(a_new_queue_is_born_armed_and_silent)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);

	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_uint_eq(stats_of(q).arms, 0);
	bell_queue_notify(q, 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(arm_says_no_while_tokens_wait)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token;

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	ck_assert(fd_readable(bell_queue_fd(q)));
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_unref(q);
}

START_TEST(a_level_bell_is_silent_only_after_an_arm_that_succeeds)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), i;
	uint32_t token;

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	for (i = 0; i < 5;
		i++) /* drained, and whoever forgets to arm spins: better than sleeping */
		ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_uint_eq(fd_count(bell_queue_fd(q)), 0);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(an_edge_bell_gives_one_event_a_ring_and_is_never_read)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), fd = bell_queue_fd(q);
	uint32_t round;

	for (round = 1; round <= 20; round++) {
		bell_queue_notify(q, round % 8);
		bell_queue_notify(q, (round + 1) % 8);
		ck_assert_int_eq(loop_events(epfd), 1);
		ck_assert_int_eq(loop_events(epfd), 0);
		EXPECT(q, round % 8, (round + 1) % 8);
		ck_assert_uint_eq(fd_count(fd), round);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_uint_eq(fd_count(fd), round);
	}
	ck_assert_uint_eq(stats_of(q).reads, 0);
	ck_assert_uint_eq(stats_of(q).kicks, 0);
	ck_assert_uint_eq(stats_of(q).rings, 20);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(one_arm_costs_one_write_however_many_notifies_follow)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));
	int fd = bell_queue_fd(q);
	uint32_t round, token, tokens[64];
	size_t wrong = 0;

	for (round = 1; round <= 10; round++) {
		for (token = 0; token < 200; token++)
			wrong += bell_queue_notify(q, token % 64) != (token < 64);
		wrong += stats_of(q).rings != round;
		wrong += fd_count(fd) != (mode_of(_i) & BELL_QUEUE_EDGE ? round : 1);
		wrong += bell_queue_poll(q, tokens, 64) != 64;
		wrong += bell_queue_arm(q) != 1;
	}
	ck_assert_uint_eq(wrong, 0);
	bell_queue_unref(q);
}

START_TEST(a_notify_to_an_awake_receiver_makes_no_write)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int fd = bell_queue_fd(q), round;

	bell_queue_notify(q, 0); /* from here on it is awake */
	EXPECT(q, 0);
	for (round = 0; round < 20; round++) {
		ck_assert_int_eq(bell_queue_notify(q, 5), 1);
		ck_assert_int_eq(bell_queue_notify(q, 5), 0);
		ck_assert_int_eq(bell_queue_notify(q, 6), 1);
		EXPECT(q, 5, 6);
	}
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_uint_eq(fd_count(fd), 1);
	bell_queue_unref(q);
}

START_TEST(a_conflated_notify_makes_no_write)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int i;

	bell_queue_notify(q, 5);
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(bell_queue_notify(q, 5), 0);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_uint_eq(fd_count(bell_queue_fd(q)), 1);
	bell_queue_unref(q);
}

/* A level loop with a budget of one token a turn: it polls once and asks arm, or does not ask. */
static void serve_by_poll(struct bell_queue *q, bool arms)
{
	int epfd = loop_watching(q), turns = 0;
	uint32_t token, next = 0;

	while (loop_events(epfd) == 1 && turns++ < 100) {
		if (bell_queue_poll(q, &token, 1) == 1)
			ck_assert_uint_eq(token, next++);
		else if (!arms)
			ck_assert_int_eq(bell_queue_arm(q), 1);
		if (arms)
			(void)!bell_queue_arm(q);
	}
	ck_assert_uint_eq(next, 50);
	ck_assert_int_le(turns, 51);
	close(epfd);
}

START_TEST(a_level_drain_that_stops_early_is_called_again_until_empty)
{
	struct bell_queue *q = queue_of(64, mode_of(_i / 2 * 2));
	uint32_t token, round;

	for (round = 0; round < 3; round++) {
		for (token = 0; token < 50; token++)
			bell_queue_notify(q, token);
		serve_by_poll(q, _i % 2);
		ck_assert_int_eq(bell_queue_arm(q), 1);
	}
	bell_queue_unref(q);
}

START_TEST(an_edge_drain_by_ones_goes_on_until_arm_agrees)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));
	int epfd = loop_watching(q);
	uint32_t token, next, round;

	for (round = 0; round < 3; round++) {
		for (token = 0; token < 50; token++)
			bell_queue_notify(q, token);
		ck_assert_int_eq(loop_events(epfd), 1);
		next = 0;
		do {
			if (bell_queue_poll(q, &token, 1) == 1)
				ck_assert_uint_eq(token, next++);
		} while (bell_queue_arm(q) == 0);
		ck_assert_uint_eq(next, 50);
		ck_assert_int_eq(loop_events(epfd), 0);
	}
	close(epfd);
	bell_queue_unref(q);
}

/* The fd may be handed to a loop at any time: what is queued shows at once. */
START_TEST(a_loop_that_starts_late_is_called_at_once)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token;
	int epfd;

	bell_queue_notify(q, 3);
	bell_queue_notify(q, 4);
	epfd = loop_watching(q);
	ck_assert_int_eq(loop_events(epfd), 1);
	close(epfd);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	epfd = loop_watching(q);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 4);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	close(epfd);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("arm");
	TCase *tc = runner_case(s, "arm", 30);

	add_in_all_modes(tc, a_new_queue_is_born_armed_and_silent);
	add_in_all_modes(tc, arm_says_no_while_tokens_wait);
	add_in_level_modes(tc, a_level_bell_is_silent_only_after_an_arm_that_succeeds);
	add_in_edge_modes(tc, an_edge_bell_gives_one_event_a_ring_and_is_never_read);
	add_in_all_modes(tc, one_arm_costs_one_write_however_many_notifies_follow);
	add_in_all_modes(tc, a_notify_to_an_awake_receiver_makes_no_write);
	add_in_all_modes(tc, a_conflated_notify_makes_no_write);
	tcase_add_loop_test(tc, a_level_drain_that_stops_early_is_called_again_until_empty, 0, 4);
	add_in_edge_modes(tc, an_edge_drain_by_ones_goes_on_until_arm_agrees);
	add_in_all_modes(tc, a_loop_that_starts_late_is_called_at_once);
	return runner_run(s);
}
