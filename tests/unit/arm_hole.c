/* SPDX-License-Identifier: MIT
 *
 * A producer stopped inside of notify: between raising the flag, reserving the slot and publishing.
 * The halves of notify are called one by one here, so each order is certain and not a matter of luck.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "helpers.h"

/* The parts of bell_queue_notify(), as the header has them. */
struct half {
	struct bell_queue *q;
	uint32_t token;
	uint64_t before;
};

static void half_claim(struct half *h, struct bell_queue *q, uint32_t token)
{
	h->q = q;
	h->token = token;
	ck_assert_int_eq(bell__queue_claim(q, token), 1);
}

static void half_reserve(struct half *h)
{
	h->before = bell_fetch_add_acq_rel(&h->q->tail, BELL__POSITION); /* T1, A1 */
}

static int half_publish(struct half *h)
{
	bell__queue_publish(h->q, h->before >> BELL__SHIFT, h->token);
	if (bell__queue_must_ring(h->q, h->before))
		return bell_queue_notify_slow(h->q, h->before);
	return 1;
}

/* An awake queue: its birth's arming is used up. */
static struct bell_queue *awake_queue(unsigned mode)
{
	struct bell_queue *q = queue_of(8, mode);

	bell_queue_notify(q, 0);
	EXPECT(q, 0);
	return q;
}

START_TEST(a_receiver_behind_an_unpublished_slot_sleeps_and_is_woken_by_its_producer)
{
	struct bell_queue *q = awake_queue(mode_of(_i));
	int epfd = loop_watching(q);
	struct half h;

	half_claim(&h, q, 3);
	half_reserve(&h);
	expect_nothing(q);
	ck_assert_int_eq(bell_queue_arm(q), 1); /* membarrier(2) is allowed where tests run */
	ck_assert_uint_eq(stats_of(q).holes, 1);
	(void)loop_events(epfd);
	ck_assert_int_eq(half_publish(&h), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(the_first_reserver_after_an_arm_rings_even_if_it_publishes_late)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct half h;

	half_claim(&h, q, 3);
	half_reserve(&h);
	expect_nothing(q);
	ck_assert_int_eq(bell_queue_arm(q), 1); /* still armed: it saw that */
	ck_assert(!fd_readable(bell_queue_fd(q)));
	ck_assert_int_eq(half_publish(&h), 1);
	ck_assert(fd_readable(bell_queue_fd(q)));
	ck_assert_uint_eq(stats_of(q).rings, 1);
	EXPECT(q, 3);
	bell_queue_unref(q);
}

/* Everything behind the hole waits for it, in order, and nothing is lost when it closes. */
START_TEST(tokens_behind_a_hole_come_after_it_in_order)
{
	struct bell_queue *q = awake_queue(mode_of(_i));
	int epfd = loop_watching(q);
	struct half h;
	uint32_t t;

	half_claim(&h, q, 3);
	half_reserve(&h);
	ck_assert_int_eq(bell_queue_notify(q, 4), 1);
	expect_nothing(q);
	for (t = 5; t < 8; t++) { /* each finds the hole's sleeper and wakes it for nothing */
		ck_assert_int_eq(bell_queue_arm(q), 1);
		(void)loop_events(epfd);
		ck_assert_int_eq(bell_queue_notify(q, t), 1);
		ck_assert_int_eq(loop_events(epfd), 1);
		expect_nothing(q);
	}
	ck_assert_int_eq(bell_queue_arm(q), 1);
	(void)loop_events(epfd);
	ck_assert_int_eq(half_publish(&h), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3, 4, 5, 6, 7);
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(a_claim_not_yet_reserved_holds_nobody_up)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	struct half h;

	half_claim(&h, q, 3);
	ck_assert_int_eq(bell_queue_notify(q, 4), 1);
	ck_assert_int_eq(bell_queue_notify(q, 3), 0);
	EXPECT(q, 4);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	half_reserve(&h);
	ck_assert_int_eq(half_publish(&h), 1);
	ck_assert(fd_readable(bell_queue_fd(q)));
	EXPECT(q, 3);
	bell_queue_unref(q);
}

/* notify said 0 and meant: the one in flight stands for mine. Closing must not cut that off. */
START_TEST(a_notify_conflated_on_a_claim_in_flight_survives_close)
{
	struct bell_queue *q = _i < 2 ? queue_of(8, mode_of(_i)) : awake_queue(mode_of(_i - 2));
	int epfd = loop_watching(q);
	struct half h;

	half_claim(&h, q, 3);
	ck_assert_int_eq(bell_queue_notify(q, 3), 0);
	bell_queue_close(q);
	ck_assert_int_eq(loop_events(epfd), 1);
	expect_nothing(q);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	(void)loop_events(epfd);
	half_reserve(&h);
	ck_assert_int_eq(half_publish(&h), -ESHUTDOWN);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	ck_assert(fd_readable(bell_queue_fd(q)));
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(a_slot_reserved_before_close_is_delivered_before_shutdown)
{
	struct bell_queue *q = awake_queue(mode_of(_i));
	int epfd = loop_watching(q);
	struct half h;

	half_claim(&h, q, 3);
	half_reserve(&h);
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	(void)loop_events(epfd);
	ck_assert_int_eq(half_publish(&h), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	close(epfd);
	bell_queue_unref(q);
}

static void *publish_soon(void *userdata)
{
	sleep_ms(20);
	half_publish(userdata);
	return NULL;
}

START_TEST(wait_sleeps_at_a_hole_until_the_slot_is_published)
{
	struct bell_queue *q = awake_queue(mode_of(_i));
	pthread_t producer;
	struct half h;
	uint32_t token;

	half_claim(&h, q, 3);
	half_reserve(&h);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, 5000000), -ETIMEDOUT);
	producer = spawn(publish_soon, &h);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	ck_assert_uint_eq(token, 3);
	join(producer);
	bell_queue_unref(q);
}

static void record(void *userdata, uint32_t token)
{
	*(uint32_t *)userdata = token;
}

START_TEST(dispatch_returns_from_a_hole_and_is_called_again_behind_it)
{
	struct bell_queue *q = awake_queue(mode_of(_i));
	int epfd = loop_watching(q);
	uint32_t token = 77;
	struct half h;

	half_claim(&h, q, 3);
	half_reserve(&h);
	ck_assert_int_eq(bell_queue_dispatch(q, 8, record, &token), 0);
	while (loop_events(epfd) == 1)
		ck_assert_int_eq(bell_queue_dispatch(q, 8, record, &token), 0);
	half_publish(&h);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_dispatch(q, 8, record, &token), 1);
	ck_assert_uint_eq(token, 3);
	close(epfd);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("arm hole");
	TCase *tc = runner_case(s, "arm hole", 30);

	add_in_both_modes(
		tc, a_receiver_behind_an_unpublished_slot_sleeps_and_is_woken_by_its_producer);
	add_in_both_modes(tc, the_first_reserver_after_an_arm_rings_even_if_it_publishes_late);
	add_in_both_modes(tc, tokens_behind_a_hole_come_after_it_in_order);
	add_in_both_modes(tc, a_claim_not_yet_reserved_holds_nobody_up);
	tcase_add_loop_test(tc, a_notify_conflated_on_a_claim_in_flight_survives_close, 0, 4);
	add_in_both_modes(tc, a_slot_reserved_before_close_is_delivered_before_shutdown);
	add_in_both_modes(tc, wait_sleeps_at_a_hole_until_the_slot_is_published);
	add_in_both_modes(tc, dispatch_returns_from_a_hole_and_is_called_again_behind_it);
	return runner_run(s);
}
