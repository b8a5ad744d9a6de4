/* SPDX-License-Identifier: MIT
 *
 * bench/hub.c: what a notify of a handle costs its caller, with nobody listening, with 1 and with 16
 * clients that take what they get, and with another beside them that never does. The rival is what people
 * write: a mutex for the hub, a list of subscribers with a deque each, a condition variable for those that
 * sleep. It has no descriptor, and a receiver that is stopped while it holds the mutex stops all.
 *
 * One thread works, receivers are awake: what is measured is the notifier's work; to wake a sleeper is
 * bench-wake's. What the clients took is counted.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"

#define DEPTH	  64
#define RECEIVERS 16

/* -- ours ------------------------------------------------------------------------------------ */

struct setting {
	unsigned receivers;
	bool stopped; /* and one more that never looks */
	struct bell_hub *hub;
	struct bell_handle handle;
	struct bell_client *clients[RECEIVERS];
};

static void must(int ok)
{
	if (!ok) {
		fprintf(stderr, "a call failed that must not\n");
		exit(EXIT_FAILURE);
	}
}

static struct bell_client *subscriber(struct setting *s)
{
	struct bell_subscription_options o = {.depth = DEPTH};
	struct bell_client *client;
	uint32_t id;

	must(bell_client_new(&client, s->hub, 1, 0) == 0);
	must(bell_client_subscribe(client, s->handle, &o, &id) == 0);
	return client;
}

static struct setting *setting_of(struct bell_hub *hub, unsigned receivers, bool stopped)
{
	struct setting *s = calloc(1, sizeof(*s));
	unsigned i;

	must(s != NULL);
	s->receivers = receivers;
	s->hub = hub;
	must(bell_hub_register(hub, "bench", &s->handle) == 0);
	for (i = 0; i < receivers; i++)
		s->clients[i] = subscriber(s);
	if (stopped)
		(void)subscriber(s); /* freed with the process: nobody has it any more */
	return s;
}

static size_t take_all(struct setting *s)
{
	struct bell_client_event e;
	size_t n = 0;
	unsigned i;

	for (i = 0; i < s->receivers; i++)
		while (bell_client_next(s->clients[i], &e) == 1)
			n++;
	return n;
}

/* As many as the rings hold, then they are emptied outside of the time. */
static void notify(struct bench_row *row)
{
	struct setting *s = row->state;
	int64_t spent = 0, start;
	size_t done, got = 0;
	int i;

	for (done = 0; done < row->n; done += DEPTH) {
		start = bench_now();
		for (i = 0; i < DEPTH; i++)
			(void)bell_hub_notify(s->hub, s->handle, i);
		spent += bench_now() - start;
		got += take_all(s);
	}
	must(got == row->n * s->receivers);
	bench_add(row, (double)spent / (double)row->n);
}

static void take(struct bench_row *row)
{
	struct setting *s = row->state;
	int64_t spent = 0, start;
	size_t done, got = 0;
	int i;

	for (done = 0; done < row->n; done += DEPTH) {
		for (i = 0; i < DEPTH; i++)
			(void)bell_hub_notify(s->hub, s->handle, i);
		start = bench_now();
		got += take_all(s);
		spent += bench_now() - start;
	}
	must(got == row->n);
	bench_add(row, (double)spent / (double)row->n);
}

/* -- the rival ------------------------------------------------------------------------------- */

struct deque {
	int64_t values[DEPTH];
	unsigned head, n, dropped;
	pthread_cond_t some;
};

struct plain_hub {
	pthread_mutex_t lock;
	unsigned receivers, subscribers;
	struct deque deques[RECEIVERS + 1];
};

static struct plain_hub *plain_of(unsigned receivers, bool stopped)
{
	struct plain_hub *h = calloc(1, sizeof(*h));
	unsigned i;

	must(h != NULL);
	pthread_mutex_init(&h->lock, NULL);
	h->receivers = receivers;
	h->subscribers = receivers + stopped;
	for (i = 0; i < h->subscribers; i++)
		pthread_cond_init(&h->deques[i].some, NULL);
	return h;
}

