/* SPDX-License-Identifier: MIT
 *
 * scenarios.c: what must hold of permits in every schedule: two or three threads that wait, notify, broadcast
 * and cancel, on the library's own code. Prints TAP. A control is a way to use it that must be caught failing.
 *
 * scenarios [WORD]: those whose names hold the word.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell/permit.h>

#include "explore.h"

#define MANY 34 /* a batch and two more */

static struct {
	struct bell_permit p;
	struct bell_waiter w[MANY];
	int got[4];	  /* what a thread was told; -1: not yet */
	int ready, items; /* the callers' conditions */
	int woken;
	unsigned gone; /* a bit for each waiter whose memory is another's by now, and for the permit */
} s;

static struct bell_queue *queue;

#define PERMIT_GONE (1U << 31)

static void expect(bool right, const char *what)
{
	if (!right)
		explore_fail(what);
}

/* -- setting up and looking at what is left -------------------------------------------------- */

static void fresh(int variant)
{
	(void)variant;
	memset(&s, 0, sizeof(s));
	memset(s.got, -1, sizeof(s.got));
}

static void prepare(int i)
{
	bell_permit_prepare(&s.p, &s.w[i]);
}

static void enable(int i)
{
	prepare(i);
	expect(bell_permit_enable(&s.p, &s.w[i]) == 0, "queued while setting up");
}

static void prepare_two(int variant)
{
	fresh(variant);
	prepare(0);
	prepare(1);
}

/* variant: a bit for each that is queued, and not only prepared. */
static void enable_some(int variant)
{
	int i;

	fresh(variant);
	for (i = 0; i < 3; i++)
		(variant & 1 << i ? enable : prepare)(i);
}

static void enable_many(int variant)
{
	int i;

	fresh(variant);
	for (i = 0; i < MANY; i++)
		enable(i);
}

static bool stored(void)
{
	struct bell_waiter w;

	bell_permit_prepare(&s.p, &w);
	return bell_permit_wait(&s.p, &w, 0) == 0;
}

/* The list is as long as it says, hangs together, and is empty unless somebody waits. */
static void expect_sound(void)
{
	const struct bell_waiter *w, *before = NULL;
	unsigned n = 0;

	if (s.gone & PERMIT_GONE)
		return;
	for (w = s.p.first; w; before = w, w = w->next, n++)
		expect(w->prev == before, "the list hangs together");
	expect(s.p.last == before, "the list ends where it should");
	expect(s.p.waiters == n, "so many wait as are counted");
	expect((s.p.state & 3) == 1 ? n > 0 : n == 0, "the state says whether somebody waits");
	expect(s.p.lock == 0, "the lock is free");
}

/* What was given back is not written by anybody. */
static void expect_untouched(void)
{
	const unsigned char *bytes;
	size_t i;
	int w;

	for (w = 0; w < 4; w++) {
		bytes = (const void *)&s.w[w];
		for (i = 0; s.gone & 1U << w && i < sizeof(s.w[w]); i++)
			expect(bytes[i] == 0xee, "nobody writes to a waiter that is gone");
	}
	bytes = (const void *)&s.p;
	for (i = 0; s.gone & PERMIT_GONE && i < sizeof(s.p); i++)
		expect(bytes[i] == 0xee, "nobody writes to a permit that is gone");
}

static void forget(int i)
{
	memset(&s.w[i], 0xee, sizeof(s.w[i]));
	s.gone |= 1U << i;
}

static void all_is_well(unsigned slept)
{
	(void)slept;
	expect_untouched();
	expect_sound();
}

static void nothing_stored(unsigned slept)
{
	all_is_well(slept);
	expect(!stored(), "nothing is stored");
}

static void one_stored(unsigned slept)
{
	all_is_well(slept);
	expect(stored(), "one is stored");
	expect(!stored(), "and not two");
}

/* -- threads --------------------------------------------------------------------------------- */

static void notify_one(void)
{
	s.woken += bell_permit_notify_one(&s.p);
}

static void notify_last(void)
{
	s.woken += bell_permit_notify_last(&s.p);
}

static void notify_all(void)
{
	s.woken += bell_permit_notify_all(&s.p);
}

static void notify_all_then_one(void)
{
	notify_all();
	notify_one();
}

static void notify_one_then_all(void)
{
	notify_one();
	notify_all();
}

static void notify_both(void)
{
	notify_one();
	notify_last();
}

static void wait_on(int i)
{
	int r;

	while ((r = bell_permit_wait(&s.p, &s.w[i], -1)) == -EINTR)
		;
	expect(r == 0, "a wait without end says 0");
	s.got[i] = 1;
}

static void wait_0(void)
{
	wait_on(0);
	forget(0);
}

static void wait_1(void)
{
	wait_on(1);
	forget(1);
}

static void prepare_and_wait_1(void)
{
	prepare(1);
	wait_1();
}

/* Its only waiter: when it was woken, the permit goes, too. */
static void wait_and_free(void)
{
	wait_0();
	memset(&s.p, 0xee, sizeof(s.p));
	s.gone |= PERMIT_GONE;
}

