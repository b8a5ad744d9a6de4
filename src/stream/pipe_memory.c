/* SPDX-License-Identifier: MIT
 *
 * pipe_memory.c: where the bytes of a pipe lie, and which of them may go.
 *
 * Memory is in segments of a power of two. BLOCK and LAP have one, a ring. GROW has as many as the
 * slowest reader is behind, found through a table by position; bytes never move, and a segment that all
 * have passed is used again or given back.
 */
#include <stdlib.h>
#include <string.h>

#include "stream/pipe.h"
#include "stream/words.h"

/* -- room ------------------------------------------------------------------------------------ */

uint64_t bell__pipe_least(const struct bell_pipe *p)
{
	/* Behind a fence of the caller's (B5 or B4), or not decisive. */
	const uint32_t n = bell_load_relaxed(&p->seats_used);
	uint64_t least = BELL__NOBODY, position;
	uint32_t i;

	for (i = 0; i < n; i++) {
		position = bell_load_acquire(
			&p->seats[i].position); /* B2: read, so may be overwritten */
		if (position < least)
			least = position;
	}
	return least;
}

/* Raise floor as far as the readers allow. A reader that joins meanwhile starts at begin: it tells its
 * position, and looks at begin again; here begin is told first, and the positions are looked at again. So
 * one sees the other: it is not below begin, or it is in the second look. */
static void look(struct bell_pipe *p)
{
	const uint64_t begin = p->begin; /* the writer's */
	uint64_t least = bell__pipe_least(p);

	if (least == BELL__NOBODY) /* nobody yet, or nobody any more: kept for who comes */
		return;
	BELL_INJECT(looked);
	if (least > begin)
		bell_store_release(&p->begin, least); /* B5 */
	BELL_INJECT(begin_told);
	bell_fence_full(); /* B5: begin before the second look; join: position before begin */
	least = bell__pipe_least(p);
	least = least < p->begin ? least : p->begin;
	/* Below floor there can only be a reader that is about to find begin raised, and to move up. */
	if (least > p->floor)
		p->floor = least;
}

uint64_t bell__pipe_room(struct bell_pipe *p, uint64_t wanted)
{
	const uint64_t end =
		bell__pipe_end(bell_load_relaxed(&p->tail)); /* the position is the writer's */

	if (p->policy == BELL_PIPE_LAP)
		return wanted;
	if (p->limit - (end - p->floor) < wanted)
		look(p);
	return p->limit - (end - p->floor);
}

/* -- segments -------------------------------------------------------------------------------- */

/* Has everybody passed the first segment? */
static bool passed(const struct bell_pipe *p)
{
	return p->first < p->next && (p->first + 1) << p->shift <= p->floor;
}

static uint8_t **segment(const struct bell_pipe *p, uint64_t number)
{
	return &p->segments[number & p->mask];
}

static void give_back(struct bell_pipe *p)
{
	while (p->next - p->first > p->keep && passed(p)) {
		free(*segment(p, p->first));
		*segment(p, p->first) = NULL;
		bell_store_relaxed(
			&p->first, p->first + 1); /* ours; others read it for the statistics */
	}
}

bool bell__pipe_reserve(struct bell_pipe *p, uint64_t position)
{
	uint8_t *memory;

	if (p->policy != BELL_PIPE_GROW || position >> p->shift < p->next)
		return true;
	if (p->next - p->first >= p->keep) {
		look(p);
		give_back(p);
	}
	if (p->next - p->first >= p->keep && passed(p)) { /* full circle */
		memory = *segment(p, p->first);
		*segment(p, p->first) = NULL;
		bell_store_relaxed(&p->first, p->first + 1); /* as above */
	} else {
		memory = malloc((size_t)1 << p->shift);
	}
	if (!memory)
		return false;
	*segment(p, p->next) = memory;
	bell_store_relaxed(&p->next, p->next + 1); /* as above */
	if (p->next - p->first > p->peak)
		bell_store_relaxed(&p->peak, p->next - p->first); /* as above */
	return true;
}

size_t bell__pipe_run(const struct bell_pipe *p, uint64_t position, size_t n)
{
	const uint64_t size = UINT64_C(1) << p->shift, left = size - (position & (size - 1));

	return n < left ? n : (size_t)left;
}

static uint8_t *at(const struct bell_pipe *p, uint64_t position)
{
	return *segment(p, position >> p->shift) + (position & ((UINT64_C(1) << p->shift) - 1));
}

/* -- copies ---------------------------------------------------------------------------------- */

void bell__pipe_put(struct bell_pipe *p, uint64_t position, const void *buf, size_t n)
{
	memcpy(at(p, position), buf, n);
}

void bell__pipe_get(const struct bell_pipe *p, uint64_t position, void *buf, size_t n)
{
	memcpy(buf, at(p, position), n);
}

void bell__pipe_put_words(struct bell_pipe *p, uint64_t position, const void *buf, size_t n)
{
	bell__words_put(at(p, position), buf, n);
}

void bell__pipe_get_words(const struct bell_pipe *p, uint64_t position, void *buf, size_t n)
{
	bell__words_get(at(p, position), buf, n);
}
