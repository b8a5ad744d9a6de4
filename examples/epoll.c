/* SPDX-License-Identifier: MIT
 *
 * epoll.c: a thread pool behind an event loop. Four threads count primes; each answer lands in its
 * place, whose index is the token that tells the loop. Beside the bell could stand any socket.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <doorbell.h>
#include <doorbell/adapt/epoll.h>

enum { THREADS = 4, JOBS = 10, RANGE = 20000 };

static unsigned primes[JOBS]; /* below RANGE, 2 * RANGE ... */
static atomic_uint next_job;

static unsigned count_primes(unsigned limit)
{
	unsigned count = 0, n, d;

	for (n = 2; n < limit; n++) {
		for (d = 2; d * d <= n && n % d != 0; d++)
			;
		count += d * d > n;
	}
	return count;
}

static void *work(void *arg)
{
	struct bell_queue *q = arg;
	uint32_t i;

	while ((i = atomic_fetch_add(&next_job, 1)) < JOBS) {
		primes[i] = count_primes((i + 1) * RANGE);
		bell_queue_notify(q, i); /* whoever is told of i also sees primes[i] */
	}
	bell_queue_unref(q);
	return NULL;
}

static void on_token(void *userdata, uint32_t i)
{
	int *left = userdata;

	printf("%6u primes below %u\n", primes[i], (i + 1) * RANGE);
	--*left;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct bell_queue *q;
	struct bell_epoll bell;
	struct epoll_event event;
	int ep = epoll_create1(EPOLL_CLOEXEC), left = JOBS, i;

	if (bell_queue_new(&q, JOBS, 0) < 0) /* tokens 0 .. JOBS-1 */
		return 1;
	if (bell_epoll_attach(&bell, ep, q, 64, on_token, &left) < 0)
		return 1;
	for (i = 0; i < THREADS; i++) /* each thread holds a reference */
		if (pthread_create(&threads[i], NULL, work, bell_queue_ref(q)) != 0)
			return 1;
	while (left > 0)
		if (epoll_wait(ep, &event, 1, -1) == 1 && event.data.ptr == &bell)
			bell_epoll_ready(&bell);
	bell_epoll_detach(&bell);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	bell_queue_unref(q);
	return primes[JOBS - 1] == 17984 ? 0 : 1;
}
