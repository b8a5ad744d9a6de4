/* SPDX-License-Identifier: MIT
 *
 * uring.c [multishot|oneshot|read|sqpoll|defer|tiny]: an io_uring loop.
 *
 * read: without the adapter, by IORING_OP_READ of the bell and the three calls. tiny: a completion queue
 * of two, that overflows all the time. oneshot: as on a kernel that knows no multishot poll.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "old_kernel.h"
#include <doorbell/adapt/uring.h>

#include "reactor.h"

enum { WATCHES = 16, BELLS = 256 };

struct watch {
	int fd; /* -1: free */
	reactor_fn ready;
	void *userdata;
	bool pending; /* a CQE is to come */
};

/* In use until its last CQE, that is longer than attached. */
struct bell {
	struct bell_uring u;
	uint64_t count; /* what was read, without the adapter */
	bool used;
};

struct loop {
	struct io_uring ring;
	struct watch watches[WATCHES], timer;
	struct __kernel_timespec every;
	struct bell bells[BELLS], *bell; /* the attached one */
	bool stop;
};

static bool by_read;

static struct io_uring_sqe *next_sqe(struct loop *l)
{
	struct io_uring_sqe *sqe = bell__uring_sqe(&l->ring);

	if (!sqe)
		abort(); /* submitting always makes room */
	return sqe;
}

static void watch_again(struct loop *l, struct watch *w)
{
	struct io_uring_sqe *sqe = next_sqe(l);

	if (w == &l->timer)
		io_uring_prep_timeout(sqe, &l->every, 0, 0);
	else
		io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	io_uring_sqe_set_data(sqe, w);
	w->pending = true;
}

static void serve_watch(struct loop *l, struct watch *w)
{
	w->pending = false;
	if (w->fd >= 0)
		w->ready(w->userdata);
	if (w->fd >= 0 && !w->pending)
		watch_again(l, w);
}

/* -- the bell, by hand ----------------------------------------------------------------------- */

static void read_bell(struct loop *l, struct bell *b)
{
	struct io_uring_sqe *sqe = next_sqe(l);

	io_uring_prep_read(sqe, bell_queue_fd(b->u.queue), &b->count, sizeof(b->count), 0);
	io_uring_sqe_set_data(sqe, b);
	b->u.pending++;
	io_uring_submit(&l->ring); /* before the loop blocks */
}

static void serve_read(struct loop *l, struct bell *b)
{
	if (--b->u.pending == 0 && !b->u.queue)
		b->used = false;
	if (!b->u.queue)
		return;
	read_bell(l, b);
	bell_queue_dispatch(b->u.queue, b->u.budget, b->u.fn, b->u.userdata);
}

static void stop_reading(struct loop *l, struct bell *b)
{
	struct io_uring_sqe *sqe = next_sqe(l);

	io_uring_prep_cancel(sqe, b, 0);
	io_uring_sqe_set_data(sqe, b);
	b->u.pending++;
	io_uring_submit(&l->ring);
	bell_queue_stop(b->u.queue);
	b->u.queue = bell_queue_unref(b->u.queue);
}

/* -- the loop -------------------------------------------------------------------------------- */

static void serve(struct loop *l, const struct io_uring_cqe *cqe)
{
	void *who = io_uring_cqe_get_data(cqe);
	struct bell *b = who;

	if (!who)
		return;
	if (b < l->bells || b >= l->bells + BELLS)
		serve_watch(l, who);
	else if (by_read)
		serve_read(l, b);
	else if (bell_uring_ready(&b->u, cqe) == -ECANCELED)
		b->used = false;
}

/* CQEs are copied first, so that there is room while they are served. Those that come meanwhile wait
 * for the next turn: a bell that goes on and on would keep it from submitting. */
