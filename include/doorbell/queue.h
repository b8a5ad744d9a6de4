/* SPDX-License-Identifier: MIT
 *
 * queue.h: the token queue. Any thread, or a signal handler, says "token 42 is ready"; one receiver,
 * usually an event loop asleep in epoll or io_uring, wakes and learns which tokens fired.
 *
 * The idea: per-token flags + a ring + a bell. The flag of a token conflates: notified twice before
 * it is polled, a token is delivered once. The ring keeps the order of first notification. The bell
 * is an eventfd, written only when the ring goes from empty to non-empty while the receiver has
 * announced (armed) that it is about to sleep.
 *
 * What always holds:
 *  - A token notified is delivered, and all that the notifier wrote before the call is visible to
 *    the receiver after the poll that delivers the token, conflated or not.
 *  - The receiver never sleeps while a published token is queued.
 *  - One arm costs at most one write(2). None while the receiver is awake, none when conflated.
 *  - The ring cannot overflow: notify never fails for lack of room.
 *  - First notified, first delivered. One poll never returns a token twice.
 *
 * A loop (docs/man/bell.7 has the others; adapt/ has headers for the usual reactors):
 *
 *	struct bell_queue *q;
 *	struct epoll_event ev = {.events = EPOLLIN};
 *	uint32_t tokens[64];
 *	size_t n, i;
 *
 *	if (bell_queue_new(&q, 1024, 0) < 0)			// tokens 0 .. 1023
 *		return 1;
 *	epoll_ctl(ep, EPOLL_CTL_ADD, bell_queue_fd(q), &ev);	// other threads: bell_queue_notify(q, 42)
 *	while (epoll_wait(ep, &ev, 1, -1) == 1) {
 *		do {
 *			while ((n = bell_queue_poll(q, tokens, 64)) > 0)
 *				for (i = 0; i < n; i++)
 *					handle(tokens[i]);
 *		} while (bell_queue_arm(q) == 0);		// 1: asleep until the next notify
 *	}
 *	bell_queue_unref(q);
 *
 * Roles. "Any thread": any number of threads at once, and signal handlers. "Receiver": one thread at
 * a time; to hand the role on, synchronize. Each thread that uses the queue holds a reference. With
 * BELL_QUEUE_SINGLE_PRODUCER to notify is such a role, too, and not for a handler that may interrupt it.
 *
 *	may run together?   notify  close  ref/unref  stats | poll  arm  dispatch  wait
 *	notify              yes *   yes    yes        yes   | yes   yes  yes       yes
 *	close, ref, stats           yes    yes        yes   | yes   yes  yes       yes
 *	poll, arm, dispatch, wait                           | no    no   no        no
 *	* with BELL_QUEUE_SINGLE_PRODUCER: no
 *
 * After fork(2) the child may only unref: the memory is a copy but the bell is shared. No call here is a
 * point of cancellation of pthread_cancel(3); bell_queue_wait() is one while it sleeps.
 *
 * Includes base.h and atomic.h. The edges F1, F2, T1, S1, A1, A2 are described in docs/ORDERING.md.
 */
#ifndef DOORBELL_QUEUE_H
#define DOORBELL_QUEUE_H

#include <doorbell/base.h>
#include <doorbell/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The largest capacity: a slot holds 31 bits of token. */
#define BELL_QUEUE_CAPACITY_MAX (UINT32_C(1) << 31)

/** Flags of bell_queue_new(). */
enum {
	/** The fd is watched edge-triggered (EPOLLET, io_uring multishot poll): arm never reads it,
	 *  each ring is one edge, and a drain that stops early must go on without waiting. */
	BELL_QUEUE_EDGE = 1 << 0,
	/** One thread at a time notifies, and no signal handler that may interrupt it there; to hand that
	 *  role on, synchronize. A new notify then costs no locked instruction, a conflated one as much as
	 *  ever, and each arm that finds nothing one membarrier(2), which stops for a moment all threads
	 *  of the process that run. For a producer that is much busier than the sleeps. Close, ref, unref
	 *  and stats remain free to all. Where membarrier(2) is refused the flag is dropped, as
	 *  bell_queue_flags() tells, and any number of threads may notify. */
	BELL_QUEUE_SINGLE_PRODUCER = 1 << 1,
};

