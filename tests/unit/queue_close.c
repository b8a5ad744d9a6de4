/* SPDX-License-Identifier: MIT
 *
 * close in every state of the queue: nothing is accepted any more, nothing that was is lost, and the
 * receiver learns it through the fd, in arm, after the last token.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "helpers.h"

/* Every way to notify is refused, again and again, and leaves nothing behind. */
static void expect_refusals(struct bell_queue *q)
{
	uint32_t token, tokens[200];
	size_t wrong = 0;
	int again;

	for (token = 0; token < 200; token++)
		tokens[token] = token % bell_queue_capacity(q);
	for (again = 0; again < 3; again++) {
		for (token = 0; token < bell_queue_capacity(q); token++)
			wrong += bell_queue_notify(q, token) != -ESHUTDOWN;
		wrong += bell_queue_notify(q, token) != -EINVAL;
		wrong += bell_queue_notify(q, UINT32_MAX) != -EINVAL;
		wrong += bell_queue_notify_many(q, tokens, 200) != -ESHUTDOWN;
		tokens[150] = UINT32_MAX;
		wrong += bell_queue_notify_many(q, tokens, 200) != -EINVAL;
		tokens[150] = 0;
	}
	ck_assert_uint_eq(wrong, 0);
}

/* And it stays so, however often the receiver asks. */
static void expect_shutdown(struct bell_queue *q)
{
	size_t wrong = 0;
	int again;

	for (again = 0; again < 200; again++) {
		uint32_t token;

		wrong += bell_queue_arm(q) != -ESHUTDOWN;
		wrong += !fd_readable(bell_queue_fd(q));
		wrong += bell_queue_wait(q, &token, 1, again % 2 ? -1 : 0) != -ESHUTDOWN;
		wrong += !fd_readable(bell_queue_fd(q));
		wrong += bell_queue_poll(q, &token, 1) != 0;
	}
	ck_assert_uint_eq(wrong, 0);
	expect_refusals(q);
	bell_queue_unref(q);
}

START_TEST(close_before_any_notify_wakes_the_armed_receiver)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);

	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_int_eq(bell_queue_close(q), 0);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	close(epfd);
	expect_shutdown(q);
}

START_TEST(close_while_armed_again_wakes_the_receiver)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);

	bell_queue_notify(q, 1);
	EXPECT(q, 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(loop_events(epfd), 0);
	bell_queue_close(q);
	ck_assert_int_eq(loop_events(epfd), 1);
	close(epfd);
	expect_shutdown(q);
}

START_TEST(close_while_awake_makes_no_ring_and_leaves_the_fd_readable)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_notify(q, 1);
	EXPECT(q, 1);
	ck_assert_int_eq(bell_queue_close(q), 0);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	expect_shutdown(q);
}

START_TEST(tokens_queued_before_close_are_delivered_first)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t token;

	bell_queue_notify_many(q, (uint32_t[]){5, 6, 7}, 3);
	bell_queue_close(q);
	expect_refusals(q);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	ck_assert(fd_readable(bell_queue_fd(q)));
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	ck_assert_uint_eq(token, 5);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	ck_assert_uint_eq(token, 6);
	expect_refusals(q);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	EXPECT(q, 7);
	expect_shutdown(q);
}

START_TEST(a_token_polled_before_close_is_refused_after)
{
	struct bell_queue *q = queue_of(1, mode_of(_i));

	bell_queue_notify(q, 0);
	EXPECT(q, 0);
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_notify(q, 0), -ESHUTDOWN);
	expect_shutdown(q);
}

START_TEST(closing_twice_is_closing_once)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	ck_assert_int_eq(bell_queue_close(q), 0);
	ck_assert_int_eq(bell_queue_close(q), 0);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	ck_assert_int_eq(bell_queue_close(q), 0);
	expect_shutdown(q);
}

START_TEST(the_counters_stand_still_after_close)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct bell_queue_stats s;

	bell_queue_notify(q, 3);
	bell_queue_close(q);
	EXPECT(q, 3);
	expect_refusals(q);
	s = stats_of(q);
	ck_assert_uint_eq(s.notified, 1);
	ck_assert_uint_eq(s.delivered, 1);
	ck_assert_uint_le(s.rings, s.arms + 1);
	expect_shutdown(q);
}

static void *close_soon(void *q)
{
	sleep_ms(30);
	bell_queue_close(q);
	return bell_queue_unref(q);
}

START_TEST(close_wakes_a_receiver_blocked_in_epoll)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);
	struct epoll_event ev;
	pthread_t closer = spawn(close_soon, bell_queue_ref(q));

	ck_assert_int_eq(epoll_wait(epfd, &ev, 1, -1), 1);
	expect_nothing(q);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	join(closer);
	close(epfd);
	expect_shutdown(q);
}

START_TEST(close_wakes_a_receiver_blocked_in_wait)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	pthread_t closer = spawn(close_soon, bell_queue_ref(q));
	uint32_t token;

	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), -ESHUTDOWN);
	join(closer);
	expect_shutdown(q);
}

int main(void)
{
	Suite *s = suite_create("queue close");
	TCase *tc = runner_case(s, "queue close", 30);

	add_in_all_modes(tc, close_before_any_notify_wakes_the_armed_receiver);
	add_in_all_modes(tc, close_while_armed_again_wakes_the_receiver);
	add_in_all_modes(tc, close_while_awake_makes_no_ring_and_leaves_the_fd_readable);
	add_in_all_modes(tc, tokens_queued_before_close_are_delivered_first);
	add_in_all_modes(tc, a_token_polled_before_close_is_refused_after);
	add_in_all_modes(tc, closing_twice_is_closing_once);
	add_in_all_modes(tc, the_counters_stand_still_after_close);
	add_in_all_modes(tc, close_wakes_a_receiver_blocked_in_epoll);
	add_in_all_modes(tc, close_wakes_a_receiver_blocked_in_wait);
	return runner_run(s);
}
