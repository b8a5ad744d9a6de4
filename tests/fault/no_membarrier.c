/* SPDX-License-Identifier: MIT
 *
 * membarrier(2) refused, from the start or only later, as by a sandbox: a receiver can then not ask a
 * preempted producer to ring, nor sleep at all where there is a single producer and it was refused only
 * later. It may be busier, but it loses nothing and gets to the end, in each way to receive.
 *
 * The library is built with its injection points on: the producer is stopped behind its reservation.
 */
#include <semaphore.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop.h"
#include "refuse.h"
#include "stress/inject.h"

enum { MAIN, STOPPED, YIELDING };

static __thread bool stops;
static __thread uint32_t yields; /* from 1 up: now and then, counting */
static sem_t reached, go;
static uint32_t arm_calls;

void inject_point(const char *point)
{
	if (strcmp(point, "arming") == 0)
		bell_fetch_add_relaxed(&arm_calls, 1);
	if (strcmp(point, "reserved") != 0)
		return;
	if (yields && yields++ % 32 == 0) /* the receiver then spins for a time slice */
		sched_yield();
	if (!stops)
		return;
	stops = false;
	sem_post(&reached);
	while (sem_wait(&go) < 0)
		;
}

static void *notify_and_stop(void *userdata)
{
	(void)userdata;
	stops = true;
	loop_notify(STOPPED, 0);
	return NULL;
}

/* In each mode, with and without a registration that went well before. */
static void start(int i)
{
	if (i % 2)
		bell_queue_unref(queue_of(1, 0)); /* registers the process */
	refuse(SYS_membarrier, i % 2 ? EPERM : ENOSYS);
	loop_start(i / 2);
}

static uint64_t delivered(void)
{
	return stats_of(loop.q).delivered;
}

START_TEST(tokens_behind_a_stopped_producer_come_when_it_goes_on)
{
	pthread_t producer;
	uint32_t token, before;
	int round;

	start(_i);
	for (round = 0; round < 20; round++) {
		ck_assert_int_eq(sem_init(&reached, 0, 0) | sem_init(&go, 0, 0), 0);
		producer = spawn(notify_and_stop, NULL);
		while (sem_wait(&reached) < 0)
			;
		for (token = 1; token < LOOP_TOKENS; token++)
			loop_notify(MAIN, token);
		before = bell_load_relaxed(&arm_calls);
		while (bell_load_relaxed(&arm_calls) < before + 3) /* it looks, and looks again */
			sched_yield();
		ck_assert_uint_eq(delivered(), (uint64_t)round * LOOP_TOKENS);
		sem_post(&go);
		join(producer);
		ck_assert(loop_settles());
	}
	ck_assert_uint_eq(stats_of(loop.q).holes, 0); /* nobody slept in a hole */
	loop_finish();
}

static void *notify_and_yield(void *userdata)
{
	uint32_t i;

	(void)userdata;
	yields = 1;
	for (i = 0; i < 5000; i++)
		loop_notify(YIELDING, i % LOOP_TOKENS);
	return NULL;
}

START_TEST(producers_preempted_again_and_again_lose_nothing)
{
	pthread_t producer;
	uint32_t i;

	start(_i);
	producer = spawn(notify_and_yield, NULL);
	yields = 1;
	for (i = 0; i < 5000; i++)
		loop_notify(MAIN, i % LOOP_TOKENS);
	join(producer);
	ck_assert(loop_settles());
	loop_finish();
}

/* The flag is dropped, so any number of threads may notify. */
START_TEST(refused_from_the_start_a_single_producer_becomes_many)
{
	pthread_t producer;
	uint32_t i;

	refuse(SYS_membarrier, EPERM);
	loop_make(_i, BELL_QUEUE_SINGLE_PRODUCER);
	ck_assert_uint_eq(bell_queue_flags(loop.q) & BELL_QUEUE_SINGLE_PRODUCER, 0);
	loop_run();
	producer = spawn(notify_and_yield, NULL);
	yields = 1;
	for (i = 0; i < 5000; i++)
		loop_notify(MAIN, i % LOOP_TOKENS);
	join(producer);
	ck_assert(loop_settles());
	loop_finish();
}

START_TEST(refused_later_a_single_producer_loses_nothing)
{
	uint32_t i;

	loop_make(_i, BELL_QUEUE_SINGLE_PRODUCER);
	ck_assert_uint_ne(bell_queue_flags(loop.q) & BELL_QUEUE_SINGLE_PRODUCER, 0);
	bell_queue_set_spin(loop.q, 0);
	refuse(SYS_membarrier, EPERM);
	loop_run();
	yields = 1;
	for (i = 0; i < 5000; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		if (i % 500 == 0)
			ck_assert(loop_settles()); /* as if asleep */
	}
	ck_assert(loop_settles());
	loop_finish(); /* and it hears of the close */
}

/* arm sends the loop back to its other descriptors, and to the bell at its next turn. */
START_TEST(refused_later_an_arm_does_not_keep_the_loop)
{
	struct bell_queue *q = queue_of(LOOP_TOKENS, mode_of(_i));
	int epfd = loop_watching(q), round;

	refuse(SYS_membarrier, ENOSYS);
	ck_assert_int_eq(bell_queue_arm(q), 1); /* born armed: a true sleep */
	ck_assert_int_eq(loop_events(epfd), 0);
	ck_assert_int_eq(bell_queue_notify(q, 1), 1);
	for (round = 0; round < 10; round++) {
		ck_assert_int_eq(loop_events(epfd), 1);
		EXPECT(q, 1);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_int_eq(loop_events(epfd), 1);
		expect_nothing(q);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_int_eq(bell_queue_notify(q, 1), 1);
	}
	bell_queue_close(q);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_arm(q), 0);
	EXPECT(q, 1);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	ck_assert(fd_readable(bell_queue_fd(q)));
	close(epfd);
	bell_queue_unref(q);
}

/* Each turn sleeps for 50 microseconds at least. */
START_TEST(refused_later_a_wait_backs_off_instead_of_spinning)
{
	int64_t began;
	uint32_t before;

	loop_make(2, BELL_QUEUE_SINGLE_PRODUCER);
	bell_queue_set_spin(loop.q, 0);
	refuse(SYS_membarrier, EPERM);
	loop_run();
	loop_notify(MAIN, 1);
	ck_assert(loop_settles());
	began = runner_now();
	before = bell_load_relaxed(&arm_calls);
	sleep_ms(100);
	ck_assert_int_le(
		bell_load_relaxed(&arm_calls) - before, (runner_now() - began) / 50000 + 2);
	loop_finish();
}

int main(void)
{
	Suite *s = suite_create("fault no membarrier");
	TCase *tc = runner_case(s, "fault no membarrier", 60);
	int modes;

	if (!refuse_probe())
		return 0;
	modes = loop_modes();
	tcase_add_loop_test(
		tc, tokens_behind_a_stopped_producer_come_when_it_goes_on, 0, 2 * modes);
	tcase_add_loop_test(tc, producers_preempted_again_and_again_lose_nothing, 0, 2 * modes);
	tcase_add_loop_test(tc, refused_from_the_start_a_single_producer_becomes_many, 0, modes);
	tcase_add_loop_test(tc, refused_later_a_single_producer_loses_nothing, 0, modes);
	add_in_single_modes(tc, refused_later_an_arm_does_not_keep_the_loop);
	tcase_add_test(tc, refused_later_a_wait_backs_off_instead_of_spinning);
	return runner_run(s);
}
