/* SPDX-License-Identifier: MIT
 *
 * event.c [edge] [contract]: the scenario, or the contract, in libevent.
 */
#include <stdlib.h>
#include <string.h>

#include <doorbell/adapt/event.h>

#include "contract.h"

enum { WATCHES = 16 };

struct watch {
	struct event *event;
	int fd;
	scenario_fn ready;
	void *userdata;
};

struct loop {
	struct event_base *base;
	struct watch watches[WATCHES], timer;
	struct bell_event bell;
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

static int loop_watch(void *loop, int fd, scenario_fn fn, void *userdata)
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

static int loop_timer(void *loop, unsigned ms, scenario_fn fn, void *userdata)
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

static int adapter_attach(void *bell, void *loop, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	return bell_event_attach(bell, l->base, q, budget, fn, userdata);
}

static int adapter_detach(void *bell)
{
	return bell_event_detach(bell);
}

static void set_end(void *bell, void (*on_end)(void *userdata, int error))
{
	struct bell_event *b = bell;

	b->on_end = on_end;
}

static void orphan(void *bell)
{
	struct bell_event *b = bell;

	bell_queue_unref(b->queue);
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

	return bell_event_detach(&l->bell);
}

int main(int argc, char **argv)
{
	const bool edge = argc > 1 && strcmp(argv[1], "edge") == 0;
	const struct reactor reactor = {
		.name = edge ? "edge" : "level",
		.flags = edge ? BELL_QUEUE_EDGE : 0,
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
	const struct contract contract = {
		.reactor = &reactor,
		.size = sizeof(struct bell_event),
		.attach = adapter_attach,
		.detach = adapter_detach,
		.set_end = set_end,
		.let_go = free,
		.orphan = orphan,
		.any_mode = true,
	};

	return argc > 2 ? contract_main(&contract) : scenario_main(&reactor);
}
