/* SPDX-License-Identifier: MIT
 *
 * Attaching a queue to a loop when the kernel refuses: the error comes out, nothing is attached, and
 * the same queue can be attached later with what was notified meanwhile. A ring that cannot be entered
 * for now keeps what attach, watch and detach have put into it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>
#ifdef HAVE_URING
#include <doorbell/adapt/uring.h>
#endif

#include "helpers.h"
#include "refuse.h"

/* What fn was given. */
struct log {
	uint32_t tokens[16];
	size_t n;
};

static void note(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	if (log->n < 16)
		log->tokens[log->n++] = token;
}

struct epoll_case {
	struct bell_queue *q;
	struct bell_epoll bell;
	struct log log;
	int epfd, r;
};

static void attach_epoll(void *userdata)
{
	struct epoll_case *c = userdata;

	c->r = bell_epoll_attach(&c->bell, c->epfd, c->q, 8, note, &c->log);
}

static void detach_epoll(void *userdata)
{
	struct epoll_case *c = userdata;

	c->r = bell_epoll_detach(&c->bell);
}

static const int refusals[] = {ENOMEM, ENOSPC, EPERM, EBADF};
#define REFUSALS 4

START_TEST(a_refused_epoll_attach_leaves_nothing_and_works_later)
{
	struct epoll_case c = {.q = queue_of(8, mode_of(_i / REFUSALS))};
	int error = refusals[_i % REFUSALS], fd = bell_queue_fd(c.q);

	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	bell_queue_notify(c.q, 1);
	refuse_during(SYS_epoll_ctl, error, attach_epoll, &c);
	ck_assert_int_eq(c.r, -error);
	ck_assert_ptr_null(c.bell.queue);
	ck_assert_int_eq(bell_epoll_ready(&c.bell), 0);
	ck_assert_int_eq(bell_epoll_detach(&c.bell), 0);
	bell_queue_notify(c.q, 2);
	ck_assert_int_eq(loop_events(c.epfd), 0);

	attach_epoll(&c);
	ck_assert_int_eq(c.r, 0);
	ck_assert_int_eq(loop_events(c.epfd), 1);
	ck_assert_int_eq(bell_epoll_ready(&c.bell), 2);
	ck_assert_uint_eq(c.log.tokens[0], 1);
	ck_assert_uint_eq(c.log.tokens[1], 2);
	ck_assert_int_eq(bell_epoll_detach(&c.bell), 0);
	close(c.epfd);
	bell_queue_unref(c.q);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* the refused attach keeps no reference */
}

START_TEST(a_refused_epoll_detach_says_so_and_lets_the_queue_go)
{
	struct epoll_case c = {.q = queue_of(8, mode_of(_i))};
	int fd = bell_queue_fd(c.q);

	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	attach_epoll(&c);
	ck_assert_int_eq(c.r, 0);
	refuse_during(SYS_epoll_ctl, ENOMEM, detach_epoll, &c);
	ck_assert_int_eq(c.r, -ENOMEM);
	ck_assert_ptr_null(c.bell.queue);
	bell_queue_notify(c.q, 1);
	ck_assert_int_eq(bell_epoll_ready(&c.bell), 0);
	EXPECT(c.q, 1);
	bell_queue_unref(c.q);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	close(c.epfd);
}

#ifdef HAVE_URING
struct uring_case {
	struct bell_queue *q;
	struct io_uring ring;
	struct bell_uring bell;
	struct log log;
	int r;
};

static void init_ring(void *userdata)
{
	struct uring_case *c = userdata;

	c->r = io_uring_queue_init(4, &c->ring, 0);
}

static const int no_ring[] = {EPERM, ENOSYS, ENOMEM, EMFILE};

START_TEST(a_user_refused_a_ring_sees_why_and_takes_epoll_for_the_same_queue)
{
	struct uring_case c = {.q = queue_of(8, BELL_QUEUE_EDGE)};
	struct epoll_case e = {.q = c.q};

	refuse_during(SYS_io_uring_setup, no_ring[_i], init_ring, &c);
	ck_assert_int_eq(c.r, -no_ring[_i]);
	e.epfd = epoll_create1(EPOLL_CLOEXEC);
	attach_epoll(&e);
	ck_assert_int_eq(e.r, 0);
	bell_queue_notify(c.q, 1);
	ck_assert_int_eq(loop_events(e.epfd), 1);
	ck_assert_int_eq(bell_epoll_ready(&e.bell), 1);
	bell_epoll_detach(&e.bell);
	close(e.epfd);
	bell_queue_unref(c.q);
}

static void attach_uring(void *userdata)
{
	struct uring_case *c = userdata;

	c->r = bell_uring_attach(&c->bell, &c->ring, c->q, 8, note, &c->log);
}

static void detach_uring(void *userdata)
{
	struct uring_case *c = userdata;

	c->r = bell_uring_detach(&c->bell);
}

/* The loop's own submit, and what ready says of the next CQE. */
static ssize_t turn(struct uring_case *c)
{
	struct io_uring_cqe *cqe;
	ssize_t r;

	ck_assert_int_ge(io_uring_submit_and_wait(&c->ring, 1), 0);
	ck_assert_int_eq(io_uring_peek_cqe(&c->ring, &cqe), 0);
	ck_assert_ptr_eq(io_uring_cqe_get_data(cqe), &c->bell);
	r = bell_uring_ready(&c->bell, cqe);
	io_uring_cqe_seen(&c->ring, cqe);
	return r;
}

