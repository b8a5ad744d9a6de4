/* SPDX-License-Identifier: MIT
 *
 * Peers that do what no peer of this library does: they send, pass descriptors, stop half way, fill up
 * the bell, make it block, write anything anywhere in their memory. Each is dropped, with a reason, or
 * bounded; and another peer beside it, which is sound, notices nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ipc/layout.h"
#include "shares.h"

enum { CAPACITY = 100 }; /* not a power of two: there are numbers that fit a slot and are no token */

static struct bell_share *s;
static struct bell_peer *sound;
static uint64_t sound_id, id; /* of the stranger */
static struct raw r;
static struct bell__layout *shared;
static uint8_t *flags;

static void start(void)
{
	s = share_of("x", &(struct bell_share_options){
				  .capacity = CAPACITY, .max_peers = 4, .max_strays = 50});
	sound = peer_of(s, "x", &sound_id);
}

static void *connect_raw(void *userdata)
{
	(void)userdata;
	r = raw_connect("x");
	return NULL;
}

static void let_stranger_in(void)
{
	pthread_t thread = spawn(connect_raw, NULL);
	struct bell_share_event event = next_event(s);

	join(thread);
	ck_assert_uint_eq(event.kind, BELL_SHARE_JOINED);
	id = event.peer;
	shared = (void *)r.map;
	flags = r.map + shared->flags_at;
}

/* The sound peer gets through, and the receiver can sleep. */
static void expect_peace(void)
{
	uint32_t i;

	for (i = 0; i < 3; i++) {
		expect_silence(s);
		ck_assert_int_eq(bell_peer_notify(sound, i), 1);
		expect_token(s, sound_id, i);
	}
}

static void finish(void)
{
	raw_close(&r);
	bell_peer_free(sound);
	bell_share_free(s);
}

START_TEST(one_that_sends_is_dropped)
{
	start();
	let_stranger_in();
	ck_assert_int_eq(send(r.fd, "hello", 5, 0), 5);
	expect_left(s, id, -EPROTO);
	expect_peace();
	ck_assert_uint_eq(share_stats_of(s).dropped, 1);
	finish();
}

START_TEST(descriptors_that_are_sent_never_arrive)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = {.align = {.cmsg_len = CMSG_LEN(3 * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec text = {.iov_base = control.room, .iov_len = 1};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	int first, after;

	start();
	let_stranger_in();
	memcpy(CMSG_DATA(&control.align), (int[]){r.memory, r.bell, r.fd}, 3 * sizeof(int));
	first = dup(0);
	close(first);
	ck_assert_int_eq(sendmsg(r.fd, &message, 0), 1);
	expect_left(s, id, -EPROTO);
	after = dup(0); /* the lowest free number: two lower than before, which the peer's end gave back */
	close(after);
	ck_assert_int_lt(after, first);
	expect_peace();
	finish();
}

START_TEST(one_that_stops_half_way_has_a_place_and_disturbs_nobody)
{
	struct bell_share_event event;
	int fds[3], i;

	start();
	for (i = 0; i < 3; i++) {
		fds[i] = raw_dial("x"); /* and never reads */
		event = next_event(s);
		ck_assert_uint_eq(event.kind, BELL_SHARE_JOINED);
		expect_peace();
	}
	ck_assert_int_eq(refused(s, "x", PATIENCE), -EUSERS);
	close(fds[1]);
	expect_left(s, 3, 0);
	bell_peer_free(peer_of(s, "x", &id));
	expect_left(s, id, 0);
	close(fds[0]);
	close(fds[2]);
	bell_peer_free(sound);
	bell_share_free(s);
}

static void ring(uint64_t n)
{
	ck_assert_int_eq(write(r.bell, &n, sizeof(n)), sizeof(n));
}

START_TEST(one_that_rings_unasked_is_dropped_when_it_is_too_often)
{
	int i;

	start();
	let_stranger_in();
	for (i = 0; i < 50; i++) {
		expect_silence(s);
		ring(1);
		ck_assert(fd_readable(bell_share_fd(s)));
	}
	expect_silence(s);
	expect_peace();
	ring(1);
	expect_left(s, id, -EDQUOT);
	expect_peace();
	finish();
}

START_TEST(a_bell_that_is_full_or_blocks_holds_nobody_up)
{
	int i;

	for (i = 0; i < 2; i++) {
		start();
		let_stranger_in();
		ck_assert_int_eq(fcntl(r.bell, F_SETFL, 0),
			0); /* now a read of it may block, the receiver's too */
		if (i == 0)
			ring(UINT64_MAX - 1);
		else
			(void)bell_fetch_and_acq_rel(
				&shared->tail, ~(uint64_t)BELL__ASLEEP); /* as if it rang */
		if (i == 0)
			expect_left(s, id, -EDQUOT);
		else
			expect_silence(s);
		expect_peace();
		finish();
	}
}

/* Publishes as a peer does, whatever it is. */
static void publish(uint32_t slot_value)
{
	uint64_t position = bell_fetch_add_acq_rel(&shared->tail, BELL__POSITION) >> BELL__SHIFT;

	bell_store_release(&shared->slots[position & (shared->ring_size - 1)],
		slot_value ^ (~(uint32_t)position & shared->ring_size));
	ring(1);
}

START_TEST(a_slot_that_holds_no_token_is_a_breach)
{
	static const uint32_t bad[] = {CAPACITY, 127, 256, 1000, UINT32_MAX, UINT32_C(1) << 31};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start();
		let_stranger_in();
		publish(7);
		publish(bad[i]);
		publish(8);
		expect_token(s, id, 7);
		expect_left(s, id, -EPROTO);
		expect_peace();
		finish();
	}
}

START_TEST(a_tail_that_is_nowhere_is_a_breach)
{
	static const uint64_t bad[] = {(CAPACITY + 1) << BELL__SHIFT, UINT64_MAX << BELL__SHIFT,
		BELL__CLOSED, (UINT64_C(1) << 63)};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start();
		let_stranger_in();
		expect_silence(s);
		bell_store_release(&shared->tail, bad[i]);
		ring(1);
		expect_left(s, id, -EPROTO);
		expect_peace();
		finish();
	}
}

