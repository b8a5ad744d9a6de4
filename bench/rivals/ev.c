/* SPDX-License-Identifier: MIT
 *
 * ev.c: libev's ev_async_send(), with a watcher for each token, and with one watcher and a list.
 *
 * Conflation: libev's own, the watcher's sent flag, looked at without a lock; with the list as list.h
 * says. Which fired: each watcher has a callback, and libev walks all of them at each wake-up; or the
 * list. While the loop is awake it writes nothing.
 */
#include <ev.h>

#include "list.h"

struct loop;

struct watcher {
	ev_async async; /* first */
	struct loop *loop;
};

struct loop {
	struct receiver r;
	struct ev_loop *ev;
	struct watcher *watchers; /* one for each token, or one in all */
	uint32_t count;
	struct list list;
};

typedef void (*fired_fn)(struct ev_loop *ev, ev_async *async, int events);

static void loop_close(void *state)
{
	struct loop *s = state;
	uint32_t i;

	for (i = 0; i < s->count; i++)
		ev_async_stop(s->ev, &s->watchers[i].async);
	if (s->ev)
		ev_loop_destroy(s->ev);
	free(s->watchers);
	list_fini(&s->list);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r, uint32_t count, fired_fn fired)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->watchers = calloc(count, sizeof(*s->watchers));
	error = s->watchers ? list_init(&s->list, r->tokens) : -ENOMEM;
	if (error == 0 && !(s->ev = ev_loop_new(EVBACKEND_EPOLL)))
		error = -ENOMEM;
	if (error < 0) {
		loop_close(s);
		return error;
	}
	for (; s->count < count; s->count++) {
		struct watcher *w = &s->watchers[s->count];

		w->loop = s;
		ev_async_init(&w->async, fired);
		ev_async_start(s->ev, &w->async);
	}
	*ret_state = s;
	return 0;
}

static void each_fired(struct ev_loop *ev, ev_async *async, int events)
{
	struct watcher *w = (struct watcher *)async;

	(void)ev;
	(void)events;
	w->loop->r.deliver(w->loop->r.userdata, (uint32_t)(w - w->loop->watchers));
}

static void list_fired(struct ev_loop *ev, ev_async *async, int events)
{
	struct watcher *w = (struct watcher *)async;

	(void)ev;
	(void)events;
	list_drain(&w->loop->list, &w->loop->r);
}

static int each_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, r->tokens, each_fired);
}

static int list_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, 1, list_fired);
}

static void each_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	ev_async_send(s->ev, &s->watchers[token].async);
}

static void list_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		ev_async_send(s->ev, &s->watchers[0].async);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	ev_run(s->ev, 0);
}

static void loop_turn(void *state)
{
	struct loop *s = state;

	ev_run(s->ev, EVRUN_NOWAIT);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	ev_break(s->ev, EVBREAK_ALL);
}

const struct rival rival_ev_each = {.open = each_open,
	.notify = each_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_ev_list = {.open = list_open,
	.notify = list_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
