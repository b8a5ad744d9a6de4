/* SPDX-License-Identifier: MIT
 *
 * core.h: what the files of src/core share and nobody else sees.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>

#include <doorbell/queue.h>
#include <doorbell/wait.h>

/* As bell_queue_arm(); level says whether the bell is read first, whatever the mode of the queue. */
int bell__queue_arm(struct bell_queue *q, bool level);

static inline bool bell__queue_is_single(const struct bell_queue *q)
{
	return q->mode & BELL_QUEUE_SINGLE_PRODUCER;
}

/* Where ARMED, HOLE and CLOSED stand. */
static inline uint64_t *bell__queue_word(struct bell_queue *q)
{
	return bell__queue_is_single(q) ? &q->state : &q->tail;
}

/* Has close been called? */
static inline bool bell__queue_closed(struct bell_queue *q)
{
	return bell_load_relaxed(bell__queue_word(q)) & BELL__CLOSED; /* a hint: arm decides */
}

/* single.c: the same calls for a queue with BELL_QUEUE_SINGLE_PRODUCER; arguments are checked before. */
int bell__single_notify_many(struct bell_queue *q, const uint32_t *tokens, size_t n);
int bell__single_arm(struct bell_queue *q, bool level);

/* many.c: queue those of n tokens that are not queued yet, and ring if need be. Returns tail as the last
 * reservation found it, for CLOSED; *ret_queued counts the new ones. Any thread. */
uint64_t bell__queue_many(
	struct bell_queue *q, const uint32_t *tokens, size_t n, size_t *ret_queued);

/* queue.c: the bell, and the receiver's accounts of it. */

/* Announce-or-claim is decided on one word: of all who see ARMED or HOLE, one clears it and rings. Any
 * thread. */
void bell__claim_and_ring(struct bell_queue *q);
/* A ring by the receiver itself. */
void bell__kick(struct bell_queue *q);
/* Read the bell, if a ring is owed to us. Returns the rings that were in it. */
uint64_t bell__take_bell(struct bell_queue *q);
/* The word was seen as v: if somebody cleared what I had set, one ring has come or will come. */
void bell__settle(struct bell_queue *q, uint64_t v);
/* So many rings were read, or more: the others were strays. */
void bell__paid(struct bell_queue *q, uint64_t taken);
/* ARMED or HOLE was set: at most one ring will answer it. */
void bell__announced(struct bell_queue *q);
/* A fence in every thread of the process. */
bool bell__membarrier(void);

/* For a receiver that took the last few tokens, so many, and finds that others came meanwhile: leave them
 * alone for a moment. On the heels of its producers it fetches the cache lines of ring and flags from them,
 * and they from it, for a token or two; behind them, once for many (bench/storm). Not again if it was let
 * gather before and that brought next to nothing, as where it notifies itself. Returns whether it was. */
static inline bool bell__let_gather(size_t got, bool gathered)
{
	int i;

	if (got <= (gathered ? 4 : 0))
		return false;
	for (i = 0; i < 32; i++) /* half a microsecond, or two where a pause is long */
		bell_pause();
	return true;
}

/* Sets the fields of wait.h in a new queue. */
void bell__wait_init(struct bell_queue *q);

#endif
