/* SPDX-License-Identifier: MIT
 *
 * adapt/ev.h: watch a queue in a libev loop.
 *
 *	struct bell_ev bell;
 *
 *	if (bell_ev_attach(&bell, EV_DEFAULT, q, 64, on_token, NULL) < 0)
 *		return 1;
 *	bell.on_end = on_end;		// the queue was closed: void on_end(void *userdata, int error)
 *	ev_run(EV_DEFAULT, 0);
 *
 * Level-triggered, as ev_io is: the queue is one without BELL_QUEUE_EDGE. libev 4, with EV_MULTIPLICITY.
 * struct bell_ev is the caller's memory and stays where it is while attached; it holds a reference to
 * the queue. All calls are the loop's own thread's; fn may detach b, and free it, but not run the loop.
 * An attachment keeps ev_run() from returning. Detach before ev_loop_destroy(). After it, no call may
 * be made with b: all that is left to do is to drop b->queue with bell_queue_unref().
 */
#ifndef DOORBELL_ADAPT_EV_H
#define DOORBELL_ADAPT_EV_H

#include <errno.h>
#include <ev.h>

#include <doorbell/queue.h>

#if !EV_MULTIPLICITY
#error "adapt/ev.h needs libev with EV_MULTIPLICITY"
#endif

/** One queue in one loop. on_end is the caller's to set after attach, or leave NULL. */
struct bell_ev {
	struct bell_queue *queue; /* NULL: not attached */
	struct ev_loop *loop;
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	void (*on_end)(void *userdata, int error); /* detached, for nothing will come any more */
	ev_io io;
	ev_check check; /* of attach_prepare, as what follows */
	ev_idle idle;	/* active unless the queue is armed */
	int *gone;	/* set by a detach from within fn */
};

static inline void bell__ev_ready(struct ev_loop *loop, ev_io *io, int events);
static inline void bell__ev_rung(struct ev_loop *loop, ev_io *io, int events);
static inline void bell__ev_check(struct ev_loop *loop, ev_check *check, int events);
static inline void bell__ev_idle(struct ev_loop *loop, ev_idle *idle, int events);

/**
 * bell_ev_attach(): watch the bell in this loop.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0, or the queue has BELL_QUEUE_EDGE); b is then not attached. Tokens already
 * queued make the loop wake at once. Attaching a queue twice is not refused, and not right. When it is
 * closed and drained, b detaches itself and calls on_end with -ESHUTDOWN; when libev gives up on the fd,
 * with -EBADF.
 */
BELL_NODISCARD static inline int bell_ev_attach(struct bell_ev *b, struct ev_loop *loop,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	b->queue = NULL;
	if (budget == 0 || bell_queue_flags(queue) & BELL_QUEUE_EDGE)
		return -EINVAL;
	b->queue = bell_queue_ref(queue);
	b->loop = loop;
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	b->gone = NULL;
	ev_io_init(&b->io, bell__ev_ready, bell_queue_fd(queue), EV_READ);
	ev_check_init(&b->check, bell__ev_check);
	ev_idle_init(&b->idle, bell__ev_idle);
	b->io.data = b->check.data = b->idle.data = b;
	ev_io_start(loop, &b->io);
	return 0;
}

/**
 * bell_ev_attach_prepare(): the same for a loop that is mostly busy with other things. The queue is armed
 * just before the loop blocks, after a turn in which nothing of a priority above EV_MINPRI was ready, and
 * tokens are handed out once a turn: notifying a loop that finds something to do in every turn makes no
 * system call. For that each sleep costs one turn more.
 */
BELL_NODISCARD static inline int bell_ev_attach_prepare(struct bell_ev *b, struct ev_loop *loop,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	int r = bell_ev_attach(b, loop, queue, budget, fn, userdata);

	if (r < 0)
		return r;
	ev_io_stop(loop, &b->io);
	ev_set_cb(&b->io, bell__ev_rung);
	ev_set_priority(&b->io, EV_MINPRI); /* below idle, there it does not count as "ready" */
	ev_set_priority(&b->idle, EV_MINPRI + 1);
	ev_io_start(loop, &b->io); /* a queue is armed, or its fd is readable */
	ev_check_start(loop, &b->check);
	return 0;
}

/**
 * bell_ev_detach(): end the watch and drop the reference; tokens that are queued stay queued, and fn is
 * not called again. b is free at once. Returns 0, also when not attached.
 */
static inline int bell_ev_detach(struct bell_ev *b)
{
	struct bell_queue *queue = b->queue;

	if (!queue)
		return 0;
	b->queue = NULL;
	if (b->gone)
		*b->gone = 1;
	bell_queue_stop(queue);
	ev_io_stop(b->loop, &b->io);
	ev_check_stop(b->loop, &b->check);
	ev_idle_stop(b->loop, &b->idle);
	bell_queue_unref(queue);
	return 0;
}

/* The queue is closed and drained, or libev gave up on the fd: there is nobody to return that to. */
static inline void bell__ev_end(struct bell_ev *b, int error)
{
	void (*on_end)(void *, int) = b->on_end;
	void *userdata = b->userdata;

	bell_ev_detach(b);
	if (on_end)
		on_end(userdata, error);
}

static inline void bell__ev_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct bell_ev *b = (struct bell_ev *)io->data;
	ssize_t n = -EBADF;

	(void)loop;
	if (!(events & EV_ERROR))
		n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);
	if (n < 0) /* so fn was not called, and b is still there */
		bell__ev_end(b, (int)n);
}

/* Rung. Until the next arm the fd stays readable, so the loop does not block. */
static inline void bell__ev_rung(struct ev_loop *loop, ev_io *io, int events)
{
	struct bell_ev *b = (struct bell_ev *)io->data;

	if (events & EV_ERROR)
		bell__ev_end(b, -EBADF);
	else
		ev_idle_start(loop, &b->idle);
}

static inline void bell__ev_check(struct ev_loop *loop, ev_check *check, int events)
{
	struct bell_ev *b = (struct bell_ev *)check->data;
	size_t left = b->budget;
	uint32_t token;
	int gone = 0;

	b->gone = &gone;
	/* One by one: what fn does not live to see stays queued. */
	for (; !gone && left > 0 && bell_queue_poll(b->queue, &token, 1) == 1; left--)
		b->fn(b->userdata, token);
	if (gone)
		return;
	b->gone = NULL;
	if (bell_queue_notify_many(b->queue, NULL, 0) < 0) /* closed: arm knows whether that was all */
		bell__ev_idle(loop, &b->idle, events);
}

/* Nothing of a higher priority than that of b->io was ready in this turn: about to block. */
static inline void bell__ev_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
	struct bell_ev *b = (struct bell_ev *)idle->data;
	int r = bell_queue_arm(b->queue);

	(void)events;
	if (r < 0)
		bell__ev_end(b, r);
	else if (r == 1)
		ev_idle_stop(loop, idle);
}

#endif
