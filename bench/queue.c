/* SPDX-License-Identifier: MIT
 *
 * bench/queue.c: what notify and poll cost one thread, beside the floor they stand on: an uncontended
 * exchange, of which a new notify from any of many threads cannot do with less than two.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS	4096
#define MILLION 1048576
#define QUEUES \
	64 /* polled in one sample where each holds few: two looks at the clock are not small */

/* Queues that each have some tokens ready in a sample of poll. */
struct ready {
	struct bell_queue *queues[QUEUES];
	size_t count, each;
};

static uint32_t taken[MILLION], many[TOKENS];
static uint8_t cell[2];

static void exchange_once(struct bench_row *row)
{
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < row->n; i++)
		(void)bell_exchange_acq_rel(&cell[0], 1);
	bench_add_since(row, start);
}

static void exchange_twice(struct bench_row *row)
{
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < row->n; i++) {
		(void)bell_exchange_acq_rel(&cell[0], 1);
		(void)bell_exchange_acq_rel(&cell[1], 1);
	}
	bench_add_since(row, start);
}

/* Nothing but plain instructions, as many as an empty poll has: how much the machine is disturbed. */
static void plain(struct bench_row *row)
{
	unsigned a = 0, b = 0, c = 0, d = 0;
	int64_t start = bench_now();
	size_t i;

	for (i = 0; i < 2 * row->n; i++) {
		a++, b++, c++, d++;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	bench_add_since(row, start);
}

static void drain(struct bell_queue *q)
{
	while (bell_queue_poll(q, taken, MILLION))
		;
}

static void fill(struct bell_queue *q, size_t n)
{
	uint32_t token;

	for (token = 0; token < n; token++)
		bell_queue_notify(q, token);
}

static void notify_new(struct bench_row *row)
{
	int64_t start;

	drain(row->state);
	start = bench_now();
	fill(row->state, row->n);
	bench_add_since(row, start);
}

static void notify_many(struct bench_row *row, uint32_t each)
{
	int64_t start;
	uint32_t token, i;

	drain(row->state);
	start = bench_now();
	for (token = 0; token < row->n; token += each) {
		for (i = 0; i < each; i++)
			many[i] = token + i;
		bell_queue_notify_many(row->state, many, each);
	}
	bench_add_since(row, start);
}

static void notify_64(struct bench_row *row)
{
	notify_many(row, 64);
}

static void notify_all(struct bench_row *row)
{
	notify_many(row, TOKENS);
}

/* Every other token is queued, so that half of the notifies will be conflated. */
static void fill_half(struct bell_queue *q, size_t n)
{
	uint32_t token;

	drain(q);
	for (token = 0; token < n; token += 2)
		bell_queue_notify(q, token);
}

static void notify_mixed(struct bench_row *row)
{
	int64_t start;

	fill_half(row->state, row->n);
	start = bench_now();
	fill(row->state, row->n);
	bench_add_since(row, start);
}

static void notify_all_mixed(struct bench_row *row)
{
	int64_t start;
	uint32_t token;

	fill_half(row->state, row->n);
	for (token = 0; token < row->n; token++)
		many[token] = token;
	start = bench_now();
	bell_queue_notify_many(row->state, many, TOKENS);
	bench_add_since(row, start);
}

static void notify_conflated(struct bench_row *row)
{
	int64_t start;
	size_t i;

	bell_queue_notify(row->state, 7);
	start = bench_now();
	for (i = 0; i < row->n; i++)
		bell_queue_notify(row->state, 7);
	bench_add_since(row, start);
}

static void poll_full(struct bench_row *row)
{
	struct ready *ready = row->state;
	size_t i, found = 0;
	int64_t start;

	for (i = 0; i < ready->count; i++)
		fill(ready->queues[i], ready->each);
	start = bench_now();
	for (i = 0; i < ready->count; i++)
		found += bell_queue_poll(ready->queues[i], taken, ready->each);
	bench_add_since(row, start);
	if (found != row->n)
		exit(EXIT_FAILURE);
}

static void poll_empty(struct bench_row *row)
{
	int64_t start;
	size_t i, found = 0;

	drain(row->state);
	start = bench_now();
	for (i = 0; i < row->n; i++)
		found += bell_queue_poll(row->state, taken, TOKENS);
	bench_add_since(row, start);
	if (found)
		exit(EXIT_FAILURE);
}

/* Not armed: the benchmark is of a receiver that is awake. */
static struct bell_queue *awake(uint32_t capacity, unsigned flags)
{
	struct bell_queue *q;
	int r = bell_queue_new(&q, capacity, flags);

	if (r < 0) {
		fprintf(stderr, "no queue of %u tokens: error %d\n", capacity, -r);
		exit(EXIT_FAILURE);
	}
	bell_queue_notify(q, 0);
	drain(q);
	return q;
}

static struct bench_row row_of_poll(const char *name, size_t each, double most)
{
	struct ready *ready = malloc(sizeof(*ready));
	size_t i;

	if (!ready)
		exit(EXIT_FAILURE);
	ready->each = each;
	ready->count = each < QUEUES ? QUEUES : 1;
	for (i = 0; i < ready->count; i++)
		ready->queues[i] = awake((uint32_t)each, 0);
	return (struct bench_row){.name = name,
		.n = ready->count * each,
		.batch = poll_full,
		.every = each / 4096,
		.state = ready,
		.rival = "one exchange",
		.most = most};
}

static void free_ready(struct bench_row *row)
{
	struct ready *ready = row->state;
	size_t i;

	for (i = 0; i < ready->count; i++)
		bell_queue_unref(ready->queues[i]);
	free(ready);
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 20000};
	struct bell_queue *q, *single;
	const char *no_single = NULL;
	size_t i;
	int missed;

	bench_options(&o, argc, argv);
	q = awake(TOKENS, 0);
	single = awake(TOKENS, BELL_QUEUE_SINGLE_PRODUCER);
	if (!(bell_queue_flags(single) & BELL_QUEUE_SINGLE_PRODUCER))
		no_single = "membarrier(2) is refused here";
	struct bench_row rows[] = {
		{.name = "one exchange", .n = TOKENS, .batch = exchange_once},
		{.name = "two exchanges", .n = TOKENS, .batch = exchange_twice},
		{.name = "eight plain instructions", .n = TOKENS, .batch = plain},
		{.name = "notify, new",
			.n = TOKENS,
			.batch = notify_new,
			.state = q,
			.rival = "two exchanges",
			.most = 1.05},
		{.name = "notify, new, single producer",
			.n = TOKENS,
			.batch = notify_new,
			.state = single,
			.rival = "one exchange",
			.most = 1.15,
			.skipped = no_single},
		{.name = "notify, new, 64 in one call",
			.n = TOKENS,
			.batch = notify_64,
			.state = q,
			.rival = "two exchanges"},
		{.name = "notify, new, 4096 in one call",
			.n = TOKENS,
			.batch = notify_all,
			.state = q,
			.rival = "two exchanges"},
		{.name = "notify, every other one new",
			.n = TOKENS,
			.batch = notify_mixed,
			.state = q},
		{.name = "notify, every other one new, 4096 in one call",
			.n = TOKENS,
			.batch = notify_all_mixed,
			.state = q,
			.rival = "notify, every other one new"},
		{.name = "notify, conflated",
			.n = TOKENS,
			.batch = notify_conflated,
			.state = q,
			.rival = "one exchange",
			.most = 0.90},
		{.name = "poll, empty",
			.n = TOKENS,
			.batch = poll_empty,
			.state = q,
			.rival = "one exchange",
			.most = 0.60},
		row_of_poll("poll, a token, 1 ready", 1, 0),
		row_of_poll("poll, a token, 8 ready", 8, 0),
		row_of_poll("poll, a token, 64 ready", 64, 0),
		row_of_poll("poll, a token, 512 ready", 512, 0.50),
		row_of_poll("poll, a token, 4096 ready", 4096, 0.50),
		row_of_poll("poll, a token, 32768 ready", 32768, 0.50),
		row_of_poll("poll, a token, 1048576 ready", MILLION, 0),
	};
	struct bench_table table = {.title = "one thread, ns an operation",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_rounds(&table, o.rounds);
	missed = bench_report(&table, &o);
	for (i = 0; i < table.count; i++)
		if (rows[i].batch == poll_full)
			free_ready(&rows[i]);
	bell_queue_unref(q);
	bell_queue_unref(single);
	return missed;
}
