/* SPDX-License-Identifier: MIT
 *
 * stream.h: what a pipe and its readers share: a format, as layout.h is, and every offset pinned.
 *
 * The stream: one memory file, written by the writer alone, mapped by all readers, who cannot write to
 * it. A seat: what one reader and the writer know of each other, in the memory of that reader's queue,
 * behind it. Zero-filled neither is valid: the writer fills them before anybody is told.
 */
#ifndef IPC_STREAM_H
#define IPC_STREAM_H

#include <errno.h>

#include <doorbell/pipe.h>

#include "ipc/layout.h"

#define BELL__STREAM_MAGIC   UINT64_C(0x657069706c6c6562) /* "bellpipe" */
#define BELL__STREAM_VERSION 1
#define BELL__STREAM_DATA    4096

/* Of tail: the low bits; above them stands the position. One word, so that no reader sees an end
 * without the bytes before it. */
enum {
	BELL__STREAM_CLOSED = 1,
	BELL__STREAM_ERROR = 2,
	BELL__STREAM_SHIFT = 2,
};

struct bell__stream {
	/* Written before anybody has it. */
	uint64_t magic;
	uint32_t version;
	uint32_t policy;
	uint64_t capacity;  /* bytes that are kept */
	uint64_t ring_size; /* capacity, but 8 at least, rounded up to a power of two */
	uint64_t data_at;
	uint64_t size; /* of the whole, before it is rounded up to pages */
	uint8_t pad_0[80];

	/* Written by the writer. */
	uint64_t tail;	/* position << 2 | ERROR | CLOSED */
	uint64_t begin; /* LAP: what is below is being overwritten */
	uint32_t error; /* what ERROR means */
};

static_assert(offsetof(struct bell__stream, magic) == 0, "format");
static_assert(offsetof(struct bell__stream, version) == 8, "format");
static_assert(offsetof(struct bell__stream, policy) == 12, "format");
static_assert(offsetof(struct bell__stream, capacity) == 16, "format");
static_assert(offsetof(struct bell__stream, ring_size) == 24, "format");
static_assert(offsetof(struct bell__stream, data_at) == 32, "format");
static_assert(offsetof(struct bell__stream, size) == 40, "format");
static_assert(offsetof(struct bell__stream, tail) == 128, "format");
static_assert(offsetof(struct bell__stream, begin) == 136, "format");
static_assert(offsetof(struct bell__stream, error) == 144, "format");
static_assert(sizeof(struct bell__stream) <= BELL__STREAM_DATA, "format");
static_assert(BELL_PIPE_BLOCK == 0 && BELL_PIPE_LAP == 1, "format");

#define BELL__SEAT_AT 4096 /* in the memory of a queue of capacity 1 */

/* What wanted is if nothing is. */
#define BELL__NOTHING_WANTED UINT64_MAX

struct bell__stream_seat {
	/* Written by the reader: it has read all before. The writer says where it starts. */
	uint64_t position;
	uint32_t seated;   /* 1: written by a reader that has taken it all in */
	uint8_t pad_0[116];
	uint64_t wanted; /* set by the writer: ring when position is so far; taken back by the reader */
	uint8_t pad_1[120];
	uint32_t asleep; /* set by the reader; taken back by the writer, who sends a byte then */
	uint8_t pad_2[124];
};

static_assert(offsetof(struct bell__stream_seat, position) == 0, "format");
static_assert(offsetof(struct bell__stream_seat, seated) == 8, "format");
static_assert(offsetof(struct bell__stream_seat, wanted) == 128, "format");
static_assert(offsetof(struct bell__stream_seat, asleep) == 256, "format");
static_assert(sizeof(struct bell__stream_seat) == 384, "format");
static_assert(BELL__SEAT_AT + sizeof(struct bell__stream_seat) <= 65536, "format"); /* layout's least */

static inline struct bell__stream_seat *bell__seat_in(void *memory)
{
	return (void *)((uint8_t *)memory + BELL__SEAT_AT);
}

/* The header that belongs to a capacity and a policy: the only one that there is. */
static inline struct bell__stream bell__stream_of(uint64_t capacity, uint32_t policy)
{
	uint64_t ring = 8;

	while (ring < capacity)
		ring *= 2;
	return (struct bell__stream){
		.magic = BELL__STREAM_MAGIC,
		.version = BELL__STREAM_VERSION,
		.policy = policy,
		.capacity = capacity,
		.ring_size = ring,
		.data_at = BELL__STREAM_DATA,
		.size = BELL__STREAM_DATA + ring,
	};
}

/* Is a header, copied from memory that somebody else wrote, the one that its capacity makes it? */
static inline bool bell__stream_is_sound(const struct bell__stream *header)
{
	struct bell__stream due;

	if (header->capacity == 0 || header->capacity > BELL_PIPE_SIZE_MAX ||
		header->policy > BELL_PIPE_LAP)
		return false;
	due = bell__stream_of(header->capacity, header->policy);
	return memcmp(header, &due, offsetof(struct bell__stream, pad_0)) == 0;
}

/* In whole pages of the largest kind that machines with Linux commonly have. */
static inline uint64_t bell__stream_room(const struct bell__stream *header)
{
	const uint64_t page = 65536;

	return (header->size + page - 1) / page * page;
}

/* An error that a stream may end with: others mean something else to who reads. */
static inline bool bell__stream_error_valid(uint32_t error)
{
	return error >= 1 && error <= 4095 && error != EAGAIN && error != EINTR &&
	       error != EOVERFLOW;
}

/* How many bytes of n from a position on lie side by side in a ring. */
static inline size_t bell__stream_run(uint64_t ring_size, uint64_t position, size_t n)
{
	const uint64_t left = ring_size - (position & (ring_size - 1));

	return n < left ? n : (size_t)left;
}

#endif
