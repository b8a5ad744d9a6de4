/* SPDX-License-Identifier: MIT
 *
 * tick.c [level|edge] [MILLISECONDS]: a loop that never looks at the fd: it polls the queue on a tick of
 * its own, as a game or an audio loop does. Four threads notify; nothing is lost, order is kept, and the
 * only system call of the bell is the first ring, for a new queue is armed. Prints the counters; tick.py
 * counts from outside.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <doorbell.h>

enum { PRODUCERS = 4, TOKENS = 4096, NOTIFIES = 250000, BUDGET = 64, OWN = TOKENS / PRODUCERS };

static struct bell_queue *queue;
static uint32_t numbers[TOKENS]; /* atomic: the notify, counted from 1, beside each token */
static uint32_t seen[TOKENS];
static uint32_t started, finished; /* atomic */

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tick: %s\n", what);
	exit(EXIT_FAILURE);
}

/* Producer p has the tokens p * OWN and on, and notifies them in turn. */
static void *produce(void *userdata)
{
	const uint32_t first = OWN * bell_fetch_add_relaxed(&started, 1);
	uint32_t i, token;

	for (i = 0; i < NOTIFIES; i++) {
		token = first + i % OWN;
		bell_store_relaxed(&numbers[token], i + 1);
		must(bell_queue_notify(queue, token) >= 0, "notify");
	}
	bell_fetch_add_acq_rel(&finished, 1);
	return userdata;
}

/* One tick: a budget. Returns how many were there. */
static size_t tick(void)
{
	uint32_t tokens[BUDGET], i;
	size_t n = bell_queue_poll(queue, tokens, BUDGET);

	for (i = 0; i < n; i++)
		seen[tokens[i]] = bell_load_relaxed(&numbers[tokens[i]]);
	return n;
}

static void check(void)
{
	uint32_t token, last;

	for (token = 0; token < TOKENS; token++) {
		last = NOTIFIES - (NOTIFIES - 1 - token % OWN) % OWN;
		must(seen[token] == last, "a last notify was lost");
	}
}

/* Without a loop in the way: what was queued in order comes in order, a budget at a time. */
static void keep_order(void)
{
	uint32_t tokens[BUDGET], token, next = 0;
	size_t n, i;

	for (token = 0; token < TOKENS; token++)
		must(bell_queue_notify(queue, token) == 1, "newly queued");
	while ((n = bell_queue_poll(queue, tokens, BUDGET)) > 0)
		for (i = 0; i < n; i++)
			must(tokens[i] == next++, "order");
	must(next == TOKENS, "all of them");
}

int main(int argc, char **argv)
{
	const unsigned edge = argc > 1 && strcmp(argv[1], "edge") == 0 ? BELL_QUEUE_EDGE : 0;
	const struct timespec pause = {.tv_nsec = argc > 2 ? atol(argv[2]) * 1000000 : 0};
	pthread_t threads[PRODUCERS];
	struct bell_queue_stats s;
	int i, done = 0;

	must(bell_queue_new(&queue, TOKENS, edge) == 0, "new");
	keep_order();
	for (i = 0; i < PRODUCERS; i++)
		must(pthread_create(&threads[i], NULL, produce, NULL) == 0, "thread");
	while (!done) {
		done = bell_load_acquire(&finished) == PRODUCERS; /* then one tick more finds the rest */
		while (tick() == BUDGET)
			;
		if (pause.tv_nsec)
			nanosleep(&pause, NULL);
	}
	for (i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	while (tick())
		;
	check();
	bell_queue_stats(queue, &s);
	must(s.notified == s.delivered, "notified and delivered");
	printf("%llu %llu %llu %llu\n", (unsigned long long)s.rings, (unsigned long long)s.arms,
		(unsigned long long)s.reads, (unsigned long long)s.kicks);
	bell_queue_unref(queue);
	return EXIT_SUCCESS;
}
