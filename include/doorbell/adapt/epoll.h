/* SPDX-License-Identifier: MIT
 *
 * adapt/epoll.h: watch a queue from an epoll loop of your own.
 *
 *	struct bell_epoll bell;
 *	struct epoll_event events[64];
 *	int i, n;
 *
 *	if (bell_epoll_attach(&bell, ep, q, 64, on_token, NULL) < 0)
 *		return 1;
 *	for (;;) {
 *		n = epoll_wait(ep, events, 64, -1);
 *		for (i = 0; i < n; i++)
 *			if (events[i].data.ptr == &bell)
 *				bell_epoll_ready(&bell);
 *	}
 *
 * Level- or edge-triggered as the queue was made. One epoll set and one receiver thread. struct
 * bell_epoll is the caller's memory and stays where it is while attached; it holds a reference to
 * the queue. All calls are the receiver's; none is signal-safe.
 */
#ifndef DOORBELL_ADAPT_EPOLL_H
#define DOORBELL_ADAPT_EPOLL_H

#include <errno.h>
#include <sys/epoll.h>

#include <doorbell/queue.h>

/** One queue in one epoll set. */
struct bell_epoll {
	struct bell_queue *queue; /* NULL: not attached */
	int epfd;
	size_t budget;
	bell_token_fn fn;
	void *userdata;
};

/**
 * bell_epoll_attach(): add the bell to the set epfd, with data.ptr = e.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0, epfd is no epoll set), -EEXIST (already in this set), -EBADF, -ENOMEM,
 * -ENOSPC; e is then not attached. Tokens already queued make the loop wake at once.
 */
BELL_NODISCARD static inline int bell_epoll_attach(struct bell_epoll *e, int epfd,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	struct epoll_event ev;

	e->queue = NULL;
	if (budget == 0)
		return -EINVAL;
	ev.events = EPOLLIN; /* never EPOLLOUT: with it a read would be an edge too */
	if (bell_queue_flags(queue) & BELL_QUEUE_EDGE)
		ev.events |= EPOLLET;
	ev.data.ptr = e;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, bell_queue_fd(queue), &ev) < 0)
		return -errno;
	e->queue = bell_queue_ref(queue);
	e->epfd = epfd;
	e->budget = budget;
	e->fn = fn;
	e->userdata = userdata;
	return 0;
}

/**
 * bell_epoll_ready(): epoll_wait returned an event whose data.ptr is e: hand out tokens.
 * fn may detach e and free it. Returns how many tokens were handed out, 0 or more; -ESHUTDOWN: the
 * queue is closed and drained, detach now.
 */
static inline ssize_t bell_epoll_ready(struct bell_epoll *e)
{
	if (!e->queue)
		return 0; /* detached by an earlier event of the same batch */
	return bell_queue_dispatch(e->queue, e->budget, e->fn, e->userdata);
}

/**
 * bell_epoll_detach(): take the bell out of the set and drop the reference; tokens that are queued
 * stay queued, and fn is not called again. Returns 0, also when not attached; an error of
 * epoll_ctl(2), after which e is detached all the same.
 */
static inline int bell_epoll_detach(struct bell_epoll *e)
{
	struct bell_queue *queue = e->queue;
	int error = 0;

	if (!queue)
		return 0;
	e->queue = NULL;
	bell_queue_stop(queue);
	if (epoll_ctl(e->epfd, EPOLL_CTL_DEL, bell_queue_fd(queue), NULL) < 0)
		error = -errno;
	bell_queue_unref(queue);
	return error;
}

#endif