static void finish(struct uring_case *c)
{
	ssize_t r = bell_uring_detach(&c->bell);

	while (r == 0 || r == 1)
		r = turn(c);
	ck_assert_int_eq(r, -ECANCELED);
	io_uring_queue_exit(&c->ring);
	bell_queue_unref(c->q);
}

static const int no_entry[] = {EBUSY, EAGAIN, EINTR, ENOMEM};

START_TEST(an_attach_that_cannot_enter_the_ring_goes_with_the_loops_next_submit)
{
	struct uring_case c = {.q = queue_of(8, BELL_QUEUE_EDGE)};

	init_ring(&c);
	ck_assert_int_eq(c.r, 0);
	refuse_during(SYS_io_uring_enter, no_entry[_i], attach_uring, &c);
	ck_assert_int_eq(c.r, 0);
	ck_assert_ptr_eq(c.bell.queue, c.q);
	ck_assert_uint_eq(io_uring_sq_ready(&c.ring), 1);
	ck_assert_int_eq(bell_queue_notify(c.q, 1), 1); /* before anybody watches */
	ck_assert_int_eq(turn(&c), 1);
	ck_assert_int_eq(bell_queue_notify(c.q, 2), 1);
	ck_assert_int_eq(turn(&c), 1);
	ck_assert_uint_eq(c.log.n, 2);
	ck_assert_uint_eq(c.log.tokens[1], 2);
	finish(&c);
}

static void ready_without_more(void *userdata)
{
	struct uring_case *c = userdata;
	struct io_uring_cqe *cqe;

	while (c->r >= 0 && io_uring_peek_cqe(&c->ring, &cqe) == 0) {
		c->r = (int)bell_uring_ready(&c->bell, cqe);
		io_uring_cqe_seen(&c->ring, cqe);
	}
}

/* The kernel ended the poll, and does not let it start again at once. */
START_TEST(a_watch_that_cannot_enter_the_ring_goes_with_the_loops_next_submit)
{
	const uint64_t one = 1;
	struct uring_case c = {.q = queue_of(8, BELL_QUEUE_EDGE)};
	int i;

	c.r = io_uring_queue_init(1, &c.ring, 0); /* a completion queue of 2 */
	ck_assert_int_eq(c.r, 0);
	attach_uring(&c);
	bell_queue_notify(c.q, 1);
	for (i = 0; i < 4; i++) { /* strays, to overflow it */
		ck_assert_int_ge(io_uring_get_events(&c.ring), 0);
		ck_assert_int_eq(write(bell_queue_fd(c.q), &one, sizeof(one)), sizeof(one));
	}
	(void)io_uring_get_events(&c.ring);
	(void)io_uring_get_events(&c.ring);
	ck_assert(io_uring_cq_has_overflow(&c.ring));
	while (c.bell.pending) { /* until the CQE without F_MORE */
		refuse_during(SYS_io_uring_enter, no_entry[_i], ready_without_more, &c);
		ck_assert_int_ge(c.r, 0);
		if (io_uring_sq_ready(&c.ring) > 0)
			break;
		ck_assert_int_ge(io_uring_get_events(&c.ring), 0);
	}
	ck_assert_uint_eq(io_uring_sq_ready(&c.ring), 1);
	bell_queue_notify(c.q, 2);
	while (c.log.n < 2)
		ck_assert_int_ge(turn(&c), 0);
	ck_assert_uint_eq(c.log.tokens[0], 1);
	ck_assert_uint_eq(c.log.tokens[1], 2);
	finish(&c);
}

START_TEST(a_detach_that_cannot_enter_the_ring_goes_with_the_loops_next_submit)
{
	struct uring_case c = {.q = queue_of(8, BELL_QUEUE_EDGE)};
	ssize_t r;

	init_ring(&c);
	attach_uring(&c);
	refuse_during(SYS_io_uring_enter, no_entry[_i], detach_uring, &c);
	ck_assert_int_eq(c.r, 1);
	ck_assert_ptr_null(c.bell.queue);
	bell_queue_notify(c.q, 1);
	do
		r = turn(&c);
	while (r == 0);
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_uint_eq(c.log.n, 0);
	EXPECT(c.q, 1);
	io_uring_queue_exit(&c.ring);
	bell_queue_unref(c.q);
}

static void add_uring(TCase *tc)
{
	struct uring_case c;

	init_ring(&c);
	if (c.r < 0) {
		printf("# not tested, attaching to io_uring: %s\n", strerror(-c.r));
		return;
	}
	io_uring_queue_exit(&c.ring);
	tcase_add_loop_test(
		tc, a_user_refused_a_ring_sees_why_and_takes_epoll_for_the_same_queue, 0, 4);
	tcase_add_loop_test(
		tc, an_attach_that_cannot_enter_the_ring_goes_with_the_loops_next_submit, 0, 4);
	tcase_add_loop_test(
		tc, a_watch_that_cannot_enter_the_ring_goes_with_the_loops_next_submit, 0, 4);
	tcase_add_loop_test(
		tc, a_detach_that_cannot_enter_the_ring_goes_with_the_loops_next_submit, 0, 4);
}
#else
static void add_uring(TCase *tc)
{
	(void)tc;
	puts("# not tested, attaching to io_uring: built without liburing");
}
#endif

int main(void)
{
	Suite *s = suite_create("fault attach");
	TCase *tc = runner_case(s, "fault attach", 30);

	if (!refuse_probe())
		return 0;
	tcase_add_loop_test(
		tc, a_refused_epoll_attach_leaves_nothing_and_works_later, 0, 2 * REFUSALS);
	add_in_all_modes(tc, a_refused_epoll_detach_says_so_and_lets_the_queue_go);
	add_uring(tc);
	fflush(stdout);
	return runner_run(s);
}
