/* SPDX-License-Identifier: MIT
 *
 * pipe_actors.h: threads in one call of a pipe, which stop where they are told, and what the main thread
 * does beside them. For inject_pipe.c alone.
 */
#ifndef STRESS_PIPE_ACTORS_H
#define STRESS_PIPE_ACTORS_H

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner.h"
#include "stops.h"
#include "stream/pipe.h"

/* A thread in one call of the pipe, stopped there once. */
struct actor {
	struct stop stop;
	struct bell_pipe *p;
	struct bell_reader *r;
	const char *text;
	ssize_t said;
	char got[64];
	pthread_t thread;
};

static inline void start(struct actor *a, const char *point, void *(*act)(void *))
{
	stop_init(&a->stop, point);
	ck_assert_int_eq(pthread_create(&a->thread, NULL, act, a), 0);
	sem_wait(&a->stop.reached);
}

static inline void finish(struct actor *a)
{
	sem_post(&a->stop.go);
	pthread_join(a->thread, NULL);
}

static inline void *act_read(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	a->said = bell_reader_read(a->r, a->got, sizeof(a->got));
	return NULL;
}

/* Without a loop, and as a loop does it. */
static inline void *act_wait(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	a->said = bell_reader_wait(a->r, a->got, sizeof(a->got), -1);
	return NULL;
}

static inline void block_on(int fd)
{
	struct pollfd bell = {.fd = fd, .events = POLLIN};

	(void)poll(&bell, 1, -1);
}

static inline void *act_loop(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	while ((a->said = bell_reader_read(a->r, a->got, sizeof(a->got))) == -EAGAIN)
		if (bell_reader_arm(a->r) >= 0) /* a 0 is not heeded: the fd is readable then */
			block_on(bell_reader_fd(a->r));
	return NULL;
}

static inline void *act_write(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	a->said = bell_pipe_write(a->p, a->text, strlen(a->text), -1);
	return NULL;
}

static inline void *act_write_loop(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	while ((a->said = bell_pipe_write(a->p, a->text, strlen(a->text), 0)) == -EAGAIN)
		if (bell_pipe_arm(a->p) == 1)
			block_on(bell_pipe_fd(a->p));
	return NULL;
}

static inline void *act_join(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	a->said = bell_reader_new(&a->r, a->p);
	return NULL;
}

static inline void *act_leave(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	bell_reader_free(a->r);
	return NULL;
}

static inline void *act_error(void *userdata)
{
	struct actor *a = userdata;

	my_stop = &a->stop;
	a->said = bell_pipe_set_error(a->p, EIO);
	return NULL;
}

static inline struct bell_pipe *make(uint32_t policy, size_t capacity)
{
	struct bell_pipe_options o = {.capacity = capacity, .limit = capacity, .policy = policy};
	struct bell_pipe *p;

	ck_assert_int_eq(bell_pipe_new(&p, &o), 0);
	return p;
}

static inline struct bell_reader *join_pipe(struct bell_pipe *p)
{
	struct bell_reader *r;

	ck_assert_int_eq(bell_reader_new(&r, p), 0);
	return r;
}

static inline void put(struct bell_pipe *p, const char *text)
{
	ck_assert_int_eq(bell_pipe_write(p, text, strlen(text), 0), (ssize_t)strlen(text));
}

static inline void expect(struct bell_reader *r, const char *text)
{
	char buf[64];

	ck_assert_int_eq(bell_reader_read(r, buf, sizeof(buf)), (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(buf, text, strlen(text)), 0);
}

static inline void expect_said(struct bell_reader *r, ssize_t said)
{
	char c;

	ck_assert_int_eq(bell_reader_read(r, &c, 1), said);
}

#endif
