/* SPDX-License-Identifier: MIT
 *
 * collector.c: the consumer's half of the collector: its life, whose turn it is, flush marks, the end.
 *
 * A token that is polled says: this producer's ring has something. The producer then stands in a private
 * list until its ring was seen empty, and is served from there in batches, in turn. It is looked at after
 * the poll that delivered its token, so by the queue's promise all that was published before is seen; what
 * is published later brings the token again. While somebody stands in the list the consumer may not sleep.
 */
#include <errno.h>
#include <stdlib.h>

#include <doorbell/wait.h>

#include "core/clock.h"
#include "stream/collector.h"

/* So many records are handed out, while the list is not empty, before tokens are polled again. A producer
 * that publishes without end then pays for a new token, and for the cache lines it takes, so seldom. */
#define POLL_EVERY 256

/* Tokens polled in one go. */
#define CHUNK	   16

/* -- life ------------------------------------------------------------------------------------ */

static uint32_t or_default(uint32_t option, uint32_t value)
{
	return option ? option : value;
}

static size_t round_up(size_t n)
{
	return (n + BELL_CACHE_LINE - 1) & ~(size_t)(BELL_CACHE_LINE - 1);
}

/* Checks the options, and works out sizes from them. */
static int plan(
	const struct bell_collector_options *o, struct bell_collector *ret_plan, size_t *ret_bytes)
{
	struct bell_collector c = {
		.record_size = o->record_size,
		.capacity = or_default(o->records_per_producer, BELL_COLLECTOR_RECORDS),
		.max_producers = or_default(o->max_producers, BELL_COLLECTOR_PRODUCERS),
		.batch = or_default(o->batch, BELL_COLLECTOR_BATCH),
	};
	uint64_t size, bytes, all;

	if (c.record_size == 0 || c.capacity > BELL_COLLECTOR_RECORDS_MAX ||
		c.max_producers > BELL_COLLECTOR_PRODUCERS_MAX ||
		c.batch > BELL_COLLECTOR_RECORDS_MAX || o->flags & ~(unsigned)BELL_COLLECTOR_EDGE)
		return -EINVAL;
	for (size = 1; size < c.capacity; size *= 2)
		;
	if (__builtin_mul_overflow(size, c.record_size, &bytes) || bytes > SIZE_MAX / 4)
		return -ENOMEM;
	c.ring_bytes = round_up((size_t)bytes);
	if (__builtin_mul_overflow(
		    c.ring_bytes + sizeof(struct bell_producer), c.max_producers, &all) ||
		all > SIZE_MAX / 2)
		return -ENOMEM;
	c.mask = (uint32_t)(size - 1);
	c.total = (uint64_t)c.capacity * c.max_producers;
	*ret_plan = c;
	*ret_bytes = BELL_CACHE_LINE + sizeof(c) + (size_t)all;
	return 0;
}

