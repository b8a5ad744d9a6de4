/* SPDX-License-Identifier: MIT
 *
 * poll.c [poll|select]: a loop around poll(2) or select(2), which needs no adapter: only
 * the three calls. Both are level-triggered.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "reactor.h"

/* Places: the bell, the timer, and the sockets behind them. */
enum { BELL, TIMER, FIRST, PLACES = 16 };

struct loop {
	struct pollfd fds[PLACES]; /* fd -1: free, and poll passes it over */
	reactor_fn ready[PLACES];
	void *userdata[PLACES];
	bool stop;
	struct bell_queue *q;
	size_t budget;
	bell_token_fn fn;
	void *fn_userdata;
};

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	int i;

	for (i = 0; l && i < PLACES; i++)
		l->fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	return l;
}

static void serve(struct loop *l, int place)
{
	uint64_t ticks;

	if (l->fds[place].fd < 0) /* gone since */
		return;
	if (place == BELL)
		bell_queue_dispatch(l->q, l->budget, l->fn, l->fn_userdata);
	else if (place != TIMER || read(l->fds[TIMER].fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		l->ready[place](l->userdata[place]);
}

static void run_poll(void *loop)
{
	struct loop *l = loop;
	int i;

	l->stop = false;
	while (!l->stop && poll(l->fds, PLACES, -1) > 0)
		for (i = 0; i < PLACES && !l->stop; i++)
			if (l->fds[i].revents)
				serve(l, i);
}

static void run_select(void *loop)
{
	struct loop *l = loop;
	fd_set readable;
	int i;

	l->stop = false;
	while (!l->stop) {
		FD_ZERO(&readable);
		for (i = 0; i < PLACES; i++)
			if (l->fds[i].fd >= 0)
				FD_SET(l->fds[i].fd, &readable);
		if (select(FD_SETSIZE, &readable, NULL, NULL, NULL) <= 0)
			return;
		for (i = 0; i < PLACES && !l->stop; i++)
			if (l->fds[i].fd >= 0 && FD_ISSET(l->fds[i].fd, &readable))
				serve(l, i);
	}
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	l->stop = true;
}

static int loop_watch(void *loop, int fd, reactor_fn ready, void *userdata)
{
	struct loop *l = loop;
	int i;

	for (i = FIRST; i < PLACES; i++) {
		if (l->fds[i].fd < 0) {
			l->fds[i].fd = fd;
			l->ready[i] = ready;
			l->userdata[i] = userdata;
			return 0;
		}
	}
	return -ENOSPC;
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = FIRST; i < PLACES; i++)
		if (l->fds[i].fd == fd)
			l->fds[i].fd = -1;
}

static int loop_timer(void *loop, unsigned ms, reactor_fn tick, void *userdata)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	const struct itimerspec every = {.it_interval = t, .it_value = t};
	struct loop *l = loop;
	int fd;

	if (l->fds[TIMER].fd >= 0)
		close(l->fds[TIMER].fd);
	l->fds[TIMER].fd = -1;
	if (ms == 0)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0)
		return -errno;
	l->fds[TIMER].fd = fd;
	l->ready[TIMER] = tick;
	l->userdata[TIMER] = userdata;
	return 0;
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget, bell_token_fn fn,
	void *userdata)
{
	struct loop *l = loop;

	(void)bell;
	l->q = bell_queue_ref(q);
	l->fds[BELL].fd = bell_queue_fd(q);
	l->budget = budget;
	l->fn = fn;
	l->fn_userdata = userdata;
	return 0;
}

static int detach(void *loop, void *bell)
{
	struct loop *l = loop;

	(void)bell;
	bell_queue_stop(l->q);
	l->fds[BELL].fd = -1;
	l->q = bell_queue_unref(l->q);
	return 0;
}

void reactor_of(const char *mode, struct reactor *ret)
{
	*ret = (struct reactor){
		.open = loop_open,
		.close = free,
		.run = strcmp(mode, "select") == 0 ? run_select : run_poll,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.attach = attach,
		.detach = detach,
	};
}
