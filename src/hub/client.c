/* SPDX-License-Identifier: MIT
 *
 * client.c: a client: subscriptions, and one queue whose tokens are their indices. Whoever has pushed a
 * value notifies the token; next keeps the tokens it has polled in a queue of its own, in which a
 * subscription goes to the end after each event, so that they take turns.
 */
#include <errno.h>
#include <stdlib.h>

#include "hub/hub.h"

#define BATCH 64 /* tokens to poll at a time */

static uint32_t depth_rounded(uint32_t depth)
{
	uint32_t size = 1;

	while (size < depth)
		size *= 2;
	return size;
}

/* -- life ------------------------------------------------------------------------------------ */

/* Room in the hub's total: 1, or 0 if it is used up. */
static bool reserve(struct bell_hub *hub, struct bell_client *client, uint32_t subscriptions)
{
	bool room;

	pthread_mutex_lock(&hub->lock);
	room = subscriptions <= hub->limits.subscriptions - hub->taken;
	if (room) {
		hub->taken += subscriptions;
		hub->clients++;
		client->number = ++hub->client_number;
	} else {
		count(&hub->no_subscriptions, 1);
	}
	pthread_mutex_unlock(&hub->lock);
	return room;
}

static void release(struct bell_hub *hub, uint32_t subscriptions)
{
	pthread_mutex_lock(&hub->lock);
	hub->taken -= subscriptions;
	hub->clients--;
	pthread_mutex_unlock(&hub->lock);
}

static int allocate(struct bell_client *client, uint32_t max, uint32_t depth)
{
	const uint32_t size = depth_rounded(depth);
	const uint64_t each =
		sizeof(struct subscription) + size * sizeof(struct cell) + sizeof(uint32_t);
	struct cell *cells;
	uint32_t i;

	if (each > (SIZE_MAX / 2) / max)
		return -ENOMEM;
	client->memory = calloc(1, BELL_CACHE_LINE - 1 + (size_t)each * max);
	if (!client->memory)
		return -ENOMEM;
	client->subscriptions = (void *)(((uintptr_t)client->memory + BELL_CACHE_LINE - 1) &
					 ~(uintptr_t)(BELL_CACHE_LINE - 1));
	cells = (void *)(client->subscriptions + max);
	client->unused = (void *)(cells + (size_t)max * size);
	client->max = max;
	client->last = max;
	while (client->max > UINT32_C(1) << client->shift)
		client->shift++;
	for (i = 0; i < max; i++) {
		client->subscriptions[i].index = i;
		client->subscriptions[i].client = client;
		client->subscriptions[i].cells = cells + (size_t)i * size;
		client->subscriptions[i].mask = size - 1;
		client->unused[i] = i;
	}
	return 0;
}

static void destroy(struct bell_client *client)
{
	bell_queue_unref(client->queue);
	bell_local_free(client->ready);
	free(client->memory);
	free(client);
}

int bell_client_new(struct bell_client **ret_client, struct bell_hub *hub,
	uint32_t max_subscriptions, unsigned flags)
{
	struct bell_client *client;
	int r;

	if (max_subscriptions == 0 || flags & ~(unsigned)BELL_QUEUE_EDGE)
		return -EINVAL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	if (!reserve(hub, client, max_subscriptions)) {
		free(client);
		return -ENOSPC;
	}
	r = allocate(client, max_subscriptions, hub->limits.depth);
	if (r == 0)
		r = bell_local_new(&client->ready, max_subscriptions);
	if (r == 0)
		r = bell_local_ensure(client->ready, max_subscriptions - 1);
	if (r == 0)
		r = bell_queue_new(&client->queue, max_subscriptions, flags);
	if (r < 0) {
		release(hub, max_subscriptions);
		destroy(client);
		return r;
	}
	client->hub = bell_hub_ref(hub);
	*ret_client = client;
	return 0;
}

int bell_client_fd(const struct bell_client *client)
{
	return bell_queue_fd(client->queue);
}

/* -- subscriptions --------------------------------------------------------------------------- */

/* It has no id any more, and no notify knows it: its place may have another, unless all ids are used up. */
static void retire(struct subscription *s)
{
	struct bell_client *client = s->client;

	s->used = false;
	if (s->generation < UINT32_MAX >> client->shift)
		client->unused[client->last++ % client->max] = s->index;
}

/* Out of its handle's list; no notify knows it from then on. */
static void detach(struct subscription *s)
{
	struct slot *slot = slot_at(s->client->hub, s->handle.index);

	pthread_mutex_lock(&slot->lock);
	if (s->link.next) {
		link_remove(&s->link);
		bell_store_relaxed(
			&slot->n_subscriptions, slot->n_subscriptions - 1); /* a statistic */
	}
	pthread_mutex_unlock(&slot->lock);
}

