/* SPDX-License-Identifier: MIT
 *
 * What goes in comes out: once, oldest first, as much as was asked for. One thread, all modes.
 */
#include <stdlib.h>
#include <string.h>

#include "helpers.h"

START_TEST(a_notified_token_is_polled)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));

	ck_assert_int_eq(bell_queue_notify(q, 42), 1);
	EXPECT(q, 42);
	bell_queue_unref(q);
}

START_TEST(a_new_queue_polls_nothing)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));

	expect_nothing(q);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(tokens_come_in_the_order_of_their_notification)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));

	ck_assert_int_eq(bell_queue_notify(q, 63), 1);
	ck_assert_int_eq(bell_queue_notify(q, 0), 1);
	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	EXPECT(q, 63, 0, 3);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(a_hundred_notifies_are_delivered_once)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));
	int i;

	ck_assert_int_eq(bell_queue_notify(q, 7), 1);
	for (i = 1; i < 100; i++)
		ck_assert_int_eq(bell_queue_notify(q, 7), 0);
	EXPECT(q, 7);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(a_conflated_notify_does_not_move_its_token_back)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_notify(q, 5);
	bell_queue_notify(q, 6);
	ck_assert_int_eq(bell_queue_notify(q, 5), 0);
	EXPECT(q, 5, 6);
	bell_queue_unref(q);
}

START_TEST(a_polled_token_can_be_notified_again)
{
	struct bell_queue *q = queue_of(64, mode_of(_i));
	int cycle;

	for (cycle = 0; cycle < 10; cycle++) {
		ck_assert_int_eq(bell_queue_notify(q, 9), 1);
		ck_assert_int_eq(bell_queue_notify(q, 9), 0);
		EXPECT(q, 9);
	}
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(a_poll_writes_no_more_than_it_returns)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t tokens[4] = {77, 77, 77, 77};

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 4), 2);
	ck_assert_uint_eq(tokens[0], 1);
	ck_assert_uint_eq(tokens[1], 2);
	ck_assert_uint_eq(tokens[2], 77);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 4), 0);
	ck_assert_uint_eq(tokens[0], 1);
	bell_queue_unref(q);
}

/* Polls of the given sizes, of ten tokens queued in order; each gets what is left of them. */
static void poll_in_parts(unsigned mode, const size_t *parts, size_t n)
{
	struct bell_queue *q = queue_of(16, mode);
	uint32_t tokens[32], i, next = 0;
	size_t part, want, got;

	for (i = 0; i < 10; i++)
		bell_queue_notify(q, i);
	for (part = 0; part < n; part++) {
		want = parts[part] < 10 - next ? parts[part] : 10 - next;
		got = bell_queue_poll(q, tokens, parts[part]);
		ck_assert_uint_eq(got, want);
		for (i = 0; i < got; i++)
			ck_assert_uint_eq(tokens[i], next++);
	}
	bell_queue_unref(q);
}

START_TEST(what_max_leaves_behind_stays_queued_in_order)
{
	poll_in_parts(mode_of(_i), (size_t[]){3, 7}, 2);
	poll_in_parts(mode_of(_i), (size_t[]){3, 3, 32, 1}, 4);
	poll_in_parts(mode_of(_i), (size_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 11);
	poll_in_parts(mode_of(_i), (size_t[]){SIZE_MAX, SIZE_MAX}, 2);
}

START_TEST(a_poll_for_nothing_takes_nothing)
{
	struct bell_queue *q = queue_of(4, mode_of(_i));
	uint32_t token = 77;

	ck_assert_uint_eq(bell_queue_poll(q, &token, 0), 0);
	bell_queue_notify(q, 1);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 0), 0);
	ck_assert_uint_eq(token, 77);
	ck_assert_int_eq(bell_queue_notify(q, 1), 0);
	EXPECT(q, 1);
	bell_queue_unref(q);
}

START_TEST(a_token_left_behind_conflates_and_a_polled_one_does_not)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t tokens[2];

	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	bell_queue_notify(q, 3);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 2), 2);
	ck_assert_int_eq(bell_queue_notify(q, 3), 0);
	ck_assert_int_eq(bell_queue_notify(q, 1), 1);
	EXPECT(q, 3, 1);
	bell_queue_unref(q);
}

START_TEST(a_full_queue_drains_and_fills_again_in_reverse)
{
	struct bell_queue *q = queue_of(100, mode_of(_i));
	uint32_t tokens[101], i;
	size_t wrong = 0;

	for (i = 0; i < 100; i++)
		wrong += bell_queue_notify(q, i) != 1;
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 101), 100);
	for (i = 0; i < 100; i++)
		wrong += tokens[i] != i;
	for (i = 100; i-- > 0;)
		wrong += bell_queue_notify(q, i) != 1;
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 101), 100);
	for (i = 0; i < 100; i++)
		wrong += tokens[i] != 99 - i;
	ck_assert_uint_eq(wrong, 0);
	bell_queue_unref(q);
}

START_TEST(a_token_out_of_range_is_refused_and_changes_nothing)
{
	struct bell_queue *q = queue_of(5, mode_of(_i)); /* the ring has 8 slots */
	static const uint32_t bad[] = {5, 6, 8, INT32_MAX, UINT32_C(1) << 31, UINT32_MAX};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(bell_queue_notify(q, bad[i]), -EINVAL);
	ck_assert_uint_eq(stats_of(q).notified, 0);
	ck_assert_uint_eq(stats_of(q).rings, 0);
	ck_assert(!fd_readable(bell_queue_fd(q)));
	expect_nothing(q);
	ck_assert_int_eq(bell_queue_notify(q, 4), 1);
	EXPECT(q, 4);
	bell_queue_unref(q);
}

