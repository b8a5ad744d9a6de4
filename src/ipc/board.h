/* SPDX-License-Identifier: MIT
 *
 * board.h: the memory that a receiver shows to its observers: a format, as layout.h, and docs/ABI.md is its
 * text. Only the receiver can write it: it is mapped before it is sealed with F_SEAL_FUTURE_WRITE.
 *
 * A header, a block of totals and a block for each place that a peer can have. A block is read and written
 * as a whole (edge W1): its version is odd while it is written. A receiver that stops there, or an enemy,
 * can keep an observer from reading, and makes it try no more than a number of times.
 */
#ifndef IPC_BOARD_H
#define IPC_BOARD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <doorbell/atomic.h>
#include <doorbell/share.h>

#define BELL__BOARD_MAGIC   UINT64_C(0x6c6c6562726f6f64) /* "doorbell" */
#define BELL__BOARD_VERSION 1
#define BELL__BOARD_WORDS   23
#define BELL__BOARD_TRIES   1000

struct bell__block {
	uint64_t version;
	uint64_t words[BELL__BOARD_WORDS];
};

struct bell__board {
	/* Written before anybody is told of the memory. */
	uint64_t magic;
	uint32_t version;
	uint32_t max_peers;
	uint32_t block_size;
	uint32_t blocks_at;
	uint64_t size; /* of the whole, before it is rounded up to pages */
	uint8_t pad[96];

	struct bell__block blocks[]; /* the totals, then [max_peers] */
};

static_assert(offsetof(struct bell__board, version) == 8, "format");
static_assert(offsetof(struct bell__board, max_peers) == 12, "format");
static_assert(offsetof(struct bell__board, block_size) == 16, "format");
static_assert(offsetof(struct bell__board, blocks_at) == 20, "format");
static_assert(offsetof(struct bell__board, size) == 24, "format");
static_assert(offsetof(struct bell__board, blocks) == 128, "format");
static_assert(sizeof(struct bell__board) == 128, "format");
static_assert(sizeof(struct bell__block) == 192, "format");

/* The words of the totals are those of struct bell_share_stats, in its order. */
#define BELL__BOARD_TOTALS (sizeof(struct bell_share_stats) / sizeof(uint64_t))
static_assert(BELL__BOARD_TOTALS <= BELL__BOARD_WORDS, "format");
static_assert(offsetof(struct bell_share_stats, delivered) == 7 * 8, "format");
static_assert(offsetof(struct bell_share_stats, kicks) == 12 * 8, "format");
static_assert(offsetof(struct bell_share_stats, observers) == 13 * 8, "format");
static_assert(offsetof(struct bell_share_stats, wakes) == 16 * 8, "format");

/* Those of a peer. An id of 0: nobody has the place. */
enum {
	BELL__ROW_PEER,
	BELL__ROW_PID,
	BELL__ROW_UID,
	BELL__ROW_NOTIFIED,
	BELL__ROW_CONFLATED,
	BELL__ROW_DELIVERED,
	BELL__ROW_ARMS,
	BELL__ROW_RINGS,
	BELL__ROW_STRAYS,
	BELL__ROW_HOLES,
	BELL__ROW_WORDS,
};

/* The header that belongs to a number of places: the only one that there is. */
static inline struct bell__board bell__board_of(uint32_t max_peers)
{
	return (struct bell__board){
		.magic = BELL__BOARD_MAGIC,
		.version = BELL__BOARD_VERSION,
		.max_peers = max_peers,
		.block_size = sizeof(struct bell__block),
		.blocks_at = sizeof(struct bell__board),
		.size = sizeof(struct bell__board) +
			((uint64_t)max_peers + 1) * sizeof(struct bell__block),
	};
}

static inline bool bell__board_is_sound(const struct bell__board *header)
{
	struct bell__board due;

	if (header->max_peers == 0 || header->max_peers > BELL_SHARE_PEERS_MAX)
		return false;
	due = bell__board_of(header->max_peers);
	return memcmp(header, &due, offsetof(struct bell__board, pad)) == 0;
}

/* In whole pages, as bell__layout_room(). */
static inline uint64_t bell__board_room(const struct bell__board *header)
{
	const uint64_t page = 65536;

	return (header->size + page - 1) / page * page;
}

/* The receiver, who alone writes. */
static inline void bell__block_write(struct bell__block *b, const uint64_t *words, size_t n)
{
	const uint64_t version = bell_load_relaxed(&b->version); /* ours */
	size_t i;

	bell_store_relaxed(&b->version, version + 1); /* the fence orders it */
	bell_fence_release();			      /* W1: odd before the words */
	for (i = 0; i < n; i++) {
		bell_store_relaxed(&b->words[i], words[i]); /* between the two of version */
		BELL_INJECT(board_writing);
	}
	bell_store_release(&b->version, version + 2); /* W1: the words are whole */
}

/* False: it is being written, or was each time. */
static inline bool bell__block_read(const struct bell__block *b, uint64_t *ret_words, size_t n)
{
	uint64_t words[BELL__BOARD_WORDS], version;
	size_t i;
	int tries;

	for (tries = 0; tries < BELL__BOARD_TRIES; tries++) {
		version = bell_load_acquire(&b->version); /* W1: the words are whole */
		for (i = 0; i < n; i++) {
			words[i] = bell_load_relaxed(&b->words[i]); /* version says if they hold */
			BELL_INJECT(board_reading);
		}
		bell_fence_acquire(); /* W1: odd before the words */
		if (version % 2 == 0 &&
			bell_load_relaxed(&b->version) == version) { /* W1: behind the fence */
			memcpy(ret_words, words, n * sizeof(*words));
			return true;
		}
		bell_pause();
	}
	return false;
}

#endif
