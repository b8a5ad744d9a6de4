/* SPDX-License-Identifier: MIT
 *
 * receivers.h: every way to receive from a queue, for the programs that try them all.
 */
#ifndef STRESS_RECEIVERS_H
#define STRESS_RECEIVERS_H

#include <doorbell.h>

/* A way to receive: runs until the queue is closed and drained. */
struct receiver {
	const char *name;
	unsigned flags; /* of the queue */
	void (*run)(struct bell_queue *q);
};

/* level, edge, wait, spin; level-budget and edge-budget: through the adapter, one token at a time;
 * uring and uring-budget where the build has it. Or NULL. */
const struct receiver *receiver_named(const char *name);

/* The program's own. Called by the receiver: for each token; and when all tokens that were polled so
 * far have been handled. */
void receiver_token(void *userdata, uint32_t token);
void receiver_pass(void);

#endif