static void turn(struct loop *l)
{
	struct io_uring_cqe *cqe, copy;
	unsigned n;

	io_uring_submit_and_wait(&l->ring, 1);
	for (n = io_uring_cq_ready(&l->ring); n > 0; n--) {
		if (io_uring_peek_cqe(&l->ring, &cqe) != 0)
			return;
		copy = *cqe;
		io_uring_cqe_seen(&l->ring, cqe);
		serve(l, &copy);
	}
}

static unsigned setup, entries = 64;

static void *loop_open(void)
{
	struct io_uring_params params = {.flags = setup, .sq_thread_idle = 1};
	struct loop *l = calloc(1, sizeof(*l));
	int i;

	if (!l || io_uring_queue_init_params(entries, &l->ring, &params) < 0) {
		free(l);
		return NULL;
	}
	l->timer.fd = -1;
	for (i = 0; i < WATCHES; i++)
		l->watches[i].fd = -1;
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < BELLS; i++)
		while (l->bells[i].used)
			turn(l);
	io_uring_queue_exit(&l->ring);
	free(l);
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	l->stop = false;
	while (!l->stop)
		turn(l);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	l->stop = true;
}

static int loop_watch(void *loop, int fd, reactor_fn ready, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = l->watches;

	while (w->fd >= 0)
		w++;
	*w = (struct watch){.fd = fd, .ready = ready, .userdata = userdata};
	watch_again(l, w);
	return 0;
}

/* Not from within a callback: nothing of the scenario does that. */
static void end_watch(struct loop *l, struct watch *w)
{
	struct io_uring_sqe *sqe = next_sqe(l);

	w->fd = -1;
	if (w == &l->timer)
		io_uring_prep_timeout_remove(sqe, (uintptr_t)w, 0);
	else
		io_uring_prep_cancel(sqe, w, 0);
	io_uring_sqe_set_data(sqe, NULL);
	while (w->pending)
		turn(l);
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++)
		if (l->watches[i].fd == fd)
			end_watch(l, &l->watches[i]);
}

static int loop_timer(void *loop, unsigned ms, reactor_fn tick, void *userdata)
{
	struct loop *l = loop;

	if (l->timer.pending)
		end_watch(l, &l->timer);
	if (ms == 0)
		return 0;
	l->timer = (struct watch){.fd = 0, .ready = tick, .userdata = userdata};
	l->every = (struct __kernel_timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	watch_again(l, &l->timer);
	return 0;
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget, bell_token_fn fn,
	void *userdata)
{
	struct loop *l = loop;
	struct bell *b = l->bells;
	int r = 0;

	(void)bell;
	while (b->used)
		b++;
	*b = (struct bell){.used = true};
	l->bell = b;
	if (!by_read) {
		r = bell_uring_attach(&b->u, &l->ring, q, budget, fn, userdata);
		b->used = r == 0;
		return r;
	}
	b->u = (struct bell_uring){bell_queue_ref(q), &l->ring, budget, fn, userdata, 0, 0};
	read_bell(l, b);
	return 0;
}

static int detach(void *loop, void *bell)
{
	struct loop *l = loop;
	int r = 1;

	(void)bell;
	if (by_read)
		stop_reading(l, l->bell);
	else
		r = bell_uring_detach(&l->bell->u);
	l->bell->used = r != 0;
	return r < 0 ? r : 0;
}

void reactor_of(const char *mode, struct reactor *ret)
{
	by_read = strcmp(mode, "read") == 0;
	old_kernel = strcmp(mode, "oneshot") == 0;
	if (strcmp(mode, "tiny") == 0)
		entries = 1;
	if (strcmp(mode, "sqpoll") == 0)
		setup = IORING_SETUP_SQPOLL;
	if (strcmp(mode, "defer") == 0)
		setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	*ret = (struct reactor){
		.flags = BELL_QUEUE_EDGE,
		.unordered = setup == IORING_SETUP_SQPOLL, /* the kernel's thread asks for the polls */
		.open = loop_open,
		.close = loop_close,
		.run = loop_run,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.attach = attach,
		.detach = detach,
	};
}
