/* SPDX-License-Identifier: MIT
 *
 * collector_helpers.h: what the tests of the collector share: making one, and a consumer that keeps what
 * it is handed. It asserts, so it is for the main thread of a test.
 */
#ifndef UNIT_COLLECTOR_HELPERS_H
#define UNIT_COLLECTOR_HELPERS_H

#include "helpers.h"

/* What was handed out: numbers of 32 bits, and MARK for a flush mark. */
#define MARK UINT32_MAX
struct gathered {
	size_t n;
	uint32_t records[4096];
};

static inline struct bell_collector *collector_of(
	uint32_t records, uint32_t producers, unsigned flags)
{
	const struct bell_collector_options options = {.record_size = sizeof(uint32_t),
		.records_per_producer = records,
		.max_producers = producers,
		.batch = 4,
		.flags = flags};
	struct bell_collector *c = NULL;

	ck_assert_int_eq(bell_collector_new(&c, &options), 0);
	ck_assert_ptr_nonnull(c);
	return c;
}

static inline struct bell_producer *producer_of(struct bell_collector *c)
{
	struct bell_producer *p = NULL;

	ck_assert_int_eq(bell_producer_new(&p, c), 0);
	ck_assert_ptr_nonnull(p);
	return p;
}

static inline struct bell_collector_stats stats_of_collector(const struct bell_collector *c)
{
	struct bell_collector_stats stats;

	bell_collector_stats(c, &stats);
	return stats;
}

static inline int try_number(struct bell_producer *p, uint32_t number)
{
	return bell_producer_try_submit(p, &number);
}

static inline void submit_all(struct bell_producer *p, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(try_number(p, first + i), 0);
}

static inline void gather(void *userdata, const void *record)
{
	struct gathered *g = userdata;

	if (g->n < sizeof(g->records) / sizeof(*g->records))
		g->records[g->n++] = record ? *(const uint32_t *)record : MARK;
}

/* One drain of up to max hands out exactly these. */
static inline void expect_records(
	struct bell_collector *c, size_t max, const uint32_t *numbers, size_t n)
{
	struct gathered g = {0};
	size_t i, records = 0;
	ssize_t r = bell_collector_drain(c, max, gather, &g);

	ck_assert_uint_eq(g.n, n);
	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(g.records[i], numbers[i]);
		records += numbers[i] != MARK;
	}
	ck_assert_int_eq(r, (ssize_t)records);
}
#define EXPECT_RECORDS(c, max, ...)                             \
	expect_records(c, max, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define EXPECT_NO_RECORD(c) expect_records(c, 100, NULL, 0)

#endif
