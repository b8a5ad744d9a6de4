/* SPDX-License-Identifier: MIT
 *
 * What adapt/uring.h relies on in io_uring: a multishot poll of an eventfd that nobody reads, its end
 * when the completion queue overflows or the poll is cancelled, and who may touch the ring.
 */
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

enum { POLL_ID = 42, CANCEL_ID = 43 };

static const unsigned setups[] = {0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
static int setups_n; /* how many of them this kernel knows */

/* A ring and an eventfd; the tests run once in each setup. */
struct pair {
	struct io_uring ring;
	int fd;
};

static void pair_init(struct pair *p, unsigned entries, int setup)
{
	ck_assert_int_eq(io_uring_queue_init(entries, &p->ring, setups[setup]), 0);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(p->fd, 0);
}

static void pair_fini(struct pair *p)
{
	io_uring_queue_exit(&p->ring);
	close(p->fd);
}

static struct io_uring_sqe *next_sqe(struct pair *p)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);

	if (!sqe)
		abort(); /* there is always room for the two at most that these tests submit */
	return sqe;
}

static void arm(struct pair *p)
{
	struct io_uring_sqe *sqe = next_sqe(p);

	io_uring_prep_poll_multishot(sqe, p->fd, POLLIN);
	io_uring_sqe_set_data64(sqe, POLL_ID);
	ck_assert_int_eq(io_uring_submit(&p->ring), 1);
}

static void ring_bell(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

/* Blocks for the next CQE. */
static struct io_uring_cqe next(struct pair *p)
{
	struct io_uring_cqe *cqe, copy;

	ck_assert_int_eq(io_uring_wait_cqe(&p->ring, &cqe), 0);
	copy = *cqe;
	io_uring_cqe_seen(&p->ring, cqe);
	return copy;
}

static void expect_event(struct pair *p)
{
	struct io_uring_cqe cqe = next(p);

	ck_assert_uint_eq(cqe.user_data, POLL_ID);
	ck_assert_int_gt(cqe.res, 0);
	ck_assert(cqe.res & POLLIN);
	ck_assert(cqe.flags & IORING_CQE_F_MORE);
}

/* How many CQEs there are without waiting, all of them ordinary events. */
static unsigned events_now(struct pair *p)
{
	unsigned n = 0;

	ck_assert_int_ge(io_uring_get_events(&p->ring), 0);
	for (; io_uring_cq_ready(&p->ring) > 0; n++)
		expect_event(p);
	return n;
}

START_TEST(each_write_is_a_cqe_though_nobody_reads)
{
	struct pair p;
	int i;

	pair_init(&p, 4, _i);
	arm(&p);
	ck_assert_uint_eq(events_now(&p), 0);
	for (i = 0; i < 1000; i++) {
		ring_bell(p.fd);
		expect_event(&p);
		ck_assert_uint_eq(events_now(&p), 0);
	}
	ck_assert_uint_eq(fd_count(p.fd), 1000);
	pair_fini(&p);
}

START_TEST(writes_back_to_back_are_one_cqe_or_more_and_never_none)
{
	struct pair p;
	unsigned n;
	int round, i;

	pair_init(&p, 16, _i);
	arm(&p);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 5; i++)
			ring_bell(p.fd);
		expect_event(&p);
		n = 1 + events_now(&p);
		ck_assert_uint_le(n, 5);
	}
	pair_fini(&p);
}

static void *write_after_a_moment(void *fd)
{
	const uint64_t one = 1;

	sleep_ms(1);
	return (void *)(intptr_t)(write(*(int *)fd, &one, sizeof(one)) != sizeof(one));
}

START_TEST(a_write_ends_a_blocked_wait)
{
	struct pair p;
	int round;

	pair_init(&p, 4, _i);
	arm(&p);
	for (round = 0; round < 50; round++) {
		pthread_t writer = spawn(write_after_a_moment, &p.fd);

		expect_event(&p);
		join(writer);
	}
	pair_fini(&p);
}

START_TEST(a_write_by_a_forked_child_is_a_cqe)
{
	struct pair p;
	int status;
	pid_t child;

	pair_init(&p, 4, _i);
	arm(&p);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		const uint64_t one = 1;

		_exit(write(p.fd, &one, sizeof(one)) != sizeof(one));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	expect_event(&p);
	pair_fini(&p);
}

START_TEST(a_poll_of_a_counter_above_zero_fires_at_once)
{
	struct pair p;

	pair_init(&p, 4, _i);
	ring_bell(p.fd);
	arm(&p);
	expect_event(&p);
	ck_assert_uint_eq(events_now(&p), 0);
	ring_bell(p.fd);
	expect_event(&p);
	pair_fini(&p);
}

