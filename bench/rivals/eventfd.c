/* SPDX-License-Identifier: MIT
 *
 * eventfd.c: an epoll loop and bare eventfds, in three ways.
 *
 * For each token an eventfd of its own, edge-triggered and never read: conflation is its counter, which
 * fired is what epoll says; a write(2) a notify. Or one eventfd and a list (list.h for conflation and
 * for which fired), level-triggered and read: written for each token that was not in the list, or,
 * the best that is written by hand, only when the list was empty.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "list.h"

#define EVENTS 64

struct loop {
	struct receiver r;
	int epfd;
	int *fds; /* one for each token, or one in all */
	uint32_t count;
	struct list list;
};

static void loop_close(void *state)
{
	struct loop *s = state;
	uint32_t i;

	for (i = 0; i < s->count; i++)
		close(s->fds[i]);
	close(s->epfd);
	free(s->fds);
	list_fini(&s->list);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r, uint32_t fds, uint32_t events)
{
	struct loop *s = calloc(1, sizeof(*s));
	struct epoll_event ev = {.events = events};
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	s->fds = calloc(fds, sizeof(int));
	error = s->epfd < 0 ? -errno : !s->fds ? -ENOMEM : list_init(&s->list, r->tokens);
	for (; error == 0 && s->count < fds; s->count++) {
		ev.data.u32 = s->count;
		s->fds[s->count] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (s->fds[s->count] < 0)
			error = -errno;
		else if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->fds[s->count], &ev) < 0)
			error = -errno;
	}
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static int each_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, r->tokens, EPOLLIN | EPOLLET);
}

static int list_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, 1, EPOLLIN);
}

static void ring(struct loop *s, uint32_t i)
{
	if (eventfd_write(s->fds[i], 1) < 0)
		abort();
}

static void each_notify(void *state, uint32_t token)
{
	ring(state, token);
}

static void list_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) != LIST_CONFLATED)
		ring(s, 0);
}

static void empty_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		ring(s, 0);
}

static void each_pass(struct loop *s, int timeout)
{
	struct epoll_event events[EVENTS];
	int i, n = epoll_wait(s->epfd, events, EVENTS, timeout);

	for (i = 0; i < n; i++)
		s->r.deliver(s->r.userdata, events[i].data.u32);
}

static void list_pass(struct loop *s, int timeout)
{
	struct epoll_event events[EVENTS];
	eventfd_t count;

	if (epoll_wait(s->epfd, events, EVENTS, timeout) < 1)
		return;
	(void)eventfd_read(s->fds[0], &count);
	list_drain(&s->list, &s->r);
}

static void each_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		each_pass(s, -1);
}

static void list_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		list_pass(s, -1);
}

static void each_turn(void *state)
{
	each_pass(state, 0);
}

static void list_turn(void *state)
{
	list_pass(state, 0);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

const struct rival rival_eventfd_each = {.open = each_open,
	.notify = each_notify,
	.run = each_run,
	.quit = loop_quit,
	.turn = each_turn,
	.close = loop_close};
const struct rival rival_eventfd_list = {.open = list_open,
	.notify = list_notify,
	.run = list_run,
	.quit = loop_quit,
	.turn = list_turn,
	.close = loop_close};
const struct rival rival_eventfd_empty = {.open = list_open,
	.notify = empty_notify,
	.run = list_run,
	.quit = loop_quit,
	.turn = list_turn,
	.close = loop_close};
