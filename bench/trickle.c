/* SPDX-License-Identifier: MIT
 *
 * bench/trickle.c: one notify in a millisecond: how long until its token is delivered, and how much
 * processor time that takes: the receiver, and both sides, the producer's timer included. Compared by the
 * median: each latency is a sample, not a mean.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"

#define TOKENS 4096
#define ROWS   96
#define RIVALS 32
#define PERIOD 1000000 /* ns */
#define BARE   "eventfd for each token"
#define ALLOWED "spinning: allowed, 1 % of a processor"

enum { LATENCY, CPU, RECEIVER, KINDS };
static const char *const kinds[KINDS] = {"latency: ", "cpu: ", "receiver: "};

struct trickle {
	struct arena arena;
	struct bench_row *rows[KINDS];
};

static struct trickle trickles[RIVALS];
static struct bench_row rows[ROWS];
static char names[ROWS][64], bares[KINDS][64];
static size_t notifies, count;
static int64_t sent; /* when the last one was */

static uint64_t produce(struct arena *a, unsigned self)
{
	struct timespec next;
	uint32_t i;

	(void)self;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; i < notifies; i++) {
		next.tv_nsec += PERIOD;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		bell_store_relaxed(&sent, bench_now());
		arena_notify(a, i * 2654435761U % TOKENS);
	}
	return notifies;
}

static void deliver(struct arena *a, uint32_t token)
{
	struct trickle *t = a->userdata;

	(void)token;
	bench_add(t->rows[LATENCY], (double)(bench_now() - bell_load_relaxed(&sent)));
}

static void run(struct bench_row *row)
{
	struct trickle *t = row->state;
	const struct arena *a = &t->arena;
	int error = arena_run(&t->arena), kind;

	for (kind = 0; kind < KINDS && error < 0; kind++)
		if (t->rows[kind])
			t->rows[kind]->skipped = strerror(-error);
	if (error < 0)
		return;
	bench_add(t->rows[CPU], (double)(a->cpu_producers + a->cpu_receiver) / (double)notifies);
	if (t->rows[RECEIVER])
		bench_add(t->rows[RECEIVER], (double)a->cpu_receiver / (double)notifies);
}

/* Filled by the run of another row of the same rival. */
static void filled(struct bench_row *row)
{
	(void)row;
}

static void add_row(struct trickle *t, int kind)
{
	struct bench_row *row = &rows[count];

	snprintf(names[count], sizeof(names[count]), "%s%s", kinds[kind], t->arena.name);
	*row = (struct bench_row){.name = names[count],
		.n = kind == LATENCY ? 1 : notifies,
		.state = t,
		.batch = kind == LATENCY || !t->rows[LATENCY] ? run : filled,
		.rival = bares[kind],
		.skipped = t->arena.rival ? NULL : "not installed"};
	if (strcmp(row->name, row->rival) == 0)
		row->rival = NULL;
	if (kind == RECEIVER && strcmp(t->arena.name, RIVAL_WAIT) == 0) {
		row->rival = "receiver: " RIVAL_UNSPUN;
		row->most = 1.1;
	}
	t->rows[kind] = row;
	count++;
}

static const struct bench_row *receiver_of(const char *name)
{
	static const struct bench_row none;
	size_t i;

	for (i = 0; rivals[i].name; i++)
		if (strcmp(rivals[i].name, name) == 0 && trickles[i].rows[RECEIVER])
			return trickles[i].rows[RECEIVER];
	return &none;
}

/* What a receiver that adapts spends beyond one that never spins, in the same round. */
static void add_spinning(void)
{
	const struct bench_row *wait = receiver_of(RIVAL_WAIT), *unspun = receiver_of(RIVAL_UNSPUN);
	struct bench_row *allowed = &rows[count++], *burnt = &rows[count++];
	size_t r;

	*allowed = (struct bench_row){.name = ALLOWED, .n = notifies};
	*burnt = (struct bench_row){
		.name = "spinning: " RIVAL_WAIT, .n = notifies, .rival = ALLOWED, .most = 1};
	for (r = 0; r < wait->taken && r < unspun->taken; r++) {
		const double more = wait->samples[r] - unspun->samples[r];

		bench_add(allowed, PERIOD / 100.0);
		bench_add(burnt, more > 0 ? more : 0);
	}
}

static bool fits(const struct rival_entry *entry, const char *only)
{
	return !only || strcmp(only, entry->name) == 0;
}

/* It has nothing to measure but the producer. */
static bool is_silent(const struct rival_entry *entry)
{
	return entry->rival && entry->rival->silent;
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 3, .n = 200};
	struct bench_table table = {
		.title = "a notify in a millisecond, ns", .rows = rows, .quantile = 0.5};
	size_t i;
	int kind;

	bench_options(&o, argc, argv);
	arena_raise_limits();
	notifies = o.n;
	for (kind = 0; kind < KINDS; kind++) {
		snprintf(bares[kind], sizeof(bares[kind]), "%s%s", kinds[kind], BARE);
		for (i = 0; rivals[i].name; i++) {
			trickles[i].arena = (struct arena){.name = rivals[i].name,
				.rival = rivals[i].rival,
				.tokens = TOKENS,
				.producers = 1,
				.produce = produce,
				.deliver = deliver,
				.userdata = &trickles[i]};
			if (fits(&rivals[i], o.only) && (kind == CPU || !is_silent(&rivals[i])))
				add_row(&trickles[i], kind);
		}
	}
	if (count == 0) {
		fprintf(stderr, "no rival is called '%s'\n", o.only);
		return EXIT_FAILURE;
	}
	table.count = count;
	bench_rounds(&table, o.rounds);
	if (!o.only)
		add_spinning();
	table.count = count;
	return bench_report(&table, &o);
}
