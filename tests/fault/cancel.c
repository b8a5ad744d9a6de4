/* SPDX-License-Identifier: MIT
 *
 * pthread_cancel(3) that is pending when a call has to write the bell. write(2) and read(2) are points
 * of cancellation: a thread that ends there, after it has claimed the ring and before it has rung,
 * leaves a receiver that sleeps over queued tokens and that nobody will wake.
 *
 * The library is built with its injection points on, to cancel a receiver in the midst of arm.
 */
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "helpers.h"
#include "stress/inject.h"

static __thread bool stops;
static sem_t reached, go;

void inject_point(const char *point)
{
	int state;

	if (!stops || strcmp(point, "silenced") != 0)
		return;
	stops = false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* sem_wait is a point too */
	sem_post(&reached);
	while (sem_wait(&go) < 0)
		;
	pthread_setcancelstate(state, NULL);
}

static void *notify(void *q)
{
	pthread_cancel(pthread_self());
	bell_queue_notify(q, 1);
	pthread_testcancel();
	return NULL;
}

static void *notify_many(void *q)
{
	pthread_cancel(pthread_self());
	bell_queue_notify_many(q, (uint32_t[]){1}, 1);
	pthread_testcancel();
	return NULL;
}

static void *close_it(void *q)
{
	pthread_cancel(pthread_self());
	bell_queue_close(q);
	pthread_testcancel();
	return NULL;
}

static void *(*const rings[])(void *) = {notify, notify_many, close_it};

static void expect_cancelled(pthread_t thread)
{
	void *result;

	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}

START_TEST(a_thread_with_a_cancel_pending_still_rings_the_bell)
{
	struct bell_queue *q = queue_of(8, mode_of(_i % 4));
	int epfd = loop_watching(q);

	expect_cancelled(spawn(rings[_i / 4], q));
	ck_assert_int_eq(loop_events(epfd), 1);
	if (rings[_i / 4] != close_it)
		EXPECT(q, 1);
	close(epfd);
	bell_queue_unref(q);
}

static void *arm(void *q)
{
	stops = true;
	(void)!bell_queue_arm(q);
	pthread_testcancel();
	return NULL;
}

/* It has read the bell, then finds a token and has to give the bell back. */
START_TEST(a_receiver_cancelled_in_arm_leaves_the_bell_to_its_successor)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);
	pthread_t receiver;

	ck_assert_int_eq(sem_init(&reached, 0, 0) | sem_init(&go, 0, 0), 0);
	bell_queue_notify(q, 1);
	EXPECT(q, 1);
	receiver = spawn(arm, q);
	while (sem_wait(&reached) < 0)
		;
	bell_queue_notify(q, 2);
	pthread_cancel(receiver);
	sem_post(&go);
	expect_cancelled(receiver);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 2);
	close(epfd);
	bell_queue_unref(q);
}

static void *wait_for_ever(void *q)
{
	uint32_t token;

	for (;;)
		(void)!bell_queue_wait(q, &token, 1, -1);
	return NULL;
}

/* This one may: it blocks, and that is where it is cancelled. */
START_TEST(a_receiver_cancelled_in_its_sleep_leaves_a_queue_that_wakes_its_successor)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	pthread_t receiver;
	uint32_t round, arms, token;

	bell_queue_set_spin(q, 0);
	for (round = 0; round < 50; round++) {
		arms = (uint32_t)stats_of(q).arms;
		receiver = spawn(wait_for_ever, q);
		if (round > 0) /* the first finds it armed */
			while (stats_of(q).arms == arms)
				sched_yield();
		pthread_cancel(receiver);
		expect_cancelled(receiver);
		ck_assert_int_eq(bell_queue_notify(q, 3), 1);
		ck_assert(fd_readable(bell_queue_fd(q)));
		ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
	}
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("fault cancel");
	TCase *tc = runner_case(s, "fault cancel", 30);

	tcase_add_loop_test(tc, a_thread_with_a_cancel_pending_still_rings_the_bell, 0, 12);
	add_in_level_modes(tc, a_receiver_cancelled_in_arm_leaves_the_bell_to_its_successor);
	add_in_all_modes(
		tc, a_receiver_cancelled_in_its_sleep_leaves_a_queue_that_wakes_its_successor);
	return runner_run(s);
}
