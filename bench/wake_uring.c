/* SPDX-License-Identifier: MIT
 *
 * wake_uring.c: a side that sleeps in io_uring, by one multishot poll.
 */
#include <stdlib.h>

#include <doorbell/adapt/uring.h>

#include "wake.h"

struct loop {
	struct io_uring ring;
	struct bell_uring bell;
};

static int loop_open(struct side *s)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	r = io_uring_queue_init_params(8, &loop->ring, &params);
	if (r == -EINVAL) { /* before 6.1 */
		params = (struct io_uring_params){0};
		r = io_uring_queue_init_params(8, &loop->ring, &params);
	}
	if (r < 0) {
		free(loop);
		return r;
	}
	s->ring = loop;
	r = bell_queue_new(&s->queue, 64, BELL_QUEUE_EDGE);
	return r < 0 ? r
		     : bell_uring_attach(&loop->bell, &loop->ring, s->queue, 64, wake_on_token, s);
}

static void loop_ring(struct side *s)
{
	bell_queue_notify(s->queue, 3);
}

static void loop_await(struct side *s)
{
	const uint32_t before = s->seen;
	struct loop *loop = s->ring;
	struct io_uring_cqe *cqe;

	while (s->seen == before) {
		io_uring_submit_and_wait(&loop->ring, 1);
		while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
			bell_uring_ready(&loop->bell, cqe);
			io_uring_cqe_seen(&loop->ring, cqe);
		}
	}
}

static void loop_close(struct side *s)
{
	struct loop *loop = s->ring;

	(void)!bell_uring_detach(&loop->bell);
	io_uring_queue_exit(&loop->ring);
	bell_queue_unref(s->queue);
	free(loop);
}

const struct wake wake_uring = {loop_open, loop_ring, loop_await, loop_close, true};
