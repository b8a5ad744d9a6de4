/* SPDX-License-Identifier: MIT
 *
 * share.c: the receiver: one descriptor for everything, and the three calls fd, poll, arm.
 *
 * The descriptor is an epoll set of: the socket that listens, each connection (it ends, or says
 * something that it should not), each peer's bell, and an eventfd of our own, the kick. All are
 * level-triggered.
 *
 * A peer is asleep, that is armed, so that its next notify rings; or it is awake and in the list that
 * polls go through, without a system call. The invariant: as long as one is awake the descriptor is
 * readable, from a bell that was not yet read or from the kick. Only arm reads bells. So a loop that
 * forgets to arm spins, and sleeps not.
 *
 * A peer has our bell as we do, and may make it block and fill it up: it is read with RWF_NOWAIT,
 * never written, and what is in it beyond what was asked for is counted as strays.
 */
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/clock.h"
#include "ipc/ipc.h"

/* Polls between two looks at the descriptors while the receiver is awake: those that found something count
 * for CREDIT_BUSY. */
#define CREDIT	    1024
#define CREDIT_BUSY 16
#define AT_ONCE	    64 /* epoll events */

/* -- descriptors ----------------------------------------------------------------------------- */

int bell__share_watch(struct bell_share *s, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	return epoll_ctl(s->epfd, op, fd, &event) < 0 ? -errno : 0;
}

/* The whole counter, or 0; never blocks, whatever became of the description's flags. No point of
 * cancellation, as between reading and arming there may be none. */
static uint64_t read_counter(int fd)
{
	uint64_t count;
	struct iovec text = {.iov_base = &count, .iov_len = sizeof(count)};

	if (syscall(SYS_preadv2, fd, &text, 1L, -1L, -1L, RWF_NOWAIT) != sizeof(count))
		return 0;
	return count;
}

void bell__share_kick(struct bell_share *s)
{
	const uint64_t one = 1;

	if (s->kicked)
		return;
	s->kicked = true;
	s->stats.kicks++;
	(void)syscall(SYS_write, s->kick, &one, sizeof(one)); /* nobody else fills it */
}

void bell__share_wake(struct bell_share *s, struct bell__link *l)
{
	if (l->awake)
		return;
	l->awake = true;
	s->awake[s->n_awake++] = l;
}

/* Take those who are no longer awake out of the list, and leave the others in their order. */
static void prune(struct bell_share *s)
{
	uint32_t i, kept = 0, turn = 0;

	for (i = 0; i < s->n_awake; i++) {
		if (!s->awake[i]->awake)
			continue;
		turn += i < s->turn;
		s->awake[kept++] = s->awake[i];
	}
	s->n_awake = kept;
	s->turn = turn;
}

void bell__share_end(struct bell_share *s, struct bell__link *l, int32_t reason)
{
	bell_store_relaxed(&((struct bell__layout *)l->memory)->closed, 1); /* news, and orders nothing */
	(void)bell__share_watch(s, EPOLL_CTL_DEL, l->fd, 0, 0);
	(void)bell__share_watch(s, EPOLL_CTL_DEL, l->bell, 0, 0); /* the peer's copy lives on */
	shutdown(l->fd, SHUT_RDWR); /* a forked child may have a copy */
	close(l->fd);
	close(l->bell);
	l->state = BELL__LINK_ENDED;
	l->reason = reason;
	if (s->guest)
		s->guest->go(s->guest, l);
	bell__drain_end(&l->queue);
	if (reason)
		s->stats.dropped++;
	bell__share_wake(s, l);
	bell__share_kick(s);
}

/* The connection is readable: at its end, or with something that no sound peer sends. Descriptors that come
 * with it are never ours: there is no room for them here. */
static void hear(struct bell_share *s, struct bell__link *l)
{
	char byte;
	ssize_t n = recv(l->fd, &byte, sizeof(byte), MSG_DONTWAIT);

	if (n > 0)
		bell__share_end(s, l, -EPROTO);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		bell__share_end(s, l, 0);
}

