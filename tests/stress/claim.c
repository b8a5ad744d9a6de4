/* SPDX-License-Identifier: MIT
 *
 * claim.c: two threads notify the same token at the same moment, while nobody polls. Exactly one of them
 * queues it, and the other is conflated; round after round. Usage: claim [ROUNDS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

static struct bell_queue *queue;
static BELL_ALIGNED uint64_t begun, returned; /* rounds; notifies */
static BELL_ALIGNED uint64_t queued;
static uint64_t rounds = 200000;

static void await(const uint64_t *counter, uint64_t least)
{
	unsigned turns = 0;

	while (bell_load_acquire(counter) < least)
		if (++turns % 16384 == 0) /* fewer processors than threads */
			sched_yield();
}

static void notify(void)
{
	(void)bell_fetch_add_relaxed(&queued, (uint64_t)bell_queue_notify(queue, 0));
	(void)bell_fetch_add_acq_rel(&returned, 1);
}

static void *follow(void *userdata)
{
	uint64_t round;

	for (round = 1; round <= rounds; round++) {
		await(&begun, round);
		notify();
	}
	return userdata;
}

int main(int argc, char **argv)
{
	uint64_t round, turns, wrong = 0;
	uint32_t token[2];
	pthread_t thread;
	size_t n;

	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (bell_queue_new(&queue, 2, 0) < 0 || pthread_create(&thread, NULL, follow, NULL))
		return EXIT_FAILURE;
	for (round = 1; round <= rounds; round++) {
		bell_store_release(&begun, round);
		for (turns = round % 512; turns > 0; turns--) /* until the other one has seen it */
			bell_fence_compiler();
		notify();
		await(&returned, 2 * round);
		n = bell_queue_poll(queue, token, 2);
		wrong += n != 1 || queued != round;
		bell_store_relaxed(&queued, round);
	}
	pthread_join(thread, NULL);
	bell_queue_unref(queue);
	printf("%llu rounds, %llu in which not exactly one notify queued the token\n",
		(unsigned long long)rounds, (unsigned long long)wrong);
	return wrong != 0;
}
