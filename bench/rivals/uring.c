/* SPDX-License-Identifier: MIT
 *
 * uring.c: this library in an io_uring loop: one multishot poll, the fd never read.
 *
 * Conflation and which fired: as doorbell.c.
 */
#include <doorbell/adapt/uring.h>

#include "rival.h"

struct loop {
	struct receiver r;
	struct bell_queue *queue;
	struct bell_uring bell;
	struct io_uring ring;
};

static int loop_open(void **ret_state, const struct receiver *r)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct loop *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	error = io_uring_queue_init_params(8, &s->ring, &params);
	if (error == -EINVAL) { /* before 6.1 */
		params = (struct io_uring_params){0};
		error = io_uring_queue_init_params(8, &s->ring, &params);
	}
	if (error < 0) {
		free(s);
		return error;
	}
	error = bell_queue_new(&s->queue, r->tokens, BELL_QUEUE_EDGE);
	if (error == 0)
		error = bell_uring_attach(
			&s->bell, &s->ring, s->queue, r->tokens, r->deliver, r->userdata);
	if (error < 0) {
		io_uring_queue_exit(&s->ring);
		bell_queue_unref(s->queue);
		free(s);
		return error;
	}
	*ret_state = s;
	return 0;
}

static void loop_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	bell_queue_notify(s->queue, token);
}

static void loop_reap(struct loop *s)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&s->ring, &cqe) == 0) {
		if (io_uring_cqe_get_data(cqe) == &s->bell)
			bell_uring_ready(&s->bell, cqe);
		io_uring_cqe_seen(&s->ring, cqe);
	}
}

static void loop_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit) {
		io_uring_submit_and_wait(&s->ring, 1);
		loop_reap(s);
	}
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

static void loop_turn(void *state)
{
	struct loop *s = state;

	io_uring_submit_and_get_events(&s->ring);
	loop_reap(s);
}

static void loop_close(void *state)
{
	struct loop *s = state;

	(void)!bell_uring_detach(&s->bell);
	io_uring_queue_exit(&s->ring);
	bell_queue_unref(s->queue);
	free(s);
}

const struct rival rival_bell_uring = {.open = loop_open,
	.notify = loop_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
