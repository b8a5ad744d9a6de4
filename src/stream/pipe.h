/* SPDX-License-Identifier: MIT
 *
 * pipe.h: the broadcast pipe as its own files see it.
 *
 * Positions count bytes since the pipe was made. Three of them rule, and only ever rise:
 *   floor <= begin <= tail;  floor <= position of every reader, now and later (BLOCK, GROW).
 * Below floor memory may be overwritten or freed; it is the writer's own. begin is where a new reader
 * starts, and with BELL_PIPE_LAP what the writer is about to leave. tail is published last.
 *
 * Who writes what is kept apart: the pipe is written by the writer, a seat by its reader, but for what
 * one side sets and the other takes back (asleep, waiting). So the same structure can lie in memory that
 * readers map read-only, with each seat in a page of its own.
 */
#ifndef STREAM_PIPE_H
#define STREAM_PIPE_H

#include <stdbool.h>

#include <doorbell/pipe.h>

/* The low bits of tail; above them stands the position. One word, so that no reader sees an end without
 * the bytes before it. */
enum {
	BELL__PIPE_CLOSED = 1,
	BELL__PIPE_ERROR = 2, /* of both the error wins: it was first */
	BELL__PIPE_ENDED = 3,
	BELL__PIPE_SHIFT = 2,
};

/* Of census, the other bits of which count readers. */
enum { BELL__PIPE_EXPECTED = 1, BELL__PIPE_READER = 2 };

/* The position of a seat that is free. */
#define BELL__NOBODY UINT64_MAX

/* What a reader and the pipe know of each other. */
struct bell__seat {
	BELL_ALIGNED uint64_t position; /* of the reader in it: it has read all before; or NOBODY */

	/* Written rarely. */
	BELL_ALIGNED uint32_t asleep; /* set by the reader; who takes it back wakes the reader */
	uint32_t taken;		      /* by whoever joins; given back by the reader that leaves */
	struct bell_queue *bell;      /* made for the first reader in this seat, kept for the next */
};

struct bell_pipe {
	/* Written when made. */
	struct bell__seat *seats;
	uint8_t **segments; /* where the bytes of position p are: see bell__pipe_run() */
	uint64_t mask;	    /* size of segments - 1 */
	uint64_t limit;	    /* bytes that may be kept: capacity or, with GROW, the limit */
	uint64_t low_water; /* free bytes for which a writer is woken */
	uint64_t keep;	    /* GROW: so many segments are not given back */
	unsigned shift;	    /* a segment has 1 << shift bytes */
	uint32_t policy, max_readers;
	struct bell_queue *room; /* the writer's bell */
	void *memory;

	/* Written by the writer, and where the stream is ended by anyone. */
	BELL_ALIGNED uint64_t tail; /* position << SHIFT | ENDED */
	uint64_t begin;
	uint32_t error; /* what ERROR means; 0: none yet */

	/* The writer's own; others read some of it for the statistics. */
	BELL_ALIGNED uint64_t floor;
	uint64_t first, next; /* GROW: the segments that there are, by number */
	uint64_t refused, peak;

	/* Set by the writer, taken back by whoever wakes it. */
	BELL_ALIGNED uint32_t waiting;
	uint32_t bound_token;
	uint64_t wanted; /* wake it when every reader has read so far */
	struct bell_queue *bound;

	/* Written by those who come and go. */
	BELL_ALIGNED uint64_t census; /* 0: all readers have gone */
	uint64_t joined, crowded, wakes, resumes;
	uint32_t seats_used; /* no seat from here on was ever taken */
	uint32_t refs;
};

struct bell_reader {
	struct bell_pipe *pipe;
	struct bell__seat *seat;
	uint64_t position; /* as in the seat */
	uint64_t lost;
};

/* pipe.c */

/* What a write or an arm of the writer meets: 0: it may write; -ESHUTDOWN, -EPIPE, the error. */
int bell__pipe_refusal(const struct bell_pipe *p);
/* The last reference frees. */
void bell__pipe_unref(struct bell_pipe *p);

/* pipe_wake.c: who wakes whom. */

/* tail has changed: wake the readers that sleep. Any thread. */
void bell__pipe_wake_readers(struct bell_pipe *p);
/* A position, or the census, has changed: wake the writer, if it waits for that. Any thread. */
void bell__pipe_wake_writer(struct bell_pipe *p);
/* The stream has ended: wake the writer if it waits at all. Any thread. */
void bell__pipe_wake_writer_anyhow(struct bell_pipe *p);
/* The writer's announcement that it will sleep until so many bytes are free. */
void bell__pipe_announce(struct bell_pipe *p, uint64_t wanted);

/* pipe_memory.c: where bytes lie. */

/* The least position of all readers, or NOBODY. Any thread. */
uint64_t bell__pipe_least(const struct bell_pipe *p);
/* How many more bytes may be written, of so many wanted, after a look at the readers if need be. Writer. */
uint64_t bell__pipe_room(struct bell_pipe *p, uint64_t wanted);
/* Is there memory for the segment of the next byte? Writer; false: none is to be had. */
bool bell__pipe_reserve(struct bell_pipe *p, uint64_t position);
/* How many bytes of n from a position on lie side by side. */
size_t bell__pipe_run(const struct bell_pipe *p, uint64_t position, size_t n);
/* Copy n bytes that lie side by side, in or out. Of bytes that are not overwritten meanwhile. */
void bell__pipe_put(struct bell_pipe *p, uint64_t position, const void *buf, size_t n);
void bell__pipe_get(const struct bell_pipe *p, uint64_t position, void *buf, size_t n);
/* The same where readers and writer may meet: word by word. */
void bell__pipe_put_words(struct bell_pipe *p, uint64_t position, const void *buf, size_t n);
void bell__pipe_get_words(const struct bell_pipe *p, uint64_t position, void *buf, size_t n);

static inline uint64_t bell__pipe_end(uint64_t tail)
{
	return tail >> BELL__PIPE_SHIFT;
}

#endif
