/* SPDX-License-Identifier: MIT
 *
 * crowd.h: what the loop under test has to serve: a million notifies of 4096 tokens by four threads,
 * clients on sockets that measure how long an answer takes, in time and in tokens that were handed out
 * meanwhile, and a timer.
 *
 * Half of a producer's notifies are of tokens of its own. Of these the order of delivery is known:
 * that of the notifies that were told "newly queued". The other tokens are notified by all.
 */
#ifndef REACTORS_CROWD_H
#define REACTORS_CROWD_H

#include <pthread.h>

#include "reactor.h"

enum {
	CROWD_PRODUCERS = 4,
	CROWD_NOTIFIES = 250000, /* a producer */
	CROWD_TOKENS = 4096,
	CROWD_OWN = 512, /* tokens of each producer's own; the rest is everybody's */
	CROWD_BUDGET = 64,
	/* Of a socket, in tokens: the batch under way and, in the next turn, one that is served first. The
	 * third is room for a client that reads the count late. */
	CROWD_WAIT = 3 * CROWD_BUDGET,
	CROWD_SOCKETS = 4,
	CROWD_ANSWERS = 400000, /* at most */
	CROWD_TICKS = 10,	/* at least, of a millisecond */
};

/* A notify, or a delivery, of an own token, and the number that stood beside it. */
struct crowd_event {
	uint32_t token, number;
};

struct crowd_log {
	uint32_t n;
	struct crowd_event events[CROWD_NOTIFIES];
};

/* A client and its server, which the loop has. */
struct crowd_socket {
	struct crowd *crowd;
	int server, client;
	uint32_t served; /* atomic: c->handed_out when the answer was sent */
};

struct crowd {
	const struct reactor *reactor;
	void *loop;
	struct bell_queue *q;
	bool attached;
	void *bell;
	struct crowd_socket sockets[CROWD_SOCKETS];

	uint32_t numbers[CROWD_PRODUCERS][CROWD_TOKENS]; /* the data: atomic */
	uint32_t seen[CROWD_PRODUCERS][CROWD_TOKENS];	 /* the loop's */
	uint32_t last[CROWD_PRODUCERS][CROWD_TOKENS];	 /* each producer's, as the two below */
	struct crowd_log queued[CROWD_PRODUCERS];
	uint32_t shared_queued[CROWD_PRODUCERS];
	struct crowd_log delivered[CROWD_PRODUCERS]; /* the loop's, as the next */
	uint32_t shared_delivered, ticks;
	uint32_t handed_out; /* tokens, in all: the loop's, atomic */

	uint32_t started, finished, errors, stop, client_gone; /* atomic */
	int64_t *answers; /* [CROWD_ANSWERS] nanoseconds: the client's */
	uint32_t n_answers;
	uint32_t longest; /* tokens handed out while a socket was readable and not served */
	pthread_t threads[CROWD_PRODUCERS + 1];
};

/* Runs it all in a new loop until everything was delivered and answered; without the bell attached,
 * until everything was notified. Nothing is left but what crowd_free() frees. */
struct crowd *crowd_run(const struct reactor *reactor, bool attached);
void crowd_free(struct crowd *c);

/* Nothing was lost, nothing came twice, order was kept, data was there, no socket starved. */
void crowd_check(const struct crowd *c);

/* Of a hundred answers the second slowest, in nanoseconds. */
int64_t crowd_p99(struct crowd *c);

#endif
