/* SPDX-License-Identifier: MIT
 *
 * ev.c: the best answer within a time limit. Threads search for a number whose hash begins with many zero
 * bits, and report each better one; the libev loop shows them, until its timer says that time is up.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <doorbell.h>
#include <doorbell/adapt/ev.h>

enum { THREADS = 2, BITS = 6 }; /* of a report, the low bits tell how many zeros */

static atomic_uint_fast64_t best[THREADS]; /* written again while its token is queued: so atomic */
static atomic_int time_is_up;
static atomic_uint next_thread;

static void *search(void *queue)
{
	const unsigned self = atomic_fetch_add(&next_thread, 1);
	unsigned zeros, record = 0;
	uint64_t n, hash;

	for (n = self + 1; !atomic_load(&time_is_up); n += THREADS) {
		hash = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		zeros = (unsigned)__builtin_clzll(
			(hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb) | 1);
		if (zeros > record) {
			record = zeros;
			atomic_store(&best[self], n << BITS | zeros);
			bell_queue_notify(queue, self);
		}
	}
	return bell_queue_unref(queue);
}

static void on_token(void *most, uint32_t thread)
{
	const unsigned long long report = atomic_load(&best[thread]);
	const unsigned zeros = report & ((1 << BITS) - 1);

	if (zeros > *(unsigned *)most)
		printf("%2u zeros: %llu\n", *(unsigned *)most = zeros, report >> BITS);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer, (void)events;
	atomic_store(&time_is_up, 1);
	ev_break(loop, EVBREAK_ALL);
}

int main(void)
{
	struct ev_loop *loop = EV_DEFAULT;
	pthread_t threads[THREADS];
	struct bell_queue *q;
	struct bell_ev bell;
	ev_timer timer;
	unsigned i, most = 0;

	if (bell_queue_new(&q, THREADS, 0) < 0 ||
		bell_ev_attach(&bell, loop, q, 64, on_token, &most) < 0)
		return 1;
	for (i = 0; i < THREADS; i++) /* each thread holds a reference */
		if (pthread_create(&threads[i], NULL, search, bell_queue_ref(q)) != 0)
			return 1;
	ev_timer_init(&timer, on_time, 0.1, 0.);
	ev_timer_start(loop, &timer);
	ev_run(loop, 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	bell_ev_detach(&bell);
	ev_loop_destroy(loop);
	bell_queue_unref(q);
	return most > 0 ? 0 : 1;
}
