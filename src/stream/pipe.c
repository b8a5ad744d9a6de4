/* SPDX-License-Identifier: MIT
 *
 * pipe.c: the life of a pipe, and its writer: room, bytes, tail, wake. What ends the stream, close and
 * error, is decided on tail too, by compare-and-swap: a write is before the end, or it is not there.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell/wait.h>

#include "core/clock.h"
#include "stream/pipe.h"

#define ERROR_MAX	4095 /* as the kernel has it */

/* GROW: the size of a segment, so that there are 16 at the limit, or 64 KiB if that is less, but never
 * more than 65536 of them. */
#define SEGMENT_LEAST	64
#define SEGMENT_MOST	65536
#define SEGMENTS_WANTED 16
#define SEGMENTS_MOST	65536

/* -- life ------------------------------------------------------------------------------------ */

static uint64_t power_of_two(uint64_t least)
{
	uint64_t size = 1;

	while (size < least)
		size *= 2;
	return size;
}

static unsigned log2_of(uint64_t size)
{
	return 63 - (unsigned)__builtin_clzll(size);
}

/* Options with their defaults filled in. 0 or -EINVAL. */
static int complete(struct bell_pipe_options *o)
{
	if (o->capacity == 0)
		o->capacity = BELL_PIPE_CAPACITY_DEFAULT;
	if (o->limit == 0)
		o->limit = o->capacity > BELL_PIPE_LIMIT_DEFAULT ? o->capacity
								 : BELL_PIPE_LIMIT_DEFAULT;
	if (o->max_readers == 0)
		o->max_readers = BELL_PIPE_MAX_READERS_DEFAULT;
	if (o->policy > BELL_PIPE_GROW || o->max_readers > BELL_PIPE_MAX_READERS)
		return -EINVAL;
	if (o->capacity > BELL_PIPE_SIZE_MAX || o->limit > BELL_PIPE_SIZE_MAX)
		return -EINVAL;
	return o->policy == BELL_PIPE_GROW && o->limit < o->capacity ? -EINVAL : 0;
}

/* The table of segments and, with BLOCK and LAP, the one segment. */
static int lay_out(struct bell_pipe *p, const struct bell_pipe_options *o)
{
	const bool grows = o->policy == BELL_PIPE_GROW;
	uint64_t size, segments = 1;

	if (grows) {
		size = power_of_two(o->limit / SEGMENTS_WANTED);
		size = size > SEGMENT_MOST    ? SEGMENT_MOST
		       : size < SEGMENT_LEAST ? SEGMENT_LEAST
					      : size;
		while (o->limit / size > SEGMENTS_MOST)
			size *= 2;
		segments = power_of_two(o->limit / size + 2);
		p->keep = (o->capacity + size - 1) / size;
	} else {
		size = power_of_two(
			o->capacity < sizeof(uintptr_t) ? sizeof(uintptr_t) : o->capacity);
		p->next = p->peak = 1;
	}
	p->limit = grows ? o->limit : o->capacity;
	p->low_water = p->limit / 4 ? p->limit / 4 : 1;
	p->shift = log2_of(size);
	p->mask = segments - 1;
	p->segments = calloc(segments, sizeof(*p->segments));
	if (!p->segments)
		return -ENOMEM;
	if (!grows)
		p->segments[0] = calloc(1, size);
	return grows || p->segments[0] ? 0 : -ENOMEM;
}

static void dispose(struct bell_pipe *p)
{
	uint64_t i;

	for (i = 0; i < p->max_readers; i++)
		bell_queue_unref(p->seats[i].bell);
	for (i = 0; p->segments && i <= p->mask; i++)
		free(p->segments[i]);
	free(p->segments);
	bell_queue_unref(p->bound);
	bell_queue_unref(p->room);
	free(p->memory);
}

int bell_pipe_new(struct bell_pipe **ret_p, const struct bell_pipe_options *options)
{
	struct bell_pipe_options o = {0};
	struct bell_pipe *p;
	void *memory;
	uint32_t i;
	int r;

	if (options)
		o = *options;
	if (complete(&o) < 0)
		return -EINVAL;
	memory = calloc(1, BELL_CACHE_LINE - 1 + sizeof(*p) + o.max_readers * sizeof(*p->seats));
	if (!memory)
		return -ENOMEM;
	p = (void *)(((uintptr_t)memory + BELL_CACHE_LINE - 1) & ~(uintptr_t)(BELL_CACHE_LINE - 1));
	p->memory = memory;
	p->seats = (void *)(p + 1);
	p->policy = o.policy;
	p->max_readers = o.max_readers;
	p->census = BELL__PIPE_EXPECTED;
	p->refs = 1;
	for (i = 0; i < o.max_readers; i++)
		p->seats[i].position = BELL__NOBODY;
	r = lay_out(p, &o);
	if (r == 0)
		r = bell_queue_new(&p->room, 1, 0);
	if (r < 0) {
		dispose(p);
		return r;
	}
	(void)bell_queue_notify(p->room, 0); /* there is room now */
	*ret_p = p;
	return 0;
}

