/* SPDX-License-Identifier: MIT
 *
 * bench/rivals.c: what one notify costs its thread, ours beside the real libraries, with a loop that does
 * not sleep: one token after the other, each new; and one token again and again. And what a token
 * costs in memory: what malloc gave when the rival was opened. The kernel's share (an eventfd is
 * about 200 bytes of it, its place in epoll 200 more) is not in that.
 *
 * The loop is in the same thread and runs between the batches. libevent knows that, and does not write
 * to its eventfd; with a loop in a thread of its own it would, once a wake-up.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define TOKENS 1024
#define ROWS   128

struct contender {
	const struct rival *rival;
	void *state;
	size_t notified, delivered;
};

static struct contender contenders[ROWS];
static struct bench_row rows[ROWS];
static char names[ROWS][64];
static size_t count;

static void on_token(void *userdata, uint32_t token)
{
	struct contender *c = userdata;

	(void)token;
	c->delivered++;
}

static void settle(struct contender *c)
{
	int turns = 0;

	while (c->delivered < c->notified && !c->rival->silent && turns++ < 10 * TOKENS)
		c->rival->turn(c->state);
	c->delivered = c->notified = 0;
}

static void notify_new(struct bench_row *row)
{
	struct contender *c = row->state;
	int64_t start = bench_now();
	uint32_t token;

	for (token = 0; token < TOKENS; token++)
		c->rival->notify(c->state, token);
	bench_add_since(row, start);
	c->notified = TOKENS;
	settle(c);
}

static void notify_conflated(struct bench_row *row)
{
	struct contender *c = row->state;
	int64_t start;
	size_t i;

	c->rival->notify(c->state, 7);
	start = bench_now();
	for (i = 0; i < TOKENS; i++)
		c->rival->notify(c->state, 7);
	bench_add_since(row, start);
	c->notified = 1;
	settle(c);
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* What memory costs is found once, and does not change. */
static void keep(struct bench_row *row)
{
	bench_add(row, row->n ? (double)(uintptr_t)row->state / (double)row->n : 0);
}

static struct bench_row *add(const char *kind, const char *name, const char *ours)
{
	struct bench_row *row = &rows[count];

	snprintf(names[count], sizeof(names[count]), "%s: %s", kind, name);
	*row = (struct bench_row){.name = names[count++], .n = TOKENS, .rival = ours};
	return row;
}

static const char *kinds[] = {"new", "conflated", "bytes a token"};
static const char *ours[] = {
	"new: " RIVAL_OURS, "conflated: " RIVAL_OURS, "bytes a token: " RIVAL_OURS};

static void add_rival(size_t i, int kind, const char *why, size_t bytes)
{
	struct bench_row *row = add(kinds[kind], rivals[i].name, ours[kind]);

	row->skipped = why;
	row->state = &contenders[i];
	row->batch = kind == 0 ? notify_new : kind == 1 ? notify_conflated : keep;
	if (strcmp(row->name, row->rival) == 0)
		row->rival = NULL;
	if (kind < 2)
		return;
	row->every = SIZE_MAX;
	row->unit = "byte";
	row->state = (void *)(uintptr_t)bytes;
}

static void add_all(void)
{
	static const char *why[ROWS];
	static size_t bytes[ROWS];
	size_t i;
	int kind, error;

	for (i = 0; rivals[i].name; i++) {
		struct contender *c = &contenders[i];
		const struct receiver r = {.deliver = on_token, .userdata = c, .tokens = TOKENS};

		c->rival = rivals[i].rival;
		why[i] = "not installed";
		if (!c->rival)
			continue;
		bytes[i] = allocated();
		error = c->rival->open(&c->state, &r);
		bytes[i] = allocated() - bytes[i];
		why[i] = error < 0 ? strerror(-error) : NULL;
	}
	for (kind = 0; kind < 3; kind++)
		for (i = 0; rivals[i].name; i++)
			add_rival(i, kind, why[i], bytes[i]);
}

static void add_bytes(const char *name, size_t bytes, const char *rival, double most)
{
	struct bench_row *row = add("bytes", name, rival);

	*row = (struct bench_row){.name = row->name,
		.unit = "byte",
		.n = 1,
		.every = SIZE_MAX,
		.batch = keep,
		.state = (void *)(uintptr_t)bytes,
		.rival = rival,
		.most = most};
}

static size_t bytes_of_queue(uint32_t capacity)
{
	size_t before = allocated(), after;
	struct bell_queue *q;

	if (bell_queue_new(&q, capacity, 0) < 0)
		exit(EXIT_FAILURE);
	after = allocated();
	bell_queue_unref(q);
	return after - before;
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 300};
	struct bench_table table = {
		.title = "one notify, ns; memory, bytes", .rows = rows, .quantile = BENCH_QUIET};
	size_t i;

	bench_options(&o, argc, argv);
	arena_raise_limits();
	add_all();
	add_bytes("promised, 4096 tokens", 5 * 4096 + 1024, NULL, 0);
	add_bytes("a queue, 4096 tokens", bytes_of_queue(4096), "bytes: promised, 4096 tokens", 1);
	/* The ring is a power of two, so the worst is one more than that. */
	add_bytes("a queue, 4097 tokens", bytes_of_queue(4097), "bytes: promised, 4096 tokens", 0);
	table.count = count;
	bench_rounds(&table, o.rounds);
	for (i = 0; rivals[i].name; i++)
		if (contenders[i].state)
			rivals[i].rival->close(contenders[i].state);
	return bench_report(&table, &o);
}
