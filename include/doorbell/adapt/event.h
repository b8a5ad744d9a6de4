/* SPDX-License-Identifier: MIT
 *
 * adapt/event.h: watch a queue in a libevent base.
 *
 *	struct bell_event bell;
 *
 *	if (bell_event_attach(&bell, base, q, 64, on_token, NULL) < 0)
 *		return 1;
 *	bell.on_end = on_end;		// the queue was closed: void on_end(void *userdata, int error)
 *	event_base_dispatch(base);
 *
 * Level- or edge-triggered as the queue was made. libevent 2.0 or later. There is no variant that arms
 * just before the loop blocks, as for the other reactors: libevent 2.1 has no hook for it.
 *
 * struct bell_event is the caller's memory and stays where it is while attached; it holds a reference to
 * the queue. All calls are the loop's own thread's; fn may detach b, and free it, but not run the loop.
 * An attachment keeps event_base_dispatch() from returning. Detach before event_base_free(). After it, no
 * call may be made with b: all that is left to do is to drop b->queue with bell_queue_unref().
 */
#ifndef DOORBELL_ADAPT_EVENT_H
#define DOORBELL_ADAPT_EVENT_H

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include <doorbell/queue.h>

/** One queue in one base. on_end is the caller's to set after attach, or leave NULL. */
struct bell_event {
	struct bell_queue *queue; /* NULL: not attached */
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	void (*on_end)(void *userdata, int error); /* detached, for nothing will come any more */
	struct event event;
};

static inline void bell__event_ready(evutil_socket_t fd, short what, void *userdata);

/**
 * bell_event_attach(): watch the bell in this base.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0; or the queue has BELL_QUEUE_EDGE and the base's method, poll or select, no
 * edges), -ENOMEM (event_add() refused); b is then not attached. Tokens already queued make
 * the loop wake at once. Attaching a queue twice is not refused, and not right. When it is closed and
 * drained, b detaches itself and calls on_end with -ESHUTDOWN.
 */
BELL_NODISCARD static inline int bell_event_attach(struct bell_event *b, struct event_base *base,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	short what = EV_READ | EV_PERSIST;

	b->queue = NULL;
	if (bell_queue_flags(queue) & BELL_QUEUE_EDGE)
		what |= EV_ET;
	if (budget == 0 || (what & EV_ET && !(event_base_get_features(base) & EV_FEATURE_ET)))
		return -EINVAL;
	if (event_assign(&b->event, base, bell_queue_fd(queue), what, bell__event_ready, b) < 0)
		return -EINVAL;
	if (event_add(&b->event, NULL) < 0) {
		event_debug_unassign(&b->event);
		return -ENOMEM;
	}
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	return 0;
}

/**
 * bell_event_detach(): end the watch and drop the reference; tokens that are queued stay queued, and fn
 * is not called again. b is free at once. Returns 0, also when not attached.
 */
static inline int bell_event_detach(struct bell_event *b)
{
	struct bell_queue *queue = b->queue;

	if (!queue)
		return 0;
	b->queue = NULL;
	bell_queue_stop(queue);
	event_del(&b->event);
	event_debug_unassign(&b->event);
	bell_queue_unref(queue);
	return 0;
}

static inline void bell__event_ready(evutil_socket_t fd, short what, void *userdata)
{
	struct bell_event *b = (struct bell_event *)userdata;
	ssize_t n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);

	(void)fd, (void)what;
	if (n < 0) { /* so fn was not called, and b is still there; there is nobody to return it to */
		void (*on_end)(void *, int) = b->on_end;

		userdata = b->userdata;
		bell_event_detach(b);
		if (on_end)
			on_end(userdata, (int)n);
	}
}

#endif