/* The low bits of tail, or with a single producer those of state; above them in tail stands the position,
 * free-running from 0. */
enum {
	BELL__ARMED = 1,    /* the receiver sleeps or is about to: whoever clears it writes the bell */
	BELL__HOLE = 2,	    /* the receiver waits for a slot reserved but not yet published: as ARMED */
	BELL__CLOSED = 4,   /* never cleared */
	BELL__ASLEEP = 3,   /* ARMED | HOLE */
	BELL__SHIFT = 3,    /* tail >> SHIFT is the position */
	BELL__POSITION = 8, /* what a reservation of one slot adds to tail */
};

/* A slot is the token and, in the bit above all tokens, the lap: 1 on even laps, so that a zero-filled
 * ring is empty. It is published when that bit is the one of the position at which it is looked for. */

/** How long the waits of one thread were: private. */
struct bell__spin {
	uint32_t limit, budget; /* nanoseconds */
	uint32_t misses;
};

/**
 * The queue. Made by bell_queue_new(); open only because the hot calls are inline: every field is
 * private. Three groups of lines by who writes them: nobody, producers, the receiver.
 */
struct bell_queue {
	/* Written when made, and limit once by close. */
	uint8_t *flags;	   /* [capacity] not 0: the token is queued, or is just being queued */
	uint32_t *slots;   /* [size] the ring */
	uint32_t mask;	   /* size - 1; size is capacity rounded up to a power of two */
	uint32_t limit;	   /* tokens below it are accepted: capacity; 0: closed, or a single producer */
	uint32_t single;   /* the same for a single producer: capacity; 0: closed, or any number */
	uint32_t capacity;
	unsigned mode;	   /* BELL_QUEUE_… */
	int fd;		   /* the bell */
	void *memory;	   /* what to free */

	/* Written by producers: every decision is one read-modify-write of this word. */
	BELL_ALIGNED uint64_t tail;
	uint64_t state; /* single.c: ARMED and CLOSED stand here, and tail is the producer's own */

	/* Written by the receiver. Others read head, arms, holes, reads and kicks for the statistics. */
	BELL_ALIGNED uint64_t head; /* position of the next slot to poll */
	uint64_t owed;		    /* rings claimed from us and not yet read from the fd */
	uint32_t quiet;		    /* arms that had no reason to read the fd */
	uint8_t armed;		    /* I set ARMED or HOLE and have not yet seen it cleared */
	uint8_t stop;		    /* fn asked dispatch to return */
	uint64_t arms, holes, reads, kicks;
	struct bell__spin spin; /* of wait.h */
	uint32_t got;	  /* by the last wait, if it took all there was without sleeping or spinning */
	uint8_t gathered; /* that one had let tokens gather before it took them */

	/* Written rarely, by anyone. */
	BELL_ALIGNED uint64_t rings;
	uint64_t heals;
	uint64_t marks; /* of many.c: those that are taken */
	uint32_t refs;
};

/** Counters since the queue was made; exact when nothing else runs, else each a moment old. */
struct bell_queue_stats {
	uint64_t notified;  /* tokens queued. Conflated notifies are not counted: they write nothing */
	uint64_t delivered; /* tokens polled */
	uint64_t arms;	    /* times the receiver announced that it may sleep; a new queue is born armed */
	uint64_t rings;	    /* write(2) on the bell by notify and close: at most arms + 1 */
	uint64_t holes;	    /* arms, of those above, that wait for a preempted producer */
	uint64_t reads;	    /* read(2) of the bell by the receiver */
	uint64_t kicks;	    /* write(2) by the receiver: bells given back, and own bells in edge mode */
	uint64_t heals;	    /* rings that found the counter full (somebody else writes to the fd) */
	uint64_t reserved[8];
};

/** Called by bell_queue_dispatch() for each token. Must return: no exception, no longjmp. */
typedef void (*bell_token_fn)(void *userdata, uint32_t token);

/* -- life ------------------------------------------------------------------------------------ */

