/* SPDX-License-Identifier: MIT
 *
 * inject_arm.c: arm by itself, stopped in the middle while a producer goes on: what it answers, and what
 * it leaves in the fd. Usage: inject_arm [SECONDS], the time a test may take.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "runner.h"
#include "stops.h"

static int last_arm, arms_to_do;

/* So many arms, the last of which stops at a point. */
static void *arm_often(void *stop)
{
	for (; arms_to_do > 0; arms_to_do--) {
		my_stop = arms_to_do == 1 ? stop : NULL;
		last_arm = bell_queue_arm(queue);
	}
	return NULL;
}

/* Nobody is armed, and token 1 is reserved; it is published while an arm, in a thread of its own, stands
 * at the point. */
static void arm_while_published(const char *point)
{
	struct producer p;
	struct stop stop;
	pthread_t thread;

	stop_init(&stop, point);
	producer_start(&p, "reserved", 1);
	arms_to_do = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, arm_often, &stop), 0);
	sem_wait(&stop.reached);
	producer_finish(&p);
	sem_post(&stop.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_arm, 0);
}

START_TEST(a_hole_that_is_taken_back_costs_no_ring)
{
	struct bell_queue_stats s;
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, 0), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	arm_while_published("hole");
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	bell_queue_stats(queue, &s);
	ck_assert_uint_eq(s.rings, 1); /* that of birth */
	queue = bell_queue_unref(queue);
}
END_TEST

/* Two rings are owed, of which one comes very late: both must have been counted, or the late one would
 * stay in the fd. */
START_TEST(a_hole_that_was_claimed_before_it_is_taken_back_is_counted)
{
	struct pollfd bell = {.events = POLLIN};
	struct producer late;
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, 0), 0);
	producer_start(&late, "ringing", 0);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	arm_while_published("announced");
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	producer_finish(&late);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	bell.fd = bell_queue_fd(queue);
	ck_assert_int_eq(poll(&bell, 1, 0), 0);
	queue = bell_queue_unref(queue);
}
END_TEST

START_TEST(an_arm_with_a_token_ready_leaves_the_bell_alone)
{
	struct bell_queue_stats s;

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, 0), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	ck_assert_int_eq(bell_queue_arm(queue), 0);
	bell_queue_stats(queue, &s);
	ck_assert_uint_eq(s.reads, 0);
	ck_assert_uint_eq(s.kicks, 0);
	queue = bell_queue_unref(queue);
}
END_TEST

/* Still armed, the receiver has a look at the fd for stray writes; what it reads is a true ring. */
START_TEST(a_ring_read_in_search_of_strays_is_given_back)
{
	struct stop stop;
	pthread_t thread;

	stop_init(&stop, "arming");
	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, 0), 0);
	arms_to_do = 64; /* the last of them reads the fd in any case */
	ck_assert_int_eq(pthread_create(&thread, NULL, arm_often, &stop), 0);
	sem_wait(&stop.reached);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	sem_post(&stop.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_arm, 0);
	queue = bell_queue_unref(queue);
}
END_TEST

START_TEST(a_wait_on_an_edge_triggered_queue_sleeps_although_the_counter_is_not_zero)
{
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, BELL_QUEUE_EDGE), 0);
	bell_queue_set_spin(queue, 0);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	ck_assert_int_eq(bell_queue_wait(queue, tokens, TOKENS, 0), 1);
	am_receiver = true;
	ck_assert_int_eq(bell_queue_wait(queue, tokens, TOKENS, 50000000), -ETIMEDOUT);
	ck_assert_uint_le(arm_calls, 2);
	queue = bell_queue_unref(queue);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("inject arm");
	TCase *tc = runner_case(s, "arm", argc > 1 ? atof(argv[1]) : 60);

	tcase_add_test(tc, an_arm_with_a_token_ready_leaves_the_bell_alone);
	tcase_add_test(tc, a_ring_read_in_search_of_strays_is_given_back);
	tcase_add_test(tc, a_hole_that_is_taken_back_costs_no_ring);
	tcase_add_test(tc, a_hole_that_was_claimed_before_it_is_taken_back_is_counted);
	tcase_add_test(
		tc, a_wait_on_an_edge_triggered_queue_sleeps_although_the_counter_is_not_zero);
	return runner_run(s);
}
