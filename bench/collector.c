/* SPDX-License-Identifier: MIT
 *
 * bench/collector.c: what it costs to pass a record of 32 bytes to another thread, through rings of 1024
 * records: the time until the consumer has all, over all records, so that half is twice the throughput.
 *
 * Beside it what people write by hand, a ring under a mutex with two condition variables, from which
 * up to 64 records are taken at once; and Concurrency Kit's ring of one producer and one consumer, one
 * for each producer. That one knows no waiting, full or empty: both sides look again and again, and give up
 * the processor in between. So does the row of ours that is compared with it.
 *
 * Compared in pairs: where a neighbour holds up one side the rings run full or empty, and that differs.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

#include "bench.h"

#ifdef HAVE_CK
#include <ck_ring.h>
#endif

enum { ROOM = 1024, CHUNK = 64, PRODUCERS = 2 };

struct record {
	uint64_t number, payload[3];
};

struct contest {
	unsigned producers;
	size_t each;
	void (*produce)(struct contest *c, unsigned self);
	void (*consume)(struct contest *c);
	int64_t start[PRODUCERS + 1], end;
	uint64_t sum;
	size_t taken;
	struct bell_collector *collector;
	struct bell_producer *p[PRODUCERS];
};

static void take(void *userdata, const void *record)
{
	struct contest *c = userdata;

	c->sum += ((const struct record *)record)->number;
	c->taken++;
}

/* -- ours ------------------------------------------------------------------------------------ */

static void submit(struct contest *c, unsigned self)
{
	struct record r = {0};

	for (r.number = 0; r.number < c->each; r.number++)
		if (bell_producer_submit(c->p[self], &r, -1) < 0)
			abort();
}

static void wait_and_drain(struct contest *c)
{
	while (c->taken < c->each * c->producers)
		if (bell_collector_wait(c->collector, ROOM, take, c, -1) < 0)
			abort();
}

static void try_again(struct contest *c, unsigned self)
{
	struct record r = {0};

	for (r.number = 0; r.number < c->each; r.number++)
		while (bell_producer_try_submit(c->p[self], &r) == -EAGAIN)
			sched_yield();
}

static void drain_again(struct contest *c)
{
	while (c->taken < c->each * c->producers)
		if (bell_collector_drain(c->collector, ROOM, take, c) == 0)
			sched_yield();
}

/* -- a mutex, and two condition variables ---------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t room, some;
	uint64_t head, tail;
	struct record ring[ROOM];
} locked = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.room = PTHREAD_COND_INITIALIZER,
	.some = PTHREAD_COND_INITIALIZER};

static void lock_and_put(struct contest *c, unsigned self)
{
	struct record r = {0};

	(void)self;
	for (r.number = 0; r.number < c->each; r.number++) {
		pthread_mutex_lock(&locked.lock);
		while (locked.head - locked.tail == ROOM)
			pthread_cond_wait(&locked.room, &locked.lock);
		locked.ring[locked.head++ % ROOM] = r;
		if (locked.head - locked.tail == 1)
			pthread_cond_signal(&locked.some);
		pthread_mutex_unlock(&locked.lock);
	}
}

static void lock_and_take(struct contest *c)
{
	struct record chunk[CHUNK];
	size_t n, i;

	while (c->taken < c->each * c->producers) {
		pthread_mutex_lock(&locked.lock);
		while (locked.head == locked.tail)
			pthread_cond_wait(&locked.some, &locked.lock);
		for (n = 0; n < CHUNK && locked.tail != locked.head; n++)
			chunk[n] = locked.ring[locked.tail++ % ROOM];
		pthread_cond_broadcast(&locked.room);
		pthread_mutex_unlock(&locked.lock);
		for (i = 0; i < n; i++)
			take(c, &chunk[i]);
	}
}

/* -- Concurrency Kit ------------------------------------------------------------------------- */

#ifdef HAVE_CK
CK_RING_PROTOTYPE(records, record)

static struct {
	ck_ring_t ring;
	struct record buffer[ROOM * 2]; /* one of its places stays empty */
} ck[PRODUCERS];

