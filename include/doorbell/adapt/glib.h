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
	GPollFD poll;	/* with g_source_add_unix_fd() source would be ready whatever check says */
	GSource *quiet; /* NULL, or of attach_prepare, as what follows: ready when nobody else is */
	int asleep, drained; /* the queue is armed; the last dispatch left nothing */
};

/* What GLib allocates: a source that knows its owner; NULL: detached. */
struct bell__glib_source {
	GSource source;
	struct bell_glib *bell;
};

static inline struct bell_glib **bell__glib_of(GSource *source)
{
	return &((struct bell__glib_source *)source)->bell;
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
	*bell__glib_of(b->source) = NULL; /* tells a dispatch under way that b is gone */
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

/* Awake, the fd is readable: no turn blocks, and source looks into the queue in each. When it has drained
 * it, the next turn is for the others; if none of them is ready, quiet is, and arms. */
static inline gboolean bell__glib_prepare(GSource *source, gint *timeout)
{
	struct bell_glib *b = *bell__glib_of(source);

	*timeout = -1; /* none */
	return !b->asleep && !b->drained;
}

static inline gboolean bell__glib_check(GSource *source)
{
	struct bell_glib *b = *bell__glib_of(source);
	const gboolean rung = b->asleep && b->poll.revents;

	b->asleep = b->asleep && !(rung && b->quiet);
	b->drained = 0;
	return rung;
}

static inline gboolean bell__glib_hand_out(GSource *source, GSourceFunc unused, gpointer unused_too)
{
	struct bell_glib *b = *bell__glib_of(source);
	size_t left = b->budget;
	uint32_t token;

	(void)unused, (void)unused_too;
	if (!b->quiet) {
		ssize_t n = bell_queue_dispatch(b->queue, b->budget, b->fn, b->userdata);

		if (n < 0) /* so fn was not called, and b is still there */
			bell__glib_end(b, (int)n);
		return G_SOURCE_CONTINUE; /* without effect on a source that was destroyed */
	}
	/* One by one: what fn does not live to see stays queued. */
	for (; left > 0 && bell_queue_poll(b->queue, &token, 1) == 1; left--) {
		b->fn(b->userdata, token);
		if (!*bell__glib_of(source))
			return G_SOURCE_CONTINUE;
	}
	b->drained = left > 0;
	return G_SOURCE_CONTINUE;
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
	static GSourceFuncs funcs = {
		bell__glib_prepare, bell__glib_check, bell__glib_hand_out, NULL, NULL, NULL};
	const GPollFD poll = {bell_queue_fd(queue), G_IO_IN, 0};

	b->queue = NULL;
	if (budget == 0 || bell_queue_flags(queue) & BELL_QUEUE_EDGE)
		return -EINVAL;
	b->queue = bell_queue_ref(queue);
	b->budget = budget;
	b->fn = fn;
	b->userdata = userdata;
	b->on_end = NULL;
	b->quiet = NULL;
	b->asleep = 1; /* a queue is armed, or its fd is readable */
	b->drained = 0;
	b->poll = poll;
	b->source = g_source_new(&funcs, sizeof(struct bell__glib_source));
	*bell__glib_of(b->source) = b;
	g_source_add_poll(b->source, &b->poll);
	g_source_attach(b->source, context);
	return 0;
}

/* Of the lowest priority: GLib asks only when no other source is ready. */
static inline gboolean bell__glib_check_quiet(GSource *source)
{
	return (*bell__glib_of(source))->asleep == 0;
}

static inline gboolean bell__glib_arm(GSource *source, GSourceFunc unused, gpointer unused_too)
{
	struct bell_glib *b = *bell__glib_of(source);
	int r = bell_queue_arm(b->queue);

	(void)unused, (void)unused_too;
	b->asleep = r == 1;
	if (r < 0)
		bell__glib_end(b, r);
	return G_SOURCE_CONTINUE;
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
	static GSourceFuncs quiet = {
		NULL, bell__glib_check_quiet, bell__glib_arm, NULL, NULL, NULL};
	int r = bell_glib_attach(b, context, queue, budget, fn, userdata);

	if (r < 0)
		return r;
	b->quiet = g_source_new(&quiet, sizeof(struct bell__glib_source));
	*bell__glib_of(b->quiet) = b;
	g_source_set_priority(b->quiet, G_MAXINT);
	g_source_attach(b->quiet, context);
	return 0;
}

#endif
