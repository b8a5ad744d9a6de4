/* SPDX-License-Identifier: MIT
 *
 * permit.h: "something changed, look again": one thread waits until another says so. There is no
 * value and no condition in it; those are the caller's, and stay where they are.
 *
 * A permit is a word that holds at most one stored notification, and a generation. notify_one wakes the
 * waiter that has waited longest, or, if nobody waits, is stored for the next who comes: once,
 * however often. notify_all wakes everybody who was prepared before it and stores nothing: what it
 * moves is the generation.
 *
 * So nothing is lost if a waiter is prepared *before* its condition is looked at:
 *
 *	extern int try_it(void);		// the condition: yours
 *	struct bell_permit changed = {0};	// valid as it is; no heap
 *	struct bell_waiter w;
 *
 *	for (;;) {
 *		bell_permit_prepare(&changed, &w);
 *		if (try_it())	// another thread: bell_permit_notify_all(&changed)
 *			break;
 *		bell_permit_wait(&changed, &w, -1);
 *	}
 *
 * The other order, try and then prepare, loses what comes between the two and sleeps for ever.
 * Where several wait and each is woken by a notify_one of its own, be queued before the look, and
 * take yourself out again:
 *
 *	extern int try_it(void);
 *	extern struct bell_permit changed;
 *	struct bell_waiter w;
 *
 *	for (;;) {
 *		bell_permit_prepare(&changed, &w);
 *		bell_permit_enable(&changed, &w);	// from here on a notify_one finds us
 *		if (try_it())
 *			break;
 *		bell_permit_wait(&changed, &w, -1);
 *	}
 *	bell_permit_cancel(&changed, &w);		// were we chosen, the next one is, instead
 *
 * In a reactor, wait for a token of its queue in place of bell_permit_wait(); when the token comes,
 * ask:
 *
 *	extern struct bell_permit changed;
 *	static struct bell_waiter waiter;
 *
 *	bell_permit_prepare(&changed, &waiter);
 *	if (bell_permit_bind(&changed, &waiter, q, 7) == 1)
 *		handle(7);				// notified already: no token comes
 *	// later, when token 7 has come:
 *	if (bell_permit_enable(&changed, &waiter) == 1) // 0: the token was for something else
 *		handle(7);
 *
 * Roles. "Any thread": any number of threads at once. "Owner": the thread that uses the waiter, one
 * at a time; to hand the role on, synchronize. A waiter is used with one permit from prepare to its
 * end.
 *
 *	may run together?       notify_one, _last, _all    prepare, enable, bind, wait, cancel
 *	notify_…                yes                        yes
 *	prepare … of one waiter yes                        no
 *	prepare … of others     yes                        yes
 *
 * Freeing. A waiter may go once it is out: after wait, whatever it returned, after cancel, and
 * after enable or bind said 1. A permit may go when nobody is in a call on it and nobody is queued;
 * and who was woken by notify_one or notify_last may free it at once, though that call has not
 * returned yet. A notify_all uses it until it returns.
 *
 * No call here is signal-safe: a handler notifies a queue. None is a point of cancellation of
 * pthread_cancel(3), the wait neither; between enable or bind and its end the owner may be at one
 * of its own, and then pushes a cleanup handler that cancels the waiter. After fork(2) the child's
 * copy knows waiters that are not there: it may only be zeroed, unless nobody was queued or in a
 * call. Permits are for the threads of one process: not in memory that several share. The lock
 * inside does not inherit priority.
 *
 * Includes base.h and queue.h. The edges N1, N2, N3 are described in docs/ORDERING.md.
 */
#ifndef DOORBELL_PERMIT_H
#define DOORBELL_PERMIT_H

#include <doorbell/base.h>
#include <doorbell/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Waiters that notify_all wakes in one go, between two holds of the lock. */
#define BELL_PERMIT_BATCH 32

/**
 * The permit: 32 bytes where pointers have 64 bits. Zero-filled is valid, and holds no
 * notification. Every field is private.
 */
struct bell_permit {
	uint64_t state; /* generation << 2 | EMPTY, WAITING or NOTIFIED; any thread, by exchanges */
	uint32_t lock;	/* a futex; guards what follows, and the leaving of WAITING */
	uint32_t waiters;	   /* how many are queued */
	struct bell_waiter *first; /* queued: the oldest */
	struct bell_waiter *last;
};

/**
 * A waiter, in its owner's memory, on the stack for example: 48 bytes. prepare makes it valid,
 * whatever was in it; it stays where it is until it is out. Every field is private.
 */
