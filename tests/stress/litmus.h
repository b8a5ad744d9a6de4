/* SPDX-License-Identifier: MIT
 *
 * litmus.h: between the races (litmus.c) and the ways to receive (receivers.c).
 */
#ifndef STRESS_LITMUS_H
#define STRESS_LITMUS_H

#include <doorbell.h>

/* A way to receive: runs until the queue is closed and drained. */
struct receiver {
	const char *name;
	unsigned flags; /* of the queue */
	void (*run)(struct bell_queue *q);
};

const struct receiver *litmus_receiver(const char *name);

/* Called by the receiver: for each token; and when all tokens of a poll are handled. */
void litmus_token(void *userdata, uint32_t token);
void litmus_pass(void);

#endif
