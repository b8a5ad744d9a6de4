/* SPDX-License-Identifier: MIT
 *
 * notify_many: as that many notifies, all or nothing on a bad token, and one ring at most.
 */
#include <limits.h>
#include <string.h>

#include "helpers.h"

enum { MANY = 3000 };

START_TEST(many_tokens_come_in_their_order_with_one_ring)
{
	static const size_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000, MANY};
	static uint32_t tokens[MANY], got[MANY + 1];
	struct bell_queue *q;
	size_t i, j, n, wrong;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		n = sizes[i];
		wrong = 0;
		q = queue_of(MANY, mode_of(_i));
		for (j = 0; j < n; j++)
			tokens[j] = (uint32_t)(n - 1 - j);
		ck_assert_int_eq(bell_queue_notify_many(q, tokens, n), (int)n);
		ck_assert_uint_eq(fd_count(bell_queue_fd(q)), 1);
		ck_assert_uint_eq(stats_of(q).rings, 1);
		ck_assert_uint_eq(bell_queue_poll(q, got, MANY + 1), n);
		for (j = 0; j < n; j++)
			wrong += got[j] != tokens[j];
		ck_assert_uint_eq(wrong, 0);
		bell_queue_unref(q);
	}
}

START_TEST(a_token_that_stands_there_twice_is_delivered_once)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	ck_assert_int_eq(bell_queue_notify_many(q, (uint32_t[]){3, 1, 3, 3, 2, 1}, 6), 3);
	EXPECT(q, 3, 1, 2);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(tokens_already_queued_are_not_counted_and_keep_their_place)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_notify(q, 4);
	ck_assert_int_eq(bell_queue_notify_many(q, (uint32_t[]){1, 4, 2}, 3), 2);
	ck_assert_int_eq(bell_queue_notify_many(q, (uint32_t[]){1, 4, 2}, 3), 0);
	ck_assert_int_eq(bell_queue_notify(q, 2), 0);
	EXPECT(q, 4, 1, 2);
	bell_queue_unref(q);
}

/* A thousand duplicates before the first new token. */
START_TEST(a_new_token_behind_many_old_ones_is_queued)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t tokens[1001];
	size_t i;

	for (i = 0; i < 1000; i++)
		tokens[i] = i % 4;
	tokens[1000] = 7;
	ck_assert_int_eq(bell_queue_notify_many(q, tokens, 1000), 4);
	ck_assert_int_eq(bell_queue_notify_many(q, tokens, 1001), 1);
	EXPECT(q, 0, 1, 2, 3, 7);
	bell_queue_unref(q);
}

/* As that many notifies, whatever is queued already, and however often a token stands there. */
START_TEST(any_mixture_is_queued_as_by_so_many_notifies)
{
	static uint32_t tokens[2 * MANY], got[MANY + 1], expected[MANY + 1];
	static bool queued[MANY];
	struct bell_queue *q = queue_of(MANY, mode_of(_i));
	uint32_t dice = 1, round, token, n, i;
	size_t have, before, wrong = 0;

	for (round = 0; round < 300; round++) {
		memset(queued, 0, sizeof(queued));
		have = 0;
		for (token = 0; token < MANY; token++) { /* from none to all, in runs of any length */
			if (token % (1 + round % 7) == 0)
				dice = dice * 1103515245 + 12345;
			if (dice >> 24 < round && bell_queue_notify(q, token) == 1) {
				expected[have++] = token;
				queued[token] = true;
			}
		}
		before = have;
		n = round % 2 ? MANY : 2 * MANY;
		for (i = 0; i < n; i++) {
			dice = dice * 1103515245 + 12345;
			token = round % 3 ? i % MANY : (dice >> 8) % MANY;
			tokens[i] = token;
			if (!queued[token]) {
				expected[have++] = token;
				queued[token] = true;
			}
		}
		wrong += bell_queue_notify_many(q, tokens, n) != (int)(have - before);
		wrong += bell_queue_poll(q, got, MANY + 1) != have;
		wrong += memcmp(got, expected, have * sizeof(*got)) != 0;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(q->marks, 0);
	bell_queue_unref(q);
}

START_TEST(no_tokens_are_no_error_and_no_ring)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token = 0;

	ck_assert_int_eq(bell_queue_notify_many(q, &token, 0), 0);
	ck_assert_uint_eq(stats_of(q).rings, 0);
	expect_nothing(q);
	bell_queue_unref(q);
}

