/* SPDX-License-Identifier: MIT
 *
 * Flush marks, bound tokens, the end, and what fn may do: in one thread, step by step.
 */
#include "collector_helpers.h"

START_TEST(a_flush_mark_comes_after_all_that_was_submitted_before)
{
	struct bell_collector *c = collector_of(16, 3, 0);
	struct bell_producer *p[3] = {producer_of(c), producer_of(c), producer_of(c)};

	submit_all(p[0], 0, 6);
	submit_all(p[1], 100, 2);
	ck_assert_int_eq(bell_collector_flush(c), 0);
	ck_assert_int_eq(bell_collector_flush(c), 0); /* one mark for both */
	submit_all(p[2], 200, 1);
	EXPECT_RECORDS(c, 5, 0, 1, 2, 3, 100);
	submit_all(p[0], 6, 1); /* behind the mark, or not: a flush says nothing of it */
	submit_all(p[0], 7, 6);
	EXPECT_RECORDS(c, 3, 101, 200, 4);
	EXPECT_RECORDS(c, 2, 5, 6, MARK);
	EXPECT_RECORDS(c, 9, 7, 8, 9, 10, 11, 12);
	EXPECT_NO_RECORD(c);
	ck_assert_int_eq(bell_collector_arm(c), 1);
	ck_assert_uint_eq(stats_of_collector(c).flushes, 1);
	bell_producer_free(p[0]);
	bell_producer_free(p[1]);
	bell_producer_free(p[2]);
	bell_collector_free(c);
}

START_TEST(a_flush_of_nothing_is_a_mark)
{
	struct bell_collector *c = collector_of(4, 1, 0);

	ck_assert_int_eq(bell_collector_flush(c), 0);
	ck_assert(fd_readable(bell_collector_fd(c)));
	ck_assert_int_eq(bell_collector_arm(c), 0);
	EXPECT_RECORDS(c, 1, MARK);
	EXPECT_NO_RECORD(c);
	ck_assert_int_eq(bell_collector_arm(c), 1);
	bell_collector_free(c);
}

START_TEST(a_flush_during_another_gets_a_mark_of_its_own)
{
	struct bell_collector *c = collector_of(8, 1, 0);
	struct bell_producer *p = producer_of(c);
	uint32_t i;

	submit_all(p, 0, 2);
	ck_assert_int_eq(bell_collector_flush(c), 0);
	EXPECT_RECORDS(c, 1, 0);
	submit_all(p, 2, 2);
	ck_assert_int_eq(bell_collector_flush(c), 0);
	EXPECT_RECORDS(c, 1, 1, MARK);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	EXPECT_RECORDS(c, 9, 2, 3, MARK);
	for (i = 0; i < 3; i++)
		EXPECT_NO_RECORD(c);
	ck_assert_uint_eq(stats_of_collector(c).flushes, 2);
	bell_producer_free(p);
	bell_collector_free(c);
}

/* Polled while the first one is not through yet. */
START_TEST(a_flush_in_the_middle_of_another_is_not_forgotten)
{
	struct bell_collector *c = collector_of(1024, 1, 0);
	struct bell_producer *p = producer_of(c);
	struct gathered g = {0};
	size_t i, marks = 0;

	submit_all(p, 0, 600);
	ck_assert_int_eq(bell_collector_flush(c), 0);
	ck_assert_int_eq(bell_collector_drain(c, 1, gather, &g), 1);
	submit_all(p, 600, 100);
	ck_assert_int_eq(bell_collector_flush(c), 0);
	ck_assert_int_eq(bell_collector_drain(c, 400, gather, &g), 400);
	ck_assert_uint_eq(g.n, 401);
	while (bell_collector_arm(c) == 0)
		ck_assert_int_ge(bell_collector_drain(c, 1000, gather, &g), 0);
	ck_assert_uint_eq(g.n, 702);
	for (i = 0; i < g.n; i++)
		marks += g.records[i] == MARK;
	ck_assert_uint_eq(marks, 2);
	ck_assert_uint_eq(g.records[701], MARK);
	bell_producer_free(p);
	bell_collector_free(c);
}

static void flush_always(void *userdata, const void *record)
{
	if (!record)
		bell_collector_flush(userdata);
}

START_TEST(a_mark_that_flushes_does_not_hold_the_drain)
{
	struct bell_collector *c = collector_of(8, 1, 0);
	uint32_t i;

	bell_collector_flush(c);
	for (i = 1; i < 10; i++) {
		ck_assert_int_eq(bell_collector_drain(c, 100, flush_always, c), 0);
		ck_assert_uint_eq(stats_of_collector(c).flushes, i);
		ck_assert_int_eq(bell_collector_arm(c), 0);
	}
	bell_collector_free(c);
}

