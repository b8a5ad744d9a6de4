/* SPDX-License-Identifier: MIT
 *
 * hub.h: handles instead of tokens: what the core of an OS, or a server, gives to clients that it does not
 * trust to be quick or correct.
 *
 * A handle stands for something that happens: a file that grows, a process that ends. It is an index and
 * a generation and never used again, so whoever keeps one too long gets -ESTALE and touches nobody
 * else's. Whoever owns what happens notifies the handle, with a value. Others hear of it in two ways:
 *
 *  - A *waiter* waits for the next notify. prepare, check what you wait for, wait: a notify between the
 *    check and the wait is not lost. It blocks a thread, or notifies a token of a queue.
 *  - A *client* subscribes to any number of handles and has one descriptor for all of them. Each
 *    subscription has a bounded ring of values and a policy for when it is full.
 *
 * What always holds:
 *  - Notify calls nobody back, allocates nothing, and waits for no receiver. With nobody listening it is a
 *    look at one word. A client that is slow, stopped or dead costs the others nothing, and itself its
 *    values: it is told how many.
 *  - A waiter is woken once, by a notify that began after it was prepared, or by the end of the handle.
 *  - A subscription gets the values of all notifies after it, in order, each once or counted as dropped;
 *    then its end, which is an event of its own and no value.
 *  - Limits are options; memory is allocated when hub and clients are made, and stays.
 *
 *	struct bell_hub *hub;
 *	struct bell_client *client;
 *	struct bell_handle file;
 *	struct bell_client_event event;
 *	uint32_t id;
 *
 *	if (bell_hub_new(&hub, NULL) < 0 || bell_hub_register(hub, "a file", &file) < 0)
 *		return 1;
 *	if (bell_client_new(&client, hub, 100, 0) < 0 ||
 *		bell_client_subscribe(client, file, NULL, &id) < 0)
 *		return 1;
 *	epoll_ctl(ep, EPOLL_CTL_ADD, bell_client_fd(client), &ev);	// elsewhere: bell_hub_notify()
 *	while (epoll_wait(ep, &ev, 1, -1) == 1) {
 *		do {
 *			while (bell_client_next(client, &event) == 1)
 *				if (!event.closed)
 *					printf("%u: %lld\n", event.id, (long long)event.value);
 *		} while (bell_client_arm(client) == 0);
 *	}
 *	bell_client_free(client);
 *	bell_hub_unref(hub);
 *
 * Roles. "Any thread": any number of threads at once. "The waiter's thread", "the client's thread": one
 * thread at a time for each waiter and for each client; to hand the role on, synchronize.
 *
 *	may run together?       any call of the hub   of the same client   of the same waiter
 *	any call of the hub     yes                   yes                  yes, but for its own thread's
 *	of the same client      yes                   no                   yes
 *	of the same waiter      yes                   yes                  no
 *
 * Each thread that uses the hub holds a reference, or uses it only as long as another's is sure to last; a
 * client holds one. The last bell_hub_unref() runs alone. bell_client_free() runs while others notify,
 * register and unregister.
 *
 * Nothing here is signal-safe, for each handle has a lock. It is held for bounded work on lists and
 * rings, never across a callback, an allocation or anybody's sleep; no two handles share one. From a
 * signal handler: bell_queue_notify(). After fork(2) the child may only unref. No call is a point of
 * cancellation.
 *
 * Includes base.h, queue.h. The edges H1 to H5 are described in docs/ORDERING.md.
 */
#ifndef DOORBELL_HUB_H
#define DOORBELL_HUB_H

#include <stdio.h>

#include <doorbell/base.h>
#include <doorbell/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** {0, 0}, or whatever was zeroed, is never valid. No handle of a hub is ever equal to an earlier one. */
struct bell_handle {
	uint32_t index, generation;
};

