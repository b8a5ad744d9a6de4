/* SPDX-License-Identifier: MIT
 *
 * permit.c: one word decides, a list of sleepers obeys.
 *
 * The word is generation << 2 and one of three states. EMPTY and NOTIFIED change into each other,
 * and the generation moves in them, by anybody's exchange. WAITING means that somebody is queued:
 * it is entered and left under the lock, and while it lasts only the holder of the lock changes the
 * word.
 *
 * A waiter is chosen under the lock: taken out of the list, and chosen says by what. After the lock
 * is released the notifier lets go of it: LET_GO in its word is the last that it touches of waiter
 * and permit. So the owner of a chosen waiter never goes before that, and whoever is told that it
 * was woken may free the permit.
 *
 * A broadcast moves the generation, and with it takes the whole list, at one moment; then it
 * chooses batch by batch. Whoever is still in its list meanwhile counts as notified, by generation:
 * a queued waiter is in the permit's own list if and only if its generation is the permit's.
 */
#include <errno.h>
#include <stdbool.h>

#include <doorbell/permit.h>

#include "core/clock.h"
#include "core/futex.h"

/* The state, in the word's low bits. */
enum { EMPTY = 0, WAITING = 1, NOTIFIED = 2, STATE = 3, GENERATION = 4 };

/* The lock. */
enum { FREE, HELD, CONTENDED };

/* A waiter's phase, the owner's own; NONE is what cancel leaves, and zero. */
enum { NONE, PREPARED, QUEUED, NOTED };

/* A waiter's word, once it is queued. */
enum { AWAKE, ASLEEP, LET_GO };

/* What a waiter was chosen by. */
enum by { NOBODY, FIRST, LAST, ALL };

/* Those who were chosen under the lock and are woken after it. */
struct batch {
	unsigned count;
	struct {
		struct bell_waiter *waiter; /* or, if it was bound: */
		struct bell_queue *queue;   /* with the waiter's reference */
		uint32_t token;
	} chosen[BELL_PERMIT_BATCH];
};

static void lock(struct bell_permit *p)
{
	uint32_t v = FREE;

	if (bell_cas_acq_rel(&p->lock, &v, HELD)) /* N3 */
		return;
	while (bell_exchange_acq_rel(&p->lock, CONTENDED) != FREE) /* N3 */
		(void)bell__futex_wait(&p->lock, CONTENDED, INT64_MAX);
}

static void unlock(struct bell_permit *p)
{
	if (bell_exchange_acq_rel(&p->lock, FREE) == CONTENDED) /* N3 */
		bell__futex_wake(&p->lock);
}

static uint64_t generation_of(uint64_t v)
{
	return v & ~(uint64_t)STATE;
}

/* Was there a broadcast since w was prepared? Under the lock. */
static bool is_past(const struct bell_permit *p, const struct bell_waiter *w)
{
	/* w is in the permit's list: the word stands still; or in a broadcast's: that one moved it
	 * before it released the lock. */
	return generation_of(bell_load_relaxed(&p->state)) != w->generation;
}

/* -- choosing and waking --------------------------------------------------------------------- */

/* Take w out of the list in which it is. Under the lock, as all of this part but wake(). */
static void unlink_waiter(struct bell_permit *p, struct bell_waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		p->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else if (p->last == w)
		p->last = w->prev;
	if (is_past(p, w)) /* it was a broadcast's list, which no longer counts */
		return;
	if (--p->waiters == 0)
		(void)bell_fetch_and_acq_rel(&p->state, ~(uint64_t)WAITING); /* N1 */
}

/* w is out of the list: note by what, for its owner, and for wake() whom. */
static void choose(struct bell_waiter *w, enum by by, struct batch *b)
{
	w->chosen = (uint8_t)by;
	b->chosen[b->count].waiter = w;
	b->chosen[b->count].queue = w->queue;
	b->chosen[b->count++].token = w->token;
	if (w->queue) {
		w->queue = NULL;
		/* Nobody sleeps on it, so let go already. */
		bell_store_release(&w->word, LET_GO); /* N2: its owner may look */
	}
}

static void wake(const struct batch *b)
{
	unsigned i;

	for (i = 0; i < b->count; i++) {
		struct bell_queue *q = b->chosen[i].queue;
		uint32_t *word;

		if (q) {
			(void)bell_queue_notify(q, b->chosen[i].token);
			(void)bell_queue_unref(q);
			continue;
		}
		word = &b->chosen[i].waiter->word;
		if (bell_exchange_acq_rel(word, LET_GO) == ASLEEP) /* N2: it may be gone now */
			bell__futex_wake(word);
	}
}

/* Store a notification, unless somebody waits. NOTIFIED becomes NOTIFIED by an exchange, too:
 * whoever takes it then sees what this notifier wrote. */
