/* SPDX-License-Identifier: MIT
 *
 * waiter.c: waiters: prepare, check, wait. Whoever ends the waiting of one unlinks it, then writes its
 * state and does not look at it again, for its memory may be gone: all of it under the handle's lock, so
 * that a waiter that gives up either unlinks itself or finds how it ended.
 */
#include <errno.h>

#include "core/clock.h"
#include "core/futex.h"
#include "hub/hub.h"

unsigned bell__waiters_end(struct slot *slot, uint32_t state, int64_t value, struct wakes *wakes)
{
	struct bell__hub_link ours;
	unsigned told = 0;

	link_move_all(&slot->waiters, &ours); /* who comes while it is unlocked is not meant */
	while (!link_empty(&ours)) {
		struct bell_hub_waiter *w = (void *)ours.next;

		if (wakes->n == WAKES) {
			pthread_mutex_unlock(&slot->lock);
			bell__wakes_make(wakes);
			pthread_mutex_lock(&slot->lock);
			continue; /* it may have left */
		}
		link_remove(&w->link);
		bell_store_relaxed(&slot->n_waiters, slot->n_waiters - 1); /* a statistic */
		w->value = value;
		if (w->queue)
			bell__wakes_add_token(wakes, w->queue, w->token);
		else
			bell__wakes_add_futex(wakes, &w->state);
		bell_store_release(&w->state, state); /* H5 */
		told++;
	}
	return told;
}

/* If w still waits it does not from now on: true. */
static bool leave(struct bell_hub *hub, struct bell_hub_waiter *w)
{
	struct slot *slot = slot_at(hub, w->index);
	bool waiting;

	BELL_INJECT(leaving);
	pthread_mutex_lock(&slot->lock);
	waiting = w->link.next;
	if (waiting) {
		link_remove(&w->link);
		bell_store_relaxed(&slot->n_waiters, slot->n_waiters - 1); /* a statistic */
	}
	pthread_mutex_unlock(&slot->lock);
	return waiting;
}

static void end(struct bell_hub_waiter *w)
{
	w->hub = NULL;
	w->queue = bell_queue_unref(w->queue);
}

static int prepare(struct bell_hub *hub, struct bell_handle handle, struct bell_hub_waiter *w)
{
	struct slot *slot = bell__slot_lock(hub, handle);
	bool full, fenced = true;
	int r = 0;

	if (!slot)
		return -ESTALE;
	full = slot->n_waiters >= hub->limits.waiters_per_handle;
	if (full) {
		count(&slot->counts.no_waiters, 1);
		r = -ENOSPC;
	} else {
		link_append(&slot->waiters, &w->link);
		bell_store_relaxed(&slot->n_waiters, slot->n_waiters + 1); /* a statistic */
		fenced = bell__slot_listen(slot);
	}
	pthread_mutex_unlock(&slot->lock);
	BELL_INJECT(prepared);
	if (!fenced)
		r = bell__slot_fence(slot, &w->link);
	if (r == -EPERM && !leave(hub, w))
		r = 0; /* notified meanwhile: wait returns at once */
	return r;
}

int bell_hub_prepare(struct bell_hub *hub, struct bell_handle handle, struct bell_hub_waiter *w)
{
	int r;

	*w = (struct bell_hub_waiter){.hub = hub, .index = handle.index, .state = WAITING};
	r = prepare(hub, handle, w);
	if (r < 0)
		end(w);
	return r;
}

int bell_hub_bind(struct bell_hub *hub, struct bell_handle handle, struct bell_hub_waiter *w,
	struct bell_queue *queue, uint32_t token)
{
	int r;

	*w = (struct bell_hub_waiter){.index = handle.index, .state = WAITING, .token = token};
	if (token >= bell_queue_capacity(queue))
		return -EINVAL;
	w->hub = hub;
	w->queue = bell_queue_ref(queue);
	r = prepare(hub, handle, w);
	if (r < 0)
		end(w);
	return r;
}

int bell_hub_result(struct bell_hub *hub, struct bell_hub_waiter *w, int64_t *ret_value)
{
	uint32_t state;

	if (w->hub != hub)
		return -EINVAL;
	state = bell_load_acquire(
		&w->state); /* H5: the value, and what its notifier wrote before */
	if (state == WAITING)
		return -EAGAIN;
	if (state == NOTIFIED && ret_value)
		*ret_value = w->value;
	end(w);
	return state == NOTIFIED ? 0 : -ECANCELED;
}

void bell_hub_cancel(struct bell_hub *hub, struct bell_hub_waiter *w)
{
	if (w->hub != hub)
		return;
	if (bell_load_acquire(&w->state) == WAITING) /* H5: else nobody touches it any more */
		(void)leave(hub, w);
	end(w);
}

/* -- sleeping -------------------------------------------------------------------------------- */

int bell_hub_wait(
	struct bell_hub *hub, struct bell_hub_waiter *w, int64_t timeout_ns, int64_t *ret_value)
{
	const int64_t deadline = bell__deadline(timeout_ns);
	int r, error = 0;

	if (w->hub == hub && w->queue)
		return -EINVAL;
	while ((r = bell_hub_result(hub, w, ret_value)) == -EAGAIN) {
		if (error == -ETIMEDOUT && leave(hub, w)) {
			end(w);
			return error;
		}
		if (error && error != -ETIMEDOUT)
			return error; /* -EINTR; w is as it was */
		BELL_INJECT(blocking);
		error = deadline ? bell__futex_wait(&w->state, WAITING, deadline) : -ETIMEDOUT;
	}
	return r;
}
