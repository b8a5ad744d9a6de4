/* SPDX-License-Identifier: MIT
 *
 * The backpressure loop: a producer that finds a ring of two slots full waits until the consumer
 * has made room and says so to all. Many trials, a new ring each; one notify that is lost leaves
 * the producer asleep, for a consumer that finds nothing tells nobody.
 *
 *	backpressure [TRIALS]	prepare, try, wait: no trial may hang
 *	backpressure late	the control, try, prepare, wait: has to hang, and that has to be noticed
 *
 * A trial hangs if the producer is queued, the ring is empty and the consumer is done with it: a
 * state that nothing ends. It is told by looking, not by a clock.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell/permit.h>

#define SLOTS 2
#define ITEMS 40

static struct trial {
	struct bell_permit room;
	uint32_t slots[SLOTS], head, tail; /* tail is the producer's, head the consumer's */
	uint32_t wrong;
	bool late, hung;
} trial;

static bool try_push(uint32_t item)
{
	uint32_t tail = bell_load_relaxed(&trial.tail); /* ours */

	if (tail - bell_load_acquire(&trial.head) == SLOTS)
		return false;
	trial.slots[tail % SLOTS] = item;
	bell_store_release(&trial.tail, tail + 1);
	return true;
}

static void *produce(void *arg)
{
	struct bell_waiter w;
	uint32_t item;

	for (item = 0; item < ITEMS; item++) {
		for (;;) {
			if (!trial.late)
				bell_permit_prepare(&trial.room, &w);
			if (try_push(item))
				break;
			if (trial.late)
				bell_permit_prepare(&trial.room, &w);
			(void)bell_permit_wait(&trial.room, &w, -1);
		}
	}
	return arg;
}

static uint32_t drain(void)
{
	uint32_t head = trial.head, n = 0;

	for (; head != bell_load_acquire(&trial.tail); head++, n++)
		if (trial.slots[head % SLOTS] != head)
			trial.wrong++;
	bell_store_release(&trial.head, head);
	return n;
}

/* Looked at with nothing left to drain, twice, the tail between: if the producer is queued all the
 * while, it was queued with the ring empty. In the control that is for ever; else it is about to be
 * notified. */
static bool is_stuck(void)
{
	const bool queued = bell_load_acquire(&trial.room.state) & 1;

	return queued && bell_load_acquire(&trial.tail) == trial.head;
}

/* Drains, and tells the producer if that made room: only then, as everybody does it. */
static void consume(void)
{
	while (trial.head < ITEMS && !trial.hung) {
		if (drain() > 0)
			(void)bell_permit_notify_all(&trial.room);
		else if (is_stuck())
			trial.hung = true; /* we would never notify it again */
		else
			sched_yield();
	}
}

static bool run(bool late)
{
	pthread_t producer;

	memset(&trial, 0, sizeof(trial));
	trial.late = late;
	if (pthread_create(&producer, NULL, produce, NULL) != 0)
		exit(EXIT_FAILURE);
	consume();
	while (trial.hung && bell_load_acquire(&trial.tail) < ITEMS) { /* let it end */
		(void)drain();
		(void)bell_permit_notify_one(&trial.room);
		sched_yield();
	}
	pthread_join(producer, NULL);
	return trial.hung;
}

int main(int argc, char **argv)
{
	bool late = argc > 1 && strcmp(argv[1], "late") == 0;
	int trials = argc > 1 && !late ? atoi(argv[1]) : 10000, i, hung = 0;
	uint32_t wrong = 0;

	for (i = 0; i < (late ? 1000000 : trials) && !(late && hung); i++) {
		hung += run(late);
		wrong += trial.wrong;
	}
	printf("%d trials, %d hung, %u items wrong\n", i, hung, wrong);
	return wrong || (hung > 0) != late;
}
