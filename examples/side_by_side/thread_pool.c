/* SPDX-License-Identifier: MIT
 *
 * thread_pool.c: libuv's own threads. A request for each job; one mutex and one uv_async_t for all of them,
 * inside libuv.
 */
#include <stdlib.h>
#include <uv.h>

#include "work.h"

static uv_work_t requests[JOBS];

static void work(uv_work_t *request)
{
	work_on((uint32_t)(request - requests));
}

static void on_done(uv_work_t *request, int status)
{
	if (status == 0)
		receive((uint32_t)(request - requests));
}

void thread_pool(void)
{
	uv_loop_t loop;
	int i;

	uv_loop_init(&loop);
	for (i = 0; i < JOBS; i++)
		if (uv_queue_work(&loop, &requests[i], work, on_done) != 0)
			abort();
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}
