/* SPDX-License-Identifier: MIT
 *
 * producer.c: the producers' half of the collector: a place in it, submitting, waiting for room.
 *
 * A record is accepted once it is published and the queue did not refuse its token: a token that is
 * queued, or conflated with one that is, is delivered before the queue ends, and nobody else notifies it.
 * Only when it is refused, by a close that runs meanwhile, is it open whether the consumer still looks:
 * the seal decides.
 *
 * Waiting is announce – full fence – recheck – block: push() is the recheck.
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/futex.h"
#include "stream/collector.h"

#define AWAITED (UINT32_C(1) << 31) /* in claims: somebody sleeps until there are none */

/* -- a place --------------------------------------------------------------------------------- */

static struct bell_producer *next_place(struct bell_collector *c)
{
	struct bell_producer *p = c->free;
	uint32_t at = c->used;

	if (p) {
		c->free = p->next_free;
		return p;
	}
	if (at == c->max_producers) {
		bell__count(&c->refused);
		return NULL;
	}
	p = &c->producers[at];
	p->collector = c;
	p->queue = c->queue;
	p->records = c->rings + at * c->ring_bytes;
	p->record_size = c->record_size;
	p->mask = c->mask;
	p->capacity = c->capacity;
	p->token = at;
	p->seal = BELL__UNSEALED;
	/* The lock is held. Who closes looks behind C3's fence; who flushes was told by F1 or S1. */
	bell_store_relaxed(&c->used, at + 1); /* so relaxed will do */
	return p;
}