struct bell_waiter {
	struct bell_waiter *prev; /* under the permit's lock, as are the next three and chosen */
	struct bell_waiter *next;
	struct bell_queue *queue; /* bound: notify this instead of the futex; holds a reference */
	uint32_t token;
	uint32_t word;	     /* a futex: does the owner sleep, has the notifier let go */
	uint64_t generation; /* the owner's: as the permit's when it was prepared */
	uint8_t phase;	     /* the owner's */
	uint8_t bound;	     /* the owner's: queue may be set */
	uint8_t chosen;	     /* by which of the notifies */
};

/* -- waiting --------------------------------------------------------------------------------- */

/**
 * bell_permit_prepare(): begin, or begin again: from here on a notify_all is for w. To be called
 * before the condition is looked at. w must not be queued (see cancel); whatever else is in it does
 * not matter. What a notify_all that w comes too late for was to tell is visible to the caller
 * afterwards.
 * Owner; wait-free; no system call.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_permit_prepare(
	struct bell_permit *p, struct bell_waiter *w);

/**
 * bell_permit_enable(): be queued now, so that a notify_one finds w, too; or, queued already, ask:
 * was I notified? A queued waiter keeps its place: that of its first enable, bind or wait.
 * Returns 1: notified, by a broadcast since prepare, by the stored notification, which is thereby
 * used up, or by having been chosen; w is out, and says so until it is prepared again. 0: queued.
 * -EINVAL: not prepared. All that was written before the notify is then visible, also if several
 * have become one.
 * Owner; one exchange if it is notified, else takes a lock that is held for a few instructions; may
 * wait for a notifier that was preempted.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) int bell_permit_enable(struct bell_permit *p, struct bell_waiter *w);

/**
 * bell_permit_wait(): wait until w is notified; queues it first if it is not. Before it sleeps it spins,
 * for a time that adapts to how long this thread's waits were: at most 50 us, soon 0 if they are
 * longer, and always 0 where the process may run on one CPU only.
 * timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever; 0: do not block; INT64_MAX is fine.
 * Returns 0: notified, as enable's 1; -ETIMEDOUT; -EINTR: a signal handler ran while it slept; -EINVAL:
 * not prepared. A notification wins over errors.
 * Whatever it returns, w is out and need not be cancelled. After an error it is as after prepare,
 * from when its generation is: call again and miss no broadcast, at a new place.
 * A bound waiter is unbound first. Spurious wakes are not passed on.
 * Owner; blocks; else as enable. One exchange and no system call if there is a notification.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) int bell_permit_wait(
	struct bell_permit *p, struct bell_waiter *w, int64_t timeout_ns);

/**
 * bell_permit_bind(): as enable, but when w is chosen a token of q is notified, for a reactor.
 * Bound again, it is the last binding that counts. On the token ask enable; a token may also come
 * late, when w is out.
 * Returns 1: notified, w is out and no token comes for it; 0: queued; -EINVAL: not prepared, token
 * is not below q's capacity, or q is for a single producer, for any thread may be the one that
 * notifies.
 * Holds a reference of q until the token was notified or w is out. A closed queue delivers no
 * token: cancel.
 * Owner; otherwise as enable.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_permit_bind(
	struct bell_permit *p, struct bell_waiter *w, struct bell_queue *q, uint32_t token);

/**
 * bell_permit_cancel(): wait no more. If w was chosen by notify_one or notify_last, that is handed
 * on in the same direction, or stored; a broadcast is not handed on.
 * Needed after an enable or a bind that returned 0, unless a later enable or bind returned 1, or a
 * wait returned anything at all. Else it does nothing, and may be called all the same, on what was
 * prepared once or is zero-filled.
 * Owner; takes the lock if w is queued; makes a system call if it wakes another.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_permit_cancel(
	struct bell_permit *p, struct bell_waiter *w);

/* -- notifying ------------------------------------------------------------------------------- */

/**
 * bell_permit_notify_one(): wake the waiter that was queued first; if none is, store one
 * notification for the next enable, bind or wait. One that is stored already stands for both.
 * bell_permit_notify_last(): the same, but the waiter that was queued last.
 * Returns how many were woken: 1 or 0.
 * Any thread; lock-free, one exchange and no system call if nobody is queued; else takes the lock,
 * and makes a system call if the waiter sleeps, or as bell_queue_notify() if it is bound.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_permit_notify_one(struct bell_permit *p);
BELL_PUBLIC BELL_NONNULL(1) int bell_permit_notify_last(struct bell_permit *p);

/**
 * bell_permit_notify_all(): wake all who were prepared before, queued or not, each once. All at one
 * moment: who is prepared after it is not woken, and a notify_one after it meets none of them,
 * though the wakes take their time. Stores nothing, and leaves alone what is stored.
 * Returns how many were queued; of those that were only prepared nobody knows how many there are.
 * Any thread; otherwise as notify_one.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_permit_notify_all(struct bell_permit *p);

#ifdef __cplusplus
}
#endif
#endif
