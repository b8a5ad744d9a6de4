/* SPDX-License-Identifier: MIT
 *
 * syscalls.c: workloads whose system calls syscalls.py counts from outside, with strace.
 * Usage: syscalls awake|conflated|level|edge|pipe [single]. Prints what it expects: writes and reads of the
 * bell. single: a queue for a single producer.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <doorbell.h>

#include "stream/pipe.h"

#define TOKENS	4096
#define MILLION 1000000
#define SLEEPS	2000

static struct bell_queue *queue;
static uint32_t handled, busy;

static void must(int ok)
{
	if (!ok) {
		fprintf(stderr, "syscalls: a call failed that must not\n");
		exit(EXIT_FAILURE);
	}
}

static void on_token(void *userdata, uint32_t token)
{
	(void)userdata;
	(void)token;
	(void)bell_fetch_add_acq_rel(&handled, 1);
}

static void poll_all(void)
{
	uint32_t tokens[64];

	while (bell_queue_poll(queue, tokens, 64))
		;
}

static void *notify_million(void *userdata)
{
	uint32_t i;

	for (i = 0; i < MILLION; i++)
		must(bell_queue_notify(queue, i % TOKENS) >= 0);
	bell_store_release(&handled, 1);
	return userdata;
}

/* The receiver polls all the time, and has not armed since it was woken for the first time. */
static void run_awake(void)
{
	pthread_t thread;

	must(bell_queue_notify(queue, 0) == 1);
	must(pthread_create(&thread, NULL, notify_million, NULL) == 0);
	while (!bell_load_acquire(&handled))
		poll_all();
	pthread_join(thread, NULL);
}

/* The receiver sleeps and has been rung for; it has not looked yet. */
static void run_conflated(void)
{
	uint32_t i;

	must(bell_queue_notify(queue, 7) == 1);
	for (i = 0; i < MILLION; i++)
		must(bell_queue_notify(queue, 7) == 0);
}

static void *receive(void *userdata)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (bell_queue_flags(queue) & BELL_QUEUE_EDGE ? EPOLLET : 0)};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	must(epoll_ctl(ep, EPOLL_CTL_ADD, bell_queue_fd(queue), &ev) == 0);
	while (bell_load_acquire(&handled) < 3 * SLEEPS && epoll_wait(ep, &ev, 1, -1) == 1) {
		bell_store_release(&busy, 1);
		bell_queue_dispatch(queue, TOKENS, on_token, NULL);
		bell_store_release(&busy, 0);
	}
	close(ep);
	return userdata;
}

/* With a single producer ARMED is not yet a sleep: the receiver looks once more. */
static int asleep(uint32_t after)
{
	return bell_load_acquire(&handled) >= after && !bell_load_acquire(&busy) &&
	       (bell_load_acquire(&queue->tail) | bell_load_acquire(&queue->state)) & BELL__ARMED;
}

/* Each time the receiver has gone to sleep, three tokens are notified: one write. */
static void run_asleep(void)
{
	pthread_t thread;
	uint32_t i;

	must(pthread_create(&thread, NULL, receive, NULL) == 0);
	for (i = 0; i < SLEEPS; i++) {
		while (!asleep(3 * i))
			sched_yield();
		must(bell_queue_notify_many(queue, (uint32_t[]){1, 2, 3}, 3) == 3);
	}
	pthread_join(thread, NULL);
}

static void *write_million(void *userdata)
{
	uint32_t i;

	for (i = 0; i < MILLION;) {
		if (bell_pipe_write(userdata, "x", 1, 0) == 1)
			i++;
		else
			sched_yield();
	}
	bell_pipe_close(userdata);
	return NULL;
}

/* Nobody sleeps on either side of a pipe. Each of the two bells rang when it was made. */
static void run_pipe(struct bell_queue_stats *s)
{
	const struct bell_pipe_options o = {.capacity = 1000};
	struct bell_queue_stats of[2];
	struct bell_reader *r;
	struct bell_pipe *p;
	pthread_t thread;
	char buf[100];
	ssize_t n;

	must(bell_pipe_new(&p, &o) == 0);
	must(bell_reader_new(&r, p) == 0);
	must(pthread_create(&thread, NULL, write_million, p) == 0);
	while ((n = bell_reader_read(r, buf, sizeof(buf))) != 0)
		if (n == -EAGAIN)
			sched_yield();
	pthread_join(thread, NULL);
	bell_queue_stats(p->room, &of[0]);
	bell_queue_stats(r->seat->bell, &of[1]);
	s->rings += of[0].rings + of[0].kicks + of[1].rings + of[1].kicks;
	s->reads += of[0].reads + of[1].reads;
	bell_reader_free(r);
	bell_pipe_free(p);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const unsigned edge = strcmp(what, "edge") == 0 ? BELL_QUEUE_EDGE : 0;
	struct bell_queue_stats s, more = {0};

	must(bell_queue_new(&queue, TOKENS, edge | (argc > 2 ? BELL_QUEUE_SINGLE_PRODUCER : 0)) ==
		0);
	if (strcmp(what, "awake") == 0)
		run_awake();
	else if (strcmp(what, "conflated") == 0)
		run_conflated();
	else if (strcmp(what, "pipe") == 0)
		run_pipe(&more);
	else
		run_asleep();
	bell_queue_stats(queue, &s);
	printf("%llu %llu\n", (unsigned long long)(s.rings + s.kicks + more.rings),
		(unsigned long long)(s.reads + more.reads));
	bell_queue_unref(queue);
	return EXIT_SUCCESS;
}
