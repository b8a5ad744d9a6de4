/* SPDX-License-Identifier: MIT
 *
 * scenarios_more.c: asking while a broadcast is under way; conditions, with the ways to get them
 * wrong as controls; and waiters that are bound to a token.
 */
#include <string.h>

#include "play.h"

static struct bell_queue *queue;

static void both_ready(unsigned slept)
{
	expect(bell_permit_enable(&s.p, &s.w[0]) == 1, "the first is ready in the end");
	expect(bell_permit_enable(&s.p, &s.w[1]) == 1, "the second is ready in the end");
	bell_permit_cancel(&s.p, &s.w[2]);
	nothing_stored(slept);
}

/* Who reads the counts: all that were queued were told once. */
static void all_many_ready(unsigned slept)
{
	int i;

	for (i = 0; i < MANY; i++)
		if (!(s.gone & 1U << (i & 31)) || i > 3)
			expect(bell_permit_enable(&s.p, &s.w[i]) == 1, "all are ready in the end");
	(s.ready ? one_stored : nothing_stored)(slept);
}

/* -- asking while a broadcast is under way --------------------------------------------------- */

static int order[2];

static void poll_two(void)
{
	int first = bell_permit_enable(&s.p, &s.w[order[0]]);
	int second = bell_permit_enable(&s.p, &s.w[order[1]]);

	expect(first == 0 || second == 1, "if one is ready, so are all");
}

static void order_01(int variant)
{
	order[0] = 0;
	order[1] = 1;
	enable_some(variant);
}

static void order_many(int variant)
{
	order[0] = variant ? MANY - 1 : 0;
	order[1] = variant ? 0 : MANY - 1;
	enable_many(variant);
}

/* One of a broadcast that is under way: a notify_one after it meets nobody. */
static void notify_when_ready(void)
{
	if (bell_permit_enable(&s.p, &s.w[order[0]]) == 1) {
		expect(bell_permit_notify_one(&s.p) == 0, "nobody waits after a broadcast");
		s.ready = 1;
	}
}

static void wait_for_last(void)
{
	bool told = bell_permit_wait(&s.p, &s.w[MANY - 1], order[0] ? 1 : -1) == 0;

	memset(&s.w[MANY - 1], 0, sizeof(s.w[0]));
	prepare(MANY - 1);
	expect(bell_permit_enable(&s.p, &s.w[MANY - 1]) == 0 || !told,
		"not woken by the same broadcast");
}

static void cancel_last_but_one(void)
{
	bell_permit_cancel(&s.p, &s.w[MANY - 2]);
	memset(&s.w[MANY - 2], 0, sizeof(s.w[0]));
}

static void last_two_are_gone(unsigned slept)
{
	int i;

	bell_permit_cancel(&s.p, &s.w[MANY - 2]);
	for (i = 0; i < MANY - 2; i++)
		expect(bell_permit_enable(&s.p, &s.w[i]) == 1, "all are ready in the end");
	bell_permit_cancel(&s.p, &s.w[MANY - 1]);
	nothing_stored(slept);
}

static void wait_twice(void)
{
	wait_on(0);
	prepare(0);
	wait_on(0);
	s.got[3] = 1;
}

static void second_wait_sleeps(unsigned slept)
{
	all_is_well(slept);
	expect(slept == 1 && s.got[0] == 1 && s.got[3] == -1, "one broadcast is for one wait");
}

/* -- conditions ------------------------------------------------------------------------------ */

static void make_ready_by_one(void)
{
	explore_step();
	s.ready = 1;
	notify_one();
}

static void make_ready_by_last(void)
{
	explore_step();
	s.ready = 1;
	notify_last();
}

static void make_ready_by_all(void)
{
	explore_step();
	s.ready = 1;
	notify_all();
}

static bool is_ready(void)
{
	explore_step();
	return s.ready;
}

static void await_ready(int i)
{
	for (;;) {
		prepare(i);
		if (is_ready())
			break;
		wait_on(i);
	}
	forget(i);
}

static void await_ready_0(void)
{
	await_ready(0);
}

static void await_ready_1(void)
{
	await_ready(1);
}

/* As the seeds of so many programs have it: look first, then make the waiter. */
static void look_then_prepare(void)
{
	while (!is_ready()) {
		prepare(0);
		wait_on(0);
	}
}

static bool take_item(void)
{
	explore_step();
	if (s.items == 0)
		return false;
	s.items--;
	return true;
}

static void release_two(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		explore_step();
		s.items++;
		notify_one();
	}
}

static void acquire(int i, bool queued)
{
	for (;;) {
		prepare(i);
		if (queued)
			(void)bell_permit_enable(&s.p, &s.w[i]);
		if (take_item())
			break;
		wait_on(i);
	}
	bell_permit_cancel(&s.p, &s.w[i]);
	forget(i);
}

static void acquire_0(void)
{
	acquire(0, true);
}

static void acquire_1(void)
{
	acquire(1, true);
}

static void acquire_unqueued_0(void)
{
	acquire(0, false);
}

