/* SPDX-License-Identifier: MIT
 *
 * traffic.h: what an adapter has to serve beside each other: 100 000 notifies of 256 tokens by four
 * threads, a socket that a fifth one writes to, and a timer. The loop under test owns everything here
 * but the threads.
 */
#ifndef ADAPT_TRAFFIC_H
#define ADAPT_TRAFFIC_H

#include <pthread.h>
#include <stdbool.h>

#include <doorbell.h>

enum {
	TRAFFIC_THREADS = 4,
	TRAFFIC_NOTIFIES = 25000, /* a thread */
	TRAFFIC_TOKENS = 256,
	TRAFFIC_BYTES = 20000,
	TRAFFIC_TICKS = 3,
};

struct traffic {
	struct bell_queue *q;
	int socket, timer; /* the loop reads these */
	int writer;	   /* the other end of socket */
	uint32_t numbers[TRAFFIC_THREADS][TRAFFIC_TOKENS];
	uint32_t seen[TRAFFIC_THREADS][TRAFFIC_TOKENS];
	uint32_t complete, bytes, ticks, started, errors;
	pthread_t threads[TRAFFIC_THREADS + 1];
};

void traffic_start(struct traffic *t, struct bell_queue *q);
void traffic_token(void *t, uint32_t token); /* a bell_token_fn */
bool traffic_done(const struct traffic *t);
/* Joins, checks and closes. */
void traffic_finish(struct traffic *t);

#endif
