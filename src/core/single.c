/* SPDX-License-Identifier: MIT
 *
 * single.c: the cold half of a queue with a single producer (BELL_QUEUE_SINGLE_PRODUCER); the hot half
 * is in queue.h. Poll, the flags and the ring are as with any number of producers. But nobody else
 * raises a flag and nobody else reserves a slot, so both are plain stores, and the only thing left to
 * agree on is whether the receiver sleeps: it announces that in a word of its own, and asks the kernel
 * for the fence that notify would need (A2). So there is no hole, either: the next slot is published,
 * or nobody has it.
 */
#include <errno.h>

#include "core/core.h"

int bell__single_notify_many(struct bell_queue *q, const uint32_t *tokens, size_t n)
{
	int queued = 0;
	uint64_t state;
	size_t i;

	for (i = 0; i < n; i++)
		queued += bell__single_queue(q, tokens[i]);
	state = queued ? bell__single_state(q) : 0;
	if (state)
		bell__claim_and_ring(q);
	return state & BELL__CLOSED ? -ESHUTDOWN : queued;
}

/* The steps of bell__queue_arm(), and where it has a compare-and-swap: announce, fence, look again. */
int bell__single_arm(struct bell_queue *q, bool level)
{
	uint64_t taken = 0, v;
	bool fenced, empty;

	if (bell__queue_published(q, q->head)) /* before the fd is touched */
		return 0;
	if (level)
		bell__settle(q, bell_load_relaxed(&q->state)); /* a first look; the one below decides */
	BELL_INJECT(arming);
	if (level) /* before announcing, never after */
		taken = bell__take_bell(q);
	BELL_INJECT(silenced);
	v = bell_fetch_or_acq_rel(&q->state, BELL__ARMED); /* A1; A2: before the look at the slot */
	bell__settle(q, v);
	bell__paid(q, taken);
	if (v & BELL__ARMED) /* still, from before: whoever published since saw it, and will ring */
		return 1;
	bell__announced(q);
	BELL_INJECT(announced);
	fenced = bell__membarrier();		    /* A2; it may be refused by now */
	empty = !bell__queue_published(q, q->head); /* A2: behind it */
	if (fenced && empty && !(v & BELL__CLOSED))
		return 1;
	/* Take it back. Too late if it was claimed: the next arm then counts that ring. */
	q->armed = !(bell_fetch_and_acq_rel(&q->state, ~(uint64_t)BELL__ARMED) & BELL__ARMED); /* A2 */
	if (taken) /* not asleep, so the fd must stay readable */
		bell__kick(q);
	return empty && v & BELL__CLOSED ? -ESHUTDOWN : 0;
}
