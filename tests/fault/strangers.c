/* SPDX-License-Identifier: MIT
 *
 * Other processes that hold the bell, as a forked child does, and meddle: one reads it and so steals
 * wakes, one fills its counter. A stolen wake is gone, as documented; but as soon as the loop comes
 * round for any other reason, it finds every token and is armed again. A full counter costs nothing.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "loop.h"

enum { NOTIFIES = 10000 };
enum { MAIN };

/* A child that does one thing to the fd, again and again, until it is killed. */
static pid_t meddle(void (*once)(int fd), int fd)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		for (;;)
			once(fd);
	return child;
}

static void end(pid_t child)
{
	int status;

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
}

static void steal(int fd)
{
	uint64_t stolen;

	(void)!read(fd, &stolen, sizeof(stolen));
}

static void fill(int fd)
{
	static const uint64_t amounts[] = {UINT64_MAX - 1, 1, UINT64_MAX / 2, 1};
	int i;

	for (i = 0; i < 4; i++)
		(void)!write(fd, &amounts[i], sizeof(amounts[i]));
}

static void no_op(int sig)
{
	(void)sig;
}

/* Another reason for the loop to come round. */
static void tick(void)
{
	ck_assert_int_eq(pthread_kill(loop.thread, SIGUSR1), 0);
}

static bool settles_with_ticks(void)
{
	int ms;

	for (ms = 0; ms < 20000 && !loop_settled(); ms++) {
		tick();
		sleep_ms(1);
	}
	return loop_settled();
}

/* One at a time, each answered before the next. */
static void expect_working(void)
{
	uint32_t i;

	for (i = 0; i < 50; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		ck_assert(loop_settles());
	}
}

START_TEST(a_thief_steals_wakes_but_no_token_and_the_next_turn_recovers)
{
	struct sigaction action = {.sa_handler = no_op};
	pid_t thief;
	uint32_t i;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	loop_start(_i);
	thief = meddle(steal, bell_queue_fd(loop.q));
	for (i = 0; i < NOTIFIES; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		if (i % 100 == 99) {
			tick();
			sched_yield();
		}
	}
	end(thief);
	ck_assert(settles_with_ticks());
	expect_working(); /* without a tick */
	loop_finish();
}

START_TEST(a_stolen_wake_is_lost_until_the_loop_comes_round)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), fd = bell_queue_fd(q);
	pid_t thief;
	int turns;

	bell_queue_notify(q, 1);
	thief = meddle(steal, fd);
	for (turns = 0; turns < 20000 && fd_count(fd) > 0; turns++)
		sleep_ms(1);
	end(thief);
	ck_assert_int_eq(loop_events(epfd), 0);
	bell_queue_notify(q, 2); /* does not ring: the one ring for that arm is gone */
	ck_assert_int_eq(loop_events(epfd), 0);
	EXPECT(q, 1, 2);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_notify(q, 3);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(a_counter_that_is_filled_all_the_time_loses_nothing)
{
	pid_t filler;
	uint32_t i;

	loop_start(_i);
	filler = meddle(fill, bell_queue_fd(loop.q));
	for (i = 0; i < NOTIFIES; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		if (i % 16 == 15)
			sched_yield();
	}
	ck_assert(loop_settles());
	end(filler);
	expect_working();
	loop_finish();
}

START_TEST(a_counter_filled_and_emptied_by_strangers_at_once_loses_no_token)
{
	struct sigaction action = {.sa_handler = no_op};
	pid_t filler, thief;
	uint32_t i;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	loop_start(_i);
	filler = meddle(fill, bell_queue_fd(loop.q));
	thief = meddle(steal, bell_queue_fd(loop.q));
	for (i = 0; i < NOTIFIES / 4; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		if (i % 100 == 99)
			tick();
	}
	end(thief);
	end(filler);
	ck_assert(settles_with_ticks());
	expect_working();
	loop_finish();
}

int main(void)
{
	Suite *s = suite_create("fault strangers");
	TCase *tc = runner_case(s, "fault strangers", 60);
	int modes = loop_modes();

	/* An io_uring loop comes round for a CQE of its own only: a signal does not call ready. */
	tcase_add_loop_test(tc, a_thief_steals_wakes_but_no_token_and_the_next_turn_recovers, 0,
		LOOP_MODES_EPOLL);
	add_in_all_modes(tc, a_stolen_wake_is_lost_until_the_loop_comes_round);
	tcase_add_loop_test(tc, a_counter_that_is_filled_all_the_time_loses_nothing, 0, modes);
	tcase_add_loop_test(tc, a_counter_filled_and_emptied_by_strangers_at_once_loses_no_token, 0,
		LOOP_MODES_EPOLL);
	return runner_run(s);
}