int bell_collector_new(struct bell_collector **ret_c, const struct bell_collector_options *options)
{
	struct bell_collector planned, *c;
	size_t bytes;
	void *memory;
	int r = plan(options, &planned, &bytes);

	if (r < 0)
		return r;
	memory = calloc(1, bytes);
	if (!memory)
		return -ENOMEM;
	c = (void *)round_up((uintptr_t)memory);
	*c = planned;
	c->memory = memory;
	c->producers = (void *)(c + 1);
	c->rings = (void *)(c->producers + c->max_producers);
	/* A token for each producer, and one for flush. */
	r = bell_queue_new(&c->queue, c->max_producers + 1,
		options->flags & BELL_COLLECTOR_EDGE ? BELL_QUEUE_EDGE : 0);
	if (r < 0) {
		free(memory);
		return r;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->refs = 1;
	*ret_c = c;
	return 0;
}

void bell__collector_unref(struct bell_collector *c)
{
	if (bell_fetch_sub_acq_rel(&c->refs, 1) != 1) /* R1: all use before the free */
		return;
	bell_queue_unref(c->queue);
	pthread_mutex_destroy(&c->lock);
	free(c->memory);
}

struct bell_collector *bell_collector_free(struct bell_collector *c)
{
	if (c) {
		bell_collector_close(c);
		c->freed = true;
		bell__collector_unref(c);
	}
	return NULL;
}

int bell_collector_close(struct bell_collector *c)
{
	uint32_t i, used;

	bell_store_relaxed(&c->closed, 1); /* before the queue's own close, and before C3's fence */
	bell_queue_close(c->queue);
	bell_fence_full();		    /* C3: closed before the looks at who waits */
	used = bell_load_relaxed(&c->used); /* C3: behind the fence, as what they wrote before */
	for (i = 0; i < used; i++)
		bell__producer_wake(&c->producers[i]);
	return 0;
}

int bell_collector_fd(const struct bell_collector *c)
{
	return bell_queue_fd(c->queue);
}

int bell_collector_flush(struct bell_collector *c)
{
	int r = bell_queue_notify(c->queue, c->max_producers);

	return r < 0 ? r : 0;
}

void bell_collector_stats(const struct bell_collector *c, struct bell_collector_stats *ret_stats)
{
	struct bell_collector_stats s = {0};
	uint32_t used = bell_load_relaxed(&c->used), i; /* a statistic, as all here */
	struct bell_queue_stats bell;

	s.refused = bell_load_relaxed(&c->refused);  /* the same */
	s.producers = bell_load_relaxed(&c->in_use); /* the same */
	s.wakes = bell_load_relaxed(&c->wakes);	     /* the same */
	s.flushes = bell_load_relaxed(&c->flushes);  /* the same */
	for (i = 0; i < used; i++) {
		const struct bell_producer *p = &c->producers[i];
		const uint64_t head = bell_load_relaxed(&p->head); /* the same */
		const uint64_t seal = bell_load_relaxed(&p->seal); /* the same */

		s.submitted += head < seal ? head : seal;
		s.drained += bell_load_relaxed(&p->tail); /* the same */
		s.full += bell_load_relaxed(&p->full);	  /* the same */
		s.waits += bell_load_relaxed(&p->waits);  /* the same */
	}
	bell_queue_stats(c->queue, &bell);
	s.arms = bell.arms;
	s.rings = bell.rings;
	*ret_stats = s;
}

/* -- whose turn it is ------------------------------------------------------------------------ */

static void make_ready(struct bell_collector *c, struct bell_producer *p)
{
	if (p->ready)
		return;
	p->ready = true;
	p->next = NULL;
	if (c->first)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
}

/* It is the next one's turn; whoever has more stands last. */
static void end_turn(struct bell_collector *c, bool more)
{
	struct bell_producer *p = c->first;

	c->turn = 0;
	c->first = p->next;
	p->ready = false;
	if (more)
		make_ready(c, p);
}

/* How far the records go. Beyond the seal they are refused. */
static uint64_t end_of(const struct bell_collector *c, const struct bell_producer *p)
{
	return c->sealed ? p->end : bell_load_acquire(&p->head); /* C1 */
}

/* A flush was polled: what is published now goes before its mark. */
static void begin_flush(struct bell_collector *c)
{
	const uint32_t used =
		bell_load_relaxed(&c->used); /* whoever submitted before had it set before */
	uint32_t i;

	c->flushing = true;
	c->flush_again = false;
	for (i = 0; i < used; i++) {
		struct bell_producer *p = &c->producers[i];

		p->mark = end_of(c, p);
		if (p->mark == p->tail)
			continue;
		p->due = true;
		c->due++;
		make_ready(c, p);
	}
}

static void take_tokens(struct bell_collector *c, const uint32_t *tokens, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (tokens[i] < c->max_producers)
			make_ready(c, &c->producers[tokens[i]]);
		else if (c->flushing)
			c->flush_again = true; /* a mark of its own: that one may be almost due */
		else
			begin_flush(c);
	}
}

static void poll_tokens(struct bell_collector *c)
{
	uint32_t tokens[CHUNK];
	size_t n;

	c->since = 0;
	do {
		n = bell_queue_poll(c->queue, tokens, CHUNK);
		take_tokens(c, tokens, n);
	} while (n == CHUNK);
}

/* -- handing out ----------------------------------------------------------------------------- */

/* Behind a full fence: does its producer wait, or has it left? */
static void look_at(struct bell_collector *c, struct bell_producer *p)
{
	p->looked = p->tail;
	bell__producer_wake(p);
	if (bell_load_relaxed(&p->place) != BELL__PLACE_LEFT) /* C4: behind the fence */
		return;
	pthread_mutex_lock(&c->lock);
	bell__place_leave(p);
	pthread_mutex_unlock(&c->lock);
}

/* All from which something was taken since they were last looked at. */
static void look_at_served(struct bell_collector *c)
{
	struct bell_producer *p = c->served;

	c->served = NULL;
	BELL_INJECT(freed);
	if (p)
		bell_fence_full(); /* C3, C4: tail before the looks */
	for (; p; p = p->next_served) {
		p->served = false;
		look_at(c, p);
	}
}

/* Its places below are free again. Its producer, if it waits, is woken when half of them are, or when the
 * drain is over: woken for each batch, it would fill that and sleep again. */
static void give_back(struct bell_collector *c, struct bell_producer *p, uint64_t tail)
{
	bell_store_release(&p->tail, tail); /* C2: the records were read */
	if (p->due && tail >= p->mark) {
		p->due = false;
		c->due--;
	}
	if (!p->served) {
		p->served = true;
		p->next_served = c->served;
		c->served = p;
	}
	if (tail - p->looked >= (p->capacity + 1) / 2) {
		bell_fence_full(); /* C3, C4: tail before the looks */
		look_at(c, p);
	}
}

