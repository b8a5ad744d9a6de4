/* SPDX-License-Identifier: MIT
 *
 * rings.h: io_uring in the ways it can be set up, and a loop over it that does not block for ever.
 */
#ifndef ADAPT_RINGS_H
#define ADAPT_RINGS_H

#include <doorbell/adapt/uring.h>

#include "helpers.h"

/* The flags of io_uring_setup that this kernel allows; filled by rings_probe(). */
extern unsigned rings_flags[3];
extern int rings_n;

/* Tests that run in each of them, and then once more with a single producer: _i goes to 2 * rings_n. */
#define RING_FLAGS(i) rings_flags[(i) % rings_n]
#define RING_MODE(i) \
	(BELL_QUEUE_EDGE | ((i) < rings_n ? 0u : (unsigned)BELL_QUEUE_SINGLE_PRODUCER))

/* False: io_uring is not permitted here, and TAP was told that the program is skipped, and why. */
bool rings_probe(void);

void ring_init(struct io_uring *ring, unsigned entries, unsigned flags);

/* What ready said to the next CQE of u, blocking for it; CQEs of others are only reaped. */
ssize_t ring_turn(struct io_uring *ring, struct bell_uring *u);

/* Detach and reap until ready has said -ECANCELED, which must come once and last. */
void ring_detach(struct bell_uring *u);

/* A ring that refuses submissions, as a kernel out of memory does, until it is mended. */
void ring_break(struct io_uring *ring);
void ring_mend(struct io_uring *ring);

/* All free SQEs become NOPs, not submitted. */
void ring_fill(struct io_uring *ring);

#endif
