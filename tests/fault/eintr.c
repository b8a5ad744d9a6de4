/* SPDX-License-Identifier: MIT
 *
 * Signals at ten kilohertz in the receiver, in each of its blocking calls, with a handler that itself
 * notifies, while another thread notifies too. The receiver sleeps without a timeout: what is lost
 * hangs. errno is the handler's own concern in no case.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "loop.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { SIGNALS = 2000, PERIOD_NS = 100000 };
enum { MAIN, HANDLER };

static uint32_t handled, errno_changed;

static void handle_notify(int sig)
{
	int saved = errno;
	uint32_t n = bell_load_relaxed(&handled);

	(void)sig;
	errno = 4711;
	loop_notify(HANDLER, n % LOOP_TOKENS);
	if (errno != 4711)
		bell_fetch_add_relaxed(&errno_changed, 1);
	errno = saved;
	bell_store_release(&handled, n + 1);
}

static timer_t storm_begin(pid_t tid)
{
	struct sigaction action = {.sa_handler = handle_notify, .sa_flags = SA_RESTART};
	struct itimerspec often = {.it_interval.tv_nsec = PERIOD_NS, .it_value.tv_nsec = PERIOD_NS};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	timer_t timer;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	event.sigev_notify_thread_id = tid;
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	ck_assert_int_eq(timer_settime(timer, 0, &often, NULL), 0);
	return timer;
}

START_TEST(a_storm_of_signals_in_the_receiver_loses_nothing)
{
	timer_t timer;
	uint32_t i;

	loop_start(_i);
	timer = storm_begin(loop.tid);
	for (i = 0; bell_load_acquire(&handled) < SIGNALS; i++) {
		loop_notify(MAIN, i % LOOP_TOKENS);
		if (i % 16 == 15) /* at times long enough for the receiver to sleep */
			sleep_ms(1);
	}
	timer_delete(timer);
	sleep_ms(1);
	ck_assert(loop_settles());
	ck_assert_uint_eq(errno_changed, 0);
	ck_assert_uint_le(stats_of(loop.q).rings, stats_of(loop.q).arms + 1);
	loop_finish();
}

/* With nobody else to wake the receiver: each token comes from a handler in a thread about to block. */
START_TEST(a_handler_alone_wakes_the_thread_that_it_interrupts)
{
	timer_t timer;
	uint32_t want;

	loop_start(_i);
	timer = storm_begin(loop.tid);
	for (want = 100; want <= SIGNALS; want += 100)
		ck_assert(load_reaches(&handled, want));
	timer_delete(timer);
	sleep_ms(1);
	ck_assert(loop_settles());
	ck_assert_uint_eq(errno_changed, 0);
	loop_finish();
}

int main(void)
{
	Suite *s = suite_create("fault eintr");
	TCase *tc = runner_case(s, "fault eintr", 60);
	int modes;

	if (BELL_TSAN) { /* seen: the receiver asleep in epoll_wait with every signal blocked */
		puts("1..0 # SKIP ThreadSanitizer delays handlers, and leaves signals blocked");
		return 0;
	}
	modes = loop_modes();
	tcase_add_loop_test(tc, a_storm_of_signals_in_the_receiver_loses_nothing, 0, modes);
	tcase_add_loop_test(tc, a_handler_alone_wakes_the_thread_that_it_interrupts, 0, modes);
	return runner_run(s);
}