/**
 * bell_queue_new(): make a queue for the tokens 0 .. capacity-1, armed, with one reference.
 * capacity: 1 .. BELL_QUEUE_CAPACITY_MAX. flags: BELL_QUEUE_EDGE, BELL_QUEUE_SINGLE_PRODUCER.
 * Costs one allocation of about 5 bytes a token, of which only touched pages become real, and one fd
 * (close-on-exec, non-blocking).
 * Returns 0; -EINVAL (capacity or flags), -ENOMEM, -EMFILE, -ENFILE; *ret_q is then unchanged.
 * Any thread; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_queue_new(
	struct bell_queue **ret_q, uint32_t capacity, unsigned flags);

/**
 * bell_queue_ref(): one more reference, for one more thread. Returns q.
 * Any thread that holds one; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) struct bell_queue *bell_queue_ref(struct bell_queue *q);

/**
 * bell_queue_unref(): give a reference back; the last one closes the fd and frees the memory. Tokens
 * still queued are then gone: close first and drain if they matter. Returns NULL; q may be NULL.
 * Any thread; not signal-safe. Detach the fd from its loop before the last one.
 */
BELL_PUBLIC struct bell_queue *bell_queue_unref(struct bell_queue *q);

/**
 * bell_queue_fd(): the bell, to be watched for reading. It is the queue's: never read, write or close
 * it. bell_queue_capacity(), bell_queue_flags(): as given to bell_queue_new(), but that the flags lack
 * BELL_QUEUE_SINGLE_PRODUCER where membarrier(2) is refused: any number of threads may then notify.
 * Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_queue_fd(const struct bell_queue *q);
BELL_PUBLIC BELL_NONNULL(1) unsigned bell_queue_flags(const struct bell_queue *q);
BELL_PUBLIC BELL_NONNULL(1) uint32_t bell_queue_capacity(const struct bell_queue *q);

/* -- notifying ------------------------------------------------------------------------------- */

/**
 * bell_queue_notify(): say that a token is ready.
 * Returns 1: newly queued; 0: conflated with a notification not yet polled; -EINVAL: token is not
 * below capacity; -ESHUTDOWN: closed. A notify that runs while another thread closes may get any of the
 * answers of an open or a closed queue; then a 0 may be conflated with one that is refused, and what
 * is refused may still be delivered. Errors leave everything as it was; nothing else can fail.
 * Data: what the caller wrote before is visible to the receiver after the poll that delivers the
 * token. Data that is written again while the token may be queued needs to be atomic or locked, for
 * the receiver may be reading it.
 * Any thread; lock-free, and wait-free as long as the token is not polled and notified by others
 * without end; makes one write(2) if it is the one to wake an armed receiver, else no system call.
 * Signal-safe; errno is preserved.
 * With a single producer: its thread; wait-free; signal-safe where the handler does not interrupt another
 * notify of the same queue. What said 1 is then delivered before -ESHUTDOWN, also while closing.
 */
BELL_INLINE BELL_NONNULL(1) int bell_queue_notify(struct bell_queue *q, uint32_t token);

/**
 * bell_queue_notify_many(): the same for n tokens, with one reservation and at most one write(2) in all.
 * Those newly queued stand side by side, in their order: tokens of others come before or after them.
 * (Unless 64 other calls are under way whose tokens, too, are new in more than 64 separate runs: then by 64
 * runs at a time.) They are delivered once all have been claimed; who notifies one before is conflated.
 * n: 0 .. INT_MAX; a token may stand there twice. Returns how many were newly queued; -EINVAL if any
 * token is not below capacity or n is too large (nothing is then notified); else -ESHUTDOWN: closed. With
 * n 0, tokens may be NULL: that asks whether it is closed, and is any thread's whatever the producers.
 * Any thread, or the single producer, as above; lock-free; signal-safe as above; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_queue_notify_many(
	struct bell_queue *q, const uint32_t *tokens, size_t n);

/**
 * bell_queue_close(): no more notifications. Wakes the receiver; what was notified before is still
 * delivered, then arm, dispatch and wait say -ESHUTDOWN. Closing twice is fine. Returns 0.
 * Any thread; lock-free; at most one write(2); signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_queue_close(struct bell_queue *q);

/* -- receiving ------------------------------------------------------------------------------- */

/**
 * bell_queue_poll(): take up to max tokens, oldest first. Returns how many, 0 .. min(max, capacity);
 * what max leaves behind stays queued, in order. No token stands twice in one poll.
 * 0 may also mean that the oldest token is just being published: arm knows how to wait for it.
 * Receiver; wait-free, O(returned); no system call; not signal-safe.
 */
