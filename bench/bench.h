/* SPDX-License-Identifier: MIT
 *
 * bench.h: how every benchmark here measures and reports.
 *
 * The machines are shared and noisy, so a figure alone means little. All rows of a program run
 * interleaved, a short batch of each in turn, and each row is given beside the row it is to be
 * compared with: the ratio of their lower deciles, from one run. The lower decile, for others on the
 * machine can only add to what an operation costs, and do not add alike: a neighbour on the other
 * half of a processor's core slows plain instructions down to half, and locked ones not at all.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

struct bench_row {
	const char *name;
	/* Does n operations and returns the nanoseconds they took; set-up is left out. */
	int64_t (*batch)(void *state, size_t n);
	void *state;
	size_t n;	 /* operations a batch */
	int rival;	 /* index of the row to compare with, or -1 */
	double most;	 /* the ratio that is promised, or 0 */
	double *samples; /* ns an operation, one a round */
};

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t bench_now(void);

/* Runs each row's batch in turn, for so many rounds, and prints the table with its head.
 * Returns how many promised ratios were missed. */
int bench_run(struct bench_row *rows, size_t count, size_t rounds);

#endif
