/* SPDX-License-Identifier: MIT
 *
 * doorbell.c: this library, in an epoll loop of level- and edge-triggered, with all that is ready taken
 * in one dispatch and 64 at a time, in the blocking receive, with a single producer, and with a receiver
 * that is always awake.
 *
 * Conflation: the flag of each token. Which fired: the ring.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>

#include "../bench.h"
#include "rival.h"

struct loop {
	struct receiver r;
	struct bell_queue *queue;
	struct bell_epoll bell;
	int epfd;
};

static void loop_close(void *state)
{
	struct loop *s = state;

	if (s->epfd >= 0) {
		bell_epoll_detach(&s->bell);
		close(s->epfd);
	}
	bell_queue_unref(s->queue);
	free(s);
}

static int loop_new(void **ret_state, const struct receiver *r, unsigned flags)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->epfd = -1;
	error = bell_queue_new(&s->queue, r->tokens, flags);
	if (error == 0 && (bell_queue_flags(s->queue) & flags) != flags)
		error = -EPERM;
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static int loop_open(void **ret_state, const struct receiver *r, unsigned flags, size_t budget)
{
	int error = loop_new(ret_state, r, flags);
	struct loop *s;

	if (error < 0)
		return error;
	s = *ret_state;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0)
		error = -errno;
	else
		error = bell_epoll_attach(
			&s->bell, s->epfd, s->queue, budget, r->deliver, r->userdata);
	if (error < 0)
		loop_close(s);
	return error;
}

static int level_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, 0, r->tokens);
}

static int edge_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, BELL_QUEUE_EDGE, r->tokens);
}

static int budget_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, BELL_QUEUE_EDGE, 64);
}

static int single_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, BELL_QUEUE_EDGE | BELL_QUEUE_SINGLE_PRODUCER, r->tokens);
}

/* The limit is said, for the default of a main thread that is pinned is 0. */
static int spin_open(void **ret_state, const struct receiver *r, uint32_t limit)
{
	int error = loop_new(ret_state, r, 0);
	struct loop *s;

	if (error == 0) {
		s = *ret_state;
		bell_queue_set_spin(s->queue, limit);
	}
	return error;
}

static int wait_open(void **ret_state, const struct receiver *r)
{
	return spin_open(ret_state, r, BELL_WAIT_SPIN_DEFAULT);
}

static int unspun_open(void **ret_state, const struct receiver *r)
{
	return spin_open(ret_state, r, 0);
}

static void loop_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	bell_queue_notify(s->queue, token);
}

static void loop_pass(struct loop *s, int timeout)
{
	struct epoll_event events[64];
	int i, n = epoll_wait(s->epfd, events, 64, timeout);

	for (i = 0; i < n; i++)
		if (events[i].data.ptr == &s->bell)
			bell_epoll_ready(&s->bell);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		loop_pass(s, -1);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

static void loop_turn(void *state)
{
	loop_pass(state, 0);
}

static void wait_pass(struct loop *s, int64_t timeout_ns)
{
	uint32_t tokens[64];
	ssize_t i, n = bell_queue_wait(s->queue, tokens, 64, timeout_ns);

	for (i = 0; i < n; i++)
		s->r.deliver(s->r.userdata, tokens[i]);
}

static size_t take(struct loop *s)
{
	uint32_t tokens[64];
	size_t i, n = bell_queue_poll(s->queue, tokens, 64);

	for (i = 0; i < n; i++)
		s->r.deliver(s->r.userdata, tokens[i]);
	return n;
}

static void wait_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		wait_pass(s, -1);
}

/* What a loop without adaption does: look for the full limit, whatever came of it before. */
static void fixed_run(void *state)
{
	struct loop *s = state;
	int64_t end;
	int i;

	while (!s->r.quit) {
		end = bench_now() + BELL_WAIT_SPIN_DEFAULT;
		do {
			for (i = 0; i < 8 && take(s) == 0; i++)
				bell_pause();
		} while (i == 8 && bench_now() < end);
		if (i == 8)
			wait_pass(s, -1);
	}
}

static void wait_turn(void *state)
{
	wait_pass(state, 0);
}

/* Never armed, so never to be woken: what a loop that has other work all the time is to producers. */
static void awake_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		if (take(s) == 0)
			bell_pause();
}

#define LOOP                                                                          \
	.notify = loop_notify, .run = loop_run, .quit = loop_quit, .turn = loop_turn, \
	.close = loop_close

const struct rival rival_bell_level = {.open = level_open, LOOP};
const struct rival rival_bell_edge = {.open = edge_open, LOOP};
const struct rival rival_bell_budget = {.open = budget_open, LOOP};
const struct rival rival_bell_single = {.open = single_open, LOOP, .single_producer = true};
const struct rival rival_bell_wait = {.open = wait_open,
	.notify = loop_notify,
	.run = wait_run,
	.quit = loop_quit,
	.turn = wait_turn,
	.close = loop_close};
const struct rival rival_bell_unspun = {.open = unspun_open,
	.notify = loop_notify,
	.run = wait_run,
	.quit = loop_quit,
	.turn = wait_turn,
	.close = loop_close};
const struct rival rival_bell_fixed = {.open = unspun_open,
	.notify = loop_notify,
	.run = fixed_run,
	.quit = loop_quit,
	.turn = wait_turn,
	.close = loop_close};
const struct rival rival_bell_awake = {.open = wait_open,
	.notify = loop_notify,
	.run = awake_run,
	.quit = loop_quit,
	.turn = wait_turn,
	.close = loop_close};
