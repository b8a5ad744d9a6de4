/* SPDX-License-Identifier: MIT
 *
 * condvar.c: a thread that waits for nothing else: a list, and a condition variable, signalled when the
 * list was empty. No fd: it cannot stand beside sockets.
 *
 * Conflation and which fired: as list.h says.
 */
#include "list.h"

struct loop {
	struct receiver r;
	struct list list;
	pthread_cond_t cond;
};

static void loop_close(void *state)
{
	struct loop *s = state;

	pthread_cond_destroy(&s->cond);
	list_fini(&s->list);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	pthread_cond_init(&s->cond, NULL);
	error = list_init(&s->list, r->tokens);
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static void loop_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		pthread_cond_signal(&s->cond);
}

static void loop_pass(struct loop *s, bool block)
{
	size_t n;

	pthread_mutex_lock(&s->list.mutex);
	while (block && s->list.n == 0)
		pthread_cond_wait(&s->cond, &s->list.mutex);
	n = list_swap(&s->list);
	pthread_mutex_unlock(&s->list.mutex);
	list_deliver(&s->list, &s->r, n);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		loop_pass(s, true);
}

static void loop_turn(void *state)
{
	loop_pass(state, false);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

const struct rival rival_condvar = {.open = loop_open,
	.notify = loop_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
