/* SPDX-License-Identifier: MIT
 *
 * load.h: the ways to receive that the tests with threads go through, and a bounded wait for a
 * receiver that should be getting there by itself.
 */
#ifndef UNIT_LOAD_H
#define UNIT_LOAD_H

#include "helpers.h"

/* How a receiver sleeps. EPOLL_* need the mode of the queue; WAIT_EDGE waits on an edge queue. */
enum load_way {
	EPOLL_LEVEL,
	EPOLL_EDGE,
	WAIT_LEVEL,
	WAIT_EDGE,
	DISPATCH_LEVEL,
	DISPATCH_EDGE,
	WAYS
};

/* A receiver: one thread. on_token is called for each token; budget: tokens a turn. */
struct load_receiver {
	struct bell_queue *q;
	enum load_way way;
	size_t budget;
	bell_token_fn on_token;
	void *userdata;
	int epfd;
	uint32_t errors; /* read it after the thread was joined */
};

unsigned load_mode(enum load_way way);
void load_init(struct load_receiver *r, struct bell_queue *q, enum load_way way, size_t budget);
void load_fini(struct load_receiver *r);

/* Sleep if need be, then hand out what there is. 0, or -ESHUTDOWN. */
int load_turn(struct load_receiver *r);

/* A thread: turns until -ESHUTDOWN. */
void *load_run(void *receiver);

/* Waits until *value is at least want, twenty seconds at most: false if it never was. */
bool load_reaches(const uint32_t *value, uint32_t want);

#endif
