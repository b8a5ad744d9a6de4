/* SPDX-License-Identifier: MIT
 *
 * bench/storm.c: producers that notify as fast as they can, tokens drawn from a Zipf distribution, and
 * one loop. What is compared is processor time, of producers and receiver together, for a token
 * delivered; and, because who conflates less delivers more, for a notify.
 *
 * Each producer writes a number of its own for the token before each notify, and deliver reads them.
 * In the end the last number written must have been read: lost counts those that were not.
 *
 * Exits with the number of promised ratios that were missed, or 99 if doorbell lost an update.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define TOKENS	      4096
#define DRAWS	      65536 /* of each producer, drawn beforehand and used again and again */
#define SKEW	      0.99
#define ROWS	      256
#define RIVALS	      32
#define BETWEEN_LOOKS 256 /* notifies for one look at the clock */
#define CROWDS	      3
#define LOST	      99 /* the exit status */

static const unsigned crowds[CROWDS] = {2, 1, 4};

/* What is found beside a row's own sample, as medians. */
enum { DELIVERED, CONFLATED, RECEIVER, CALLS, LOSSES, FIGURES };
static const char *figure_names[FIGURES] = {
	"delivered_M/s", "notifies_a_delivery", "receiver_share", "reads+writes_a_million", "lost"};

struct storm {
	struct arena arena;
	struct bench_row *per_delivery, *per_notify;
	struct bench_row figures[FIGURES]; /* for their samples only */
};

static uint16_t draws[PRODUCERS_MAX][DRAWS];
static uint32_t values[PRODUCERS_MAX][TOKENS]; /* each written by its producer */
static uint32_t seen[PRODUCERS_MAX][TOKENS];   /* the receiver's */
static int64_t duration;		       /* ns */
static uint64_t lost_by_us;

static struct storm storms[CROWDS][RIVALS];
static struct bench_row rows[ROWS];
static char names[ROWS][80], best[CROWDS][80], ours[CROWDS][2][80], floors[CROWDS][80],
	waits[CROWDS][80];
static size_t count;

/* Rank k is drawn with a weight of 1/k^SKEW. Tokens of like rank do not lie side by side. */
static void draw(void)
{
	static double up_to[TOKENS];
	uint64_t random = 88172645463325252;
	double sum = 0;
	unsigned p, i, low, high, middle;

	for (i = 0; i < TOKENS; i++)
		up_to[i] = sum += pow(i + 1, -SKEW);
	for (p = 0; p < PRODUCERS_MAX; p++) {
		for (i = 0; i < DRAWS; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			for (low = 0, high = TOKENS - 1; low < high;) {
				middle = (low + high) / 2;
				if (up_to[middle] < sum * (double)(random >> 11) * 0x1p-53)
					low = middle + 1;
				else
					high = middle;
			}
			draws[p][i] = (uint16_t)(low * 2654435761U % TOKENS);
		}
	}
}

static uint64_t produce(struct arena *a, unsigned self)
{
	const int64_t end = bench_now() + duration;
	const uint16_t *draw_of = draws[self];
	uint32_t *value_of = values[self];
	uint32_t i = 0;

	while (bench_now() < end) {
		do {
			const uint32_t token = draw_of[i % DRAWS];

			bell_store_relaxed(&value_of[token], ++i);
			arena_notify(a, token);
		} while (i % BETWEEN_LOOKS);
	}
	return i;
}

static void deliver(struct arena *a, uint32_t token)
{
	unsigned p;

	for (p = 0; p < a->producers; p++)
		seen[p][token] = bell_load_relaxed(&values[p][token]);
}

static double losses(const struct arena *a)
{
	unsigned p, token, lost = 0;

	for (p = 0; p < a->producers && !a->rival->silent; p++)
		for (token = 0; token < TOKENS; token++)
			lost += seen[p][token] != values[p][token];
	return lost;
}

static bool is_ours(const struct storm *s)
{
	return strncmp(s->arena.name, "doorbell", 8) == 0;
}

/* One of those that do not adapt. */
static bool is_wait(const struct storm *s)
{
	return strncmp(s->arena.name, RIVAL_WAIT ",", strlen(RIVAL_WAIT ",")) == 0;
}

static void run(struct bench_row *row)
{
	struct storm *s = row->state;
	struct arena *a = &s->arena;
	double n, cpu, lost;
	int error;

	memset(values, 0, sizeof(values));
	memset(seen, 0, sizeof(seen));
	error = arena_run(a);
	if (error < 0) {
		s->per_notify->skipped = strerror(-error);
		if (s->per_delivery)
			s->per_delivery->skipped = s->per_notify->skipped;
		return;
	}
	lost = losses(a);
	n = (double)a->notified;
	cpu = (double)(a->cpu_producers + a->cpu_receiver);
	if (is_ours(s))
		lost_by_us += (uint64_t)lost;
	if (a->delivered)
		bench_add(s->per_delivery, cpu / (double)a->delivered);
	bench_add(s->per_notify, cpu / n);
	bench_add(&s->figures[DELIVERED], 1e3 * (double)a->delivered / (double)a->wall);
	bench_add(&s->figures[CONFLATED], a->delivered ? n / (double)a->delivered : 0);
	bench_add(&s->figures[RECEIVER], (double)a->cpu_receiver / cpu);
	bench_add(&s->figures[CALLS], 1e6 * (double)a->calls / n);
	bench_add(&s->figures[LOSSES], lost);
}

