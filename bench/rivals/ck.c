/* SPDX-License-Identifier: MIT
 *
 * ck.c: Concurrency Kit's ring of many producers and one consumer, with an eventfd in epoll beside it, as
 * it has no wake-up of its own.
 *
 * Conflation: it has none either, and could not hold every notify: an exchange on a flag for each
 * token. Which fired: the ring. The eventfd is written for each new token, or only if the receiver said
 * that it sleeps, and looked at the ring once more after saying so.
 */
#include <ck_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rival.h"

struct loop {
	struct receiver r;
	int epfd, fd;
	bool says; /* the receiver says when it sleeps */
	uint8_t *flags;
	ck_ring_buffer_t *buffer;
	ck_ring_t ring;
	BELL_ALIGNED uint32_t asleep;
};

static void loop_close(void *state)
{
	struct loop *s = state;

	close(s->epfd);
	close(s->fd);
	free(s->flags);
	free(s->buffer);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r, bool says)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	unsigned size = 2;
	struct loop *s;
	int error = 0;

	if (posix_memalign((void **)&s, BELL_CACHE_LINE, sizeof(*s)) != 0)
		return -ENOMEM;
	*s = (struct loop){.r = *r, .says = says};
	while (size <= r->tokens) /* one of its places stays empty */
		size *= 2;
	ck_ring_init(&s->ring, size);
	s->flags = calloc(r->tokens, 1);
	s->buffer = calloc(size, sizeof(*s->buffer));
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->flags || !s->buffer)
		error = -ENOMEM;
	else if (s->epfd < 0 || s->fd < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		error = -errno;
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static int write_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, false);
}

static int asleep_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, true);
}

static bool push(struct loop *s, uint32_t token)
{
	if (bell_exchange_acq_rel(&s->flags[token], 1))
		return false;
	if (!ck_ring_enqueue_mpsc(&s->ring, s->buffer, (void *)(uintptr_t)(token + 1)))
		abort();
	return true;
}

static void ring_bell(struct loop *s)
{
	if (eventfd_write(s->fd, 1) < 0)
		abort();
}

static void write_notify(void *state, uint32_t token)
{
	if (push(state, token))
		ring_bell(state);
}

static void asleep_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (!push(s, token))
		return;
	bell_fence_full(); /* the ring before the look; the receiver the other way round */
	if (bell_load_relaxed(&s->asleep) && bell_exchange_acq_rel(&s->asleep, 0))
		ring_bell(s);
}

static void drain(struct loop *s)
{
	void *entry;

	while (ck_ring_dequeue_mpsc(&s->ring, s->buffer, &entry)) {
		const uint32_t token = (uint32_t)(uintptr_t)entry - 1;

		(void)bell_exchange_acq_rel(&s->flags[token], 0);
		s->r.deliver(s->r.userdata, token);
	}
}

static void loop_pass(struct loop *s, int timeout)
{
	struct epoll_event events[64];

	if (s->says) {
		bell_store_relaxed(&s->asleep, 1);
		bell_fence_full();
		if (ck_ring_size(&s->ring) > 0)
			timeout = 0;
	}
	(void)epoll_wait(s->epfd, events, 64, timeout);
	if (s->says)
		bell_store_relaxed(&s->asleep, 0);
	drain(s);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		loop_pass(s, -1);
}

static void loop_turn(void *state)
{
	loop_pass(state, 0);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

const struct rival rival_ck_write = {.open = write_open,
	.notify = write_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_ck_asleep = {.open = asleep_open,
	.notify = asleep_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
