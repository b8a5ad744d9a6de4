/* SPDX-License-Identifier: MIT
 *
 * Numbers that are used again: the process id of a dead peer or receiver, the descriptor of one that left.
 * Whoever has the number now is not taken for the one before, and nothing is written to it. (File numbers
 * and names: watch.c, names.c.)
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "shares.h"

enum { OTHER_USER = 54321 };

/* A child with a number of our choice, or -1. */
static pid_t child_numbered(pid_t number, int (*fn)(void *arg), void *arg)
{
	struct clone_args how = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
	pid_t child;

	fflush(NULL);
	child = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return child;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static const char *refused_here(void)
{
	pid_t child, again;
	int status;

	if (BELL_TSAN)
		return "ThreadSanitizer does not know clone3(2)";
	child = fork();
	if (child == 0)
		_exit(0);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return "no process";
	again = child_numbered(child, nothing, NULL);
	if (again < 0)
		return "nobody may choose process ids here";
	return waitpid(again, &status, 0) == again ? NULL : "no child";
}

static int sleep_for_ever(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static int notify_3_and_die(void *arg)
{
	struct bell_peer *p = child_connect("x");

	(void)arg;
	if (bell_peer_notify(p, 3) != 1)
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

static int notify_4_and_stay(void *arg)
{
	struct bell_peer *p;

	if (setuid(OTHER_USER) < 0)
		return 1;
	p = child_connect("x");
	if (bell_peer_notify(p, 4) != 1)
		return 1;
	return sleep_for_ever(arg);
}

START_TEST(a_peer_is_not_taken_for_who_has_its_process_id_now)
{
	struct bell_share *s =
		share_of("x", &(struct bell_share_options){.who = BELL_SHARE_ANYBODY});
	struct bell_share_peer_stats row;
	struct bell_share_event event;
	pid_t child, again;

	ck_assert_int_eq(chmod(shares_dir, 0755), 0);
	child = child_of(notify_3_and_die, NULL);
	event = next_event(s);
	ck_assert_uint_eq(event.kind, BELL_SHARE_JOINED);
	ck_assert_int_eq(event.pid, child);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);

	again = child_numbered(child, sleep_for_ever, NULL);
	ck_assert_int_eq(again, child);
	expect_token(s, 1, 3); /* of the dead one */
	ck_assert_int_eq(bell_share_peer_stats(s, 0, &row), 0);
	ck_assert_int_eq(row.pid, child);
	event = expect_left(s, 1, 0); /* though there is a process of its number */
	ck_assert_int_eq(event.pid, child);
	ck_assert_uint_eq(event.uid, getuid());
	kill(again, SIGKILL);
	ck_assert_int_eq(child_end(again), 128 + SIGKILL);

	again = child_numbered(child, notify_4_and_stay, NULL);
	event = next_event(s);
	ck_assert_uint_eq(event.kind, BELL_SHARE_JOINED);
	ck_assert_uint_eq(event.peer, 2);
	ck_assert_int_eq(event.pid, child);
	ck_assert_uint_eq(event.uid, OTHER_USER);
	expect_token(s, 2, 4);
	kill(again, SIGKILL);
	ck_assert_int_eq(child_end(again), 128 + SIGKILL);
	expect_left(s, 2, 0);
	bell_share_free(s);
}

static int offer_and_sleep(void *arg)
{
	struct bell_share *s;

	return bell_share_new(&s, shares_dir, "x", NULL) < 0 || sleep_for_ever(arg);
}

START_TEST(a_receiver_is_not_alive_because_somebody_has_its_process_id)
{
	struct pollfd fd = {.events = POLLIN};
	struct bell_observer *o;
	struct bell_share_stats stats;
	struct bell_watch_event e;
	struct bell_watch *w;
	pid_t child, again, pid;
	uid_t uid;

	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	fd.fd = bell_watch_fd(w);
	child = child_of(offer_and_sleep, NULL);
	while (bell_watch_next(w, &e) == 0)
		ck_assert_int_eq(poll(&fd, 1, -1), 1);
	ck_assert_int_eq(e.pid, child);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), 0);
	kill(child, SIGKILL);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	again = child_numbered(child, sleep_for_ever, NULL);
	ck_assert_int_eq(again, child);
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_uint_eq(e.kind, BELL_WATCH_GONE);
	ck_assert_int_eq(bell_observer_read(o, &stats), -EPIPE);
	bell_observer_owner(o, &pid, &uid);
	ck_assert_int_eq(pid, child); /* as it was */
	bell_observer_free(o);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), -ENOENT);
	kill(again, SIGKILL);
	ck_assert_int_eq(child_end(again), 128 + SIGKILL);
	bell_watch_free(w);
}

