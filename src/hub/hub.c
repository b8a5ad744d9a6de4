/* SPDX-License-Identifier: MIT
 *
 * hub.c: the hub, its handles, and notify.
 *
 * A generation is never given twice: a slot counts its own, and one that has come to the last is retired.
 * Slots are registered in turn, the longest unused first, so that generations are used up evenly.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/probe.h"
#include "hub/hub.h"

/* The defaults and the most of each limit: hub.h tells them. */
static const struct bell_hub_options defaults = {.handles = 4096,
	.waiters_per_handle = 1024,
	.subscriptions_per_handle = 1024,
	.subscriptions = 16384,
	.depth = 256};
static const struct bell_hub_options most = {.handles = 1 << 24,
	.waiters_per_handle = UINT32_MAX,
	.subscriptions_per_handle = UINT32_MAX,
	.subscriptions = 1 << 20,
	.depth = 1 << 20};

static bool membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) == 0;
}

/* -- life ------------------------------------------------------------------------------------ */

static bool set_limit(uint32_t *limit, uint32_t wanted, uint32_t usual, uint32_t largest)
{
	*limit = wanted ? wanted : usual;
	return wanted <= largest;
}

static bool set_limits(struct bell_hub_options *l, const struct bell_hub_options *o)
{
	static const struct bell_hub_options none;
	bool ok;

	memset(l, 0, sizeof(*l));
	o = o ? o : &none;
	ok = set_limit(&l->handles, o->handles, defaults.handles, most.handles);
	ok &= set_limit(&l->waiters_per_handle, o->waiters_per_handle, defaults.waiters_per_handle,
		most.waiters_per_handle);
	ok &= set_limit(&l->subscriptions_per_handle, o->subscriptions_per_handle,
		defaults.subscriptions_per_handle, most.subscriptions_per_handle);
	ok &= set_limit(
		&l->subscriptions, o->subscriptions, defaults.subscriptions, most.subscriptions);
	ok &= set_limit(&l->depth, o->depth, defaults.depth, most.depth);
	return ok && memcmp(o->reserved, none.reserved, sizeof(none.reserved)) == 0;
}

static void slot_init(struct slot *slot)
{
	slot->word = UNUSED;
	pthread_mutex_init(&slot->lock, NULL); /* cannot fail on Linux without attributes */
	link_init(&slot->waiters);
	link_init(&slot->subscriptions);
}

int bell_hub_new(struct bell_hub **ret_hub, const struct bell_hub_options *options)
{
	struct bell_hub_options limits;
	struct bell_hub *hub;
	uint64_t size;
	uint32_t i;
	void *memory;

	if (!set_limits(&limits, options))
		return -EINVAL;
	size = limits.handles * (uint64_t)(sizeof(struct slot) + sizeof(uint32_t));
	size += sizeof(*hub) + BELL_CACHE_LINE - 1;
	if (size > SIZE_MAX / 2)
		return -ENOMEM;
	memory = calloc(1, (size_t)size);
	if (!memory)
		return -ENOMEM;
	hub = (void *)(((uintptr_t)memory + BELL_CACHE_LINE - 1) &
		       ~(uintptr_t)(BELL_CACHE_LINE - 1));
	hub->memory = memory;
	hub->slots = (void *)(hub + 1);
	hub->unused = (void *)(hub->slots + limits.handles);
	hub->limits = limits;
	hub->refs = 1;
	hub->last = limits.handles;
	/* Refused: notify is never spared the lock, which then orders instead. */
	if (!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
		hub->idle = LISTENED | FENCED;
	pthread_mutex_init(&hub->lock, NULL);
	for (i = 0; i < limits.handles; i++) {
		slot_init(&hub->slots[i]);
		hub->unused[i] = i;
	}
	*ret_hub = hub;
	return 0;
}

struct bell_hub *bell_hub_ref(struct bell_hub *hub)
{
	(void)bell_fetch_add_relaxed(&hub->refs, 1); /* the caller holds one: nothing to order */
	return hub;
}

struct bell_hub *bell_hub_unref(struct bell_hub *hub)
{
	uint32_t i;

	if (!hub || bell_fetch_sub_acq_rel(&hub->refs, 1) != 1) /* R1: all use before the free */
		return NULL;
	for (i = 0; i < hub->limits.handles; i++)
		pthread_mutex_destroy(&hub->slots[i].lock);
	pthread_mutex_destroy(&hub->lock);
	free(hub->memory);
	return NULL;
}

/* -- slots ----------------------------------------------------------------------------------- */

void bell__hint_copy(char *to, const char *hint)
{
	size_t i;

	memset(to, 0, BELL_HINT_SIZE);
	for (i = 0; hint && hint[i] && i < BELL_HINT_SIZE - 1; i++)
		to[i] = (unsigned char)hint[i] < ' ' || hint[i] == 127 ? '?' : hint[i];
}

/* The slot is locked: is this handle registered there? */
static bool is_current(const struct slot *slot, struct bell_handle handle)
{
	return (slot->word & ~(uint64_t)(LISTENED | FENCED)) == word_of(handle, 0);
}

struct slot *bell__slot_lock(struct bell_hub *hub, struct bell_handle handle)
{
	struct slot *slot;

	if (handle.index >= hub->limits.handles)
		return NULL;
	slot = slot_at(hub, handle.index);
	pthread_mutex_lock(&slot->lock);
	if (is_current(slot, handle))
		return slot;
	pthread_mutex_unlock(&slot->lock);
	return NULL;
}

bool bell__slot_listen(struct slot *slot)
{
	if (!(slot->word & LISTENED))
		bell_store_release(&slot->word, slot->word | LISTENED); /* H1: the fence follows */
	return slot->word & FENCED;
}

int bell__slot_fence(struct slot *slot, const struct bell__hub_link *link)
{
	const int saved = errno;
	const bool done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); /* H1 */

	errno = saved;
	BELL_INJECT(fenced);
	if (!done)
		return -EPERM;
	/* Good for all who come later, as long as the word has not been quiet since: it has not if we are
	 * still there. */
	pthread_mutex_lock(&slot->lock);
	if (link->next)
		bell_store_release(&slot->word, slot->word | FENCED); /* H1 */
	pthread_mutex_unlock(&slot->lock);
	return 0;
}