START_TEST(after_close_the_rest_is_drained_and_then_it_ends)
{
	struct bell_collector *c = collector_of(4, 3, _i ? BELL_COLLECTOR_EDGE : 0);
	struct bell_producer *p = producer_of(c), *q = producer_of(c), *none = NULL;
	struct gathered g = {0};

	submit_all(p, 0, 3);
	submit_all(q, 10, 1);
	bell_collector_flush(c);
	ck_assert_int_eq(bell_collector_close(c), 0);
	ck_assert_int_eq(bell_collector_close(c), 0);
	ck_assert_int_eq(try_number(p, 3), -ESHUTDOWN);
	ck_assert_int_eq(bell_producer_submit(p, &(uint32_t){3}, -1), -ESHUTDOWN);
	ck_assert_int_eq(bell_producer_new(&none, c), -ESHUTDOWN);
	ck_assert_int_eq(bell_collector_flush(c), -ESHUTDOWN);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	EXPECT_RECORDS(c, 2, 0, 1);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	bell_producer_free(p);
	EXPECT_RECORDS(c, 9, 2, 10, MARK);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	ck_assert(fd_readable(bell_collector_fd(c)));
	EXPECT_NO_RECORD(c);
	ck_assert_int_eq(bell_collector_wait(c, 1, gather, &g, -1), -ESHUTDOWN);
	ck_assert_uint_eq(stats_of_collector(c).submitted, 4);
	ck_assert_uint_eq(stats_of_collector(c).drained, 4);
	bell_producer_free(q);
	bell_collector_free(c);
}

START_TEST(wait_drains_times_out_and_ends)
{
	struct bell_collector *c = collector_of(4, 1, _i ? BELL_COLLECTOR_EDGE : 0);
	struct bell_producer *p = producer_of(c);
	struct gathered g = {0};
	int64_t start;

	ck_assert_int_eq(bell_collector_wait(c, 0, gather, &g, -1), -EINVAL);
	ck_assert_int_eq(bell_collector_wait(c, 1, gather, &g, 0), -ETIMEDOUT);
	start = runner_now();
	ck_assert_int_eq(bell_collector_wait(c, 1, gather, &g, 2000000), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - start, 2000000);
	submit_all(p, 1, 3);
	ck_assert_int_eq(bell_collector_wait(c, 2, gather, &g, INT64_MAX), 2);
	ck_assert_int_eq(bell_collector_wait(c, 2, gather, &g, 0), 1);
	ck_assert_int_eq(bell_collector_wait(c, 2, gather, &g, 0), -ETIMEDOUT);
	bell_collector_flush(c);
	ck_assert_int_eq(bell_collector_wait(c, 2, gather, &g, -1), 0);
	ck_assert_uint_eq(g.n, 4);
	ck_assert_uint_eq(g.records[3], MARK);
	bell_collector_close(c);
	ck_assert_int_eq(bell_collector_wait(c, 2, gather, &g, 0), -ESHUTDOWN);
	bell_producer_free(p);
	bell_collector_free(c);
}

START_TEST(a_bound_producer_is_told_when_there_is_room_and_only_then)
{
	struct bell_collector *c = collector_of(2, 2, 0);
	struct bell_producer *p = producer_of(c), *other = producer_of(c);
	struct bell_queue *q = queue_of(8, 0);

	ck_assert_int_eq(bell_producer_bind(p, q, 8), -EINVAL);
	ck_assert_int_eq(bell_producer_bind(p, q, 5), 0);
	submit_all(p, 0, 2);
	submit_all(other, 10, 1);
	EXPECT_RECORDS(c, 2, 0, 1); /* nobody waits: nobody is told */
	expect_nothing(q);
	submit_all(p, 2, 2);
	ck_assert_int_eq(try_number(p, 4), -EAGAIN);
	EXPECT_RECORDS(c, 1, 10); /* of another: no room was made */
	expect_nothing(q);
	EXPECT_RECORDS(c, 1, 2);
	EXPECT(q, 5);
	EXPECT_RECORDS(c, 2, 3); /* told once */
	expect_nothing(q);
	ck_assert_int_eq(try_number(p, 4), 0);
	EXPECT_RECORDS(c, 2, 4);
	expect_nothing(q);
	ck_assert_uint_eq(stats_of_collector(c).waits, 1);
	ck_assert_uint_eq(stats_of_collector(c).wakes, 1);
	bell_producer_free(p);
	bell_producer_free(other);
	bell_collector_free(c);
	bell_queue_unref(q);
}

/* For each record that is handed out: was it told by then? */
struct told {
	struct bell_queue *q;
	uint32_t n, at;
};

