/* SPDX-License-Identifier: MIT
 *
 * hub.h: what the files of src/hub share and nobody else sees: slots of handles, subscriptions and their
 * rings, and the wakes that are owed when a slot's lock is released.
 *
 * A slot's word says which generation is registered and whether anybody listens; notify reads nothing else
 * when nobody does. All else in a slot is under its lock, which is a leaf: no other lock is taken inside.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <pthread.h>
#include <stdbool.h>

#include <doorbell/atomic.h>
#include <doorbell/hub.h>
#include <doorbell/local.h>

/* The low half of a slot's word; the high half is the generation. */
enum {
	LISTENED = 1, /* somebody listens, or did: whoever notifies takes the lock and looks */
	FENCED = 2,   /* and whoever saw "nobody" has been fenced by a membarrier since (H1) */
	UNUSED = 4,   /* nothing is registered; the generation is 0 */
};

#define DEPTH_DEFAULT 16

struct bell__counts {
	uint64_t notifies, reached, dropped, canceled, no_waiters, no_subscriptions;
};

struct slot {
	BELL_ALIGNED uint64_t word; /* written under the lock, read without */
	pthread_mutex_t lock;
	struct bell__hub_link waiters, subscriptions;
	uint32_t n_waiters, n_subscriptions; /* written under the lock; statistics read them without */
	uint32_t generation;		     /* the last that was registered */
	char hint[BELL_HINT_SIZE];
	struct bell__counts counts, before; /* likewise; before: as it was when registered */
};

struct bell_hub {
	/* Written when made. */
	struct bell_hub_options limits;
	struct slot *slots;
	uint64_t idle; /* bits of a word when nobody listens: 0, or both where membarrier is refused */
	uint32_t *unused; /* [limits.handles] a ring of slots to register, longest unused first */
	void *memory;
	/* Under lock, the register's; but refs. */
	BELL_ALIGNED pthread_mutex_t lock;
	uint64_t first, last; /* of the ring of unused slots, free-running */
	uint32_t refs;
	uint32_t taken; /* subscriptions that clients have room for */
	uint32_t clients, client_number;
	uint32_t retired;
	uint64_t no_handles, no_subscriptions;
};

struct cell {
	uint64_t number; /* of the value among all that the subscription was told: a gap is a loss */
	int64_t value;
};

/* The ring has one producer at a time, who holds the handle's lock, and one consumer, the client's thread,
 * who takes none. For a full ring whose oldest value has to go both of them move head, by a
 * compare-and-swap, which decides whether that value is delivered or dropped. */
struct subscription {
	/* Written under the handle's lock. */
	BELL_ALIGNED uint64_t tail; /* position of the next value, free-running */
	uint64_t told;		    /* number of the last value, kept or dropped */
	uint64_t dropped;
	struct bell__hub_link link;	    /* the slot's; next is NULL when closed or unsubscribed */
	uint32_t closed;	    /* the handle is gone; written last of all */
	/* Written by the client's thread before the subscription is linked. */
	uint32_t index, generation; /* of this subscription in its client; they make the id */
	uint32_t depth, mask, policy;
	struct bell_client *client;
	struct cell *cells;
	struct bell_handle handle;
	void *userdata;
	char hint[BELL_HINT_SIZE];
	/* Written by the client's thread, head by notify, too. */
	BELL_ALIGNED uint64_t head;
	uint64_t seen; /* number of the value in the last event */
	bool used;     /* it has an id */
};

struct bell_client {
	struct bell_hub *hub;
	struct bell_queue *queue; /* a token is the index of a subscription that has something */
	struct bell_local *ready; /* those of them that we know of, in turn */
	struct subscription *subscriptions;
	uint32_t *unused; /* [max] a ring, as the hub's */
	uint64_t first, last;
	uint32_t max, shift; /* an id is generation << shift | index */
	uint32_t number;     /* what the dump calls it */
	void *memory;
};

/* -- lists ----------------------------------------------------------------------------------- */

