/* SPDX-License-Identifier: MIT
 *
 * dispatch: a budget of tokens in order, then asleep or rung again; and what fn may do meanwhile.
 */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "helpers.h"

/* What fn was given, and what it does at its turn number `at`. */
struct log {
	struct bell_queue *q;
	uint32_t tokens[512];
	size_t n, at;
};

static void record(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	log->tokens[log->n++ % 512] = token;
}

static void fill(struct bell_queue *q, uint32_t n)
{
	uint32_t token;
	size_t wrong = 0;

	for (token = 0; token < n; token++)
		wrong += bell_queue_notify(q, token) != 1;
	ck_assert_uint_eq(wrong, 0);
}

static size_t disorder(const struct log *log)
{
	size_t i, wrong = 0;

	for (i = 0; i < log->n; i++)
		wrong += log->tokens[i] != i;
	return wrong;
}

START_TEST(a_budget_of_zero_is_refused_and_takes_nothing)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q};

	bell_queue_notify(q, 3);
	ck_assert_int_eq(bell_queue_dispatch(q, 0, record, &log), -EINVAL);
	ck_assert_uint_eq(log.n, 0);
	EXPECT(q, 3);
	bell_queue_unref(q);
}

static const size_t budgets[] = {1, 2, 63, 64, 65, 128, 129, 299, 300, 301, SSIZE_MAX, SIZE_MAX};

/* Through epoll: 300 tokens, no notify after them, and the loop must come back until all are out. */
static void serve_through_epoll(unsigned mode, size_t budget)
{
	struct bell_queue *q = queue_of(300, mode);
	int epfd = loop_watching(q);
	struct log log = {.q = q};
	size_t rounds = 0, wrong = 0;

	fill(q, 300);
	while (loop_events(epfd) == 1 && rounds++ < 1000) {
		size_t left = 300 - log.n;
		ssize_t done = bell_queue_dispatch(q, budget, record, &log);

		wrong += done != (ssize_t)(left < budget ? left : budget);
	}
	ck_assert_uint_eq(log.n, 300);
	ck_assert_uint_eq(wrong + disorder(&log), 0);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(every_budget_keeps_the_order_and_brings_the_loop_back)
{
	serve_through_epoll(mode_of(_i % 4), budgets[_i / 4]);
}

START_TEST(a_dispatch_of_nothing_goes_to_sleep)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q};

	ck_assert_int_eq(bell_queue_dispatch(q, 8, record, &log), 0);
	ck_assert_uint_eq(log.n, 0);
	ck_assert(!fd_readable(bell_queue_fd(q)));
	bell_queue_notify(q, 1);
	ck_assert(fd_readable(bell_queue_fd(q)));
	bell_queue_unref(q);
}

static void notify_self(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n <= log->at && bell_queue_notify(log->q, token) != 1)
		log->n = SIZE_MAX / 2;
}

START_TEST(a_token_that_fn_notifies_again_comes_again)
{
	struct bell_queue *q = queue_of(4, mode_of(_i));
	struct log log = {.q = q, .at = 100};

	bell_queue_notify(q, 2);
	ck_assert_int_eq(bell_queue_dispatch(q, 1000, notify_self, &log), 101);
	ck_assert_uint_eq(log.n, 101);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_unref(q);
}

START_TEST(a_token_that_always_comes_again_is_held_to_the_budget)
{
	struct bell_queue *q = queue_of(4, mode_of(_i));
	struct log log = {.q = q, .at = SIZE_MAX / 4};
	int epfd = loop_watching(q), round;

	bell_queue_notify(q, 2);
	bell_queue_notify(q, 3);
	for (round = 1; round <= 50; round++) {
		ck_assert_int_eq(loop_events(epfd), 1);
		ck_assert_int_eq(bell_queue_dispatch(q, 10, notify_self, &log), 10);
		ck_assert_uint_eq(log.n, (unsigned)round * 10);
	}
	close(epfd);
	bell_queue_unref(q);
}

static void close_at(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n == log->at)
		bell_queue_close(log->q);
}

START_TEST(fn_may_close_and_the_rest_is_still_delivered)
{
	struct bell_queue *q = queue_of(300, mode_of(_i));
	struct log log = {.q = q, .at = 70};
	int epfd = loop_watching(q);
	ssize_t r, sum = 0;

	fill(q, 300);
	do {
		ck_assert_int_eq(loop_events(epfd), 1);
		r = bell_queue_dispatch(q, 100, close_at, &log);
		sum += r > 0 ? r : 0;
	} while (r > 0);
	ck_assert_int_eq(r, -ESHUTDOWN);
	ck_assert_int_eq(sum, 300);
	ck_assert_uint_eq(disorder(&log), 0);
	ck_assert_int_eq(bell_queue_dispatch(q, 1, close_at, &log), -ESHUTDOWN);
	ck_assert(fd_readable(bell_queue_fd(q)));
	close(epfd);
	bell_queue_unref(q);
}

static void unref_at(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n == log->at)
		log->q = bell_queue_unref(log->q);
}

