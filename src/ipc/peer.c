/* SPDX-License-Identifier: MIT
 *
 * peer.c: the peer's half of a shared queue. Notify is that of queue.h, with one full fence more: the
 * receiver's membarrier(2) does not reach another process, so A2's compiler fence is a real one here, and
 * the edge is called A3.
 *
 * What it reads of the shared memory decides whether it queues and whether it rings, and nothing else: a
 * position is masked before it is used, by a mask of our own.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ipc/peer.h"

/* As bell__queue_claim(). */
static inline bool claim(uint8_t *flag)
{
	do {
		if (bell_load_relaxed(flag)) { /* a hint */
			bell_fence_full();     /* F1: our data before the look; drain: clear before data */
			if (bell_load_relaxed(flag)) /* F1: behind the fence */
				return false;
		}
	} while (bell_exchange_acq_rel(flag, 1)); /* F2: the clear in drain: the slot is free again */
	return true;
}

/* The receiver has gone: poll(2) says so, and says whether the bell has room. (Not whether there is
 * something to be read: the writer of a pipe says something now and then.) A full bell is readable
 * already, and to write to it could block, for whoever has it can have made it a blocking one. No
 * point of cancellation. */
static bool ring(struct bell_peer *p)
{
	struct pollfd fds[] = {
		{.fd = p->fd, .events = POLLRDHUP}, {.fd = p->bell, .events = POLLOUT}};
	const struct timespec now = {0};
	const uint64_t one = 1;

	BELL_INJECT(share_ringing);
	if (syscall(SYS_ppoll, fds, 2L, &now, NULL, 0L) < 0)
		fds[0].revents = 0, fds[1].revents = POLLOUT;
	if (fds[0].revents) {
		bell_store_relaxed(&p->shared->closed, 1); /* for later notifies; orders nothing */
		return false;
	}
	(void)bell_fetch_add_relaxed(&p->rings, 1); /* a statistic */
	if (fds[1].revents & POLLOUT)
		(void)syscall(SYS_write, p->bell, &one, sizeof(one));
	return true;
}

/* Of all who see ARMED or HOLE one clears it and rings. */
static BELL_COLD int claim_and_ring(struct bell_peer *p)
{
	const int saved = errno;
	int r = 1;

	if (bell_fetch_and_acq_rel(&p->shared->tail, ~(uint64_t)BELL__ASLEEP) & BELL__ASLEEP) /* A1, A3 */
		r = ring(p) ? 1 : -EPIPE;
	errno = saved;
	return r;
}

int bell_peer_notify(struct bell_peer *p, uint32_t token)
{
	struct bell__layout *const shared = p->shared;
	uint64_t before, position;

	if (token >= p->capacity)
		return -EINVAL;
	if (bell_load_relaxed(&shared->closed)) /* news, and orders nothing */
		return -EPIPE;
	if (!claim(&p->flags[token])) {
		bell_store_relaxed(&shared->conflated, /* a statistic: no locked instruction for it */
			bell_load_relaxed(&shared->conflated) + 1);
		return 0;
	}
	BELL_INJECT(share_claimed);
	before = bell_fetch_add_acq_rel(&shared->tail, BELL__POSITION); /* T1, A1 */
	position = before >> BELL__SHIFT;
	BELL_INJECT(share_reserved);
	bell_store_release(&p->slots[position & p->mask], /* S1: drain looks for it */
		token | bell__queue_lap(position, p->mask));
	BELL_INJECT(share_published);
	bell_fence_full(); /* A3: our slot before the look at HOLE */
	if (BELL_UNLIKELY((before & BELL__ARMED) ||
		    (bell_load_relaxed(&shared->tail) & BELL__HOLE))) /* A3: behind the fence */
		return claim_and_ring(p);
	return 1;
}

int bell_peer_fd(const struct bell_peer *p)
{
	return p->fd;
}

uint32_t bell_peer_capacity(const struct bell_peer *p)
{
	return p->capacity;
}

uint64_t bell_peer_rings(const struct bell_peer *p)
{
	return bell_load_relaxed(&p->rings); /* a statistic */
}

struct bell_peer *bell_peer_free(struct bell_peer *p)
{
	if (!p)
		return NULL;
	if (p->pid == getpid())
		shutdown(p->fd, SHUT_RDWR); /* a forked child may have a copy */
	munmap(p->shared, p->size);
	close(p->fd);
	close(p->bell);
	free(p);
	return NULL;
}