static void look_if_told(void *userdata, const void *record)
{
	struct told *t = userdata;
	uint32_t token;

	(void)record;
	if (bell_queue_poll(t->q, &token, 1) == 1)
		t->at = t->n;
	t->n++;
}

START_TEST(who_waits_is_told_when_half_of_the_ring_is_free_or_the_drain_is_over)
{
	struct bell_collector *c = collector_of(8, 1, 0); /* batches of 4 */
	struct bell_producer *p = producer_of(c);
	struct told t = {.q = queue_of(1, 0)};

	ck_assert_int_eq(bell_producer_bind(p, t.q, 0), 0);
	submit_all(p, 0, 8);
	ck_assert_int_eq(try_number(p, 8), -EAGAIN);
	ck_assert_int_eq(bell_collector_drain(c, 100, look_if_told, &t), 8);
	ck_assert_uint_eq(t.at, 4);
	submit_all(p, 0, 8);
	ck_assert_int_eq(try_number(p, 8), -EAGAIN);
	EXPECT_RECORDS(c, 1, 0);
	EXPECT(t.q, 0);
	bell_producer_free(p);
	bell_collector_free(c);
	bell_queue_unref(t.q);
}

START_TEST(a_promise_ends_with_bind_and_with_the_next_submit)
{
	struct bell_collector *c = collector_of(1, 1, 0);
	struct bell_producer *p = producer_of(c);
	struct bell_queue *q = queue_of(8, 0), *single = queue_of(8, BELL_QUEUE_SINGLE_PRODUCER);

	if (bell_queue_flags(single) & BELL_QUEUE_SINGLE_PRODUCER)
		ck_assert_int_eq(bell_producer_bind(p, single, 5), -EINVAL);
	ck_assert_int_eq(bell_producer_bind(p, q, 5), 0);
	submit_all(p, 0, 1);
	ck_assert_int_eq(try_number(p, 1), -EAGAIN);
	ck_assert_int_eq(bell_producer_bind(p, q, 6), 0);
	EXPECT_RECORDS(c, 9, 0);
	expect_nothing(q);
	submit_all(p, 1, 1);
	ck_assert_int_eq(try_number(p, 2), -EAGAIN);
	ck_assert_int_eq(bell_producer_submit(p, &(uint32_t){2}, 1000), -ETIMEDOUT);
	EXPECT_RECORDS(c, 9, 1);
	expect_nothing(q);
	submit_all(p, 2, 1);
	ck_assert_int_eq(try_number(p, 3), -EAGAIN);
	ck_assert_int_eq(bell_producer_bind(p, NULL, 77), 0);
	EXPECT_RECORDS(c, 9, 2);
	expect_nothing(q);
	submit_all(p, 3, 1);
	ck_assert_int_eq(try_number(p, 4), -EAGAIN);
	EXPECT_RECORDS(c, 9, 3);
	expect_nothing(q);
	bell_producer_free(p);
	bell_collector_free(c);
	bell_queue_unref(single);
	bell_queue_unref(q);
}

START_TEST(close_tells_a_bound_producer_that_waits)
{
	struct bell_collector *c = collector_of(1, 2, 0);
	struct bell_producer *p = producer_of(c), *content = producer_of(c);
	struct bell_queue *q = queue_of(8, 0);

	ck_assert_int_eq(bell_producer_bind(p, q, 5), 0);
	ck_assert_int_eq(bell_producer_bind(content, q, 6), 0);
	submit_all(p, 0, 1);
	ck_assert_int_eq(try_number(p, 1), -EAGAIN);
	bell_collector_close(c);
	EXPECT(q, 5);
	ck_assert_int_eq(try_number(p, 1), -ESHUTDOWN);
	bell_queue_unref(q); /* the producers hold it */
	bell_producer_free(p);
	bell_producer_free(content);
	bell_collector_free(c);
}

/* -- in fn ----------------------------------------------------------------------------------- */

struct inside {
	struct bell_collector *c;
	struct bell_producer *p, *made;
	size_t records, marks, wrong;
};

static void call_everything(void *userdata, const void *record)
{
	struct inside *s = userdata;
	struct bell_producer *p;
	uint32_t number;

	if (!record) {
		s->marks++;
		return;
	}
	number = *(const uint32_t *)record;
	s->records++;
	s->wrong += bell_collector_drain(s->c, 1, call_everything, s) != -EBUSY;
	s->wrong += bell_collector_arm(s->c) != -EBUSY;
	s->wrong += bell_collector_wait(s->c, 1, call_everything, s, 0) != -EBUSY;
	s->wrong += number < 10 && try_number(s->p, number + 1) != 0;
	s->wrong += bell_collector_flush(s->c) != 0;
	s->wrong += bell_producer_new(&p, s->c) != 0;
	bell_producer_free(p);
}

