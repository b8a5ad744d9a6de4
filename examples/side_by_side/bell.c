/* SPDX-License-Identifier: MIT
 *
 * bell.c: ours. The result stands where it belongs, and the token says where that is: no list, no mutex,
 * one handle for all threads, and a system call only to wake a loop that sleeps. Or none: a loop that looks
 * into the queue on a tick of its own never arms, so that nobody has to ring.
 */
#include <stdlib.h>
#include <uv.h>

#include <doorbell/adapt/uv.h>

#include "work.h"

enum { SHARE = JOBS / WORKERS };

static struct bell_queue *q;
static struct bell_uv watch;
static uv_timer_t tick;

static void work(void *first)
{
	uint32_t job = *(uint32_t *)first, end = job + SHARE;

	for (; job < end; job++) {
		work_on(job);
		bell_queue_notify(q, job);
	}
}

static void on_token(void *received, uint32_t job)
{
	receive(job);
	if (++*(int *)received == JOBS)
		bell_uv_detach(&watch);
}

static void on_tick(uv_timer_t *timer)
{
	int *received = timer->data;
	uint32_t jobs[256];
	size_t n, i;

	while ((n = bell_queue_poll(q, jobs, 256)) > 0) {
		for (i = 0; i < n; i++)
			receive(jobs[i]);
		*received += (int)n;
	}
	if (*received == JOBS)
		uv_close((uv_handle_t *)timer, NULL);
}

static void watch_bell(uv_loop_t *loop, int *received)
{
	if (bell_uv_attach(&watch, loop, q, 256, on_token, received) < 0)
		abort();
}

static void start_tick(uv_loop_t *loop, int *received)
{
	uv_timer_init(loop, &tick);
	tick.data = received;
	uv_timer_start(&tick, on_tick, 1, 1);
}

static void run(void (*start)(uv_loop_t *loop, int *received))
{
	uint32_t first[WORKERS], i;
	struct bell_queue_stats stats;
	uv_thread_t threads[WORKERS];
	int received = 0;
	uv_loop_t loop;

	uv_loop_init(&loop);
	if (bell_queue_new(&q, JOBS, 0) < 0)
		abort();
	start(&loop, &received);
	for (i = 0; i < WORKERS; i++) {
		first[i] = i * SHARE;
		if (uv_thread_create(&threads[i], work, &first[i]) != 0)
			abort();
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	for (i = 0; i < WORKERS; i++)
		uv_thread_join(&threads[i]);
	uv_loop_close(&loop);
	bell_queue_stats(q, &stats);
	count_calls(stats.rings + stats.kicks, stats.reads);
	bell_queue_unref(q);
}

void bell(void)
{
	run(watch_bell);
}

void bell_on_a_tick(void)
{
	run(start_tick);
}
