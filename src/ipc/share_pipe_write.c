/* SPDX-License-Identifier: MIT
 *
 * share_pipe_write.c: the writer: room, bytes, tail, wake; and its sleep.
 *
 * One thread does all of it, so tail needs no read-modify-write. Of the seats only positions are
 * believed, and only if they lie from where that reader was last seen to the end of what is written; a
 * reader with another one is dropped, and its room is free. A reader that stands still holds the writer
 * of BLOCK, as a slow one does.
 *
 * To sleep until there is room the writer asks the slowest reader to ring when it is so far. Then it
 * looks again, and asks the one that is the slowest by then: each wake has a reason, and no reader
 * looks at others.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "ipc/share_pipe.h"
#include "stream/words.h"

/* -- waking readers -------------------------------------------------------------------------- */

/* One byte, that makes its descriptor readable. The descriptor is not an eventfd: the reader shares its
 * flags, and could have us block in a write; here each call says that it does not. */
static void ring(struct bell_share_pipe *p, struct bell__attached *a)
{
	if (send(a->link->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
		p->wakes++;
	} else if (errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) {
		/* No memory, then. Full, it is readable already; gone, it wants none. */
		bell_store_relaxed(&a->seat->asleep, 1); /* the next look takes it back again */
		p->unrung = true;
	}
}

void bell__share_pipe_wake(struct bell_share_pipe *p)
{
	struct bell__attached *a;
	uint32_t i;

	p->unrung = false;
	bell_fence_full(); /* X3: tail before the look; arm: asleep before tail */
	for (i = 0; i < p->readers; i++) {
		a = &p->attached[i];
		if (!bell_load_relaxed(&a->seat->asleep)) /* X3: behind the fence */
			continue;
		BELL_INJECT(pipe_asleep);
		if (bell_exchange_acq_rel(&a->seat->asleep, 0)) /* X3 */
			ring(p, a);
	}
}

/* -- the end of the stream ------------------------------------------------------------------- */

static void end(struct bell_share_pipe *p, int ended, uint64_t bit)
{
	p->ended = ended;
	bell_store_release(&p->stream->tail, p->end << BELL__STREAM_SHIFT | bit); /* X1: error */
	bell__share_pipe_wake(p);
}

int bell_share_pipe_close(struct bell_share_pipe *p)
{
	if (!p->ended)
		end(p, -ESHUTDOWN, BELL__STREAM_CLOSED);
	return 0;
}

int bell_share_pipe_set_error(struct bell_share_pipe *p, int error)
{
	if (error < 0 || !bell__stream_error_valid((uint32_t)error))
		return -EINVAL;
	if (p->ended)
		return p->ended == -ESHUTDOWN ? -ESHUTDOWN : -EALREADY;
	bell_store_relaxed(&p->stream->error, (uint32_t)error); /* published with tail */
	end(p, -error, BELL__STREAM_ERROR);
	return 0;
}

/* -- room ------------------------------------------------------------------------------------ */

/* Raise floor as far as the readers allow. From behind, for who is dropped is replaced by the last. */
static void look(struct bell_share_pipe *p)
{
	uint64_t least = p->end, position;
	struct bell__attached *a;
	uint32_t i;

	for (i = p->readers; i-- > 0;) {
		a = &p->attached[i];
		position = bell_load_acquire(&a->seat->position); /* X2: read, so may be overwritten */
		if (position - a->position > p->end - a->position) {
			bell__share_end(p->share, a->link, -EPROTO);
			continue;
		}
		a->position = position;
		least = position < least ? position : least;
	}
	if (p->readers > 0) /* else kept for who comes */
		p->floor = least;
}

static uint64_t room(struct bell_share_pipe *p, uint64_t wanted)
{
	if (p->policy == BELL_PIPE_LAP)
		return wanted;
	if (p->capacity - (p->end - p->floor) < wanted)
		look(p);
	return p->capacity - (p->end - p->floor);
}

static struct bell__attached *slowest_of(struct bell_share_pipe *p)
{
	struct bell__attached *slowest = p->attached;
	uint32_t i;

	for (i = 1; i < p->readers; i++)
		if (p->attached[i].position < slowest->position)
			slowest = &p->attached[i];
	return slowest;
}

/* Is the reader in a seat known to be before a position? */
static bool is_behind(
	const struct bell_share_pipe *p, const struct bell__stream_seat *seat, uint64_t position)
{
	uint32_t i;

	for (i = 0; i < p->readers; i++)
		if (p->attached[i].seat == seat)
			return p->attached[i].position < position;
	return false;
}

/* Have the slowest reader ring when it has freed so many bytes. 1: it is asked, and was not yet there;
 * 0: there is room. One that got there meanwhile may not have seen that it was asked: then the next is,
 * and each once, for nothing is written. */
static int ask(struct bell_share_pipe *p, uint64_t wanted)
{
	const uint64_t due = p->end + wanted - p->capacity;
	struct bell__stream_seat *asked;

	BELL_INJECT(pipe_full);
	do {
		if (p->readers == 0) /* who comes wakes us */
			return 1;
		asked = slowest_of(p)->seat;
		bell_store_relaxed(&asked->wanted, due); /* before X4's fence */
		bell_fence_full(); /* X4: wanted before positions; read: position before wanted */
		if (room(p, wanted) >= wanted) /* the recheck; what was announced may stand */
			return 0;
	} while (!is_behind(p, asked, due));
	return 1;
}

/* -- writing --------------------------------------------------------------------------------- */

static int refusal(const struct bell_share_pipe *p)
{
	if (p->ended)
		return p->ended;
	return p->had && p->readers == 0 ? -EPIPE : 0;
}

/* Append n bytes for which there is room. */
static void append(struct bell_share_pipe *p, const uint8_t *buf, size_t n)
{
	const uint64_t end = p->end + n;
	size_t done, run;

	if (p->policy == BELL_PIPE_LAP && end > p->capacity + p->floor) {
		p->floor = end - p->capacity;
		bell_store_release(&p->stream->begin, p->floor); /* X6 */
		bell_fence_release(); /* X6: begin before the bytes; read: bytes before begin */
	}
	for (done = 0; done < n; done += run) {
		const uint64_t position = p->end + done;
		uint8_t *at = p->data + (position & (p->ring_size - 1));

		run = bell__stream_run(p->ring_size, position, n - done);
		if (p->policy == BELL_PIPE_LAP)
			bell__words_put(at, buf + done, run);
		else
			memcpy(at, buf + done, run);
	}
	p->end = end;
	BELL_INJECT(pipe_bytes_put);
	bell_store_release(&p->stream->tail, end << BELL__STREAM_SHIFT); /* X1 */
	bell__share_pipe_wake(p);
}

/* How much to append in one go, of n bytes. With LAP in quarters, so that readers find the other three
 * good. */
static size_t portion(struct bell_share_pipe *p, size_t n)
{
	const uint64_t most = p->policy == BELL_PIPE_LAP ? p->low_water : room(p, n);

	return n < most ? n : (size_t)most;
}

/* Append what there is room for. 0: all of it; else why not. */
static int write_some(struct bell_share_pipe *p, const uint8_t *buf, size_t len, size_t *done)
{
	int error = refusal(p);
	size_t n;

	while (error == 0 && *done < len) {
		n = portion(p, len - *done);
		if (n == 0)
			return refusal(p) ? refusal(p) : -EAGAIN;
		append(p, buf + *done, n);
		*done += n;
	}
	return error;
}

/* May the writer sleep? 1: yes, until there is room; 0: look again. room 0: it does not want any. */
static int settle(struct bell_share_pipe *p, uint64_t wanted)
{
	if (wanted > 0 && refusal(p) == 0)
		if (room(p, wanted) >= wanted || ask(p, wanted) == 0)
			return 0;
	return bell_share_arm(p->share);
}

/* BLOCK: sleep until there is room. 0: look again; or what ended it. */
static int wait_for_room(struct bell_share_pipe *p, size_t n, int64_t deadline)
{
	int error = 0;

	if (settle(p, n < p->low_water ? n : p->low_water) == 1)
		error = bell__block_on(bell_share_fd(p->share), deadline);
	else if (bell__time_left(deadline) == 0)
		error = -ETIMEDOUT; /* whoever keeps us awake */
	bell__share_pipe_attend(p, false);
	return error;
}

/* Is it time to look at the descriptors? At most once a tick of the kernel's clock, which is some
 * milliseconds; and always if a reader is all that is missing. */
static bool is_due(struct bell_share_pipe *p)
{
	const struct timespec before = p->looked;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &p->looked);
	return p->looked.tv_nsec != before.tv_nsec || p->looked.tv_sec != before.tv_sec ||
	       refusal(p) == -EPIPE;
}

