/* SPDX-License-Identifier: MIT
 *
 * adapt/sdevent.h: watch a queue in an sd-event loop (libsystemd).
 *
 *	struct bell_sdevent bell;
 *
 *	if (bell_sdevent_attach(&bell, event, q, 64, on_token, NULL) < 0)
 *		return 1;
 *	bell.on_end = on_end;		// the queue was closed: void on_end(void *userdata, int error)
 *	sd_event_loop(event);
 *
 * Level- or edge-triggered as the queue was made. The priority is SD_EVENT_PRIORITY_NORMAL;
 * sd_event_source_set_priority(bell.io, ...) changes it.
 * struct bell_sdevent is the caller's memory and stays where it is while attached; it holds a reference
 * to the queue, and to the loop. All calls are the loop's own thread's; fn may detach b, and free it, but
 * not run the loop. After fork(2) the child may detach, and the parent does not notice.
 */
#ifndef DOORBELL_ADAPT_SDEVENT_H
#define DOORBELL_ADAPT_SDEVENT_H

#include <errno.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include <doorbell/queue.h>

/** One queue in one loop. on_end is the caller's to set after attach, or leave NULL. */
struct bell_sdevent {
	struct bell_queue *queue; /* NULL: not attached */
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	void (*on_end)(void *userdata, int error); /* detached, for nothing will come any more */
	sd_event_source *io;
	sd_event_source *look;	/* NULL, or of attach_prepare, as what follows: has its turn after others */
	sd_event_source *quiet; /* has its turn when nobody else has; enabled unless the queue is armed */
};

static inline int bell__sdevent_ready(sd_event_source *s, int fd, uint32_t events, void *userdata);
static inline int bell__sdevent_prepare(sd_event_source *s, void *userdata);
static inline int bell__sdevent_turn(sd_event_source *s, void *userdata);
static inline int bell_sdevent_detach(struct bell_sdevent *b);

/**
 * bell_sdevent_attach(): watch the bell in this loop.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0), -EEXIST (already in this loop), -ENOMEM, -ENOSPC, -ECHILD (the loop was
 * made before a fork), -ESTALE (it has finished); b is then not attached. Tokens already queued make the
 * loop wake at once. When the queue is closed and drained, b detaches itself and calls on_end with
 * -ESHUTDOWN.
 */
BELL_NODISCARD static inline int bell_sdevent_attach(struct bell_sdevent *b, sd_event *event,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	const uint32_t edge = bell_queue_flags(queue) & BELL_QUEUE_EDGE ? (uint32_t)EPOLLET : 0;
	const int fd = bell_queue_fd(queue);
	int r = -EINVAL;

	b->queue = NULL;
	b->io = b->look = b->quiet = NULL;
	if (budget > 0)
		r = sd_event_add_io(event, &b->io, fd, EPOLLIN | edge, bell__sdevent_ready, b);
	if (r < 0)
		return r;
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	return 0;
}

/**
 * bell_sdevent_attach_prepare(): the same for a loop that is mostly busy with other things, and a queue
 * with BELL_QUEUE_EDGE, else -EINVAL. The queue is armed just before the loop blocks, and not while any
 * other source has something to do; until then each turn of the loop looks for tokens: notifying a busy
 * loop makes no system call, and neither does the looking. For that each sleep costs one turn more.
 */
BELL_NODISCARD static inline int bell_sdevent_attach_prepare(struct bell_sdevent *b,
	sd_event *event, struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	const int edge = (bell_queue_flags(queue) & BELL_QUEUE_EDGE) != 0;
	int r = bell_sdevent_attach(b, event, queue, edge ? budget : 0, fn, userdata);

	if (r < 0)
		return r;
	r = sd_event_source_set_prepare(b->io, bell__sdevent_prepare);
	if (r >= 0)
		r = sd_event_add_post(event, &b->look, bell__sdevent_turn, b);
	if (r >= 0)
		r = sd_event_add_defer(event, &b->quiet, bell__sdevent_turn, b);
	if (r >= 0)
		r = sd_event_source_set_priority(b->quiet, INT64_MAX);
	if (r >= 0)
		r = sd_event_source_set_enabled(b->quiet, SD_EVENT_ON); /* tokens may be there */
	if (r < 0)
		bell_sdevent_detach(b);
	return r < 0 ? r : 0;
}

