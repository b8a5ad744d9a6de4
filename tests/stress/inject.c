/* SPDX-License-Identifier: MIT
 *
 * inject.c: races made to happen. The library is built with its injection points on; a thread is
 * stopped at one of them while others go on, and then released.
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "receivers.h"
#include "runner.h"
#include "stops.h"

static const struct receiver *receiver;
static pthread_t receiver_thread;
static uint32_t delivered[TOKENS], first[TOKENS]; /* how often; the first ones, in order */
static uint32_t deliveries;

void receiver_token(void *userdata, uint32_t token)
{
	uint32_t n = deliveries; /* written by the receiver alone */

	(void)userdata;
	if (n < TOKENS)
		first[n] = token;
	(void)bell_fetch_add_acq_rel(&delivered[token], 1);
	bell_store_release(&deliveries, n + 1);
}

void receiver_pass(void)
{
}

static uint64_t holes(void)
{
	struct bell_queue_stats s;

	bell_queue_stats(queue, &s);
	return s.holes;
}

/* The receiver, with an optional stop of its own. */
static void *receive(void *stop)
{
	am_receiver = true;
	my_stop = stop;
	receiver->run(queue);
	return NULL;
}

static const char *const modes[] = {
	"level", "edge", "wait", "level-budget", "edge-budget", "uring", "uring-budget"};
#define MODES 7

/* False: this build has no such mode. */
static bool start_with(unsigned flags, int mode, struct stop *stop)
{
	receiver = receiver_named(modes[mode]);
	if (!receiver)
		return false;
	ck_assert_int_eq(bell_queue_new(&queue, TOKENS, receiver->flags | flags), 0);
	bell_queue_set_spin(queue, 0);
	ck_assert_int_eq(pthread_create(&receiver_thread, NULL, receive, stop), 0);
	return true;
}

static bool start(int mode, struct stop *stop)
{
	return start_with(0, mode, stop);
}

static void finish(void)
{
	bell_queue_close(queue);
	pthread_join(receiver_thread, NULL);
	queue = bell_queue_unref(queue);
}

/* Whoever receives is asleep, not spinning. What it was still to do, a few arms for each of the few
 * notifies, it may do late; one that spins does thousands. */
#define ARMS_LEFT 64

static void assert_quiet(void)
{
	struct timespec tenth = {.tv_nsec = 100000000};
	uint32_t before = bell_load_relaxed(&arm_calls);

	nanosleep(&tenth, NULL);
	ck_assert_uint_le(bell_load_relaxed(&arm_calls) - before, ARMS_LEFT);
}

START_TEST(a_receiver_sleeps_at_an_unpublished_slot_and_its_publisher_wakes_it)
{
	struct producer p;

	if (!start(_i, NULL))
		return;
	producer_start(&p, "reserved", 1);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1); /* behind it; rings, as the queue is armed */
	while (holes() == 0)
		sched_yield();
	assert_quiet();
	ck_assert_uint_eq(bell_load_relaxed(&deliveries), 0);

	producer_finish(&p);
	ck_assert_int_eq(p.result, 1);
	await(&deliveries, 2);
	ck_assert_uint_eq(first[0], 1); /* in the order of reservation */
	ck_assert_uint_eq(first[1], 2);
	finish();
}
END_TEST

/* Not armed when it reserved, it has only HOLE to tell it that somebody sleeps now. */
START_TEST(a_producer_that_reserved_before_the_receiver_slept_sees_the_hole)
{
	struct producer p;
	struct stop stop;

	stop_init(&stop, "taken");
	if (!start(_i, &stop))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	sem_wait(&stop.reached);
	producer_start(&p, "reserved", 1);
	sem_post(&stop.go);
	while (holes() == 0)
		sched_yield();
	assert_quiet();
	producer_finish(&p);
	await(&delivered[1], 1);
	finish();
}
END_TEST

static const char *const producer_points[] = {"claimed", "reserved", "published", "ringing"};
#define PRODUCER_POINTS 4

START_TEST(a_producer_stopped_anywhere_neither_spins_the_receiver_nor_loses_a_token)
{
	const char *point = producer_points[_i / MODES];
	struct producer p;
	uint32_t token;

	if (!start(_i % MODES, NULL))
		return;
	producer_start(&p, point, 0);
	for (token = 1; token < TOKENS; token++)
		ck_assert_int_eq(bell_queue_notify(queue, token), 1);
	ck_assert_int_eq(bell_queue_notify(queue, 1) & ~1, 0);
	assert_quiet();
	producer_finish(&p);
	for (token = 0; token < TOKENS; token++)
		await(&delivered[token], 1);
	finish();
}
END_TEST

