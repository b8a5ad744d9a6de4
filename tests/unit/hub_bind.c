/* SPDX-License-Identifier: MIT
 *
 * Waiters without a thread: their end is a token of a queue.
 */
#include "hub_helpers.h"

START_TEST(a_bound_waiter_notifies_its_token)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_queue *q = queue_of(8, 0);
	struct bell_hub_waiter w[2];
	int64_t value = 0;

	ck_assert_int_eq(bell_hub_bind(hub, h, &w[0], q, 3), 0);
	ck_assert_int_eq(bell_hub_bind(hub, h, &w[1], q, 5), 0);
	ck_assert_int_eq(bell_hub_result(hub, &w[0], &value), -EAGAIN);
	ck_assert_int_eq(bell_hub_wait(hub, &w[0], -1, &value), -EINVAL);
	ck_assert(!fd_readable(bell_queue_fd(q)));
	ck_assert_int_eq(bell_hub_notify(hub, h, 11), 2);
	ck_assert(fd_readable(bell_queue_fd(q)));
	EXPECT(q, 3, 5);
	ck_assert_int_eq(bell_hub_result(hub, &w[0], &value), 0);
	ck_assert_int_eq(value, 11);
	ck_assert_int_eq(bell_hub_result(hub, &w[0], &value), -EINVAL); /* it has ended */
	ck_assert_int_eq(bell_hub_result(hub, &w[1], &value), 0);
	ck_assert_int_eq(bell_hub_bind(hub, h, &w[0], q, 4), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	EXPECT(q, 4);
	ck_assert_int_eq(bell_hub_result(hub, &w[0], &value), -ECANCELED);
	bell_queue_unref(q);
	bell_hub_unref(hub);
}

START_TEST(a_token_beyond_the_queue_is_refused)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_queue *q = queue_of(8, 0);
	struct bell_hub_waiter w;

	ck_assert_int_eq(bell_hub_bind(hub, h, &w, q, 8), -EINVAL);
	ck_assert_int_eq(bell_hub_result(hub, &w, NULL), -EINVAL);
	bell_hub_cancel(hub, &w);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	bell_queue_unref(q);
	bell_hub_unref(hub);
}

START_TEST(a_bound_waiter_keeps_its_queue)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_queue *q = queue_of(8, 0);
	struct bell_hub_waiter w;

	ck_assert_int_eq(bell_hub_bind(hub, h, &w, q, 1), 0);
	bell_queue_unref(q); /* ours; under AddressSanitizer a use after free shows */
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1);
	if (_i == 0)
		ck_assert_int_eq(bell_hub_result(hub, &w, NULL), 0);
	else
		bell_hub_cancel(hub, &w);
	bell_hub_unref(hub);
}

/* The seed's: one waiter whose loop is closed made notify fail, and all others got nothing. */
START_TEST(a_waiter_with_a_closed_queue_does_not_stop_the_others)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_queue *closed = queue_of(8, 0), *open = queue_of(8, 0);
	struct bell_client *client = client_of(hub, 1);
	struct bell_hub_waiter w[3];
	uint32_t id;

	ck_assert_int_eq(bell_hub_bind(hub, h, &w[0], closed, 0), 0);
	ck_assert_int_eq(bell_hub_bind(hub, h, &w[1], open, 1), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w[2]), 0);
	id = subscribed(client, h, 1, BELL_DROP_NEWEST);
	bell_queue_close(closed);
	ck_assert_int_eq(bell_hub_notify(hub, h, 6), 4);
	EXPECT(open, 1);
	expect_value(client, id, 6, 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w[2], -1, NULL), 0);
	ck_assert_int_eq(bell_hub_result(hub, &w[0], NULL), 0);
	ck_assert_int_eq(bell_hub_result(hub, &w[1], NULL), 0);
	bell_client_free(client);
	bell_queue_unref(open);
	bell_queue_unref(closed);
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub bind");
	TCase *tc = runner_case(s, "hub bind", 60);

	tcase_add_test(tc, a_bound_waiter_notifies_its_token);
	tcase_add_test(tc, a_token_beyond_the_queue_is_refused);
	tcase_add_loop_test(tc, a_bound_waiter_keeps_its_queue, 0, 2);
	tcase_add_test(tc, a_waiter_with_a_closed_queue_does_not_stop_the_others);
	return runner_run(s);
}