/* A turn of the first producer, or as much of it as max allows: the rest of it is kept for the next drain,
 * or else whoever is cut short would always be the same. Returns how many records. */
static uint32_t serve(struct bell_collector *c, size_t max, bell_record_fn fn, void *userdata)
{
	struct bell_producer *p = c->first;
	const uint64_t tail = p->tail, left = end_of(c, p) - tail;
	const uint32_t turn = c->batch - c->turn, most = max < turn ? (uint32_t)max : turn;
	const uint32_t n = left < most ? (uint32_t)left : most;
	bool more;
	uint32_t i;

	for (i = 0; i < n && !c->freed; i++)
		fn(userdata, bell__record_at(p, tail + i));
	if (i > 0)
		give_back(c, p, tail + i);
	more = end_of(c, p) != tail + i; /* also what has come meanwhile: that spares it a token */
	c->turn += i;
	c->since += i;
	if (!more || c->turn == c->batch)
		end_turn(c, more);
	return i;
}

/* The mark of a flush whose records are all handed out. Returns whether there was one. */
static bool hand_mark(struct bell_collector *c, bell_record_fn fn, void *userdata)
{
	if (!c->flushing || c->due > 0)
		return false;
	c->flushing = false;
	bell__count(&c->flushes);
	fn(userdata, NULL);
	if (c->flush_again)
		begin_flush(c);
	return true;
}

static size_t drain(
	struct bell_collector *c, size_t max, bell_record_fn fn, void *userdata, bool *ret_marked)
{
	size_t n = 0, left;
	bool marked = false;

	(void)bell_fetch_add_relaxed(&c->refs, 1); /* fn may free it; the caller holds one */
	c->draining = true;
	if (max > c->total)
		max = (size_t)c->total;
	for (;;) {
		left = max - n;
		if (left > 0 && (!c->first || c->since >= POLL_EVERY))
			poll_tokens(c);
		if (!marked) /* one a drain: it ends, however fast they come */
			marked = hand_mark(c, fn, userdata);
		if (left == 0 || c->freed || !c->first)
			break;
		n += serve(c, left, fn, userdata);
	}
	look_at_served(c);
	c->draining = false;
	bell__collector_unref(c);
	*ret_marked = marked;
	return n;
}

ssize_t bell_collector_drain(
	struct bell_collector *c, size_t max, bell_record_fn fn, void *userdata)
{
	bool marked;

	if (c->draining)
		return -EBUSY;
	return (ssize_t)drain(c, max, fn, userdata, &marked);
}

/* -- sleeping, and the end ------------------------------------------------------------------- */

/* The queue is closed and drained. A producer whose notify was refused may have published a record all the
 * same: of the two of us, the first to set the seal says whether it counts. From here on the queue has
 * nothing more to say: the token of a record that was refused may still come. Returns whether anything is
 * left. */
static bool seal(struct bell_collector *c)
{
	uint32_t used, i;

	pthread_mutex_lock(&c->lock);	    /* who takes a place later sees that it is closed */
	used = bell_load_relaxed(&c->used); /* the lock is held */
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < used; i++) {
		struct bell_producer *p = &c->producers[i];
		const uint64_t head = bell_load_acquire(&p->head); /* C1 */

		p->end = BELL__UNSEALED;
		if (bell_cas_acq_rel(&p->seal, &p->end, head)) /* C5 */
			p->end = head;
		if (p->end != p->tail)
			make_ready(c, p);
	}
	c->sealed = true;
	return c->first || c->flushing;
}

int bell_collector_arm(struct bell_collector *c)
{
	int r;

	if (c->draining)
		return -EBUSY;
	if (c->first || c->flushing)
		return 0;
	if (c->sealed)
		return -ESHUTDOWN;
	r = bell_queue_arm(c->queue);
	return r == -ESHUTDOWN && seal(c) ? 0 : r;
}

ssize_t bell_collector_wait(
	struct bell_collector *c, size_t max, bell_record_fn fn, void *userdata, int64_t timeout_ns)
{
	const int64_t deadline = bell__deadline(timeout_ns);
	uint32_t tokens[CHUNK];
	bool marked;
	ssize_t n, r;

	if (c->draining)
		return -EBUSY;
	if (max == 0)
		return -EINVAL;
	for (;;) {
		n = (ssize_t)drain(c, max, fn, userdata, &marked);
		if (n > 0 || marked)
			return n;
		if (c->sealed)
			return -ESHUTDOWN;
		r = bell_queue_wait(c->queue, tokens, CHUNK, bell__time_left(deadline));
		if (r == -ESHUTDOWN && seal(c))
			continue;
		if (r < 0)
			return r;
		take_tokens(c, tokens, (size_t)r);
	}
}
