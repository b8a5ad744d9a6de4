/* SPDX-License-Identifier: MIT
 *
 * share_pipe.h: the writer of a pipe between processes, as its own files see it.
 *
 * Positions count bytes since the pipe was made: floor <= begin <= end of what is written, and with
 * BLOCK no position of a live reader is below floor. All of these are the writer's own; what it finds
 * in a seat is compared with them before it counts.
 */
#ifndef IPC_SHARE_PIPE_H
#define IPC_SHARE_PIPE_H

#include <time.h>

#include <doorbell/share_pipe.h>

#include "ipc/ipc.h"
#include "ipc/stream.h"

/* A live reader. */
struct bell__attached {
	struct bell__stream_seat *seat;
	struct bell__link *link;
	uint64_t position; /* the last that was believed */
};

struct bell_share_pipe {
	struct bell__guest guest; /* the first: the share knows the pipe by it */
	struct bell_share *share;
	struct bell__stream *stream; /* shared */
	uint8_t *data;
	size_t size; /* of the mapping */
	uint64_t capacity, ring_size, low_water;
	uint32_t policy;

	uint64_t end;	/* of what is written, as in tail */
	uint64_t floor; /* BLOCK: below may be overwritten; LAP: as begin in the stream */
	int ended;	/* 0, -ESHUTDOWN, or the error that was set, negative */
	bool had;	/* a reader has been here and left */
	bool news;	/* readers came or went since the last serve or arm */
	bool unrung;	/* somebody sleeps and could not be sent a byte */
	struct timespec looked; /* when the descriptors were last looked at, by a coarse clock */
	uint64_t refused, wakes, resumes;

	uint32_t readers;
	struct bell__attached *attached; /* [max_readers]: the first so many are live */
};

/* share_pipe.c: its life, and its readers'. */

/* Take in, let go, and hear who notified: news says whether somebody came or went. look: at the
 * descriptors, even if the share has no reason to. */
void bell__share_pipe_attend(struct bell_share_pipe *p, bool look);

/* share_pipe_write.c: tail has changed: wake the readers that sleep. */
void bell__share_pipe_wake(struct bell_share_pipe *p);

#endif
