/* SPDX-License-Identifier: MIT
 *
 * layout.h: the memory that a receiver shares with one peer: a format, for the two may be different builds
 * of the library. docs/ABI.md is its text. Fixed widths, the byte order of the machine, and every offset
 * pinned below.
 *
 * It is the ring of queue.h without what its receiver alone needs to know: head and all accounts of
 * the bell stay in the receiver's own memory, where no peer can spoil them. Zero-filled it is an empty
 * ring, but for the header, and tail, which is born armed.
 *
 * Both sides take what they read here for the word of an enemy: read once, compared with what they know
 * themselves, and only then used.
 */
#ifndef IPC_LAYOUT_H
#define IPC_LAYOUT_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <doorbell/queue.h>
#include <doorbell/share.h>

#define BELL__LAYOUT_MAGIC   UINT64_C(0x6c6c6562726f6f64) /* "doorbell" */
#define BELL__LAYOUT_VERSION 1

struct bell__layout {
	/* Written by the receiver before the peer is told of the memory. */
	uint64_t magic;
	uint32_t version;
	uint32_t capacity;
	uint32_t ring_size; /* capacity, rounded up to a power of two */
	uint32_t slots_at;  /* offsets in bytes */
	uint64_t flags_at;
	uint64_t size;	    /* of the whole, before it is rounded up to pages */
	/* Raised by the receiver when it lets the peer go, and by a peer that finds it dead: no more. */
	uint32_t closed;
	uint8_t pad_0[20];
	/* Written by the peer's threads: notifies that found their token queued, about. */
	uint64_t conflated;
	uint8_t pad_1[56];

	/* Written by the peer's threads, and where the receiver arms: position << 3 | HOLE | ARMED. */
	uint64_t tail;
	uint8_t pad_2[120];

	uint32_t slots[]; /* [ring_size], and behind it flags: uint8_t [capacity] */
};

static_assert(offsetof(struct bell__layout, magic) == 0, "format");
static_assert(offsetof(struct bell__layout, version) == 8, "format");
static_assert(offsetof(struct bell__layout, capacity) == 12, "format");
static_assert(offsetof(struct bell__layout, ring_size) == 16, "format");
static_assert(offsetof(struct bell__layout, slots_at) == 20, "format");
static_assert(offsetof(struct bell__layout, flags_at) == 24, "format");
static_assert(offsetof(struct bell__layout, size) == 32, "format");
static_assert(offsetof(struct bell__layout, closed) == 40, "format");
static_assert(offsetof(struct bell__layout, conflated) == 64, "format");
static_assert(offsetof(struct bell__layout, tail) == 128, "format");
static_assert(offsetof(struct bell__layout, slots) == 256, "format");
static_assert(sizeof(struct bell__layout) == 256, "format");
static_assert(BELL__ARMED == 1 && BELL__HOLE == 2 && BELL__SHIFT == 3, "format");

/* What the receiver says to who has connected, in one message; with it come the memory and the bell, or,
 * if error is not 0, nothing. */
struct bell__hello {
	uint64_t magic;
	uint32_t version;
	int32_t error; /* 0, or -EACCES, -EUSERS, -EMFILE, ... */
};

static_assert(sizeof(struct bell__hello) == 16, "format");
static_assert(offsetof(struct bell__hello, version) == 8, "format");
static_assert(offsetof(struct bell__hello, error) == 12, "format");

enum {
	BELL__HELLO_MEMORY, /* the order of its descriptors; an observer is sent the board alone */
	BELL__HELLO_BELL,
	BELL__HELLO_FDS,
	BELL__HELLO_STREAM = BELL__HELLO_FDS, /* a pipe's: see stream.h */
	BELL__HELLO_FDS_MOST,
};

/* The header that belongs to a capacity: the only one that there is. */
static inline struct bell__layout bell__layout_of(uint32_t capacity)
{
	uint64_t ring = 1;

	while (ring < capacity)
		ring *= 2;
	return (struct bell__layout){
		.magic = BELL__LAYOUT_MAGIC,
		.version = BELL__LAYOUT_VERSION,
		.capacity = capacity,
		.ring_size = (uint32_t)ring,
		.slots_at = sizeof(struct bell__layout),
		.flags_at = sizeof(struct bell__layout) + ring * sizeof(uint32_t),
		.size = sizeof(struct bell__layout) + ring * sizeof(uint32_t) + capacity,
	};
}

/* Is a header, copied from memory that somebody else wrote, the one that its capacity makes it? */
static inline bool bell__layout_is_sound(const struct bell__layout *header)
{
	struct bell__layout due;

	if (header->capacity == 0 || header->capacity > BELL_SHARE_CAPACITY_MAX)
		return false;
	due = bell__layout_of(header->capacity);
	return memcmp(header, &due, offsetof(struct bell__layout, closed)) == 0;
}

/* In whole pages of the largest kind that machines with Linux commonly have. */
static inline uint64_t bell__layout_room(const struct bell__layout *header)
{
	const uint64_t page = 65536;

	return (header->size + page - 1) / page * page;
}

#endif
