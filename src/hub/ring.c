/* SPDX-License-Identifier: MIT
 *
 * ring.c: the ring of a subscription: one producer at a time, one consumer, positions that run freely, and
 * the oldest value theirs who moves head past it.
 *
 * A cell is written again only after its producer has seen head beyond it. So a consumer that read a cell
 * while it was written anew finds its compare-and-swap refused, wherever it was stopped in between.
 */
#include "core/probe.h"
#include "hub/hub.h"

static void count_drop(struct subscription *s)
{
	BELL_PROBE3(drop, s->handle.index, s->handle.generation, subscription_id(s));
	count(&s->dropped, 1);
}

bool bell__ring_push(struct subscription *s, int64_t value)
{
	const uint64_t tail = s->tail;
	uint64_t head = bell_load_acquire(&s->head); /* H3: take: the cell was read before */
	struct cell *cell = &s->cells[tail & s->mask];
	bool full = tail - head == s->depth;

	s->told++;
	if (full && s->policy == BELL_DROP_NEWEST) {
		count_drop(s);
		return false;
	}
	BELL_INJECT(dropping);
	/* Refused: the consumer took the oldest just now, and there is room. */
	if (full && bell_cas_acq_rel(&s->head, &head, head + 1)) /* H3 */
		count_drop(s);
	BELL_INJECT(making_room);
	bell_store_relaxed(&cell->number, s->told); /* tail's release publishes both: H2 */
	bell_store_relaxed(&cell->value, value);    /* the same */
	bell_store_release(&s->tail, tail + 1);	    /* H2 */
	return true;
}

bool bell__ring_take(struct subscription *s, struct cell *ret_cell)
{
	uint64_t head = bell_load_acquire(&s->head); /* H3: with a head that push moved, its tail */
	const struct cell *cell;

	for (;;) {
		if (head == bell_load_acquire(&s->tail)) /* H2 */
			return false;
		cell = &s->cells[head & s->mask];
		ret_cell->number = bell_load_relaxed(&cell->number); /* H3 tells if it is good */
		ret_cell->value = bell_load_relaxed(&cell->value);   /* the same */
		BELL_INJECT(value_copied);
		if (s->policy == BELL_DROP_NEWEST) { /* nobody else moves head */
			bell_store_release(&s->head, head + 1); /* H3: before push writes there again */
			return true;
		}
		if (bell_cas_acq_rel(&s->head, &head, head + 1)) /* H3: the same */
			return true;
	}
}

/* Statistics, each a moment old; head first, so that the difference is not below 0. */
uint64_t bell__ring_count(const struct subscription *s)
{
	const uint64_t head = bell_load_relaxed(&s->head); /* a statistic */
	const uint64_t tail = bell_load_relaxed(&s->tail); /* a statistic */

	return tail - head;
}
