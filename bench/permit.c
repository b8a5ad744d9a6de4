/* SPDX-License-Identifier: MIT
 *
 * bench/permit.c: what a permit costs beside what else says "go on" from one thread to another: a POSIX
 * semaphore, a flag under a mutex with a condition variable, and an eventfd.
 *
 * Stored: nobody waits. Taken: stored and then waited for, by the same thread. Ping-pong: two
 * threads that wake each other in turns; a sample is the mean of so many rounds, and depends on
 * where the kernel puts them.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"

#define MANY   4096
#define ROUNDS 2000

/* One that waits and one that tells, in each direction. */
struct line {
	struct bell_permit permit;
	sem_t semaphore;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	bool told;
	int fd;
};

struct way {
	void (*tell)(struct line *l);
	void (*await)(struct line *l);
	struct line *there, *back;
};

static void tell_permit(struct line *l)
{
	(void)bell_permit_notify_one(&l->permit);
}

static void await_permit(struct line *l)
{
	struct bell_waiter w;

	bell_permit_prepare(&l->permit, &w);
	(void)bell_permit_wait(&l->permit, &w, -1);
}

static void tell_semaphore(struct line *l)
{
	sem_post(&l->semaphore);
}

static void await_semaphore(struct line *l)
{
	while (sem_wait(&l->semaphore) < 0)
		;
}

static void tell_condition(struct line *l)
{
	pthread_mutex_lock(&l->mutex);
	l->told = true;
	pthread_mutex_unlock(&l->mutex);
	pthread_cond_signal(&l->condition);
}

static void await_condition(struct line *l)
{
	pthread_mutex_lock(&l->mutex);
	while (!l->told)
		pthread_cond_wait(&l->condition, &l->mutex);
	l->told = false;
	pthread_mutex_unlock(&l->mutex);
}

static void tell_eventfd(struct line *l)
{
	if (eventfd_write(l->fd, 1) < 0)
		exit(EXIT_FAILURE);
}

static void await_eventfd(struct line *l)
{
	eventfd_t count;

	if (eventfd_read(l->fd, &count) < 0)
		exit(EXIT_FAILURE);
}

static void store(struct bench_row *row)
{
	struct way *way = row->state;
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < row->n; i++)
		way->tell(way->there);
	bench_add_since(row, start);
	if (way->tell == tell_semaphore) /* it counts */
		for (i = 1; i < row->n; i++)
			way->await(way->there);
	way->await(way->there);
}

static void store_and_take(struct bench_row *row)
{
	struct way *way = row->state;
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < row->n; i++) {
		way->tell(way->there);
		way->await(way->there);
	}
	bench_add_since(row, start);
}

static void play(struct bench_team *team, unsigned self)
{
	struct bench_row *row = team->state;
	struct way *way = row->state;
	int64_t start;
	size_t i;

	bench_gate(team);
	start = bench_now();
	for (i = 0; i < row->n; i++) {
		if (self == 0)
			way->tell(way->there);
		way->await(self == 0 ? way->back : way->there);
		if (self == 1)
			way->tell(way->back);
	}
	if (self == 0)
		bench_add_since(row, start);
}

static void ping_pong(struct bench_row *row)
{
	struct bench_team team = {.work = play, .state = row, .size = 2};

	bench_together(&team);
}

static void open_line(struct line *l)
{
	sem_init(&l->semaphore, 0, 0);
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->condition, NULL);
	l->fd = eventfd(0, EFD_CLOEXEC);
	if (l->fd < 0)
		exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	static struct line there, back;
	struct bench_options o = {.rounds = 500};
	struct way permit = {tell_permit, await_permit, &there, &back};
	struct way semaphore = {tell_semaphore, await_semaphore, &there, &back};
	struct way condition = {tell_condition, await_condition, &there, &back};
	struct way event = {tell_eventfd, await_eventfd, &there, &back};

	bench_options(&o, argc, argv);
	open_line(&there);
	open_line(&back);
#define ROW(what, does, count, way) .name = what, .batch = does, .n = count, .state = &way
	struct bench_row rows[] = {
		{ROW("stored: sem_post", store, MANY, semaphore)},
		{ROW("stored: mutex and condition", store, MANY, condition)},
		{ROW("stored: eventfd", store, MANY, event)},
		{ROW("stored: permit", store, MANY, permit), .rival = "stored: sem_post"},
		{ROW("taken: semaphore", store_and_take, MANY, semaphore)},
		{ROW("taken: mutex and condition", store_and_take, MANY, condition)},
		{ROW("taken: eventfd", store_and_take, MANY, event)},
		{ROW("taken: permit", store_and_take, MANY, permit), .rival = "taken: semaphore"},
		{ROW("ping-pong: semaphore", ping_pong, ROUNDS, semaphore), .every = 25},
		{ROW("ping-pong: mutex and condition", ping_pong, ROUNDS, condition), .every = 25},
		{ROW("ping-pong: eventfd", ping_pong, ROUNDS, event), .every = 25},
		{ROW("ping-pong: permit", ping_pong, ROUNDS, permit), .every = 25,
			.rival = "ping-pong: semaphore"},
	};
	struct bench_table table = {.title = "from one thread to another, ns",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_rounds(&table, o.rounds);
	close(there.fd);
	close(back.fd);
	return bench_report(&table, &o);
}