int bell_producer_new(struct bell_producer **ret_p, struct bell_collector *c)
{
	struct bell_producer *p = NULL;
	int r = -ESHUTDOWN;

	pthread_mutex_lock(&c->lock);
	if (!bell_load_relaxed(&c->closed)) { /* close races: then submit says it */
		p = next_place(c);
		r = p ? 0 : -ENOSPC;
	}
	if (p) {
		bell_store_relaxed(&p->place, BELL__PLACE_TAKEN); /* the lock is held */
		bell_store_relaxed(&c->in_use, c->in_use + 1);	  /* the same */
		(void)bell_fetch_add_relaxed(&c->refs, 1); /* the caller knows that there is one */
		*ret_p = p;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void bell__place_leave(struct bell_producer *p)
{
	struct bell_collector *c = p->collector;

	if (bell_load_relaxed(&p->place) != BELL__PLACE_LEFT || /* the lock is held */
		bell_load_acquire(&p->tail) != p->head)		/* C4: behind the fence; C2 */
		return;
	bell_store_relaxed(&p->place, BELL__PLACE_FREE); /* the lock is held */
	bell_store_relaxed(&c->in_use, c->in_use - 1);	 /* the same */
	p->next_free = c->free;
	c->free = p;
}

/* -- submitting ------------------------------------------------------------------------------ */

/* Published, but its token was refused: the queue is closed. If the consumer has not yet set the seal, it
 * will look again, and the record counts; else it has looked its last, and counts if that was behind. */
static BELL_COLD int refused(struct bell_producer *p, uint64_t position)
{
	uint64_t seal = BELL__UNSEALED;

	/* We may not have seen it yet; nothing may be published beyond the seal while drain looks at
	 * head. */
	bell_store_relaxed(&p->collector->closed, 1); /* so that our own next look does */
	BELL_INJECT(refused);
	if (bell_cas_acq_rel(&p->seal, &seal, position + 1)) /* C5 */
		return 0;
	return position < seal ? 0 : -ESHUTDOWN;
}

static inline int push(struct bell_producer *p, const void *record)
{
	const uint64_t head = p->head; /* ours */

	/* A short cut; for one who waits, the recheck behind C3's fence. */
	if (BELL_UNLIKELY(bell_load_relaxed(&p->collector->closed))) /* the seal decides: C5 */
		return -ESHUTDOWN;
	if (head - p->seen >= p->capacity) {
		p->seen = bell_load_acquire(&p->tail); /* C2; waiting: behind C3's fence */
		if (head - p->seen >= p->capacity)
			return -EAGAIN;
	}
	BELL_INJECT(pushing);
	memcpy(bell__record_at(p, head), record, p->record_size);
	bell_store_release(&p->head, head + 1); /* C1 */
	BELL_INJECT(pushed);
	if (BELL_LIKELY(bell_queue_notify(p->queue, p->token) >= 0))
		return 0;
	return refused(p, head);
}

/* -- waiting for room ------------------------------------------------------------------------ */

static void announce(struct bell_producer *p, uint32_t how)
{
	p->announced = true;
	bell__count(&p->waits);
	(void)bell_exchange_acq_rel(&p->waiting, how); /* C3; bind sees earlier claims */
	BELL_INJECT(announced);
	bell_fence_full(); /* C3: announced before the looks at tail and closed */
}

static void withdraw(struct bell_producer *p)
{
	p->announced = false;
	(void)bell_exchange_acq_rel(&p->waiting, BELL__WAITS_NOT); /* C3 */
}

/* Of all who see that it waits, one takes that back and tells it. */
static void tell_bound(struct bell_producer *p)
{
	uint32_t waiting = BELL__WAITS_BOUND;

	(void)bell_fetch_add_acq_rel(
		&p->claims, 1); /* C3: before the claim, so that bind waits for us */
	if (bell_cas_acq_rel(&p->waiting, &waiting, BELL__WAITS_NOT)) { /* C3 */
		BELL_INJECT(telling);
		(void)bell_fetch_add_relaxed(&p->collector->wakes, 1); /* a statistic */
		(void)bell_queue_notify(p->bound, p->bound_token);     /* closed: nobody is there */
	}
	if (bell_fetch_sub_acq_rel(&p->claims, 1) == (AWAITED | 1)) /* C3: we are through with it */
		bell__futex_wake(&p->claims);
}

void bell__producer_wake(struct bell_producer *p)
{
	uint32_t waiting = bell_load_relaxed(&p->waiting); /* C3: behind the fence */

	if (BELL_LIKELY(waiting == BELL__WAITS_NOT))
		return;
	if (waiting == BELL__WAITS_BOUND) {
		tell_bound(p);
	} else if (bell_cas_acq_rel(&p->waiting, &waiting, BELL__WAITS_NOT)) { /* C3 */
		(void)bell_fetch_add_relaxed(&p->collector->wakes, 1);	       /* a statistic */
		bell__futex_wake(&p->waiting);
	}
}

/* Nobody is at notifying the token that was bound. */
static void await_claims(struct bell_producer *p)
{
	uint32_t claims;

	while ((claims = bell_fetch_or_acq_rel(&p->claims, AWAITED)) & ~AWAITED) /* C3 */
		(void)bell__futex_wait(&p->claims, claims | AWAITED, INT64_MAX);
	(void)bell_fetch_and_acq_rel(&p->claims, ~AWAITED); /* C3 */
}

static void bind_to(struct bell_producer *p, struct bell_queue *q, uint32_t token)
{
	withdraw(p);
	if (p->bound)
		await_claims(p);
	bell_queue_unref(p->bound);
	p->bound = q ? bell_queue_ref(q) : NULL;
	p->bound_token = token;
}

int bell_producer_bind(struct bell_producer *p, struct bell_queue *q, uint32_t token)
{
	if (q && (token >= bell_queue_capacity(q) ||
			 bell_queue_flags(q) & BELL_QUEUE_SINGLE_PRODUCER))
		return -EINVAL;
	bind_to(p, q, token);
	return 0;
}

struct bell_producer *bell_producer_free(struct bell_producer *p)
{
	struct bell_collector *c;

	if (!p)
		return NULL;
	c = p->collector;
	bind_to(p, NULL, 0);
	pthread_mutex_lock(&c->lock);
	bell_store_relaxed(&p->place, BELL__PLACE_LEFT); /* C4: before the fence */
	bell_fence_full(); /* C4: left before the look at tail; drain: tail before the look at left */
	bell__place_leave(p);
	pthread_mutex_unlock(&c->lock);
	bell__collector_unref(c);
	return NULL;
}

int bell_producer_try_submit(struct bell_producer *p, const void *record)
{
	int r = push(p, record);

	if (BELL_LIKELY(r == 0 && !p->announced))
		return 0;
	if (r == -EAGAIN) {
		bell__count(&p->full);
		if (!p->bound)
			return r;
		announce(p, BELL__WAITS_BOUND);
		r = push(p, record);
		if (r == -EAGAIN)
			return r;
	}
	if (p->announced)
		withdraw(p);
	return r;
}

int bell_producer_submit(struct bell_producer *p, const void *record, int64_t timeout_ns)
{
	int64_t deadline;
	int error = 0, r = push(p, record);

	if (BELL_LIKELY(r == 0 && !p->announced))
		return 0;
	if (r == -EAGAIN) {
		bell__count(&p->full);
		if (timeout_ns == 0)
			return -ETIMEDOUT;
		deadline = bell__deadline(timeout_ns);
	}
	while (r == -EAGAIN && !error) {
		BELL_INJECT(full);
		announce(p, BELL__WAITS_FUTEX);
		r = push(p, record);
		if (r != -EAGAIN)
			break;
		BELL_INJECT(waiting);
		error = bell__futex_wait(&p->waiting, BELL__WAITS_FUTEX, deadline);
		r = push(p, record); /* room wins over errors */
	}
	if (p->announced)
		withdraw(p);
	return r == -EAGAIN ? error : r;
}
