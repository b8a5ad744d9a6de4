/* SPDX-License-Identifier: MIT
 *
 * glib.c: GLib's main context, in three ways: a source for each token, made ready by
 * g_source_set_ready_time(); one such source and a list; and one source whose prepare and check look
 * at the list, with g_main_context_wakeup().
 *
 * Conflation: a ready time that is set already is left alone, under the context's lock; with the list
 * as list.h says. Which fired: each source has its dispatch, and GLib walks all sources twice at
 * each pass; or the list.
 */
#include <glib.h>

#include "list.h"

struct loop;

struct source {
	GSource source; /* first */
	struct loop *loop;
	uint32_t token;
};

struct loop {
	struct receiver r;
	GMainContext *context;
	GMainLoop *main;
	struct source **sources; /* one for each token, or one in all */
	uint32_t count;
	struct list list;
};

static void loop_close(void *state)
{
	struct loop *s = state;
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		g_source_destroy(&s->sources[i]->source);
		g_source_unref(&s->sources[i]->source);
	}
	g_main_loop_unref(s->main);
	g_main_context_unref(s->context);
	free(s->sources);
	list_fini(&s->list);
	free(s);
}

static int loop_open(
	void **ret_state, const struct receiver *r, uint32_t count, GSourceFuncs *functions)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->context = g_main_context_new();
	s->main = g_main_loop_new(s->context, FALSE);
	s->sources = calloc(count, sizeof(struct source *));
	error = s->sources ? list_init(&s->list, r->tokens) : -ENOMEM;
	if (error < 0) {
		loop_close(s);
		return error;
	}
	for (; s->count < count; s->count++) {
		struct source *source = (struct source *)g_source_new(functions, sizeof(*source));

		source->loop = s;
		source->token = s->count;
		g_source_attach(&source->source, s->context);
		s->sources[s->count] = source;
	}
	*ret_state = s;
	return 0;
}

/* The ready time goes back before the caller's data is read, as the manual says. */
static gboolean each_dispatch(GSource *base, GSourceFunc callback, gpointer userdata)
{
	struct source *source = (struct source *)base;

	(void)callback;
	(void)userdata;
	g_source_set_ready_time(base, -1);
	source->loop->r.deliver(source->loop->r.userdata, source->token);
	return G_SOURCE_CONTINUE;
}

static gboolean ready_dispatch(GSource *base, GSourceFunc callback, gpointer userdata)
{
	struct source *source = (struct source *)base;

	(void)callback;
	(void)userdata;
	g_source_set_ready_time(base, -1);
	list_drain(&source->loop->list, &source->loop->r);
	return G_SOURCE_CONTINUE;
}

static gboolean wakeup_check(GSource *base)
{
	struct list *list = &((struct source *)base)->loop->list;
	bool any;

	pthread_mutex_lock(&list->mutex);
	any = list->n > 0;
	pthread_mutex_unlock(&list->mutex);
	return any;
}

static gboolean wakeup_prepare(GSource *base, gint *ret_timeout)
{
	*ret_timeout = -1;
	return wakeup_check(base);
}

static gboolean wakeup_dispatch(GSource *base, GSourceFunc callback, gpointer userdata)
{
	struct source *source = (struct source *)base;

	(void)callback;
	(void)userdata;
	list_drain(&source->loop->list, &source->loop->r);
	return G_SOURCE_CONTINUE;
}

static int each_open(void **ret_state, const struct receiver *r)
{
	static GSourceFuncs functions = {.dispatch = each_dispatch};

	return loop_open(ret_state, r, r->tokens, &functions);
}

static int ready_open(void **ret_state, const struct receiver *r)
{
	static GSourceFuncs functions = {.dispatch = ready_dispatch};

	return loop_open(ret_state, r, 1, &functions);
}

static int wakeup_open(void **ret_state, const struct receiver *r)
{
	static GSourceFuncs functions = {
		.prepare = wakeup_prepare, .check = wakeup_check, .dispatch = wakeup_dispatch};

	return loop_open(ret_state, r, 1, &functions);
}

static void each_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	g_source_set_ready_time(&s->sources[token]->source, 0);
}

static void ready_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		g_source_set_ready_time(&s->sources[0]->source, 0);
}

static void wakeup_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		g_main_context_wakeup(s->context);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	g_main_loop_run(s->main);
}

static void loop_turn(void *state)
{
	struct loop *s = state;

	g_main_context_iteration(s->context, FALSE);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	g_main_loop_quit(s->main);
}

const struct rival rival_glib_each = {.open = each_open,
	.notify = each_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_glib_ready = {.open = ready_open,
	.notify = ready_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_glib_wakeup = {.open = wakeup_open,
	.notify = wakeup_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
