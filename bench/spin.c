/* SPDX-License-Identifier: MIT
 *
 * bench/spin.c: what bell_queue_wait() gains by spinning before it sleeps, and what that burns: no
 * spinning, spinning always for the full limit, and spinning that adapts (the default). Three loads: a ball
 * between two threads, a storm that never pauses, and a trickle of one notify a millisecond.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS 64

enum way { NONE, FIXED, ADAPTIVE };

struct load {
	enum way way;
	void (*work)(struct bench_team *team, unsigned self);
	struct bench_row *row;
	struct bell_queue *queues[2]; /* of each side */
	int64_t sent;		      /* when the token was notified */
	int64_t cpu;		      /* of the receiver */
};

/* What a loop without adaption does: look for the full limit, whatever came of it before. */
static size_t spin(struct bell_queue *q, uint32_t *tokens)
{
	int64_t end = bench_now() + BELL_WAIT_SPIN_DEFAULT;
	size_t n;
	int i;

	do {
		for (i = 0; i < 8; i++) {
			n = bell_queue_poll(q, tokens, TOKENS);
			if (n)
				return n;
			bell_pause();
		}
	} while (bench_now() < end);
	return 0;
}

/* Returns how many tokens there were, or -ESHUTDOWN. */
static ssize_t receive(const struct load *l, struct bell_queue *q, uint32_t *tokens)
{
	size_t n = l->way == FIXED ? spin(q, tokens) : 0;

	return n ? (ssize_t)n : bell_queue_wait(q, tokens, TOKENS, -1);
}

static void ping_pong(struct bench_team *team, unsigned self)
{
	struct load *l = team->state;
	uint32_t tokens[TOKENS];
	int64_t start;
	size_t i;

	bench_gate(team);
	start = bench_now();
	for (i = 0; i < l->row->n; i++) {
		if (self == 0)
			bell_queue_notify(l->queues[1], 3);
		(void)receive(l, l->queues[self], tokens);
		if (self == 1)
			bell_queue_notify(l->queues[0], 3);
	}
	if (self == 0)
		bench_add(l->row, (double)(bench_now() - start) / (double)(2 * l->row->n));
}

/* The sample is the processor time of both sides for a token that was delivered: who sleeps while the other
 * notifies is given fewer, for the rest is conflated. */
static void storm(struct bench_team *team, unsigned self)
{
	struct load *l = team->state;
	struct bench_row *row = l->row;
	int64_t start, cpu;
	uint32_t tokens[TOKENS];
	size_t i;

	bench_gate(team);
	start = bench_now();
	cpu = bench_cpu();
	if (self == 1) {
		while (receive(l, l->queues[1], tokens) > 0)
			;
		l->cpu = bench_cpu() - cpu;
	} else {
		for (i = 0; i < row->n; i++)
			bell_queue_notify(l->queues[1], (uint32_t)(i * 7 % TOKENS));
		start = bench_now() - start;
		bell_queue_close(l->queues[1]);
		cpu = bench_cpu() - cpu;
	}
	bench_gate(team);
	if (self == 0) {
		struct bell_queue_stats s;

		bell_queue_stats(l->queues[1], &s);
		bench_add(row, (double)(cpu + l->cpu) / (double)s.delivered);
		snprintf(row->notes, sizeof(row->notes),
			"notify_ns=%.1f;delivered_percent=%.0f;sleeps=%.0f",
			(double)start / (double)row->n,
			100.0 * (double)s.delivered / (double)row->n, (double)s.arms);
	}
}

static void sleep_until(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* The sample is the receiver's processor time for a token; the delay stands beside. */
static void trickle(struct bench_team *team, unsigned self)
{
	struct load *l = team->state;
	double delays[1000];
	uint32_t tokens[TOKENS];
	int64_t start, cpu;
	size_t i, got = 0;

	bench_gate(team);
	start = bench_now();
	if (self == 0) {
		for (i = 0; i < l->row->n; i++) {
			sleep_until(start + (int64_t)(i + 1) * 1000000);
			l->sent = bench_now();
			bell_queue_notify(l->queues[1], (uint32_t)(i % TOKENS));
		}
		return;
	}
	cpu = bench_cpu();
	for (i = 0; i < l->row->n; got++) {
		i += (size_t)receive(l, l->queues[1], tokens);
		delays[got] = (double)(bench_now() - l->sent);
	}
	cpu = bench_cpu() - cpu;
	bench_add(l->row, (double)cpu / (double)l->row->n);
	snprintf(l->row->notes, sizeof(l->row->notes), "cpu_percent=%.2f;delay_p50_ns=%.0f",
		100.0 * (double)cpu / (double)(bench_now() - start),
		bench_quantile(delays, got, 0.5));
}

static void batch(struct bench_row *row)
{
	struct load *l = row->state;
	struct bench_team team = {.work = l->work, .state = l, .size = 2};
	int i;

	l->row = row;
	for (i = 0; i < 2; i++) {
		if (bell_queue_new(&l->queues[i], TOKENS, 0) < 0)
			exit(EXIT_FAILURE);
		if (l->way != ADAPTIVE)
			bell_queue_set_spin(l->queues[i], 0);
	}
	bench_together(&team);
	for (i = 0; i < 2; i++)
		bell_queue_unref(l->queues[i]);
}

#define LOAD(way_, work_, n_)                              \
	.n = (n_), .batch = batch, .state = &(struct load) \
	{                                                  \
		.way = way_, .work = work_                 \
	}
#define BALLS	   2000
#define NOTIFIES   100000
#define TRICKLE_MS 400

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 40};
	const char *alone = bench_cpus() < 2 ? "one processor only" : NULL;
	struct bench_row rows[] = {
		{.name = "ping-pong, no spinning", LOAD(NONE, ping_pong, BALLS)},
		{.name = "ping-pong, fixed spinning",
			LOAD(FIXED, ping_pong, BALLS),
			.skipped = alone},
		{.name = "ping-pong, adaptive",
			LOAD(ADAPTIVE, ping_pong, BALLS),
			.skipped = alone,
			.rival = "ping-pong, fixed spinning",
			.most = 1.05},
		{.name = "storm, no spinning", LOAD(NONE, storm, NOTIFIES)},
		{.name = "storm, fixed spinning", LOAD(FIXED, storm, NOTIFIES), .skipped = alone},
		{.name = "storm, adaptive",
			LOAD(ADAPTIVE, storm, NOTIFIES),
			.skipped = alone,
			.rival = "storm, fixed spinning",
			.most = 1.05},
		{.name = "trickle, no spinning", .every = 10, LOAD(NONE, trickle, TRICKLE_MS)},
		{.name = "trickle, fixed spinning", .every = 10, LOAD(FIXED, trickle, TRICKLE_MS)},
		{.name = "trickle, adaptive",
			.every = 4,
			LOAD(ADAPTIVE, trickle, TRICKLE_MS),
			.rival = "trickle, no spinning",
			.most = 1.10},
	};
	struct bench_table table = {
		.title = "waiting, ns a token: time in the ping-pong, else processor time",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_options(&o, argc, argv);
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