int bell_hub_register(struct bell_hub *hub, const char *hint, struct bell_handle *ret_handle)
{
	struct bell_handle handle;
	struct slot *slot;
	bool full;

	pthread_mutex_lock(&hub->lock);
	full = hub->first == hub->last;
	if (full)
		count(&hub->no_handles, 1);
	else
		handle.index = hub->unused[hub->first++ % hub->limits.handles];
	pthread_mutex_unlock(&hub->lock);
	if (full)
		return -ENOSPC;

	slot = slot_at(hub, handle.index);
	pthread_mutex_lock(&slot->lock);
	handle.generation = ++slot->generation;
	bell__hint_copy(slot->hint, hint);
	slot->before = slot->counts;
	bell_store_release(
		&slot->word, word_of(handle, hub->idle)); /* H1: the caller passes it on */
	pthread_mutex_unlock(&slot->lock);
	*ret_handle = handle;
	return 0;
}

/* -- notify ---------------------------------------------------------------------------------- */

/* All subscriptions of a slot; it is locked. Returns how many took the value. */
static unsigned push_all(struct slot *slot, int64_t value, struct wakes *wakes)
{
	struct bell__hub_link *l;
	uint64_t dropped = 0;
	unsigned took = 0;

	for (l = slot->subscriptions.next; l != &slot->subscriptions; l = l->next) {
		struct subscription *s = subscription_of(l);

		dropped -= s->dropped;
		if (bell__ring_push(s, value)) {
			bell__wakes_add_client(wakes, s->client->queue, s->index);
			took++;
		}
		dropped += s->dropped;
	}
	count(&slot->counts.dropped, dropped);
	return took;
}

static BELL_COLD int notify_slow(struct bell_hub *hub, struct bell_handle handle, int64_t value)
{
	struct slot *slot = bell__slot_lock(hub, handle);
	struct wakes wakes;
	unsigned reached;

	if (!slot)
		return -ESTALE;
	if (link_empty(&slot->subscriptions) && link_empty(&slot->waiters)) {
		/* They have left since. Only here: whoever waits again before the next notify comes finds
		 * the word as it was, and needs no membarrier. */
		bell_store_release(&slot->word, word_of(handle, hub->idle)); /* H1 */
		pthread_mutex_unlock(&slot->lock);
		return 0;
	}
	wakes.n = 0;
	reached = push_all(slot, value, &wakes);
	reached += bell__waiters_end(slot, NOTIFIED, value, &wakes);
	count(&slot->counts.notifies, 1);
	count(&slot->counts.reached, reached);
	pthread_mutex_unlock(&slot->lock);
	BELL_PROBE4(notify, handle.index, handle.generation, value, reached);
	bell__wakes_make(&wakes);
	return (int)reached;
}

int bell_hub_notify(struct bell_hub *hub, struct bell_handle handle, int64_t value)
{
	uint64_t word;

	if (handle.index >= hub->limits.handles)
		return -ESTALE;
	bell_fence_compiler(); /* H1: the caller's data before the look; membarrier does the rest */
	word = bell_load_acquire(&slot_at(hub, handle.index)->word); /* H1 */
	if (word == word_of(handle, 0))
		return 0;
	if (word >> 32 != handle.generation)
		return -ESTALE;
	return notify_slow(hub, handle, value);
}

/* -- the end of a handle --------------------------------------------------------------------- */

/* The slot is locked. Once closed says so the client may give the memory to another subscription. */
static void close_all(struct slot *slot, struct wakes *wakes)
{
	while (!link_empty(&slot->subscriptions)) {
		struct subscription *s = subscription_of(slot->subscriptions.next);
		struct bell_queue *queue = bell_queue_ref(s->client->queue);
		const uint32_t token = s->index;

		link_remove(&s->link);
		bell_store_relaxed(
			&slot->n_subscriptions, slot->n_subscriptions - 1); /* a statistic */
		BELL_INJECT(closing);
		bell_store_release(&s->closed, 1); /* H4: after all values, and our last look */
		bell__wakes_add_client(wakes, queue, token);
		bell_queue_unref(queue);
	}
}

int bell_hub_unregister(struct bell_hub *hub, struct bell_handle handle)
{
	struct slot *slot = bell__slot_lock(hub, handle);
	struct wakes wakes = {.n = 0};
	unsigned canceled;

	if (!slot)
		return -ESTALE;
	bell_store_release(&slot->word, UNUSED); /* H1 */
	close_all(slot, &wakes);
	canceled = bell__waiters_end(slot, CANCELED, 0, &wakes);
	count(&slot->counts.canceled, canceled);
	pthread_mutex_unlock(&slot->lock);
	bell__wakes_make(&wakes);

	pthread_mutex_lock(&hub->lock);
	if (handle.generation == UINT32_MAX)
		hub->retired++;
	else
		hub->unused[hub->last++ % hub->limits.handles] = handle.index;
	pthread_mutex_unlock(&hub->lock);
	return 0;
}
