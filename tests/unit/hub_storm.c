/* SPDX-License-Identifier: MIT
 *
 * Four threads register, notify, wait, subscribe and unregister, all of it on the same few handles. What
 * notify says it reached is what the receivers got: to the last value, and to the last waiter.
 */
#include <sched.h>
#include <string.h>

#include "hub_helpers.h"

enum { THREADS = 4, HANDLES = 3, PLACES = 8 };

static struct bell_hub *hub;
static const uint32_t rounds = BELL_TSAN ? 4000 : 20000;

/* The handles of the moment; an old one may be read, and is then stale. */
static uint64_t handles[HANDLES];

struct tally {
	uint64_t reached;   /* the sum of what notify returned */
	uint64_t woken;	    /* waits that returned 0 */
	uint64_t events;    /* values */
	uint64_t displaced; /* of those reached: pushed out by a later one */
	uint64_t canceled, timed_out, stale, closed, subscribed;
	uint32_t wrong;
};

struct worker {
	struct tally t;
	struct bell_client *client;
	uint64_t seed;
	uint32_t policies[PLACES]; /* by place, that is by id */
};

static struct bell_handle pick(struct worker *w)
{
	uint64_t h = bell_load_acquire(&handles[dice(&w->seed) % HANDLES]);

	return (struct bell_handle){(uint32_t)(h >> 32), (uint32_t)h};
}

/* A new handle in the place of an old one, whose end its owner alone may bring about. */
static void replace(struct worker *w)
{
	struct bell_handle h;
	uint64_t old;

	if (bell_hub_register(hub, "storm", &h) != 0) {
		w->t.wrong++;
		return;
	}
	old = bell_exchange_acq_rel(
		&handles[dice(&w->seed) % HANDLES], (uint64_t)h.index << 32 | h.generation);
	h = (struct bell_handle){(uint32_t)(old >> 32), (uint32_t)old};
	w->t.wrong += bell_hub_unregister(hub, h) != 0;
	w->t.wrong += bell_hub_unregister(hub, h) != -ESTALE;
	w->t.wrong += bell_hub_notify(hub, h, 1) != -ESTALE;
}

static void notify(struct worker *w)
{
	int r = bell_hub_notify(hub, pick(w), dice(&w->seed));

	if (r >= 0)
		w->t.reached += (uint64_t)r;
	else if (r == -ESTALE)
		w->t.stale++;
	else
		w->t.wrong++;
}

static void wait_a_little(struct worker *w)
{
	static const int64_t timeouts[] = {0, 1, 20000, 200000};
	struct bell_hub_waiter waiter;
	int r = bell_hub_prepare(hub, pick(w), &waiter);

	if (r == 0 && dice(&w->seed) % 4 == 0)
		sched_yield();
	if (r == 0)
		r = bell_hub_wait(hub, &waiter, timeouts[dice(&w->seed) % 4], NULL);
	memset(&waiter, 0x55,
		sizeof(waiter)); /* whoever still touches it spoils nothing but shows up */
	w->t.woken += r == 0;
	w->t.canceled += r == -ECANCELED;
	w->t.timed_out += r == -ETIMEDOUT;
	w->t.wrong += r != 0 && r != -ECANCELED && r != -ETIMEDOUT && r != -ESTALE;
}

static void subscribe(struct worker *w)
{
	struct bell_subscription_options o = {.policy = dice(&w->seed) % 3};
	uint32_t id;
	int r;

	o.depth = o.policy == BELL_KEEP_LATEST ? 1 : 1 + dice(&w->seed) % 5;
	r = bell_client_subscribe(w->client, pick(w), &o, &id);
	if (r == 0) {
		w->policies[id % PLACES] = o.policy;
		w->t.subscribed++;
	}
	w->t.wrong += r != 0 && r != -ESTALE && r != -ENOSPC;
}

static void take(struct worker *w, uint32_t most)
{
	struct bell_client_event e;

	while (most-- > 0 && bell_client_next(w->client, &e) == 1) {
		w->t.closed += e.closed;
		w->t.events += !e.closed;
		if (w->policies[e.id % PLACES] != BELL_DROP_NEWEST)
			w->t.displaced += e.dropped;
	}
}