static void ck_put(struct contest *c, unsigned self)
{
	struct record r = {0};

	for (r.number = 0; r.number < c->each; r.number++)
		while (!CK_RING_ENQUEUE_SPSC(records, &ck[self].ring, ck[self].buffer, &r))
			sched_yield();
}

static void ck_take(struct contest *c)
{
	struct record r;
	unsigned i, n;

	while (c->taken < c->each * c->producers) {
		bool any = false;

		for (i = 0; i < c->producers; i++)
			for (n = 0; n < CHUNK &&
				    CK_RING_DEQUEUE_SPSC(records, &ck[i].ring, ck[i].buffer, &r);
				n++) {
				take(c, &r);
				any = true;
			}
		if (!any)
			sched_yield();
	}
}
#define CK_SKIPPED NULL
#else
#define ck_put	   NULL
#define ck_take	   NULL
#define CK_SKIPPED "Concurrency Kit is not installed"
#endif

/* -- the contest ----------------------------------------------------------------------------- */

static void work(struct bench_team *team, unsigned self)
{
	struct contest *c = team->state;

	bench_gate(team);
	c->start[self] = bench_now();
	if (self > 0) {
		c->produce(c, self - 1);
		return;
	}
	c->consume(c);
	c->end = bench_now();
}

static void batch(struct bench_row *row)
{
	struct contest *c = row->state;
	const struct bell_collector_options o = {.record_size = sizeof(struct record),
		.records_per_producer = ROOM,
		.max_producers = PRODUCERS};
	struct bench_team team = {.work = work, .state = c, .size = c->producers + 1};
	int64_t start;
	unsigned i;

	c->sum = c->taken = 0;
	if (bell_collector_new(&c->collector, &o) < 0)
		abort();
	for (i = 0; i < c->producers; i++)
		if (bell_producer_new(&c->p[i], c->collector) < 0)
			abort();
	bench_together(&team);
	for (i = 1, start = c->start[0]; i <= c->producers; i++)
		start = c->start[i] < start ? c->start[i] : start;
	if (c->sum != c->producers * (c->each * (c->each - 1) / 2))
		abort(); /* a record was lost */
	for (i = 0; i < c->producers; i++)
		bell_producer_free(c->p[i]);
	bell_collector_free(c->collector);
	bench_add(row, (double)(c->end - start) / (double)(c->each * c->producers));
}

#define CONTEST(threads, put, get)                                                               \
	&(struct contest)                                                                        \
	{                                                                                        \
		.producers = threads, .each = 200000 / (threads), .produce = put, .consume = get \
	}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 50};
	struct bench_row rows[] = {
		{.name = "mutex and condition variables, 1 producer",
			.state = CONTEST(1, lock_and_put, lock_and_take)},
		{.name = "collector, 1 producer",
			.state = CONTEST(1, submit, wait_and_drain),
			.rival = "mutex and condition variables, 1 producer"},
		{.name = "ck ring, yields, 1 producer",
			.state = CONTEST(1, ck_put, ck_take),
			.skipped = CK_SKIPPED},
		{.name = "collector, yields, 1 producer",
			.state = CONTEST(1, try_again, drain_again),
			.rival = "ck ring, yields, 1 producer"},
		{.name = "mutex and condition variables, 2 producers",
			.state = CONTEST(2, lock_and_put, lock_and_take)},
		{.name = "collector, 2 producers",
			.state = CONTEST(2, submit, wait_and_drain),
			.rival = "mutex and condition variables, 2 producers"},
		{.name = "ck ring, yields, 2 producers",
			.state = CONTEST(2, ck_put, ck_take),
			.skipped = CK_SKIPPED},
		{.name = "collector, yields, 2 producers",
			.state = CONTEST(2, try_again, drain_again),
			.rival = "ck ring, yields, 2 producers"},
	};
	struct bench_table table = {.title = "records of 32 bytes to another thread, ns a record",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_PAIRS};
	size_t i;

#ifdef HAVE_CK
	for (i = 0; i < PRODUCERS; i++)
		ck_ring_init(&ck[i].ring, ROOM * 2);
#endif
	for (i = 0; i < table.count; i++) {
		rows[i].n = 200000;
		rows[i].batch = batch;
	}
	bench_options(&o, argc, argv);
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