void bell__pipe_unref(struct bell_pipe *p)
{
	if (bell_fetch_sub_acq_rel(&p->refs, 1) == 1) /* R1: all use before the free */
		dispose(p);
}

struct bell_pipe *bell_pipe_free(struct bell_pipe *p)
{
	if (p) {
		bell_pipe_close(p);
		bell__pipe_unref(p);
	}
	return NULL;
}

int bell_pipe_fd(const struct bell_pipe *p)
{
	return bell_queue_fd(p->room);
}

void bell_pipe_stats(const struct bell_pipe *p, struct bell_pipe_stats *ret_stats)
{
	const uint64_t first = bell_load_relaxed(&p->first), next = bell_load_relaxed(&p->next);

	*ret_stats = (struct bell_pipe_stats){
		.written = bell__pipe_end(bell_load_relaxed(&p->tail)),
		.refused = bell_load_relaxed(&p->refused),
		.wakes = bell_load_relaxed(&p->wakes),
		.resumes = bell_load_relaxed(&p->resumes),
		.joined = bell_load_relaxed(&p->joined),
		.crowded = bell_load_relaxed(&p->crowded),
		.readers = bell_load_relaxed(&p->census) / BELL__PIPE_READER,
		.memory = (next > first ? next - first : 0) << p->shift,
		.peak = bell_load_relaxed(&p->peak) << p->shift,
	};
}

/* -- the end of the stream ------------------------------------------------------------------- */

int bell_pipe_close(struct bell_pipe *p)
{
	(void)bell_fetch_or_acq_rel(&p->tail, BELL__PIPE_CLOSED); /* B1 */
	bell__pipe_wake_readers(p);
	bell__pipe_wake_writer_anyhow(p);
	return 0;
}

int bell_pipe_set_error(struct bell_pipe *p, int error)
{
	uint64_t tail = bell_load_relaxed(&p->tail); /* a first guess for the exchange */
	uint32_t none = 0;

	if (error < 1 || error > ERROR_MAX || error == EAGAIN || error == EINTR ||
		error == EOVERFLOW)
		return -EINVAL;
	if (tail & BELL__PIPE_CLOSED)
		return tail & BELL__PIPE_ERROR ? -EALREADY : -ESHUTDOWN;
	if (!bell_cas_acq_rel(&p->error, &none, (uint32_t)error)) /* B1: one of several wins */
		return -EALREADY;
	BELL_INJECT(error_named);
	do
		if (tail & BELL__PIPE_CLOSED)
			return -ESHUTDOWN;
	while (!bell_cas_acq_rel(&p->tail, &tail, tail | BELL__PIPE_ERROR)); /* B1 */
	bell__pipe_wake_readers(p);
	bell__pipe_wake_writer_anyhow(p);
	return 0;
}

/* -- writing --------------------------------------------------------------------------------- */

int bell__pipe_refusal(const struct bell_pipe *p)
{
	const uint64_t tail = bell_load_acquire(&p->tail); /* B1: error */

	if (tail & BELL__PIPE_ERROR)
		return -(int)bell_load_relaxed(&p->error); /* acquired with tail */
	if (tail & BELL__PIPE_CLOSED)
		return -ESHUTDOWN;
	/* One word, and never remembered: who joins in this moment makes the next write good. */
	return bell_load_relaxed(&p->census) == 0 ? -EPIPE : 0; /* no data comes with it */
}

/* Tell readers of LAP what is about to be overwritten, before it is. */
static void leave_behind(struct bell_pipe *p, uint64_t end)
{
	if (end <= p->limit + p->begin)
		return;
	bell_store_release(&p->begin, end - p->limit); /* B6 */
	bell_fence_release(); /* B6: begin before the bytes; read: bytes before begin */
	BELL_INJECT(left_behind);
}

/* Append n bytes for which there is room. False: the stream was ended by somebody else. */
static bool append(struct bell_pipe *p, uint64_t position, const uint8_t *buf, size_t n)
{
	uint64_t tail = position << BELL__PIPE_SHIFT;
	size_t done, run;

	if (p->policy == BELL_PIPE_LAP)
		leave_behind(p, position + n);
	for (done = 0; done < n; done += run) {
		run = bell__pipe_run(p, position + done, n - done);
		if (p->policy == BELL_PIPE_LAP)
			bell__pipe_put_words(p, position + done, buf + done, run);
		else
			bell__pipe_put(p, position + done, buf + done, run);
	}
	BELL_INJECT(bytes_put);
	return bell_cas_acq_rel(&p->tail, &tail, (position + n) << BELL__PIPE_SHIFT); /* B1 */
}