START_TEST(a_slot_that_flickers_is_a_breach)
{
	struct bell_share_event event;

	start();
	let_stranger_in();
	(void)bell_fetch_add_acq_rel(&shared->tail, BELL__POSITION);
	bell_store_release(&shared->slots[0], 5 | shared->ring_size);
	ring(1);
	ck_assert_int_eq(bell_share_poll(s, &event, 0), 0); /* looks at descriptors, takes nothing */
	ck_assert_int_eq(bell_share_arm(s), 0);	    /* there is something to poll */
	bell_store_release(&shared->slots[0], 0);
	expect_left(s, id, -EPROTO);
	expect_peace();
	finish();
}

START_TEST(one_that_says_everything_is_up_leaves_in_bounded_time)
{
	struct bell_share_event event;
	uint32_t i, tokens = 0;

	start();
	let_stranger_in();
	expect_silence(s);
	for (i = 0; i < shared->ring_size; i++) /* a ring full of one token, and all flags */
		bell_store_release(&shared->slots[i], 3 | shared->ring_size);
	memset(flags, 0xff, CAPACITY);
	close(r.fd);
	r.fd = dup(0);
	while ((event = next_event(s)).kind == BELL_SHARE_TOKEN)
		tokens++;
	ck_assert_uint_eq(event.kind, BELL_SHARE_LEFT);
	ck_assert_uint_le(tokens, shared->ring_size + CAPACITY);
	expect_peace();
	finish();
}

START_TEST(a_forged_header_changes_nothing)
{
	start();
	let_stranger_in();
	memset(shared, 0xff, offsetof(struct bell__layout, closed));
	expect_silence(s);
	expect_peace();
	close(r.fd);
	r.fd = dup(0);
	expect_left(s, id, 0);
	finish();
}

START_TEST(the_memory_cannot_be_cut_off)
{
	start();
	let_stranger_in();
	ck_assert_int_eq(ftruncate(r.memory, 0), -1);
	ck_assert_int_eq(ftruncate(r.memory, 1 << 24), -1);
	ck_assert_int_eq(
		fallocate(r.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)r.size),
		0);
	expect_silence(s); /* zeros: no ring of ours, but no fault either */
	expect_peace();
	finish();
}

int main(void)
{
	Suite *suite = suite_create("ipc hostile peer");
	TCase *tc = shares_case(suite, "hostile peer", 30);

	tcase_add_test(tc, one_that_sends_is_dropped);
	tcase_add_test(tc, descriptors_that_are_sent_never_arrive);
	tcase_add_test(tc, one_that_stops_half_way_has_a_place_and_disturbs_nobody);
	tcase_add_test(tc, one_that_rings_unasked_is_dropped_when_it_is_too_often);
	tcase_add_test(tc, a_bell_that_is_full_or_blocks_holds_nobody_up);
	tcase_add_test(tc, a_slot_that_holds_no_token_is_a_breach);
	tcase_add_test(tc, a_tail_that_is_nowhere_is_a_breach);
	tcase_add_test(tc, a_slot_that_flickers_is_a_breach);
	tcase_add_test(tc, one_that_says_everything_is_up_leaves_in_bounded_time);
	tcase_add_test(tc, a_forged_header_changes_nothing);
	tcase_add_test(tc, the_memory_cannot_be_cut_off);
	return runner_run(suite);
}
