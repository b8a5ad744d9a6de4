/* SPDX-License-Identifier: MIT
 *
 * event.c [level|edge]: libevent.
 */
#include <stdlib.h>
#include <string.h>

#include <doorbell/adapt/event.h>

#include "reactor.h"

enum { WATCHES = 16 };

struct watch {
	struct event *event;
	int fd;
	reactor_fn ready;
	void *userdata;
};

struct loop {
	struct event_base *base;
	struct watch watches[WATCHES], timer, idle;
};

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l)
		l->base = event_base_new();
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	event_base_free(l->base);
	free(l);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	event_base_dispatch(l->base);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	event_base_loopbreak(l->base);
}

static void ready(evutil_socket_t fd, short what, void *userdata)
{
	struct watch *w = userdata;

	(void)fd;
	(void)what;
	w->ready(w->userdata);
}

static int loop_watch(void *loop, int fd, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = l->watches;

	while (w->event)
		w++;
	w->fd = fd;
	w->ready = fn;
	w->userdata = userdata;
	w->event = event_new(l->base, fd, EV_READ | EV_PERSIST, ready, w);
	return event_add(w->event, NULL);
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++) {
		if (l->watches[i].event && l->watches[i].fd == fd) {
			event_free(l->watches[i].event);
			l->watches[i].event = NULL;
		}
	}
}

static int loop_timer(void *loop, unsigned ms, reactor_fn fn, void *userdata)
{
	const struct timeval every = {ms / 1000, ms % 1000 * 1000};
	struct loop *l = loop;

	if (l->timer.event)
		event_free(l->timer.event);
	l->timer.event = NULL;
	if (ms == 0)
		return 0;
	l->timer.ready = fn;
	l->timer.userdata = userdata;
	l->timer.event = event_new(l->base, -1, EV_PERSIST, ready, &l->timer);
	return event_add(l->timer.event, &every);
}

static const struct timeval zero;

static void be_busy(evutil_socket_t fd, short what, void *loop)
{
	struct loop *l = loop;

	event_add(l->idle.event, &zero);
	ready(fd, what, &l->idle);
}

static int loop_busy(void *loop, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (!fn) {
		event_free(l->idle.event);
		return 0;
	}
	l->idle.ready = fn;
	l->idle.userdata = userdata;
	l->idle.event = event_new(l->base, -1, 0, be_busy, l);
	return event_add(l->idle.event, &zero);
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	return bell_event_attach(bell, l->base, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	(void)loop;
	return bell_event_detach(bell);
}

void reactor_of(const char *mode, struct reactor *ret)
{
	*ret = (struct reactor){
		.flags = strcmp(mode, "edge") == 0 ? BELL_QUEUE_EDGE : 0,
		.open = loop_open,
		.close = loop_close,
		.run = loop_run,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.size = sizeof(struct bell_event),
		.attach = attach,
		.detach = detach,
		.on_end = offsetof(struct bell_event, on_end),
		.busy = loop_busy,
		.orphan = ORPHAN_UNREF,
		.any_mode = true,
	};
}