/* Where a single producer always passes; at "ringing" only if it finds somebody asleep. */
static const char *const single_stops[] = {"claimed", "reserved", "published"};
#define SINGLE_STOPS 3

static const char *const receiver_points[] = {"taken", "cleared", "arming", "silenced", "armed"};
#define RECEIVER_POINTS 5

/* Those of a queue for a single producer follow; there, "announced" is on every way to sleep. */
static const char *const single_points[] = {"taken", "cleared", "arming", "silenced", "announced"};

/* Which of them, and of which queue, is in a test's number. */
static bool start_and_stop(int i, struct stop *stop)
{
	int point = i / MODES;
	bool single = point >= RECEIVER_POINTS;

	stop_init(stop, single ? single_points[point - RECEIVER_POINTS] : receiver_points[point]);
	return start_with(single ? BELL_QUEUE_SINGLE_PRODUCER : 0, i % MODES, stop);
}

/* Whatever the receiver was doing, a notify at that moment is delivered without another one. */
START_TEST(a_notify_at_any_moment_of_the_receiver_is_delivered)
{
	struct stop stop;

	if (!start_and_stop(_i, &stop))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	sem_wait(&stop.reached); /* with token 1 taken, or handled */
	bell_queue_notify(queue, 1);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	sem_post(&stop.go);
	await(&delivered[2], 1);
	await(&delivered[1], 1);
	finish();
}
END_TEST

START_TEST(a_close_at_any_moment_of_the_receiver_ends_it)
{
	struct stop stop;

	if (!start_and_stop(_i, &stop))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	sem_wait(&stop.reached);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	ck_assert_int_eq(bell_queue_close(queue), 0);
	ck_assert_int_eq(bell_queue_notify(queue, 3), -ESHUTDOWN);
	sem_post(&stop.go);
	finish();
	ck_assert_uint_eq(delivered[1], 1);
	ck_assert_uint_eq(delivered[2], 1);
	ck_assert_uint_eq(delivered[3], 0);
}
END_TEST

static const char *const hole_points[] = {"hole", "announced"};
#define HOLE_POINTS 2

/* A hole was found: the slot is published before, or after, the receiver has announced it. */
START_TEST(a_slot_published_around_the_announcement_of_a_hole_is_delivered)
{
	struct producer p;
	struct stop stop;

	stop_init(&stop, hole_points[_i / MODES]);
	if (!start(_i % MODES, &stop))
		return;
	producer_start(&p, "reserved", 1);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	sem_wait(&stop.reached);
	producer_finish(&p);
	sem_post(&stop.go);
	await(&deliveries, 2);
	finish();
}
END_TEST

/* The token of a notify that was conflated before the close must come, although the producer on which
 * it stands has raised the flag only. */
START_TEST(a_close_waits_for_a_claim_that_others_were_conflated_with)
{
	struct producer p;

	if (!start(_i, NULL))
		return;
	producer_start(&p, "claimed", 1);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 0);
	ck_assert_int_eq(bell_queue_close(queue), 0);
	assert_quiet();
	producer_finish(&p);
	ck_assert_int_eq(p.result, -ESHUTDOWN);
	pthread_join(receiver_thread, NULL);
	ck_assert_uint_eq(delivered[1], 1);
	queue = bell_queue_unref(queue);
}
END_TEST

/* A single producer, stopped before or behind the slot: the receiver sleeps or has the token. */
START_TEST(a_single_producer_stopped_anywhere_neither_spins_the_receiver_nor_loses_a_token)
{
	struct producer p;

	if (!start_with(BELL_QUEUE_SINGLE_PRODUCER, _i % MODES, NULL))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	await(&delivered[0], 1);
	producer_start(&p, single_stops[_i / MODES], 1);
	assert_quiet();
	producer_finish(&p);
	ck_assert_int_eq(p.result, 1);
	await(&delivered[1], 1);
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	await(&delivered[1], 2);
	finish();
}
END_TEST

/* It found nobody asleep when it began, and has yet to publish and to look. */
START_TEST(a_single_producer_sees_a_receiver_that_fell_asleep_meanwhile)
{
	struct producer p;
	struct stop stop;

	stop_init(&stop, "taken");
	if (!start_with(BELL_QUEUE_SINGLE_PRODUCER, _i % MODES, &stop))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	sem_wait(&stop.reached);
	producer_start(&p, single_stops[_i / MODES], 1);
	sem_post(&stop.go);
	await(&delivered[0], 1);
	assert_quiet();
	producer_finish(&p);
	ck_assert_int_eq(p.result, 1);
	await(&delivered[1], 1);
	finish();
}
END_TEST

