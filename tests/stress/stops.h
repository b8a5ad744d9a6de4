/* SPDX-License-Identifier: MIT
 *
 * stops.h: threads that stop at an injection point of the library until they are told to go on.
 */
#ifndef STRESS_STOPS_H
#define STRESS_STOPS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include <doorbell.h>

#define TOKENS 8

/* A thread that carries one of these stops at the point, once. */
struct stop {
	const char *point;
	unsigned skip; /* how often it passes first */
	sem_t reached, go;
	struct stop *next; /* where it stops after this one, or NULL */
	bool raise; /* instead of stopping, be interrupted by a signal */
};

extern __thread struct stop *my_stop;
extern __thread bool am_receiver; /* whose arms are counted */

extern struct bell_queue *queue;
extern uint32_t arm_calls;

void stop_init(struct stop *stop, const char *point);

/* Wait until another thread has counted so far. */
void await(const uint32_t *counter, uint32_t least);

/* A producer of one token that stops at a point. */
struct producer {
	struct stop stop;
	uint32_t token;
	int result;
	pthread_t thread;
};

/* Returns when the producer has reached the point. */
void producer_start(struct producer *p, const char *point, uint32_t token);
void producer_finish(struct producer *p);

#endif
