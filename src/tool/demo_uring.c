/* SPDX-License-Identifier: MIT
 *
 * demo_uring.c: the demo's loop over io_uring: the listener, the timer and signals by polls that are asked
 * again each time, connections by receives and sends, the bell by its multishot poll.
 *
 * Each op is in flight at most once, and the ring has room for all of them and their cancels: an SQE is
 * always to be had. Memory that the kernel knows is let go only when every op has come back.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <doorbell/adapt/uring.h>

#include "demo.h"

struct uring_loop;

struct op {
	void (*done)(struct uring_loop *loop, struct op *op, int res);
	struct connection *connection;
	bool busy;
};

struct uring_loop {
	struct server *server;
	struct io_uring ring;
	struct bell_uring bell;
	bool attached;
	unsigned n_busy, n_ops;
	struct op *ops; /* the polls, then a receive and a send for each connection */
};

enum { LISTENER, TIMER, SIGNALS, N_POLLS };

static struct op *receive_op(const struct uring_loop *loop, const struct connection *c)
{
	return &loop->ops[N_POLLS + 2 * c->number];
}

static struct io_uring_sqe *request(struct uring_loop *loop, struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	if (!sqe) {
		demo_fail(loop->server->failure, "the submission queue of io_uring is full.");
		return NULL;
	}
	op->busy = true;
	loop->n_busy++;
	return sqe;
}

static bool transient(int res)
{
	return res == -EINTR || res == -EAGAIN;
}

/* -- connections ------------------------------------------------------------------------------ */

static void receive(struct uring_loop *loop, struct op *op)
{
	struct io_uring_sqe *sqe = request(loop, op);
	size_t size;
	void *room = connection_room(op->connection, &size);

	if (!sqe)
		return;
	io_uring_prep_recv(sqe, op->connection->fd, room, size, 0);
	io_uring_sqe_set_data(sqe, op);
}

static void received(struct uring_loop *loop, struct op *op, int res)
{
	struct connection *c = op->connection;

	if (res > 0)
		connection_received(loop->server, c, (size_t)res);
	else if (!transient(res))
		connection_close(c);
	if (c->fd >= 0)
		receive(loop, op);
}

static int watch(struct server *s, struct connection *c)
{
	receive(s->state, receive_op(s->state, c));
	return 0;
}

static void flush(struct server *s, struct connection *c)
{
	struct uring_loop *loop = s->state;
	struct op *op = receive_op(loop, c) + 1;
	struct io_uring_sqe *sqe;
	const void *output;
	size_t size;

	if (op->busy) /* when it is done it looks again */
		return;
	output = connection_output(c, &size);
	if (size == 0)
		return;
	sqe = request(loop, op);
	if (!sqe)
		return;
	io_uring_prep_send(sqe, c->fd, output, size, MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, op);
}

static void sent(struct uring_loop *loop, struct op *op, int res)
{
	struct connection *c = op->connection;

	if (res >= 0)
		connection_sent(c, (size_t)res);
	else if (!transient(res))
		connection_close(c);
	if (c->fd >= 0)
		flush(loop->server, c);
}

/* -- polls ------------------------------------------------------------------------------------ */

static void poll_again(struct uring_loop *loop, struct op *op)
{
	const struct server *s = loop->server;
	const int fds[N_POLLS] = {s->listener, s->timer, s->signals};
	struct io_uring_sqe *sqe = request(loop, op);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fds[op - loop->ops], POLLIN);
	io_uring_sqe_set_data(sqe, op);
}

static void polled(struct uring_loop *loop, struct op *op, int res)
{
	static void (*const ready[N_POLLS])(struct server *) = {
		server_accept, server_tick, server_signal};

	if (res < 0)
		demo_fail(loop->server->failure, "cannot poll: %s.", strerror(-res));
	else
		ready[op - loop->ops](loop->server);
	poll_again(loop, op);
}

/* -- the loop --------------------------------------------------------------------------------- */

static void bell_ready(struct uring_loop *loop, const struct io_uring_cqe *cqe)
{
	ssize_t r;

	loop->server->wakes += loop->bell.queue != NULL; /* after detach it is no ring */
	r = bell_uring_ready(&loop->bell, cqe);
	if (r == -ECANCELED)
		loop->attached = false;
	else if (r < 0)
		demo_fail(loop->server->failure, "cannot watch the bell: %s.", strerror((int)-r));
}