START_TEST(fn_may_drop_the_last_reference_and_gets_its_tokens_first)
{
	struct bell_queue *q = queue_of(300, mode_of(_i));
	struct log log = {.q = q, .at = 1};
	int fd = bell_queue_fd(q);

	fill(q, 300);
	ck_assert_int_eq(bell_queue_dispatch(q, SIZE_MAX, unref_at, &log), 300);
	ck_assert_uint_eq(disorder(&log), 0);
	ck_assert_ptr_null(log.q);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

static void stop_at(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	if (log->n == log->at)
		bell_queue_stop(log->q);
}

static const size_t stops[] = {1, 2, 63, 64, 65, 128, 299, 300};

/* Stopped anywhere, within a chunk and at its end: the loop is called again for the rest. */
static void stop_and_go_on(unsigned mode, size_t at)
{
	struct bell_queue *q = queue_of(300, mode);
	struct log log = {.q = q, .at = at};
	int epfd = loop_watching(q);
	bool seen[300] = {false};
	size_t i, missing = 0;

	fill(q, 300);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_dispatch(q, SIZE_MAX, stop_at, &log), (ssize_t)at);
	ck_assert_uint_eq(disorder(&log), 0);
	log.at = 0;
	for (i = 0; loop_events(epfd) == 1 && i < 10; i++)
		(void)bell_queue_dispatch(q, SIZE_MAX, record, &log);
	ck_assert_uint_eq(log.n, 300);
	for (i = 0; i < 300; i++)
		seen[log.tokens[i]] = true;
	for (i = 0; i < 300; i++)
		missing += !seen[i];
	ck_assert_uint_eq(missing, 0);
	ck_assert_uint_eq(stats_of(q).notified, stats_of(q).delivered);
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(stop_returns_at_once_and_loses_nothing)
{
	stop_and_go_on(mode_of(_i % 4), stops[_i / 4]);
}

START_TEST(what_stop_gave_back_keeps_its_order)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q, .at = 2};

	bell_queue_notify_many(q, (uint32_t[]){7, 1, 6, 2, 5}, 5);
	ck_assert_int_eq(bell_queue_dispatch(q, 100, stop_at, &log), 2);
	EXPECT(q, 6, 2, 5);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_unref(q);
}

static void notify_then_stop(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	bell_queue_notify_many(log->q, (uint32_t[]){0, 6}, 2);
	bell_queue_stop(log->q);
}

START_TEST(what_came_meanwhile_stands_before_what_stop_gave_back)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q};

	bell_queue_notify_many(q, (uint32_t[]){7, 1, 6, 2}, 4);
	ck_assert_int_eq(bell_queue_dispatch(q, 100, notify_then_stop, &log), 1);
	EXPECT(q, 0, 6, 1, 2);
	bell_queue_unref(q);
}

START_TEST(with_a_single_producer_stop_leaves_the_rest_where_it_stands)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q};

	bell_queue_notify_many(q, (uint32_t[]){7, 1, 6, 2}, 4);
	ck_assert_int_eq(bell_queue_dispatch(q, 100, notify_then_stop, &log), 1);
	EXPECT(q, 1, 6, 2, 0);
	ck_assert_uint_eq(stats_of(q).notified, 5);
	bell_queue_unref(q);
}

static void close_then_stop(void *userdata, uint32_t token)
{
	struct log *log = userdata;

	record(log, token);
	bell_queue_close(log->q);
	bell_queue_stop(log->q);
}

START_TEST(stop_in_a_closed_queue_gives_back_all_the_same)
{
	struct bell_queue *q = queue_of(100, mode_of(_i));
	struct log log = {.q = q};
	int epfd = loop_watching(q);

	fill(q, 100);
	ck_assert_int_eq(bell_queue_dispatch(q, 100, close_then_stop, &log), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_dispatch(q, 1000, record, &log), 99);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_dispatch(q, 1000, record, &log), -ESHUTDOWN);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(stop_outside_of_dispatch_does_nothing)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct log log = {.q = q};

	fill(q, 8);
	bell_queue_stop(q);
	ck_assert_int_eq(bell_queue_dispatch(q, 100, record, &log), 8);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("queue dispatch");
	TCase *tc = runner_case(s, "queue dispatch", 30);

	add_in_all_modes(tc, a_budget_of_zero_is_refused_and_takes_nothing);
	tcase_add_loop_test(tc, every_budget_keeps_the_order_and_brings_the_loop_back, 0,
		4 * sizeof(budgets) / sizeof(*budgets));
	add_in_all_modes(tc, a_dispatch_of_nothing_goes_to_sleep);
	add_in_all_modes(tc, a_token_that_fn_notifies_again_comes_again);
	add_in_all_modes(tc, a_token_that_always_comes_again_is_held_to_the_budget);
	add_in_all_modes(tc, fn_may_close_and_the_rest_is_still_delivered);
	add_in_all_modes(tc, fn_may_drop_the_last_reference_and_gets_its_tokens_first);
	tcase_add_loop_test(
		tc, stop_returns_at_once_and_loses_nothing, 0, 4 * sizeof(stops) / sizeof(*stops));
	add_in_all_modes(tc, what_stop_gave_back_keeps_its_order);
	add_in_both_modes(tc, what_came_meanwhile_stands_before_what_stop_gave_back);
	add_in_single_modes(tc, with_a_single_producer_stop_leaves_the_rest_where_it_stands);
	add_in_all_modes(tc, stop_in_a_closed_queue_gives_back_all_the_same);
	add_in_all_modes(tc, stop_outside_of_dispatch_does_nothing);
	return runner_run(s);
}
