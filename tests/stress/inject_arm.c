/* SPDX-License-Identifier: MIT
 *
 * inject_arm.c: arm by itself, stopped in the middle while a producer goes on: what it answers, and what
 * it leaves in the fd. Usage: inject_arm [SECONDS], the time a test may take.
 *
 * The library's system calls go by way of this program's syscall(), for a store that stays in its
 * processor's buffer until membarrier(2) drains it.
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner.h"
#include "stops.h"

static int last_arm, arms_to_do;

/* Of a producer that has looked already: its slot, which nobody sees yet. */
static struct late_store {
	bool pending;
	uint64_t position;
	uint32_t token;
} late_store;

/* Reads of the bell that could eat the ring just asked for. */
static uint32_t read_while_announced;

long syscall(long number, ...)
{
	long (*next)(long, ...), a[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_membarrier && a[0] == MEMBARRIER_CMD_PRIVATE_EXPEDITED &&
		late_store.pending) {
		late_store.pending = false;
		bell__queue_publish(queue, late_store.position, late_store.token);
	}
	if (number == SYS_read && a[0] == bell_queue_fd(queue) &&
		(queue->tail | queue->state) & BELL__ASLEEP)
		read_while_announced++;
	*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

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

/* A single producer publishes while the arm stands before or behind its announcement: taken back in
 * time, it costs no ring. */
START_TEST(an_announcement_that_is_taken_back_costs_no_ring)
{
	struct bell_queue_stats s;
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, BELL_QUEUE_SINGLE_PRODUCER), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	arm_while_published("silenced");
	ck_assert_uint_eq(queue->state, 0);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	bell_queue_stats(queue, &s);
	ck_assert_uint_eq(s.rings, 1); /* that of birth */
	queue = bell_queue_unref(queue);
}
END_TEST

/* Its ring comes very late: it must have been counted, or it would stay in the fd. */
START_TEST(an_announcement_that_was_claimed_before_it_is_taken_back_is_counted)
{
	struct pollfd bell = {.events = POLLIN};
	struct producer late;
	struct stop stop;
	pthread_t thread;
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, BELL_QUEUE_SINGLE_PRODUCER), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	stop_init(&stop, "announced");
	arms_to_do = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, arm_often, &stop), 0);
	sem_wait(&stop.reached);
	producer_start(&late, "ringing", 1);
	sem_post(&stop.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_arm, 0);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	producer_finish(&late);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	bell.fd = bell_queue_fd(queue);
	ck_assert_int_eq(poll(&bell, 1, 0), 0);
	queue = bell_queue_unref(queue);
}
END_TEST

static const unsigned kinds[] = {0, BELL_QUEUE_SINGLE_PRODUCER};

/* Notify up to its end, but for the slot. */
static void notify_late(uint32_t token)
{
	uint64_t before = queue->tail;

	if (bell_queue_flags(queue) & BELL_QUEUE_SINGLE_PRODUCER) {
		ck_assert_int_eq(bell__single_claim(queue, token), 1);
		queue->tail += BELL__POSITION;
		ck_assert_uint_eq(bell__single_state(queue), 0);
	} else {
		ck_assert_int_eq(bell__queue_claim(queue, token), 1);
		before = bell_fetch_add_acq_rel(&queue->tail, BELL__POSITION); /* T1, A1 */
		ck_assert_int_eq(bell__queue_must_ring(queue, before), 0);
	}
	late_store = (struct late_store){true, before >> BELL__SHIFT, token};
}

/* Each arm goes all the way, and reads: what is owed, and now and then what is not. */
START_TEST(the_bell_is_not_read_while_the_arm_is_announced)
{
	uint32_t tokens[TOKENS], round;

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, kinds[_i]), 0);
	for (round = 0; round < 200; round++) {
		ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
		ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
		ck_assert_int_eq(bell_queue_arm(queue), 1);
	}
	ck_assert_uint_eq(read_while_announced, 0);
	queue = bell_queue_unref(queue);
}
END_TEST

START_TEST(a_slot_that_is_seen_only_behind_membarrier_keeps_arm_awake)
{
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, kinds[_i]), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	notify_late(1);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 0);
	ck_assert_int_eq(bell_queue_arm(queue), 0);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	ck_assert_uint_eq(tokens[0], 1);
	queue = bell_queue_unref(queue);
}
END_TEST

START_TEST(an_arm_with_a_token_ready_leaves_the_bell_alone)
{
	struct bell_queue_stats s;

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, kinds[_i]), 0);
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
	struct pollfd bell = {.events = POLLIN};
	struct stop stop;
	pthread_t thread;

	stop_init(&stop, "arming");
	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, kinds[_i]), 0);
	arms_to_do = 64; /* the last of them reads the fd in any case */
	ck_assert_int_eq(pthread_create(&thread, NULL, arm_often, &stop), 0);
	sem_wait(&stop.reached);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	sem_post(&stop.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_arm, 0);
	bell.fd = bell_queue_fd(queue);
	ck_assert_int_eq(poll(&bell, 1, 0), 1);
	queue = bell_queue_unref(queue);
}
END_TEST

/* Claimed behind arm's first look, and rung: the ring is known, and read by the next arm. */
START_TEST(a_ring_in_the_midst_of_arm_is_counted)
{
	struct pollfd bell = {.events = POLLIN};
	uint32_t tokens[TOKENS];
	struct stop stop;
	pthread_t thread;

	stop_init(&stop, "arming");
	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, kinds[_i]), 0);
	arms_to_do = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, arm_often, &stop), 0);
	sem_wait(&stop.reached);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	sem_post(&stop.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_arm, 0);
	ck_assert_uint_eq(bell_queue_poll(queue, tokens, TOKENS), 1);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	bell.fd = bell_queue_fd(queue);
	ck_assert_int_eq(poll(&bell, 1, 0), 0);
	queue = bell_queue_unref(queue);
}
END_TEST

START_TEST(a_wait_on_an_edge_triggered_queue_sleeps_although_the_counter_is_not_zero)
{
	uint32_t tokens[TOKENS];

	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, BELL_QUEUE_EDGE | kinds[_i]), 0);
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

	tcase_add_loop_test(tc, an_arm_with_a_token_ready_leaves_the_bell_alone, 0, 2);
	tcase_add_loop_test(tc, a_ring_read_in_search_of_strays_is_given_back, 0, 2);
	tcase_add_loop_test(tc, the_bell_is_not_read_while_the_arm_is_announced, 0, 2);
	tcase_add_loop_test(
		tc, a_slot_that_is_seen_only_behind_membarrier_keeps_arm_awake, 0, 2);
	tcase_add_loop_test(tc, a_ring_in_the_midst_of_arm_is_counted, 0, 2);
	tcase_add_test(tc, an_announcement_that_is_taken_back_costs_no_ring);
	tcase_add_test(tc, an_announcement_that_was_claimed_before_it_is_taken_back_is_counted);
	tcase_add_test(tc, a_hole_that_is_taken_back_costs_no_ring);
	tcase_add_test(tc, a_hole_that_was_claimed_before_it_is_taken_back_is_counted);
	tcase_add_loop_test(tc,
		a_wait_on_an_edge_triggered_queue_sleeps_although_the_counter_is_not_zero, 0, 2);
	return runner_run(s);
}
