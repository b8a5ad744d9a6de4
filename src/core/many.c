/* SPDX-License-Identifier: MIT
 *
 * many.c: many tokens in one call, with one reservation and at most one ring.
 *
 * How many slots to reserve is known once all flags have been raised, and which of them were raised here
 * must be known after that. Mostly all are, or none, so the stack holds the runs of those that were.
 * Behind the last run that finds room there is no memory left but the flags: there the batch takes a mark,
 * a number that no other has at the time, raises flags to it instead of to 1, and finds them again by it.
 * Nobody else changes a flag that is up before its token is published; and before that it becomes 1, so
 * that it is found once, though its token may stand there twice.
 */
#include <errno.h>
#include <limits.h>

#include "core/core.h"

enum {
	RUNS = 64,
	FIRST_MARK = 2, /* other flags are 0 or 1 */
};

/* What a batch has claimed: among its first in_runs tokens those in the runs, and behind them, if it has a
 * mark, those whose flags are at it. */
struct claims {
	struct run {
		uint32_t begin, end;
	} runs[RUNS];
	size_t run_count, in_runs;
	size_t reached, claimed; /* how many it speaks of; how many of them are claimed */
	uint8_t mark;
};

/* 0: all are taken. */
static uint8_t take_mark(struct bell_queue *q)
{
	uint64_t taken = bell_load_relaxed(&q->marks), bit; /* a first guess */

	do {
		bit = ~taken & (taken + 1); /* the lowest that is free */
		if (bit == 0)
			return 0;
	} while (!bell_cas_acq_rel(&q->marks, &taken, taken | bit)); /* M1: no flag stands at it */
	return (uint8_t)(FIRST_MARK + __builtin_ctzll(bit));
}

static void give_mark_back(struct bell_queue *q, uint8_t mark)
{
	const uint64_t bit = UINT64_C(1) << (mark - FIRST_MARK);

	(void)bell_fetch_and_acq_rel(&q->marks, ~bit); /* M1: its flags have moved on to 1 */
}

static void claim_runs(uint8_t *flags, const uint32_t *tokens, size_t n, struct claims *c)
{
	size_t i = 0, begin;

	c->run_count = c->claimed = 0;
	while (i < n && c->run_count < RUNS) {
		begin = i;
		while (i < n && bell__queue_raise(&flags[tokens[i]], 1))
			i++;
		if (i > begin)
			c->runs[c->run_count++] = (struct run){(uint32_t)begin, (uint32_t)i};
		c->claimed += i - begin;
		i += i < n; /* that one was up */
	}
	c->in_runs = c->reached = i;
}

static void claim_marked(uint8_t *flags, const uint32_t *tokens, size_t n, struct claims *c)
{
	for (; c->reached < n; c->reached++)
		c->claimed += (size_t)bell__queue_raise(&flags[tokens[c->reached]], c->mark);
}

static void claim(struct bell_queue *q, const uint32_t *tokens, size_t n, struct claims *c)
{
	claim_runs(q->flags, tokens, n, c);
	c->mark = c->reached < n ? take_mark(q) : 0;
	if (c->mark)
		claim_marked(q->flags, tokens, n, c);
}

static void publish(
	struct bell_queue *q, uint64_t position, const uint32_t *tokens, const struct claims *c)
{
	const uint64_t all = position + c->claimed;
	const uint8_t mark = c->mark;
	const uint32_t *token, *end;
	const struct run *run;
	uint8_t *flag;

	for (run = c->runs; run < c->runs + c->run_count; run++)
		for (token = tokens + run->begin, end = tokens + run->end; token < end; token++)
			bell__queue_publish(q, position++, *token);
	for (token = tokens + c->in_runs; position < all; token++) {
		flag = &q->flags[*token];
		if (bell_load_relaxed(flag) != mark) /* ours: M1 */
			continue;
		bell_store_relaxed(flag, 1); /* before the slot: S1; so poll's clear is a later store */
		bell__queue_publish(q, position++, *token);
	}
}

uint64_t bell__queue_many(
	struct bell_queue *q, const uint32_t *tokens, size_t n, size_t *ret_queued)
{
	struct claims c;
	uint64_t before = 0;
	bool ring = false;
	size_t i;

	*ret_queued = 0;
	for (i = 0; i < n && !(before & BELL__CLOSED); i += c.reached) {
		claim(q, tokens + i, n - i, &c);
		if (c.claimed > 0) {
			BELL_INJECT(claimed);
			before = bell_fetch_add_acq_rel(&q->tail, c.claimed * BELL__POSITION); /* T1, A1 */
			publish(q, before >> BELL__SHIFT, tokens + i, &c);
			ring |= bell__queue_must_ring(q, before);
			*ret_queued += c.claimed;
		}
		if (c.mark)
			give_mark_back(q, c.mark);
	}
	if (ring)
		bell__claim_and_ring(q);
	return before;
}

int bell_queue_notify_many(struct bell_queue *q, const uint32_t *tokens, size_t n)
{
	uint64_t before;
	size_t i, queued;

	if (n > INT_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (tokens[i] >= q->capacity)
			return -EINVAL;
	if (bell__queue_closed(q)) /* close races: T1 decides, or A2 */
		return -ESHUTDOWN;
	if (bell__queue_is_single(q))
		return bell__single_notify_many(q, tokens, n);
	before = bell__queue_many(q, tokens, n, &queued);
	return before & BELL__CLOSED ? -ESHUTDOWN : (int)queued;
}