static const uint32_t capacities[] = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 100, 4096};

/* The queue as it would be written without threads: a list and a mark for each token. */
struct model {
	uint32_t fifo[4096];
	bool queued[4096];
	size_t n;
};

static int model_notify(struct model *m, uint32_t token)
{
	if (m->queued[token])
		return 0;
	m->queued[token] = true;
	m->fifo[m->n++] = token;
	return 1;
}

static size_t model_poll(struct model *m, uint32_t *tokens, size_t max)
{
	size_t i, n = max < m->n ? max : m->n;

	memcpy(tokens, m->fifo, n * sizeof(*tokens));
	for (i = 0; i < n; i++)
		m->queued[tokens[i]] = false;
	m->n -= n;
	memmove(m->fifo, m->fifo + n, m->n * sizeof(*tokens));
	return n;
}

/* Many laps of the ring, at all fill levels, with the lap bit in every state. */
START_TEST(any_mix_of_calls_does_what_a_plain_list_does)
{
	const uint32_t capacity = capacities[_i / 4];
	struct bell_queue *q = queue_of(capacity, mode_of(_i % 4));
	static struct model m;
	static uint32_t got[4097], want[4097];
	uint64_t seed = capacity;
	size_t wrong = 0, max, n;
	int turn;

	memset(&m, 0, sizeof(m)); /* unforked, the loop's last turn has left it full */
	for (turn = 0; turn < 40000; turn++) {
		uint32_t token = dice(&seed) % capacity;

		if (dice(&seed) % (capacity + 1)) {
			wrong += bell_queue_notify(q, token) != model_notify(&m, token);
			continue;
		}
		max = dice(&seed) % (capacity + 2);
		n = bell_queue_poll(q, got, max);
		wrong += n != model_poll(&m, want, max);
		wrong += memcmp(got, want, n * sizeof(*got)) != 0;
		wrong += bell_queue_arm(q) != (m.n == 0);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(stats_of(q).notified - stats_of(q).delivered, m.n);
	bell_queue_unref(q);
}

START_TEST(the_ring_wraps_over_a_thousand_laps)
{
	const uint32_t capacity = capacities[_i / 2];
	struct bell_queue *q = queue_of(capacity, mode_of(_i % 2 * 2));
	uint32_t tokens[8], t;
	size_t wrong = 0;
	int lap;

	for (lap = 0; lap < 8000; lap++) { /* one at a time: each position is the head once */
		t = (uint32_t)lap % capacity;
		wrong += bell_queue_notify(q, t) != 1;
		wrong += bell_queue_poll(q, tokens, 8) != 1 || tokens[0] != t;
		wrong += bell_queue_poll(q, tokens, 8) != 0;
	}
	for (lap = 0; lap < 8000; lap++) { /* always full */
		for (t = 0; t < capacity; t++)
			wrong += bell_queue_notify(q, (t + (uint32_t)lap) % capacity) != 1;
		wrong += bell_queue_notify(q, 0) != 0;
		wrong += bell_queue_poll(q, tokens, 8) != capacity;
		for (t = 0; t < capacity; t++)
			wrong += tokens[t] != (t + (uint32_t)lap) % capacity;
	}
	ck_assert_uint_eq(wrong, 0);
	bell_queue_unref(q);
}

START_TEST(the_counters_tell_what_happened)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct bell_queue_stats s = stats_of(q);
	uint32_t tokens[8];

	ck_assert_uint_eq(s.notified + s.delivered + s.arms + s.rings, 0);
	ck_assert_uint_eq(s.holes + s.reads + s.kicks + s.heals, 0);
	bell_queue_notify(q, 1);
	bell_queue_notify(q, 1);
	bell_queue_notify(q, 2);
	s = stats_of(q);
	ck_assert_uint_eq(s.notified, 2);
	ck_assert_uint_eq(s.delivered, 0);
	ck_assert_uint_eq(s.rings, 1);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 8), 2);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	s = stats_of(q);
	ck_assert_uint_eq(s.notified, 2);
	ck_assert_uint_eq(s.delivered, 2);
	ck_assert_uint_eq(s.arms, 1);
	ck_assert_uint_eq(s.reads, mode_of(_i) & BELL_QUEUE_EDGE ? 0 : 1);
	ck_assert_uint_eq(s.kicks + s.holes + s.heals, 0);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = runner_case(s, "queue", 30);

	add_in_all_modes(tc, a_notified_token_is_polled);
	add_in_all_modes(tc, a_new_queue_polls_nothing);
	add_in_all_modes(tc, tokens_come_in_the_order_of_their_notification);
	add_in_all_modes(tc, a_hundred_notifies_are_delivered_once);
	add_in_all_modes(tc, a_conflated_notify_does_not_move_its_token_back);
	add_in_all_modes(tc, a_polled_token_can_be_notified_again);
	add_in_all_modes(tc, a_poll_writes_no_more_than_it_returns);
	add_in_all_modes(tc, what_max_leaves_behind_stays_queued_in_order);
	add_in_all_modes(tc, a_poll_for_nothing_takes_nothing);
	add_in_all_modes(tc, a_token_left_behind_conflates_and_a_polled_one_does_not);
	add_in_all_modes(tc, a_full_queue_drains_and_fills_again_in_reverse);
	add_in_all_modes(tc, a_token_out_of_range_is_refused_and_changes_nothing);
	tcase_add_loop_test(tc, any_mix_of_calls_does_what_a_plain_list_does, 0,
		4 * sizeof(capacities) / sizeof(*capacities));
	tcase_add_loop_test(tc, the_ring_wraps_over_a_thousand_laps, 0, 2 * 7); /* up to 8 tokens */
	add_in_all_modes(tc, the_counters_tell_what_happened);
	return runner_run(s);
}
