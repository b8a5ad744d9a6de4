/* SPDX-License-Identifier: MIT
 *
 * hole.c: the race behind a preempted producer, at close quarters. The receiver arms while a producer
 * stands between reserving a slot and publishing it, for a time as short as the race. When arm said
 * "sleep" and the notify has returned, that notify must have claimed the bell: round after round. With
 * a single producer the same race is that of any sleep.
 * Built with the injection points on. Usage: hole [ROUNDS [single]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell.h>

void inject_point(const char *point);

static struct bell_queue *queue;
static BELL_ALIGNED uint64_t begun, returned;
static uint64_t rounds = 100000;

static __thread bool delays;
static __thread uint64_t noise;

/* Short ones as often as long ones: a membarrier takes some microseconds, the race some nanoseconds. */
static void gap(void)
{
	uint64_t turns;

	noise = noise * 6364136223846793005u + (uintptr_t)&noise + 1;
	for (turns = (noise >> 32) % (UINT64_C(1) << (noise >> 60)); turns > 0; turns--)
		bell_fence_compiler();
}

void inject_point(const char *point)
{
	if (delays && strcmp(point, "reserved") == 0)
		gap();
}

static void await(const uint64_t *counter, uint64_t least)
{
	unsigned turns = 0;

	while (bell_load_acquire(counter) < least)
		if (++turns % 16384 == 0) /* fewer processors than threads */
			sched_yield();
}

static void *produce(void *userdata)
{
	uint64_t round;

	delays = true;
	for (round = 2; round <= rounds; round++) {
		await(&begun, round);
		(void)bell_queue_notify(queue, 0);
		bell_store_release(&returned, round);
	}
	return userdata;
}

/* True if the receiver was let to sleep and nobody would wake it. */
static bool round_is_lost(uint64_t round)
{
	uint32_t token;
	bool lost = false;

	bell_store_release(&begun, round);
	await(&queue->tail, round << BELL__SHIFT); /* reserved */
	gap();
	while (bell_queue_poll(queue, &token, 1) == 0) {
		if (bell_queue_arm(queue) == 0)
			continue;
		await(&returned, round);
		lost = (bell_load_acquire(&queue->tail) | bell_load_acquire(&queue->state)) &
		       BELL__ASLEEP;
	}
	await(&returned, round);
	return lost;
}

int main(int argc, char **argv)
{
	struct bell_queue_stats stats;
	unsigned flags = BELL_QUEUE_EDGE;
	uint64_t round, lost = 0;
	pthread_t thread;
	uint32_t token;

	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		flags |= BELL_QUEUE_SINGLE_PRODUCER;
	if (bell_queue_new(&queue, 1, flags) < 0)
		return EXIT_FAILURE;
	(void)bell_queue_notify(queue, 0); /* the ring of birth, so that nothing is armed */
	(void)!bell_queue_poll(queue, &token, 1);
	rounds++;
	begun = returned = 1;
	if (pthread_create(&thread, NULL, produce, NULL))
		return EXIT_FAILURE;
	for (round = 2; round <= rounds; round++)
		lost += round_is_lost(round);
	pthread_join(thread, NULL);
	bell_queue_stats(queue, &stats);
	bell_queue_unref(queue);
	printf("%llu rounds, %llu arms, %llu holes, %llu of them without a ring\n",
		(unsigned long long)rounds - 1, (unsigned long long)stats.arms,
		(unsigned long long)stats.holes, (unsigned long long)lost);
	return lost != 0;
}