ssize_t bell_share_pipe_write(
	struct bell_share_pipe *p, const void *buf, size_t len, int64_t timeout_ns)
{
	int64_t deadline = 0;
	size_t done = 0;
	int error, waited = 0;

	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	if (is_due(p))
		bell__share_pipe_attend(p, true);
	error = write_some(p, buf, len, &done);
	if (error == -EAGAIN && timeout_ns != 0)
		deadline = bell__deadline(timeout_ns);
	while (error == -EAGAIN && timeout_ns != 0 && waited == 0) {
		waited = wait_for_room(p, len - done, deadline);
		error = write_some(p, buf, len, &done); /* a last look, whatever ended the wait */
	}
	if (error == -EAGAIN && waited < 0)
		error = waited;
	p->refused += error == -EAGAIN || error == -ETIMEDOUT;
	return done > 0 || error == 0 ? (ssize_t)done : error;
}

int bell_share_pipe_arm(struct bell_share_pipe *p, size_t room)
{
	if (room > 0 && p->ended)
		return p->ended;
	bell__share_pipe_attend(p, false);
	if (p->unrung)
		bell__share_pipe_wake(p);
	if (p->news || p->unrung) {
		p->news = false;
		return 0;
	}
	return settle(p, room < p->capacity ? room : p->capacity);
}