static bool store_permit(struct bell_permit *p)
{
	uint64_t v = bell_load_relaxed(&p->state); /* a first look: what follows decides */

	while ((v & STATE) != WAITING)
		if (bell_cas_acq_rel(&p->state, &v, generation_of(v) | NOTIFIED)) /* N1 */
			return true;
	return false;
}

/* Take the lock, if somebody is queued. */
static bool lock_waiting(struct bell_permit *p)
{
	lock(p);
	if ((bell_load_relaxed(&p->state) & STATE) == WAITING) /* stands still under the lock */
		return true;
	unlock(p);
	return false;
}

/* A notification is stored without the lock, also where somebody was queued and is no more: it is
 * then the last that is touched of the permit, which whoever takes it may free. */
static int notify(struct bell_permit *p, enum by by)
{
	struct bell_waiter *w;
	struct batch b;

	do {
		if (store_permit(p))
			return 0;
	} while (!lock_waiting(p));
	w = by == LAST ? p->last : p->first;
	unlink_waiter(p, w);
	b.count = 0;
	choose(w, by, &b);
	unlock(p);
	wake(&b);
	return 1;
}

int bell_permit_notify_one(struct bell_permit *p)
{
	return notify(p, FIRST);
}

int bell_permit_notify_last(struct bell_permit *p)
{
	return notify(p, LAST);
}

/* Move the generation, unless somebody is queued. */
static bool move_on(struct bell_permit *p)
{
	uint64_t v = bell_load_relaxed(&p->state); /* a first look: what follows decides */

	while ((v & STATE) != WAITING)
		if (bell_cas_acq_rel(&p->state, &v, v + GENERATION)) /* N1 */
			return true;
	return false;
}

/* Under the lock, somebody is queued: all of them are now in the broadcast's list, behind head. */
static int take_all(struct bell_permit *p, struct bell_waiter *head)
{
	int queued = (int)p->waiters;

	head->next = p->first;
	p->first = p->last = NULL;
	p->waiters = 0;
	(void)bell_fetch_add_acq_rel(&p->state, GENERATION - WAITING); /* N1 */
	return queued;
}

/* Under the lock: choose up to a batch of the broadcast's list. */
static void choose_some(struct bell_waiter *head, struct batch *b)
{
	struct bell_waiter *w;

	for (b->count = 0; b->count < BELL_PERMIT_BATCH && head->next; choose(w, ALL, b)) {
		w = head->next;
		head->next = w->next;
		if (w->next) /* or unlinking would take that for the permit's first */
			w->next->prev = head;
	}
}

int bell_permit_notify_all(struct bell_permit *p)
{
	struct bell_waiter head;
	struct batch b;
	bool more = true;
	int queued;

	do {
		if (move_on(p))
			return 0;
	} while (!lock_waiting(p));
	queued = take_all(p, &head);
	while (more) {
		choose_some(&head, &b);
		more = head.next != NULL;
		unlock(p);
		wake(&b);
		if (more)
			lock(p);
	}
	return queued;
}

/* -- waiting --------------------------------------------------------------------------------- */

void bell_permit_prepare(struct bell_permit *p, struct bell_waiter *w)
{
	w->generation = generation_of(bell_load_acquire(&p->state)); /* N1 */
	w->queue = NULL;
	w->token = 0;
	w->phase = PREPARED;
	w->bound = 0; /* the rest is set when it is queued */
}

/* Without the lock: is there a broadcast since w was prepared, or else a notification to be taken? */
static bool take(struct bell_permit *p, struct bell_waiter *w)
{
	uint64_t v = w->generation | NOTIFIED;

	return bell_cas_acq_rel(&p->state, &v, w->generation | EMPTY) || /* N1 */
		generation_of(v) != w->generation;
}

/* Queue w. False: it was notified by now, and a notification that was stored is taken. */
static bool enqueue(struct bell_permit *p, struct bell_waiter *w)
{
	uint64_t v = w->generation | EMPTY, then = WAITING;
	bool queue;

	w->word = AWAKE;
	w->chosen = NOBODY;
	lock(p);
	while (generation_of(v) == w->generation &&
		!bell_cas_acq_rel(&p->state, &v, w->generation | then)) /* N1 */
		then = (v & STATE) == NOTIFIED ? EMPTY : WAITING;
	queue = generation_of(v) == w->generation && then == WAITING;
	if (queue) {
		w->prev = p->last;
		w->next = NULL;
		if (p->last)
			p->last->next = w;
		else
			p->first = w;
		p->last = w;
		p->waiters++;
	}
	unlock(p);
	return queue;
}

