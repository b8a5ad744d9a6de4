/* SPDX-License-Identifier: MIT
 *
 * adapt/epoll.h in a real epoll loop, in all modes, beside a socket and a timer.
 */
#include <stdlib.h>
#include <unistd.h>

#include <doorbell/adapt/epoll.h>

#include "helpers.h"
#include "traffic.h"

struct log {
	struct bell_epoll *bell;
	uint32_t tokens[64];
	size_t n;
};

static void record(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	log->tokens[log->n++ % 64] = token;
}

static int new_set(void)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(epfd, 0);
	return epfd;
}

/* One turn that does not block: what ready said, or -EAGAIN when nothing was ready. */
static ssize_t turn(int epfd)
{
	struct epoll_event ev;

	return epoll_wait(epfd, &ev, 1, 0) == 1 ? bell_epoll_ready(ev.data.ptr) : -EAGAIN;
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

START_TEST(an_attach_that_fails_leaves_nothing_attached)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct bell_epoll bell, other;
	int epfd = new_set(), ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 0, record, NULL), -EINVAL);
	ck_assert_ptr_null(bell.queue);
	ck_assert_int_eq(bell_epoll_attach(&bell, -1, q, 1, record, NULL), -EBADF);
	ck_assert_ptr_null(bell.queue);
	ck_assert_int_eq(bell_epoll_attach(&bell, ends[0], q, 1, record, NULL), -EINVAL);
	ck_assert_ptr_null(bell.queue);
	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 1, record, NULL), 0);
	ck_assert_int_eq(bell_epoll_attach(&other, epfd, q, 1, record, NULL), -EEXIST);
	ck_assert_ptr_null(other.queue);
	ck_assert_int_eq(bell_epoll_detach(&other), 0);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	ck_assert_uint_eq(q->refs, 1);
	close(ends[0]);
	close(ends[1]);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(tokens_queued_before_attach_are_delivered)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.n = 0};
	struct bell_epoll bell;
	int epfd = new_set();

	fill(q, 3);
	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 64, record, &log), 0);
	ck_assert_int_eq(turn(epfd), 3);
	expect_log(&log, 0, 3);
	ck_assert_int_eq(turn(epfd), -EAGAIN);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(a_budget_of_one_delivers_all_without_another_notify)
{
	struct bell_queue *q = queue_of(40, mode_of(_i));
	struct log log = {.n = 0};
	struct bell_epoll bell;
	int epfd = new_set(), i;

	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 1, record, &log), 0);
	fill(q, 40);
	for (i = 0; i < 40; i++)
		ck_assert_int_eq(turn(epfd), 1);
	expect_log(&log, 0, 40);
	for (i = 0; i < 2 && turn(epfd) == 0; i++) /* one for nothing is fine */
		;
	ck_assert_int_eq(turn(epfd), -EAGAIN);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(detach_leaves_the_tokens_to_the_next_receiver)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log first = {.n = 0}, second = {.n = 0};
	struct bell_epoll bell, next;
	int epfd = new_set(), other = new_set();

	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 3, record, &first), 0);
	fill(q, 8);
	ck_assert_int_eq(turn(epfd), 3);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	ck_assert_int_eq(turn(epfd), -EAGAIN);
	ck_assert_int_eq(bell_epoll_attach(&next, other, q, 64, record, &second), 0);
	ck_assert_int_eq(turn(other), 5);
	expect_log(&first, 0, 3);
	expect_log(&second, 3, 5);
	ck_assert_int_eq(bell_epoll_detach(&next), 0);
	close(epfd);
	close(other);
	bell_queue_unref(q);
}

START_TEST(detach_of_what_is_not_attached_is_no_error)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct bell_epoll bell = {.queue = NULL};
	int epfd = new_set(), round;

	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	ck_assert_int_eq(bell_epoll_ready(&bell), 0);
	for (round = 0; round < 3; round++) {
		struct log log = {.n = 0};

		ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 8, record, &log), 0);
		bell_queue_notify(q, 5);
		ck_assert_int_eq(turn(epfd), 1);
		ck_assert_int_eq(bell_epoll_detach(&bell), 0);
		ck_assert_int_eq(bell_epoll_detach(&bell), 0);
		ck_assert_int_eq(bell_epoll_ready(&bell), 0); /* an event of the same batch */
	}
	ck_assert_uint_eq(q->refs, 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(detach_from_a_closed_set_says_so_and_detaches)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct bell_epoll bell;
	int epfd = new_set();

	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 8, record, NULL), 0);
	close(epfd);
	ck_assert_int_eq(bell_epoll_detach(&bell), -EBADF);
	ck_assert_ptr_null(bell.queue);
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_unref(q);
}

static void detach_and_free(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n == 3) {
		bell_epoll_detach(log->bell);
		free(log->bell);
	}
}

