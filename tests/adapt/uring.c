/* SPDX-License-Identifier: MIT
 *
 * adapt/uring.h on a real io_uring, in each way to set one up, beside a socket and a timer.
 */
#include <stdlib.h>
#include <unistd.h>

#include "rings.h"
#include "traffic.h"

struct log {
	struct bell_uring *bell;
	uint32_t tokens[64];
	size_t n;
};

static void record(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	log->tokens[log->n++ % 64] = token;
}

static void expect_log(const struct log *log, uint32_t first, size_t n)
{
	size_t i;

	ck_assert_uint_eq(log->n, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(log->tokens[i], first + i);
}

static void fill(struct bell_queue *q, uint32_t n)
{
	uint32_t token;

	for (token = 0; token < n; token++)
		ck_assert_int_eq(bell_queue_notify(q, token), 1);
}

/* Turns until n tokens are in the log. */
static void turn_until(struct io_uring *ring, struct bell_uring *bell, struct log *log, size_t n)
{
	while (log->n < n)
		ck_assert_int_ge(ring_turn(ring, bell), 0);
}

START_TEST(an_attach_that_is_refused_leaves_nothing_attached)
{
	struct bell_queue *level = queue_of(8, 0), *edge = queue_of(8, RING_MODE(_i));
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, level, 1, record, NULL), -EINVAL);
	ck_assert_ptr_null(bell.queue);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, edge, 0, record, NULL), -EINVAL);
	ck_assert_ptr_null(bell.queue);
	ck_assert_int_eq(bell_uring_detach(&bell), 0);
	ck_assert_uint_eq(level->refs + edge->refs, 2);
	io_uring_queue_exit(&ring);
	bell_queue_unref(level);
	bell_queue_unref(edge);
}

START_TEST(tokens_queued_before_attach_are_delivered)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;

	ring_init(&ring, 8, RING_FLAGS(_i));
	fill(q, 3);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 64, record, &log), 0);
	turn_until(&ring, &bell, &log, 3);
	expect_log(&log, 0, 3);
	ck_assert_uint_eq(fd_count(bell_queue_fd(q)), 1); /* never read */
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(a_budget_of_one_delivers_all_without_another_notify)
{
	struct bell_queue *q = queue_of(40, RING_MODE(_i));
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;
	size_t before;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 1, record, &log), 0);
	fill(q, 40);
	while (log.n < 40) {
		before = log.n;
		ck_assert_int_ge(ring_turn(&ring, &bell), 0);
		ck_assert_uint_le(log.n - before, 1);
	}
	expect_log(&log, 0, 40);
	ck_assert_uint_eq(stats_of(q).reads, 0);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(a_bell_rings_round_after_round)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct bell_uring bell;
	struct io_uring ring;
	uint32_t round;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &(struct log){.n = 0}), 0);
	for (round = 0; round < 500; round++) {
		struct log log = {.n = 0};

		bell.userdata = &log;
		bell_queue_notify(q, round % 8);
		turn_until(&ring, &bell, &log, 1);
		expect_log(&log, round % 8, 1);
	}
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(detach_leaves_the_tokens_to_the_next_receiver)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct log first = {.n = 0}, second = {.n = 0};
	struct io_uring ring, other;
	struct bell_uring bell, next;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ring_init(&other, 8, 0);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 3, record, &first), 0);
	fill(q, 8);
	turn_until(&ring, &bell, &first, 3);
	ring_detach(&bell);
	expect_log(&first, 0, 3);
	ck_assert_uint_eq(q->refs, 1);
	ck_assert_int_eq(bell_uring_attach(&next, &other, q, 64, record, &second), 0);
	turn_until(&other, &next, &second, 5);
	expect_log(&second, 3, 5);
	ring_detach(&next);
	io_uring_queue_exit(&ring);
	io_uring_queue_exit(&other);
	bell_queue_unref(q);
}

START_TEST(detach_of_what_is_not_attached_is_no_error_and_attach_works_again)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct bell_uring bell = {.queue = NULL};
	struct io_uring ring;
	int round;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_detach(&bell), 0);
	for (round = 0; round < 5; round++) {
		struct log log = {.n = 0};

		ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
		bell_queue_notify(q, 5);
		turn_until(&ring, &bell, &log, 1);
		ring_detach(&bell);
		ck_assert_int_eq(bell_uring_detach(&bell), 0);
		ck_assert_uint_eq(q->refs, 1);
	}
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

static void detach_at_three(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n == 3 && bell_uring_detach(log->bell) != 1)
		log->n = 1000;
}

START_TEST(fn_may_detach_and_the_rest_stays_queued)
{
	struct bell_queue *q = queue_of(40, RING_MODE(_i));
	struct log log = {.bell = malloc(sizeof(*log.bell))};
	uint32_t tokens[40];
	struct io_uring ring;
	ssize_t r;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(log.bell, &ring, q, 64, detach_at_three, &log), 0);
	fill(q, 40);
	while (log.n < 3)
		ck_assert_int_ge(ring_turn(&ring, log.bell), 0);
	ck_assert_uint_eq(q->refs, 1);
	do
		r = ring_turn(&ring, log.bell);
	while (r == 0);
	ck_assert_int_eq(r, -ECANCELED);
	free(log.bell);
	expect_log(&log, 0, 3);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 40), 37);
	ck_assert_uint_eq(tokens[0], 3);
	ck_assert_uint_eq(tokens[36], 39);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

