/* SPDX-License-Identifier: MIT
 *
 * demo_report.c: what people see of a run: the line of progress and the table. Latencies are kept in
 * buckets, 32 for each power of two: 3 percent is close enough, and memory does not grow.
 */
#include <inttypes.h>
#include <stdio.h>

#include "demo.h"

enum { FINE_BITS = 5, FINE = 1 << FINE_BITS };

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < FINE)
		return (unsigned)ns;
	shift = 63 - FINE_BITS - (unsigned)__builtin_clzll(ns);
	return (shift << FINE_BITS) + (unsigned)(ns >> shift);
}

static uint64_t bucket_start(unsigned bucket)
{
	unsigned shift = bucket < 2 * FINE ? 0 : (bucket >> FINE_BITS) - 1;

	return (uint64_t)(bucket - (shift << FINE_BITS)) << shift;
}

void latencies_add(struct latencies *l, uint64_t ns)
{
	l->count++;
	l->buckets[bucket_of(ns)]++;
	if (ns > l->max)
		l->max = ns;
}

/* What percent of the latencies do not exceed, to within a bucket. */
static uint64_t percentile(const struct latencies *l, unsigned percent)
{
	uint64_t below = 0, wanted = (l->count * percent + 99) / 100;
	unsigned i = 0;

	while (below < wanted)
		below += l->buckets[i++];
	return i == 0 ? 0 : bucket_start(i - 1);
}

void report_progress(const struct server *s, bool last)
{
	if (last)
		fprintf(stderr, "\r%60s\r", "");
	else if (demo_now() - s->start > 1000000000)
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " lines answered", s->answered,
			s->n_lines);
}

/* -- the table -------------------------------------------------------------------------------- */

static void row(const char *name, uint64_t n, const char *unit)
{
	printf("%-24s %12" PRIu64 "%s\n", name, n, unit);
}

static void row_fraction(const char *name, double x, const char *unit)
{
	printf("%-24s %12.1f%s\n", name, x, unit);
}

void report(const struct server *s, uint64_t passes, uint64_t ns)
{
	const struct latencies *l = &s->latencies;
	struct bell_queue_stats stats;
	uint64_t n_new = 0, n_conflated = 0;
	uint32_t i;

	bell_queue_stats(s->queue, &stats);
	for (i = 0; i < s->n_workers; i++) {
		n_new += s->workers[i].n_new;
		n_conflated += s->workers[i].n_conflated;
	}
	printf("%-24s %12s\n", "loop", s->loop->name);
	row("workers", s->n_workers, "");
	row("clients", s->n_clients, "");
	row("passes over the files", passes, "");
	row("lines answered", s->answered, "");
	row("notifies", n_new + n_conflated, "");
	row("  new", n_new, "");
	row("  conflated", n_conflated, "");
	row("eventfd writes", stats.rings, " by notifiers");
	row_fraction("writes saved",
		100 - 100 * (double)stats.rings / (double)(n_new + n_conflated),
		" % of one write a notify");
	row("wake-ups by the bell", s->wakes, "");
	row_fraction("notify to poll, p50", (double)percentile(l, 50) / 1000, " us");
	row_fraction("                p99", (double)percentile(l, 99) / 1000, " us");
	row_fraction("                max", (double)l->max / 1000, " us");
	row("lines a second", (uint64_t)((double)s->answered * 1e9 / (double)ns), "");
}