/** The limits of a hub; 0 is the default beside it. Memory: see bell_hub_new(), bell_client_new(). */
struct bell_hub_options {
	uint32_t handles;		   /* 4096; at most 2^24. Registered at a time */
	uint32_t waiters_per_handle;	   /* 1024. They cost the hub no memory, but notify time */
	uint32_t subscriptions_per_handle; /* 1024. They cost notify time */
	uint32_t subscriptions;		   /* 16384; at most 2^20. Of all clients: bell_client_new() takes
					    * its share */
	uint32_t depth;			   /* 256; at most 2^20. Values in the ring of a subscription */
	uint32_t reserved[11];		   /* 0 */
};

/** So many bytes of a hint are kept, a final zero included; the rest is cut off. */
#define BELL_HINT_SIZE 32

/** Counters since the hub was made, and what is there now; exact when nothing else runs. */
struct bell_hub_stats {
	uint32_t handles, waiters, subscriptions, clients; /* now */
	uint32_t retired;		/* handle slots whose generations are used up: of 2^32 each */
	uint32_t reserved0;
	uint64_t notifies;		/* of handles that somebody listened to. The others count nothing:
					 * they write nothing */
	uint64_t reached;		/* the sum of what notify returned: waiters and values in rings */
	uint64_t dropped;		/* values that did not fit in, or that a later one pushed out */
	uint64_t canceled;		/* waiters that were woken by the end of their handle */
	uint64_t no_handles, no_waiters, no_subscriptions; /* refused at the limit, with -ENOSPC */
	uint64_t reserved[8];
};

/** The same of one handle, since it was registered. */
struct bell_handle_stats {
	uint64_t notifies, reached, dropped;
	uint64_t queued;		 /* values in rings now */
	uint32_t waiters, subscriptions; /* now */
	uint64_t reserved[4];
};

/** What to do with a value when the ring is full. */
enum {
	BELL_DROP_NEWEST = 0, /* drop it, and keep what is there */
	BELL_DROP_OLDEST = 1, /* it takes the place of the oldest */
	BELL_KEEP_LATEST = 2, /* a ring of one value: the last one */
};

struct bell_subscription_options {
	uint32_t depth;	  /* values in the ring, 1 .. the hub's depth; 0: 16, or the hub's if less */
	uint32_t policy;  /* BELL_DROP_NEWEST … */
	const char *hint; /* copied; NULL: "" */
	void *userdata;	  /* comes back in each event */
	uint32_t reserved[4];
};

/** One thing that happened. */
struct bell_client_event {
	uint32_t id;	  /* of the subscription */
	uint32_t closed;  /* 1: the handle is gone. The last event of this id; there is no value */
	struct bell_handle handle;
	int64_t value;	  /* as given to notify; 0 if closed */
	uint64_t dropped; /* values lost since the event of this id before, or since it subscribed */
	void *userdata;
};

struct bell_hub;
struct bell_client;

struct bell__hub_link {
	struct bell__hub_link *next, *prev;
};

/**
 * A waiter, in the caller's memory, which stays where it is from bell_hub_prepare() or bell_hub_bind()
 * until bell_hub_wait(), bell_hub_result() or bell_hub_cancel() has ended it. All fields are private.
 */
struct bell_hub_waiter {
	struct bell__hub_link link;	  /* under the handle's lock */
	struct bell_hub *hub;
	struct bell_queue *queue; /* to notify, or NULL: a thread waits on state. We hold a reference */
	uint32_t token;
	uint32_t index;		  /* of the handle */
	int64_t value;
	uint32_t state;		  /* changed from "waiting" under the handle's lock */
};

/* -- the hub --------------------------------------------------------------------------------- */

/**
 * bell_hub_new(): a hub with one reference. options: NULL or zeros for the defaults. Costs one allocation
 * of about 260 bytes a handle.
 * Returns 0; -EINVAL: options beyond their range; -ENOMEM; *ret_hub is then unchanged.
 * Any thread.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_hub_new(
	struct bell_hub **ret_hub, const struct bell_hub_options *options);

/**
 * bell_hub_ref(): one more reference; returns hub. bell_hub_unref(): one less; the last one frees hub and
 * handles: no client is left then (each holds a reference), and no waiter may be. Returns NULL; hub may
 * be NULL. Any thread.
 */
BELL_PUBLIC BELL_NONNULL(1) struct bell_hub *bell_hub_ref(struct bell_hub *hub);
BELL_PUBLIC struct bell_hub *bell_hub_unref(struct bell_hub *hub);

