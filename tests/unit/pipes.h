/* SPDX-License-Identifier: MIT
 *
 * pipes.h: what the tests of the broadcast pipe share. All of it asserts, so it is for the main thread.
 */
#ifndef UNIT_PIPES_H
#define UNIT_PIPES_H

#include <stdlib.h>
#include <string.h>

#include "helpers.h"

static inline struct bell_pipe *pipe_of(uint32_t policy, size_t capacity, size_t limit)
{
	const struct bell_pipe_options options = {
		.capacity = capacity, .limit = limit, .policy = policy, .max_readers = 4};
	struct bell_pipe *p = NULL;

	ck_assert_int_eq(bell_pipe_new(&p, &options), 0);
	return p;
}

static inline struct bell_reader *reader_of(struct bell_pipe *p)
{
	struct bell_reader *r = NULL;

	ck_assert_int_eq(bell_reader_new(&r, p), 0);
	return r;
}

static inline struct bell_pipe_stats stats_of_pipe(const struct bell_pipe *p)
{
	struct bell_pipe_stats stats;

	bell_pipe_stats(p, &stats);
	return stats;
}

/* All of a text is written, without waiting. */
static inline void put(struct bell_pipe *p, const char *text)
{
	ck_assert_int_eq(bell_pipe_write(p, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* A read of at most len bytes gives exactly this text. */
static inline void expect_read(struct bell_reader *r, size_t len, const char *text)
{
	char buf[256];

	memset(buf, '#', sizeof(buf));
	ck_assert_int_eq(bell_reader_read(r, buf, len), (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(buf, text, strlen(text)), 0);
	ck_assert_int_eq(buf[strlen(text)], '#');
}

/* A read says this instead of bytes, and leaves the buffer alone. */
static inline void expect_none(struct bell_reader *r, ssize_t said)
{
	char buf[4] = "####";

	ck_assert_int_eq(bell_reader_read(r, buf, sizeof(buf)), said);
	ck_assert_int_eq(memcmp(buf, "####", 4), 0);
}

/* The byte at a position, the same in every test; its period is no power of two. */
static inline uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position % 251);
}

static inline void fill_bytes(uint8_t *buf, uint64_t position, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = byte_at(position + i);
}

/* How many of n bytes are not those of their position. */
static inline size_t wrong_bytes(const uint8_t *buf, uint64_t position, size_t n)
{
	size_t i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong += buf[i] != byte_at(position + i);
	return wrong;
}

#endif
