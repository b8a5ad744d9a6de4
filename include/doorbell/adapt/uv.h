/* SPDX-License-Identifier: MIT
 *
 * adapt/uv.h: watch a queue in a libuv loop.
 *
 *	static struct bell_uv bell;
 *
 *	if (bell_uv_attach(&bell, uv_default_loop(), q, 64, on_token, NULL) < 0)
 *		return 1;
 *	bell.on_end = on_end;		// the queue was closed: void on_end(void *userdata, int error)
 *	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *
 * Level-triggered, as uv_poll_t is: the queue is one without BELL_QUEUE_EDGE. libuv 1.42 or later.
 * struct bell_uv is the caller's memory. libuv goes on using it after a detach, until the loop has turned
 * once more: on_closed then says that it may be reused or freed. It holds a reference to the queue while
 * attached. All calls are the loop's own thread's; fn may detach, but not run the loop. An attachment
 * keeps the loop alive, and uv_loop_close() busy: detach, and run the loop to its end, before that.
 */
#ifndef DOORBELL_ADAPT_UV_H
#define DOORBELL_ADAPT_UV_H

#include <errno.h>
#include <poll.h>
#include <uv.h>

#include <doorbell/queue.h>

/** One queue in one loop. on_end and on_closed are the caller's to set after attach, or leave NULL. */
struct bell_uv {
	struct bell_queue *queue; /* NULL: not attached */
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	void (*on_end)(void *userdata, int error); /* detached, for nothing will come any more */
	void (*on_closed)(struct bell_uv *b);	   /* after detach: the memory is yours again */
	uv_poll_t poll;
	uv_prepare_t prepare; /* of attach_prepare, as the next */
	uv_idle_t idle;	      /* active unless the queue is armed: then the loop does not block */
	unsigned handles;     /* of these, that libuv still uses */
};

static inline void bell__uv_ready(uv_poll_t *poll, int status, int events);
static inline void bell__uv_rung(uv_poll_t *poll, int status, int events);
static inline void bell__uv_prepare(uv_prepare_t *prepare);
static inline void bell__uv_closed(uv_handle_t *handle);

/**
 * bell_uv_attach(): watch the bell in this loop.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0, or the queue has BELL_QUEUE_EDGE), -EEXIST (already in this loop), or
 * another error of uv_poll_init(); b is then not attached, and free. Tokens already queued make the loop
 * wake at once. When the queue is closed and drained, or the poll fails, b detaches itself and calls
 * on_end with -ESHUTDOWN, or libuv's error.
 */
BELL_NODISCARD static inline int bell_uv_attach(struct bell_uv *b, uv_loop_t *loop,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	int r = -EINVAL;

	b->queue = NULL;
	if (budget > 0 && !(bell_queue_flags(queue) & BELL_QUEUE_EDGE))
		r = uv_poll_init(loop, &b->poll, bell_queue_fd(queue));
	if (r < 0)
		return r; /* libuv's errors are negated errno too */
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	b->on_closed = NULL;
	b->handles = 1;
	b->poll.data = b;
	(void)uv_poll_start(&b->poll, UV_READABLE, bell__uv_ready); /* init looked for -EEXIST */
	return 0;
}

/**
 * bell_uv_attach_prepare(): the same for a loop that is mostly busy with other things. The queue is armed
 * just before the loop blocks, and tokens are handed out once a turn: notifying a loop that finds something
 * to do in every turn makes no system call. For that each sleep costs a few more.
 */
BELL_NODISCARD static inline int bell_uv_attach_prepare(struct bell_uv *b, uv_loop_t *loop,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	int r = bell_uv_attach(b, loop, queue, budget, fn, userdata);

	if (r < 0)
		return r;
	b->handles = 3;
	uv_prepare_init(loop, &b->prepare);
	uv_idle_init(loop, &b->idle); /* a queue is armed, or its fd is readable */
	b->prepare.data = b->idle.data = b;
	uv_prepare_start(&b->prepare, bell__uv_prepare);
	(void)uv_poll_start(&b->poll, UV_READABLE, bell__uv_rung);
	return 0;
}

/**
 * bell_uv_detach(): end the watch and drop the reference; tokens that are queued stay queued, and fn is
 * not called again. b is free when on_closed is called; that may be set now, too. Returns 0, always.
 */
static inline int bell_uv_detach(struct bell_uv *b)
{
	struct bell_queue *queue = b->queue;

	if (!queue)
		return 0;
	b->queue = NULL;
	bell_queue_stop(queue);
	if (b->handles > 1) {
		uv_close((uv_handle_t *)&b->prepare, bell__uv_closed);
		uv_close((uv_handle_t *)&b->idle, bell__uv_closed);
	}
	uv_close((uv_handle_t *)&b->poll, bell__uv_closed);
	bell_queue_unref(queue);
	return 0;
}

static inline void bell__uv_closed(uv_handle_t *handle)
{
	struct bell_uv *b = (struct bell_uv *)handle->data;

	if (--b->handles == 0 && b->on_closed)
		b->on_closed(b);
}

/* The queue is closed and drained, or the poll failed: there is nobody to return that to. */
static inline void bell__uv_end(struct bell_uv *b, int error)
{
	void (*on_end)(void *, int) = b->on_end;
	void *userdata = b->userdata;

	bell_uv_detach(b);
	if (on_end)
		on_end(userdata, error);
}

static inline void bell__uv_ready(uv_poll_t *poll, int status, int events)
{
	struct bell_uv *b = (struct bell_uv *)poll->data;
	ssize_t n = status;

	(void)events;
	if (n == 0)
		n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);
	if (n < 0) /* so fn was not called, and b is still there */
		bell__uv_end(b, (int)n);
}

static inline void bell__uv_awake(uv_idle_t *idle)
{
	(void)idle; /* that it is active is all */
}

static inline void bell__uv_rung(uv_poll_t *poll, int status, int events)
{
	struct bell_uv *b = (struct bell_uv *)poll->data;

	(void)events;
	uv_poll_stop(poll); /* unwatched, the fd does not hide whether others are ready */
	uv_idle_start(&b->idle, bell__uv_awake);
	if (status < 0)
		bell__uv_end(b, status);
}

/* A timer is due, another descriptor is ready, or an idle handle of others active: not about to block. */
static inline int bell__uv_busy(const uv_loop_t *loop)
{
	struct pollfd others = {uv_backend_fd(loop), POLLIN, 0};

	return uv_backend_timeout(loop) == 0 || poll(&others, 1, 0) != 0;
}

static inline void bell__uv_prepare(uv_prepare_t *prepare)
{
	struct bell_uv *b = (struct bell_uv *)prepare->data;
	size_t left = b->budget;
	uint32_t token;
	int r = 0;

	if (!uv_is_active((uv_handle_t *)&b->idle))
		return;
	/* One by one: when fn detaches, what is left stays queued. libuv still uses b then. */
	for (; b->queue && left > 0 && bell_queue_poll(b->queue, &token, 1) == 1; left--)
		b->fn(b->userdata, token);
	if (!b->queue)
		return;
	uv_idle_stop(&b->idle); /* or it would always be busy */
	if (bell_queue_notify_many(b->queue, NULL, 0) < 0 || /* closed: arm knows whether that was all */
		(left > 0 && !bell__uv_busy(prepare->loop)))
		r = bell_queue_arm(b->queue);
	if (r < 0)
		bell__uv_end(b, r);
	else if (r == 0)
		uv_idle_start(&b->idle, bell__uv_awake);
	else
		(void)uv_poll_start(&b->poll, UV_READABLE, bell__uv_rung);
}

#endif
