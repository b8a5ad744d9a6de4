/* SPDX-License-Identifier: MIT
 *
 * glib.c [prepare] [contract]: the scenario, or the contract, in a GMainContext.
 */
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>

#include <doorbell/adapt/glib.h>

#include "contract.h"

enum { WATCHES = 16 };

struct watch {
	GSource *source;
	int fd;
	scenario_fn ready;
	void *userdata;
};

struct loop {
	GMainContext *context;
	GMainLoop *main;
	struct watch watches[WATCHES];
	struct bell_glib bell;
	GSource *timer;
	scenario_fn tick;
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

static int loop_watch(void *loop, int fd, scenario_fn fn, void *userdata)
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

static int loop_timer(void *loop, unsigned ms, scenario_fn fn, void *userdata)
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

static int adapter_attach(void *bell, void *loop, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (prepare)
		return bell_glib_attach_prepare(bell, l->context, q, budget, fn, userdata);
	return bell_glib_attach(bell, l->context, q, budget, fn, userdata);
}

static int adapter_detach(void *bell)
{
	return bell_glib_detach(bell);
}

static void set_end(void *bell, void (*on_end)(void *userdata, int error))
{
	struct bell_glib *b = bell;

	b->on_end = on_end;
}

static void orphan(void *bell)
{
	bell_glib_detach(bell);
}

static int loop_attach(
	void *loop, struct bell_queue *q, size_t budget, bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	return adapter_attach(&l->bell, loop, q, budget, fn, userdata);
}

static int loop_detach(void *loop)
{
	struct loop *l = loop;

	return bell_glib_detach(&l->bell);
}

int main(int argc, char **argv)
{
	const struct reactor reactor = {
		.name = argc > 1 ? argv[1] : "plain",
		.open = loop_open,
		.close = loop_close,
		.run = loop_run,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.attach = loop_attach,
		.detach = loop_detach,
	};
	struct contract contract = {
		.reactor = &reactor,
		.size = sizeof(struct bell_glib),
		.attach = adapter_attach,
		.detach = adapter_detach,
		.set_end = set_end,
		.let_go = free,
		.orphan = orphan,
	};

	prepare = contract.prepare = argc > 1 && strcmp(argv[1], "prepare") == 0;
	return argc > 2 ? contract_main(&contract) : scenario_main(&reactor);
}
