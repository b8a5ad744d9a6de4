/* SPDX-License-Identifier: MIT
 *
 * bench/queue.c: what notify and poll cost one thread, beside the floor they stand on: an uncontended
 * exchange, of which a new notify cannot do with less than two. Usage: queue [ROUNDS]
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#define TOKENS 4096

static uint32_t taken[TOKENS];
static uint8_t cell[2];

static int64_t exchange_once(void *state, size_t n)
{
	int64_t start = bench_now();
	size_t i;

	(void)state;
	for (i = 0; i < n; i++)
		(void)bell_exchange_acq_rel(&cell[0], 1);
	return bench_now() - start;
}

static int64_t exchange_twice(void *state, size_t n)
{
	int64_t start = bench_now();
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		(void)bell_exchange_acq_rel(&cell[0], 1);
		(void)bell_exchange_acq_rel(&cell[1], 1);
	}
	return bench_now() - start;
}

/* Nothing but plain instructions, as many as an empty poll has: how much the machine is disturbed. */
static int64_t plain(void *state, size_t n)
{
	unsigned a = 0, b = 0, c = 0, d = 0;
	int64_t start = bench_now();
	size_t i;

	(void)state;
	for (i = 0; i < 2 * n; i++) {
		a++, b++, c++, d++;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	return bench_now() - start;
}

static void drain(struct bell_queue *q)
{
	while (bell_queue_poll(q, taken, TOKENS))
		;
}

static void fill(struct bell_queue *q, size_t n)
{
	uint32_t token;

	for (token = 0; token < n; token++)
		bell_queue_notify(q, token);
}

static int64_t notify_new(void *state, size_t n)
{
	int64_t start, end;

	drain(state);
	start = bench_now();
	fill(state, n);
	end = bench_now();
	return end - start;
}

static int64_t notify_conflated(void *state, size_t n)
{
	int64_t start;
	size_t i;

	bell_queue_notify(state, 7);
	start = bench_now();
	for (i = 0; i < n; i++)
		bell_queue_notify(state, 7);
	return bench_now() - start;
}

static int64_t poll_full(void *state, size_t n)
{
	int64_t start;

	drain(state);
	fill(state, n);
	start = bench_now();
	if (bell_queue_poll(state, taken, n) != n)
		exit(EXIT_FAILURE);
	return bench_now() - start;
}

static int64_t poll_empty(void *state, size_t n)
{
	int64_t start;
	size_t i, found = 0;

	drain(state);
	start = bench_now();
	for (i = 0; i < n; i++)
		found += bell_queue_poll(state, taken, TOKENS);
	if (found)
		exit(EXIT_FAILURE);
	return bench_now() - start;
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 50000;
	struct bell_queue *q;
	int missed;

	if (rounds == 0 || bell_queue_new(&q, TOKENS, 0) < 0) {
		fprintf(stderr, "usage: queue [ROUNDS], a whole number above 0\n");
		return EXIT_FAILURE;
	}
	/* Leave the state "armed": the benchmark is of a receiver that is awake. */
	bell_queue_notify(q, 0);
	drain(q);
	missed = bench_run(
		(struct bench_row[]){
			{"one exchange", exchange_once, NULL, TOKENS, -1, 0, NULL},
			{"two exchanges", exchange_twice, NULL, TOKENS, -1, 0, NULL},
			{"eight plain instructions", plain, NULL, TOKENS, -1, 0, NULL},
			{"notify, new", notify_new, q, TOKENS, 1, 1.10, NULL},
			{"notify, conflated", notify_conflated, q, TOKENS, 0, 1.00, NULL},
			{"poll, a token, 8 ready", poll_full, q, 8, 0, 0, NULL},
			{"poll, a token, 64 ready", poll_full, q, 64, 0, 0, NULL},
			{"poll, a token, 512 ready", poll_full, q, 512, 0, 0.65, NULL},
			{"poll, a token, 4096 ready", poll_full, q, 4096, 0, 0.65, NULL},
			{"poll, empty", poll_empty, q, TOKENS, 0, 0, NULL},
		},
		10, rounds);
	bell_queue_unref(q);
	return missed;
}