/**
 * bell_hub_register(): a new handle. hint: what it is called in the dump; copied; NULL: "".
 * Returns 0; -ENOSPC: as many as the limit are registered, or have used up all their generations.
 * Any thread; takes the lock of the register, which notify does not know.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3) int bell_hub_register(
	struct bell_hub *hub, const char *hint, struct bell_handle *ret_handle);

/**
 * bell_hub_unregister(): the end of a handle. Its waiters get -ECANCELED, its subscriptions what is in
 * their rings and then an event with closed = 1. A notify at the same time is before it or gets -ESTALE.
 * Returns 0; -ESTALE: it is gone already, whoever has its place now.
 * Any thread; system calls as notify.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_hub_unregister(
	struct bell_hub *hub, struct bell_handle handle);

/**
 * bell_hub_notify(): tell all who listen. value: any. What the caller wrote before is visible to whoever
 * gets the value, and to whoever prepares and then checks.
 * Returns how many receivers it reached: waiters woken, and subscriptions that took the value, be it in
 * the place of an older one; 0: nobody; -ESTALE: the handle is not registered, or never was.
 * Any thread. With nobody listening: wait-free, a look at one word (and once after the last listener left,
 * the lock). Else it takes the handle's lock, for a time bounded by the receivers; makes, when it has
 * released it, one futex(2) for each thread that waits and at most one write(2) for each client or queue
 * that sleeps. Beyond 32 subscriptions of one handle the writes for the rest are made under the lock.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_hub_notify(
	struct bell_hub *hub, struct bell_handle handle, int64_t value);

/**
 * bell_hub_stats(): O(handles); takes the lock of the register. bell_hub_handle_stats(): 0 or -ESTALE;
 * takes the handle's lock. Any thread.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_hub_stats(
	struct bell_hub *hub, struct bell_hub_stats *ret_stats);
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3) int bell_hub_handle_stats(
	struct bell_hub *hub, struct bell_handle handle, struct bell_handle_stats *ret_stats);

/**
 * bell_hub_dump(): all handles and subscriptions, for people to read. bell_hub_dump_tsv(): a line each,
 * tab-separated, the kind first: hub, handle, subscription; bell_hub(3) names the fields. Nothing is locked
 * while it writes: each handle is true by itself.
 * Returns 0; -ENOMEM; -EIO: the file had an error. Any thread; allocates.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) int bell_hub_dump(struct bell_hub *hub, FILE *file);
BELL_PUBLIC BELL_NONNULL(1, 2) int bell_hub_dump_tsv(struct bell_hub *hub, FILE *file);

/* -- waiting --------------------------------------------------------------------------------- */

/**
 * bell_hub_prepare(): from now on a notify wakes w. Then check what you wait for: if it is there, cancel;
 * else wait. w: any memory; it is begun anew, so it must not be prepared already.
 * Returns 0; -ESTALE: no such handle; -ENOSPC: as many waiters as the limit; -EPERM: membarrier(2) was
 * allowed when the hub was made, and is refused now. w is then not prepared.
 * The waiter's thread; takes the handle's lock; one membarrier(2) if nobody had listened.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3) int bell_hub_prepare(
	struct bell_hub *hub, struct bell_handle handle, struct bell_hub_waiter *w);

/**
 * bell_hub_bind(): the same for a loop: what ends the waiting notifies the token of the queue, and
 * bell_hub_result() then tells how it ended. The waiter holds a reference to the queue.
 * Returns as prepare, and -EINVAL: token is not below the queue's capacity.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3, 4) int bell_hub_bind(struct bell_hub *hub,
	struct bell_handle handle, struct bell_hub_waiter *w, struct bell_queue *queue,
	uint32_t token);

/**
 * bell_hub_wait(): sleep until w is notified. timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever;
 * 0: do not block; INT64_MAX is fine. ret_value may be NULL.
 * Returns 0: notified, with this value, even if the time was over by then; -ETIMEDOUT; -ECANCELED: the
 * handle was unregistered. These end the waiter. -EINTR: a signal handler ran; w is still prepared: wait
 * again, or cancel. -EINVAL: not prepared, of another hub, or bound.
 * The waiter's thread; blocks; system call: futex(2), only to sleep.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_hub_wait(
	struct bell_hub *hub, struct bell_hub_waiter *w, int64_t timeout_ns, int64_t *ret_value);

/**
 * bell_hub_result(): how the waiting of w ended, bound or not. ret_value may be NULL.
 * Returns 0: notified, with this value; -ECANCELED; these end the waiter. -EAGAIN: it still waits (a token
 * may come for an earlier reason: tokens conflate). -EINVAL: not prepared, or of another hub.
 * The waiter's thread; wait-free, but that it gives back its reference to the queue.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_hub_result(
	struct bell_hub *hub, struct bell_hub_waiter *w, int64_t *ret_value);

/**
 * bell_hub_cancel(): end w; no notify touches it after this. Nothing happens if it has ended already, or
 * was zeroed and never prepared. A token of a bound one may still come.
 * The waiter's thread; takes the handle's lock if w still waits.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_hub_cancel(
	struct bell_hub *hub, struct bell_hub_waiter *w);

/* -- clients --------------------------------------------------------------------------------- */