BELL_INLINE BELL_NODISCARD BELL_NONNULL(1, 2) size_t bell_queue_poll(
	struct bell_queue *q, uint32_t *ret_tokens, size_t max);

/**
 * bell_queue_arm(): may I block on the fd now? The only way to sleep.
 * Returns 1: yes, the next notify makes the fd readable; 0: no, tokens are waiting, poll again;
 * -ESHUTDOWN: closed and drained, nothing will come, the fd stays readable.
 * Level mode (the default): the fd stays readable from the ring until an arm returns 1, so a drain
 * that stops early just does not arm, and the loop comes back. Edge mode: go on until 1 or -ESHUTDOWN.
 * Receiver; wait-free; level mode makes one read(2) for each ring, and up to one write(2) if it then
 * returns 0; one membarrier(2) if a producer was preempted while publishing; not signal-safe.
 * Where membarrier(2) is refused, 0 is returned for as long as that producer stays preempted.
 * With a single producer: one membarrier(2) for each arm that finds nothing and was not armed before. Is
 * that refused since the queue was made, nobody can sleep: 1 is returned and the fd is readable all the
 * same (in edge mode by one write(2)), so that the loop comes round, busily; and of what was notified while
 * the queue was being closed some may be lost.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_queue_arm(struct bell_queue *q);

/**
 * bell_queue_dispatch(): on readable: call fn for up to budget tokens, and arm. When it stops early
 * the fd becomes, or stays, readable, so the loop comes back: right in level and edge mode.
 * fn may notify (but beside a single producer), close and unref the queue, but not receive from it.
 * Where others come while it hands out a few it pauses for about half a microsecond, so that it takes the
 * next by the dozen; producers and receiver then disturb each other less.
 * Returns how many tokens were handed out; -EINVAL: budget 0; -ESHUTDOWN: closed and drained.
 * Receiver; otherwise as poll and arm.
 */
BELL_PUBLIC BELL_NONNULL(1, 3) ssize_t bell_queue_dispatch(
	struct bell_queue *q, size_t budget, bell_token_fn fn, void *userdata);

/**
 * bell_queue_stop(): called by fn, to make the dispatch that called it return after this token. Tokens
 * it had taken and not handed out are queued again, in their order, behind those that came meanwhile.
 * With a single producer it takes none ahead, and the rest stays where it is.
 * Outside of dispatch it does nothing. Receiver; wait-free; no system call.
 */
BELL_PUBLIC BELL_NONNULL(1) void bell_queue_stop(struct bell_queue *q);

/**
 * bell_queue_stats(): read the counters. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_queue_stats(
	const struct bell_queue *q, struct bell_queue_stats *ret_stats);

/* -- inline bodies --------------------------------------------------------------------------- */

/* Slow halves, private. _refused: the token is at or above limit. _slow: tail or state was armed or closed
 * when the token was queued, or has a hole now. */
BELL_PUBLIC BELL_COLD int bell_queue_notify_refused(struct bell_queue *q, uint32_t token);
BELL_PUBLIC BELL_COLD int bell_queue_notify_slow(struct bell_queue *q, uint64_t before);

/* Raise a flag from 0 to mark: 1 if its token is now ours to queue, 0 if somebody else's notification, not
 * yet polled, stands for ours. The plain look is a hint that spares the cache line; what decides is the
 * look behind the fence, or the compare-and-swap, which leaves a flag alone that is up. */
static BELL_ALWAYS_INLINE int bell__queue_raise(uint8_t *flag, uint8_t mark)
{
	uint8_t down;

	do {
		/* A hint; and for who does not know fences, what orders. Likely: up is the shorter way. */
		if (BELL_LIKELY(BELL_TSAN ? bell_fetch_add_acq_rel(flag, 0) /* F1, F2 */
					  : bell_load_relaxed(flag))) {
			bell_fence_full(); /* F1: our data before the look; poll: clear before data */
			if (bell_load_relaxed(flag)) /* F1: behind the fence */
				return 0;
		}
		down = 0;
		BELL_INJECT(raising);
	} while (!bell_cas_acq_rel(flag, &down, mark)); /* F2: the clear in poll: the slot is free again */
	return 1;
}

