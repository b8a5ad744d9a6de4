/* SPDX-License-Identifier: MIT
 *
 * collector.h: records of many threads, gathered by one. Each producer has a ring of its own and puts
 * records of one size into it; one consumer, usually an event loop asleep beside its sockets, wakes and
 * is handed the records where they lie.
 *
 * The idea: a ring for each producer, which nobody else writes, and a token for each producer in one queue
 * (queue.h) whose bell is the collector's. A producer whose ring is full is told so, or waits: it
 * announces that it waits, looks once more, and only then sleeps; the consumer wakes those that wait
 * and of whose records it took some, and no others.
 *
 * What always holds:
 *  - A record that was accepted is handed out, once, whether the collector is closed meanwhile, its
 *    producer is freed, or its thread ends. One that was refused is not.
 *  - Records of one producer are handed out in their order.
 *  - When a drain returns, nobody sleeps in whose ring it made room. Who does not wait is not woken.
 *  - Producers with records take turns: a busy one does not starve the others, whatever the budget.
 *
 * A loop:
 *
 *	struct bell_collector_options options = {.record_size = sizeof(struct span)};
 *	struct bell_collector *c;
 *	struct bell_producer *p;
 *
 *	if (bell_collector_new(&c, &options) < 0 ||
 *		bell_producer_new(&p, c) < 0)				// one for each thread
 *		return 1;
 *	if (bell_producer_submit(p, &(struct span){.id = 1}, -1) < 0)	// there; waits for room
 *		return 1;
 *	ev.events = EPOLLIN;
 *	epoll_ctl(ep, EPOLL_CTL_ADD, bell_collector_fd(c), &ev);
 *	while (epoll_wait(ep, &ev, 1, -1) == 1) {			// here
 *		do {
 *			while (bell_collector_drain(c, 64, on_record, NULL) > 0)
 *				;
 *		} while (bell_collector_arm(c) == 0);			// 1: asleep until the next record
 *	}
 *	bell_producer_free(p);
 *	bell_collector_free(c);
 *
 * Roles. "Consumer": one thread at a time. "Producer": for each producer one thread at a time, or a signal
 * handler that has it for its own. To hand a role on, synchronize. "Any thread": one that holds a producer,
 * or that knows that the collector has not been freed.
 *
 *	may run together?    drain arm wait free | submit bind producer_free | new close flush stats
 *	drain, arm, wait, free       no          |           yes             |         yes *
 *	submit, bind, producer_free              |  yes, of other producers  |         yes
 *	bell_producer_new, close, flush, stats   |                           |         yes
 *	* beside free: in threads that hold a producer
 *
 * Lifetimes. Each producer holds a reference on the collector: the memory and the fd go with the last of
 * bell_collector_free() and bell_producer_free(), in any order. After fork(2) the child may use neither.
 * No call here is a point of cancellation of pthread_cancel(3), but bell_collector_wait() is one while it
 * sleeps.
 *
 * Includes queue.h. The edges C1 to C5 are described in docs/ORDERING.md.
 */
#ifndef DOORBELL_COLLECTOR_H
#define DOORBELL_COLLECTOR_H

#include <doorbell/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Defaults, for options that are 0. */
#define BELL_COLLECTOR_RECORDS	 1024 /* of records_per_producer */
#define BELL_COLLECTOR_PRODUCERS 64   /* of max_producers */
#define BELL_COLLECTOR_BATCH	 32   /* of batch */

/** The largest values. */
#define BELL_COLLECTOR_RECORDS_MAX   (UINT32_C(1) << 30)
#define BELL_COLLECTOR_PRODUCERS_MAX (UINT32_C(1) << 20)

/** Flags of bell_collector_new(). */
enum {
	/** The fd is watched edge-triggered (EPOLLET, io_uring multishot poll): a drain that stops early
	 *  must go on without waiting, until arm says 1 or -ESHUTDOWN. */
	BELL_COLLECTOR_EDGE = 1 << 0,
};

struct bell_collector; /* the consumer's */
struct bell_producer;  /* one thread's */

/** What a collector is to be; zero-fill it, and set what differs from the defaults. */
struct bell_collector_options {
	size_t record_size;	       /* bytes of a record, 1 or more; there is no default */
	uint32_t records_per_producer; /* places in each ring: 1 .. BELL_COLLECTOR_RECORDS_MAX */
	uint32_t max_producers;	       /* at a time: 1 .. BELL_COLLECTOR_PRODUCERS_MAX */
	uint32_t batch;		       /* records of one producer before it is the turn of another */
	unsigned flags;		       /* BELL_COLLECTOR_… */
};

