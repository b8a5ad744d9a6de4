/* SPDX-License-Identifier: MIT
 *
 * adapt/uring.h: watch a queue from an io_uring loop of your own, by one multishot poll: each ring of
 * the bell is one CQE, and the fd is never read.
 *
 *	struct bell_uring bell;
 *	struct io_uring_cqe *cqe;
 *	unsigned n;
 *
 *	if (bell_uring_attach(&bell, &ring, q, 64, on_token, NULL) < 0)	// q: BELL_QUEUE_EDGE
 *		return 1;
 *	while (io_uring_submit_and_wait(&ring, 1) >= 0) {
 *		for (n = io_uring_cq_ready(&ring); n > 0; n--) {
 *			io_uring_peek_cqe(&ring, &cqe);
 *			if (io_uring_cqe_get_data(cqe) == &bell)
 *				bell_uring_ready(&bell, cqe);
 *			io_uring_cqe_seen(&ring, cqe);
 *		}
 *	}
 *
 * Reap what is there, and submit before reaping what came meanwhile: a budget that was used up brings
 * the next CQE at once, so "until none is left" may never end.
 * Needs liburing 2.3 or later. Before Linux 5.13 kernels refuse a multishot poll; that is noticed, and
 * each ring of the bell then costs one poll and one read(2). Works with every setup flag, SINGLE_ISSUER
 * and DEFER_TASKRUN included, for only the ring's own thread touches the ring. struct bell_uring is the
 * caller's memory; it stays where it is, and in use, until bell_uring_ready() was given the last
 * CQE (bell_uring_detach). It holds a reference to the queue. All calls are the receiver's.
 * Detach before io_uring_queue_exit(3). After it, no call may be made with u: all that is left to do
 * is to drop u->queue with bell_queue_unref().
 */
#ifndef DOORBELL_ADAPT_URING_H
#define DOORBELL_ADAPT_URING_H

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <doorbell/queue.h>

/** One queue in one ring. */
struct bell_uring {
	struct bell_queue *queue; /* NULL: not attached */
	struct io_uring *ring;
	size_t budget;
	bell_token_fn fn;
	void *userdata;
	unsigned pending; /* requests of ours that still owe their last CQE: the poll, its cancel */
	int oneshot;	  /* the kernel refused a multishot poll */
};

BELL_NODISCARD static inline int bell_uring_watch(struct bell_uring *u);
static inline struct io_uring_sqe *bell__uring_sqe(struct io_uring *ring);

/**
 * bell_uring_attach(): watch the queue in this ring, with u as the user data of its CQEs. Submits.
 * budget: the most tokens handed to fn before the loop gets its turn again, > 0.
 * Returns 0; -EINVAL (budget 0, or the queue was not made with BELL_QUEUE_EDGE); -EBUSY: the
 * submission queue is full. u is then not attached.
 */
BELL_NODISCARD static inline int bell_uring_attach(struct bell_uring *u, struct io_uring *ring,
	struct bell_queue *queue, size_t budget, bell_token_fn fn, void *userdata)
{
	int r;

	u->queue = NULL;
	u->pending = 0;
	u->oneshot = 0;
	if (budget == 0 || !(bell_queue_flags(queue) & BELL_QUEUE_EDGE))
		return -EINVAL;
	u->queue = bell_queue_ref(queue);
	u->ring = ring;
	u->budget = budget;
	u->fn = fn;
	u->userdata = userdata;
	r = bell_uring_watch(u);
	if (r < 0)
		u->queue = bell_queue_unref(queue);
	return r;
}

/**
 * bell_uring_ready(): a CQE came whose user data is u: watch again if the poll has ended (a completion
 * queue that overflowed does that, or a cancel of everything in the ring), then hand out tokens.
 * fn may detach u, but not free it. Returns how many tokens were handed out, 0 or more; -ESHUTDOWN: the
 * queue is closed and drained, detach now; -ECANCELED: that was the last CQE after detach, u may be
 * freed; -EBUSY: tokens were handed out but the submission queue is full: bell_uring_watch() later;
 * or the error of a poll that failed.
 */
static inline ssize_t bell_uring_ready(struct bell_uring *u, const struct io_uring_cqe *cqe)
{
	uint64_t rings;
	ssize_t done;
	int r = 0, state;

	if (!(cqe->flags & IORING_CQE_F_MORE)) /* whatever res says: it can be an ordinary event */
		u->pending--;
	if (!u->queue)
		return u->pending ? 0 : -ECANCELED;
	if (cqe->res == -EINVAL && !u->oneshot) {
		u->oneshot = 1;
		return bell_uring_watch(u); /* finds the bell rung if tokens are there */
	}
	if (cqe->res < 0 && cqe->res != -ECANCELED)
		return cqe->res;
	if (u->oneshot) { /* or the next poll would fire at once */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* read(2) is a point of it */
		(void)!read(bell_queue_fd(u->queue), &rings, sizeof(rings));
		pthread_setcancelstate(state, NULL);
	}
	r = bell_uring_watch(u);
	done = bell_queue_dispatch(u->queue, u->budget, u->fn, u->userdata);
	return r < 0 && u->queue ? r : done; /* fn may have detached */
}

/**
 * bell_uring_detach(): end the poll and drop the reference; tokens that are queued stay queued, and fn
 * is not called again. Submits. Returns 0: u is free; 1: go on until bell_uring_ready() says
 * -ECANCELED, only then is u free; -EBUSY: the submission queue is full, u is still attached: reap
 * CQEs and try again.
 */
BELL_NODISCARD static inline int bell_uring_detach(struct bell_uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->queue && u->pending) {
		sqe = bell__uring_sqe(u->ring);
		if (!sqe)
			return -EBUSY;
		io_uring_prep_cancel(sqe, u, 0);
		io_uring_sqe_set_data(sqe, u);
		u->pending++;
		io_uring_submit(u->ring);
	}
	if (u->queue) {
		bell_queue_stop(u->queue);
		u->queue = bell_queue_unref(u->queue);
	}
	return u->pending > 0;
}

/**
 * bell_uring_watch(): start the multishot poll, unless it is running. Done by attach, and by ready
 * when the kernel ended it; call it yourself only after ready said -EBUSY.
 * Returns 0; -EBUSY: no room in the submission queue even after submitting: reap CQEs and try again.
 * Nothing is lost meanwhile: tokens queue up and the first look of the new poll finds the bell rung.
 */
BELL_NODISCARD static inline int bell_uring_watch(struct bell_uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->pending)
		return 0;
	sqe = bell__uring_sqe(u->ring);
	if (!sqe)
		return -EBUSY;
	if (u->oneshot)
		io_uring_prep_poll_add(sqe, bell_queue_fd(u->queue), POLLIN);
	else
		io_uring_prep_poll_multishot(sqe, bell_queue_fd(u->queue), POLLIN);
	io_uring_sqe_set_data(sqe, u);
	u->pending = 1;
	/* Before the loop blocks. Should the kernel refuse for now, the SQE stays in the queue and goes
	 * with the loop's own next submit, which reports what is wrong with the ring. */
	io_uring_submit(u->ring);
	return 0;
}

/* An SQE, by submitting what fills the queue if that makes room. */
static inline struct io_uring_sqe *bell__uring_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (sqe)
		return sqe;
	io_uring_submit(ring);
	io_uring_sqring_wait(ring); /* only with SQPOLL, for the kernel's thread to take some */
	return io_uring_get_sqe(ring);
}

#endif
