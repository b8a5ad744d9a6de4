/* SPDX-License-Identifier: MIT
 *
 * bench/spin.c: what bell_queue_wait() gains by spinning before it sleeps: a ball between two threads,
 * with no spinning, with spinning always for the full limit, and with spinning that adapts (the default).
 * What spinning burns is seen in bench/storm.c and bench/trickle.c, which have the same three.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS 64

enum way { NONE, FIXED, ADAPTIVE };

struct game {
	enum way way;
	struct bench_row *row;
	struct bell_queue *queues[2]; /* of each side */
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

static void receive(const struct game *g, struct bell_queue *q)
{
	uint32_t tokens[TOKENS];

	if (g->way != FIXED || !spin(q, tokens))
		(void)!bell_queue_wait(q, tokens, TOKENS, -1);
}

static void play(struct bench_team *team, unsigned self)
{
	struct game *g = team->state;
	int64_t start;
	size_t i;

	bench_gate(team);
	start = bench_now();
	for (i = 0; i < g->row->n; i++) {
		if (self == 0)
			bell_queue_notify(g->queues[1], 3);
		receive(g, g->queues[self]);
		if (self == 1)
			bell_queue_notify(g->queues[0], 3);
	}
	if (self == 0)
		bench_add(g->row, (double)(bench_now() - start) / (double)(2 * g->row->n));
}

static void batch(struct bench_row *row)
{
	struct game *g = row->state;
	struct bench_team team = {.work = play, .state = g, .size = 2};
	int i;

	g->row = row;
	for (i = 0; i < 2; i++) {
		if (bell_queue_new(&g->queues[i], TOKENS, 0) < 0)
			exit(EXIT_FAILURE);
		if (g->way != ADAPTIVE)
			bell_queue_set_spin(g->queues[i], 0);
	}
	bench_together(&team);
	for (i = 0; i < 2; i++)
		bell_queue_unref(g->queues[i]);
}

#define GAME(way_) .n = 2000, .batch = batch, .state = &(struct game){.way = way_}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 40};
	const char *alone = bench_cpus() < 2 ? "one processor only" : NULL;
	struct bench_row rows[] = {
		{.name = "ping-pong, no spinning", GAME(NONE)},
		{.name = "ping-pong, fixed spinning", GAME(FIXED), .skipped = alone},
		{.name = "ping-pong, adaptive",
			GAME(ADAPTIVE),
			.skipped = alone,
			.rival = "ping-pong, fixed spinning",
			.most = 1.05},
	};
	struct bench_table table = {
		.title = "a ball between two that wait, ns one way",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_PAIRS};

	bench_options(&o, argc, argv);
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