/* -- descriptors ----------------------------------------------------------------------------- */

enum { SOME = 40, MINE = 5 };

/* The lowest numbers that are free, each with something of ours that is readable and writable. */
static void occupy(int *fds)
{
	int i;

	for (i = 0; i < SOME; i++)
		ck_assert_int_ge(fds[i] = eventfd(MINE, EFD_CLOEXEC | EFD_NONBLOCK), 0);
}

static void expect_untouched(int *fds)
{
	int i;

	for (i = 0; i < SOME; i++) {
		ck_assert_uint_eq(fd_count(fds[i]), MINE);
		close(fds[i]);
	}
}

START_TEST(what_takes_the_descriptor_of_a_peer_that_left_is_left_alone)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_event event;
	struct bell_observer *o;
	struct bell_peer *p, *other;
	uint64_t id, other_id;
	int fds[SOME], i;

	for (i = 0; i < 4; i++) {
		p = peer_of(s, "x", &id);
		ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), 0);
		other = peer_of(s, "x", &other_id);
		expect_silence(s);
		ck_assert_int_eq(bell_peer_notify(p, 1), 1); /* its bell rings */
		bell_peer_free(p);
		bell_observer_free(o);
		if (i % 2)
			ck_assert_int_eq(
				bell_share_poll(s, &event, 0), 0); /* closed, and LEFT not told */
		occupy(fds);
		expect_token(s, id, 1);
		if (i == 2) {
			expect_untouched(fds);
			occupy(fds);
		}
		expect_left(s, id, 0);
		ck_assert_int_eq(bell_peer_notify(other, 2), 1);
		expect_token(s, other_id, 2);
		expect_silence(s);
		expect_untouched(fds);
		bell_peer_free(other);
		expect_left(s, other_id, 0);
	}
	bell_share_free(s);
}

START_TEST(what_takes_the_descriptor_of_a_receiver_that_went_is_left_alone)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_watch_event e;
	struct bell_watch *w;
	int fds[SOME];

	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_int_eq(bell_watch_next(w, &e), 0);
	bell_share_free(s);
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_uint_eq(e.kind, BELL_WATCH_GONE);
	occupy(fds);
	ck_assert_int_eq(bell_watch_next(w, &e), 0);
	bell_share_free(share_of("y", NULL));
	ck_assert_int_eq(bell_watch_next(w, &e), 0);
	ck_assert(!fd_readable(bell_watch_fd(w)));
	bell_watch_free(w);
	expect_untouched(fds);
}

int main(void)
{
	const char *refused = refused_here();
	Suite *s = suite_create("ipc reuse");
	TCase *tc = shares_case(s, "reuse", 60);

	if (refused || geteuid() != 0) {
		printf("# without process ids that are used again: %s\n",
			refused ? refused : "only root can be two users");
		fflush(stdout); /* the tests fork */
	} else {
		tcase_add_test(tc, a_peer_is_not_taken_for_who_has_its_process_id_now);
		tcase_add_test(tc, a_receiver_is_not_alive_because_somebody_has_its_process_id);
	}
	tcase_add_test(tc, what_takes_the_descriptor_of_a_peer_that_left_is_left_alone);
	tcase_add_test(tc, what_takes_the_descriptor_of_a_receiver_that_went_is_left_alone);
	return runner_run(s);
}