/* Closed in the midst of its notify: refused, unless it had looked; what it was told 1 has come. */
START_TEST(a_close_at_any_moment_of_a_single_producer_ends_the_receiver)
{
	struct producer p;

	if (!start_with(BELL_QUEUE_SINGLE_PRODUCER, _i % MODES, NULL))
		return;
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
	await(&delivered[0], 1);
	producer_start(&p, single_stops[_i / MODES], 1);
	ck_assert_int_eq(bell_queue_close(queue), 0);
	assert_quiet();
	producer_finish(&p);
	pthread_join(receiver_thread, NULL);
	ck_assert_int_eq(p.result, -ESHUTDOWN);
	ck_assert_int_eq(bell_queue_notify(queue, 2), -ESHUTDOWN);
	queue = bell_queue_unref(queue);
}
END_TEST

static void on_signal(int signal)
{
	(void)signal;
	(void)bell_queue_notify(queue, 1); /* the very token that was interrupted */
	(void)bell_queue_notify(queue, 2);
}

START_TEST(a_signal_handler_may_notify_at_any_point_of_a_notify)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct stop stop = {.point = producer_points[_i / MODES], .raise = true};

	sigaction(SIGUSR1, &action, NULL);
	if (!start(_i % MODES, NULL))
		return;
	my_stop = &stop;
	errno = 4711;
	ck_assert_int_eq(bell_queue_notify(queue, 1), 1);
	ck_assert_int_eq(errno, 4711);
	await(&delivered[1], 1);
	await(&delivered[2], 1);
	finish();
}
END_TEST

static void refuse_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(without_membarrier_a_blocking_wait_backs_off_instead_of_spinning)
{
	struct timespec tenth = {.tv_nsec = 100000000};
	struct producer p;
	uint32_t before;
	int64_t began;

	refuse_membarrier();
	ck_assert(start(2, NULL));
	producer_start(&p, "reserved", 1);
	ck_assert_int_eq(bell_queue_notify(queue, 2), 1);
	await(&arm_calls, 10);
	began = runner_now();
	before = bell_load_relaxed(&arm_calls);
	nanosleep(&tenth, NULL);
	/* Each turn sleeps for 50 microseconds at least. */
	ck_assert_int_le(
		bell_load_relaxed(&arm_calls) - before, (runner_now() - began) / 50000 + 2);
	producer_finish(&p);
	await(&deliveries, 2);
	finish();
}
END_TEST

/* Usage: inject [SECONDS], the time a test may take: a broken library is not waited for long. */
int main(int argc, char **argv)
{
	Suite *s = suite_create("inject");
	TCase *tc = runner_case(s, "stopped threads", argc > 1 ? atof(argv[1]) : 60);

	tcase_add_loop_test(
		tc, a_receiver_sleeps_at_an_unpublished_slot_and_its_publisher_wakes_it, 0, MODES);
	tcase_add_loop_test(
		tc, a_producer_that_reserved_before_the_receiver_slept_sees_the_hole, 0, MODES);
	tcase_add_loop_test(tc,
		a_producer_stopped_anywhere_neither_spins_the_receiver_nor_loses_a_token, 0,
		PRODUCER_POINTS * MODES);
	tcase_add_loop_test(tc, a_notify_at_any_moment_of_the_receiver_is_delivered, 0,
		2 * RECEIVER_POINTS * MODES);
	tcase_add_loop_test(
		tc, a_close_at_any_moment_of_the_receiver_ends_it, 0, 2 * RECEIVER_POINTS * MODES);
	tcase_add_loop_test(tc,
		a_single_producer_stopped_anywhere_neither_spins_the_receiver_nor_loses_a_token, 0,
		SINGLE_STOPS * MODES);
	tcase_add_loop_test(tc, a_single_producer_sees_a_receiver_that_fell_asleep_meanwhile, 0,
		SINGLE_STOPS * MODES);
	tcase_add_loop_test(tc, a_close_at_any_moment_of_a_single_producer_ends_the_receiver, 0,
		SINGLE_STOPS * MODES);
	tcase_add_loop_test(tc, a_slot_published_around_the_announcement_of_a_hole_is_delivered, 0,
		HOLE_POINTS * MODES);
	tcase_add_loop_test(
		tc, a_close_waits_for_a_claim_that_others_were_conflated_with, 0, MODES);
	tcase_add_loop_test(tc, a_signal_handler_may_notify_at_any_point_of_a_notify, 0,
		PRODUCER_POINTS * MODES);
	tcase_add_test(tc, without_membarrier_a_blocking_wait_backs_off_instead_of_spinning);
	return runner_run(s);
}
