/* SPDX-License-Identifier: MIT */
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum { BATCH = 64, PATIENCE_MS = 20000 };

unsigned load_mode(enum load_way way)
{
	return mode_of(way % 2);
}

void load_init(struct load_receiver *r, struct bell_queue *q, enum load_way way, size_t budget)
{
	*r = (struct load_receiver){.q = q, .way = way, .budget = budget, .epfd = -1};
	if (way != WAIT_LEVEL && way != WAIT_EDGE)
		r->epfd = loop_watching(q);
}

void load_fini(struct load_receiver *r)
{
	if (r->epfd >= 0)
		close(r->epfd);
}

static size_t hand_out(struct load_receiver *r, size_t max)
{
	uint32_t tokens[BATCH];
	size_t i, n = bell_queue_poll(r->q, tokens, max < BATCH ? max : BATCH);

	for (i = 0; i < n; i++)
		r->on_token(r->userdata, tokens[i]);
	return n;
}

static int turn_wait(struct load_receiver *r)
{
	uint32_t tokens[BATCH];
	ssize_t i, n = bell_queue_wait(r->q, tokens, r->budget < BATCH ? r->budget : BATCH, -1);

	for (i = 0; i < n; i++)
		r->on_token(r->userdata, tokens[i]);
	r->errors += n < 0 && n != -ESHUTDOWN;
	return n < 0 ? (int)n : 0;
}

/* Level: one budget, and arm only if that was all. Edge: on until arm agrees. */
static int turn_poll(struct load_receiver *r)
{
	size_t n;
	int a;

	do {
		n = hand_out(r, r->budget);
		if (r->way == EPOLL_LEVEL && n == r->budget)
			return 0;
		a = bell_queue_arm(r->q);
	} while (a == 0);
	return a < 0 ? a : 0;
}

static int turn_dispatch(struct load_receiver *r)
{
	ssize_t done = bell_queue_dispatch(r->q, r->budget, r->on_token, r->userdata);

	r->errors += done > (ssize_t)r->budget || (done < 0 && done != -ESHUTDOWN);
	return done < 0 ? (int)done : 0;
}

int load_turn(struct load_receiver *r)
{
	struct epoll_event ev;

	if (r->epfd < 0)
		return turn_wait(r);
	while (epoll_wait(r->epfd, &ev, 1, -1) != 1)
		;
	return r->way <= EPOLL_EDGE ? turn_poll(r) : turn_dispatch(r);
}

void *load_run(void *receiver)
{
	struct load_receiver *r = receiver;

	while (load_turn(r) == 0)
		;
	return NULL;
}

bool load_reaches(const uint32_t *value, uint32_t want)
{
	unsigned ms;

	for (ms = 0; ms < PATIENCE_MS && bell_load_acquire(value) < want; ms++)
		sleep_ms(1);
	return bell_load_acquire(value) >= want;
}
