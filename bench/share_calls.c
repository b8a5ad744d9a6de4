/* SPDX-License-Identifier: MIT
 *
 * bench/share_calls.c: what the calls between processes cost by themselves, beside the same calls within
 * one: one thread is peer and receiver, which is awake, so no line of memory travels and nobody is woken.
 * What travel and wake-ups cost is in bench/share.c.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"

enum { TOKENS = 4096 };

static char dir[] = P_tmpdir "/bench-share-calls.XXXXXX";
static struct bell_queue *queue;
static uint32_t tokens[TOKENS];
static struct bell_share_event events[TOKENS];

/* A share, and its peer. */
struct pair {
	struct bell_share *share;
	struct bell_peer *peer;
	const char *name;
};

static void must(bool condition)
{
	if (!condition) {
		perror("bench-share_calls");
		exit(EXIT_FAILURE);
	}
}

static void *dial(void *state)
{
	struct pair *p = state;

	must(bell_peer_connect(&p->peer, dir, p->name, -1) == 0);
	return NULL;
}

static void pair(struct pair *p, const char *name)
{
	struct bell_share_options o = {.capacity = TOKENS};
	pthread_t thread;

	p->name = name;
	must(bell_share_new(&p->share, dir, name, &o) == 0);
	must(pthread_create(&thread, NULL, dial, p) == 0);
	must(bell_share_wait(p->share, events, 1, -1) == 1);
	must(pthread_join(thread, NULL) == 0);
	must(bell_peer_notify(p->peer, 0) >= 0); /* born armed; nobody arms it again */
}

static void drain(struct pair *p)
{
	while (bell_share_poll(p->share, events, TOKENS) > 0)
		;
}

static void drain_queue(void)
{
	while (bell_queue_poll(queue, tokens, TOKENS))
		;
}

static void queue_new(struct bench_row *row)
{
	int64_t start;
	uint32_t i;

	drain_queue();
	start = bench_now();
	for (i = 0; i < row->n; i++)
		bell_queue_notify(queue, i);
	bench_add_since(row, start);
}

static void queue_conflated(struct bench_row *row)
{
	int64_t start;
	uint32_t i;

	bell_queue_notify(queue, 7);
	start = bench_now();
	for (i = 0; i < row->n; i++)
		bell_queue_notify(queue, 7);
	bench_add_since(row, start);
}

static void queue_poll(struct bench_row *row)
{
	int64_t start;
	size_t found;
	uint32_t i;

	drain_queue();
	for (i = 0; i < row->n; i++)
		bell_queue_notify(queue, i);
	start = bench_now();
	found = bell_queue_poll(queue, tokens, row->n);
	bench_add_since(row, start);
	must(found == row->n);
}

static void share_new(struct bench_row *row)
{
	struct pair *p = row->state;
	int64_t start;
	uint32_t i;

	drain(p);
	start = bench_now();
	for (i = 0; i < row->n; i++)
		bell_peer_notify(p->peer, i);
	bench_add_since(row, start);
}

static void share_conflated(struct bench_row *row)
{
	struct pair *p = row->state;
	int64_t start;
	uint32_t i;

	bell_peer_notify(p->peer, 7);
	start = bench_now();
	for (i = 0; i < row->n; i++)
		bell_peer_notify(p->peer, 7);
	bench_add_since(row, start);
}

static void share_poll(struct bench_row *row)
{
	struct pair *p = row->state;
	int64_t start;
	ssize_t found;
	uint32_t i;

	drain(p);
	for (i = 0; i < row->n; i++)
		bell_peer_notify(p->peer, i);
	start = bench_now();
	found = bell_share_poll(p->share, events, row->n);
	bench_add_since(row, start);
	must(found == (ssize_t)row->n);
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 5000};
	struct bell_observer *observer;
	struct bell_share_stats stats;
	struct pair plain, seen;
	int missed;

	bench_options(&o, argc, argv);
	must(mkdtemp(dir) != NULL);
	must(bell_queue_new(&queue, TOKENS, 0) == 0);
	bell_queue_notify(queue, 0);
	pair(&plain, "plain");
	pair(&seen, "seen");
	must(bell_observer_new(&observer, dir, "seen") == 0);
	while (bell_observer_read(observer, &stats) != 0)
		(void)!bell_share_poll(seen.share, events, TOKENS);
	struct bench_row rows[] = {
		{.name = "notify, new, in one process", .n = TOKENS, .batch = queue_new},
		{.name = "notify, new, between processes",
			.n = TOKENS,
			.batch = share_new,
			.state = &plain,
			.rival = "notify, new, in one process"},
		{.name = "notify, conflated, in one process",
			.n = TOKENS,
			.batch = queue_conflated},
		{.name = "notify, conflated, between processes",
			.n = TOKENS,
			.batch = share_conflated,
			.state = &plain,
			.rival = "notify, conflated, in one process"},
		{.name = "poll, a token of 64, in one process", .n = 64, .batch = queue_poll},
		{.name = "poll, a token of 64, between processes",
			.n = 64,
			.batch = share_poll,
			.state = &plain,
			.rival = "poll, a token of 64, in one process"},
		{.name = "poll, a token of 64, while observed",
			.n = 64,
			.batch = share_poll,
			.state = &seen,
			.rival = "poll, a token of 64, between processes"},
		{.name = "poll, a token of 4096, in one process", .n = TOKENS, .batch = queue_poll},
		{.name = "poll, a token of 4096, between processes",
			.n = TOKENS,
			.batch = share_poll,
			.state = &plain,
			.rival = "poll, a token of 4096, in one process"},
	};
	struct bench_table table = {.title = "calls between processes, one thread, ns an operation",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_rounds(&table, o.rounds);
	missed = bench_report(&table, &o);
	bell_observer_free(observer);
	bell_peer_free(plain.peer);
	bell_peer_free(seen.peer);
	bell_share_free(plain.share);
	bell_share_free(seen.share);
	bell_queue_unref(queue);
	rmdir(dir);
	return missed;
}
