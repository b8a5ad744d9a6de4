/* SPDX-License-Identifier: MIT
 *
 * local.c: the cold half of the queue for one thread: its life, and its growth by doubling. The ring has
 * as many places as tokens may be registered, so that it can be full but never overflow.
 */
#include <stdlib.h>
#include <string.h>

#include <doorbell/local.h>

#define ROOM_LEAST 16

/* Room for so many tokens: a ring and flags in new memory, with what was in the old. */
static int make_room(struct bell_local *l, uint32_t tokens)
{
	const uint32_t marked = l->tail - l->head;
	uint32_t *slots, i;
	uint64_t room = ROOM_LEAST;

	while (room < tokens)
		room *= 2;
	if (room > SIZE_MAX / (sizeof(*slots) + 1))
		return -ENOMEM;
	slots = calloc((size_t)room, sizeof(*slots) + 1);
	if (!slots)
		return -ENOMEM;
	for (i = 0; i < marked; i++)
		slots[i] = l->slots[(l->head + i) & l->mask];
	if (l->registered)
		memcpy(slots + room, l->flags, l->registered);
	free(l->slots);
	l->slots = slots;
	l->flags = (uint8_t *)(slots + room);
	l->mask = (uint32_t)(room - 1);
	l->head = 0;
	l->tail = marked;
	return 0;
}

int bell_local_new(struct bell_local **ret_l, uint32_t hint)
{
	struct bell_local *l;
	int r;

	if (hint > BELL_LOCAL_TOKENS_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	r = make_room(l, hint);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret_l = l;
	return 0;
}

struct bell_local *bell_local_free(struct bell_local *l)
{
	if (l) {
		free(l->slots);
		free(l);
	}
	return NULL;
}

int bell_local_ensure(struct bell_local *l, uint32_t token)
{
	int r;

	if (token >= BELL_LOCAL_TOKENS_MAX)
		return -EINVAL;
	if (token > l->mask) {
		r = make_room(l, token + 1);
		if (r < 0)
			return r;
	}
	if (token >= l->registered)
		l->registered = token + 1;
	return 0;
}

int bell_local_register(struct bell_local *l, uint32_t *ret_token)
{
	const uint32_t token = l->registered;
	int r = token < BELL_LOCAL_TOKENS_MAX ? bell_local_ensure(l, token) : -ENOSPC;

	if (r == 0)
		*ret_token = token;
	return r;
}

uint32_t bell_local_registered(const struct bell_local *l)
{
	return l->registered;
}

uint32_t bell_local_count(const struct bell_local *l)
{
	return l->tail - l->head;
}
