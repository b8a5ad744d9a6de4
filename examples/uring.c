/* SPDX-License-Identifier: MIT
 *
 * uring.c: progress of long work in an io_uring loop. Threads report every step and are never held up;
 * the loop looks when it can and always sees the newest: reports in between conflate.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <doorbell.h>
#include <doorbell/adapt/uring.h>

enum { THREADS = 4, STEPS = 100000 };

static struct task {
	struct bell_queue *q;
	pthread_t thread;
	atomic_uint done; /* written again while its token is queued: so atomic */
	unsigned seen;	  /* the loop's */
} tasks[THREADS];

static void *work(void *arg)
{
	struct task *task = arg;
	unsigned step;

	for (step = 1; step <= STEPS; step++) {
		atomic_store(&task->done, step);
		bell_queue_notify(task->q, (uint32_t)(task - tasks));
	}
	bell_queue_unref(task->q);
	return NULL;
}

static unsigned looks, total;

static void on_token(void *userdata, uint32_t token)
{
	struct task *task = (struct task *)userdata + token; /* the token is its index */
	unsigned done = atomic_load(&task->done);
	looks++;
	total += done - task->seen;
	task->seen = done;
}

int main(void)
{
	struct bell_queue *q;
	struct bell_uring bell;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	uint32_t i, n;

	if (io_uring_queue_init(8, &ring, 0) < 0)
		return 77; /* no io_uring here: a test that is skipped */
	if (bell_queue_new(&q, THREADS, BELL_QUEUE_EDGE) < 0 || /* a multishot poll sees edges */
		bell_uring_attach(&bell, &ring, q, 64, on_token, tasks) < 0)
		return 1;
	for (i = 0; i < THREADS; i++) {
		tasks[i].q = bell_queue_ref(q); /* each thread holds a reference */
		if (pthread_create(&tasks[i].thread, NULL, work, &tasks[i]) != 0)
			return 1;
	}
	while (total < THREADS * STEPS || bell_uring_detach(&bell) != 0) { /* 1: not yet let go */
		io_uring_submit_and_wait(&ring, 1);
		for (n = io_uring_cq_ready(&ring); n > 0; n--) {
			io_uring_peek_cqe(&ring, &cqe);
			if (io_uring_cqe_get_data(cqe) == &bell)
				bell_uring_ready(&bell, cqe);
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(tasks[i].thread, NULL);
	printf("%u steps were reported, and seen in %u looks\n", total, looks);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
	return total != THREADS * STEPS;
}
