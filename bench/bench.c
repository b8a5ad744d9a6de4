/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench.h"

#define QUIET 0.1 /* the quantile that rows are compared by: see bench.h */

int64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void print_cpu(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256], *colon;

	while (f && fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon) {
			printf("cpu      %s", colon + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

static void print_head(size_t rounds)
{
	struct utsname u;

	print_cpu();
	if (uname(&u) == 0)
		printf("kernel   %s %s\n", u.release, u.machine);
	printf("compiler %s\n", __VERSION__);
	printf("commit   %s\n", BENCH_COMMIT);
	printf("rounds   %zu, rows interleaved, threads not pinned\n\n", rounds);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct bench_row *row, size_t rounds, double q)
{
	return row->samples[(size_t)(q * (double)(rounds - 1))];
}

static int print_row(const struct bench_row *rows, const struct bench_row *row, size_t rounds)
{
	double p10 = quantile(row, rounds, QUIET), ratio;

	printf("%-28s %7zu %8.2f %8.2f %8.2f", row->name, row->n, p10, quantile(row, rounds, 0.5),
		quantile(row, rounds, 0.99));
	if (row->rival < 0) {
		printf("\n");
		return 0;
	}
	ratio = p10 / quantile(&rows[row->rival], rounds, QUIET);
	printf("  %-16s %6.2f", rows[row->rival].name, ratio);
	if (row->most > 0)
		printf(" %6.2f %s", row->most, ratio <= row->most ? "met" : "MISSED");
	printf("\n");
	return row->most > 0 && ratio > row->most;
}

int bench_run(struct bench_row *rows, size_t count, size_t rounds)
{
	int missed = 0;
	size_t r, i;

	for (i = 0; i < count; i++) {
		rows[i].samples = calloc(rounds, sizeof(double));
		if (!rows[i].samples)
			exit(EXIT_FAILURE);
		rows[i].batch(rows[i].state, rows[i].n); /* warm up */
	}
	for (r = 0; r < rounds; r++)
		for (i = 0; i < count; i++)
			rows[i].samples[r] =
				(double)rows[i].batch(rows[i].state, rows[i].n) / (double)rows[i].n;
	print_head(rounds);
	printf("%-28s %7s %8s %8s %8s  %-16s %6s %6s\n", "operation, ns each", "n", "p10", "p50",
		"p99", "compared with", "ratio", "most");
	for (i = 0; i < count; i++)
		qsort(rows[i].samples, rounds, sizeof(double), by_value);
	for (i = 0; i < count; i++)
		missed += print_row(rows, &rows[i], rounds);
	for (i = 0; i < count; i++)
		free(rows[i].samples);
	return missed;
}
