/* SPDX-License-Identifier: MIT
 *
 * The collector in one thread: what each call does and answers, by its contract.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector_helpers.h"

static int new_with(struct bell_collector_options options)
{
	struct bell_collector *c = (void *)1;
	int r = bell_collector_new(&c, &options);

	if (r < 0)
		ck_assert_ptr_eq(c, (void *)1);
	else
		bell_collector_free(c);
	return r;
}

START_TEST(options_out_of_range_are_refused)
{
	ck_assert_int_eq(new_with((struct bell_collector_options){0}), -EINVAL);
	ck_assert_int_eq(new_with((struct bell_collector_options){.record_size = 8}), 0);
	ck_assert_int_eq(
		new_with((struct bell_collector_options){.record_size = 8, .flags = 2}), -EINVAL);
	ck_assert_int_eq(new_with((struct bell_collector_options){.record_size = 8,
				 .records_per_producer = BELL_COLLECTOR_RECORDS_MAX + 1}),
		-EINVAL);
	ck_assert_int_eq(new_with((struct bell_collector_options){.record_size = 8,
				 .max_producers = BELL_COLLECTOR_PRODUCERS_MAX + 1}),
		-EINVAL);
	ck_assert_int_eq(
		new_with((struct bell_collector_options){.record_size = 8, .batch = UINT32_MAX}),
		-EINVAL);
}

START_TEST(more_memory_than_there_can_be_is_enomem)
{
	ck_assert_int_eq(
		new_with((struct bell_collector_options){.record_size = SIZE_MAX}), -ENOMEM);
	ck_assert_int_eq(
		new_with((struct bell_collector_options){.record_size = SIZE_MAX / 1024}), -ENOMEM);
	ck_assert_int_eq(
		new_with((struct bell_collector_options){.record_size = SIZE_MAX / 65536}),
		-ENOMEM);
	ck_assert_int_eq(new_with((struct bell_collector_options){.record_size = 1 << 20,
				 .records_per_producer = BELL_COLLECTOR_RECORDS_MAX,
				 .max_producers = BELL_COLLECTOR_PRODUCERS_MAX}),
		-ENOMEM);
}

START_TEST(no_descriptor_left_is_emfile)
{
	struct rlimit limit = {0}, old;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(new_with((struct bell_collector_options){.record_size = 8}), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}

START_TEST(nothing_is_freed_as_nothing)
{
	ck_assert_ptr_null(bell_collector_free(NULL));
	ck_assert_ptr_null(bell_producer_free(NULL));
}

START_TEST(records_come_in_the_order_of_their_producer)
{
	struct bell_collector *c = collector_of(8, 2, 0);
	struct bell_producer *p = producer_of(c);
	uint32_t round;

	EXPECT_NO_RECORD(c);
	for (round = 0; round < 100; round++) { /* round and round the ring */
		submit_all(p, round * 5, 5);
		EXPECT_RECORDS(c, 100, round * 5, round * 5 + 1, round * 5 + 2, round * 5 + 3,
			round * 5 + 4);
	}
	EXPECT_NO_RECORD(c);
	ck_assert_uint_eq(stats_of_collector(c).submitted, 500);
	ck_assert_uint_eq(stats_of_collector(c).drained, 500);
	bell_producer_free(p);
	bell_collector_free(c);
}

/* Every ring size, also those that are no power of two, holds what it says and no more. */
START_TEST(a_ring_holds_what_was_asked_for)
{
	struct bell_collector *c = collector_of((uint32_t)_i, 1, 0);
	struct bell_producer *p = producer_of(c);
	uint32_t round, i;

	for (round = 0; round < 20; round++) {
		submit_all(p, round * 1000, (uint32_t)_i);
		ck_assert_int_eq(try_number(p, 1), -EAGAIN);
		ck_assert_int_eq(try_number(p, 1), -EAGAIN);
		for (i = 0; i < (uint32_t)_i; i++)
			EXPECT_RECORDS(c, 1, round * 1000 + i);
		EXPECT_NO_RECORD(c);
	}
	ck_assert_uint_eq(stats_of_collector(c).full, 40);
	ck_assert_uint_eq(stats_of_collector(c).waits, 0);
	ck_assert_uint_eq(stats_of_collector(c).wakes, 0);
	bell_producer_free(p);
	bell_collector_free(c);
}

