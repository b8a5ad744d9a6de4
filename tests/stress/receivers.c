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

#ifdef HAVE_URING
#include <doorbell/adapt/uring.h>
#endif

#include "receivers.h"

#define BATCH 64 /* as many as there can be producers */

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

static void run_spin(struct bell_queue *q)
{
	uint32_t tokens[BATCH];
	size_t n;

	while ((n = bell_queue_poll(q, tokens, BATCH)) > 0 ||
		!(bell_load_acquire(&q->tail) & BELL__CLOSED))
		handle(tokens, n);
}

static void run_wait(struct bell_queue *q)
{
	uint32_t tokens[BATCH];
	ssize_t n;

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

#ifdef HAVE_URING
static void run_uring(struct bell_queue *q)
{
	const unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	struct bell_uring bell;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	ssize_t n = 0;

	must(io_uring_queue_init(4, &ring, flags) == 0);
	must(bell_uring_attach(&bell, &ring, q, BATCH, receiver_token, NULL) == 0);
	while (n != -ESHUTDOWN && io_uring_submit_and_wait(&ring, 1) >= 0) {
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			n = bell_uring_ready(&bell, cqe);
			receiver_pass();
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	(void)!bell_uring_detach(&bell);
	io_uring_queue_exit(&ring);
}
#endif

static const struct receiver receivers[] = {
	{"level", 0, run_epoll},
	{"edge", BELL_QUEUE_EDGE, run_epoll},
	{"wait", 0, run_wait},
	{"spin", 0, run_spin},
#ifdef HAVE_URING
	{"uring", BELL_QUEUE_EDGE, run_uring},
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