/* Spin, and then sleep, until the notifier has let go of w. Returns 0, or what ended the sleep before. */
static int sleep_until(struct bell_waiter *w, int64_t deadline)
{
	uint32_t v = AWAKE;
	int64_t began;
	bool done;
	int r = 0;

	if (bell__futex_spin(&w->word, LET_GO, deadline, &began))
		return 0;
	(void)bell_cas_acq_rel(&w->word, &v, ASLEEP); /* N2: announce, if that is not done yet */
	while (!(done = bell_load_acquire(&w->word) == LET_GO) && r == 0) /* N2 */
		r = bell__futex_wait(&w->word, ASLEEP, deadline);
	r = done ? 0 : r;
	bell__futex_learn(began, r);
	return r;
}

/* w is queued. True: it was notified, and is out. False: it was not, and with leave is out all the
 * same. hand_on: it does not want to have been chosen. */
static bool settle(struct bell_permit *p, struct bell_waiter *w, bool leave, bool hand_on)
{
	struct bell_queue *q = NULL;
	bool past = false;
	enum by by;

	lock(p);
	by = w->chosen;
	if (by == NOBODY) {
		past = is_past(p, w); /* of a broadcast that has not come to it yet */
		if (past || leave) {
			unlink_waiter(p, w);
			q = w->queue;
			w->queue = NULL;
		}
	}
	unlock(p);
	(void)bell_queue_unref(q);
	if (hand_on && (by == FIRST || by == LAST))
		(void)notify(p, by);
	while (by != NOBODY && sleep_until(w, INT64_MAX) < 0)
		; /* a signal */
	return by != NOBODY || past;
}

/* w is queued: when it is chosen notify q from now on; NULL: its owner. False: it was chosen before. */
static bool rebind(
	struct bell_permit *p, struct bell_waiter *w, struct bell_queue *q, uint32_t token)
{
	struct bell_queue *old = q;
	bool bound;

	lock(p);
	bound = w->chosen == NOBODY;
	if (bound) {
		old = w->queue;
		w->queue = q;
		w->token = token;
	}
	unlock(p);
	(void)bell_queue_unref(old);
	return bound;
}

static int note(struct bell_waiter *w)
{
	w->phase = NOTED;
	return 1;
}

/* What enable returns when there is nothing to be taken without the lock. */
static BELL_COLD int enable(struct bell_permit *p, struct bell_waiter *w)
{
	switch (w->phase) {
	case PREPARED:
		if (!enqueue(p, w))
			return note(w);
		w->phase = QUEUED;
		return 0;
	case QUEUED:
		/* A bound one is let go of before the lock is: look under it. */
		if (!w->bound && bell_load_acquire(&w->word) == LET_GO) /* N2 */
			return note(w);
		return settle(p, w, false, false) ? note(w) : 0;
	case NOTED:
		return 1;
	default:
		return -EINVAL;
	}
}

int bell_permit_enable(struct bell_permit *p, struct bell_waiter *w)
{
	return w->phase == PREPARED && take(p, w) ? note(w) : enable(p, w);
}

int bell_permit_bind(
	struct bell_permit *p, struct bell_waiter *w, struct bell_queue *q, uint32_t token)
{
	int r;

	if (w->phase == NONE || token >= bell_queue_capacity(q) ||
		bell_queue_flags(q) & BELL_QUEUE_SINGLE_PRODUCER)
		return -EINVAL;
	if (w->phase == NOTED)
		return 1;
	w->bound = 1;
	(void)bell_queue_ref(q);
	if (w->phase == QUEUED) {
		(void)rebind(p, w, q, token);
		return bell_permit_enable(p, w);
	}
	w->queue = q;
	w->token = token;
	r = bell_permit_enable(p, w);
	if (r != 0) {
		w->queue = NULL;
		(void)bell_queue_unref(q);
	}
	return r;
}

/* What wait returns then. */
static BELL_COLD int wait_for(struct bell_permit *p, struct bell_waiter *w, int64_t timeout_ns)
{
	int r;

	if (w->phase == PREPARED && timeout_ns == 0) /* not worth to be queued for */
		return -ETIMEDOUT;
	if (w->phase != QUEUED) {
		r = enable(p, w);
		if (r != 0)
			return r < 0 ? r : 0;
	} else if (w->bound) {
		(void)rebind(p, w, NULL, 0);
	}
	r = timeout_ns == 0 ? -ETIMEDOUT : sleep_until(w, bell__deadline(timeout_ns));
	if (r < 0 && !settle(p, w, true, false)) {
		w->phase = PREPARED;
		return r;
	}
	(void)note(w);
	return 0;
}

int bell_permit_wait(struct bell_permit *p, struct bell_waiter *w, int64_t timeout_ns)
{
	return w->phase == PREPARED && take(p, w) ? note(w) - 1 : wait_for(p, w, timeout_ns);
}

void bell_permit_cancel(struct bell_permit *p, struct bell_waiter *w)
{
	if (w->phase == QUEUED)
		(void)settle(p, w, true, true);
	w->phase = NONE;
}
