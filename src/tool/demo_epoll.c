/* SPDX-License-Identifier: MIT
 *
 * demo_epoll.c: the demo's loop over epoll: a listener, a timer, signals and the bell level-triggered,
 * connections edge-triggered, so that EPOLLOUT can stay on.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>

#include "demo.h"

struct epoll_loop {
	struct server *server;
	struct bell_epoll bell;
	int fd;
};

static int add(const struct epoll_loop *loop, int fd, uint32_t events, void *data)
{
	struct epoll_event event = {.events = events, .data.ptr = data};

	return epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int watch(struct server *s, struct connection *c)
{
	return add(s->state, c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
}

/* Send what can be sent; the rest when an edge says that there is room again. */
static void flush(struct server *s, struct connection *c)
{
	const void *output;
	size_t size;
	ssize_t n;

	(void)s;
	while (c->fd >= 0 && (output = connection_output(c, &size)) && size > 0) {
		n = send(c->fd, output, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			connection_sent(c, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			connection_close(c);
	}
}

static void receive(struct server *s, struct connection *c)
{
	void *room;
	size_t size;
	ssize_t n;

	while (c->fd >= 0 && !server_over(s)) {
		room = connection_room(c, &size);
		n = recv(c->fd, room, size, MSG_DONTWAIT);
		if (n > 0)
			connection_received(s, c, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n == 0 || errno != EINTR)
			connection_close(c);
	}
}

static void handle(struct epoll_loop *loop, void *data)
{
	struct server *s = loop->server;

	if (data == &loop->bell) {
		s->wakes++;
		bell_epoll_ready(&loop->bell);
	} else if (data == &s->listener) {
		server_accept(s);
	} else if (data == &s->timer) {
		server_tick(s);
	} else if (data == &s->signals) {
		server_signal(s);
	} else {
		receive(s, data);
		flush(s, data);
	}
}

static int start(struct epoll_loop *loop)
{
	struct server *s = loop->server;
	int r;

	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	r = add(loop, s->listener, EPOLLIN, &s->listener);
	if (r == 0)
		r = add(loop, s->timer, EPOLLIN, &s->timer);
	if (r == 0)
		r = add(loop, s->signals, EPOLLIN, &s->signals);
	if (r == 0)
		r = bell_epoll_attach(&loop->bell, loop->fd, s->queue, BUDGET, server_token, s);
	return r;
}

static void run(struct server *s)
{
	struct epoll_loop loop = {.server = s};
	struct epoll_event events[64];
	int i, n = start(&loop);

	s->state = &loop;
	while (n >= 0 && !server_over(s)) {
		n = epoll_wait(loop.fd, events, 64, -1);
		for (i = 0; i < n; i++)
			handle(&loop, events[i].data.ptr);
		if (n < 0)
			n = errno == EINTR ? 0 : -errno;
	}
	if (n < 0)
		demo_fail(s->failure, "cannot run the epoll loop: %s.", strerror(-n));
	s->state = NULL;
	bell_epoll_detach(&loop.bell);
	if (loop.fd >= 0)
		close(loop.fd);
}

const struct demo_loop demo_epoll = {
	.name = "epoll",
	.run = run,
	.watch = watch,
	.flush = flush,
};
