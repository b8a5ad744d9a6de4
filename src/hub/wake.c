/* SPDX-License-Identifier: MIT
 *
 * wake.c: wakes, made after the lock is released: a sleeper woken under it would only run into it.
 */
#include <errno.h>

#include "core/core.h"
#include "core/futex.h"
#include "hub/hub.h"

#define RING_ONLY UINT32_MAX /* above every token */

static void add(struct wakes *wakes, uint32_t *futex, struct bell_queue *queue, uint32_t token)
{
	wakes->list[wakes->n].futex = futex;
	wakes->list[wakes->n].queue = queue;
	wakes->list[wakes->n].token = token;
	wakes->n++;
}

void bell__wakes_add_futex(struct wakes *wakes, uint32_t *futex)
{
	add(wakes, futex, NULL, 0);
}

void bell__wakes_add_token(struct wakes *wakes, struct bell_queue *queue, uint32_t token)
{
	add(wakes, NULL, bell_queue_ref(queue), token);
}

/* A notify in its two halves: queue the token, ring. Most clients are awake, or have been rung, and then
 * the second half is not needed, nor the reference for it. */
void bell__wakes_add_client(struct wakes *wakes, struct bell_queue *queue, uint32_t token)
{
	uint64_t before;

	if (!bell__queue_claim(queue, token))
		return;
	before = bell_fetch_add_acq_rel(&queue->tail, BELL__POSITION); /* T1, A1 */
	bell__queue_publish(queue, before >> BELL__SHIFT, token);
	if (!bell__queue_must_ring(queue, before))
		return;
	if (wakes->n < WAKES)
		add(wakes, NULL, bell_queue_ref(queue), RING_ONLY);
	else
		bell__claim_and_ring(queue);
}

void bell__wakes_make(struct wakes *wakes)
{
	const int saved = errno;
	unsigned i;

	BELL_INJECT(waking);
	for (i = 0; i < wakes->n; i++) {
		struct bell_queue *queue = wakes->list[i].queue;

		if (!queue)
			bell__futex_wake(wakes->list[i].futex);
		else if (wakes->list[i].token == RING_ONLY)
			bell__claim_and_ring(queue);
		else
			(void)bell_queue_notify(queue, wakes->list[i].token);
		bell_queue_unref(queue);
	}
	wakes->n = 0;
	errno = saved;
}