START_TEST(fn_may_detach_and_free_and_the_rest_stays_queued)
{
	struct bell_queue *q = queue_of(40, mode_of(_i));
	struct log log = {.bell = malloc(sizeof(*log.bell))}, rest = {.n = 0};
	struct bell_epoll bell;
	int epfd = new_set();

	ck_assert_int_eq(bell_epoll_attach(log.bell, epfd, q, 64, detach_and_free, &log), 0);
	fill(q, 40);
	ck_assert_int_eq(turn(epfd), 3);
	expect_log(&log, 0, 3);
	ck_assert_uint_eq(q->refs, 1);
	ck_assert_int_eq(turn(epfd), -EAGAIN);
	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 64, record, &rest), 0);
	ck_assert_int_eq(turn(epfd), 37);
	expect_log(&rest, 3, 37);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(the_attachment_keeps_the_queue_alive)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.n = 0};
	struct bell_epoll bell;
	int epfd = new_set();

	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 8, record, &log), 0);
	fill(q, 3);
	bell_queue_close(q);
	bell_queue_unref(q);
	ck_assert_int_eq(turn(epfd), 3);
	ck_assert_int_eq(turn(epfd), -ESHUTDOWN);
	expect_log(&log, 0, 3);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	close(epfd);
}

START_TEST(two_queues_in_one_set_are_told_apart)
{
	struct bell_queue *a = queue_of(8, mode_of(_i)), *b = queue_of(8, mode_of(3 - _i));
	struct log log_a = {.n = 0}, log_b = {.n = 0};
	struct bell_epoll bell_a, bell_b;
	int epfd = new_set();

	ck_assert_int_eq(bell_epoll_attach(&bell_a, epfd, a, 8, record, &log_a), 0);
	ck_assert_int_eq(bell_epoll_attach(&bell_b, epfd, b, 8, record, &log_b), 0);
	fill(b, 2);
	ck_assert_int_eq(turn(epfd), 2);
	ck_assert_int_eq(turn(epfd), -EAGAIN);
	ck_assert_uint_eq(log_a.n, 0);
	fill(a, 3);
	ck_assert_int_eq(turn(epfd), 3);
	expect_log(&log_a, 0, 3);
	expect_log(&log_b, 0, 2);
	bell_epoll_detach(&bell_a);
	bell_epoll_detach(&bell_b);
	close(epfd);
	bell_queue_unref(a);
	bell_queue_unref(b);
}

static void watch(int epfd, int *fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = fd};

	ck_assert_int_eq(epoll_ctl(epfd, EPOLL_CTL_ADD, *fd, &ev), 0);
}

static void serve(struct traffic *t, const struct bell_epoll *bell, void *who)
{
	uint64_t ticks;
	char bytes[64];
	ssize_t n;

	if (who == bell) {
		n = bell_epoll_ready(who);
		t->errors += n < 0 || n > 7;
	} else if (who == &t->socket) {
		n = read(t->socket, bytes, sizeof(bytes));
		t->bytes += n > 0 ? (uint32_t)n : 0;
	} else {
		t->ticks += read(t->timer, &ticks, sizeof(ticks)) == sizeof(ticks);
	}
}

START_TEST(a_hundred_thousand_notifies_beside_a_socket_and_a_timer)
{
	struct bell_queue *q = queue_of(TRAFFIC_TOKENS, mode_of(_i));
	static struct traffic t;
	struct epoll_event events[8];
	struct bell_epoll bell;
	int epfd = new_set(), i, n;

	traffic_start(&t, q);
	ck_assert_int_eq(bell_epoll_attach(&bell, epfd, q, 7, traffic_token, &t), 0);
	watch(epfd, &t.socket);
	watch(epfd, &t.timer);
	while (!traffic_done(&t)) {
		n = epoll_wait(epfd, events, 8, -1);
		for (i = 0; i < n; i++)
			serve(&t, &bell, events[i].data.ptr);
	}
	traffic_finish(&t);
	ck_assert_int_eq(bell_epoll_detach(&bell), 0);
	close(epfd);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("epoll");
	TCase *tc = runner_case(s, "epoll", 60);

	add_in_all_modes(tc, an_attach_that_fails_leaves_nothing_attached);
	add_in_all_modes(tc, tokens_queued_before_attach_are_delivered);
	add_in_all_modes(tc, a_budget_of_one_delivers_all_without_another_notify);
	add_in_all_modes(tc, detach_leaves_the_tokens_to_the_next_receiver);
	add_in_all_modes(tc, detach_of_what_is_not_attached_is_no_error);
	add_in_all_modes(tc, detach_from_a_closed_set_says_so_and_detaches);
	add_in_all_modes(tc, fn_may_detach_and_free_and_the_rest_stays_queued);
	add_in_all_modes(tc, the_attachment_keeps_the_queue_alive);
	add_in_all_modes(tc, two_queues_in_one_set_are_told_apart);
	add_in_all_modes(tc, a_hundred_thousand_notifies_beside_a_socket_and_a_timer);
	return runner_run(s);
}
