/* SPDX-License-Identifier: MIT
 *
 * The contract of share.h, call by call: tokens, sleeping, joining and leaving, limits.
 */
#include <sys/eventfd.h>

#include "ipc/peer.h"
#include "shares.h"

/* -- tokens ---------------------------------------------------------------------------------- */

START_TEST(tokens_arrive_in_order_once_and_conflated_until_polled)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.capacity = 10});
	struct bell_share_event events[16];
	uint64_t id;
	struct bell_peer *p = peer_of(s, "x", &id);
	int i;

	ck_assert_uint_eq(bell_peer_capacity(p), 10);
	ck_assert_int_eq(bell_peer_notify(p, 10), -EINVAL);
	ck_assert_int_eq(bell_peer_notify(p, UINT32_MAX), -EINVAL);
	for (i = 0; i < 1000; i++) { /* through all laps of a ring of 16 */
		ck_assert_int_eq(bell_peer_notify(p, 9), 1);
		ck_assert_int_eq(bell_peer_notify(p, 0), 1);
		ck_assert_int_eq(bell_peer_notify(p, 9), 0);
		ck_assert_int_eq(bell_peer_notify(p, 4), 1);
		ck_assert_int_eq(bell_share_poll(s, events, 2), 2);
		ck_assert_int_eq(bell_peer_notify(p, 9), 1); /* polled, so it is news again */
		ck_assert_int_eq(bell_share_poll(s, events + 2, 14), 2);
		ck_assert_uint_eq(events[0].token, 9);
		ck_assert_uint_eq(events[1].token, 0);
		ck_assert_uint_eq(events[2].token, 4);
		ck_assert_uint_eq(events[3].token, 9);
		ck_assert_uint_eq(events[3].peer, id);
	}
	expect_silence(s);
	bell_peer_free(p);
	expect_left(s, id, 0);
	ck_assert_uint_eq(share_stats_of(s).delivered, 4000);
	bell_share_free(s);
}

START_TEST(what_was_notified_before_leaving_comes_before_left)
{
	struct bell_share *s = share_of("x", NULL);
	uint64_t id;
	struct bell_peer *p = peer_of(s, "x", &id);
	uint32_t i;

	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bell_peer_notify(p, 99 - i), 1);
	bell_peer_free(p);
	for (i = 0; i < 100; i++)
		expect_token(s, id, 99 - i);
	expect_left(s, id, 0);
	expect_silence(s);
	ck_assert_uint_eq(share_stats_of(s).peers, 0);
	bell_share_free(s);
}

START_TEST(each_peer_has_tokens_of_its_own)
{
	struct bell_share *s = share_of("x", NULL);
	uint64_t a, b;
	struct bell_peer *pa = peer_of(s, "x", &a), *pb = peer_of(s, "x", &b);

	ck_assert_uint_ne(a, b);
	ck_assert_int_eq(bell_peer_notify(pa, 7), 1);
	expect_token(s, a, 7);
	ck_assert_int_eq(bell_peer_notify(pa, 7), 1);
	ck_assert_int_eq(bell_peer_notify(pb, 7), 1); /* conflation is per peer */
	bell_peer_free(pa);
	bell_peer_free(pb);
	bell_share_free(s);
}

/* One that never stops does not keep the others waiting. */
START_TEST(a_budget_is_shared_in_turns)
{
	enum { PEERS = 5, EACH = 40 };
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event events[10];
	struct bell_peer *p[PEERS];
	uint32_t got[PEERS] = {0}, i, j;
	ssize_t n;

	for (i = 0; i < PEERS; i++)
		p[i] = peer_of(s, "x", NULL);
	expect_silence(s);
	for (i = 0; i < PEERS; i++)
		for (j = 0; j < EACH; j++)
			ck_assert_int_eq(bell_peer_notify(p[i], j), 1);
	for (i = 0; i < EACH * PEERS / 10; i++) {
		n = bell_share_poll(s, events, 10);
		ck_assert_int_eq(n, 10);
		for (j = 0; j < 10; j++)
			ck_assert_uint_eq(events[j].token, got[events[j].index]++);
		for (j = 0; j < PEERS; j++)
			ck_assert_uint_eq(got[j], 2 * (i + 1));
	}
	for (i = 0; i < 3 * EACH; i++) { /* budget 1: every peer within so many polls as there are peers */
		for (j = 0; j < PEERS; j++)
			(void)bell_peer_notify(p[j], i % EACH);
		ck_assert_int_eq(bell_share_poll(s, events, 1), 1);
		got[events[0].index]++;
	}
	for (j = 0; j < PEERS; j++)
		ck_assert_uint_eq(got[j], EACH + 3 * EACH / PEERS);
	for (i = 0; i < PEERS; i++)
		bell_peer_free(p[i]);
	bell_share_free(s);
}

/* -- sleeping -------------------------------------------------------------------------------- */

