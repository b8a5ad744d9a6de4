/* SPDX-License-Identifier: MIT
 *
 * share_reader.c: a reader of a pipe between processes: it attaches, reads, sleeps on its connection, and
 * knows by that when the writer has died.
 *
 * The writer may be an enemy, too. The memory is used if it cannot be cut off; its header, if it is the
 * one that its capacity makes it, and then our own copy of it. Tail is compared with our position
 * before a byte is read, and every byte is read inside of the ring, whatever tail says.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "ipc/peer.h"
#include "ipc/stream.h"
#include "stream/words.h"
#include <doorbell/share_pipe.h>

/* Bytes that are taken from the connection in one go. A writer sends one each time that it finds us
 * asleep, and before each sleep they are taken: more is flooding. */
#define WAKES_MOST 16

struct bell_share_reader {
	struct bell_peer *peer;
	const struct bell__stream *stream; /* cannot be written to */
	const uint8_t *data;
	struct bell__stream_seat *seat;
	size_t size; /* of the mapping */
	uint64_t capacity, ring_size;
	uint32_t policy;

	uint64_t position; /* as in the seat */
	uint64_t lost;
	bool gone;   /* the connection is at its end */
	bool broken; /* something stood there that no sound writer writes */
};

/* -- attaching ------------------------------------------------------------------------------- */

static int furnish(struct bell_share_reader *r, int fd)
{
	struct bell__stream header;
	uint64_t size;
	void *memory;

	if (r->peer->capacity != 1 || !bell__is_sealed(fd, false, &size) || size > SIZE_MAX)
		return -EPROTO;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
		!bell__stream_is_sound(&header) || size < bell__stream_room(&header))
		return -EPROTO;
	r->size = (size_t)bell__stream_room(&header);
	memory = mmap(NULL, r->size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	r->stream = memory;
	r->data = (const uint8_t *)memory + header.data_at;
	r->capacity = header.capacity;
	r->ring_size = header.ring_size;
	r->policy = header.policy;
	r->seat = bell__seat_in(r->peer->shared);
	r->position = bell_load_relaxed(&r->seat->position); /* came with the memory */
	bell_store_relaxed(&r->seat->seated, 1); /* news, and orders nothing */
	return 0;
}

int bell_share_reader_connect(
	struct bell_share_reader **ret_r, const char *dir, const char *name, int64_t timeout_ns)
{
	struct bell_share_reader *r = calloc(1, sizeof(*r));
	int fd = -1, error;

	if (!r)
		return -ENOMEM;
	error = bell__peer_connect(&r->peer, &fd, dir, name, timeout_ns);
	if (!error)
		error = furnish(r, fd);
	if (fd >= 0)
		close(fd);
	if (error) {
		bell_peer_free(r->peer);
		free(r);
		return error;
	}
	*ret_r = r;
	return 0;
}

struct bell_share_reader *bell_share_reader_free(struct bell_share_reader *r)
{
	if (!r)
		return NULL;
	bell_peer_free(r->peer);
	munmap((void *)(uintptr_t)r->stream, r->size);
	free(r);
	return NULL;
}

int bell_share_reader_fd(const struct bell_share_reader *r)
{
	return bell_peer_fd(r->peer);
}

uint64_t bell_share_reader_lost(const struct bell_share_reader *r)
{
	return r->lost;
}

/* -- reading --------------------------------------------------------------------------------- */

/* What is said when all was read that tail covers. */
static int nothing_left(struct bell_share_reader *r, uint64_t tail)
{
	uint32_t error;

	if (tail & BELL__STREAM_ERROR) {
		error = bell_load_relaxed(&r->stream->error); /* acquired with tail */
		r->broken |= !bell__stream_error_valid(error);
		return r->broken ? -EPROTO : -(int)error;
	}
	if (tail & BELL__STREAM_CLOSED)
		return 0;
	return r->gone ? -ECONNRESET : -EAGAIN;
}

/* Tell how far we are, and ring if that is what the writer waits for. Returns n. */
static ssize_t advance(struct bell_share_reader *r, size_t n)
{
	uint64_t wanted;

	r->position += n;
	bell_store_release(&r->seat->position, r->position); /* X2: read, so it may be overwritten */
	if (r->policy == BELL_PIPE_LAP) /* there nobody waits for us */
		return (ssize_t)n;
	BELL_INJECT(pipe_advanced);
	bell_fence_full(); /* X4: position before wanted; write: wanted before positions */
	wanted = bell_load_relaxed(&r->seat->wanted); /* X4: behind the fence */
	if (r->position >= wanted &&
		bell_cas_acq_rel(&r->seat->wanted, &wanted, BELL__NOTHING_WANTED)) /* X4 */
		(void)bell_peer_notify(r->peer, 0); /* that it has gone is found out by arm */
	return (ssize_t)n;
}

