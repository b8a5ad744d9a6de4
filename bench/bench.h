/* SPDX-License-Identifier: MIT
 *
 * bench.h: how every benchmark here measures and reports.
 *
 * The machines are shared and noisy, so a figure alone means little. All rows of a program run
 * interleaved, a short batch of each in turn, and a row is given beside the row it is to be compared
 * with, from one run, in one of two ways:
 *
 *  - By a quantile of both. For what one thread does that is the lower decile, for others on the machine
 *    can only add to what an operation costs, and do not add alike: a neighbour on the other half of a
 *    processor's core slows plain instructions down to half, and locked ones not at all.
 *  - In pairs, where threads meet: what it costs to reach another processor changes from one moment to
 *    the next, down as well as up. The median, over the rounds, of the ratio within each round.
 *
 * A program prints a table for people, or with --tsv a line a row for run.py.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_row {
	const char *name;
	const char *unit; /* of a sample, less is better; NULL: ns */
	size_t n;	  /* operations that a sample is the mean of */
	size_t every;	  /* run in every so many-th round only, for it takes long; 0: in each */
	/* Does its n operations and calls bench_add(); set-up is left out of the time. */
	void (*batch)(struct bench_row *row);
	void *state;
	const char *rival;   /* name of the row to compare with, or NULL */
	double most;	     /* the ratio that is promised, or 0 */
	const char *skipped; /* why there is nothing to measure, or NULL */
	char notes[160];     /* figures beside: "name=value;name=value" */

	double *samples;
	size_t taken, room;
	size_t *ends; /* how many samples there were after each round */
	double ratio;
};

struct bench_table {
	const char *title; /* what the rows of this program have in common */
	struct bench_row *rows;
	size_t count;
	double quantile; /* that rows are compared by, or BENCH_PAIRS */
	size_t rounds;	 /* done so far */
};

struct bench_options {
	size_t rounds;
	size_t n;	  /* of a run: notifies of the trickle, milliseconds of the storm */
	const char *only; /* the one rival to measure, where there are some, or NULL */
	bool once;	  /* run it once and print no table, for strace */
	bool tsv;
};

/* The quantile of times: the quiet tenth of the rounds. */
#define BENCH_QUIET 0.1

/* In pairs. */
#define BENCH_PAIRS 0.0

/* CLOCK_MONOTONIC, and the processor time of this thread, in nanoseconds. */
int64_t bench_now(void);
int64_t bench_cpu(void);

/* Fills what the command line says into o, which holds the defaults; ends the program if it is wrong. */
void bench_options(struct bench_options *o, int argc, char **argv);

void bench_add(struct bench_row *row, double sample);

/* Adds the mean of the row's n operations, which began at start and end now. */
void bench_add_since(struct bench_row *row, int64_t start);

/* Runs each row's batch in turn, for so many rounds. */
void bench_rounds(struct bench_table *t, size_t rounds);

/* Prints the table and frees the samples. Returns how many promised ratios were missed. */
int bench_report(struct bench_table *t, const struct bench_options *o);

/* Of samples in any order; taken > 0. */
double bench_quantile(const double *samples, size_t taken, double q);

/* -- threads --------------------------------------------------------------------------------- */

/* How many processors this process may use. */
unsigned bench_cpus(void);

/* Pins this thread to one of them: self modulo how many there are. */
void bench_pin(unsigned self);

/* So many threads at work at once, each pinned to the processor self modulo how many there are. */
struct bench_team {
	void (*work)(struct bench_team *team, unsigned self);
	void *state;
	unsigned size;
	uint32_t arrived, gate; /* of bench_gate() */
};

/* Starts the threads and waits for their end. */
void bench_together(struct bench_team *team);

/* Holds each thread of the team until the last has come: spinning, so that they start as one. */
void bench_gate(struct bench_team *team);

#endif
