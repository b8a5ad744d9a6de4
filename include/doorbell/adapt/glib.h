/* SPDX-License-Identifier: MIT
 *
 * adapt/glib.h: watch a queue in a GMainContext, by a GSource.
 *
 *	struct bell_glib bell;
 *
 *	if (bell_glib_attach(&bell, NULL, q, 64, on_token, NULL) < 0)	// NULL: the default context
 *		return 1;
 *	bell.on_end = on_end;		// the queue was closed: void on_end(void *userdata, int error)
 *	g_main_loop_run(loop);
 *
 * Level-triggered, as GLib is: the queue is one without BELL_QUEUE_EDGE. The priority is that of other
 * sources; g_source_set_priority(bell.source, ...) changes it. struct bell_glib is the caller's memory and
 * stays where it is while attached; it holds a reference to the queue. All calls are those of the thread
 * that runs the context; fn may detach b, and free it, but not run it. A context may go away before b.
 */
#ifndef DOORBELL_ADAPT_GLIB_H
#define DOORBELL_ADAPT_GLIB_H

#include <errno.h>
#include <glib.h>

#include <doorbell/queue.h>

/** One queue in one context. on_end is the caller's to set after attach, or leave NULL. */
struct bell_glib {
	struct bell_queue *queue; /* NULL: not attached */
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	void (*on_end)(void *userdata, int error); /* detached, for nothing will come any more */
	GSource *source;
	gpointer watch; /* of the fd by source */
	GSource *quiet; /* NULL, or of attach_prepare, as what follows: ready when nobody else is */
	int awake, drained; /* the queue is not armed; the last look left nothing */
};

/* What GLib allocates. */
struct bell__glib_source {
	GSource source;
	struct bell_glib *bell;
};

static inline gboolean bell__glib_prepare(GSource *source, gint *timeout);
static inline gboolean bell__glib_ready(GSource *source, GSourceFunc unused, gpointer unused_too);
static inline gboolean bell__glib_arm(GSource *source, GSourceFunc unused, gpointer unused_too);

static inline GSource *bell__glib_new(struct bell_glib *b, GSourceFuncs *funcs)
{
	GSource *source = g_source_new(funcs, sizeof(struct bell__glib_source));

	((struct bell__glib_source *)source)->bell = b;
	return source;
}

/**
 * bell_glib_attach(): watch the bell in this context; NULL is the default one.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0, or the queue has BELL_QUEUE_EDGE): not attached. Tokens already queued are
 * handed out at once. Attaching a queue twice is not refused, and not right. When it is closed and
 * drained, b detaches itself and calls on_end with -ESHUTDOWN.
 */
BELL_NODISCARD static inline int bell_glib_attach(struct bell_glib *b, GMainContext *context,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	static GSourceFuncs funcs = {bell__glib_prepare, NULL, bell__glib_ready, NULL, NULL, NULL};

	b->queue = NULL;
	if (budget == 0 || bell_queue_flags(queue) & BELL_QUEUE_EDGE)
		return -EINVAL;
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	b->quiet = NULL;
	b->awake = b->drained = 0; /* a queue is armed, or its fd is readable */
	b->source = bell__glib_new(b, &funcs);
	b->watch = g_source_add_unix_fd(b->source, bell_queue_fd(queue), G_IO_IN);
	g_source_attach(b->source, context);
	return 0;
}

/**
 * bell_glib_attach_prepare(): the same for a context that is mostly busy with other things. The queue is
 * armed just before the context blocks, after a turn in which no other source was ready: notifying a
 * context that finds something to do in every turn makes no system call. A sleep costs one turn more.
 */
BELL_NODISCARD static inline int bell_glib_attach_prepare(struct bell_glib *b,
	GMainContext *context, struct bell_queue *queue, size_t budget, bell_token_fn fn,
	void *userdata)
{
	static GSourceFuncs quiet = {NULL, NULL, bell__glib_arm, NULL, NULL, NULL};
	int r = bell_glib_attach(b, context, queue, budget, fn, userdata);

	if (r < 0)
		return r;
	b->quiet = bell__glib_new(b, &quiet);
	g_source_set_priority(b->quiet, G_MAXINT); /* GLib asks it only when no other is ready */
	g_source_attach(b->quiet, context);
	return 0;
}

/**
 * bell_glib_detach(): end the watch and drop the reference; tokens that are queued stay queued, and fn
 * is not called again. b is free at once. Returns 0, also when not attached.
 */
static inline int bell_glib_detach(struct bell_glib *b)
{
	struct bell_queue *queue = b->queue;

	if (!queue)
		return 0;
	b->queue = NULL;
	bell_queue_stop(queue);
	g_source_destroy(b->source);
	g_source_unref(b->source);
	if (b->quiet) {
		g_source_destroy(b->quiet);
		g_source_unref(b->quiet);
	}
	bell_queue_unref(queue);
	return 0;
}

/* The queue is closed and drained: there is nobody to return that to. */
static inline void bell__glib_end(struct bell_glib *b, int error)
{
	void (*on_end)(void *, int) = b->on_end;
	void *userdata = b->userdata;

	bell_glib_detach(b);
	if (on_end)
		on_end(userdata, error);
}

/* Awake, source looks into the queue without being rung. When it has drained it, the next turn is for the
 * others; if none of them is ready, quiet is, and arms. */
static inline gboolean bell__glib_prepare(GSource *source, gint *timeout)
{
	struct bell_glib *b = ((struct bell__glib_source *)source)->bell;
	const gboolean look = b->awake && !b->drained;

	*timeout = -1; /* none */
	b->drained = 0;
	return look;
}

static inline void bell__glib_set_awake(struct bell_glib *b, int awake)
{
	b->awake = awake;
	g_source_modify_unix_fd(b->source, b->watch, awake ? (GIOCondition)0 : G_IO_IN);
	g_source_set_ready_time(b->quiet, awake ? 0 : -1); /* always, or never */
}

static inline gboolean bell__glib_arm(GSource *source, GSourceFunc unused, gpointer unused_too)
{
	struct bell_glib *b = ((struct bell__glib_source *)source)->bell;
	int r = bell_queue_arm(b->queue);

	(void)unused, (void)unused_too;
	if (r < 0)
		bell__glib_end(b, r);
	else
		bell__glib_set_awake(b, r == 0);
	return G_SOURCE_CONTINUE; /* without effect on a source that was destroyed */
}

static inline gboolean bell__glib_ready(GSource *source, GSourceFunc unused, gpointer unused_too)
{
	struct bell_glib *b = ((struct bell__glib_source *)source)->bell;
	size_t left = b->budget;
	uint32_t token;

	if (!b->quiet) {
		ssize_t n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);

		if (n < 0) /* so fn was not called, and b is still there */
			bell__glib_end(b, (int)n);
		return G_SOURCE_CONTINUE;
	}
	bell__glib_set_awake(b, 1);
	/* One by one: what fn does not live to see stays queued. */
	for (; left > 0 && bell_queue_poll(b->queue, &token, 1) == 1; left--) {
		b->fn(b->userdata, token);
		if (g_source_is_destroyed(source)) /* detached, and b is gone */
			return G_SOURCE_CONTINUE;
	}
	b->drained = left > 0;
	if (bell_queue_notify_many(b->queue, NULL, 0) < 0) /* closed: arm knows whether that was all */
		return bell__glib_arm(source, unused, unused_too);
	return G_SOURCE_CONTINUE;
}

#endif
