/* SPDX-License-Identifier: MIT
 *
 * permit_pool.c: a pool of connections for more threads than there are. Who finds none waits in line; who gives
 * one back wakes the first in line, and nobody else.
 *
 * permit_pool [ROUNDS]: how often each thread uses a connection.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

enum { CONNECTIONS = 2, THREADS = 4 };

struct connection {
	int used; /* by one thread at a time, so it needs no lock */
	struct connection *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection connections[CONNECTIONS], *idle;
static struct bell_permit available;
static int rounds;

static struct connection *try_acquire(void)
{
	struct connection *c;

	pthread_mutex_lock(&lock);
	c = idle;
	if (c)
		idle = c->next;
	pthread_mutex_unlock(&lock);
	return c;
}

static void release(struct connection *c)
{
	pthread_mutex_lock(&lock);
	c->next = idle;
	idle = c;
	pthread_mutex_unlock(&lock);
	bell_permit_notify_one(&available);
}

/* In line before the look: of two releases at once each then finds a waiter of its own, where a permit stored
 * stands for both. Who finds a connection leaves the line, and hands on what it was chosen for meanwhile. */
static struct connection *acquire(void)
{
	struct connection *c;
	struct bell_waiter w;

	for (;;) {
		bell_permit_prepare(&available, &w);
		bell_permit_enable(&available, &w);
		c = try_acquire();
		if (c)
			break;
		bell_permit_wait(&available, &w, -1);
	}
	bell_permit_cancel(&available, &w);
	return c;
}

static void *use_connections(void *arg)
{
	struct connection *c;
	int i;

	for (i = 0; i < rounds; i++) {
		c = acquire();
		c->used++;
		release(c);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int i, used = 0;

	rounds = argc > 1 ? atoi(argv[1]) : 100;
	for (i = 0; i < CONNECTIONS; i++)
		release(&connections[i]);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, use_connections, NULL) != 0)
			return EXIT_FAILURE;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < CONNECTIONS; i++)
		used += connections[i].used;
	printf("%d threads used %d connections %d times\n", THREADS, CONNECTIONS, used);
	return used == THREADS * rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}
