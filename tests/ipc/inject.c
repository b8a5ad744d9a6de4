/* SPDX-License-Identifier: MIT
 *
 * Each side of a share runs in the middle of a step of the other: built with the library's own
 * sources, whose injection points call back. One thread is both sides, so every interleaving here
 * happens, and always.
 */
#include "ipc/peer.h"
#include "shares.h"

void inject_point(const char *point);

static struct bell_share *s;
static struct bell_peer *p;
static uint64_t id;

/* At which point what is done, once. */
static const char *at;
static void (*action)(void);

void inject_point(const char *point)
{
	if (!at || strcmp(point, at) != 0)
		return;
	at = NULL;
	action();
}

static void on(const char *point, void (*fn)(void))
{
	at = point;
	action = fn;
}

static void start(void)
{
	s = share_of("x", &(struct bell_share_options){.capacity = 8});
	p = peer_of(s, "x", &id);
	expect_silence(s);
}

static void finish(void)
{
	ck_assert_ptr_null(at); /* the point was passed */
	expect_silence(s);
	ck_assert_uint_eq(share_stats_of(s).strays, 0);
	bell_peer_free(p);
	expect_left(s, id, 0);
	bell_share_free(s);
}

static void notify_5(void)
{
	ck_assert_int_eq(bell_peer_notify(p, 5), 1);
}

/* The receiver was rung and has taken everything, and its bell is not read. */
static void come_to_arm(void)
{
	struct bell_share_event event;

	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	ck_assert(fd_readable(bell_share_fd(s)));
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 1);
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
}

START_TEST(a_notify_in_the_middle_of_arm_keeps_it_awake_and_its_descriptor_readable)
{
	static const char *const points[] = {"share_silenced", "share_arming"};
	uint64_t rings;

	start();
	come_to_arm();
	rings = bell_peer_rings(p);
	on(points[_i], notify_5);
	ck_assert_int_eq(bell_share_arm(s), 0);
	ck_assert_uint_eq(bell_peer_rings(p), rings); /* nobody was asleep */
	ck_assert(fd_readable(bell_share_fd(s)));
	expect_token(s, id, 5);
	finish();
}

/* Another thread of the peer has reserved a slot, and publishes it now. */
static uint64_t position;

static void reserve_2(void)
{
	(void)bell_exchange_acq_rel(&p->flags[2], 1);
	position = bell_fetch_add_acq_rel(&p->shared->tail, BELL__POSITION) >> BELL__SHIFT;
}

static void publish_2(void)
{
	bell_store_release(&p->slots[position & p->mask], 2 | bell__queue_lap(position, p->mask));
}

START_TEST(a_hole_that_is_filled_while_arm_announces_it_is_seen)
{
	start();
	come_to_arm();
	reserve_2();
	on("share_hole", publish_2); /* after its look at tail, say: so nobody rings */
	ck_assert_int_eq(bell_share_arm(s), 0);
	ck_assert_uint_eq(p->shared->tail & BELL__ASLEEP, 0); /* and an awake receiver is not rung */
	ck_assert(fd_readable(bell_share_fd(s)));
	expect_token(s, id, 2);
	finish();
}

static void publish_2_and_notify_5(void)
{
	publish_2();
	notify_5();
}

START_TEST(a_hole_that_is_claimed_while_arm_announces_it_is_counted)
{
	struct bell_share_event event;
	uint64_t rings;

	start();
	come_to_arm();
	reserve_2();
	rings = bell_peer_rings(p);
	on("share_hole", publish_2_and_notify_5);
	ck_assert_int_eq(bell_share_arm(s), 0);
	ck_assert_uint_eq(bell_peer_rings(p), rings + 1);
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 1);
	ck_assert_uint_eq(event.token, 2);
	expect_token(s, id, 5);
	finish();
}

static void notify_1_again(void)
{
	ck_assert_int_eq(bell_peer_notify(p, 1), 0);
}

START_TEST(a_token_that_is_just_being_polled_is_conflated_and_returned_once)
{
	struct bell_share_event events[8];

	start();
	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	on("share_taken", notify_1_again);
	ck_assert_int_eq(bell_share_poll(s, events, 8), 1);
	finish();
}

static int armed;

static void sleep_now(void)
{
	struct bell_share_event event;

	while (bell_share_poll(s, &event, 1) > 0)
		;
	armed = bell_share_arm(s);
}

START_TEST(who_falls_asleep_in_the_middle_of_a_notify_is_rung)
{
	static const char *const points[] = {"share_claimed", "share_reserved"};
	uint64_t rings;

	start();
	come_to_arm();
	rings = bell_peer_rings(p);
	on(points[_i], sleep_now);
	notify_5();
	ck_assert_int_eq(armed, 1);
	ck_assert_uint_eq(bell_peer_rings(p), rings + 1);
	ck_assert(fd_readable(bell_share_fd(s)));
	expect_token(s, id, 5);
	finish();
}

