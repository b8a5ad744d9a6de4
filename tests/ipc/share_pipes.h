/* SPDX-License-Identifier: MIT
 *
 * share_pipes.h: what the tests of pipes between processes share. As in shares.h it asserts, but for
 * what says that it is for children.
 */
#ifndef IPC_SHARE_PIPES_H
#define IPC_SHARE_PIPES_H

#include "shares.h"

/* A pipe under the name "x". */
struct bell_share_pipe *pipe_of(uint32_t policy, size_t capacity);
struct bell_share_pipe_stats pipe_stats_of(const struct bell_share_pipe *p);
/* Attach to it from this process, while it is served. */
struct bell_share_reader *reader_of(struct bell_share_pipe *p);
/* What an attach that cannot succeed returns. */
int reader_refused(struct bell_share_pipe *p);

/* All of a text is written, without waiting. */
void put(struct bell_share_pipe *p, const char *text);
/* A read of at most len bytes gives exactly this text. */
void expect_read(struct bell_share_reader *r, size_t len, const char *text);
/* A read says this instead of bytes, and leaves the buffer alone. */
void expect_none(struct bell_share_reader *r, ssize_t said);
/* Serve until there are so many readers. */
void serve_until(struct bell_share_pipe *p, int readers);
/* Read and arm until the reader sleeps; nothing came. */
void lull(struct bell_share_reader *r);

/* The byte at a position, the same in every test; its period is no power of two. */
static inline uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position % 251);
}

void fill_bytes(uint8_t *buf, uint64_t position, size_t n);
/* How many of n bytes are not those of their position. */
size_t wrong_bytes(const uint8_t *buf, uint64_t position, size_t n);

/* For children: attach, or end with the error. */
struct bell_share_reader *child_attach(void);

/* A gate, made before the children are: these and their parent tell each other to go on. */
void open_gate(void);
void close_gate(void);
/* By the number of one's own side, 0 or 1; for children, too. */
void pass(int side);
void await(int side);

#endif