static inline void link_init(struct bell__hub_link *head)
{
	head->next = head->prev = head;
}

static inline bool link_empty(const struct bell__hub_link *head)
{
	return head->next == head;
}

static inline void link_append(struct bell__hub_link *head, struct bell__hub_link *l)
{
	l->next = head;
	l->prev = head->prev;
	head->prev->next = l;
	head->prev = l;
}

/* What is not in a list has no next. */
static inline void link_remove(struct bell__hub_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = NULL;
}

/* All of from, in their order, into the empty list to. */
static inline void link_move_all(struct bell__hub_link *from, struct bell__hub_link *to)
{
	link_init(to);
	if (link_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	link_init(from);
}

static inline struct subscription *subscription_of(struct bell__hub_link *l)
{
	return (void *)((char *)l - offsetof(struct subscription, link));
}

static inline uint32_t subscription_id(const struct subscription *s)
{
	return s->generation << s->client->shift | s->index;
}

/* -- slots ----------------------------------------------------------------------------------- */

/* A counter that is written under a lock and read for statistics without. */
static inline void count(uint64_t *counter, uint64_t more)
{
	bell_store_relaxed(counter, *counter + more);
}

static inline uint64_t word_of(struct bell_handle handle, uint64_t bits)
{
	return (uint64_t)handle.generation << 32 | bits;
}

static inline struct slot *slot_at(struct bell_hub *hub, uint32_t index)
{
	return &hub->slots[index];
}

/* hub.c: lock the slot of a handle, or return NULL if that is stale. */
struct slot *bell__slot_lock(struct bell_hub *hub, struct bell_handle handle);

/* hub.c: somebody is about to listen; the slot is locked. Returns false if bell__slot_fence() has to follow
 * when it is unlocked again. */
bool bell__slot_listen(struct slot *slot);

/* hub.c: see to it that whoever did not see us listen is seen by us: 0, or -EPERM. link: ours. */
int bell__slot_fence(struct slot *slot, const struct bell__hub_link *link);

/* hub.c: a copy without control characters, so that a dump stays a line. */
void bell__hint_copy(char *to, const char *hint);

/* -- rings ----------------------------------------------------------------------------------- */

/* ring.c: tell a subscription a value; its handle is locked. False: the value was dropped. */
bool bell__ring_push(struct subscription *s, int64_t value);

/* ring.c: take the oldest value; the client's thread. False: there is none. */
bool bell__ring_take(struct subscription *s, struct cell *ret_cell);

/* ring.c: how many values there are; a moment old. */
uint64_t bell__ring_count(const struct subscription *s);

/* -- wakes ----------------------------------------------------------------------------------- */

#define WAKES 32

/* Collected under a slot's lock, made when it is released. The memory of a waiter may be somebody else's by
 * then: a wake there is a spurious one. A queue is kept by a reference. */
struct wakes {
	unsigned n;
	struct {
		uint32_t *futex; /* or NULL */
		struct bell_queue *queue;
		uint32_t token;	 /* or RING_ONLY */
	} list[WAKES];
};

/* wake.c: a thread that waits; somebody's queue, whose token is notified with the other wakes; a client's
 * queue, whose token is queued at once and whose bell, if it has to be, is rung with the other wakes. Only
 * the last may be called when the list is full. */
void bell__wakes_add_futex(struct wakes *wakes, uint32_t *futex);
void bell__wakes_add_token(struct wakes *wakes, struct bell_queue *queue, uint32_t token);
void bell__wakes_add_client(struct wakes *wakes, struct bell_queue *queue, uint32_t token);
void bell__wakes_make(struct wakes *wakes);

/* waiter.c: end the waiting of all waiters of a slot, which is locked, and may be unlocked in between; more
 * wakes may be left to make. Returns how many were told. */
enum { WAITING, NOTIFIED, CANCELED }; /* a waiter's state */
unsigned bell__waiters_end(
	struct slot *slot, uint32_t state, int64_t value, struct wakes *wakes);

#endif