static void poll_and_free(void)
{
	if (bell_permit_enable(&s.p, &s.w[0]) == 1) {
		memset(&s.p, 0xee, sizeof(s.p));
		s.gone |= PERMIT_GONE;
	}
}

static void wait_with_timeout(void)
{
	s.got[0] = bell_permit_wait(&s.p, &s.w[0], 1);
	expect(s.got[0] == 0 || s.got[0] == -ETIMEDOUT, "notified or timed out");
	forget(0);
}

static void cancel_0(void)
{
	bell_permit_cancel(&s.p, &s.w[0]);
	forget(0);
}

static void cancel_2(void)
{
	bell_permit_cancel(&s.p, &s.w[2]);
	forget(2);
}

static void enable_and_cancel_0(void)
{
	s.got[0] = bell_permit_enable(&s.p, &s.w[0]);
	cancel_0();
}

static void wait_then_notify_0(void)
{
	wait_0();
	notify_one();
}

static void wait_then_notify_1(void)
{
	wait_1();
	notify_one();
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

/* -- endings --------------------------------------------------------------------------------- */

static void got_or_stored(unsigned slept)
{
	(s.got[0] == 0 ? nothing_stored : one_stored)(slept);
}

/* They may have become one, or not. */
static void got_or_stored_of_two(unsigned slept)
{
	(s.got[0] == 0 ? all_is_well : one_stored)(slept);
}

static void second_ready_and_one_stored(unsigned slept)
{
	expect(bell_permit_enable(&s.p, &s.w[1]) == 1, "who stays is chosen");
	one_stored(slept);
}

static void enabled_or_stored(unsigned slept)
{
	(s.got[0] == 1 ? nothing_stored : one_stored)(slept);
}

static void both_ready(unsigned slept)
{
	expect(bell_permit_enable(&s.p, &s.w[0]) == 1, "the first is ready in the end");
	expect(bell_permit_enable(&s.p, &s.w[1]) == 1, "the second is ready in the end");
	bell_permit_cancel(&s.p, &s.w[2]);
	nothing_stored(slept);
}

/* A broadcast and a notify_one: thread 1 came late. It sleeps only if the notify_one went to thread 0. */
static void late_one_or_stored(unsigned slept)
{
	all_is_well(slept);
	expect(s.got[0] == 1, "who was prepared before the broadcast is woken");
	if (slept)
		expect(!(s.p.state & 2), "nobody sleeps beside one that is stored");
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
	expect(bell_permit_enable(&s.p, &s.w[MANY - 1]) == 0 || !told, "not woken by the same broadcast");
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

/* -- bound ----------------------------------------------------------------------------------- */

static uint64_t queue_state(void)
{
	return bell_load_relaxed(&queue->tail) << 8 ^ queue->refs;
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

/* -- the table ------------------------------------------------------------------------------- */

static const struct scenario scenarios[] = {
	{"notify_one wakes a waiter or is there when it comes", {wait_0, notify_one}, prepare_two,
		nothing_stored},
	{"notify_last wakes a waiter or is there when it comes", {wait_0, notify_last}, prepare_two,
		nothing_stored},
	{"notify_all wakes two that were prepared", {wait_0, wait_1, notify_all}, prepare_two,
		nothing_stored},
	{"notify_all, then notify_one: one of two always goes on",
		{wait_0, prepare_and_wait_1, notify_all_then_one}, prepare_two, late_one_or_stored,
		.may_sleep = 1U << 1},
	{"notify_one, then notify_all: one of two always goes on",
		{wait_0, prepare_and_wait_1, notify_one_then_all}, prepare_two, late_one_or_stored,
		.may_sleep = 1U << 1},
	{"a chain of notifies leaves exactly one stored",
		{wait_then_notify_0, wait_then_notify_1, notify_one}, prepare_two, one_stored},
	{"a waiter that is cancelled never loses a notify", {enable_and_cancel_0, notify_one},
		prepare_two, enabled_or_stored},
	{"chosen first and cancelled: the next is woken", {cancel_0, wait_1, notify_one}, enable_some,
		.variant = 1, .finish = nothing_stored},
	{"chosen last and cancelled: the one before is woken", {cancel_2, wait_1, notify_last},
		enable_some, .variant = 4, .finish = nothing_stored},
	{"two cancel and two notify: none is lost", {cancel_0, cancel_2, notify_both},
		enable_some, .variant = 7, .finish = second_ready_and_one_stored},
	{"two cancel, one notifies: the third has it", {cancel_0, cancel_2, wait_1, notify_one},
		enable_some, .variant = 7, .finish = nothing_stored},
	{"two cancel, one notifies the last: the third has it", {cancel_0, cancel_2, wait_1, notify_last},
		enable_some, .variant = 7, .finish = nothing_stored},
	{"prepared, prepared: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 0},
	{"queued, prepared: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 1},
	{"prepared, queued: if one is ready, so is the other", {poll_two, notify_all}, order_01,
		both_ready, .variant = 2},
	{"queued, queued: if one is ready, so is the other", {poll_two, notify_all}, order_01, both_ready,
		.variant = 3},
	{"more than a batch: if the first is ready, so is the last", {poll_two, notify_all}, order_many,
		all_many_ready, .variant = 0},
	{"more than a batch: if the last is ready, so is the first", {poll_two, notify_all}, order_many,
		all_many_ready, .variant = 1},
	{"a notify_one within a broadcast is stored", {notify_when_ready, notify_all}, order_many,
		all_many_ready, .variant = 0},
	{"a notify_one within a broadcast, seen at its end, is stored", {notify_when_ready, notify_all},
		order_many, all_many_ready, .variant = 1},
	{"a wait and a cancel in the second batch", {wait_for_last, cancel_last_but_one, notify_all},
		order_many, last_two_are_gone, .variant = 0},
	{"a wait with a timeout in the second batch",
		{wait_for_last, notify_all}, order_many, last_two_are_gone, .variant = 1},
	{"one broadcast does not satisfy two waits in a row", {wait_twice, notify_all}, prepare_two,
		second_wait_sleeps, .may_sleep = 1},

	{"a timeout never loses a notify", {wait_with_timeout, notify_one}, prepare_two, got_or_stored},
	{"a timeout of one that was queued never loses a notify", {wait_with_timeout, notify_one},
		enable_some, .variant = 1, .finish = got_or_stored},
	{"a timeout and two notifies", {wait_with_timeout, notify_one, notify_last}, prepare_two,
		got_or_stored_of_two},
	{"a timeout never eats a broadcast", {wait_with_timeout, wait_1, notify_all}, prepare_two,
		nothing_stored},
	{"signals lose nothing", {wait_0, notify_one}, prepare_two, nothing_stored, .signals = 2},
	{"signals lose no broadcast", {wait_0, wait_1, notify_all}, prepare_two, nothing_stored,
		.signals = 1},
	{"who is woken by notify_one may free the permit", {wait_and_free, notify_one}, prepare_two,
		all_is_well},
	{"who is queued and woken may free the permit", {wait_and_free, notify_last}, enable_some,
		.variant = 1, .finish = all_is_well},
	{"who is woken by a signal and then by notify_one may free it", {wait_and_free, notify_one},
		prepare_two, all_is_well, .signals = 2},
	{"who asks and is told may free the permit", {poll_and_free, notify_one}, enable_some, .variant = 1,
		.finish = all_is_well},

	{"prepare, look, wait: notify_one", {await_ready_0, make_ready_by_one}, fresh, all_is_well},
	{"prepare, look, wait: notify_last", {await_ready_0, make_ready_by_last}, fresh, all_is_well},
	{"prepare, look, wait: notify_all", {await_ready_0, await_ready_1, make_ready_by_all}, fresh,
		nothing_stored},
	{"control: look, then prepare", {look_then_prepare, make_ready_by_all}, fresh, all_is_well,
		.fails = true},
	{"two of a pool, two releases", {acquire_0, acquire_1, release_two}, fresh, no_items},
	{"control: two of a pool that are not queued when they look",
		{acquire_unqueued_0, acquire_unqueued_1, release_two}, fresh, no_items,
		.fails = true},

	{"bound: told by a token", {poll_bound, notify_one}, bind_first, told_by_a_token, queue_state},
	{"bound: told of a broadcast by a token", {poll_bound, notify_all}, bind_first, told_by_a_token,
		queue_state},
	{"bound again: told by a token", {bind_again, notify_one}, bind_first, told_by_a_token, queue_state},
	{"bound and cancelled: no reference is left", {cancel_0, notify_one}, bind_first, cancelled_bound,
		queue_state},
	{"bound and cancelled: handed on", {cancel_0, wait_1, notify_one}, bind_first, handed_on,
		queue_state, .variant = 1},
	{"bound, then slept on", {wait_0, notify_one}, bind_first, handed_on, queue_state},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

int main(int argc, char **argv)
{
	unsigned long i, n = 0, chosen = 0;
	int failed = 0;

#if !defined(__x86_64__) && !defined(__aarch64__)
	return 77; /* explore.c does not know the stack pointer there */
#endif
	if (bell_queue_new(&queue, 8, 0) < 0)
		return EXIT_FAILURE;
	for (i = 0; i < SCENARIOS; i++)
		chosen += argc < 2 || strstr(scenarios[i].name, argv[1]);
	printf("1..%lu\n", chosen);
	for (i = 0; i < SCENARIOS; i++) {
		const struct scenario *one = &scenarios[i];
		bool right;

		if (argc > 1 && !strstr(one->name, argv[1]))
			continue;
		right = explore(one, &s, sizeof(s));
		failed |= !right;
		printf("%s %lu - %s (%lu runs, %lu states)%s%s\n", right ? "ok" : "not ok", ++n, one->name,
			explore_runs, explore_states, explore_failure ? ": fails: " : "",
			explore_failure ? explore_failure : "");
		fflush(stdout);
	}
	queue->refs = 1;
	bell_queue_unref(queue);
	return failed;
}