static BELL_ALWAYS_INLINE int bell__queue_claim(struct bell_queue *q, uint32_t token)
{
	return bell__queue_raise(&q->flags[token], 1);
}

static inline uint32_t bell__queue_lap(uint64_t position, uint32_t mask)
{
	return ~(uint32_t)position & (mask + 1);
}

static inline void bell__queue_publish(struct bell_queue *q, uint64_t position, uint32_t token)
{
	BELL_INJECT(reserved);
	bell_store_release(&q->slots[position & q->mask], /* S1: poll and arm look for it */
		token | bell__queue_lap(position, q->mask));
	BELL_INJECT(published);
}

/* After publishing: does somebody sleep whom we have to wake? */
static inline int bell__queue_must_ring(const struct bell_queue *q, uint64_t before)
{
	bell_fence_compiler(); /* A2: our slot before the look; the receiver's membarrier does the rest */
	return ((before & (BELL__ARMED | BELL__CLOSED)) |
		       (bell_load_relaxed(&q->tail) & BELL__HOLE)) != 0; /* A2: behind the fence */
}

/* With a single producer (src/core/single.c): nobody else raises a flag or reserves a slot, so that plain
 * stores do, and all there is to agree on is whether the receiver sleeps. */
static inline int bell__single_claim(struct bell_queue *q, uint32_t token)
{
	uint8_t *flag = &q->flags[token];

	if (BELL_TSAN)
		return bell__queue_claim(q, token);
	if (bell_load_acquire(flag)) {	     /* F2: the clear in poll: the slot is free again */
		bell_fence_full();	     /* F1: our data before the look */
		if (bell_load_acquire(flag)) /* F1: behind the fence; F2 */
			return 0;
	}
	bell_store_relaxed(flag, 1); /* before the slot: S1; so poll's clear is a later store */
	return 1;
}

static inline int bell__single_queue(struct bell_queue *q, uint32_t token)
{
	const uint64_t tail = bell_load_relaxed(&q->tail); /* ours; others read it for the statistics */

	if (!bell__single_claim(q, token))
		return 0;
	BELL_INJECT(claimed);
	bell_store_relaxed(&q->tail, tail + BELL__POSITION); /* ours */
	bell__queue_publish(q, tail >> BELL__SHIFT, token);
	return 1;
}

/* After publishing: does the receiver sleep, or is the queue closed? */
static inline uint64_t bell__single_state(const struct bell_queue *q)
{
	bell_fence_compiler(); /* A2: our slots before the look; arm's membarrier does the rest */
	return bell_load_relaxed(&q->state); /* A2: behind the fence */
}

static BELL_ALWAYS_INLINE int bell__single_notify(struct bell_queue *q, uint32_t token)
{
	uint64_t state;

	if (!bell__single_queue(q, token))
		return 0;
	state = bell__single_state(q);
	return BELL_UNLIKELY(state != 0) ? bell_queue_notify_slow(q, state) : 1;
}

BELL_INLINE int bell_queue_notify(struct bell_queue *q, uint32_t token)
{
	uint64_t before;

	if (token >= bell_load_relaxed(&q->limit)) { /* close races: T1 decides, or A2 */
		if (token < bell_load_relaxed(&q->single)) /* the same */
			return bell__single_notify(q, token);
		return bell_queue_notify_refused(q, token);
	}
	if (!bell__queue_claim(q, token))
		return 0;
	BELL_INJECT(claimed);
	before = bell_fetch_add_acq_rel(&q->tail, BELL__POSITION); /* T1, A1 */
	bell__queue_publish(q, before >> BELL__SHIFT, token);
	if (BELL_UNLIKELY(bell__queue_must_ring(q, before)))
		return bell_queue_notify_slow(q, before);
	return 1;
}

static inline void bell__queue_clear(uint8_t *flags, uint32_t token)
{
	if (BELL_TSAN)
		(void)bell_exchange_acq_rel(&flags[token], 0); /* F1, F2 */
	else
		bell_store_release(&flags[token], 0); /* F2: slots read before */
}

/* What stands in a slot: a token, or a number above mask if it is not published. */
static inline uint32_t bell__queue_look(const uint32_t *slot, uint32_t lap)
{
	return bell_load_acquire(slot) ^ lap; /* S1: publish */
}