/** Counters since the collector was made; exact when nothing else runs, else each a moment old. */
struct bell_collector_stats {
	uint64_t submitted; /* records accepted */
	uint64_t drained;   /* records handed out, of places that are free again */
	uint64_t full;	    /* submits that found no room */
	uint64_t waits;	    /* times that a producer slept, or left it to its token to be told */
	uint64_t wakes;	    /* of those, how many were woken or told, by drain or close */
	uint64_t flushes;   /* flush marks handed out */
	uint64_t refused;   /* bell_producer_new() that found max_producers in use */
	uint64_t producers; /* in use now, with those that are freed and not yet drained */
	uint64_t arms;	    /* times that the consumer announced that it may sleep */
	uint64_t rings;	    /* write(2) on the bell: at most arms + 1 */
	uint64_t reserved[6];
};

/**
 * Called for each record, and with record NULL for a flush mark. The record lies in the ring: it is
 * aligned as an element of an array of its type, and valid until the function returns. It must return: no
 * exception, no longjmp. It may submit (but not wait for room: it is the one who makes room), flush,
 * close, make and free producers, and free the collector, which ends the drain; drain, arm and wait say
 * -EBUSY.
 */
typedef void (*bell_record_fn)(void *userdata, const void *record);

/* -- life ------------------------------------------------------------------------------------ */

/**
 * bell_collector_new(): make a collector, armed. Costs one allocation of max_producers rings of
 * records_per_producer records, rounded up to a power of two, of which only touched pages become real, one
 * queue (queue.h) and its fd (close-on-exec, non-blocking).
 * Returns 0; -EINVAL (record_size 0, a value above its largest, flags), -ENOMEM, -EMFILE, -ENFILE; *ret_c
 * is then unchanged.
 * Any thread; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_collector_new(
	struct bell_collector **ret_c, const struct bell_collector_options *options);

/**
 * bell_collector_free(): close the collector, and give up the consumer's part in it. Records that were not
 * drained are gone: close first and drain until arm says -ESHUTDOWN if they matter. Producers that are
 * left get -ESHUTDOWN, and the last one to be freed frees the memory. Returns NULL; c may be NULL.
 * Consumer; not signal-safe. Take the fd out of its loop before.
 */
BELL_PUBLIC struct bell_collector *bell_collector_free(struct bell_collector *c);

/**
 * bell_collector_close(): no more records. Wakes everybody: producers that wait get -ESHUTDOWN, or the
 * token they are bound to; the consumer drains what was accepted, then arm and wait say -ESHUTDOWN. A
 * submit that runs meanwhile is either accepted, and handed out, or refused, and not. Closing twice is
 * fine. Returns 0.
 * Any thread; lock-free, O(producers); at most one write(2), and one futex(2) for each producer that
 * sleeps; signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_collector_close(struct bell_collector *c);

/**
 * bell_collector_stats(): read the counters. Any thread; O(producers); signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_collector_stats(
	const struct bell_collector *c, struct bell_collector_stats *ret_stats);

/* -- consuming ------------------------------------------------------------------------------- */

