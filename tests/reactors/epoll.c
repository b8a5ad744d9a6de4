/* SPDX-License-Identifier: MIT
 *
 * epoll.c [level|edge]: a bare epoll loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>

#include "reactor.h"

enum { WATCHES = 16 };

struct watch {
	int fd; /* -1: free */
	reactor_fn ready;
	void *userdata;
};

struct loop {
	int epfd;
	bool stop;
	struct watch watches[WATCHES], timer;
	struct bell_epoll bell;
};

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	int i;

	if (!l)
		return NULL;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->timer.fd = -1;
	for (i = 0; i < WATCHES; i++)
		l->watches[i].fd = -1;
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	close(l->epfd);
	free(l);
}

static void serve(struct loop *l, void *who)
{
	struct watch *w = who;
	uint64_t ticks;

	if (who == &l->bell) {
		if (bell_epoll_ready(&l->bell) == -ESHUTDOWN)
			bell_epoll_detach(&l->bell);
		return;
	}
	if (w->fd < 0)
		return;
	if (w != &l->timer || read(w->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		w->ready(w->userdata);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;
	struct epoll_event events[8];
	int i, n;

	l->stop = false;
	while (!l->stop) {
		n = epoll_wait(l->epfd, events, 8, -1);
		for (i = 0; i < n; i++)
			serve(l, events[i].data.ptr);
	}
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	l->stop = true;
}

static int add(struct loop *l, struct watch *w, int fd, reactor_fn ready, void *userdata)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};

	*w = (struct watch){fd, ready, userdata};
	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int loop_watch(void *loop, int fd, reactor_fn ready, void *userdata)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++)
		if (l->watches[i].fd < 0)
			return add(l, &l->watches[i], fd, ready, userdata);
	return -ENOSPC;
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++) {
		if (l->watches[i].fd == fd) {
			epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, NULL);
			l->watches[i].fd = -1;
		}
	}
}

static int loop_timer(void *loop, unsigned ms, reactor_fn tick, void *userdata)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	const struct itimerspec every = {.it_interval = t, .it_value = t};
	struct loop *l = loop;

	if (l->timer.fd >= 0)
		close(l->timer.fd);
	l->timer.fd = -1;
	if (ms == 0)
		return 0;
	l->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer.fd < 0 || timerfd_settime(l->timer.fd, 0, &every, NULL) < 0)
		return -errno;
	return add(l, &l->timer, l->timer.fd, tick, userdata);
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget, bell_token_fn fn,
	void *userdata)
{
	struct loop *l = loop;

	(void)bell;
	return bell_epoll_attach(&l->bell, l->epfd, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	struct loop *l = loop;

	(void)bell;
	return bell_epoll_detach(&l->bell);
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
		.attach = attach,
		.detach = detach,
	};
}