/**
 * bell_sdevent_detach(): end the watch and drop the reference; tokens that are queued stay queued, and fn
 * is not called again. b is free at once. Returns 0, also when not attached.
 */
static inline int bell_sdevent_detach(struct bell_sdevent *b)
{
	struct bell_queue *queue = b->queue;

	if (!queue)
		return 0;
	b->queue = NULL;
	bell_queue_stop(queue);
	b->io = sd_event_source_disable_unref(b->io);
	b->look = sd_event_source_disable_unref(b->look);
	b->quiet = sd_event_source_disable_unref(b->quiet);
	bell_queue_unref(queue);
	return 0;
}

/* The queue is closed and drained: there is nobody to return that to. */
static inline void bell__sdevent_end(struct bell_sdevent *b, int error)
{
	void (*on_end)(void *, int) = b->on_end;
	void *userdata = b->userdata;

	bell_sdevent_detach(b);
	if (on_end)
		on_end(userdata, error);
}

static inline int bell__sdevent_ready(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct bell_sdevent *b = (struct bell_sdevent *)userdata;
	ssize_t n;

	(void)fd, (void)events;
	if (b->quiet) {
		sd_event_source_set_enabled(b->quiet, SD_EVENT_ON);
		return bell__sdevent_turn(s, b);
	}
	n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);
	if (n < 0) /* so fn was not called, and b is still there */
		bell__sdevent_end(b, (int)n);
	return 0;
}

static inline int bell__sdevent_closed(struct bell_queue *q)
{
	return bell_queue_notify_many(q, NULL, 0) < 0;
}

/* Before each turn of the loop. Awake, it does not block, for quiet is ready; when there are tokens, or the
 * queue is closed, look follows the next event of any other source, with the priority of io. */
static inline int bell__sdevent_prepare(sd_event_source *s, void *userdata)
{
	struct bell_sdevent *b = (struct bell_sdevent *)userdata;
	struct bell_queue_stats stats;
	int64_t priority;
	int due;

	if (sd_event_source_get_enabled(b->quiet, NULL) <= 0)
		return 0;
	bell_queue_stats(b->queue, &stats);
	due = stats.notified != stats.delivered || bell__sdevent_closed(b->queue);
	if (sd_event_source_get_priority(s, &priority) == 0)
		sd_event_source_set_priority(b->look, priority);
	return sd_event_source_set_enabled(b->look, due ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Of all sources: hands out, and if there is nothing it is quiet that arms. */
static inline int bell__sdevent_turn(sd_event_source *s, void *userdata)
{
	struct bell_sdevent *b = (struct bell_sdevent *)userdata;
	const size_t budget = b->budget;
	uint32_t token;
	size_t n = 0;
	int r;

	sd_event_source_ref(s);
	/* One by one: what fn does not live to see stays queued. Disabled: detached, and b is gone. */
	while (n < budget && sd_event_source_get_enabled(s, NULL) > 0 &&
		bell_queue_poll(b->queue, &token, 1) == 1) {
		n++;
		b->fn(b->userdata, token);
	}
	sd_event_source_unref(s);
	if (n > 0 || (s != b->quiet && !bell__sdevent_closed(b->queue)))
		return 0;
	r = bell_queue_arm(b->queue); /* of a closed queue: knows whether that was all */
	if (r < 0)
		bell__sdevent_end(b, r);
	else if (r == 1)
		sd_event_source_set_enabled(b->quiet, SD_EVENT_OFF);
	return 0;
}

#endif