static void plain_notify(struct plain_hub *h, int64_t value)
{
	unsigned i;

	pthread_mutex_lock(&h->lock);
	for (i = 0; i < h->subscribers; i++) {
		struct deque *d = &h->deques[i];

		if (d->n == DEPTH) {
			d->dropped++;
			continue;
		}
		d->values[(d->head + d->n++) % DEPTH] = value;
		pthread_cond_signal(&d->some);
	}
	pthread_mutex_unlock(&h->lock);
}

static size_t plain_take_all(struct plain_hub *h)
{
	size_t n = 0;
	unsigned i;

	for (i = 0; i < h->receivers; i++) {
		struct deque *d = &h->deques[i];

		for (;;) {
			bool some;

			pthread_mutex_lock(&h->lock); /* as each next of theirs does */
			some = d->n > 0;
			if (some) {
				d->head = (d->head + 1) % DEPTH;
				d->n--;
			}
			pthread_mutex_unlock(&h->lock);
			if (!some)
				break;
			n++;
		}
	}
	return n;
}

static void notify_plain(struct bench_row *row)
{
	struct plain_hub *h = row->state;
	int64_t spent = 0, start;
	size_t done, got = 0;
	int i;

	for (done = 0; done < row->n; done += DEPTH) {
		start = bench_now();
		for (i = 0; i < DEPTH; i++)
			plain_notify(h, i);
		spent += bench_now() - start;
		got += plain_take_all(h);
	}
	must(got == row->n * h->receivers);
	bench_add(row, (double)spent / (double)row->n);
}

static void take_plain(struct bench_row *row)
{
	struct plain_hub *h = row->state;
	int64_t spent = 0, start;
	size_t done, got = 0;
	int i;

	for (done = 0; done < row->n; done += DEPTH) {
		for (i = 0; i < DEPTH; i++)
			plain_notify(h, i);
		start = bench_now();
		got += plain_take_all(h);
		spent += bench_now() - start;
	}
	must(got == row->n);
	bench_add(row, (double)spent / (double)row->n);
}

static void *sleep_for_ever(void *userdata)
{
	for (;;)
		pause();
	return userdata;
}

#define OURS(what, receivers, stopped) \
	{.name = "hub: " what, .n = 4096, .batch = notify, \
		.state = setting_of(hub, receivers, stopped), .rival = "mutex and condvar: " what}
#define THEIRS(what, receivers, stopped) \
	{.name = "mutex and condvar: " what, .n = 4096, .batch = notify_plain, \
		.state = plain_of(receivers, stopped)}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 2000};
	struct bell_hub *hub;
	pthread_t other;

	bench_options(&o, argc, argv);
	/* The C library takes no lock in earnest as long as there is one thread. */
	must(pthread_create(&other, NULL, sleep_for_ever, NULL) == 0);
	must(bell_hub_new(&hub, NULL) == 0);
	/* The stopped client of each is left behind on purpose, and so are the hubs. */
	struct bench_row rows[] = {
		THEIRS("nobody listens", 0, false),
		OURS("nobody listens", 0, false),
		THEIRS("1 receiver", 1, false),
		OURS("1 receiver", 1, false),
		THEIRS("1 receiver, 1 stopped", 1, true),
		OURS("1 receiver, 1 stopped", 1, true),
		THEIRS("16 receivers", 16, false),
		OURS("16 receivers", 16, false),
		THEIRS("16 receivers, 1 stopped", 16, true),
		OURS("16 receivers, 1 stopped", 16, true),
		{.name = "mutex and condvar: take a value",
			.n = 4096,
			.batch = take_plain,
			.state = plain_of(1, false)},
		{.name = "hub: take an event",
			.n = 4096,
			.batch = take,
			.state = setting_of(hub, 1, false),
			.rival = "mutex and condvar: take a value"},
	};
	struct bench_table table = {.title = "one notify to so many receivers, ns",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};

	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
