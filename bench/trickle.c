/* SPDX-License-Identifier: MIT
 *
 * bench/trickle.c: one notify in a millisecond: how long until its token is delivered, and how much
 * processor time both sides take for it, the producer's timer included. Compared by the
 * median: each latency is a sample, not a mean.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"

#define TOKENS 4096
#define ROWS   64
#define PERIOD 1000000 /* ns */
#define BARE   "eventfd for each token"

struct trickle {
	struct arena arena;
	struct bench_row *latency, *cpu;
};

static struct trickle trickles[ROWS];
static struct bench_row rows[2 * ROWS];
static char names[2 * ROWS][64];
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
	bench_add(t->latency, (double)(bench_now() - bell_load_relaxed(&sent)));
}

static void run(struct bench_row *row)
{
	struct trickle *t = row->state;
	int error;

	error = arena_run(&t->arena);
	if (error < 0) {
		t->cpu->skipped = strerror(-error);
		if (t->latency)
			t->latency->skipped = t->cpu->skipped;
		return;
	}
	bench_add(t->cpu,
		(double)(t->arena.cpu_producers + t->arena.cpu_receiver) / (double)notifies);
}

/* Filled by the run of the other row, where there is one. */
static void filled(struct bench_row *row)
{
	(void)row;
}

static void add_row(struct trickle *t, const char *kind, struct bench_row **ret_row)
{
	struct bench_row *row = &rows[count];
	const bool latency = ret_row == &t->latency;

	snprintf(names[count], sizeof(names[count]), "%s: %s", kind, t->arena.name);
	*row = (struct bench_row){.name = names[count],
		.n = latency ? 1 : notifies,
		.state = t,
		.batch = latency || !t->latency ? run : filled,
		.rival = latency ? "latency: " BARE : "cpu: " BARE,
		.skipped = t->arena.rival ? NULL : "not installed"};
	if (strcmp(row->name, row->rival) == 0)
		row->rival = NULL;
	*ret_row = row;
	count++;
}

static bool fits(const struct rival_entry *entry, const char *only)
{
	return !only || strcmp(only, entry->name) == 0;
}

/* It has no latency to measure. */
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

	bench_options(&o, argc, argv);
	arena_raise_limits();
	notifies = o.n;
	for (i = 0; rivals[i].name; i++) {
		trickles[i].arena = (struct arena){.name = rivals[i].name,
			.rival = rivals[i].rival,
			.tokens = TOKENS,
			.producers = 1,
			.produce = produce,
			.deliver = deliver,
			.userdata = &trickles[i]};
		if (fits(&rivals[i], o.only) && !is_silent(&rivals[i]))
			add_row(&trickles[i], "latency", &trickles[i].latency);
	}
	for (i = 0; rivals[i].name; i++)
		if (fits(&rivals[i], o.only))
			add_row(&trickles[i], "cpu", &trickles[i].cpu);
	table.count = count;
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