static void *work(void *userdata)
{
	struct worker *w = userdata;
	uint32_t round;

	for (round = 0; round < rounds; round++) {
		uint32_t what = dice(&w->seed) % 100;

		if (what < 10)
			replace(w);
		else if (what < 55)
			notify(w);
		else if (what < 75)
			wait_a_little(w);
		else if (what < 85)
			subscribe(w);
		else
			take(w, dice(&w->seed) % 10);
	}
	return NULL;
}

START_TEST(a_storm_loses_nothing)
{
	struct worker w[THREADS];
	struct tally all = {0};
	struct bell_hub_stats s;
	pthread_t threads[THREADS];
	struct bell_handle h;
	int i;

	hub = hub_of(HANDLES + THREADS);
	for (i = 0; i < HANDLES; i++) {
		h = handle_of(hub, "first");
		handles[i] = (uint64_t)h.index << 32 | h.generation;
	}
	memset(w, 0, sizeof(w));
	for (i = 0; i < THREADS; i++) {
		w[i].client = client_of(hub, PLACES);
		w[i].seed = (uint64_t)(_i * THREADS + i + 1);
		threads[i] = spawn(work, &w[i]);
	}
	for (i = 0; i < THREADS; i++)
		join(threads[i]);
	for (i = 0; i < HANDLES; i++)
		ck_assert_int_eq(
			bell_hub_unregister(hub, (struct bell_handle){(uint32_t)(handles[i] >> 32),
							 (uint32_t)handles[i]}),
			0);
	for (i = 0; i < THREADS; i++) {
		take(&w[i], UINT32_MAX);
		ck_assert_int_eq(bell_client_arm(w[i].client), 1);
		bell_client_free(w[i].client);
		all.reached += w[i].t.reached;
		all.woken += w[i].t.woken;
		all.events += w[i].t.events;
		all.displaced += w[i].t.displaced;
		all.canceled += w[i].t.canceled;
		all.closed += w[i].t.closed;
		all.subscribed += w[i].t.subscribed;
		all.wrong += w[i].t.wrong;
		ck_assert_uint_gt(w[i].t.events, 0);
	}
	ck_assert_uint_eq(all.wrong, 0);
	ck_assert_uint_eq(all.reached, all.woken + all.events + all.displaced);
	ck_assert_uint_eq(all.subscribed, all.closed);
	s = hub_stats_of(hub);
	ck_assert_uint_eq(s.reached, all.reached);
	ck_assert_uint_eq(s.canceled, all.canceled);
	ck_assert_uint_eq(s.handles + s.waiters + s.subscriptions + s.clients, 0);
	bell_hub_unref(hub);
}

/* Clients come and go, with all they had, while others notify and unregister. */
static void *come_and_go(void *userdata)
{
	struct worker *w = userdata;
	uint32_t round, i;

	for (round = 0; round < rounds / 10; round++) {
		if (bell_client_new(&w->client, hub, PLACES, 0) != 0) {
			w->t.wrong++;
			break;
		}
		for (i = 0; i < PLACES; i++)
			subscribe(w);
		for (i = 0; i < 5; i++)
			notify(w);
		if (round % 3 == 0)
			replace(w);
		take(w, round % 7);
		bell_client_free(w->client);
	}
	return NULL;
}

START_TEST(clients_go_while_others_notify)
{
	struct worker w[THREADS];
	pthread_t threads[THREADS];
	struct bell_handle h;
	uint32_t wrong = 0;
	int i;

	hub = hub_of(HANDLES + THREADS);
	for (i = 0; i < HANDLES; i++) {
		h = handle_of(hub, "first");
		handles[i] = (uint64_t)h.index << 32 | h.generation;
	}
	memset(w, 0, sizeof(w));
	for (i = 0; i < THREADS; i++) {
		w[i].seed = (uint64_t)i + 1;
		threads[i] = spawn(come_and_go, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		join(threads[i]);
		wrong += w[i].t.wrong;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(hub_stats_of(hub).subscriptions, 0);
	ck_assert_uint_eq(hub_stats_of(hub).clients, 0);
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub storm");
	TCase *tc = runner_case(s, "hub storm", 110);

	tcase_add_loop_test(tc, a_storm_loses_nothing, 0, 5);
	tcase_add_test(tc, clients_go_while_others_notify);
	return runner_run(s);
}
