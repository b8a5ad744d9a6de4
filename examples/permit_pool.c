/* SPDX-License-Identifier: MIT
 *
 * permit_pool.c [ROUNDS]: a pool of connections for more threads than there are. Who finds none
 * waits in line; who gives one back wakes the first in line, and nobody else.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

enum { CONNECTIONS = 2, THREADS = 4 };

static atomic_int idle[CONNECTIONS], used; /* idle: 1, nobody has it */
static struct bell_permit available;
static int rounds;

static int try_acquire(void)
{
	int c = 0;

	while (c < CONNECTIONS && !atomic_exchange(&idle[c], 0))
		c++;
	return c < CONNECTIONS ? c : -1;
}

static void release(int c)
{
	atomic_store(&idle[c], 1);
	bell_permit_notify_one(&available);
}

/* In line before the look: of two releases at once each then finds a waiter of its own, where a
 * permit stored stands for both. Who finds a connection leaves the line, and hands on what it was
 * chosen for meanwhile. */
static int acquire(void)
{
	struct bell_waiter w;
	int c;

	for (;;) {
		bell_permit_prepare(&available, &w);
		bell_permit_enable(&available, &w);
		c = try_acquire();
		if (c >= 0)
			break;
		bell_permit_wait(&available, &w, -1);
	}
	bell_permit_cancel(&available, &w);
	return c;
}

static void *use_connections(void *arg)
{
	int i, c;

	for (i = 0; i < rounds; i++) {
		c = acquire();
		atomic_fetch_add(&used, 1);
		release(c);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int i;

	rounds = argc > 1 ? atoi(argv[1]) : 100;
	for (i = 0; i < CONNECTIONS; i++)
		release(i);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, use_connections, NULL) != 0)
			return EXIT_FAILURE;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%d threads used %d connections %d times\n", THREADS, CONNECTIONS, used);
	return used == THREADS * rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}