/* Submit, wait for one CQE, handle those that are there; once the server is over, ops only come back.
 * What comes meanwhile waits for the next turn: a bell whose budget was used up completes at once, and
 * would keep what is asked for here from being submitted. */
static int turn(struct uring_loop *loop)
{
	int r = io_uring_submit_and_wait(&loop->ring, 1);
	struct io_uring_cqe *cqe;
	unsigned n;

	if (r < 0 && r != -EINTR && r != -EBUSY) /* EBUSY: make room for CQEs first */
		return r;
	for (n = io_uring_cq_ready(&loop->ring); n > 0; n--) {
		struct op *op;

		if (io_uring_peek_cqe(&loop->ring, &cqe) != 0)
			break;
		op = io_uring_cqe_get_data(cqe);
		if (io_uring_cqe_get_data(cqe) == &loop->bell) {
			bell_ready(loop, cqe);
		} else if (op) {
			op->busy = false;
			loop->n_busy--;
			if (!server_over(loop->server))
				op->done(loop, op, cqe->res);
		}
		io_uring_cqe_seen(&loop->ring, cqe);
	}
	return 0;
}

static void finish(struct uring_loop *loop)
{
	struct io_uring_sqe *sqe;
	unsigned i;

	for (i = 0; i < loop->n_ops; i++) {
		if (!loop->ops[i].busy)
			continue;
		sqe = io_uring_get_sqe(&loop->ring);
		if (!sqe)
			return;
		io_uring_prep_cancel(sqe, &loop->ops[i], 0);
		io_uring_sqe_set_data(sqe, NULL);
	}
	if (loop->attached)
		loop->attached = bell_uring_detach(&loop->bell) != 0;
	while (loop->n_busy > 0 || loop->attached)
		if (turn(loop) < 0)
			break;
}

static int open_ring(struct io_uring *ring, unsigned entries)
{
	int r = io_uring_queue_init(
		entries, ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	return r == -EINVAL ? io_uring_queue_init(entries, ring, 0) : r; /* before Linux 6.1 */
}

static int start(struct uring_loop *loop)
{
	struct server *s = loop->server;
	unsigned i;
	int r;

	r = bell_uring_attach(&loop->bell, &loop->ring, s->queue, BUDGET, server_token, s);
	if (r < 0)
		return r;
	loop->attached = true;
	for (i = 0; i < loop->n_ops; i++)
		loop->ops[i].done = i < N_POLLS ? polled : (i - N_POLLS) % 2 ? sent : received;
	for (i = N_POLLS; i < loop->n_ops; i++)
		loop->ops[i].connection = &s->connections[(i - N_POLLS) / 2];
	for (i = 0; i < N_POLLS; i++)
		poll_again(loop, &loop->ops[i]);
	return 0;
}

static void explain(struct server *s, int r)
{
	if (r == -EPERM || r == -EACCES)
		demo_fail(s->failure, "io_uring is not permitted here; --loop epoll works.");
	else if (r == -ENOSYS)
		demo_fail(s->failure, "this kernel has no io_uring; --loop epoll works.");
	else
		demo_fail(s->failure, "cannot run the io_uring loop: %s.", strerror(-r));
}

static void run(struct server *s)
{
	struct uring_loop loop = {.server = s, .n_ops = N_POLLS + 2 * s->n_clients};
	int r;

	loop.ops = calloc(loop.n_ops, sizeof(*loop.ops));
	r = loop.ops ? open_ring(&loop.ring, 2 * loop.n_ops + 2) : -ENOMEM;
	if (r < 0) {
		explain(s, r);
		free(loop.ops);
		return;
	}
	s->state = &loop;
	r = start(&loop);
	while (r == 0 && !server_over(s))
		r = turn(&loop);
	if (r < 0)
		explain(s, r);
	finish(&loop);
	s->state = NULL;
	io_uring_queue_exit(&loop.ring);
	free(loop.ops);
}

const struct demo_loop demo_uring = {
	.name = "uring",
	.queue_flags = BELL_QUEUE_EDGE,
	.run = run,
	.watch = watch,
	.flush = flush,
};
