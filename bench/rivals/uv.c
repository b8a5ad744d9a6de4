/* SPDX-License-Identifier: MIT
 *
 * uv.c: libuv's uv_async_send(), with a handle for each token, and with one handle and a list.
 *
 * Conflation: libuv's own, "multiple calls may be coalesced": it looks at the handle's pending flag and
 * returns; with the list as list.h says. Which fired: each handle has a callback, and libuv walks
 * all handles of the loop at each wake-up to see which are pending; or the list.
 */
#include <uv.h>

#include "list.h"

struct loop;

struct handle {
	uv_async_t async; /* first */
	struct loop *loop;
};

struct loop {
	struct receiver r;
	uv_loop_t uv;
	struct handle *handles; /* one for each token, or one in all */
	uint32_t count;
	struct list list;
};

static void loop_close(void *state)
{
	struct loop *s = state;
	uint32_t i;

	for (i = 0; i < s->count; i++)
		uv_close((uv_handle_t *)&s->handles[i].async, NULL);
	uv_run(&s->uv, UV_RUN_DEFAULT);
	uv_loop_close(&s->uv);
	free(s->handles);
	list_fini(&s->list);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r, uint32_t count, uv_async_cb fired)
{
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->handles = calloc(count, sizeof(*s->handles));
	error = s->handles ? list_init(&s->list, r->tokens) : -ENOMEM;
	if (error == 0)
		error = uv_loop_init(&s->uv);
	if (error < 0) {
		free(s->handles);
		list_fini(&s->list);
		free(s);
		return error;
	}
	for (; error == 0 && s->count < count; s->count++) {
		s->handles[s->count].loop = s;
		error = uv_async_init(&s->uv, &s->handles[s->count].async, fired);
	}
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static void each_fired(uv_async_t *async)
{
	struct handle *h = (struct handle *)async;

	h->loop->r.deliver(h->loop->r.userdata, (uint32_t)(h - h->loop->handles));
}

static void list_fired(uv_async_t *async)
{
	struct handle *h = (struct handle *)async;

	list_drain(&h->loop->list, &h->loop->r);
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

	uv_async_send(&s->handles[token].async);
}

static void list_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (list_push(&s->list, token) == LIST_FIRST)
		uv_async_send(&s->handles[0].async);
}

static void loop_run(void *state)
{
	struct loop *s = state;

	uv_run(&s->uv, UV_RUN_DEFAULT);
}

static void loop_turn(void *state)
{
	struct loop *s = state;

	uv_run(&s->uv, UV_RUN_NOWAIT);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	uv_stop(&s->uv);
}

const struct rival rival_uv_each = {.open = each_open,
	.notify = each_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
const struct rival rival_uv_list = {.open = list_open,
	.notify = list_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