/* So a loop that has nothing to poll, and does not want to sleep, learns the end. */
START_TEST(no_tokens_ask_whether_it_is_closed)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	ck_assert_int_eq(bell_queue_notify_many(q, NULL, 0), 0);
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_notify_many(q, NULL, 0), -ESHUTDOWN);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_notify_many(q, NULL, 0), -ESHUTDOWN);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_uint_eq(stats_of(q).arms, 0);
	bell_queue_unref(q);
}

START_TEST(one_bad_token_means_that_nothing_is_notified)
{
	struct bell_queue *q = queue_of(200, mode_of(_i));
	uint32_t tokens[150], at, i;
	size_t wrong = 0;

	for (at = 0; at < 150; at++) {
		for (i = 0; i < 150; i++)
			tokens[i] = i;
		tokens[at] = at % 2 ? 200 : UINT32_MAX;
		wrong += bell_queue_notify_many(q, tokens, 150) != -EINVAL;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(stats_of(q).notified, 0);
	ck_assert(!fd_readable(bell_queue_fd(q)));
	for (i = 0; i < 150; i++)
		wrong += bell_queue_notify(q, i) != 1; /* no flag was left up */
	ck_assert_uint_eq(wrong, 0);
	bell_queue_unref(q);
}

START_TEST(more_than_int_max_tokens_are_refused_unread)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token = 0;

	ck_assert_int_eq(bell_queue_notify_many(q, &token, (size_t)INT_MAX + 1), -EINVAL);
	ck_assert_int_eq(bell_queue_notify_many(q, &token, SIZE_MAX), -EINVAL);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(an_awake_receiver_is_not_rung)
{
	struct bell_queue *q = queue_of(200, mode_of(_i));
	uint32_t tokens[150], i;

	for (i = 0; i < 150; i++)
		tokens[i] = i + 1;
	bell_queue_notify(q, 0);
	EXPECT(q, 0);
	ck_assert_int_eq(bell_queue_notify_many(q, tokens, 150), 150);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_uint_eq(fd_count(bell_queue_fd(q)), 1);
	bell_queue_unref(q);
}

START_TEST(the_ring_wraps_inside_of_a_batch)
{
	struct bell_queue *q = queue_of(100, mode_of(_i)); /* 128 slots */
	uint32_t tokens[100], got[100], i, round;
	size_t wrong = 0;

	for (round = 0; round < 500; round++) {
		for (i = 0; i < 100; i++)
			tokens[i] = (i * 7 + round) % 100;
		wrong += bell_queue_notify_many(q, tokens, 100) != 100;
		wrong += bell_queue_poll(q, got, 100) != 100;
		for (i = 0; i < 100; i++)
			wrong += got[i] != tokens[i];
	}
	ck_assert_uint_eq(wrong, 0);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("queue many");
	TCase *tc = runner_case(s, "queue many", 30);

	add_in_all_modes(tc, many_tokens_come_in_their_order_with_one_ring);
	add_in_all_modes(tc, a_token_that_stands_there_twice_is_delivered_once);
	add_in_all_modes(tc, tokens_already_queued_are_not_counted_and_keep_their_place);
	add_in_all_modes(tc, a_new_token_behind_many_old_ones_is_queued);
	add_in_all_modes(tc, any_mixture_is_queued_as_by_so_many_notifies);
	add_in_all_modes(tc, no_tokens_are_no_error_and_no_ring);
	add_in_all_modes(tc, no_tokens_ask_whether_it_is_closed);
	add_in_all_modes(tc, one_bad_token_means_that_nothing_is_notified);
	add_in_all_modes(tc, more_than_int_max_tokens_are_refused_unread);
	add_in_all_modes(tc, an_awake_receiver_is_not_rung);
	add_in_all_modes(tc, the_ring_wraps_inside_of_a_batch);
	return runner_run(s);
}
