/* SPDX-License-Identifier: MIT
 *
 * The queue for one thread: what is marked comes once, in order, whatever is left over, however many
 * tokens there are, and however often it had to grow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "helpers.h"

static struct bell_local *local_of(uint32_t hint, uint32_t tokens)
{
	struct bell_local *l = NULL;

	ck_assert_int_eq(bell_local_new(&l, hint), 0);
	ck_assert_ptr_nonnull(l);
	if (tokens)
		ck_assert_int_eq(bell_local_ensure(l, tokens - 1), 0);
	ck_assert_uint_eq(bell_local_registered(l), tokens);
	return l;
}

/* A poll of up to max returns exactly these. */
static void expect_max(struct bell_local *l, size_t max, const uint32_t *tokens, size_t n)
{
	uint32_t polled[256], before = bell_local_count(l);
	size_t i, got;

	ck_assert_uint_le(max, 256);
	got = bell_local_poll(l, polled, max);
	ck_assert_uint_eq(got, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(polled[i], tokens[i]);
	ck_assert_uint_eq(bell_local_count(l), before - n);
}
#define EXPECT_MAX(l, max, ...)                                  \
	expect_max(l, max, (const uint32_t[]){__VA_ARGS__},      \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define EXPECT_ALL(l, ...) EXPECT_MAX(l, 256, __VA_ARGS__)

static void expect_none(struct bell_local *l)
{
	uint32_t token = 77;

	ck_assert_uint_eq(bell_local_poll(l, &token, 1), 0);
	ck_assert_uint_eq(bell_local_count(l), 0);
	ck_assert_uint_eq(token, 77);
}

START_TEST(a_registered_token_is_marked_and_polled)
{
	struct bell_local *l = local_of(4, 0);
	uint32_t token = 99;

	ck_assert_int_eq(bell_local_register(l, &token), 0);
	ck_assert_uint_eq(token, 0);
	ck_assert_int_eq(bell_local_mark(l, token), 1);
	EXPECT_ALL(l, 0);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(marked_often_it_comes_once)
{
	struct bell_local *l = local_of(4, 4);
	int i;

	ck_assert_int_eq(bell_local_mark(l, 2), 1);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bell_local_mark(l, 2), 0);
	ck_assert_uint_eq(bell_local_count(l), 1);
	EXPECT_ALL(l, 2);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(tokens_come_in_the_order_of_their_first_mark)
{
	struct bell_local *l = local_of(8, 8);

	bell_local_mark(l, 5);
	bell_local_mark(l, 0);
	bell_local_mark(l, 7);
	bell_local_mark(l, 5);
	bell_local_mark(l, 3);
	bell_local_mark(l, 0);
	EXPECT_ALL(l, 5, 0, 7, 3);
	bell_local_free(l);
}

START_TEST(a_polled_token_can_be_marked_again_for_ever)
{
	struct bell_local *l = local_of(3, 3);
	int cycle;

	for (cycle = 0; cycle < 1000; cycle++) {
		ck_assert_int_eq(bell_local_mark(l, (uint32_t)cycle % 3), 1);
		ck_assert_int_eq(bell_local_mark(l, (uint32_t)(cycle + 1) % 3), 1);
		EXPECT_ALL(l, (uint32_t)cycle % 3, (uint32_t)(cycle + 1) % 3);
	}
	bell_local_free(l);
}

START_TEST(nothing_marked_is_nothing_polled)
{
	struct bell_local *l = local_of(8, 8);

	expect_none(l);
	ck_assert_uint_eq(bell_local_count(l), 0);
	bell_local_free(l);
}

START_TEST(a_hint_of_0_is_a_queue_that_grows)
{
	struct bell_local *l = local_of(0, 0);
	uint32_t token, i;

	ck_assert_int_eq(bell_local_mark(l, 0), -EINVAL);
	for (i = 0; i < 200; i++) {
		ck_assert_int_eq(bell_local_register(l, &token), 0);
		ck_assert_uint_eq(token, i);
		ck_assert_int_eq(bell_local_mark(l, token), 1);
	}
	ck_assert_uint_eq(bell_local_count(l), 200);
	for (i = 0; i < 200; i++)
		EXPECT_MAX(l, 1, i);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(tokens_beside_a_boundary_of_words_are_like_others)
{
	struct bell_local *l = local_of(0, 129);
	int cycle;

	for (cycle = 0; cycle < 2; cycle++) {
		bell_local_mark(l, 128);
		bell_local_mark(l, 0);
		bell_local_mark(l, 63);
		bell_local_mark(l, 64);
		bell_local_mark(l, 127);
		ck_assert_int_eq(bell_local_mark(l, 64), 0);
		EXPECT_ALL(l, 128, 0, 63, 64, 127);
		expect_none(l);
	}
	bell_local_free(l);
}

START_TEST(what_a_limit_leaves_comes_first_next_time)
{
	struct bell_local *l = local_of(10, 10);
	uint32_t i;

	for (i = 0; i < 10; i++)
		bell_local_mark(l, i);
	EXPECT_MAX(l, 3, 0, 1, 2);
	ck_assert_int_eq(bell_local_mark(l, 5), 0); /* still marked */
	ck_assert_int_eq(bell_local_mark(l, 1), 1); /* behind the rest */
	EXPECT_MAX(l, 4, 3, 4, 5, 6);
	EXPECT_MAX(l, 100, 7, 8, 9, 1);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(a_limit_of_0_takes_nothing_and_loses_nothing)
{
	struct bell_local *l = local_of(4, 4);
	uint32_t token = 77;

	bell_local_mark(l, 3);
	ck_assert_uint_eq(bell_local_poll(l, &token, 0), 0);
	ck_assert_uint_eq(token, 77);
	EXPECT_MAX(l, 1, 3);
	bell_local_free(l);
}

START_TEST(a_limit_above_all_there_is_takes_all_there_is)
{
	struct bell_local *l = local_of(4, 4);
	uint32_t tokens[4];

	bell_local_mark(l, 3);
	bell_local_mark(l, 1);
	ck_assert_uint_eq(bell_local_poll(l, tokens, SIZE_MAX), 2);
	ck_assert_uint_eq(tokens[0], 3);
	ck_assert_uint_eq(tokens[1], 1);
	bell_local_free(l);
}

START_TEST(an_unregistered_token_is_refused_and_changes_nothing)
{
	struct bell_local *l = local_of(64, 3); /* 64: there is room for it, as in a word of bits */
	const uint32_t wrong[] = {3, 4, 63, 64, 1000, UINT32_MAX};
	size_t i;

	bell_local_mark(l, 2);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(bell_local_mark(l, wrong[i]), -EINVAL);
	ck_assert_uint_eq(bell_local_registered(l), 3);
	EXPECT_ALL(l, 2);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(registered_counts_tokens_and_not_room)
{
	struct bell_local *l = local_of(1000, 0);
	uint32_t token;

	ck_assert_int_eq(bell_local_register(l, &token), 0);
	ck_assert_uint_eq(bell_local_registered(l), 1);
	ck_assert_int_eq(bell_local_ensure(l, 9), 0);
	ck_assert_uint_eq(bell_local_registered(l), 10);
	ck_assert_int_eq(bell_local_ensure(l, 4), 0); /* none less */
	ck_assert_uint_eq(bell_local_registered(l), 10);
	ck_assert_int_eq(bell_local_register(l, &token), 0);
	ck_assert_uint_eq(token, 10);
	bell_local_free(l);
}

START_TEST(partial_drains_for_ever_need_no_more_memory)
{
	struct bell_local *l = local_of(64, 64);
	const uint32_t *slots = l->slots;
	uint32_t turn, i, tokens[8];

	for (turn = 0; turn < 20000; turn++) {
		for (i = 0; i < 16; i++)
			bell_local_mark(l, (turn * 7 + i) % 64);
		ck_assert_uint_eq(bell_local_poll(l, tokens, 8), 8);
		ck_assert_uint_le(bell_local_count(l), 64);
	}
	ck_assert_ptr_eq(l->slots, slots);
	ck_assert_uint_eq(l->mask, 63);
	bell_local_free(l);
}

START_TEST(growing_keeps_what_is_marked_in_order)
{
	struct bell_local *l = local_of(16, 16);
	uint32_t i;

	for (i = 0; i < 16; i++)
		bell_local_mark(l, i);
	EXPECT_MAX(l, 4, 0, 1, 2, 3);
	bell_local_mark(l, 1); /* the ring has wrapped */
	bell_local_mark(l, 0);
	ck_assert_int_eq(bell_local_ensure(l, 1000), 0);
	ck_assert_int_eq(bell_local_mark(l, 0), 0);
	ck_assert_int_eq(bell_local_mark(l, 1000), 1);
	ck_assert_int_eq(bell_local_mark(l, 2), 1);
	EXPECT_ALL(l, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 0, 1000, 2);
	expect_none(l);
	bell_local_free(l);
}

START_TEST(positions_may_wrap_round)
{
	struct bell_local *l = local_of(16, 16);
	int cycle;

	l->head = l->tail = UINT32_MAX - 20; /* as after four thousand million marks */
	for (cycle = 0; cycle < 20; cycle++) {
		bell_local_mark(l, 9);
		bell_local_mark(l, 3);
		bell_local_mark(l, 5);
		EXPECT_MAX(l, 2, 9, 3);
		if (cycle == 7)
			ck_assert_int_eq(bell_local_ensure(l, 99), 0);
		EXPECT_ALL(l, 5);
	}
	bell_local_free(l);
}

START_TEST(limits_are_errors_that_change_nothing)
{
	struct bell_local *unchanged = NULL, *l = local_of(4, 2);
	uint32_t token = 77;

	ck_assert_int_eq(bell_local_new(&unchanged, BELL_LOCAL_TOKENS_MAX + 1), -EINVAL);
	ck_assert_int_eq(bell_local_new(&unchanged, UINT32_MAX), -EINVAL);
	ck_assert_ptr_null(unchanged);
	ck_assert_int_eq(bell_local_ensure(l, BELL_LOCAL_TOKENS_MAX), -EINVAL);
	ck_assert_int_eq(bell_local_ensure(l, UINT32_MAX), -EINVAL);
	ck_assert_uint_eq(bell_local_registered(l), 2);
	l->registered = BELL_LOCAL_TOKENS_MAX; /* as if: it would take ten gigabytes */
	ck_assert_int_eq(bell_local_register(l, &token), -ENOSPC);
	ck_assert_uint_eq(token, 77);
	l->registered = 2;
	ck_assert_ptr_null(bell_local_free(l));
	ck_assert_ptr_null(bell_local_free(NULL));
}

START_TEST(no_memory_is_an_error_that_loses_nothing)
{
	struct rlimit limit = {.rlim_cur = 256 << 20, .rlim_max = 256 << 20};
	struct bell_local *unchanged = NULL, *l = local_of(4, 4);

	if (!HELPERS_SANITIZED) {
		bell_local_mark(l, 2);
		ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
		ck_assert_int_eq(bell_local_ensure(l, BELL_LOCAL_TOKENS_MAX - 1), -ENOMEM);
		ck_assert_int_eq(bell_local_new(&unchanged, BELL_LOCAL_TOKENS_MAX), -ENOMEM);
		ck_assert_ptr_null(unchanged);
		ck_assert_uint_eq(bell_local_registered(l), 4);
		EXPECT_ALL(l, 2);
	}
	bell_local_free(l);
}

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long all, resident = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident;
}

/* 64 million tokens are 320 MB; whoever goes through them, or through their flags, makes them real. */
START_TEST(mark_and_poll_touch_only_what_is_marked)
{
	struct bell_local *l = local_of(0, 1 << 26);
	long before = resident_pages();
	uint32_t i, tokens[1000], marked = 0, polled = 0;

	for (i = 0; i < 100; i++) {
		marked += bell_local_mark(l, i * 600000) == 1;
		polled += (uint32_t)bell_local_poll(l, tokens, 1000);
	}
	ck_assert_uint_eq(marked, 100);
	ck_assert_uint_eq(polled, 100);
	if (!HELPERS_SANITIZED)
		ck_assert_int_lt(resident_pages() - before, 300);
	bell_local_free(l);
}

/* Whatever is done: the same as with a list that is searched. */
START_TEST(it_is_a_list_of_what_is_marked)
{
	struct bell_local *l = local_of(0, 1);
	uint32_t list[512], n = 0, tokens = 1, token, i, got[512];
	uint64_t seed = 1 + (uint64_t)_i;
	size_t polled;
	int step;

	for (step = 0; step < 20000; step++) {
		const uint32_t what = dice(&seed) % 100;

		if (what < 70) {
			token = dice(&seed) % tokens;
			for (i = 0; i < n && list[i] != token; i++)
				;
			ck_assert_int_eq(bell_local_mark(l, token), i == n);
			if (i == n)
				list[n++] = token;
		} else if (what < 99) {
			polled = bell_local_poll(l, got, what - 70);
			ck_assert_uint_eq(polled, n < what - 70 ? n : what - 70);
			ck_assert_int_eq(memcmp(got, list, polled * sizeof(*got)), 0);
			n -= (uint32_t)polled;
			memmove(list, list + polled, n * sizeof(*list));
		} else if (tokens < 512) {
			ck_assert_int_eq(bell_local_register(l, &token), 0);
			ck_assert_uint_eq(token, tokens++);
		}
		ck_assert_uint_eq(bell_local_count(l), n);
	}
	bell_local_free(l);
}

int main(void)
{
	Suite *s = suite_create("local");
	TCase *tc = runner_case(s, "local", 60);

	tcase_add_test(tc, a_registered_token_is_marked_and_polled);
	tcase_add_test(tc, marked_often_it_comes_once);
	tcase_add_test(tc, tokens_come_in_the_order_of_their_first_mark);
	tcase_add_test(tc, a_polled_token_can_be_marked_again_for_ever);
	tcase_add_test(tc, nothing_marked_is_nothing_polled);
	tcase_add_test(tc, a_hint_of_0_is_a_queue_that_grows);
	tcase_add_test(tc, tokens_beside_a_boundary_of_words_are_like_others);
	tcase_add_test(tc, what_a_limit_leaves_comes_first_next_time);
	tcase_add_test(tc, a_limit_of_0_takes_nothing_and_loses_nothing);
	tcase_add_test(tc, a_limit_above_all_there_is_takes_all_there_is);
	tcase_add_test(tc, an_unregistered_token_is_refused_and_changes_nothing);
	tcase_add_test(tc, registered_counts_tokens_and_not_room);
	tcase_add_test(tc, partial_drains_for_ever_need_no_more_memory);
	tcase_add_test(tc, growing_keeps_what_is_marked_in_order);
	tcase_add_test(tc, positions_may_wrap_round);
	tcase_add_test(tc, limits_are_errors_that_change_nothing);
	tcase_add_test(tc, no_memory_is_an_error_that_loses_nothing);
	tcase_add_test(tc, mark_and_poll_touch_only_what_is_marked);
	tcase_add_loop_test(tc, it_is_a_list_of_what_is_marked, 0, 4);
	return runner_run(s);
}
