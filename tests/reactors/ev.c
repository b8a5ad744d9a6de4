/* SPDX-License-Identifier: MIT
 *
 * ev.c [plain|prepare]: libev.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell/adapt/ev.h>

#include "reactor.h"

enum { WATCHES = 16 };

struct watch {
	ev_io io;
	int fd; /* -1: free */
	reactor_fn ready;
	void *userdata;
};

struct loop {
	struct ev_loop *ev;
	struct watch watches[WATCHES];
	ev_timer timer;
	ev_idle idle;
	reactor_fn busy;
	void *busy_userdata;
	reactor_fn tick;
	void *userdata;
};

static bool prepare;

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	int i;

	if (!l)
		return NULL;
	l->ev = ev_loop_new(EVFLAG_AUTO);
	for (i = 0; i < WATCHES; i++)
		l->watches[i].fd = -1;
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	ev_loop_destroy(l->ev);
	free(l);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	ev_run(l->ev, 0);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	ev_break(l->ev, EVBREAK_ALL);
}

static void ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *w = io->data;

	(void)loop;
	(void)events;
	w->ready(w->userdata);
}

static int loop_watch(void *loop, int fd, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = l->watches;

	while (w->fd >= 0)
		w++;
	w->fd = fd;
	w->ready = fn;
	w->userdata = userdata;
	ev_io_init(&w->io, ready, fd, EV_READ);
	w->io.data = w;
	ev_io_start(l->ev, &w->io);
	return 0;
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++) {
		if (l->watches[i].fd == fd) {
			ev_io_stop(l->ev, &l->watches[i].io);
			l->watches[i].fd = -1;
		}
	}
}

static void tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct loop *l = timer->data;

	(void)loop;
	(void)events;
	l->tick(l->userdata);
}

static int loop_timer(void *loop, unsigned ms, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (l->tick)
		ev_timer_stop(l->ev, &l->timer);
	l->tick = fn;
	if (ms == 0)
		return 0;
	l->userdata = userdata;
	ev_now_update(l->ev);
	ev_timer_init(&l->timer, tick, ms / 1000., ms / 1000.);
	l->timer.data = l;
	ev_timer_start(l->ev, &l->timer);
	return 0;
}

static void be_busy(struct ev_loop *loop, ev_idle *idle, int events)
{
	struct loop *l = idle->data;

	(void)loop;
	(void)events;
	l->busy(l->busy_userdata);
}

static int loop_busy(void *loop, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (!fn) {
		ev_idle_stop(l->ev, &l->idle);
		return 0;
	}
	l->busy = fn;
	l->busy_userdata = userdata;
	ev_idle_init(&l->idle, be_busy);
	l->idle.data = l;
	ev_idle_start(l->ev, &l->idle);
	return 0;
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (prepare)
		return bell_ev_attach_prepare(bell, l->ev, q, budget, fn, userdata);
	return bell_ev_attach(bell, l->ev, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	(void)loop;
	return bell_ev_detach(bell);
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
		.size = sizeof(struct bell_ev),
		.attach = attach,
		.detach = detach,
		.on_end = offsetof(struct bell_ev, on_end),
		.busy = loop_busy,
		.orphan = ORPHAN_UNREF,
		.prepare = prepare,
	};
}
