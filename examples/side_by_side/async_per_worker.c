/* SPDX-License-Identifier: MIT
 *
 * async_per_worker.c: as libuv's guide has it. uv_async_send() carries nothing and coalesces, so that
 * each thread needs a list of its results, and a mutex for it, beside its handle.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "work.h"

enum { SHARE = JOBS / WORKERS };

static struct worker {
	uv_async_t async;
	uv_thread_t thread;
	uv_mutex_t lock;
	uint32_t list[SHARE]; /* jobs that are done, and the loop has not yet taken */
	int n;
	int received; /* the loop's */
} workers[WORKERS];

static void work(void *worker)
{
	struct worker *w = worker;
	uint32_t i, job = (uint32_t)(w - workers) * SHARE;

	for (i = 0; i < SHARE; i++, job++) {
		work_on(job);
		uv_mutex_lock(&w->lock);
		w->list[w->n++] = job;
		uv_mutex_unlock(&w->lock);
		uv_async_send(&w->async);
	}
}

static void on_async(uv_async_t *async)
{
	struct worker *w = (struct worker *)async;
	uint32_t list[SHARE];
	int i, n;

	uv_mutex_lock(&w->lock);
	n = w->n;
	memcpy(list, w->list, (size_t)n * sizeof(list[0]));
	w->n = 0;
	uv_mutex_unlock(&w->lock);
	for (i = 0; i < n; i++)
		receive(list[i]);
	w->received += n;
	if (w->received == SHARE)
		uv_close((uv_handle_t *)async, NULL);
}

void async_per_worker(void)
{
	struct worker *w;
	uv_loop_t loop;

	memset(workers, 0, sizeof(workers));
	uv_loop_init(&loop);
	for (w = workers; w < workers + WORKERS; w++) {
		uv_mutex_init(&w->lock);
		uv_async_init(&loop, &w->async, on_async);
		if (uv_thread_create(&w->thread, work, w) != 0)
			abort();
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	for (w = workers; w < workers + WORKERS; w++) {
		uv_thread_join(&w->thread);
		uv_mutex_destroy(&w->lock);
	}
	uv_loop_close(&loop);
}
