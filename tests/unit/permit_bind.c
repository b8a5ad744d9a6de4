/* SPDX-License-Identifier: MIT
 *
 * Waiters that are bound to a token of a queue: a notification becomes a token, once; the queue
 * lives as long as one may come; and in a loop nothing is lost.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "helpers.h"

static struct bell_permit permit;
static struct bell_queue *q;
static struct bell_waiter w[40];

static void set_up(void)
{
	permit = (struct bell_permit){0};
	q = queue_of(64, 0);
}

static void tear_down(void)
{
	q = bell_queue_unref(q);
}

static void bind(unsigned first, unsigned last)
{
	for (; first <= last; first++) {
		bell_permit_prepare(&permit, &w[first]);
		ck_assert_int_eq(bell_permit_bind(&permit, &w[first], q, first), 0);
	}
}

#define READY(i)   ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 1)
#define PENDING(i) ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 0)

static uint32_t refs(struct bell_queue *of)
{
	return bell_load_relaxed(&of->refs);
}

START_TEST(a_notification_becomes_a_token)
{
	bind(3, 4);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 1);
	EXPECT(q, 3);
	PENDING(4);
	READY(3);
	ck_assert_int_eq(bell_permit_notify_last(&permit), 1);
	EXPECT(q, 4);
	READY(4);
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(a_broadcast_becomes_a_token_for_each)
{
	uint32_t tokens[64], i;

	bind(0, 39);
	ck_assert_uint_eq(refs(q), 41);
	ck_assert_int_eq(bell_permit_notify_all(&permit), 40);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 64), 40);
	for (i = 0; i < 40; i++) {
		ck_assert_uint_eq(tokens[i], i);
		READY(i);
	}
	expect_nothing(q);
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(who_is_notified_already_gets_no_token)
{
	bell_permit_notify_one(&permit);
	bell_permit_prepare(&permit, &w[0]);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 0), 1);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 0), 1);
	bell_permit_prepare(&permit, &w[1]);
	bell_permit_notify_all(&permit);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[1], q, 1), 1);
	expect_nothing(q);
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(the_last_binding_counts)
{
	struct bell_queue *other = queue_of(8, 0);

	bind(0, 0);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], other, 7), 0);
	ck_assert_uint_eq(refs(q), 1);
	ck_assert_uint_eq(refs(other), 2);
	bell_permit_notify_one(&permit);
	expect_nothing(q);
	EXPECT(other, 7);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 0), 1); /* too late */
	ck_assert_uint_eq(refs(q), 1);
	ck_assert_uint_eq(refs(other), 1);
	bell_queue_unref(other);
}

START_TEST(one_that_is_queued_already_keeps_its_place_when_bound)
{
	bell_permit_prepare(&permit, &w[0]);
	PENDING(0);
	bind(1, 1);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 9), 0);
	bell_permit_notify_one(&permit);
	EXPECT(q, 9);
	READY(0);
	bell_permit_cancel(&permit, &w[1]);
}

START_TEST(one_that_was_chosen_before_it_is_bound_is_told_at_once)
{
	bell_permit_prepare(&permit, &w[0]);
	PENDING(0);
	bell_permit_notify_one(&permit);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 0), 1);
	expect_nothing(q);
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(what_is_not_a_token_is_refused)
{
	struct bell_queue *single = queue_of(8, BELL_QUEUE_SINGLE_PRODUCER);

	bell_permit_notify_one(&permit);
	bell_permit_prepare(&permit, &w[0]);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 64), -EINVAL);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, UINT32_MAX), -EINVAL);
	if (bell_queue_flags(single) & BELL_QUEUE_SINGLE_PRODUCER)
		ck_assert_int_eq(bell_permit_bind(&permit, &w[0], single, 0), -EINVAL);
	ck_assert_uint_eq(refs(q), 1);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], q, 63), 1); /* nothing was used up */
	bell_queue_unref(single);
}

START_TEST(cancelling_gives_the_reference_back_and_no_token_comes)
{
	bind(0, 2);
	bell_permit_cancel(&permit, &w[1]);
	ck_assert_uint_eq(refs(q), 3);
	bell_permit_notify_all(&permit);
	EXPECT(q, 0, 2);
	bell_permit_cancel(&permit, &w[0]);
	bell_permit_cancel(&permit, &w[2]);
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(who_was_chosen_and_cancels_hands_on_by_a_token)
{
	bind(0, 2);
	bell_permit_notify_last(&permit);
	EXPECT(q, 2);
	bell_permit_cancel(&permit, &w[2]);
	EXPECT(q, 1);
	bell_permit_cancel(&permit, &w[1]);
	EXPECT(q, 0);
	bell_permit_cancel(&permit, &w[0]);
	bell_permit_prepare(&permit, &w[0]);
	READY(0); /* stored in the end */
	ck_assert_uint_eq(refs(q), 1);
}

START_TEST(a_wait_unbinds)
{
	bind(0, 0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], 1000), -ETIMEDOUT);
	ck_assert_uint_eq(refs(q), 1);
	ck_assert_int_eq(bell_permit_notify_one(&permit), 0);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[0], -1), 0);
	expect_nothing(q);

	bind(1, 1);
	bell_permit_notify_one(&permit);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[1], -1), 0); /* chosen while bound */
	EXPECT(q, 1);
}

