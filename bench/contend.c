/* SPDX-License-Identifier: MIT
 *
 * bench/contend.c: what a notify costs when several threads notify at once: the time until all are
 * done, over all their notifies, so that half is twice the throughput.
 *
 * Conflated on one hot token: the floor is an exchange on a shared flag, which hands the cache line
 * round. Cheaper is a look at the flag without a fence, as many libraries do it; it loses updates, and
 * stands here for what the fence costs. New: the floor is an exchange on a line of one's own and a
 * fetch_add on a shared one.
 *
 * Compared by the median: where others hold up one of the threads the rest do not contend, so that what is
 * disturbed is what is cheap.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS	16384
#define THREADS 4

struct contest {
	unsigned threads;
	size_t each; /* notifies of a thread */
	void (*notify)(struct contest *c, uint32_t first);
	struct bell_queue *queue;
	int64_t start[THREADS], end[THREADS];
};

/* Each on lines of its own, and all zero again before a batch. */
static struct {
	BELL_ALIGNED uint8_t flag;
	BELL_ALIGNED uint64_t tail;
	BELL_ALIGNED uint8_t own[TOKENS];
} shared;

static uint32_t taken[TOKENS];

static void exchange_flag(struct contest *c, uint32_t first)
{
	size_t i;

	(void)first;
	for (i = 0; i < c->each; i++)
		(void)bell_exchange_acq_rel(&shared.flag, 1);
}

static void look_without_fence(struct contest *c, uint32_t first)
{
	size_t i;

	(void)first;
	for (i = 0; i < c->each; i++) {
		bell_fence_compiler(); /* a caller writes its data here */
		if (!bell_load_relaxed(&shared.flag))
			(void)bell_exchange_acq_rel(&shared.flag, 1);
	}
}

static void conflated(struct contest *c, uint32_t first)
{
	size_t i;

	(void)first;
	for (i = 0; i < c->each; i++)
		bell_queue_notify(c->queue, 7);
}

static void exchange_and_add(struct contest *c, uint32_t first)
{
	size_t i;

	for (i = 0; i < c->each; i++) {
		(void)bell_exchange_acq_rel(&shared.own[first + i], 1);
		(void)bell_fetch_add_acq_rel(&shared.tail, 8);
	}
}

static void new_tokens(struct contest *c, uint32_t first)
{
	uint32_t i;

	for (i = 0; i < c->each; i++)
		bell_queue_notify(c->queue, first + i);
}

static void work(struct bench_team *team, unsigned self)
{
	struct contest *c = team->state;

	bench_gate(team);
	c->start[self] = bench_now();
	c->notify(c, (uint32_t)(TOKENS / THREADS * self));
	c->end[self] = bench_now();
}

static void batch(struct bench_row *row)
{
	struct contest *c = row->state;
	struct bench_team team = {.work = work, .state = c, .size = c->threads};
	int64_t start, end;
	unsigned i;

	while (bell_queue_poll(c->queue, taken, TOKENS))
		;
	if (c->notify == conflated)
		bell_queue_notify(c->queue, 7);
	bench_together(&team);
	start = c->start[0];
	end = c->end[0];
	for (i = 1; i < c->threads; i++) {
		start = c->start[i] < start ? c->start[i] : start;
		end = c->end[i] > end ? c->end[i] : end;
	}
	bench_add(row, (double)(end - start) / (double)(c->each * c->threads));
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 200};
	struct bell_queue *q;
	int missed, r = bell_queue_new(&q, TOKENS, 0);

	bench_options(&o, argc, argv);
	if (r < 0) {
		fprintf(stderr, "no queue: error %d\n", -r);
		return EXIT_FAILURE;
	}
	bell_queue_notify(q, 0); /* the receiver is awake */
#define CONTEST(what, threads, each)         \
	&(struct contest)                    \
	{                                    \
		threads, each, what, q, {0}, \
		{                            \
			0                    \
		}                            \
	}
	/* Long enough that four threads on two processors get to run in turns, not one after the other. */
	struct bench_row rows[] = {
		{.name = "exchange on one flag, 2 threads",
			.n = 200000,
			.batch = batch,
			.state = CONTEST(exchange_flag, 2, 100000)},
		{.name = "look without a fence, 2 threads",
			.n = 2000000,
			.batch = batch,
			.state = CONTEST(look_without_fence, 2, 1000000),
			.rival = "exchange on one flag, 2 threads"},
		{.name = "notify, conflated, 2 threads",
			.n = 2000000,
			.batch = batch,
			.state = CONTEST(conflated, 2, 1000000),
			.rival = "exchange on one flag, 2 threads",
			.most = 0.20},
		{.name = "exchange on one flag, 4 threads",
			.n = 2000000,
			.batch = batch,
			.state = CONTEST(exchange_flag, 4, 500000)},
		{.name = "notify, conflated, 4 threads",
			.n = 20000000,
			.batch = batch,
			.state = CONTEST(conflated, 4, 5000000),
			.rival = "exchange on one flag, 4 threads"},
		{.name = "exchange own, add shared, 2 threads",
			.n = TOKENS / 2,
			.batch = batch,
			.state = CONTEST(exchange_and_add, 2, TOKENS / 4)},
		{.name = "notify, new, 2 threads",
			.n = TOKENS / 2,
			.batch = batch,
			.state = CONTEST(new_tokens, 2, TOKENS / 4),
			.rival = "exchange own, add shared, 2 threads"},
	};
	struct bench_table table = {.title = "threads at once, ns a notify",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = 0.5};

	bench_rounds(&table, o.rounds);
	missed = bench_report(&table, &o);
	bell_queue_unref(q);
	return missed;
}
