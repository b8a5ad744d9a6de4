/* SPDX-License-Identifier: MIT
 *
 * pipe_reader.c: readers: they join and leave beside a writer that never waits for that, read, and sleep.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <doorbell/wait.h>

#include "core/clock.h"
#include "stream/pipe.h"

/* -- joining and leaving --------------------------------------------------------------------- */

/* The first seat that is free, or NULL. */
static struct bell__seat *take_seat(struct bell_pipe *p)
{
	uint32_t i, used, no = 0;

	for (i = 0; i < p->max_readers; i++, no = 0)
		if (bell_cas_acq_rel(
			    &p->seats[i].taken, &no, 1)) /* B8: who left it has done with it */
			break;
	if (i == p->max_readers)
		return NULL;
	used = bell_load_relaxed(&p->seats_used); /* a first guess for the exchange */
	while (used <= i)
		if (bell_cas_acq_rel(&p->seats_used, &used, i + 1)) /* B5: before the position */
			break;
	return &p->seats[i];
}

/* Make our position known at the oldest byte kept. The writer looks at positions once more after it has
 * raised begin; so either it sees ours, or we see begin raised, and follow. It cannot be raised beyond a
 * position that was seen, so this ends. A writer that saw us lower than where we end up may wait for that
 * room: it is told. */
static uint64_t sit_down(struct bell_pipe *p, struct bell__seat *seat)
{
	uint64_t begin = bell_load_acquire(&p->begin), position; /* B5 */

	do {
		position = begin;
		BELL_INJECT(joining);
		bell_store_release(&seat->position, position); /* B2, B5 */
		BELL_INJECT(seated);
		bell_fence_full(); /* B5: position before begin; look: begin before positions */
		begin = bell_load_acquire(
			&p->begin); /* B5: behind the fence; B6: tail is no older */
	} while (begin != position && p->policy != BELL_PIPE_LAP);
	bell__pipe_wake_writer(p);
	return position;
}

int bell_reader_new(struct bell_reader **ret_r, struct bell_pipe *p)
{
	struct bell_reader *r = malloc(sizeof(*r));
	int error = 0;

	if (!r)
		return -ENOMEM;
	*r = (struct bell_reader){.pipe = p, .seat = take_seat(p)};
	if (!r->seat) {
		(void)bell_fetch_add_relaxed(&p->crowded, 1); /* a statistic */
		free(r);
		return -EUSERS;
	}
	if (!r->seat->bell)
		error = bell_queue_new(&r->seat->bell, 1, 0);
	if (error < 0) {
		bell_store_release(&r->seat->taken, 0); /* B8 */
		free(r);
		return error;
	}
	(void)bell_fetch_add_relaxed(&p->refs, 1); /* the caller holds the pipe: nothing to order */
	(void)bell_fetch_add_relaxed(&p->joined, 1); /* a statistic */
	/* In this order: at no moment does census say that all have gone. */
	(void)bell_fetch_add_acq_rel(&p->census, BELL__PIPE_READER);		  /* B4 */
	(void)bell_fetch_and_acq_rel(&p->census, ~(uint64_t)BELL__PIPE_EXPECTED); /* B4 */
	r->position = sit_down(p, r->seat);
	(void)bell_queue_notify(r->seat->bell, 0); /* so that a loop comes round and looks */
	*ret_r = r;
	return 0;
}

struct bell_reader *bell_reader_free(struct bell_reader *r)
{
	struct bell_pipe *p;
	struct bell__seat *seat;

	if (!r)
		return NULL;
	p = r->pipe;
	seat = r->seat;
	bell_store_relaxed(
		&seat->asleep, 0); /* who saw it set wakes nobody, or the next reader for nothing */
	bell_store_release(
		&seat->position, BELL__NOBODY); /* B2: all we read, before it is overwritten */
	BELL_INJECT(leaving);
	(void)bell_fetch_sub_acq_rel(&p->census, BELL__PIPE_READER); /* B4 */
	bell__pipe_wake_writer(p);
	bell_store_release(&seat->taken, 0); /* B8: we have done with it */
	bell__pipe_unref(p);
	free(r);
	return NULL;
}

int bell_reader_fd(const struct bell_reader *r)
{
	return bell_queue_fd(r->seat->bell);
}

uint64_t bell_reader_lost(const struct bell_reader *r)
{
	return r->lost;
}

/* -- reading --------------------------------------------------------------------------------- */

/* What is said when all was read that tail covers. */
static int nothing_left(const struct bell_pipe *p, uint64_t tail)
{
	if (tail & BELL__PIPE_ERROR)
		return -(int)bell_load_relaxed(&p->error); /* acquired with tail */
	return tail & BELL__PIPE_CLOSED ? 0 : -EAGAIN;
}