/**
 * bell_collector_fd(): to be watched for reading. It is the collector's: never read, write or close it.
 * Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_collector_fd(const struct bell_collector *c);

/**
 * bell_collector_drain(): hand up to max records to fn. Producers with records take turns, a batch each;
 * what max leaves over stays, in order, and so do the turns. Places become free after each batch; a
 * producer that waits for one is woken when half of its ring is free, or else when the drain is over. One
 * that begins to submit has its turn after 256 records of those that were there before, and a batch of
 * each, at the latest. A flush mark (fn with record NULL) comes when all records that were submitted
 * before the flush have been handed out; at most one in a drain, and not counted.
 * Returns how many records; 0: none, or max is 0; -EBUSY: called by fn. One drain hands out no more than
 * all rings can hold, however fast they fill.
 * Consumer; wait-free but for fn; makes no system call, but for each producer that waits one futex(2) or
 * write(2), and a mutex is taken when a freed producer is drained; not signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1, 3) ssize_t bell_collector_drain(
	struct bell_collector *c, size_t max, bell_record_fn fn, void *userdata);

/**
 * bell_collector_arm(): may I block on the fd now? The only way to sleep, as bell_queue_arm().
 * Returns 1: yes, the next record or flush makes the fd readable; 0: no, drain again; -ESHUTDOWN: closed
 * and drained, nothing will come, the fd stays readable; -EBUSY: called by fn.
 * Level mode (the default): a drain that stops early just does not arm, and the loop comes back.
 * Consumer; wait-free, once after the close O(producers); system calls as bell_queue_arm(); not
 * signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_collector_arm(struct bell_collector *c);

/**
 * bell_collector_wait(): as drain; if there is nothing, wait for it, in a thread that has no loop.
 * timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever; 0: do not block; INT64_MAX is fine.
 * Returns how many records; 0: a flush mark alone; -ETIMEDOUT; -EINTR: a signal handler ran while it slept;
 * -ESHUTDOWN: closed and drained; -EINVAL: max is 0; -EBUSY: called by fn. Records win over errors.
 * Consumer; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3) ssize_t bell_collector_wait(struct bell_collector *c,
	size_t max, bell_record_fn fn, void *userdata, int64_t timeout_ns);

/**
 * bell_collector_flush(): ask the consumer to pass on what there is now, without waiting for its batch to
 * fill: it is woken, and after all records that were submitted before this call it gets a flush mark.
 * Flushes that come before the mark of an earlier one are one.
 * Returns 0; -ESHUTDOWN: closed; the end is then the mark, and so it may be for a flush that runs
 * meanwhile.
 * Any thread; lock-free; at most one write(2); signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_collector_flush(struct bell_collector *c);

/* -- producing ------------------------------------------------------------------------------- */

/**
 * bell_producer_new(): one more producer, which holds a reference on the collector.
 * Returns 0; -ENOSPC: max_producers are in use, freed ones that are not yet drained among them; -ESHUTDOWN:
 * closed; *ret_p is then unchanged.
 * Any thread; takes a mutex, and allocates nothing; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_producer_new(
	struct bell_producer **ret_p, struct bell_collector *c);

/**
 * bell_producer_free(): the end of a producer. What it submitted is still handed out, and its place in the
 * collector is free for another when that is done. Its reference is given back. Returns NULL; p may be
 * NULL.
 * Producer; takes a mutex, and waits for the end of a notification of the bound token if one is just being
 * made; not signal-safe.
 */
BELL_PUBLIC struct bell_producer *bell_producer_free(struct bell_producer *p);

/**
 * bell_producer_try_submit(): put a copy of the record into the ring, and tell the consumer.
 * record: record_size bytes; what else the caller wrote before is visible to fn, too.
 * Returns 0; -EAGAIN: the ring is full, and if the producer is bound its token is notified once there is
 * room or the collector is closed; -ESHUTDOWN: closed. Errors leave everything as it was.
 * Producer; wait-free; makes one write(2) if it is the one to wake a sleeping consumer, else no system
 * call. Signal-safe if the handler has the producer for its own; errno is preserved.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_producer_try_submit(
	struct bell_producer *p, const void *record);

/**
 * bell_producer_submit(): the same; if the ring is full, wait until there is room.
 * timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever; 0: do not block; INT64_MAX is fine.
 * Returns 0; -ETIMEDOUT; -EINTR: a signal handler ran while it slept; -ESHUTDOWN: closed. Room wins over
 * errors, which leave everything as it was.
 * Producer, but never in fn: blocks, on a futex; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_producer_submit(
	struct bell_producer *p, const void *record, int64_t timeout_ns);

/**
 * bell_producer_bind(): for a producer in an event loop: from now on each -EAGAIN of try_submit() is a
 * promise that the token of queue q is notified as soon as there is room, or the collector is closed: then
 * try again. The promise ends with the next submit of either kind, with another bind, and when the
 * producer is freed; a token that was just being notified may still come. The producer holds a reference
 * on q until it is bound otherwise or freed. q NULL: bound to nothing, token is ignored.
 * Returns 0; -EINVAL: token is not below q's capacity, or q has BELL_QUEUE_SINGLE_PRODUCER: the consumer
 * and whoever closes would notify it, too.
 * Producer; waits for the end of a notification that is just being made; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_producer_bind(
	struct bell_producer *p, struct bell_queue *q, uint32_t token);

#ifdef __cplusplus
}
#endif
#endif
