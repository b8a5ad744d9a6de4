/* SPDX-License-Identifier: MIT
 *
 * bench/local.c: what the queue for one thread costs, beside the queue for many on the same work, and an
 * uncontended exchange, the floor of the latter.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS 4096

static uint32_t taken[TOKENS];
static uint8_t cell;

static void exchange_once(struct bench_row *row)
{
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < row->n; i++)
		(void)bell_exchange_acq_rel(&cell, 1);
	bench_add_since(row, start);
}

static void mark_all(struct bell_local *l)
{
	uint32_t token;

	for (token = 0; token < TOKENS; token++)
		bell_local_mark(l, token);
}

static void mark_new(struct bench_row *row)
{
	int64_t start;

	(void)!bell_local_poll(row->state, taken, TOKENS);
	start = bench_now();
	mark_all(row->state);
	bench_add_since(row, start);
}

static void mark_again(struct bench_row *row)
{
	int64_t start;

	mark_all(row->state);
	start = bench_now();
	mark_all(row->state);
	bench_add_since(row, start);
}

static void poll_full(struct bench_row *row)
{
	int64_t start;
	size_t n;

	mark_all(row->state);
	start = bench_now();
	n = bell_local_poll(row->state, taken, TOKENS);
	bench_add_since(row, start);
	if (n != TOKENS)
		exit(EXIT_FAILURE);
}

static void notify_new(struct bench_row *row)
{
	int64_t start;
	uint32_t token;

	while (bell_queue_poll(row->state, taken, TOKENS))
		;
	start = bench_now();
	for (token = 0; token < TOKENS; token++)
		bell_queue_notify(row->state, token);
	bench_add_since(row, start);
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 20000};
	struct bell_local *l;
	struct bell_queue *q;
	int missed;

	bench_options(&o, argc, argv);
	if (bell_local_new(&l, TOKENS) < 0 || bell_local_ensure(l, TOKENS - 1) < 0 ||
		bell_queue_new(&q, TOKENS, 0) < 0) {
		fprintf(stderr, "no queue of %d tokens\n", TOKENS);
		return EXIT_FAILURE;
	}
	bell_queue_notify(q, 0); /* its receiver is awake */
	struct bench_row rows[] = {
		{.name = "local: one exchange", .n = TOKENS, .batch = exchange_once},
		{.name = "local: mark, new",
			.n = TOKENS,
			.batch = mark_new,
			.state = l,
			.rival = "local: one exchange",
			.most = 0.90},
		{.name = "local: mark, again",
			.n = TOKENS,
			.batch = mark_again,
			.state = l,
			.rival = "local: one exchange"},
		{.name = "local: poll, a token of 4096",
			.n = TOKENS,
			.batch = poll_full,
			.state = l,
			.rival = "local: one exchange",
			.most = 0.50},
		{.name = "local: the queue's notify, new",
			.n = TOKENS,
			.batch = notify_new,
			.state = q,
			.rival = "local: mark, new"},
	};
	struct bench_table table = {.title = "queue for one thread, ns an operation",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_rounds(&table, o.rounds);
	missed = bench_report(&table, &o);
	bell_queue_unref(q);
	bell_local_free(l);
	return missed;
}
