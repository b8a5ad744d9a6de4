/* SPDX-License-Identifier: MIT
 *
 * A receiver is killed at every instruction of poll and arm. Each point is a process of its own: it offers
 * the name that its dead predecessor left, takes a peer in, polls and arms, and dies after so many
 * instructions. The peer, which is this process, is not hung by it, learns of it from its descriptor, and
 * from notify as soon as that would have had to wake the receiver; and leaves nothing behind.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ipc/peer.h"
#include "shares.h"
#include "step.h"

enum { CAPACITY = 8 };

enum { NEW, RUNG, HOLE, SCENES };

static uint32_t sink; /* where results go that are of no interest */

static const char *const names[] = {"awake, with tokens", "rung", "at a hole"};

/* What a receiver does, in parts: each point takes the steps of all before it in its part. */
enum { FIRST_POLL, SECOND_POLL, ARM, PARTS };

struct point {
	int scene, part;
	unsigned long instructions;
};

static void do_part(struct bell_share *s, int part)
{
	struct bell_share_event events[3];

	if (part == ARM)
		bell_store_relaxed(&sink, (uint32_t)bell_share_arm(s));
	else
		bell_store_relaxed(&sink, (uint32_t)bell_share_poll(s, events, 3));
}

static int gate[2]; /* child and parent tell each other to go on */

static void pass(int side)
{
	char byte = 'x';

	if (write(gate[side], &byte, 1) != 1)
		abort();
}

static void await(int side)
{
	char byte;

	if (read(gate[side], &byte, 1) != 1)
		abort();
}

static int receive_and_die(void *arg)
{
	const struct point *at = arg;
	int part;
	struct bell_share_event event;
	struct bell_share *s;

	if (bell_share_new(
		    &s, shares_dir, "x", &(struct bell_share_options){.capacity = CAPACITY}) < 0)
		return 1;
	if (bell_share_poll(s, &event, 1) != 0 || bell_share_arm(s) != 1) /* the linker has its part of */
		return 2;						  /* a first call, not ours */
	pass(1);
	while (bell_share_poll(s, &event, 1) != 1)
		;
	if (at->scene == RUNG)
		do_part(s, ARM);
	pass(1);
	await(1);
	for (part = 0; part < at->part; part++)
		do_part(s, part);
	step_begin();
	do_part(s, at->part);
	step_end();
	return 0;
}

static void say(struct bell_peer *p, int scene)
{
	uint32_t i;

	for (i = 0; i < 5; i++)
		ck_assert_int_eq(bell_peer_notify(p, i), 1);
	if (scene == HOLE)
		(void)bell_fetch_add_acq_rel(&p->shared->tail, BELL__POSITION);
}

/* The receiver is dead. */
static void expect_gone(struct bell_peer *p)
{
	struct pollfd gone = {.fd = bell_peer_fd(p), .events = POLLIN};
	bool asleep = bell_load_relaxed(&p->shared->tail) & BELL__ASLEEP;
	int r;

	ck_assert_int_eq(poll(&gone, 1, 20000), 1);
	r = bell_peer_notify(p, 6);
	ck_assert_int_eq(r, asleep ? -EPIPE : 1);
	r = bell_peer_notify(p, 6);
	ck_assert_int_eq(r, asleep ? -EPIPE : 0);
}

static bool try_point(struct point *at)
{
	struct bell_peer *p = NULL;
	pid_t child = child_of(receive_and_die, at);
	bool on;

	await(0);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", PATIENCE), 0);
	await(0);
	say(p, at->scene);
	pass(0);
	step_await(child);
	on = step_on(child, at->instructions);
	step_kill(child);
	expect_gone(p);
	bell_peer_free(p);
	return on;
}

START_TEST(a_receiver_killed_at_any_instruction_hangs_nobody_and_is_known_to_be_gone)
{
	struct point at = {.scene = _i};
	unsigned points = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate), 0);
	for (; at.part < PARTS; at.part++) {
		for (at.instructions = 0; try_point(&at); at.instructions += step_stride())
			points++;
		ck_assert_uint_gt(at.instructions, 20);
	}
	printf("# %s: killed at %u points, 0 hung\n", names[_i], points);
	fflush(stdout);
	close(gate[0]);
	close(gate[1]);
}

int main(void)
{
	const char *why_not = step_refused();
	Suite *s;
	TCase *tc;

	if (why_not) {
		printf("1..0 # SKIP %s\n", why_not);
		return 0;
	}
	s = suite_create("ipc kill receiver");
	tc = shares_case(s, "kill receiver", 300);

	tcase_add_loop_test(tc,
		a_receiver_killed_at_any_instruction_hangs_nobody_and_is_known_to_be_gone, 0,
		SCENES);
	return runner_run(s);
}