static void acquire_unqueued_1(void)
{
	acquire(1, false);
}

static void no_items(unsigned slept)
{
	all_is_well(slept);
	expect(s.items == 0, "every item was taken");
}

/* -- bound ----------------------------------------------------------------------------------- */

static uint64_t queue_state(void)
{
	return (bell_load_relaxed(&queue->tail) - (queue->head << 3)) << 8 ^ queue->refs;
}

static void bind_first(int variant)
{
	uint32_t token;

	fresh(variant);
	queue->refs = 1;
	while (bell_queue_poll(queue, &token, 1) == 1)
		;
	queue->tail = queue->head << 3; /* as a receiver that is awake */
	prepare(0);
	expect(bell_permit_bind(&s.p, &s.w[0], queue, 3) == 0, "bound while setting up");
	if (variant)
		enable(1);
}

static void poll_bound(void)
{
	s.got[0] = bell_permit_enable(&s.p, &s.w[0]);
}

static void bind_again(void)
{
	s.got[0] = bell_permit_bind(&s.p, &s.w[0], queue, 2);
}

static int tokens(void)
{
	uint32_t token;
	int n = 0;

	while (bell_queue_poll(queue, &token, 1) == 1)
		n++;
	return n;
}

static void told_by_a_token(unsigned slept)
{
	expect(bell_permit_enable(&s.p, &s.w[0]) == 1, "ready in the end");
	expect(s.got[0] == 1 || tokens() == 1, "told at once, or by a token");
	expect(queue->refs == 1, "no reference is left");
	nothing_stored(slept);
}

static void cancelled_bound(unsigned slept)
{
	expect(tokens() <= 1, "one token at most");
	expect(queue->refs == 1, "no reference is left");
	one_stored(slept);
}

static void handed_on(unsigned slept)
{
	expect(queue->refs == 1, "no reference is left");
	nothing_stored(slept);
}

const struct scenario more_scenarios[] = {
	{"prepared, prepared: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 0},
	{"queued, prepared: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 1},
	{"prepared, queued: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 2},
	{"queued, queued: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 3},
	{"more than a batch: if the first is ready, so is the last", {poll_two, notify_all},
		order_many, all_many_ready, .variant = 0},
	{"more than a batch: if the last is ready, so is the first", {poll_two, notify_all},
		order_many, all_many_ready, .variant = 1},
	{"a notify_one within a broadcast is stored", {notify_when_ready, notify_all}, order_many,
		all_many_ready, .variant = 0},
	{"a notify_one within a broadcast, seen at its end, is stored",
		{notify_when_ready, notify_all}, order_many, all_many_ready, .variant = 1},
	{"a wait and a cancel in the second batch",
		{wait_for_last, cancel_last_but_one, notify_all}, order_many, last_two_are_gone,
		.variant = 0},
	{"a wait with a timeout in the second batch", {wait_for_last, notify_all}, order_many,
		last_two_are_gone, .variant = 1},
	{"one broadcast does not satisfy two waits in a row", {wait_twice, notify_all}, prepare_two,
		second_wait_sleeps, .may_sleep = 1},

	{"prepare, look, wait: notify_one", {await_ready_0, make_ready_by_one}, fresh, all_is_well},
	{"prepare, look, wait: notify_last", {await_ready_0, make_ready_by_last}, fresh,
		all_is_well},
	{"prepare, look, wait: notify_all", {await_ready_0, await_ready_1, make_ready_by_all},
		fresh, nothing_stored},
	{"control: look, then prepare", {look_then_prepare, make_ready_by_all}, fresh, all_is_well,
		.fails = true},
	{"two of a pool, two releases", {acquire_0, acquire_1, release_two}, fresh, no_items,
		.big = true},
	{"control: two of a pool that are not queued when they look",
		{acquire_unqueued_0, acquire_unqueued_1, release_two}, fresh, no_items,
		.fails = true},

	{"bound: told by a token", {poll_bound, notify_one}, bind_first, told_by_a_token,
		queue_state},
	{"bound: told of a broadcast by a token", {poll_bound, notify_all}, bind_first,
		told_by_a_token, queue_state},
	{"bound again: told by a token", {bind_again, notify_one}, bind_first, told_by_a_token,
		queue_state},
	{"bound and cancelled: no reference is left", {cancel_0, notify_one}, bind_first,
		cancelled_bound, queue_state},
	{"bound and cancelled: handed on", {cancel_0, wait_1, notify_one}, bind_first, handed_on,
		queue_state, .variant = 1},
	{"bound: who asks and is told may free the permit", {poll_and_free, notify_one}, bind_first,
		all_is_well, queue_state},
	{"bound, then slept on", {wait_0, notify_one}, bind_first, handed_on, queue_state},
};

const size_t more_count = sizeof(more_scenarios) / sizeof(*more_scenarios);

bool more_begin(void)
{
	return bell_queue_new(&queue, 8, 0) == 0;
}

void more_end(void)
{
	queue->refs = 1; /* the last run may have been left in its middle */
	bell_queue_unref(queue);
}