START_TEST(a_closed_queue_is_drained_and_then_says_so)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct log log = {.n = 0};
	struct bell_uring bell;
	struct io_uring ring;
	ssize_t r;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 2, record, &log), 0);
	fill(q, 5);
	bell_queue_close(q);
	bell_queue_unref(q); /* the attachment keeps it alive */
	do
		r = ring_turn(&ring, &bell);
	while (r >= 0);
	ck_assert_int_eq(r, -ESHUTDOWN);
	expect_log(&log, 0, 5);
	ring_detach(&bell);
	io_uring_queue_exit(&ring);
}

/* The ring is gone, and with it the poll; what is left of the attachment is its reference. */
START_TEST(a_queue_outlives_a_ring_that_exits_while_attached)
{
	struct bell_queue *q = queue_of(8, RING_MODE(_i));
	struct bell_uring bell, next;
	struct log log = {.n = 0};
	struct io_uring ring;

	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, record, &log), 0);
	bell_queue_notify(q, 1);
	io_uring_queue_exit(&ring);
	bell_queue_unref(bell.queue);
	ck_assert_int_eq(bell_queue_notify(q, 2), 1);
	ring_init(&ring, 8, RING_FLAGS(_i));
	ck_assert_int_eq(bell_uring_attach(&next, &ring, q, 8, record, &log), 0);
	turn_until(&ring, &next, &log, 2);
	expect_log(&log, 1, 2);
	ck_assert_int_eq(bell_uring_detach(&next), 1);
	io_uring_queue_exit(&ring); /* the last CQEs are never reaped */
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_unref(q);
}

/* The other traffic of the loop: a receive and a read of the timer, submitted again each time. */
static void receive(struct io_uring *ring, int *fd, void *buffer, unsigned size)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe) {
		io_uring_submit(ring);
		while (!(sqe = io_uring_get_sqe(ring)))
			;
	}
	io_uring_prep_read(sqe, *fd, buffer, size, 0);
	io_uring_sqe_set_data(sqe, fd);
}

struct loop {
	struct io_uring ring;
	struct bell_uring bell;
	struct traffic traffic;
	char bytes[64];
	uint64_t ticks;
};

static void serve(struct loop *l, const struct io_uring_cqe *cqe)
{
	struct traffic *t = &l->traffic;
	void *who = io_uring_cqe_get_data(cqe);
	ssize_t n;

	if (who == &l->bell) {
		n = bell_uring_ready(&l->bell, cqe);
		t->errors += n < 0 || n > 7;
	} else if (who == &t->socket) {
		t->bytes += cqe->res > 0 ? (uint32_t)cqe->res : 0;
		if (t->bytes < TRAFFIC_BYTES)
			receive(&l->ring, &t->socket, l->bytes, sizeof(l->bytes));
	} else {
		t->ticks += cqe->res == sizeof(l->ticks);
		if (t->ticks < TRAFFIC_TICKS)
			receive(&l->ring, &t->timer, &l->ticks, sizeof(l->ticks));
	}
}

START_TEST(a_hundred_thousand_notifies_beside_a_socket_and_a_timer)
{
	struct bell_queue *q = queue_of(TRAFFIC_TOKENS, RING_MODE(_i));
	static struct loop l;
	struct io_uring_cqe *cqe;
	bool failed = false;

	ring_init(&l.ring, 16, RING_FLAGS(_i));
	traffic_start(&l.traffic, q);
	ck_assert_int_eq(bell_uring_attach(&l.bell, &l.ring, q, 7, traffic_token, &l.traffic), 0);
	receive(&l.ring, &l.traffic.socket, l.bytes, sizeof(l.bytes));
	receive(&l.ring, &l.traffic.timer, &l.ticks, sizeof(l.ticks));
	while (!traffic_done(&l.traffic) && !failed) {
		failed = io_uring_submit_and_wait(&l.ring, 1) < 0;
		while (io_uring_peek_cqe(&l.ring, &cqe) == 0) {
			serve(&l, cqe);
			io_uring_cqe_seen(&l.ring, cqe);
		}
	}
	traffic_finish(&l.traffic);
	ring_detach(&l.bell);
	io_uring_queue_exit(&l.ring);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("uring");
	TCase *tc = runner_case(s, "uring", 60);

	if (!rings_probe())
		return EXIT_SUCCESS;
	tcase_add_loop_test(
		tc, an_attach_that_is_refused_leaves_nothing_attached, 0, 2 * rings_n);
	tcase_add_loop_test(tc, tokens_queued_before_attach_are_delivered, 0, 2 * rings_n);
	tcase_add_loop_test(
		tc, a_budget_of_one_delivers_all_without_another_notify, 0, 2 * rings_n);
	tcase_add_loop_test(tc, a_bell_rings_round_after_round, 0, 2 * rings_n);
	tcase_add_loop_test(tc, detach_leaves_the_tokens_to_the_next_receiver, 0, 2 * rings_n);
	tcase_add_loop_test(tc,
		detach_of_what_is_not_attached_is_no_error_and_attach_works_again, 0, 2 * rings_n);
	tcase_add_loop_test(tc, fn_may_detach_and_the_rest_stays_queued, 0, 2 * rings_n);
	tcase_add_loop_test(tc, a_closed_queue_is_drained_and_then_says_so, 0, 2 * rings_n);
	tcase_add_loop_test(tc, a_queue_outlives_a_ring_that_exits_while_attached, 0, 2 * rings_n);
	tcase_add_loop_test(
		tc, a_hundred_thousand_notifies_beside_a_socket_and_a_timer, 0, 2 * rings_n);
	return runner_run(s);
}
