/* SPDX-License-Identifier: MIT
 *
 * batches.c: threads notify batches of any size and mixture, and single tokens, to a receiver that sleeps
 * whenever it can. What was written before a notify is seen in the end, and as many are delivered as were
 * told "new". Usage: batches [ROUNDS] [SEED]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

enum { TOKENS = 1000, MOST = 2000, BATCHERS = 3, THREADS = 5 };

static struct bell_queue *queue;
static uint64_t rounds = 50000, seed = 1;
static uint32_t wanted[TOKENS], seen[TOKENS];
static uint64_t queued, delivered, twice;

static uint32_t dice(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 33);
}

/* Steps of 1, or of 2, or none that is known: one run, many of them, and tokens that stand there twice. */
static size_t draw(uint64_t *state, uint32_t *tokens)
{
	const size_t n = dice(state) % 8 ? dice(state) % 300 : dice(state) % MOST;
	const uint32_t step = dice(state) % 3;
	uint32_t token = dice(state);
	size_t i;

	for (i = 0; i < n; i++) {
		token = step ? token + step : dice(state);
		tokens[i] = token % TOKENS;
		(void)bell_fetch_add_relaxed(&wanted[tokens[i]], 1); /* the data: F1, S1 order it */
	}
	return n;
}

static void *notify_batches(void *number)
{
	uint64_t state = seed * THREADS + (uintptr_t)number, i;
	uint32_t tokens[MOST];
	size_t n;
	int r;

	for (i = 0; i < rounds; i++) {
		n = draw(&state, tokens);
		r = bell_queue_notify_many(queue, tokens, n);
		if (r < 0)
			abort();
		(void)bell_fetch_add_relaxed(&queued, (uint64_t)r);
	}
	return NULL;
}

static void *notify_one_by_one(void *number)
{
	uint64_t state = seed * THREADS + (uintptr_t)number, i;
	uint32_t token;

	for (i = 0; i < 100 * rounds; i++) {
		token = dice(&state) % TOKENS;
		(void)bell_fetch_add_relaxed(&wanted[token], 1);
		(void)bell_fetch_add_relaxed(&queued, (uint64_t)bell_queue_notify(queue, token));
	}
	return NULL;
}

static void *receive(void *unused)
{
	static uint64_t polls, last[TOKENS];
	uint32_t tokens[TOKENS];
	ssize_t n, i;

	while ((n = bell_queue_wait(queue, tokens, 1 + polls % TOKENS, -1)) > 0) {
		polls++;
		delivered += (uint64_t)n;
		for (i = 0; i < n; i++) {
			twice += last[tokens[i]] == polls;
			last[tokens[i]] = polls;
			seen[tokens[i]] = bell_load_relaxed(&wanted[tokens[i]]);
		}
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS], receiver;
	uint64_t stale = 0;
	uintptr_t i;

	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	if (bell_queue_new(&queue, TOKENS, 0) < 0 || pthread_create(&receiver, NULL, receive, NULL))
		return EXIT_FAILURE;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL,
			    i < BATCHERS ? notify_batches : notify_one_by_one, (void *)i))
			return EXIT_FAILURE;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	bell_queue_close(queue);
	pthread_join(receiver, NULL);
	for (i = 0; i < TOKENS; i++)
		stale += seen[i] != wanted[i];
	printf("%llu tokens queued, %llu delivered\n", (unsigned long long)queued,
		(unsigned long long)delivered);
	printf("%llu twice in a poll; of %llu the last value was not seen\n",
		(unsigned long long)twice, (unsigned long long)stale);
	bell_queue_unref(queue);
	return queued != delivered || twice || stale;
}
