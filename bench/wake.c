/* SPDX-License-Identifier: MIT
 *
 * bench/wake.c: a ball between two threads, each on a processor of its own: how long from saying
 * "ready" to the other side running. Half a round trip each, timed one by one where a side sleeps, and
 * by the batch where both spin.
 *
 * The floors: a raw cache line, one word for each direction, for those that spin; for those that
 * sleep an eventfd that is written each time, watched by epoll edge-triggered and never read.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <doorbell.h>
#include <doorbell/adapt/epoll.h>

#include "wake.h"

#define TOKENS 64 /* of a queue; those that fit one cache line have a row of their own */
#define FEW    8

/* -- spinning -------------------------------------------------------------------------------- */

static int line_open(struct side *s)
{
	(void)s;
	return 0;
}

static void line_ring(struct side *s)
{
	bell_store_release(&s->word, s->word + 1);
}

static void line_await(struct side *s)
{
	while (bell_load_acquire(&s->word) == s->seen)
		bell_pause();
	s->seen++;
}

static void line_close(struct side *s)
{
	(void)s;
}

static int queue_open(struct side *s, uint32_t capacity, unsigned flags)
{
	int r = bell_queue_new(&s->queue, capacity, flags);

	if (r == 0 && (bell_queue_flags(s->queue) & flags) != flags)
		r = -EPERM;
	return r;
}

static int spin_open(struct side *s)
{
	return queue_open(s, TOKENS, 0);
}

static int few_open(struct side *s)
{
	return queue_open(s, FEW, 0);
}

static int single_open(struct side *s)
{
	return queue_open(s, TOKENS, BELL_QUEUE_SINGLE_PRODUCER);
}

static void queue_ring(struct side *s)
{
	bell_queue_notify(s->queue, 3);
}

static void spin_await(struct side *s)
{
	uint32_t token;

	while (!bell_queue_poll(s->queue, &token, 1))
		bell_pause();
}

static void queue_close(struct side *s)
{
	bell_queue_unref(s->queue);
}

/* -- eventfd and pipe in epoll --------------------------------------------------------------- */

static int watch(struct side *s, uint32_t events)
{
	struct epoll_event ev = {.events = events};

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0 || s->in < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->in, &ev) < 0)
		return -errno;
	return 0;
}

static void epoll_await(struct side *s)
{
	struct epoll_event ev;

	while (epoll_wait(s->epfd, &ev, 1, -1) != 1)
		;
}

static int eventfd_edge_open(struct side *s)
{
	s->in = s->out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return watch(s, EPOLLIN | EPOLLET);
}

static int eventfd_level_open(struct side *s)
{
	s->in = s->out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return watch(s, EPOLLIN);
}

static void eventfd_ring(struct side *s)
{
	if (eventfd_write(s->out, 1) < 0)
		exit(EXIT_FAILURE);
}

static void eventfd_level_await(struct side *s)
{
	eventfd_t value;

	epoll_await(s);
	if (eventfd_read(s->in, &value) < 0)
		exit(EXIT_FAILURE);
}

static void fds_close(struct side *s)
{
	close(s->epfd);
	close(s->in);
	if (s->out != s->in)
		close(s->out);
}

static int pipe_open(struct side *s)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	s->in = fds[0];
	s->out = fds[1];
	return watch(s, EPOLLIN);
}

static void pipe_ring(struct side *s)
{
	if (write(s->out, "", 1) != 1)
		exit(EXIT_FAILURE);
}

static void pipe_await(struct side *s)
{
	char byte;

	epoll_await(s);
	if (read(s->in, &byte, 1) != 1)
		exit(EXIT_FAILURE);
}

/* -- mutex and condition variable ------------------------------------------------------------ */

static int condvar_open(struct side *s)
{
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->cond, NULL);
	return 0;
}

static void condvar_ring(struct side *s)
{
	pthread_mutex_lock(&s->mutex);
	s->word = 1;
	pthread_mutex_unlock(&s->mutex);
	pthread_cond_signal(&s->cond);
}

static void condvar_await(struct side *s)
{
	pthread_mutex_lock(&s->mutex);
	while (!s->word)
		pthread_cond_wait(&s->cond, &s->mutex);
	s->word = 0;
	pthread_mutex_unlock(&s->mutex);
}

static void condvar_close(struct side *s)
{
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->mutex);
}

/* -- doorbell, asleep ------------------------------------------------------------------------ */

void wake_on_token(void *userdata, uint32_t token)
{
	struct side *s = userdata;

	(void)token;
	s->seen++;
}

static int bell_open(struct side *s, unsigned flags)
{
	int r = queue_open(s, TOKENS, flags);

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (r == 0)
		r = bell_epoll_attach(&s->bell, s->epfd, s->queue, 64, wake_on_token, s);
	return r;
}

static int bell_level_open(struct side *s)
{
	return bell_open(s, 0);
}

static int bell_edge_open(struct side *s)
{
	return bell_open(s, BELL_QUEUE_EDGE);
}

static int bell_single_open(struct side *s)
{
	return bell_open(s, BELL_QUEUE_EDGE | BELL_QUEUE_SINGLE_PRODUCER);
}

static void bell_await(struct side *s)
{
	const uint32_t before = s->seen;

	while (s->seen == before) {
		epoll_await(s);
		bell_epoll_ready(&s->bell);
	}
}

static void bell_close(struct side *s)
{
	bell_epoll_detach(&s->bell);
	close(s->epfd);
	bell_queue_unref(s->queue);
}