/* The one waiter holds the last reference: with its token the queue goes, and nobody minds. */
START_TEST(the_notifier_may_be_the_last_to_hold_the_queue)
{
	struct bell_queue *other = queue_of(8, 0);

	bell_permit_prepare(&permit, &w[0]);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], other, 0), 0);
	bell_queue_unref(other);
	bind(1, 1);
	ck_assert_int_eq(bell_permit_notify_all(&permit), 2);
	READY(0);
	READY(1);
}

START_TEST(a_closed_queue_does_not_keep_the_others_from_theirs)
{
	struct bell_queue *closed = queue_of(8, 0);
	uint32_t tokens[64], i;

	bell_permit_prepare(&permit, &w[0]);
	ck_assert_int_eq(bell_permit_bind(&permit, &w[0], closed, 0), 0);
	bell_queue_close(closed);
	bind(1, 39);
	ck_assert_int_eq(bell_permit_notify_all(&permit), 40);
	for (i = 0; i < 40; i++)
		READY(i);
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 64), 39);
	ck_assert_uint_eq(refs(closed), 1);
	bell_queue_unref(closed);
}

/* Called by the token of a waiter, so in the thread that is being woken: the permit is not locked. */
static void broadcast_again(void *userdata, uint32_t token)
{
	int *tokens = userdata;

	++*tokens;
	READY(token);
	if (token == 0)
		ck_assert_int_eq(bell_permit_notify_all(&permit), 1);
}

START_TEST(who_is_woken_may_broadcast)
{
	int tokens = 0;

	bind(0, 0);
	bell_permit_notify_one(&permit);
	bind(1, 1);
	ck_assert_int_eq(bell_queue_dispatch(q, 8, broadcast_again, &tokens), 2);
	ck_assert_int_eq(tokens, 2);
}

/* -- a loop ---------------------------------------------------------------------------------- */

#define ROUNDS 20000

static uint32_t items; /* the condition: how many there are to be taken */

static void *produce(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		(void)bell_fetch_add_relaxed(&items, 1);
		(void)bell_permit_notify_one(&permit);
	}
	return NULL;
}

/* All there are; wants more: until none is left when we are bound. */
static uint32_t take_all(void)
{
	uint32_t taken = 0, n;

	do {
		n = bell_load_relaxed(&items);
		(void)bell_fetch_add_relaxed(&items, -n);
		taken += n;
		bell_permit_prepare(&permit, &w[0]);
	} while (bell_permit_bind(&permit, &w[0], q, 5) == 1);
	n = bell_load_relaxed(&items);
	(void)bell_fetch_add_relaxed(&items, -n);
	return taken + n;
}

START_TEST(a_loop_that_waits_for_a_permit_beside_its_other_work_misses_nothing)
{
	int ep = loop_watching(q);
	pthread_t producer;
	struct epoll_event event;
	uint32_t taken, token;

	taken = take_all();
	producer = spawn(produce, NULL);
	while (taken < ROUNDS) {
		ck_assert_int_eq(epoll_wait(ep, &event, 1, -1), 1);
		do {
			while (bell_queue_poll(q, &token, 1) == 1) {
				ck_assert_uint_eq(token, 5);
				if (bell_permit_enable(&permit, &w[0]) == 1)
					taken += take_all();
			}
		} while (bell_queue_arm(q) == 0);
	}
	join(producer);
	ck_assert_uint_eq(taken, ROUNDS);
	bell_permit_cancel(&permit, &w[0]);
	ck_assert_uint_eq(refs(q), 1);
	close(ep);
}

int main(void)
{
	Suite *s = suite_create("permit bind");
	TCase *tc = runner_case(s, "bound waiters", 60);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_notification_becomes_a_token);
	tcase_add_test(tc, a_broadcast_becomes_a_token_for_each);
	tcase_add_test(tc, who_is_notified_already_gets_no_token);
	tcase_add_test(tc, the_last_binding_counts);
	tcase_add_test(tc, one_that_is_queued_already_keeps_its_place_when_bound);
	tcase_add_test(tc, one_that_was_chosen_before_it_is_bound_is_told_at_once);
	tcase_add_test(tc, what_is_not_a_token_is_refused);
	tcase_add_test(tc, cancelling_gives_the_reference_back_and_no_token_comes);
	tcase_add_test(tc, who_was_chosen_and_cancels_hands_on_by_a_token);
	tcase_add_test(tc, a_wait_unbinds);
	tcase_add_test(tc, the_notifier_may_be_the_last_to_hold_the_queue);
	tcase_add_test(tc, a_closed_queue_does_not_keep_the_others_from_theirs);
	tcase_add_test(tc, who_is_woken_may_broadcast);
	tcase_add_test(tc, a_loop_that_waits_for_a_permit_beside_its_other_work_misses_nothing);
	return runner_run(s);
}
