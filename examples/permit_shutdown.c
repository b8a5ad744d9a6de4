/* SPDX-License-Identifier: MIT
 *
 * permit_shutdown.c: graceful shutdown. Workers handle jobs until they are told to stop; then each
 * finishes the one that it has, and goes. One broadcast reaches all: those that sleep, and those
 * that are just about to.
 *
 * permit_shutdown [ROUNDS]: so many servers, one after the other.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

enum { WORKERS = 3, JOBS = 20 };

struct server {
	struct bell_permit changed; /* zero-filled is ready for use */
	atomic_int jobs, done;
	atomic_bool stopping;
};

static bool take_job(struct server *s)
{
	int jobs = atomic_load(&s->jobs);

	while (jobs > 0)
		if (atomic_compare_exchange_weak(&s->jobs, &jobs, jobs - 1))
			return true;
	return false;
}

static void *work(void *arg)
{
	struct server *s = arg;
	struct bell_waiter w;

	for (;;) {
		bell_permit_prepare(
			&s->changed, &w); /* before the looks, or a change between is lost */
		if (take_job(s))
			atomic_fetch_add(&s->done, 1);
		else if (atomic_load(&s->stopping))
			return NULL; /* nothing is left to be done */
		else
			bell_permit_wait(&s->changed, &w, -1);
	}
}

static bool serve(void)
{
	struct server s = {0};
	pthread_t workers[WORKERS];
	int i;

	for (i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i], NULL, work, &s) != 0)
			exit(EXIT_FAILURE);
	for (i = 0; i < JOBS; i++) {
		atomic_fetch_add(&s.jobs, 1);
		bell_permit_notify_all(&s.changed);
	}
	atomic_store(&s.stopping, true);
	bell_permit_notify_all(&s.changed);
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	return s.done == JOBS;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, good = 0, i;

	for (i = 0; i < rounds; i++)
		good += serve();
	printf("%d of %d servers did all their jobs and stopped\n", good, rounds);
	return good == rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}
