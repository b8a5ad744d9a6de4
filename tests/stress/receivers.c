/* SPDX-License-Identifier: MIT
 *
 * receivers.c: every way to receive from a queue, written as a user would write it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>
#ifdef HAVE_URING
#include <doorbell/adapt/uring.h>
#endif

#include "receivers.h"

#define BATCH 64

static void must(int ok)
{
	if (!ok) {
		perror("receiver");
		exit(2);
	}
}

static void handle(const uint32_t *tokens, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		receiver_token(NULL, tokens[i]);
	receiver_pass();
}

/* In tail, or with a single producer in state. */
static int is_closed(const struct bell_queue *q)
{
	return ((bell_load_acquire(&q->tail) | bell_load_acquire(&q->state)) & BELL__CLOSED) != 0;
}

static void run_spin(struct bell_queue *q)
{
	uint32_t tokens[BATCH];
	size_t n;

	while ((n = bell_queue_poll(q, tokens, BATCH)) > 0 || !is_closed(q))
		handle(tokens, n);
}

static void run_wait(struct bell_queue *q)
{
	uint32_t tokens[BATCH];
	ssize_t n;

	bell_queue_set_spin(q, 0); /* the race is around falling asleep */
	while ((n = bell_queue_wait(q, tokens, BATCH, -1)) != -ESHUTDOWN)
		handle(tokens, n > 0 ? (size_t)n : 0);
}

static void run_epoll(struct bell_queue *q)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (bell_queue_flags(q) & BELL_QUEUE_EDGE ? EPOLLET : 0)};
	int ep = epoll_create1(EPOLL_CLOEXEC), armed;
	uint32_t tokens[BATCH];
	size_t n;

	must(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, bell_queue_fd(q), &ev) == 0);
	do {
		must(epoll_wait(ep, &ev, 1, -1) >= 0 || errno == EINTR);
		do {
			while ((n = bell_queue_poll(q, tokens, BATCH)) > 0)
				handle(tokens, n);
			armed = bell_queue_arm(q);
		} while (armed == 0);
	} while (armed > 0);
	close(ep);
}

/* Through the adapter, one token at a time: every drain stops early. */
static void run_epoll_budget(struct bell_queue *q)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct bell_epoll bell;
	struct epoll_event ev;
	ssize_t n;

	must(ep >= 0 && bell_epoll_attach(&bell, ep, q, 1, receiver_token, NULL) == 0);
	do {
		must(epoll_wait(ep, &ev, 1, -1) >= 0 || errno == EINTR);
		n = bell_epoll_ready(&bell);
		receiver_pass();
	} while (n != -ESHUTDOWN);
	bell_epoll_detach(&bell);
	close(ep);
}

#ifdef HAVE_URING
static void uring_loop(struct bell_queue *q, size_t budget)
{
	const unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	struct bell_uring bell;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	ssize_t n = 0;
	int r;

	must(io_uring_queue_init(4, &ring, flags) == 0);
	must(bell_uring_attach(&bell, &ring, q, budget, receiver_token, NULL) == 0);
	while (n != -ESHUTDOWN) {
		r = io_uring_submit_and_wait(&ring, 1);
		must(r >= 0 || r == -EINTR);
		while (n != -ESHUTDOWN && io_uring_peek_cqe(&ring, &cqe) == 0) {
			n = bell_uring_ready(&bell, cqe);
			receiver_pass();
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	must(bell_uring_detach(&bell) >= 0);
	io_uring_queue_exit(&ring);
}

static void run_uring(struct bell_queue *q)
{
	uring_loop(q, BATCH);
}

static void run_uring_budget(struct bell_queue *q)
{
	uring_loop(q, 1);
}
#endif

static const struct receiver receivers[] = {
	{"level", 0, run_epoll},
	{"edge", BELL_QUEUE_EDGE, run_epoll},
	{"wait", 0, run_wait},
	{"spin", 0, run_spin},
	{"level-budget", 0, run_epoll_budget},
	{"edge-budget", BELL_QUEUE_EDGE, run_epoll_budget},
#ifdef HAVE_URING
	{"uring", BELL_QUEUE_EDGE, run_uring},
	{"uring-budget", BELL_QUEUE_EDGE, run_uring_budget},
#endif
};

const struct receiver *receiver_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(receivers) / sizeof(receivers[0]); i++)
		if (strcmp(receivers[i].name, name) == 0)
			return &receivers[i];
	return NULL;
}