/* A record of any size is handed out as it was, and aligned as in an array of its type. */
struct sized {
	size_t size, wrong, n;
	unsigned char *expected;
};

static void compare(void *userdata, const void *record)
{
	struct sized *s = userdata;
	size_t alignment = s->size & -s->size;

	alignment = alignment < _Alignof(max_align_t) ? alignment : _Alignof(max_align_t);
	s->wrong += (uintptr_t)record % alignment != 0;
	memset(s->expected, (int)(s->n * 7 + s->size), s->size);
	s->wrong += memcmp(record, s->expected, s->size) != 0;
	s->n++;
}

START_TEST(a_record_may_have_any_size)
{
	static const size_t sizes[] = {
		1, 2, 3, 4, 7, 8, 12, 16, 24, 31, 48, 64, 100, 127, 128, 4096, 100000};
	const struct bell_collector_options options = {
		.record_size = sizes[_i], .records_per_producer = 5, .max_producers = 2};
	unsigned char *record = malloc(sizes[_i]), *expected = malloc(sizes[_i]);
	struct sized s = {.size = sizes[_i], .expected = expected};
	struct bell_collector *c;
	struct bell_producer *p[2];
	size_t i;

	ck_assert_int_eq(bell_collector_new(&c, &options), 0);
	p[0] = producer_of(c);
	p[1] = producer_of(c);
	for (i = 0; i < 50; i++) {
		memset(record, (int)(i * 7 + sizes[_i]), sizes[_i]);
		ck_assert_int_eq(bell_producer_try_submit(p[i / 3 % 2], record), 0);
		ck_assert_int_eq(bell_collector_drain(c, 10, compare, &s), 1);
	}
	ck_assert_uint_eq(s.n, 50);
	ck_assert_uint_eq(s.wrong, 0);
	bell_producer_free(p[0]);
	bell_producer_free(p[1]);
	bell_collector_free(c);
	free(record);
	free(expected);
}

START_TEST(a_budget_leaves_the_rest_and_their_turns)
{
	struct bell_collector *c = collector_of(16, 3, 0); /* batches of 4 */
	struct bell_producer *p[3] = {producer_of(c), producer_of(c), producer_of(c)};

	submit_all(p[0], 0, 6);
	submit_all(p[1], 100, 5);
	submit_all(p[2], 200, 1);
	expect_records(c, 0, NULL, 0);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	EXPECT_RECORDS(c, 3, 0, 1, 2);
	EXPECT_RECORDS(c, 3, 3, 100, 101); /* what was cut short goes on */
	ck_assert_int_eq(bell_collector_arm(c), 0);
	ck_assert(fd_readable(bell_collector_fd(c)));
	EXPECT_RECORDS(c, 6, 102, 103, 200, 4, 5, 104);
	EXPECT_NO_RECORD(c);
	ck_assert_int_eq(bell_collector_arm(c), 1);
	bell_producer_free(p[0]);
	bell_producer_free(p[1]);
	bell_producer_free(p[2]);
	bell_collector_free(c);
}

/* Rings that are always full: whatever the budget, nobody is ahead by more than a batch. */
static uint64_t taken_from[4];

static void count_of(void *userdata, const void *record)
{
	(void)userdata;
	taken_from[*(const uint32_t *)record]++;
}

START_TEST(busy_producers_take_turns_under_any_budget)
{
	struct bell_collector *c = collector_of(8, 4, 0);
	struct bell_producer *p[4];
	uint32_t i, round;
	uint64_t most, least;

	for (i = 0; i < 4; i++)
		p[i] = producer_of(c);
	for (round = 0; round < 2000; round++) {
		for (i = 0; i < 4; i++)
			while (try_number(p[i], i) == 0)
				;
		ck_assert_int_eq(bell_collector_drain(c, (size_t)_i, count_of, NULL), _i);
		most = least = taken_from[0];
		for (i = 1; i < 4; i++) {
			most = taken_from[i] > most ? taken_from[i] : most;
			least = taken_from[i] < least ? taken_from[i] : least;
		}
		ck_assert_uint_le(most - least, 4);
	}
	for (i = 0; i < 4; i++)
		bell_producer_free(p[i]);
	bell_collector_free(c);
}

