/* SPDX-License-Identifier: MIT
 *
 * Many lives: two hundred peers that come and go, one that is stopped, ones that are killed, forked
 * children, no descriptors left on either side, signals. Whatever one of them does, the
 * others go on, and nothing is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "shares.h"

/* -- coming and going ------------------------------------------------------------------------ */

enum { CROWD = 200, SAYS = 20 };

static int say_and_go(void *arg)
{
	const int kind = *(int *)arg;
	struct bell_peer *p = child_connect("x");
	uint32_t i;

	for (i = 0; i < SAYS; i++)
		if (bell_peer_notify(p, i) != 1)
			return 1;
	if (kind == 0)
		bell_peer_free(p);
	if (kind == 1)
		kill(getpid(), SIGKILL);
	return 0; /* 2: just ends */
}

START_TEST(two_hundred_peers_come_and_go_and_each_is_heard)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.max_peers = 50});
	static uint32_t heard[CROWD + 1];
	struct bell_share_event events[64];
	pid_t children[CROWD];
	int started = 0, joined = 0, left = 0, kind;
	ssize_t n, i;

	while (left < CROWD) {
		while (started < CROWD && started - left < 40) {
			kind = started % 3;
			children[started++] = child_of(say_and_go, &kind);
		}
		n = bell_share_wait(s, events, 64, PATIENCE);
		ck_assert_int_gt(n, 0);
		for (i = 0; i < n; i++) {
			ck_assert_uint_le(events[i].peer, CROWD);
			joined += events[i].kind == BELL_SHARE_JOINED;
			left += events[i].kind == BELL_SHARE_LEFT;
			if (events[i].kind == BELL_SHARE_TOKEN)
				ck_assert_uint_eq(events[i].token, heard[events[i].peer]++);
			else
				ck_assert_int_eq(events[i].reason, 0);
		}
	}
	ck_assert_int_eq(joined, CROWD);
	for (i = 0; i < CROWD; i++) {
		ck_assert_int_eq(child_end(children[i]), i % 3 == 1 ? 128 + SIGKILL : 0);
		ck_assert_uint_eq(heard[i + 1], SAYS);
	}
	ck_assert_uint_eq(share_stats_of(s).full, 0);
	bell_share_free(s);
}

static int hold_on(void *arg)
{
	struct bell_peer *p = child_connect("x");

	(void)arg;
	for (;;)
		(void)bell_peer_notify(p, 1);
	return 0;
}

START_TEST(a_stopped_peer_delays_nobody_and_is_not_dead)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	struct bell_peer *p;
	uint64_t stopped, id;
	pid_t child = child_of(hold_on, NULL);
	int status, i;

	stopped = next_event(s).peer;
	ck_assert_uint_eq(next_event(s).token, 1);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	while (bell_share_wait(s, &event, 1, SECOND / 20) > 0) /* what it had queued */
		ck_assert_uint_eq(event.peer, stopped);
	p = peer_of(s, "x", &id);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(bell_peer_notify(p, 3), 1);
		expect_token(s, id, 3);
	}
	expect_silence(s);
	ck_assert_int_eq(kill(child, SIGCONT), 0);
	ck_assert_uint_eq(next_event(s).peer, stopped);
	kill(child, SIGKILL);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	while ((event = next_event(s)).kind == BELL_SHARE_TOKEN)
		;
	ck_assert_uint_eq(event.peer, stopped);
	ck_assert_int_eq(event.reason, 0);
	bell_peer_free(p);
	bell_share_free(s);
}

/* -- fork ------------------------------------------------------------------------------------ */