static void look_at(struct bell_share *s, uint64_t data)
{
	const uint64_t kind = data % BELL__WATCH_KINDS;
	const bool about = kind == BELL__WATCH_LINK || kind == BELL__WATCH_BELL;
	struct bell__link *l = about ? &s->links[data / BELL__WATCH_KINDS] : NULL;

	switch (kind) {
	case BELL__WATCH_SOCKET:
		s->knocked = true;
		break;
	case BELL__WATCH_LINK:
		if (l->state == BELL__LINK_LIVE)
			hear(s, l);
		break;
	case BELL__WATCH_BELL:
		if (l->state == BELL__LINK_LIVE) {
			l->rang = true;
			bell__share_wake(s, l);
		}
		break;
	case BELL__WATCH_OBSERVER:
		bell__board_hear(s, (uint32_t)(data / BELL__WATCH_KINDS));
		break;
	default: /* the kick: arm reads it */
		break;
	}
}

/* Look at the descriptors: who came, who went, who rang. Places are freed by polls alone, so that no
 * event of these means a successor. */
static void look(struct bell_share *s)
{
	struct epoll_event events[AT_ONCE];
	/* Once for each that there is. */
	uint64_t rounds = (2 * s->stats.peers + s->stats.observers + 2) / AT_ONCE + 1;
	int i, n;

	s->stats.wakes += s->fresh;
	s->fresh = false;
	s->credit = CREDIT;
	if (s->muted) {
		s->muted = false;
		(void)bell__share_watch(s, EPOLL_CTL_MOD, s->socket, EPOLLIN, BELL__WATCH_SOCKET);
	}
	do {
		n = epoll_wait(s->epfd, events, AT_ONCE, 0);
		for (i = 0; i < n; i++)
			look_at(s, events[i].data.u64);
	} while (n == AT_ONCE && --rounds > 0);
	if (s->knocked) { /* after those who have left */
		s->knocked = false;
		bell__share_admit(s);
	}
	if (s->observers.n)
		bell__board_show(s);
}

/* -- polling --------------------------------------------------------------------------------- */

static struct bell_share_event about(const struct bell__link *l, enum bell_share_kind kind)
{
	return (struct bell_share_event){.peer = l->id,
		.kind = kind,
		.index = l->index,
		.reason = kind == BELL_SHARE_LEFT ? l->reason : 0,
		.pid = l->pid,
		.uid = l->uid};
}

static size_t tokens_of(struct bell_share *s, struct bell__link *l,
	struct bell_share_event *ret_events, size_t max, bool *ret_done)
{
	size_t n, i;

	if (l->state == BELL__LINK_LIVE) {
		n = bell__drain_take(&l->queue, ret_events, max);
		if (l->queue.broken)
			bell__share_end(s, l, -EPROTO);
	} else {
		n = bell__drain_rest(&l->queue, ret_events, max, ret_done);
	}
	for (i = 0; i < n; i++)
		ret_events[i] = (struct bell_share_event){.peer = l->id,
			.kind = BELL_SHARE_TOKEN,
			.index = l->index,
			.token = ret_events[i].token};
	return n;
}

/* Up to max events of one peer; max > 0. */
static size_t visit(
	struct bell_share *s, struct bell__link *l, struct bell_share_event *ret_events, size_t max)
{
	bool done = false;
	size_t n = 0;

	if (!l->told) {
		l->told = true;
		ret_events[n++] = about(l, BELL_SHARE_JOINED);
	}
	if (n < max)
		n += tokens_of(s, l, ret_events + n, max - n, &done);
	if (done && n < max) {
		ret_events[n++] = about(l, BELL_SHARE_LEFT);
		l->awake = false;
		s->stats.peers--;
		s->stats.left++;
		bell__share_dismiss(s, l);
	}
	return n;
}

