/* SPDX-License-Identifier: MIT
 *
 * adapt/uring.h where a ring is too small: a completion queue that overflows, which ends the poll, and
 * a submission queue that is full and cannot be submitted.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rings.h"

struct log {
	struct bell_uring *bell;
	size_t n;
	bool detach;
};

static void record(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	(void)token;
	log->n++;
	if (log->detach && bell_uring_detach(log->bell) != 0)
		log->n = 1000;
}

/* More completions than the queue holds, none reaped. */
static void flood(struct io_uring *ring)
{
	int i;

	for (i = 0; i < 8; i++) {
		ring_fill(ring);
		ck_assert_int_ge(io_uring_submit(ring), 0);
	}
}

/* Reaps until the CQE that ended the poll was found: it is copied, and not yet given to ready. */
static bool reap_ended(struct io_uring *ring, struct bell_uring *u, struct io_uring_cqe *ret_cqe)
{
	struct io_uring_cqe *cqe;
	bool mine, ended = false;

	while (!ended) {
		if (io_uring_wait_cqe(ring, &cqe) != 0)
			return false;
		mine = io_uring_cqe_get_data(cqe) == u;
		ended = mine && !(cqe->flags & IORING_CQE_F_MORE);
		if (ended)
			*ret_cqe = *cqe;
		else if (mine)
			(void)bell_uring_ready(u, cqe);
		io_uring_cqe_seen(ring, cqe);
	}
	return true;
}

START_TEST(a_poll_ended_by_overflow_starts_again_and_loses_nothing)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct io_uring_cqe last;
	struct bell_uring bell;
	struct io_uring ring;
	size_t round;

	ring_init(&ring, _i, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	for (round = 1; round <= 50; round++) {
		flood(&ring);
		ck_assert_int_eq(bell_queue_notify(q, (uint32_t)round % 8), 1);
		io_uring_get_events(&ring);
		ck_assert(reap_ended(&ring, &bell, &last));
		ck_assert_int_gt(last.res, 0); /* an event like any other, but for the flag */
		ck_assert_int_ge(bell_uring_ready(&bell, &last), 0);
		ck_assert_uint_eq(bell.pending, 1);
		ck_assert_uint_eq(log.n, round);
	}
	bell_queue_notify(q, 0);
	while (log.n < 51)
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

/* io_uring_enable_rings(), which liburing 2.3 declares and does not export. */
static void enable(const struct io_uring *ring)
{
	ck_assert_int_eq(syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS,
				 NULL, 0),
		0);
}

START_TEST(attach_to_a_full_ring_that_cannot_submit_is_busy)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, _i, IORING_SETUP_R_DISABLED); /* refuses to submit until it is enabled */
	ring_fill(&ring);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), -EBUSY);
	ck_assert_ptr_null(bell.queue);
	ck_assert_uint_eq(q->refs, 1);
	ck_assert_int_eq(bell_uring_detach(&bell), 0);
	enable(&ring);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	bell_queue_notify(q, 3);
	while (log.n < 1)
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(attach_makes_room_in_a_full_ring_that_can_submit)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, _i, 0);
	ring_fill(&ring);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	bell_queue_notify(q, 3);
	while (log.n < 1)
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
	ring_fill(&ring);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

/* An attached bell with one token, whose poll was ended by overflow, on a full ring that refuses. */
static void end_poll_and_break(
	struct io_uring *ring, struct bell_uring *bell, struct io_uring_cqe *ret_last)
{
	flood(ring);
	ck_assert_int_eq(bell_queue_notify(bell->queue, 1), 1);
	io_uring_get_events(ring);
	ck_assert(reap_ended(ring, bell, ret_last));
	ring_break(ring);
	ring_fill(ring);
}

START_TEST(ready_hands_out_and_is_busy_when_it_cannot_watch_again)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct io_uring_cqe last;
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, _i, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	end_poll_and_break(&ring, &bell, &last);
	ck_assert_int_eq(bell_uring_ready(&bell, &last), -EBUSY);
	ck_assert_uint_eq(log.n, 1);
	ck_assert_int_eq(bell_uring_watch(&bell), -EBUSY);
	bell_queue_notify(q, 2); /* rings a bell that nobody watches */
	ring_mend(&ring);
	ck_assert_int_eq(bell_uring_watch(&bell), 0);
	ck_assert_int_eq(bell_uring_watch(&bell), 0);
	ck_assert_uint_eq(bell.pending, 1);
	while (log.n < 2)
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

/* -EBUSY tells the caller to call bell_uring_watch(), which would use a queue that is gone. */
START_TEST(ready_is_not_busy_for_a_bell_that_fn_has_detached)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct bell_uring bell;
	struct log log = {.bell = &bell, .detach = true};
	struct io_uring_cqe last;
	struct io_uring ring;

	ring_init(&ring, _i, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	end_poll_and_break(&ring, &bell, &last);
	ck_assert_int_ne(bell_uring_ready(&bell, &last), -EBUSY);
	ck_assert_uint_eq(log.n, 1);
	ck_assert_ptr_null(bell.queue);
	ring_mend(&ring);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(detach_from_a_full_ring_that_cannot_submit_is_busy_and_still_attached)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, _i, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	ring_break(&ring);
	ring_fill(&ring);
	ck_assert_int_eq(bell_uring_detach(&bell), -EBUSY);
	ck_assert_ptr_eq(bell.queue, q);
	ring_mend(&ring);
	bell_queue_notify(q, 3);
	while (log.n < 1)
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

/* The last CQEs of poll and cancel come through the overflow list too. */
START_TEST(detach_on_a_flooded_ring_still_ends_with_one_ecanceled)
{
	struct bell_queue *q = queue_of(8, BELL_QUEUE_EDGE);
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, _i, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	flood(&ring);
	bell_queue_notify(q, 1);
	ring_detach(&bell);
	ck_assert_uint_eq(log.n, 0);
	EXPECT(q, 1);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("uring limits");
	TCase *tc = runner_case(s, "uring limits", 60);

	if (!rings_probe())
		return EXIT_SUCCESS;
	/* _i: entries of the ring; the kernel makes powers of two of them */
	tcase_add_loop_test(tc, a_poll_ended_by_overflow_starts_again_and_loses_nothing, 1, 5);
	tcase_add_loop_test(tc, attach_to_a_full_ring_that_cannot_submit_is_busy, 1, 3);
	tcase_add_loop_test(tc, attach_makes_room_in_a_full_ring_that_can_submit, 1, 3);
	tcase_add_loop_test(tc, ready_hands_out_and_is_busy_when_it_cannot_watch_again, 1, 3);
	tcase_add_loop_test(tc, ready_is_not_busy_for_a_bell_that_fn_has_detached, 1, 3);
	tcase_add_loop_test(
		tc, detach_from_a_full_ring_that_cannot_submit_is_busy_and_still_attached, 1, 3);
	tcase_add_loop_test(tc, detach_on_a_flooded_ring_still_ends_with_one_ecanceled, 1, 3);
	return runner_run(s);
}