/* The writer has left begin behind, and we were not there yet. */
static ssize_t lapped(struct bell_share_reader *r, uint64_t begin)
{
	r->lost += begin - r->position;
	r->position = begin;
	bell_store_relaxed(&r->seat->position, begin); /* with LAP nobody waits for it */
	return -EOVERFLOW;
}

static ssize_t copy_out(struct bell_share_reader *r, uint8_t *buf, size_t n)
{
	size_t done, run;
	uint64_t begin;

	for (done = 0; done < n; done += run) {
		const uint64_t position = r->position + done;
		const uint8_t *at = r->data + (position & (r->ring_size - 1));

		run = bell__stream_run(r->ring_size, position, n - done);
		if (r->policy == BELL_PIPE_LAP)
			bell__words_get(at, buf + done, run);
		else
			memcpy(buf + done, at, run);
	}
	BELL_INJECT(pipe_copied);
	if (r->policy == BELL_PIPE_LAP) {
		bell_fence_acquire(); /* X6: bytes before begin; write: begin before the bytes */
		begin = bell_load_acquire(
			&r->stream->begin); /* X6: behind the fence; tail is no older next time */
		if (begin > r->position)
			return lapped(r, begin);
	}
	return advance(r, n);
}

ssize_t bell_share_reader_read(struct bell_share_reader *r, void *buf, size_t len)
{
	uint64_t tail, left, begin;

	if (len == 0)
		return -EINVAL;
	if (r->broken)
		return -EPROTO;
	tail = bell_load_acquire(&r->stream->tail); /* X1: bytes, end and error */
	BELL_INJECT(pipe_tail_read);
	if (r->policy == BELL_PIPE_LAP) {
		begin = bell_load_acquire(
			&r->stream->begin); /* X6: a hint that spares a copy; as in copy_out */
		if (begin > r->position)
			return lapped(r, begin);
	}
	left = (tail >> BELL__STREAM_SHIFT) - r->position;
	if (left == 0)
		return nothing_left(r, tail);
	if (left > r->capacity) {
		r->broken = true;
		return -EPROTO;
	}
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	return copy_out(r, buf, left < len ? (size_t)left : len);
}

/* -- sleeping -------------------------------------------------------------------------------- */

/* Take what the writer sent: bytes that say nothing but "wake up", or its end. */
static void hear(struct bell_share_reader *r)
{
	char byte;
	struct iovec text = {.iov_base = &byte, .iov_len = sizeof(byte)};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	ssize_t n = 1;
	int i;

	for (i = 0; i < WAKES_MOST && n > 0; i++) {
		n = recvmsg(bell_peer_fd(r->peer), &message, MSG_DONTWAIT);
		/* Too long, or with descriptors: for those there is no room, so they are never ours. */
		r->broken |= n > 0 && message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	}
	r->broken |= n > 0;
	r->gone |= n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* 0: nothing for now; 1: something to read; or the end. */
static int readable(struct bell_share_reader *r)
{
	const uint64_t tail = bell_load_acquire(&r->stream->tail); /* X1; X3: behind the fence */
	int end;

	if (r->broken)
		return -EPROTO;
	if (tail >> BELL__STREAM_SHIFT != r->position)
		return 1;
	end = nothing_left(r, tail);
	return end == -EAGAIN ? 0 : end == 0 ? -ESHUTDOWN : end;
}

int bell_share_reader_arm(struct bell_share_reader *r)
{
	int state = readable(r);

	if (state == 0) {
		BELL_INJECT(pipe_reader_dry);
		/* Before announcing: it is none that answers that. */
		hear(r);
		bell_store_release(&r->seat->asleep, 1); /* X3 */
		BELL_INJECT(pipe_reader_announced);
		bell_fence_full(); /* X3: asleep before tail; write: tail before asleep */
		state = readable(r); /* what was announced may stand: it costs the writer a byte */
		BELL_INJECT(pipe_reader_settled);
	}
	return state < 0 ? state : !state;
}

ssize_t bell_share_reader_wait(
	struct bell_share_reader *r, void *buf, size_t len, int64_t timeout_ns)
{
	ssize_t n = bell_share_reader_read(r, buf, len);
	int64_t deadline;
	int waited = 0;

	if (n != -EAGAIN)
		return n;
	deadline = bell__deadline(timeout_ns);
	while (n == -EAGAIN && waited == 0) {
		if (bell_share_reader_arm(r) == 1)
			waited = bell__block_on(bell_peer_fd(r->peer), deadline);
		n = bell_share_reader_read(r, buf, len); /* a last look, whatever ended the wait */
	}
	return n == -EAGAIN ? waited : n;
}
