/* SPDX-License-Identifier: MIT
 *
 * wake.h: one way to wake a thread, for bench/wake.c.
 */
#ifndef BENCH_WAKE_H
#define BENCH_WAKE_H

#include <pthread.h>

#include <doorbell.h>
#include <doorbell/adapt/epoll.h>

#include "bench.h"

/* What one side is woken by. */
struct side {
	BELL_ALIGNED uint32_t word; /* written by the other side */
	BELL_ALIGNED uint32_t seen;
	int in, out, epfd;
	struct bell_queue *queue;
	struct bell_epoll bell;
	void *ring; /* wake_uring.c */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
};

struct wake {
	int (*open)(struct side *s);  /* by the side itself; 0 or -errno */
	void (*ring)(struct side *s); /* by the other side */
	void (*await)(struct side *s);
	void (*close)(struct side *s);
	bool one_by_one; /* time each way alone */
};

/* Its address is NULL where liburing is not there. */
extern const struct wake wake_uring __attribute__((weak));

void wake_on_token(void *userdata, uint32_t token);

#endif