START_TEST(a_refused_write_is_no_cqe_and_read_then_write_is_one)
{
	const uint64_t most = UINT64_MAX - 1, one = 1;
	struct pair p;
	uint64_t all;

	pair_init(&p, 4, _i);
	ck_assert_int_eq(write(p.fd, &most, sizeof(most)), sizeof(most));
	arm(&p);
	expect_event(&p);
	ck_assert_int_eq(write(p.fd, &one, sizeof(one)), -1);
	ck_assert_uint_eq(events_now(&p), 0);
	ck_assert_int_eq(read(p.fd, &all, sizeof(all)), sizeof(all));
	ck_assert_uint_eq(events_now(&p), 0);
	ring_bell(p.fd);
	expect_event(&p);
	pair_fini(&p);
}

/* Writes until the poll has ended for want of room; returns the CQEs that came. */
static unsigned overflow(struct pair *p)
{
	struct io_uring_cqe cqe = {.flags = IORING_CQE_F_MORE};
	unsigned n = 0;
	int i;

	for (i = 0; i < 8; i++) {
		ring_bell(p->fd);
		(void)io_uring_get_events(&p->ring);
	}
	ck_assert(io_uring_cq_has_overflow(&p->ring));
	for (; cqe.flags & IORING_CQE_F_MORE; n++) {
		cqe = next(p);
		ck_assert_uint_eq(cqe.user_data, POLL_ID);
		ck_assert_int_gt(cqe.res, 0); /* the last one, too, looks like any other */
	}
	return n;
}

START_TEST(an_overflow_ends_the_poll_with_an_ordinary_cqe_without_more)
{
	struct pair p;

	pair_init(&p, 1, _i); /* a completion queue of 2 */
	arm(&p);
	ck_assert_uint_ge(overflow(&p), 2);
	ring_bell(p.fd);
	(void)io_uring_get_events(&p.ring);
	ck_assert_uint_eq(io_uring_cq_ready(&p.ring), 0); /* dead */
	pair_fini(&p);
}

/* Why: the counter is above zero, for nobody reads it. */
START_TEST(arming_again_after_an_overflow_fires_at_once_and_goes_on)
{
	struct pair p;
	int round;

	pair_init(&p, 1, _i);
	arm(&p);
	for (round = 0; round < 50; round++) {
		overflow(&p);
		ring_bell(p.fd); /* while nobody watches */
		arm(&p);
		expect_event(&p);
		ring_bell(p.fd);
		expect_event(&p);
	}
	pair_fini(&p);
}

static void cancel(struct pair *p)
{
	struct io_uring_sqe *sqe = next_sqe(p);

	io_uring_prep_cancel64(sqe, POLL_ID, 0);
	io_uring_sqe_set_data64(sqe, CANCEL_ID);
	ck_assert_int_eq(io_uring_submit(&p->ring), 1);
}

/* The CQEs of the poll and of its cancel, in whatever order. */
static void expect_cancelled(struct pair *p)
{
	struct io_uring_cqe a = next(p), b = next(p);
	struct io_uring_cqe poll = a.user_data == POLL_ID ? a : b;
	struct io_uring_cqe cancelled = a.user_data == POLL_ID ? b : a;

	ck_assert_uint_eq(poll.user_data, POLL_ID);
	ck_assert_int_eq(poll.res, -ECANCELED);
	ck_assert_uint_eq(poll.flags & IORING_CQE_F_MORE, 0);
	ck_assert_uint_eq(cancelled.user_data, CANCEL_ID);
	ck_assert_int_eq(cancelled.res, 0);
	ck_assert_uint_eq(cancelled.flags & IORING_CQE_F_MORE, 0);
}

START_TEST(a_cancel_by_user_data_ends_the_poll_and_both_answer)
{
	struct pair p;

	pair_init(&p, 4, _i);
	arm(&p);
	cancel(&p);
	expect_cancelled(&p);
	ring_bell(p.fd);
	ck_assert_uint_eq(events_now(&p), 0);
	cancel(&p);
	ck_assert_int_eq(next(&p).res, -ENOENT); /* nothing to cancel: still one answer */
	pair_fini(&p);
}

/* Detach drops its reference before the cancel is answered: the poll holds the file, not the number. */
START_TEST(a_poll_can_be_cancelled_after_its_fd_was_closed)
{
	struct pair p;

	pair_init(&p, 4, _i);
	arm(&p);
	close(p.fd);
	p.fd = eventfd(1, EFD_CLOEXEC); /* the number goes to another file, readable */
	ck_assert_uint_eq(events_now(&p), 0);
	cancel(&p);
	expect_cancelled(&p);
	pair_fini(&p);
}