START_TEST(a_quiet_producer_is_heard_beside_a_busy_one)
{
	struct bell_collector *c = collector_of(64, 2, 0);
	struct bell_producer *busy = producer_of(c), *quiet = producer_of(c);
	uint32_t round, behind = 0;

	memset(taken_from, 0, sizeof(taken_from));
	while (try_number(busy, 0) == 0)
		;
	(void)bell_collector_drain(c, 1, count_of, NULL); /* the busy one has its turn */
	ck_assert_int_eq(try_number(quiet, 1), 0);
	for (round = 0; round < 1000 && taken_from[1] == 0; round++) {
		while (try_number(busy, 0) == 0)
			;
		ck_assert_int_eq(bell_collector_drain(c, 1, count_of, NULL), 1);
		behind++;
	}
	ck_assert_uint_eq(taken_from[1], 1);
	ck_assert_uint_le(behind, 256 + 4 + 1); /* the header's bound */
	bell_producer_free(busy);
	bell_producer_free(quiet);
	bell_collector_free(c);
}

/* A drain that refills as it goes is bounded all the same. */
struct refill {
	struct bell_producer *p;
	uint32_t n;
};

static void refill(void *userdata, const void *record)
{
	struct refill *r = userdata;

	(void)record;
	r->n++;
	(void)!try_number(r->p, 1);
}

START_TEST(one_drain_is_bounded_by_what_the_rings_hold)
{
	struct bell_collector *c = collector_of(8, 3, 0);
	struct refill r = {.p = producer_of(c)};

	submit_all(r.p, 0, 7);
	ck_assert_int_eq(bell_collector_drain(c, SIZE_MAX, refill, &r), 24);
	ck_assert_uint_eq(r.n, 24);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	bell_producer_free(r.p);
	bell_collector_free(c);
}

START_TEST(places_are_limited_and_counted)
{
	struct bell_collector *c = collector_of(4, 2, 0);
	struct bell_producer *p = producer_of(c), *q = producer_of(c), *none = NULL;

	ck_assert_int_eq(bell_producer_new(&none, c), -ENOSPC);
	ck_assert_ptr_null(none);
	ck_assert_uint_eq(stats_of_collector(c).refused, 1);
	ck_assert_uint_eq(stats_of_collector(c).producers, 2);
	bell_producer_free(p); /* empty: at once for another */
	ck_assert_uint_eq(stats_of_collector(c).producers, 1);
	p = producer_of(c);
	bell_producer_free(p);
	bell_producer_free(q);
	ck_assert_uint_eq(stats_of_collector(c).producers, 0);
	bell_collector_free(c);
}

START_TEST(a_freed_producer_is_drained_before_its_place_is_taken)
{
	struct bell_collector *c = collector_of(4, 1, 0);
	struct bell_producer *p = producer_of(c), *next = NULL;
	uint32_t round;

	for (round = 0; round < 50; round++) {
		submit_all(p, round * 10, 3);
		bell_producer_free(p);
		ck_assert_int_eq(bell_producer_new(&next, c), -ENOSPC);
		EXPECT_RECORDS(c, 2, round * 10, round * 10 + 1);
		ck_assert_int_eq(bell_producer_new(&next, c), -ENOSPC);
		ck_assert_uint_eq(stats_of_collector(c).producers, 1);
		EXPECT_RECORDS(c, 2, round * 10 + 2);
		p = producer_of(c);
	}
	bell_producer_free(p);
	ck_assert_uint_eq(stats_of_collector(c).submitted, 150);
	bell_collector_free(c);
}

START_TEST(a_collector_may_go_before_its_producers)
{
	struct bell_collector *c = collector_of(4, 2, 0);
	struct bell_producer *p = producer_of(c), *q = producer_of(c);

	submit_all(p, 0, 2);
	ck_assert_ptr_null(bell_collector_free(c));
	ck_assert_int_eq(try_number(p, 1), -ESHUTDOWN);
	ck_assert_int_eq(bell_producer_submit(q, &(uint32_t){1}, -1), -ESHUTDOWN);
	ck_assert_int_eq(bell_collector_flush(c), -ESHUTDOWN); /* q holds it */
	ck_assert_int_eq(bell_collector_close(c), 0);
	ck_assert_ptr_null(bell_producer_free(p));
	ck_assert_ptr_null(bell_producer_free(q));
}