/* Filled by the run of the other row, where there is one. */
static void filled(struct bench_row *row)
{
	(void)row;
}

static void name_row(char *name, unsigned producers, int per_notify, const char *rival)
{
	snprintf(name, 80, "%u to one, a %s: %s", producers, per_notify ? "notify" : "delivery",
		rival);
}

static void add_row(struct storm *s, size_t crowd, int per_notify)
{
	struct bench_row *row = &rows[count];

	name_row(names[count], s->arena.producers, per_notify, s->arena.name);
	*row = (struct bench_row){.name = names[count],
		.n = 1,
		.state = s,
		.batch = per_notify && s->per_delivery ? filled : run,
		.rival = ours[crowd][per_notify],
		.skipped = s->arena.rival ? NULL : "not installed"};
	if (crowd > 0)
		row->every = 3;
	if (is_ours(s))
		row->rival = per_notify ? floors[crowd] : best[crowd];
	if (crowd == 0 && !per_notify && strcmp(s->arena.name, RIVAL_OURS) == 0)
		row->most = 1;
	if (!per_notify && strcmp(s->arena.name, RIVAL_WAIT) == 0) {
		row->rival = waits[crowd];
		row->most = crowd == 0 ? 1.05 : 0;
	}
	if (per_notify)
		s->per_notify = row;
	else
		s->per_delivery = row;
	count++;
}

static bool fits(const struct rival_entry *entry, unsigned producers, const char *only)
{
	return (!only || strcmp(only, entry->name) == 0) &&
	       (!entry->rival || !entry->rival->single_producer || producers == 1);
}

static bool is_silent(const struct rival_entry *entry)
{
	return entry->rival && entry->rival->silent;
}

static void add_crowd(size_t crowd, const char *only)
{
	unsigned producers = crowds[crowd];
	int kind;
	size_t i;

	name_row(ours[crowd][0], producers, 0, RIVAL_OURS);
	name_row(ours[crowd][1], producers, 1, RIVAL_OURS);
	name_row(floors[crowd], producers, 1, rivals[0].name);
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; rivals[i].name; i++) {
			storms[crowd][i].arena = (struct arena){.name = rivals[i].name,
				.rival = rivals[i].rival,
				.tokens = TOKENS,
				.producers = producers,
				.produce = produce,
				.deliver = deliver};
			if (fits(&rivals[i], producers, only) && (kind || !is_silent(&rivals[i])))
				add_row(&storms[crowd][i], crowd, kind);
		}
	}
}

/* Beside the row: the medians of the figures. Of the others, who is best? And of the two ways to wait
 * that do not adapt? */
static void conclude(size_t crowd)
{
	double least = INFINITY, least_wait = INFINITY, figure;
	size_t i, f, length;

	for (i = 0; rivals[i].name; i++) {
		struct storm *s = &storms[crowd][i];
		struct bench_row *row = s->per_notify;

		if (!row || !row->taken)
			continue;
		for (f = length = 0; f < FIGURES; f++) {
			const struct bench_row *from = &s->figures[f];

			figure = bench_quantile(from->samples, from->taken, f == LOSSES ? 1 : 0.5);
			length += (size_t)snprintf(row->notes + length, sizeof(row->notes) - length,
				"%s%s=%.4g", f ? ";" : "", figure_names[f], figure);
			free(from->samples);
		}
		row = s->per_delivery;
		if (!row || !row->taken)
			continue;
		figure = bench_quantile(row->samples, row->taken, 0.5);
		if (!is_ours(s) && figure < least) {
			least = figure;
			strcpy(best[crowd], row->name);
		}
		if (is_wait(s) && figure < least_wait) {
			least_wait = figure;
			strcpy(waits[crowd], row->name);
		}
	}
}

/* For strace: one run, and how many notifies that were. */
static int run_once(const char *only)
{
	size_t i;

	for (i = 0; rivals[i].name; i++)
		if (rivals[i].rival && strcmp(rivals[i].name, only) == 0)
			break;
	if (!rivals[i].name || arena_run(&storms[0][i].arena) < 0)
		return EXIT_FAILURE;
	printf("notified\t%llu\n", (unsigned long long)storms[0][i].arena.notified);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 15, .n = 30};
	struct bench_table table = {
		.title = "a storm, ns of processor time, of producers and receiver",
		.rows = rows,
		.quantile = BENCH_PAIRS};
	size_t crowd;
	int missed;

	bench_options(&o, argc, argv);
	arena_raise_limits();
	duration = (int64_t)o.n * 1000000;
	draw();
	for (crowd = 0; crowd < CROWDS; crowd++)
		add_crowd(crowd, o.only);
	if (count == 0) {
		fprintf(stderr, "no rival is called '%s'\n", o.only);
		return EXIT_FAILURE;
	}
	if (o.once)
		return run_once(o.only ? o.only : RIVAL_OURS);
	table.count = count;
	bench_rounds(&table, o.rounds);
	for (crowd = 0; crowd < CROWDS; crowd++)
		conclude(crowd);
	missed = bench_report(&table, &o);
	if (lost_by_us)
		fprintf(stderr, "doorbell lost %llu updates\n", (unsigned long long)lost_by_us);
	return lost_by_us ? LOST : missed;
}
