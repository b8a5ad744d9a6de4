/* SPDX-License-Identifier: MIT
 *
 * uv.c [plain|prepare]: libuv.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell/adapt/uv.h>

#include "reactor.h"

enum { WATCHES = 16 };

/* libuv frees nothing at once: each watch is an allocation that its close callback frees. */
struct watch {
	uv_poll_t poll;
	int fd;
	reactor_fn ready;
	void *userdata;
};

struct loop {
	uv_loop_t uv;
	struct watch *watches[WATCHES];
	uv_timer_t *timer;
	uv_idle_t *idle;
	reactor_fn busy;
	void *busy_userdata;
	reactor_fn tick;
	void *userdata;
};

static bool prepare;

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l && uv_loop_init(&l->uv) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	uv_run(&l->uv, UV_RUN_DEFAULT); /* what was closed is let go */
	if (uv_loop_close(&l->uv) != 0)
		abort();
	free(l);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	uv_stop(&l->uv);
}

static void ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = (struct watch *)poll;

	(void)status;
	(void)events;
	w->ready(w->userdata);
}

static int loop_watch(void *loop, int fd, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = calloc(1, sizeof(*w));
	int i = 0, r;

	while (i < WATCHES && l->watches[i])
		i++;
	if (!w || i == WATCHES)
		abort();
	w->fd = fd;
	w->ready = fn;
	w->userdata = userdata;
	r = uv_poll_init(&l->uv, &w->poll, fd);
	if (r < 0) {
		free(w);
		return r;
	}
	l->watches[i] = w;
	return uv_poll_start(&w->poll, UV_READABLE, ready);
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++) {
		if (l->watches[i] && l->watches[i]->fd == fd) {
			uv_close((uv_handle_t *)&l->watches[i]->poll, free_handle);
			l->watches[i] = NULL;
		}
	}
}

static void tick(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	l->tick(l->userdata);
}

static int loop_timer(void *loop, unsigned ms, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (l->timer)
		uv_close((uv_handle_t *)l->timer, free_handle);
	l->timer = NULL;
	if (ms == 0)
		return 0;
	l->tick = fn;
	l->userdata = userdata;
	l->timer = malloc(sizeof(*l->timer));
	if (!l->timer)
		return -ENOMEM;
	uv_timer_init(&l->uv, l->timer);
	l->timer->data = l;
	uv_update_time(&l->uv);
	return uv_timer_start(l->timer, tick, ms, ms);
}

static void be_busy(uv_idle_t *idle)
{
	struct loop *l = idle->data;

	l->busy(l->busy_userdata);
}

static int loop_busy(void *loop, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (!fn) {
		uv_close((uv_handle_t *)l->idle, free_handle);
		return 0;
	}
	l->busy = fn;
	l->busy_userdata = userdata;
	l->idle = malloc(sizeof(*l->idle));
	if (!l->idle)
		return -ENOMEM;
	uv_idle_init(&l->uv, l->idle);
	l->idle->data = l;
	return uv_idle_start(l->idle, be_busy);
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (prepare)
		return bell_uv_attach_prepare(bell, &l->uv, q, budget, fn, userdata);
	return bell_uv_attach(bell, &l->uv, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	(void)loop;
	return bell_uv_detach(bell);
}

static void closed(struct bell_uv *b)
{
	free(b);
}

static void let_go(void *bell)
{
	struct bell_uv *b = bell;

	if (b->handles == 0)
		free(b);
	else
		b->on_closed = closed;
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
		.size = sizeof(struct bell_uv),
		.attach = attach,
		.detach = detach,
		.on_end = offsetof(struct bell_uv, on_end),
		.busy = loop_busy,
		.let_go = let_go,
		.unique = true,
		.prepare = prepare,
	};
}