START_TEST(fn_may_do_all_but_receive)
{
	struct bell_collector *c = collector_of(4, 2, 0);
	struct inside s = {.c = c, .p = producer_of(c)};

	submit_all(s.p, 0, 1);
	do {
		while (bell_collector_drain(c, 3, call_everything, &s) > 0)
			;
	} while (bell_collector_arm(c) == 0);
	ck_assert_uint_eq(s.records, 11);
	ck_assert_uint_ge(s.marks, 1);
	ck_assert_uint_eq(s.wrong, 0);
	bell_producer_free(s.p);
	bell_collector_free(c);
}

static void submit_over_it(void *userdata, const void *record)
{
	struct inside *s = userdata;

	s->records++;
	s->wrong += try_number(s->p, 99) != -EAGAIN;
	s->wrong += *(const uint32_t *)record != 7;
}

START_TEST(a_record_stays_where_it_is_until_fn_returns)
{
	struct bell_collector *c = collector_of(1, 1, 0);
	struct inside s = {.c = c, .p = producer_of(c)};

	submit_all(s.p, 7, 1);
	ck_assert_int_eq(bell_collector_drain(c, 9, submit_over_it, &s), 1);
	ck_assert_uint_eq(s.wrong, 0);
	bell_producer_free(s.p);
	bell_collector_free(c);
}

static void close_at_two(void *userdata, const void *record)
{
	struct inside *s = userdata;

	s->records++;
	if (*(const uint32_t *)record == 2)
		bell_collector_close(s->c);
}

START_TEST(fn_may_close_and_the_rest_still_comes)
{
	struct bell_collector *c = collector_of(8, 1, 0);
	struct inside s = {.c = c, .p = producer_of(c)};

	submit_all(s.p, 0, 6);
	ck_assert_int_eq(bell_collector_drain(c, 100, close_at_two, &s), 6);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	bell_producer_free(s.p);
	bell_collector_free(c);
}

static void free_at_two(void *userdata, const void *record)
{
	struct inside *s = userdata;

	s->records++;
	if (!record || *(const uint32_t *)record == 2) {
		bell_producer_free(s->p);
		bell_collector_free(s->c);
	}
}

START_TEST(fn_may_free_the_collector_which_ends_the_drain)
{
	struct bell_collector *c = collector_of(8, 1, 0);
	struct inside s = {.c = c, .p = producer_of(c)};

	submit_all(s.p, 0, 6);
	if (_i == 0)
		ck_assert_int_eq(bell_collector_drain(c, 100, free_at_two, &s), 3);
	else
		ck_assert_int_eq(bell_collector_wait(c, 100, free_at_two, &s, -1), 3);
	ck_assert_uint_eq(s.records, 3);
}

START_TEST(fn_may_free_the_collector_at_a_mark)
{
	struct bell_collector *c = collector_of(8, 1, 0);
	struct inside s = {.c = c, .p = producer_of(c)};

	bell_collector_flush(c);
	ck_assert_int_eq(bell_collector_wait(c, 100, free_at_two, &s, -1), 0);
	ck_assert_uint_eq(s.records, 1);
}

int main(void)
{
	Suite *s = suite_create("collector end");
	TCase *tc = runner_case(s, "collector end", 30);

	tcase_add_test(tc, a_flush_mark_comes_after_all_that_was_submitted_before);
	tcase_add_test(tc, a_flush_of_nothing_is_a_mark);
	tcase_add_test(tc, a_flush_during_another_gets_a_mark_of_its_own);
	tcase_add_test(tc, a_flush_in_the_middle_of_another_is_not_forgotten);
	tcase_add_test(tc, a_mark_that_flushes_does_not_hold_the_drain);
	tcase_add_loop_test(tc, after_close_the_rest_is_drained_and_then_it_ends, 0, 2);
	tcase_add_loop_test(tc, wait_drains_times_out_and_ends, 0, 2);
	tcase_add_test(tc, a_bound_producer_is_told_when_there_is_room_and_only_then);
	tcase_add_test(tc, who_waits_is_told_when_half_of_the_ring_is_free_or_the_drain_is_over);
	tcase_add_test(tc, a_promise_ends_with_bind_and_with_the_next_submit);
	tcase_add_test(tc, close_tells_a_bound_producer_that_waits);
	tcase_add_test(tc, fn_may_do_all_but_receive);
	tcase_add_test(tc, a_record_stays_where_it_is_until_fn_returns);
	tcase_add_test(tc, fn_may_close_and_the_rest_still_comes);
	tcase_add_loop_test(tc, fn_may_free_the_collector_which_ends_the_drain, 0, 2);
	tcase_add_test(tc, fn_may_free_the_collector_at_a_mark);
	return runner_run(s);
}