/**
 * bell_client_new(): a client with room for so many subscriptions, out of the hub's total. flags: 0, or
 * BELL_QUEUE_EDGE if its fd is watched edge-triggered. Costs one descriptor, and for each subscription
 * about 400 bytes and 16 for each value of the hub's depth, of which only touched pages become real.
 * Returns 0; -EINVAL: max_subscriptions is 0, flags; -ENOSPC: the hub's total is used up; -ENOMEM,
 * -EMFILE, -ENFILE; *ret_client is then unchanged. Any thread.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_client_new(struct bell_client **ret_client,
	struct bell_hub *hub, uint32_t max_subscriptions, unsigned flags);

/**
 * bell_client_free(): ends all its subscriptions and frees it; what is in their rings is gone. Others may
 * notify and unregister meanwhile. Detach the fd from its loop before. Returns NULL; client may be NULL.
 * The client's thread, for the last time.
 */
BELL_PUBLIC struct bell_client *bell_client_free(struct bell_client *client);

/** bell_client_fd(): readable when there may be events; never read, write or close it. Any thread. */
BELL_PUBLIC BELL_NONNULL(1) int bell_client_fd(const struct bell_client *client);

/**
 * bell_client_subscribe(): the values of all notifies that begin after this returns come as events; of
 * those that began before, some may. Whoever then checks the state sees what earlier notifies were about.
 * The same handle twice is two subscriptions. options: NULL for the defaults.
 * Returns 0; -ESTALE: no such handle; -EINVAL: depth or policy; -ENOSPC: the client, or the handle, has as
 * many as its limit; -EPERM as bell_hub_prepare(). *ret_id is then unchanged. An id is not 0, and this
 * client never gives it again.
 * The client's thread; takes the handle's lock; one membarrier(2) if nobody had listened.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 4) int bell_client_subscribe(
	struct bell_client *client, struct bell_handle handle,
	const struct bell_subscription_options *options, uint32_t *ret_id);

/**
 * bell_client_unsubscribe(): no event of this id any more; what is in its ring is gone.
 * Returns 0; -ENOENT: no such id, or its last event has been delivered.
 * The client's thread; takes the handle's lock.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_client_unsubscribe(struct bell_client *client, uint32_t id);

/**
 * bell_client_next(): the next event. Subscriptions that have some take turns, an event each.
 * Returns 1; 0: there is none now. The client's thread; lock-free: it starts over only when a notify has
 * pushed out the value that it was about to take; no system call, no lock.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_client_next(
	struct bell_client *client, struct bell_client_event *ret_event);

/**
 * bell_client_arm(): may I block on the fd now? 1: yes; 0: no, call next again. A loop that stops early
 * just does not arm; in edge mode it goes on until 1. As bell_queue_arm(). The client's thread.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_client_arm(struct bell_client *client);

#ifdef __cplusplus
}
#endif
#endif
