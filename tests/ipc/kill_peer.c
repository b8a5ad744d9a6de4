/* SPDX-License-Identifier: MIT
 *
 * A peer is killed at every instruction of its notifies. Each point is a process of its own: it connects,
 * comes to the first of its notifies, goes so many instructions further and dies. What it had been told is
 * queued must arrive, once; the notification that it was making, too, or not at all; nothing else; then
 * LEFT. The receiver sleeps in between, without a timeout that it could live on.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "ipc/peer.h"
#include "shares.h"
#include "step.h"

enum { CAPACITY = 5, NOTIFIES = 6 };

/* What a peer says, in this order: new ones, one that conflates, one in its ring's second half. One of
 * them at a time is stepped through, for each point takes the steps of all before it. */
static const uint32_t script[NOTIFIES] = {3, 0, 3, 4, 1, 2};

struct point {
	int scene;
	uint32_t first; /* notify that is stepped through */
	unsigned long instructions;
};

/* Written by the peer as it goes, outside of what is shared with the receiver: what each notify said,
 * + 1. */
static uint32_t *said;

enum scene {
	AWAKE,	      /* the receiver is awake: no notify rings */
	ASLEEP,	      /* it sleeps: the first one rings */
	HOLE,	      /* another thread has reserved a slot and will never publish it */
	ASLEEP_AT_HOLE, /* ... and the receiver sleeps until it does */
	SECOND_LAP,   /* the ring goes into its next lap in the middle */
	SCENES
};

static const char *const names[] = {
	"awake", "asleep", "a hole", "asleep at a hole", "a second lap"};

/* Half of a notify of the last token, as a thread makes it that stops there for good. */
static void reserve(struct bell_peer *p, uint32_t token)
{
	(void)bell_exchange_acq_rel(&p->flags[token], 1);
	(void)bell_fetch_add_acq_rel(&p->shared->tail, BELL__POSITION);
}

static int notify_and_die(void *arg)
{
	const struct point *at = arg;
	const int scene = at->scene;
	struct bell_peer *p = child_connect("x");
	uint32_t i;

	if (scene == HOLE || scene == ASLEEP_AT_HOLE)
		reserve(p, 2);
	for (i = 0; scene == SECOND_LAP && i < CAPACITY; i++)
		(void)bell_peer_notify(p, i);
	(void)bell_peer_notify(p, CAPACITY); /* the linker's part of a first call is not ours */
	for (i = 0; i <= at->first; i++) {
		if (i == at->first)
			step_begin();
		bell_store_relaxed(&said[i], (uint32_t)bell_peer_notify(p, script[i]) + 1);
	}
	step_end();
	return 0;
}

/* The receiver's part before the peer goes on: up to its sleep. */
static void prepare(struct bell_share *s, int scene, uint64_t peer)
{
	struct bell_share_event event;
	uint32_t i;

	for (i = 0; scene == SECOND_LAP && i < CAPACITY; i++)
		expect_token(s, peer, i);
	while (scene == ASLEEP && bell_share_arm(s) == 0)
		while (bell_share_poll(s, &event, 1) > 0)
			;
	while (scene == ASLEEP_AT_HOLE && bell_share_arm(s) == 0)
		ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
}

/* Takes all events of the peer, which is dead. Returns how many tokens came more or less than they
 * should. */
static unsigned wrong_tokens(struct bell_share *s, const struct point *at, uint64_t peer)
{
	unsigned seen[CAPACITY] = {0}, wrong = 0;
	bool due[CAPACITY] = {false}, maybe[CAPACITY] = {false};
	struct bell_share_event event;
	/* To come here the receiver took those before. */
	uint32_t i = at->scene == ASLEEP || at->scene == SECOND_LAP ? at->first : 0;

	for (; i < NOTIFIES && said[i]; i++)
		due[script[i]] = true;
	if (i < NOTIFIES)
		maybe[script[i]] = true;
	if (at->scene == HOLE || at->scene == ASLEEP_AT_HOLE)
		due[2] = true; /* its flag is up, so others may have been told "conflated" */
	while ((event = next_event(s)).kind == BELL_SHARE_TOKEN)
		seen[event.token]++;
	wrong += event.kind != BELL_SHARE_LEFT || event.peer != peer || event.reason != 0;
	for (i = 0; i < CAPACITY; i++)
		wrong += seen[i] > 1 || (due[i] && !seen[i]) || (seen[i] && !due[i] && !maybe[i]);
	return wrong;
}

/* False: the peer came to its end before it could be killed there. */
static bool try_point(struct bell_share *s, struct point *at)
{
	struct bell_share_event joined;
	pid_t child;
	bool on;

	memset(said, 0, NOTIFIES * sizeof(*said));
	child = child_of(notify_and_die, at);
	joined = next_event(s);
	ck_assert_uint_eq(joined.kind, BELL_SHARE_JOINED);
	step_await(child);
	prepare(s, at->scene, joined.peer);
	on = step_on(child, at->instructions);
	step_kill(child);
	ck_assert_msg(wrong_tokens(s, at, joined.peer) == 0,
		"%s: killed %lu instructions into notify %u", names[at->scene], at->instructions,
		at->first);
	return on;
}

START_TEST(a_peer_killed_at_any_instruction_of_notify_loses_nothing_it_was_told)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.capacity = CAPACITY});
	struct point at = {.scene = _i};
	unsigned points = 0;

	said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(said != MAP_FAILED);
	for (; at.first < NOTIFIES; at.first++) {
		for (at.instructions = 0; try_point(s, &at); at.instructions += step_stride())
			points++;
		ck_assert_uint_gt(at.instructions, 20);
	}
	printf("# %s: killed at %u points, 0 lost, 0 hung\n", names[_i], points);
	fflush(stdout);
	ck_assert_uint_eq(share_stats_of(s).peers, 0);
	munmap(said, 4096);
	bell_share_free(s);
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
	s = suite_create("ipc kill peer");
	tc = shares_case(s, "kill peer", 300);

	tcase_add_loop_test(tc,
		a_peer_killed_at_any_instruction_of_notify_loses_nothing_it_was_told, 0, SCENES);
	return runner_run(s);
}
