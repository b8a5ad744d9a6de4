/* SPDX-License-Identifier: MIT
 *
 * bench.c: rows of samples, and their table.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench.h"

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t bench_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* -- the command line ------------------------------------------------------------------------ */

static size_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || value > UINT32_MAX) {
		fprintf(stderr, "not a number up to %u: %s\n", UINT32_MAX, text);
		exit(EXIT_FAILURE);
	}
	return value;
}

void bench_options(struct bench_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"rounds", required_argument, NULL, 'r'},
		{"n", required_argument, NULL, 'n'},
		{"only", required_argument, NULL, 'o'},
		{"once", no_argument, NULL, '1'},
		{"tsv", no_argument, NULL, 't'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			o->rounds = number(optarg);
			break;
		case 'n':
			o->n = number(optarg);
			break;
		case 'o':
			o->only = optarg;
			break;
		case '1':
			o->once = true;
			break;
		case 't':
			o->tsv = true;
			break;
		default:
			o->rounds = 0;
		}
	}
	if (o->rounds == 0 || optind < argc) {
		fprintf(stderr, "usage: %s [--rounds N] [--n N] [--only NAME] [--once] [--tsv]\n",
			argv[0]);
		exit(EXIT_FAILURE);
	}
}

/* -- samples --------------------------------------------------------------------------------- */

void bench_add(struct bench_row *row, double sample)
{
	if (row->taken == row->room) {
		row->room = row->room ? 2 * row->room : 64;
		row->samples = realloc(row->samples, row->room * sizeof(double));
		if (!row->samples)
			exit(EXIT_FAILURE);
	}
	row->samples[row->taken++] = sample;
}

void bench_add_since(struct bench_row *row, int64_t start)
{
	bench_add(row, (double)(bench_now() - start) / (double)row->n);
}

static void next_round(struct bench_table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		struct bench_row *row = &t->rows[i];

		if (!row->skipped && (!row->every || t->rounds % row->every == 0))
			row->batch(row);
	}
	for (i = 0; i < t->count; i++) /* a batch may fill another row, too */
		t->rows[i].ends[t->rounds] = t->rows[i].taken;
	t->rounds++;
}

void bench_rounds(struct bench_table *t, size_t rounds)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		t->rows[i].ends = calloc(rounds, sizeof(size_t));
		if (!t->rows[i].ends)
			exit(EXIT_FAILURE);
		if (t->rows[i].skipped)
			continue;
		t->rows[i].batch(&t->rows[i]); /* warm up */
	}
	for (i = 0; i < t->count; i++)
		t->rows[i].taken = 0;
	while (t->rounds < rounds)
		next_round(t);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double sorted_quantile(const double *samples, size_t taken, double q)
{
	return samples[(size_t)(q * (double)(taken - 1) + 0.5)];
}

double bench_quantile(const double *samples, size_t taken, double q)
{
	double *sorted = malloc(taken * sizeof(double)), found;

	if (!sorted)
		exit(EXIT_FAILURE);
	memcpy(sorted, samples, taken * sizeof(double));
	qsort(sorted, taken, sizeof(double), by_value);
	found = sorted_quantile(sorted, taken, q);
	free(sorted);
	return found;
}

/* -- the report ------------------------------------------------------------------------------ */

static void print_head(const struct bench_table *t, const struct bench_options *o)
{
	char line[256] = "", *colon = NULL;
	FILE *f = fopen("/proc/cpuinfo", "re");
	struct utsname u = {0};

	while (f && fgets(line, sizeof(line), f)) {
		colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
		if (colon)
			break;
	}
	if (f)
		fclose(f);
	if (colon)
		colon[strcspn(colon, "\n")] = '\0';
	uname(&u);
	if (o->tsv) {
		printf("head\tcpu\t%s\nhead\tcpus\t%u\n", colon ? colon + 2 : u.machine,
			bench_cpus());
		printf("head\tkernel\t%s %s\n", u.release, u.machine);
		printf("head\tcompiler\t%s\nhead\tbuilt\t%s\n", __VERSION__, BENCH_BUILD);
		printf("head\tcommit\t%s\n", BENCH_COMMIT);
		return;
	}
	printf("cpu      %s, %u of them\n", colon ? colon + 2 : u.machine, bench_cpus());
	printf("kernel   %s %s\n", u.release, u.machine);
	printf("compiler %s, %s\ncommit   %s\n", __VERSION__, BENCH_BUILD, BENCH_COMMIT);
	printf("%s\n\n%-52s %7s %9s %9s %9s %6s %7s\n", t->title, "", "n", "p10", "p50", "p99",
		"spread", "ratio");
}

