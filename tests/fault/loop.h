/* SPDX-License-Identifier: MIT
 *
 * loop.h: one queue, and a receiver thread that sleeps for ever when it has nothing to do, in every way
 * there is to sleep. Sources notify with a number of their own for each token; what the receiver saw
 * last must be the last number. There is one loop at a time.
 */
#ifndef FAULT_LOOP_H
#define FAULT_LOOP_H

#include "helpers.h"

enum { LOOP_TOKENS = 8, LOOP_SOURCES = 4 };

/* The ways to receive: level, edge, wait, level-budget, edge-budget; uring, uring-budget. */
enum { LOOP_MODES_EPOLL = 5, LOOP_MODES_ALL = 7 };

/* How many of them there are here; says on TAP what is missing, and why. For main(). */
int loop_modes(void);

struct loop {
	struct bell_queue *q;
	pthread_t thread;
	pid_t tid; /* of the receiver */
	uint32_t numbers[LOOP_SOURCES][LOOP_TOKENS]; /* by the source */
	uint32_t seen[LOOP_SOURCES][LOOP_TOKENS];    /* by the receiver */
	uint32_t accepted; /* notifies that said 0 or 1 */
	uint32_t refused;  /* ... an error */
};
extern struct loop loop;

/* A queue, and its receiver running. Or in two steps, with more flags for the queue. */
void loop_start(int mode);
void loop_make(int mode, unsigned flags);
void loop_run(void);

/* One notify. A source is one thread at a time, or one signal handler. Signal-safe. */
void loop_notify(uint32_t source, uint32_t token);

/* Is everything delivered, seen, and none refused? Without help, within twenty seconds. */
bool loop_settled(void);
bool loop_settles(void);

/* Closes, and sees the receiver out. */
void loop_finish(void);

#endif