START_TEST(with_defer_taskrun_nothing_is_ready_until_the_owner_enters)
{
	struct pair p;
	int i;

	if (setups_n < 2)
		return;
	pair_init(&p, 4, 1);
	arm(&p);
	ring_bell(p.fd);
	for (i = 0; i < 20; i++) {
		sleep_ms(1);
		ck_assert_uint_eq(io_uring_cq_ready(&p.ring), 0);
	}
	ck_assert(fd_readable(p.ring.ring_fd)); /* who watches the ring from outside is told */
	ck_assert_int_ge(io_uring_get_events(&p.ring), 0);
	ck_assert_uint_eq(io_uring_cq_ready(&p.ring), 1);
	pair_fini(&p);
}

static void *submit_nop(void *userdata)
{
	struct pair *p = userdata;

	io_uring_prep_nop(next_sqe(p));
	return (void *)(intptr_t)io_uring_submit(&p->ring);
}

/* So a waker may never touch the ring: it writes to an eventfd instead. */
START_TEST(with_single_issuer_a_second_threads_submit_is_eexist)
{
	struct pair p;
	void *r;

	if (setups_n < 2)
		return;
	pair_init(&p, 4, 1);
	arm(&p);
	ck_assert_int_eq(pthread_join(spawn(submit_nop, &p), &r), 0);
	ck_assert_int_eq((int)(intptr_t)r, -EEXIST);
	pair_fini(&p);
}

/* What bell_uring_watch() counts on when a submit is refused. */
START_TEST(an_sqe_that_a_submit_left_goes_with_the_next)
{
	struct pair p;

	pair_init(&p, 4, _i);
	io_uring_prep_poll_multishot(next_sqe(&p), p.fd, POLLIN);
	p.ring.enter_ring_fd = -1;
	ck_assert_int_eq(io_uring_submit(&p.ring), -EBADF);
	p.ring.enter_ring_fd = p.ring.ring_fd;
	ring_bell(p.fd);
	ck_assert_int_eq(io_uring_submit_and_wait(&p.ring, 1), 1);
	ck_assert_uint_eq(io_uring_cq_ready(&p.ring), 1);
	pair_fini(&p);
}

static int try_setup(int setup)
{
	struct io_uring ring;
	int r = io_uring_queue_init(4, &ring, setups[setup]);

	if (r == 0)
		io_uring_queue_exit(&ring);
	return r;
}

int main(void)
{
	Suite *s = suite_create("kernel uring");
	TCase *tc = runner_case(s, "kernel uring", 30);
	int r = try_setup(0);

	if (r < 0) {
		printf("1..0 # SKIP no io_uring here: %s\n", strerror(-r));
		return 0;
	}
	r = try_setup(1);
	setups_n = r == 0 ? 2 : 1;
	if (r < 0)
		printf("# not tested, SINGLE_ISSUER and DEFER_TASKRUN: %s\n", strerror(-r));
	fflush(stdout);
	tcase_add_loop_test(tc, each_write_is_a_cqe_though_nobody_reads, 0, setups_n);
	tcase_add_loop_test(
		tc, writes_back_to_back_are_one_cqe_or_more_and_never_none, 0, setups_n);
	tcase_add_loop_test(tc, a_write_ends_a_blocked_wait, 0, setups_n);
	tcase_add_loop_test(tc, a_write_by_a_forked_child_is_a_cqe, 0, setups_n);
	tcase_add_loop_test(tc, a_poll_of_a_counter_above_zero_fires_at_once, 0, setups_n);
	tcase_add_loop_test(tc, a_refused_write_is_no_cqe_and_read_then_write_is_one, 0, setups_n);
	tcase_add_loop_test(
		tc, an_overflow_ends_the_poll_with_an_ordinary_cqe_without_more, 0, setups_n);
	tcase_add_loop_test(
		tc, arming_again_after_an_overflow_fires_at_once_and_goes_on, 0, setups_n);
	tcase_add_loop_test(tc, a_cancel_by_user_data_ends_the_poll_and_both_answer, 0, setups_n);
	tcase_add_loop_test(tc, a_poll_can_be_cancelled_after_its_fd_was_closed, 0, setups_n);
	tcase_add_test(tc, with_defer_taskrun_nothing_is_ready_until_the_owner_enters);
	tcase_add_test(tc, with_single_issuer_a_second_threads_submit_is_eexist);
	tcase_add_loop_test(tc, an_sqe_that_a_submit_left_goes_with_the_next, 0, setups_n);
	return runner_run(s);
}