START_TEST(submit_does_not_block_or_times_out_when_it_is_told_so)
{
	struct bell_collector *c = collector_of(2, 1, 0);
	struct bell_producer *p = producer_of(c);
	uint32_t number = 7;
	int64_t start;

	ck_assert_int_eq(bell_producer_submit(p, &number, 0), 0);
	ck_assert_int_eq(bell_producer_submit(p, &number, INT64_MAX), 0);
	ck_assert_int_eq(bell_producer_submit(p, &number, 0), -ETIMEDOUT);
	start = runner_now();
	ck_assert_int_eq(bell_producer_submit(p, &number, 2000000), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - start, 2000000);
	ck_assert_uint_eq(stats_of_collector(c).full, 2);
	ck_assert_uint_eq(stats_of_collector(c).waits, 1);
	EXPECT_RECORDS(c, 1, 7);
	ck_assert_uint_eq(stats_of_collector(c).wakes, 0); /* nobody waits any more */
	ck_assert_int_eq(bell_producer_submit(p, &number, 0), 0);
	EXPECT_RECORDS(c, 9, 7, 7);
	bell_producer_free(p);
	bell_collector_free(c);
}

START_TEST(the_fd_is_readable_when_there_is_something)
{
	struct bell_collector *c = collector_of(4, 1, _i ? BELL_COLLECTOR_EDGE : 0);
	struct bell_producer *p = producer_of(c);
	struct epoll_event ev = {.events = EPOLLIN | (_i ? EPOLLET : 0)};
	int epfd = epoll_create1(EPOLL_CLOEXEC), round;

	ck_assert_int_eq(epoll_ctl(epfd, EPOLL_CTL_ADD, bell_collector_fd(c), &ev), 0);
	for (round = 0; round < 5; round++) {
		ck_assert_int_eq(loop_events(epfd), 0);
		ck_assert_int_eq(try_number(p, 1), 0);
		ck_assert_int_eq(try_number(p, 2), 0);
		ck_assert_int_eq(loop_events(epfd), 1);
		EXPECT_RECORDS(c, 9, 1, 2);
		ck_assert_int_eq(bell_collector_arm(c), 1);
		ck_assert_int_eq(loop_events(epfd), 0);
	}
	ck_assert_uint_eq(stats_of_collector(c).rings, 5);
	ck_assert_uint_eq(stats_of_collector(c).arms, 5);
	bell_collector_flush(c);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT_RECORDS(c, 9, MARK);
	ck_assert_int_eq(bell_collector_arm(c), 1);
	close(epfd);
	bell_producer_free(p);
	bell_collector_free(c);
}

int main(void)
{
	Suite *s = suite_create("collector");
	TCase *tc = runner_case(s, "collector", 30);

	tcase_add_test(tc, options_out_of_range_are_refused);
	if (!HELPERS_SANITIZED) {
		tcase_add_test(tc, more_memory_than_there_can_be_is_enomem);
		tcase_add_test(tc, no_descriptor_left_is_emfile);
	}
	tcase_add_test(tc, nothing_is_freed_as_nothing);
	tcase_add_test(tc, records_come_in_the_order_of_their_producer);
	tcase_add_loop_test(tc, a_ring_holds_what_was_asked_for, 1, 10);
	tcase_add_loop_test(tc, a_record_may_have_any_size, 0, 17);
	tcase_add_test(tc, a_budget_leaves_the_rest_and_their_turns);
	tcase_add_loop_test(tc, busy_producers_take_turns_under_any_budget, 1, 12);
	tcase_add_test(tc, a_quiet_producer_is_heard_beside_a_busy_one);
	tcase_add_test(tc, one_drain_is_bounded_by_what_the_rings_hold);
	tcase_add_test(tc, places_are_limited_and_counted);
	tcase_add_test(tc, a_freed_producer_is_drained_before_its_place_is_taken);
	tcase_add_test(tc, a_collector_may_go_before_its_producers);
	tcase_add_test(tc, submit_does_not_block_or_times_out_when_it_is_told_so);
	tcase_add_loop_test(tc, the_fd_is_readable_when_there_is_something, 0, 2);
	return runner_run(s);
}