static int wait_open(struct side *s)
{
	int r = queue_open(s, TOKENS, 0);

	if (r == 0)
		bell_queue_set_spin(s->queue, 0);
	return r;
}

static void wait_await(struct side *s)
{
	uint32_t token;

	while (bell_queue_wait(s->queue, &token, 1, -1) != 1)
		;
}

/* -- the game -------------------------------------------------------------------------------- */

#define WARM_UP 5

struct game {
	const struct wake *wake;
	struct bench_row *row;
	struct side sides[2];
	int errors[2];
};

static void play(struct game *g, unsigned self, size_t n)
{
	struct side *mine = &g->sides[self], *other = &g->sides[!self];
	int64_t start, now;
	size_t i;

	if (self == 1) {
		for (i = 0; i < n; i++) {
			g->wake->await(mine);
			g->wake->ring(other);
		}
		return;
	}
	start = bench_now();
	for (i = 0; i < n; i++) {
		g->wake->ring(other);
		g->wake->await(mine);
		if (g->wake->one_by_one && i >= WARM_UP) {
			now = bench_now();
			bench_add(g->row, (double)(now - start) / 2);
			start = now;
		} else if (g->wake->one_by_one) {
			start = bench_now();
		}
	}
	if (!g->wake->one_by_one)
		bench_add(g->row, (double)(bench_now() - start) / (double)(2 * n));
}

/* Each side opens its own: a ring of io_uring belongs to the thread that made it. */
static void work(struct bench_team *team, unsigned self)
{
	struct game *g = team->state;

	g->errors[self] = g->wake->open(&g->sides[self]);
	bench_gate(team);
	if (g->errors[0] == 0 && g->errors[1] == 0)
		play(g, self, g->wake->one_by_one ? g->row->n + WARM_UP : g->row->n);
	bench_gate(team);
	if (g->errors[self] == 0)
		g->wake->close(&g->sides[self]);
}

static void batch(struct bench_row *row)
{
	static struct game g;
	struct bench_team team = {.work = work, .state = &g, .size = 2};

	memset(&g, 0, sizeof(g));
	g.wake = row->state;
	g.row = row;
	bench_together(&team);
	if (g.errors[0] || g.errors[1])
		row->skipped = strerror(-(g.errors[0] ? g.errors[0] : g.errors[1]));
}

static const struct wake line = {line_open, line_ring, line_await, line_close, false},
			 spin = {spin_open, queue_ring, spin_await, queue_close, false},
			 few = {few_open, queue_ring, spin_await, queue_close, false},
			 single = {single_open, queue_ring, spin_await, queue_close, false},
			 wait_spins = {spin_open, queue_ring, wait_await, queue_close, false},
			 eventfd_edge = {eventfd_edge_open, eventfd_ring, epoll_await, fds_close,
				 true},
			 eventfd_level = {eventfd_level_open, eventfd_ring, eventfd_level_await,
				 fds_close, true},
			 pipes = {pipe_open, pipe_ring, pipe_await, fds_close, true},
			 condvar = {condvar_open, condvar_ring, condvar_await, condvar_close, true},
			 level = {bell_level_open, queue_ring, bell_await, bell_close, true},
			 edge = {bell_edge_open, queue_ring, bell_await, bell_close, true},
			 edge_single = {bell_single_open, queue_ring, bell_await, bell_close, true},
			 waiting = {wait_open, queue_ring, wait_await, queue_close, true};

#define GAME(what, count) .n = (count), .batch = batch, .state = (void *)(uintptr_t) & (what)
#define SPINS		  20000
#define SLEEPS		  200

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 50};
	const char *alone = bench_cpus() < 2 ? "one processor only" : NULL;
	const char *raw = "raw cache line", *bare = "eventfd, epoll edge";
	struct bench_row rows[] = {
		{.name = raw, GAME(line, SPINS), .skipped = alone},
		{.name = "doorbell, spinning on poll",
			GAME(spin, SPINS),
			.skipped = alone,
			.rival = raw},
		{.name = "doorbell, spinning on poll, 8 tokens",
			GAME(few, SPINS),
			.skipped = alone,
			.rival = raw,
			.most = 1.30},
		{.name = "doorbell, spinning, single producer",
			GAME(single, SPINS),
			.skipped = alone,
			.rival = raw},
		{.name = "doorbell, wait that spins",
			GAME(wait_spins, SPINS / 10),
			.skipped = alone,
			.rival = raw},
		{.name = bare, GAME(eventfd_edge, SLEEPS)},
		{.name = "eventfd, epoll level and read",
			GAME(eventfd_level, SLEEPS),
			.rival = bare},
		{.name = "pipe, epoll and read", GAME(pipes, SLEEPS), .rival = bare},
		{.name = "mutex and condition variable", GAME(condvar, SLEEPS), .rival = bare},
		{.name = "doorbell, epoll edge", GAME(edge, SLEEPS), .rival = bare, .most = 1.05},
		{.name = "doorbell, epoll edge, single producer",
			GAME(edge_single, SLEEPS),
			.rival = bare},
		{.name = "doorbell, epoll level",
			GAME(level, SLEEPS),
			.rival = "eventfd, epoll level and read"},
		{.name = "doorbell, io_uring",
			GAME(wake_uring, SLEEPS),
			.rival = bare,
			.skipped = &wake_uring ? NULL : "built without liburing"},
		{.name = "doorbell, wait that sleeps", GAME(waiting, SLEEPS), .rival = bare},
	};
	struct bench_table table = {.title = "from one thread to the other, ns one way",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_PAIRS};

	bench_options(&o, argc, argv);
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