static int wait_for_end(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

START_TEST(a_child_that_lives_on_does_not_keep_a_freed_peer_or_share_alive)
{
	struct bell_share *s = share_of("x", NULL);
	uint64_t id;
	struct bell_peer *p = peer_of(s, "x", &id);
	pid_t child = child_of(wait_for_end, NULL);

	bell_peer_free(p);
	expect_left(s, id, 0);
	p = peer_of(s, "x", &id);
	kill(child, SIGKILL);
	child_end(child);
	child = child_of(wait_for_end, NULL);
	bell_share_free(s);
	ck_assert(fd_readable(bell_peer_fd(p)));
	ck_assert_int_eq(bell_peer_notify(p, 1), -EPIPE);
	bell_peer_free(p);
	kill(child, SIGKILL);
	child_end(child);
}

static struct bell_share *inherited_share;
static struct bell_peer *inherited_peer;

static int free_both(void *arg)
{
	(void)arg;
	bell_peer_free(inherited_peer);
	bell_share_free(inherited_share);
	return 0;
}

START_TEST(a_child_that_frees_leaves_the_parents_alone)
{
	uint64_t id;

	inherited_share = share_of("x", NULL);
	inherited_peer = peer_of(inherited_share, "x", &id);
	expect_silence(inherited_share);
	ck_assert_int_eq(child_end(child_of(free_both, NULL)), 0);
	ck_assert_int_eq(shares_names(), 1);
	ck_assert_int_eq(bell_peer_notify(inherited_peer, 4), 1);
	expect_token(inherited_share, id, 4);
	bell_peer_free(peer_of(inherited_share, "x", NULL));
	bell_peer_free(inherited_peer);
	bell_share_free(inherited_share);
}

/* -- no descriptors -------------------------------------------------------------------------- */

static void limit_files(rlim_t more)
{
	struct rlimit limit;
	int next;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	next = dup(0);
	ck_assert_int_ge(next, 0);
	close(next);
	limit.rlim_cur = (rlim_t)next + more;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int connect_status(void *arg)
{
	struct bell_peer *p;

	(void)arg;
	limit_files(100); /* its own, not the receiver's */
	return -bell_peer_connect(&p, shares_dir, "x", PATIENCE);
}

START_TEST(a_receiver_without_descriptors_turns_away_and_does_not_spin)
{
	struct bell_share *s = share_of("x", NULL);
	uint64_t id;
	struct bell_peer *p = peer_of(s, "x", &id);
	struct bell_share_event event;
	uint64_t refusals = 0;
	int more, status;
	pid_t child;

	for (more = 0;; more++) {
		limit_files((rlim_t)more);
		child = child_of(connect_status, NULL);
		while (waitpid(child, &status, WNOHANG) == 0)
			while (bell_share_wait(s, &event, 1, SECOND / 1000) == 1)
				;
		ck_assert(WIFEXITED(status));
		if (WEXITSTATUS(status) == 0)
			break;
		ck_assert_int_eq(WEXITSTATUS(status), EMFILE);
		ck_assert_uint_eq(share_stats_of(s).exhausted, ++refusals);
		expect_silence(s);
		ck_assert_int_eq(bell_peer_notify(p, 2), 1); /* those who are in stay in */
		expect_token(s, id, 2);
	}
	ck_assert_uint_ge(refusals, 3); /* two to stay, and the memory's */
	limit_files(100);
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(making_fails_with_the_error_and_leaves_nothing_at_any_number_of_descriptors)
{
	struct bell_share *s = NULL;
	int more, failed = 0;

	for (more = 0; !s; more++) {
		limit_files((rlim_t)more);
		if (bell_share_new(&s, shares_dir, "x", NULL) == 0)
			break;
		limit_files(100);
		ck_assert_int_eq(shares_names(), 0);
		failed++;
	}
	ck_assert_int_eq(failed, 6); /* five to stay, and one to ask whether the name is alive */
	limit_files(100);
	bell_share_free(s);
}

START_TEST(a_peer_without_descriptors_fails_and_leaves_none)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	int more, status;
	pid_t child;

	for (more = 0; more < 20; more++) {
		fflush(NULL);
		child = fork();
		if (child == 0) {
			struct bell_peer *p = NULL;

			limit_files((rlim_t)more);
			status = -bell_peer_connect(&p, shares_dir, "x", PATIENCE);
			_exit(status);
		}
		while (waitpid(child, &status, WNOHANG) == 0)
			(void)!bell_share_wait(s, &event, 1, SECOND / 1000);
		ck_assert(WIFEXITED(status));
		if (WEXITSTATUS(status) == 0)
			break;
		/* The kernel drops descriptors that do not fit: then the message is short of them. */
		ck_assert(WEXITSTATUS(status) == EMFILE || WEXITSTATUS(status) == EPROTO);
	}
	ck_assert_int_ge(more, 3);
	ck_assert_int_lt(more, 20);
	bell_share_free(s);
}

/* -- signals --------------------------------------------------------------------------------- */

static uint32_t ticks;

static void on_tick(int number)
{
	(void)number;
	(void)bell_fetch_add_relaxed(&ticks, 1);
}

START_TEST(a_signal_ends_a_wait_and_a_connect_that_brought_nothing)
{
	const struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	struct bell_peer *p = NULL;

	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_tick}, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	ck_assert_int_eq(bell_share_wait(s, &event, 1, -1), -EINTR);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "nobody", -1), -EINTR);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", -1), -EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
	bell_share_free(s);
}

int main(void)
{
	Suite *s = suite_create("ipc lives");
	TCase *tc = shares_case(s, "lives", 60);

	tcase_add_test(tc, two_hundred_peers_come_and_go_and_each_is_heard);
	tcase_add_test(tc, a_stopped_peer_delays_nobody_and_is_not_dead);
	tcase_add_test(tc, a_child_that_lives_on_does_not_keep_a_freed_peer_or_share_alive);
	tcase_add_test(tc, a_child_that_frees_leaves_the_parents_alone);
	tcase_add_test(tc, a_receiver_without_descriptors_turns_away_and_does_not_spin);
	tcase_add_test(
		tc, making_fails_with_the_error_and_leaves_nothing_at_any_number_of_descriptors);
	tcase_add_test(tc, a_peer_without_descriptors_fails_and_leaves_none);
	tcase_add_test(tc, a_signal_ends_a_wait_and_a_connect_that_brought_nothing);
	return runner_run(s);
}
