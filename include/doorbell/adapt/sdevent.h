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
	sd_event_source *turn; /* NULL, or of attach_prepare, as what follows: hands out, or arms */
	int awake;	       /* the queue is not armed */
};

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
	sd_event_source_set_userdata(b->io, NULL); /* tells a turn under way that b is gone */
	if (b->turn)
		sd_event_source_set_userdata(b->turn, NULL);
	b->io = sd_event_source_disable_unref(b->io);
	b->turn = sd_event_source_disable_unref(b->turn);
	bell_queue_unref(queue);
	return 0;
}

/* There is nobody to return it to. */
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
	ssize_t n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);

	(void)s, (void)fd, (void)events;
	if (n < 0) /* so fn was not called, and b is still there */
		bell__sdevent_end(b, (int)n);
	return 0;
}

static inline int bell__sdevent_watch(struct bell_sdevent *b, sd_event *event,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata,
	sd_event_io_handler_t ready)
{
	const uint32_t edge = bell_queue_flags(queue) & BELL_QUEUE_EDGE ? (uint32_t)EPOLLET : 0;
	int r;

	b->queue = NULL;
	b->io = b->turn = NULL;
	b->on_end = NULL;
	b->awake = 1; /* tokens may be there */
	if (budget == 0)
		return -EINVAL;
	r = sd_event_add_io(event, &b->io, bell_queue_fd(queue), EPOLLIN | edge, ready, b);
	if (r < 0)
		return r;
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	return 0;
}

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
	return bell__sdevent_watch(b, event, queue, budget, fn, userdata, bell__sdevent_ready);
}

/* Hands out what is there, or arms. One token a poll: what fn does not live to see stays queued. */
static inline int bell__sdevent_turn(sd_event_source *s, void *userdata)
{
	struct bell_sdevent *b = (struct bell_sdevent *)userdata;
	const size_t budget = b->budget;
	uint32_t token;
	size_t n = 0;
	int r;

	b->awake = 1;
	sd_event_source_ref(s);
	while (n < budget && sd_event_source_get_userdata(s) && /* not detached */
		bell_queue_poll(b->queue, &token, 1) == 1) {
		n++;
		b->fn(b->userdata, token);
	}
	sd_event_source_unref(s);
	if (n > 0) /* b may be gone */
		return 0;
	r = bell_queue_arm(b->queue);
	b->awake = r != 1;
	if (r < 0)
		bell__sdevent_end(b, r);
	return 0;
}

static inline int bell__sdevent_rung(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	(void)fd, (void)events;
	return bell__sdevent_turn(s, userdata);
}

/* A hint: tokens, or the end. It only says how soon to look; arm alone decides that nothing is there. */
static inline int bell__sdevent_due(const struct bell_queue *q)
{
	return bell__queue_published(q, q->head) ||
	       !(bell_load_relaxed(&q->limit) | bell_load_relaxed(&q->single)); /* closed: a hint */
}

/* Before each turn of the loop. Awake, it must not block: turn comes with the priority of io, or, when
 * nothing is due, behind everything else, so that it is reached when the loop would block. */
static inline int bell__sdevent_prepare(sd_event_source *s, void *userdata)
{
	struct bell_sdevent *b = (struct bell_sdevent *)userdata;
	int64_t priority = INT64_MAX;
	sd_event_source *next;
	int on;

	if (!b->awake)
		return 0;
	/* sd-event takes a defer source that was enabled again for the oldest of its priority: a turn that
	 * waits in line with others has to be a new one. */
	if (sd_event_source_get_enabled(b->turn, &on) == 0 &&
		sd_event_add_defer(
			sd_event_source_get_event(s), &next, bell__sdevent_turn, b) >= 0) {
		sd_event_source_unref(b->turn);
		b->turn = next;
	}
	if (bell__sdevent_due(b->queue))
		sd_event_source_get_priority(s, &priority);
	sd_event_source_set_priority(b->turn, priority);
	return sd_event_source_set_enabled(b->turn, SD_EVENT_ONESHOT);
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
	int r;

	b->queue = NULL;
	if (!(bell_queue_flags(queue) & BELL_QUEUE_EDGE))
		return -EINVAL;
	r = bell__sdevent_watch(b, event, queue, budget, fn, userdata, bell__sdevent_rung);
	if (r < 0)
		return r;
	r = sd_event_add_defer(event, &b->turn, bell__sdevent_turn, b);
	if (r >= 0)
		r = sd_event_source_set_prepare(b->io, bell__sdevent_prepare);
	if (r < 0)
		bell_sdevent_detach(b);
	return r < 0 ? r : 0;
}

#endif