static int attach(struct subscription *s)
{
	struct bell_hub *hub = s->client->hub;
	struct slot *slot = bell__slot_lock(hub, s->handle);
	bool full, fenced = true;
	int r = 0;

	if (!slot)
		return -ESTALE;
	full = slot->n_subscriptions >= hub->limits.subscriptions_per_handle;
	if (full) {
		count(&slot->counts.no_subscriptions, 1);
		r = -ENOSPC;
	} else {
		link_append(&slot->subscriptions, &s->link);
		bell_store_relaxed(
			&slot->n_subscriptions, slot->n_subscriptions + 1); /* a statistic */
		fenced = bell__slot_listen(slot);
	}
	pthread_mutex_unlock(&slot->lock);
	BELL_INJECT(attached);
	if (!fenced)
		r = bell__slot_fence(slot, &s->link);
	if (r == -EPERM)
		detach(s);
	return r;
}

/* 0 if the options make no sense. */
static uint32_t depth_of(const struct bell_subscription_options *o, uint32_t most)
{
	uint32_t usual = most < DEPTH_DEFAULT ? most : DEPTH_DEFAULT;

	if (o->policy > BELL_KEEP_LATEST || o->depth > most)
		return 0;
	if (o->policy == BELL_KEEP_LATEST)
		return o->depth <= 1;
	return o->depth ? o->depth : usual;
}

int bell_client_subscribe(struct bell_client *client, struct bell_handle handle,
	const struct bell_subscription_options *options, uint32_t *ret_id)
{
	static const struct bell_subscription_options usual;
	const struct bell_subscription_options *o = options ? options : &usual;
	const uint32_t depth = depth_of(o, client->hub->limits.depth);
	struct subscription *s;
	int r;

	if (depth == 0)
		return -EINVAL;
	if (client->first == client->last) {
		pthread_mutex_lock(&client->hub->lock);
		count(&client->hub->no_subscriptions, 1);
		pthread_mutex_unlock(&client->hub->lock);
		return -ENOSPC;
	}
	s = &client->subscriptions[client->unused[client->first % client->max]];
	s->tail = s->head = s->told = s->seen = s->dropped = 0;
	s->closed = 0;
	s->depth = depth;
	s->policy = o->policy;
	s->handle = handle;
	s->userdata = o->userdata;
	bell__hint_copy(s->hint, o->hint);
	s->generation++;
	r = attach(s);
	if (r < 0) {
		s->generation--; /* nobody has seen it: the dump tells of it at most that it was tried */
		return r;
	}
	client->first++;
	s->used = true;
	*ret_id = subscription_id(s);
	return 0;
}

int bell_client_unsubscribe(struct bell_client *client, uint32_t id)
{
	const uint32_t index = id & ((UINT32_C(1) << client->shift) - 1);
	struct subscription *s = &client->subscriptions[index];

	if (index >= client->max || !s->used || subscription_id(s) != id)
		return -ENOENT;
	detach(s);
	retire(s);
	return 0;
}

struct bell_client *bell_client_free(struct bell_client *client)
{
	uint32_t i;

	if (!client)
		return NULL;
	for (i = 0; i < client->max; i++)
		if (client->subscriptions[i].used)
			detach(&client->subscriptions[i]);
	release(client->hub, client->max);
	bell_hub_unref(client->hub);
	destroy(client);
	return NULL;
}

/* -- events ---------------------------------------------------------------------------------- */

/* The next event of one subscription, if there is one. */
static bool next_of(struct subscription *s, struct bell_client_event *ret_event)
{
	struct cell cell = {0};
	bool closed, value;

	if (!s->used) /* a token may come late */
		return false;
	closed = bell_load_acquire(&s->closed); /* H4: before the ring is found empty */
	value = bell__ring_take(s, &cell);
	if (!value && !closed)
		return false;
	*ret_event = (struct bell_client_event){.id = subscription_id(s),
		.closed = !value,
		.handle = s->handle,
		.value = cell.value,
		.dropped = (value ? cell.number - 1 : s->told) - s->seen,
		.userdata = s->userdata};
	s->seen = cell.number;
	if (!value)
		retire(s);
	return true;
}

static size_t poll_tokens(struct bell_client *client)
{
	uint32_t tokens[BATCH];
	size_t n = bell_queue_poll(client->queue, tokens, BATCH), i;

	for (i = 0; i < n; i++)
		(void)bell_local_mark(client->ready, tokens[i]);
	return n;
}

int bell_client_next(struct bell_client *client, struct bell_client_event *ret_event)
{
	uint32_t index;
	size_t polled;

	do {
		polled = poll_tokens(client);
		while (bell_local_poll(client->ready, &index, 1) == 1) {
			if (next_of(&client->subscriptions[index], ret_event)) {
				(void)bell_local_mark(client->ready, index); /* there may be more */
				return 1;
			}
		}
	} while (polled > 0);
	return 0;
}

int bell_client_arm(struct bell_client *client)
{
	if (bell_local_count(client->ready))
		return 0;
	return bell_queue_arm(client->queue);
}