START_TEST(the_descriptor_is_readable_until_an_arm_says_1)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_peer *p = peer_of(s, "x", NULL);
	struct bell_share_event events[8];
	int fd = bell_share_fd(s);
	uint32_t i;

	expect_silence(s);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(bell_peer_notify(p, i), 1);
	ck_assert_uint_eq(bell_peer_rings(p), 1);
	ck_assert(fd_readable(fd));
	ck_assert_int_eq(bell_share_arm(s), 1); /* as if spurious: who did not poll is told again */
	ck_assert(fd_readable(fd));
	ck_assert_int_eq(bell_share_poll(s, events, 2), 2);
	ck_assert(fd_readable(fd)); /* a budget: no arm, and the loop comes back */
	ck_assert_int_eq(bell_share_arm(s), 0);
	ck_assert(fd_readable(fd));
	ck_assert_int_eq(bell_share_poll(s, events, 8), 2);
	ck_assert(fd_readable(fd)); /* forgets to arm: spins, and does not sleep */
	ck_assert_int_eq(bell_share_arm(s), 1);
	ck_assert(!fd_readable(fd));
	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	ck_assert(fd_readable(fd));
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(an_awake_receiver_is_not_rung)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_peer *p = peer_of(s, "x", NULL);
	struct bell_share_event event;
	uint32_t i;

	expect_silence(s);
	for (i = 0; i < 5000; i++) {
		ck_assert_int_eq(bell_peer_notify(p, i % 8), 1);
		ck_assert_int_eq(bell_share_poll(s, &event, 1), 1);
	}
	ck_assert_uint_eq(bell_peer_rings(p), 1);
	expect_silence(s);
	ck_assert_uint_eq(share_stats_of(s).rings, 1);
	ck_assert_uint_eq(share_stats_of(s).strays, 0);
	bell_peer_free(p);
	bell_share_free(s);
}

/* A thread of the peer was preempted between reserving and publishing; what stands behind is published. */
START_TEST(who_sleeps_at_a_hole_is_rung_by_the_next_that_publishes)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.capacity = 8});
	struct bell_peer *p = peer_of(s, "x", NULL);
	struct bell_share_event event;
	uint64_t position;

	expect_silence(s);
	(void)bell_exchange_acq_rel(&p->flags[1], 1);
	position = bell_fetch_and_acq_rel(&p->shared->tail, ~(uint64_t)BELL__ARMED) >> BELL__SHIFT;
	(void)bell_fetch_add_acq_rel(&p->shared->tail, BELL__POSITION);
	ck_assert_int_eq(eventfd_write(p->bell, 1), 0); /* it saw ARMED, so it rings: early here */
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
	ck_assert_int_eq(bell_share_arm(s), 1); /* at the hole */
	ck_assert(!fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_peer_notify(p, 2), 1);
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 0); /* in order: not before the hole is filled */
	bell_store_release(&p->slots[position], 1 | (p->mask + 1));
	expect_token(s, 1, 1);
	expect_token(s, 1, 2);
	expect_silence(s);
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(joining_and_leaving_wake_and_stay_readable_until_told)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	struct raw r;
	int fd;

	ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
	ck_assert_int_eq(bell_share_arm(s), 1);
	ck_assert(!fd_readable(bell_share_fd(s)));
	fd = raw_dial("x");
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_poll(s, &event, 0), 0); /* admitted and not told */
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_arm(s), 0);
	ck_assert_uint_eq(next_event(s).kind, BELL_SHARE_JOINED);
	expect_silence(s);
	close(fd);
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_poll(s, &event, 0), 0);
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_arm(s), 0);
	expect_left(s, 1, 0);
	expect_silence(s);
	r = (struct raw){.fd = raw_dial("x"), .memory = -1, .bell = -1};
	ck_assert_uint_eq(next_event(s).peer, 2); /* ids are not used again */
	raw_close(&r);
	bell_share_free(s);
}

/* A receiver that only ever polls still learns of everything. */
START_TEST(a_receiver_that_never_arms_sees_who_comes_rings_and_goes)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_peer *sleeper = peer_of(s, "x", NULL), *busy;
	struct bell_share_event event;
	bool joined = false, token = false, left = false;
	int i, fd = -1;

	busy = peer_of(s, "x", NULL);
	expect_silence(s);
	for (i = 0; i < 100000 && !left; i++) {
		(void)bell_peer_notify(busy, 1);
		if (i == 100)
			ck_assert_int_eq(bell_peer_notify(sleeper, 5), 1);
		if (i == 200)
			fd = raw_dial("x");
		ck_assert_int_eq(bell_share_poll(s, &event, 1), 1);
		token |= event.kind == BELL_SHARE_TOKEN && event.token == 5;
		if (event.kind == BELL_SHARE_JOINED) {
			joined = true;
			close(fd);
		}
		left = event.kind == BELL_SHARE_LEFT;
	}
	ck_assert(joined && token && left);
	bell_peer_free(sleeper);
	bell_peer_free(busy);
	bell_share_free(s);
}