/* Once through those who are awake, each with its part of what is left of max. */
static size_t round_of(struct bell_share *s, struct bell_share_event *ret_events, size_t max)
{
	const uint32_t awake = s->n_awake;
	bool gone = false;
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < awake && n < max; i++) {
		struct bell__link *l = s->awake[s->turn];
		const size_t waiting = awake - i, part = (max - n) / waiting;

		n += visit(s, l, ret_events + n, part ? part : 1);
		gone |= !l->awake;
		s->turn = s->turn + 1 < awake ? s->turn + 1 : 0;
	}
	if (gone)
		prune(s);
	return n;
}

ssize_t bell_share_poll(struct bell_share *s, struct bell_share_event *ret_events, size_t max)
{
	size_t n;

	if (max > SSIZE_MAX)
		max = SSIZE_MAX;
	if (s->fresh || s->credit == 0)
		look(s);
	n = round_of(s, ret_events, max);
	s->credit -= n == 0 || s->credit < CREDIT_BUSY ? s->credit > 0 : CREDIT_BUSY;
	return (ssize_t)n;
}

/* -- sleeping -------------------------------------------------------------------------------- */

/* Is there something to be polled from it? */
static bool waits(struct bell__link *l)
{
	return !l->told || l->state != BELL__LINK_LIVE || bell__drain_ready(&l->queue);
}

/* Rings were read: those that nobody asked for are strays, for who is asked rings once. */
static void account(struct bell_share *s, struct bell__link *l, uint64_t taken)
{
	const uint64_t due = taken < l->queue.owed ? taken : l->queue.owed, strays = taken - due;

	l->queue.owed -= due;
	l->rings += due;
	s->stats.rings += due;
	if (!strays)
		return;
	l->strays += strays < UINT32_MAX ? strays : UINT32_MAX; /* many are enough to be dropped */
	s->stats.strays += strays < UINT32_MAX ? strays : UINT32_MAX;
	if (l->strays > s->options.max_strays)
		bell__share_end(s, l, -EDQUOT);
}

/* As bell_queue_arm(), in level mode. True: asleep. *took: a bell was silenced. */
static bool arm_one(struct bell_share *s, struct bell__link *l, bool *took)
{
	struct bell__drain *d = &l->queue;
	uint64_t taken = 0;
	bool asleep;

	bell__drain_settle(d);
	if (l->rang || d->owed) { /* step 1: before arming, never after */
		l->rang = false;
		taken = read_counter(l->bell);
		*took |= taken > 0;
	}
	BELL_INJECT(share_silenced);
	asleep = bell__drain_arm(d) == 1;
	if (taken)
		account(s, l, taken);
	if (d->broken && l->state == BELL__LINK_LIVE)
		bell__share_end(s, l, -EPROTO);
	return asleep && l->state == BELL__LINK_LIVE;
}

int bell_share_arm(struct bell_share *s)
{
	bool took = false, changed = false;
	uint32_t i;

	for (i = 0; i < s->n_awake; i++) /* step 0: before a descriptor is touched */
		if (waits(s->awake[i]))
			return 0;
	for (i = 0; i < s->n_awake; i++)
		if (arm_one(s, s->awake[i], &took)) {
			s->awake[i]->awake = false;
			changed = true;
		}
	if (s->observers.n)
		bell__board_show(s);
	if (changed)
		prune(s);
	if (s->n_awake > 0) {
		if (took) /* step 4: not asleep, so the fd must stay readable */
			bell__share_kick(s);
		return 0;
	}
	if (s->kicked) {
		(void)read_counter(s->kick);
		s->kicked = false;
	}
	s->fresh = true;
	return 1;
}

ssize_t bell_share_wait(
	struct bell_share *s, struct bell_share_event *ret_events, size_t max, int64_t timeout_ns)
{
	int64_t deadline = 0;
	ssize_t n;
	int error;

	if (max == 0)
		return -EINVAL;
	n = bell_share_poll(s, ret_events, max);
	if (n == 0)
		deadline = bell__deadline(timeout_ns);
	while (n == 0) {
		error = bell_share_arm(s) == 1 ? bell__block_on(s->epfd, deadline) : 0;
		n = bell_share_poll(s, ret_events, max);
		if (n == 0 && error)
			return error;
	}
	return n;
}