/* How much to append in one go, of n bytes. 0: no room, *ret_error says why. */
static size_t portion(struct bell_pipe *p, uint64_t position, size_t n, int *ret_error)
{
	uint64_t room;

	*ret_error = p->policy == BELL_PIPE_GROW ? -ENOSPC : -EAGAIN;
	if (p->policy == BELL_PIPE_LAP) /* in quarters, so that readers find the other three good */
		return n < p->low_water ? n : (size_t)p->low_water;
	room = bell__pipe_room(p, n);
	if (room == 0)
		return 0;
	if (p->policy == BELL_PIPE_GROW) {
		if (!bell__pipe_reserve(p, position)) {
			*ret_error = -ENOMEM;
			return 0;
		}
		n = bell__pipe_run(p, position, n);
	}
	return n < room ? n : (size_t)room;
}

/* Append what there is room for. 0: all of it; else why not. */
static int write_some(struct bell_pipe *p, const uint8_t *buf, size_t len, size_t *done)
{
	int error = bell__pipe_refusal(p);
	uint64_t position;
	size_t n;

	while (error == 0 && *done < len) {
		position = bell__pipe_end(bell_load_relaxed(&p->tail)); /* the position is ours */
		n = portion(p, position, len - *done, &error);
		if (n == 0)
			break;
		if (append(p, position, buf + *done, n)) {
			*done += n;
			error = 0;
			bell__pipe_wake_readers(p);
		} else {
			error = bell__pipe_refusal(p);
		}
	}
	return error;
}

/* BLOCK: sleep until there is room for so many bytes. 0: look again; or what ended it. */
static int wait_for_room(struct bell_pipe *p, size_t n, int64_t deadline)
{
	const uint64_t wanted = n < p->low_water ? n : p->low_water;
	uint32_t token;
	ssize_t r;

	BELL_INJECT(writer_full);
	bell__pipe_announce(p, wanted);
	if (bell__pipe_refusal(p) != 0 || bell__pipe_room(p, wanted) >= wanted) /* the recheck */
		return 0;
	r = bell_queue_wait(p->room, &token, 1, bell__time_left(deadline));
	return r < 0 ? (int)r : 0;
}

static void count_refusal(struct bell_pipe *p)
{
	bell_store_relaxed(
		&p->refused, p->refused + 1); /* ours; others read it for the statistics */
}

ssize_t bell_pipe_write(struct bell_pipe *p, const void *buf, size_t len, int64_t timeout_ns)
{
	int64_t deadline = 0;
	size_t done = 0;
	int error, waited = 0;

	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	error = write_some(p, buf, len, &done);
	if (error == -EAGAIN && timeout_ns != 0)
		deadline = bell__deadline(timeout_ns);
	while (error == -EAGAIN && timeout_ns != 0 && waited == 0) {
		waited = wait_for_room(p, len - done, deadline);
		error = write_some(p, buf, len, &done); /* a last look, whatever ended the wait */
	}
	if (error == -EAGAIN && waited < 0)
		error = waited;
	if (error == -EAGAIN || error == -ETIMEDOUT || error == -ENOSPC || error == -ENOMEM)
		count_refusal(p);
	return done > 0 || error == 0 ? (ssize_t)done : error;
}

/* -- the writer in a loop -------------------------------------------------------------------- */

/* 0: nothing to write for now; 1: there is room; or the error. */
static int writable(struct bell_pipe *p)
{
	int error = bell__pipe_refusal(p);

	return error ? error : bell__pipe_room(p, p->low_water) >= p->low_water;
}

int bell_pipe_arm(struct bell_pipe *p)
{
	uint32_t token;
	int r = writable(p); /* before the fd is touched */

	if (r == 0) {
		/* Before announcing, so that it is none that answers that. */
		(void)!bell_queue_poll(p->room, &token, 1);
		BELL_INJECT(writer_polled);
		bell__pipe_announce(p, p->low_water);
		r = writable(p); /* the recheck; what was announced may stand: it costs a notify */
	}
	if (r != 0)
		return r < 0 ? r : 0;
	return bell_load_relaxed(&p->bound) ? 1 : bell_queue_arm(p->room); /* bound is ours */
}

int bell_pipe_bind(struct bell_pipe *p, struct bell_queue *q, uint32_t token)
{
	if (token >= bell_queue_capacity(q))
		return -EINVAL;
	if (bell_load_relaxed(&p->bound)) /* ours */
		return -EALREADY;
	p->bound_token = token;
	bell_store_release(&p->bound, bell_queue_ref(q)); /* B7 */
	return 0;
}
