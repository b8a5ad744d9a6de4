/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "rings.h"

unsigned rings_flags[3];
int rings_n;

static int try_init(struct io_uring *ring, unsigned entries, unsigned flags)
{
	struct io_uring_params params = {.flags = flags, .sq_thread_idle = 1};

	return io_uring_queue_init_params(entries, ring, &params);
}

bool rings_probe(void)
{
	static const unsigned wanted[] = {
		0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL};
	struct io_uring ring;
	size_t i;
	int r;

	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		r = try_init(&ring, 4, wanted[i]);
		if (r == 0) {
			io_uring_queue_exit(&ring);
			rings_flags[rings_n++] = wanted[i];
		} else if (wanted[i] == 0) {
			printf("1..0 # SKIP no io_uring here: %s\n", strerror(-r));
			return false;
		} else {
			printf("# not tested, setup flags %#x: %s\n", wanted[i], strerror(-r));
		}
	}
	fflush(stdout);
	return true;
}

void ring_init(struct io_uring *ring, unsigned entries, unsigned flags)
{
	ck_assert_int_eq(try_init(ring, entries, flags), 0);
}

ssize_t ring_turn(struct io_uring *ring, struct bell_uring *u)
{
	struct io_uring_cqe *cqe;
	ssize_t r;
	bool mine;

	do {
		if (io_uring_peek_cqe(ring, &cqe) != 0) {
			ck_assert_int_ge(io_uring_submit(ring), 0);
			ck_assert_int_eq(io_uring_wait_cqe(ring, &cqe), 0);
		}
		mine = io_uring_cqe_get_data(cqe) == u;
		r = mine ? bell_uring_ready(u, cqe) : 0;
		io_uring_cqe_seen(ring, cqe);
	} while (!mine);
	return r;
}

void ring_detach(struct bell_uring *u)
{
	struct io_uring *ring = u->ring;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int r = bell_uring_detach(u), left = 0;

	ck_assert_ptr_null(u->queue);
	if (r == 0)
		return;
	ck_assert_int_eq(r, 1);
	do
		r = (int)ring_turn(ring, u);
	while (r == 0);
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_uint_eq(u->pending, 0);
	sqe = io_uring_get_sqe(ring);
	ck_assert_ptr_nonnull(sqe);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, ring);
	do { /* nothing of u's comes after its last */
		ck_assert_int_ge(io_uring_submit(ring), 0);
		ck_assert_int_eq(io_uring_wait_cqe(ring, &cqe), 0);
		left += io_uring_cqe_get_data(cqe) == u;
		r = io_uring_cqe_get_data(cqe) == ring;
		io_uring_cqe_seen(ring, cqe);
	} while (!r);
	ck_assert_int_eq(left, 0);
}

void ring_break(struct io_uring *ring)
{
	ring->enter_ring_fd = -1;
}

void ring_mend(struct io_uring *ring)
{
	ring->enter_ring_fd = ring->ring_fd;
}

void ring_fill(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;

	while ((sqe = io_uring_get_sqe(ring))) {
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, NULL);
	}
}