START_TEST(who_has_the_token_and_sleeps_is_not_rung_for_it)
{
	uint64_t rings;

	start();
	come_to_arm();
	rings = bell_peer_rings(p);
	on("share_published", sleep_now);
	notify_5();
	ck_assert_int_eq(armed, 1);
	ck_assert_uint_eq(bell_peer_rings(p), rings);
	ck_assert(!fd_readable(bell_share_fd(s)));
	finish();
}

static void leave(void)
{
	bell_share_free(s);
}

START_TEST(a_receiver_that_goes_while_it_is_rung_is_known)
{
	start();
	on("share_ringing", leave);
	ck_assert_int_eq(bell_peer_notify(p, 5), -EPIPE);
	ck_assert_ptr_null(at);
	bell_peer_free(p);
}

/* -- boards and watches ---------------------------------------------------------------------- */

static struct bell_observer *o;
static struct bell_peer *second;
static struct bell_share *second_share;

/* Until it sleeps; it has nothing to tell. */
static void settle(struct bell_share *share)
{
	struct bell_share_event event;

	while (bell_share_arm(share) == 0 || fd_readable(bell_share_fd(share)))
		ck_assert_int_eq(bell_share_poll(share, &event, 1), 0);
}

static void join_and_show(void)
{
	second = peer_of(s, "x", NULL);
	expect_silence(s);
}

static void read_and_fail(void)
{
	struct bell_share_peer_stats seen;

	ck_assert_int_eq(bell_observer_peer(o, 0, &seen), -EAGAIN);
}

static void observe(void)
{
	struct bell_share_stats seen;

	start();
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), 0);
	settle(s);
	ck_assert_int_eq(bell_observer_read(o, &seen), 0);
}

START_TEST(counters_that_change_while_they_are_read_are_read_again)
{
	struct bell_share_stats seen;

	observe();
	on("board_reading", join_and_show);
	ck_assert_int_eq(bell_observer_read(o, &seen), 0);
	ck_assert_uint_eq(seen.joined, 2);
	ck_assert_uint_eq(seen.peers, 2); /* the word that was read before */
	bell_peer_free(second);
	expect_left(s, id + 1, 0);
	bell_observer_free(o);
	settle(s);
	finish();
}

START_TEST(counters_are_not_read_while_they_are_written)
{
	observe();
	notify_5();
	on("board_writing", read_and_fail);
	expect_token(s, id, 5);
	settle(s);
	bell_observer_free(o);
	settle(s);
	finish();
}

static void offer_y(void)
{
	second_share = share_of("y", NULL);
}

/* The directory has been read, and the watch does not know of it. */
START_TEST(a_name_that_comes_behind_a_scan_is_told)
{
	struct bell_watch_event e;
	struct bell_watch *w;

	if (_i == 0)
		on("watch_scanned", offer_y);
	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	if (_i == 1) {
		bell_share_free(share_of("x", NULL));
		on("watch_scanned", offer_y);
		ck_assert_int_eq(bell_watch_next(w, &e), 0);
	}
	ck_assert_ptr_null(at);
	ck_assert(fd_readable(bell_watch_fd(w)));
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_uint_eq(e.kind, BELL_WATCH_APPEARED);
	ck_assert_str_eq(e.name, "y");
	ck_assert_int_eq(bell_watch_next(w, &e), 0);
	ck_assert(!fd_readable(bell_watch_fd(w)));
	bell_watch_free(w);
	bell_share_free(second_share);
}

int main(void)
{
	Suite *suite = suite_create("ipc inject");
	TCase *tc = shares_case(suite, "inject", 60);

	tcase_add_loop_test(
		tc, a_notify_in_the_middle_of_arm_keeps_it_awake_and_its_descriptor_readable, 0, 2);
	tcase_add_test(tc, a_hole_that_is_filled_while_arm_announces_it_is_seen);
	tcase_add_test(tc, a_hole_that_is_claimed_while_arm_announces_it_is_counted);
	tcase_add_test(tc, a_token_that_is_just_being_polled_is_conflated_and_returned_once);
	tcase_add_loop_test(tc, who_falls_asleep_in_the_middle_of_a_notify_is_rung, 0, 2);
	tcase_add_test(tc, who_has_the_token_and_sleeps_is_not_rung_for_it);
	tcase_add_test(tc, a_receiver_that_goes_while_it_is_rung_is_known);
	tcase_add_test(tc, counters_that_change_while_they_are_read_are_read_again);
	tcase_add_test(tc, counters_are_not_read_while_they_are_written);
	tcase_add_loop_test(tc, a_name_that_comes_behind_a_scan_is_told, 0, 2);
	return runner_run(suite);
}
