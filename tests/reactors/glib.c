/* SPDX-License-Identifier: MIT
 *
 * glib.c [plain|prepare]: a GMainContext.
 */
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>

#include <doorbell/adapt/glib.h>

#include "reactor.h"

enum { WATCHES = 16 };

struct watch {
	GSource *source;
	int fd;
	reactor_fn ready;
	void *userdata;
};

struct loop {
	GMainContext *context;
	GMainLoop *main;
	struct watch watches[WATCHES];
	GSource *timer, *idle;
	reactor_fn busy;
	void *busy_userdata;
	reactor_fn tick;
	void *userdata;
};

static bool prepare;

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->context = g_main_context_new();
	l->main = g_main_loop_new(l->context, FALSE);
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	g_main_loop_unref(l->main);
	g_main_context_unref(l->context);
	free(l);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	g_main_loop_run(l->main);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	g_main_loop_quit(l->main);
}

static gboolean ready(gint fd, GIOCondition condition, gpointer userdata)
{
	struct watch *w = userdata;

	(void)fd;
	(void)condition;
	w->ready(w->userdata);
	return G_SOURCE_CONTINUE;
}

static int loop_watch(void *loop, int fd, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = l->watches;

	while (w->source)
		w++;
	w->fd = fd;
	w->ready = fn;
	w->userdata = userdata;
	w->source = g_unix_fd_source_new(fd, G_IO_IN);
	g_source_set_callback(w->source, G_SOURCE_FUNC(ready), w, NULL);
	g_source_attach(w->source, l->context);
	return 0;
}

static void end(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_source_unref(*source);
	*source = NULL;
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++)
		if (l->watches[i].source && l->watches[i].fd == fd)
			end(&l->watches[i].source);
}

static gboolean tick(gpointer userdata)
{
	struct loop *l = userdata;

	l->tick(l->userdata);
	return G_SOURCE_CONTINUE;
}

static int loop_timer(void *loop, unsigned ms, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	end(&l->timer);
	if (ms == 0)
		return 0;
	l->tick = fn;
	l->userdata = userdata;
	l->timer = g_timeout_source_new(ms);
	g_source_set_callback(l->timer, tick, l, NULL);
	g_source_attach(l->timer, l->context);
	return 0;
}

static gboolean be_busy(gpointer userdata)
{
	struct loop *l = userdata;

	l->busy(l->busy_userdata);
	return G_SOURCE_CONTINUE;
}

static int loop_busy(void *loop, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (!fn) {
		end(&l->idle);
		return 0;
	}
	l->busy = fn;
	l->busy_userdata = userdata;
	l->idle = g_idle_source_new();
	g_source_set_callback(l->idle, be_busy, l, NULL);
	g_source_attach(l->idle, l->context);
	return 0;
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (prepare)
		return bell_glib_attach_prepare(bell, l->context, q, budget, fn, userdata);
	return bell_glib_attach(bell, l->context, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	(void)loop;
	return bell_glib_detach(bell);
}

void reactor_of(const char *mode, struct reactor *ret)
{
	prepare = strcmp(mode, "prepare") == 0;
	*ret = (struct reactor){
		.open = loop_open,
		.close = loop_close,
		.run = loop_run,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.size = sizeof(struct bell_glib),
		.attach = attach,
		.detach = detach,
		.on_end = offsetof(struct bell_glib, on_end),
		.busy = loop_busy,
		.orphan = ORPHAN_DETACH,
		.prepare = prepare,
	};
}
