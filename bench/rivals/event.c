/* SPDX-License-Identifier: MIT
 *
 * event.c: libevent's user-triggered events (event_active() on an event without an fd, what
 * evuser_trigger() is), one for each token, and one with a list. Several threads need
 * evthread_use_pthreads(), which puts a lock into the base.
 *
 * Conflation: an event that is active already stays so, found under the base's lock; with the list
 * as list.h says. Which fired: the queue of active events; or the list.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "list.h"

struct loop;

struct trigger {
	struct event event;
	struct loop *loop;
};

struct loop {
	struct receiver r;
	struct event_base *base;
	struct trigger *triggers; /* one for each token, or one in all */
	uint32_t count;
	struct list list;
};

static void loop_close(void *state)
{
	struct loop *s = state;
	uint32_t i;

	for (i = 0; i < s->count; i++)
		event_del(&s->triggers[i].event);
	if (s->base)
		event_base_free(s->base);
	free(s->triggers);
	list_fini(&s->list);
	free(s);
}

static int loop_open(
	void **ret_state, const struct receiver *r, uint32_t count, event_callback_fn fired)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->triggers = calloc(count, sizeof(*s->triggers));
	error = s->triggers ? list_init(&s->list, r->tokens) : -ENOMEM;
	if (error == 0 && (evthread_use_pthreads() < 0 || !(s->base = event_base_new())))
		error = -ENOMEM;
	for (; error == 0 && s->count < count; s->count++) {
		struct trigger *t = &s->triggers[s->count];

		t->loop = s;
		if (event_assign(&t->event, s->base, -1, EV_PERSIST, fired, t) < 0)
			error = -EINVAL;
	}
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static void each_fired(evutil_socket_t fd, short what, void *userdata)
{
	struct trigger *t = userdata;

	(void)fd;
	(void)what;
	t->loop->r.deliver(t->loop->r.userdata, (uint32_t)(t - t->loop->triggers));
}

static void list_fired(evutil_socket_t fd, short what, void *userdata)
{
	struct trigger *t = userdata;

	(void)fd;
	(void)what;
	list_drain(&t->loop->list, &t->loop->r);
}

static int each_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, r->tokens, each_fired);
}

static int list_open(void **ret_state, const struct receiver *r)
{
	return loop_open(ret_state, r, 1, list_fired);
}

static void each_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	event_active(&s->triggers[token].event, EV_READ, 0);
}

static void list_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		event_active(&s->triggers[0].event, EV_READ, 0);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	/* No event has an fd or a timeout, so without this it would end at once. */
	event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void loop_turn(void *state)
{
	struct loop *s = state;

	event_base_loop(s->base, EVLOOP_NONBLOCK);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	event_base_loopexit(s->base, NULL);
}

const struct rival rival_event_each = {.open = each_open,
	.notify = each_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_event_list = {.open = list_open,
	.notify = list_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