/* NULL if there is none, or nothing was measured. */
static const struct bench_row *rival_of(const struct bench_table *t, const struct bench_row *row)
{
	size_t i;

	for (i = 0; row->rival && i < t->count; i++)
		if (t->rows[i].taken && strcmp(t->rows[i].name, row->rival) == 0)
			return &t->rows[i];
	return NULL;
}

/* The median of what a row took in one round; 0: nothing. */
static double of_round(const struct bench_row *row, size_t round)
{
	const size_t first = round ? row->ends[round - 1] : 0, taken = row->ends[round] - first;

	return taken ? bench_quantile(row->samples + first, taken, 0.5) : 0;
}

/* Of a row to its rival. 0: there is none, or it is nothing, as the bytes of a sanitizer's malloc. */
static double ratio_of(const struct bench_table *t, const struct bench_row *row)
{
	const struct bench_row *rival = rival_of(t, row);
	struct bench_row pairs = {0};
	double mine, than, ratio = 0;
	size_t r;

	if (rival && t->quantile != BENCH_PAIRS) {
		than = bench_quantile(rival->samples, rival->taken, t->quantile);
		return than > 0 ? bench_quantile(row->samples, row->taken, t->quantile) / than : 0;
	}
	for (r = 0; rival && r < t->rounds; r++) {
		than = of_round(rival, r);
		mine = of_round(row, r);
		if (than > 0 && mine > 0)
			bench_add(&pairs, mine / than);
	}
	if (pairs.taken)
		ratio = bench_quantile(pairs.samples, pairs.taken, 0.5);
	free(pairs.samples);
	return ratio;
}

static void print_quantiles(const struct bench_row *row)
{
	int i;

	for (i = 0; i <= 100; i += 5)
		printf("%c%.5g", i ? ',' : '\t',
			sorted_quantile(row->samples, row->taken, i == 100 ? 0.99 : i / 100.0));
	printf("\n");
}

static int print_row(
	const struct bench_table *t, const struct bench_row *row, const struct bench_options *o)
{
	const struct bench_row *rival = rival_of(t, row);
	const char *unit = row->unit ? row->unit : "ns";
	const double ratio = row->ratio;
	double p10, p50, p90, p99, spread;

	if (row->taken == 0) {
		const char *why = row->skipped ? row->skipped : "nothing measured";

		printf(o->tsv ? "skip\t%s\t%s\n" : "%-52s skipped: %s\n", row->name, why);
		return 0;
	}
	p10 = sorted_quantile(row->samples, row->taken, 0.1);
	p50 = sorted_quantile(row->samples, row->taken, 0.5);
	p90 = sorted_quantile(row->samples, row->taken, 0.9);
	p99 = sorted_quantile(row->samples, row->taken, 0.99);
	spread = p50 > 0 ? (p90 - p10) / p50 : 0;
	if (o->tsv) {
		printf("row\t%s\t%s\t%zu\t%zu\t%g\t%.6g\t%.6g\t%.6g\t%.4g\t%s\t%.6g\t%g\t%s",
			row->name, unit, row->n, row->taken, t->quantile, p10, p50, p99, spread,
			rival ? rival->name : "", ratio, row->most, row->notes);
		print_quantiles(row);
		return row->most > 0 && ratio > row->most;
	}
	printf("%-52s %7zu %9.2f %9.2f %9.2f %5.0f%%", row->name, row->n, p10, p50, p99,
		100 * spread);
	if (rival)
		printf(" %7.2f of %s", ratio, rival->name);
	if (rival && row->most > 0)
		printf(", promised %.2f: %s", row->most, ratio <= row->most ? "met" : "MISSED");
	printf(row->notes[0] ? "\n    %s\n" : "\n", row->notes);
	return rival && row->most > 0 && ratio > row->most;
}

int bench_report(struct bench_table *t, const struct bench_options *o)
{
	int missed = 0;
	size_t i;

	print_head(t, o);
	for (i = 0; i < t->count; i++) /* first all: to sort the samples forgets the rounds */
		if (t->rows[i].taken)
			t->rows[i].ratio = ratio_of(t, &t->rows[i]);
	for (i = 0; i < t->count; i++)
		if (t->rows[i].taken)
			qsort(t->rows[i].samples, t->rows[i].taken, sizeof(double), by_value);
	for (i = 0; i < t->count; i++)
		missed += print_row(t, &t->rows[i], o);
	for (i = 0; i < t->count; i++) {
		free(t->rows[i].samples);
		free(t->rows[i].ends);
	}
	return missed;
}