static inline int bell__queue_published(const struct bell_queue *q, uint64_t position)
{
	const uint32_t lap = bell__queue_lap(position, q->mask);

	return bell__queue_look(&q->slots[position & q->mask], lap) <= q->mask;
}

/* Copy the tokens of a run of slots, up to the first that is not published. Returns how many. */
static inline size_t bell__queue_copy(
	const uint32_t *slots, size_t run, uint32_t lap, uint32_t mask, uint32_t *ret_tokens)
{
	size_t i;

	for (i = 0; i + 4 <= run; i += 4) { /* four for one branch */
		const uint32_t a = bell__queue_look(&slots[i], lap);
		const uint32_t b = bell__queue_look(&slots[i + 1], lap);
		const uint32_t c = bell__queue_look(&slots[i + 2], lap);
		const uint32_t d = bell__queue_look(&slots[i + 3], lap);

		if ((a | b | c | d) > mask)
			break;
		ret_tokens[i] = a;
		ret_tokens[i + 1] = b;
		ret_tokens[i + 2] = c;
		ret_tokens[i + 3] = d;
	}
	for (; i < run; i++) {
		const uint32_t token = bell__queue_look(&slots[i], lap);

		if (token > mask)
			break;
		ret_tokens[i] = token;
	}
	return i;
}

/* The second pass of a poll that took n tokens at head: flags down, once all slots are read. A flag cleared
 * earlier could be raised again within this very poll. Returns n. */
static BELL_ALWAYS_INLINE size_t bell__queue_taken(
	struct bell_queue *q, uint64_t head, const uint32_t *tokens, size_t n)
{
	uint8_t *const flags = q->flags;
	size_t i;

	BELL_INJECT(taken);
	/* Four at a time, read before any is stored: a processor that suspects the stores of overlapping
	 * the reads would otherwise do one after the other. */
	for (i = 0; i + 4 <= n; i += 4) {
		const uint32_t a = tokens[i], b = tokens[i + 1];
		const uint32_t c = tokens[i + 2], d = tokens[i + 3];

		bell__queue_clear(flags, a);
		bell__queue_clear(flags, b);
		bell__queue_clear(flags, c);
		bell__queue_clear(flags, d);
	}
	for (; i < n; i++)
		bell__queue_clear(flags, tokens[i]);
	BELL_INJECT(cleared);
	bell_store_relaxed(&q->head, head + n); /* ours; others read it for the statistics only */
	bell_fence_full(); /* F1: flags cleared before the caller reads its data */
	return n;
}

static BELL_OUTLINE size_t bell__queue_take_many(
	struct bell_queue *q, uint32_t *ret_tokens, size_t max)
{
	const uint64_t head = q->head;
	const uint32_t mask = q->mask, lap = bell__queue_lap(head, mask);
	const size_t at = head & mask, left = mask + (size_t)1 - at;
	size_t n;

	n = bell__queue_copy(&q->slots[at], max < left ? max : left, lap, mask, ret_tokens);
	if (n == left) /* the ring wraps, and its lap bit turns */
		n += bell__queue_copy(q->slots, max - n < at ? max - n : at, lap ^ (mask + 1), mask,
			ret_tokens + n);
	return bell__queue_taken(q, head, ret_tokens, n);
}

/* Poll, when there is something: one token, as most often, or many. Not inlined, so that an empty poll is
 * a few instructions. */
static BELL_OUTLINE size_t bell__queue_take(struct bell_queue *q, uint32_t *ret_tokens, size_t max)
{
	const uint64_t head = q->head;

	if (max != 1 && (max == 0 || bell__queue_published(q, head + 1)))
		return bell__queue_take_many(q, ret_tokens, max);
	ret_tokens[0] = bell__queue_look(&q->slots[head & q->mask], bell__queue_lap(head, q->mask));
	return bell__queue_taken(q, head, ret_tokens, 1);
}

BELL_INLINE size_t bell_queue_poll(struct bell_queue *q, uint32_t *ret_tokens, size_t max)
{
	return bell__queue_published(q, q->head) ? bell__queue_take(q, ret_tokens, max) : 0;
}

#ifdef __cplusplus
}
#endif
#endif