START_TEST(wait_ends_in_time_and_says_why)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	int64_t began = runner_now();

	ck_assert_int_eq(bell_share_wait(s, &event, 0, -1), -EINVAL);
	ck_assert_int_eq(bell_share_wait(s, &event, 1, 0), -ETIMEDOUT);
	ck_assert_int_eq(bell_share_wait(s, &event, 1, SECOND / 50), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - began, SECOND / 50);
	bell_share_free(s);
}

/* -- connecting and the end ------------------------------------------------------------------ */

START_TEST(connect_says_what_is_missing)
{
	struct bell_peer *p = NULL;
	struct bell_share *s;

	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", 0), -ENOENT);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", SECOND / 100), -ETIMEDOUT);
	s = share_of("x", NULL);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", 0), -ETIMEDOUT); /* nobody polls */
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", SECOND / 100), -ETIMEDOUT);
	ck_assert_ptr_null(p);
	bell_share_free(s);
}

START_TEST(a_full_house_is_said_and_a_place_that_is_left_is_free_again)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.max_peers = 2});
	uint64_t a;
	struct bell_peer *pa = peer_of(s, "x", &a), *pb = peer_of(s, "x", NULL);

	ck_assert_int_eq(refused(s, "x", PATIENCE), -EUSERS);
	ck_assert_uint_eq(share_stats_of(s).full, 1);
	bell_peer_free(pa);
	expect_left(s, a, 0);
	pa = peer_of(s, "x", &a);
	ck_assert_uint_eq(a, 3);
	bell_peer_free(pa);
	bell_peer_free(pb);
	bell_share_free(s);
}

START_TEST(one_user_has_a_limit_of_its_own)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.max_peers_per_user = 1});
	struct bell_peer *p = peer_of(s, "x", NULL);

	ck_assert_int_eq(refused(s, "x", PATIENCE), -EUSERS);
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(a_receiver_that_goes_is_known_to_its_peers)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_peer *p = peer_of(s, "x", NULL);

	ck_assert(!fd_readable(bell_peer_fd(p)));
	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	bell_share_free(s);
	ck_assert(fd_readable(bell_peer_fd(p)));
	ck_assert_int_eq(bell_peer_notify(p, 1), -EPIPE);
	ck_assert_int_eq(bell_peer_notify(p, 2), -EPIPE);
	ck_assert_int_eq(bell_peer_notify(p, 5000), -EINVAL);
	bell_peer_free(p);
}

START_TEST(nothing_is_freed_twice_and_nothing_is_fine)
{
	ck_assert_ptr_null(bell_share_free(NULL));
	ck_assert_ptr_null(bell_peer_free(NULL));
}

START_TEST(counters_count_and_show_a_peer)
{
	struct bell_share *s = share_of("x", NULL);
	uint64_t id;
	struct bell_peer *p = peer_of(s, "x", &id);
	struct bell_share_peer_stats one;

	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	expect_token(s, id, 1);
	ck_assert_int_eq(bell_peer_notify(p, 2), 1);
	ck_assert_int_eq(bell_share_peer_stats(s, 0, &one), 0);
	ck_assert_uint_eq(one.peer, id);
	ck_assert_uint_eq(one.notified, 2);
	ck_assert_uint_eq(one.delivered, 1);
	ck_assert_int_eq(one.pid, getpid());
	ck_assert_int_eq(bell_share_peer_stats(s, 1, &one), -ENOENT);
	ck_assert_int_eq(bell_share_peer_stats(s, UINT32_MAX, &one), -ENOENT);
	bell_peer_free(p);
	bell_share_free(s);
}

int main(void)
{
	Suite *s = suite_create("ipc share");
	TCase *tc = shares_case(s, "share", 60);

	tcase_add_test(tc, tokens_arrive_in_order_once_and_conflated_until_polled);
	tcase_add_test(tc, what_was_notified_before_leaving_comes_before_left);
	tcase_add_test(tc, each_peer_has_tokens_of_its_own);
	tcase_add_test(tc, a_budget_is_shared_in_turns);
	tcase_add_test(tc, the_descriptor_is_readable_until_an_arm_says_1);
	tcase_add_test(tc, an_awake_receiver_is_not_rung);
	tcase_add_test(tc, who_sleeps_at_a_hole_is_rung_by_the_next_that_publishes);
	tcase_add_test(tc, joining_and_leaving_wake_and_stay_readable_until_told);
	tcase_add_test(tc, a_receiver_that_never_arms_sees_who_comes_rings_and_goes);
	tcase_add_test(tc, wait_ends_in_time_and_says_why);
	tcase_add_test(tc, connect_says_what_is_missing);
	tcase_add_test(tc, a_full_house_is_said_and_a_place_that_is_left_is_free_again);
	tcase_add_test(tc, one_user_has_a_limit_of_its_own);
	tcase_add_test(tc, a_receiver_that_goes_is_known_to_its_peers);
	tcase_add_test(tc, nothing_is_freed_twice_and_nothing_is_fine);
	tcase_add_test(tc, counters_count_and_show_a_peer);
	return runner_run(s);
}