/* Tell how far we are. Returns n. */
static ssize_t advance(struct bell_reader *r, size_t n)
{
	r->position += n;
	bell_store_release(
		&r->seat->position, r->position); /* B2: read, so it may be overwritten */
	BELL_INJECT(advanced);
	if (r->pipe->policy != BELL_PIPE_LAP) /* there nobody waits for us */
		bell__pipe_wake_writer(r->pipe);
	return (ssize_t)n;
}

/* The writer has left begin behind, and we were not there yet. */
static ssize_t lapped(struct bell_reader *r, uint64_t begin)
{
	r->lost += begin - r->position;
	r->position = begin;
	bell_store_relaxed(&r->seat->position, begin); /* with LAP nobody waits for it */
	return -EOVERFLOW;
}

static ssize_t copy_out(struct bell_reader *r, uint8_t *buf, size_t n)
{
	const struct bell_pipe *p = r->pipe;
	const bool laps = p->policy == BELL_PIPE_LAP;
	size_t done, run;
	uint64_t begin;

	for (done = 0; done < n; done += run) {
		run = bell__pipe_run(p, r->position + done, n - done);
		if (laps)
			bell__pipe_get_words(p, r->position + done, buf + done, run);
		else
			bell__pipe_get(p, r->position + done, buf + done, run);
	}
	BELL_INJECT(copied);
	if (laps) {
		bell_fence_acquire(); /* B6: bytes before begin; write: begin before the bytes */
		begin = bell_load_acquire(
			&p->begin); /* B6: behind the fence; tail is no older next time */
		if (begin > r->position)
			return lapped(r, begin);
	}
	return advance(r, n);
}

ssize_t bell_reader_read(struct bell_reader *r, void *buf, size_t len)
{
	const struct bell_pipe *p = r->pipe;
	uint64_t tail, left, begin;

	if (len == 0)
		return -EINVAL;
	tail = bell_load_acquire(&p->tail); /* B1: bytes, end and error */
	BELL_INJECT(tail_read);
	if (p->policy == BELL_PIPE_LAP) {
		begin = bell_load_acquire(
			&p->begin); /* B6: a hint that spares a copy; as in copy_out */
		if (begin > r->position)
			return lapped(r, begin);
	}
	left = bell__pipe_end(tail) - r->position;
	if (left == 0)
		return nothing_left(p, tail);
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	return copy_out(r, buf, left < len ? (size_t)left : len);
}

/* -- sleeping -------------------------------------------------------------------------------- */

/* 0: nothing for now; 1: something to read; or the end. */
static int readable(const struct bell_reader *r)
{
	const uint64_t tail = bell_load_acquire(&r->pipe->tail); /* B1; B3: behind the fence */
	int end;

	if (bell__pipe_end(tail) != r->position)
		return 1;
	end = nothing_left(r->pipe, tail);
	return end == -EAGAIN ? 0 : end == 0 ? -ESHUTDOWN : end;
}

/* Announce that we sleep, and look once more. What is announced may stand if there is something by now:
 * it costs the writer a notify, and no system call unless the bell is armed. */
static int announce(struct bell_reader *r)
{
	bell_store_release(&r->seat->asleep, 1); /* B3: and the seat's bell */
	BELL_INJECT(reader_announced);
	bell_fence_full(); /* B3: asleep before tail; write: tail before asleep */
	return readable(r);
}

int bell_reader_arm(struct bell_reader *r)
{
	uint32_t token;
	int state = readable(r); /* before the fd is touched */

	if (state == 0) {
		/* Before announcing: it is none that answers that. */
		(void)!bell_queue_poll(r->seat->bell, &token, 1);
		BELL_INJECT(reader_polled);
		state = announce(r);
	}
	if (state != 0)
		return state < 0 ? state : 0;
	return bell_queue_arm(r->seat->bell);
}

ssize_t bell_reader_wait(struct bell_reader *r, void *buf, size_t len, int64_t timeout_ns)
{
	ssize_t n = bell_reader_read(r, buf, len), waited = 1;
	int64_t deadline = 0;
	uint32_t token;

	if (n != -EAGAIN)
		return n;
	if (timeout_ns != 0)
		deadline = bell__deadline(timeout_ns);
	while (n == -EAGAIN && waited > 0) {
		if (timeout_ns == 0)
			waited = -ETIMEDOUT;
		else if (announce(r) == 0)
			waited = bell_queue_wait(
				r->seat->bell, &token, 1, bell__time_left(deadline));
		n = bell_reader_read(r, buf, len); /* a last look, whatever ended the wait */
	}
	return n == -EAGAIN ? waited : n;
}
