/* SPDX-License-Identifier: MIT
 *
 * Two users: who is let in, by the socket's mode, by the options, and by a peer that is told where to go;
 * and what those see who are not.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shares.h"

static int connect_status(void)
{
	struct bell_peer *p;

	return -bell_peer_connect(&p, shares_dir, "x", PATIENCE);
}

enum { OTHER_USER = 54321, OTHER_GROUP = 54322, SIDE_GROUP = 54323 };

static int connect_as_other(void *arg)
{
	const gid_t side = SIDE_GROUP;

	(void)arg;
	if (setgroups(1, &side) < 0 || setgid(OTHER_GROUP) < 0 || setuid(OTHER_USER) < 0)
		return 98;
	return connect_status();
}

static int connect_other(struct bell_share *s)
{
	struct bell_share_event event = {0};
	pid_t child = child_of(connect_as_other, NULL);
	int status;

	while (waitpid(child, &status, WNOHANG) == 0)
		if (bell_share_wait(s, &event, 1, SECOND / 1000) == 1 &&
			event.kind == BELL_SHARE_JOINED)
			ck_assert_uint_eq(event.uid, OTHER_USER);
	return WEXITSTATUS(status);
}

START_TEST(another_user_is_let_in_only_when_the_options_say_so)
{
	static const struct {
		struct bell_share_options options;
		int result;
		uint64_t denied; /* by the receiver; else the kernel did it, by the socket's mode */
	} cases[] = {
		{{0}, EACCES, 0},
		{{.mode = 0666}, EACCES, 1},
		{{.who = BELL_SHARE_ANYBODY}, 0, 0},
		{{.who = BELL_SHARE_ANYBODY, .mode = 0600}, EACCES, 0},
		{{.who = BELL_SHARE_GROUP, .gid = OTHER_GROUP}, 0, 0},
		{{.who = BELL_SHARE_GROUP, .gid = SIDE_GROUP}, 0, 0},
		{{.who = BELL_SHARE_GROUP, .gid = 54399}, EACCES, 0},
		{{.who = BELL_SHARE_GROUP, .gid = 54399, .mode = 0666}, EACCES, 1},
	};
	struct bell_share *s;
	size_t i;

	ck_assert_int_eq(chmod(shares_dir, 0755), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = share_of("x", &cases[i].options);
		ck_assert_msg(connect_other(s) == cases[i].result, "case %zu", i);
		ck_assert_uint_eq(share_stats_of(s).denied, cases[i].denied);
		bell_share_free(s);
	}
}

static int offer_as_other(void *arg)
{
	struct bell_share_event event;
	struct bell_share *s;

	(void)arg;
	if (setgroups(0, NULL) < 0 || setgid(OTHER_GROUP) < 0 || setuid(OTHER_USER) < 0)
		return 98;
	if (bell_share_new(&s, shares_dir, "x", NULL) < 0)
		return 97;
	while (bell_share_wait(s, &event, 1, -1) == 1)
		;
	return 96;
}

START_TEST(a_stranger_who_took_a_name_in_a_public_directory_is_not_trusted)
{
	struct bell_peer *p = NULL;
	struct bell_observer *o;
	struct bell_watch_event e;
	struct bell_watch *w;
	pid_t child;
	int r;

	ck_assert_int_eq(chmod(shares_dir, 01777), 0);
	child = child_of(offer_as_other, NULL);
	while ((r = bell_peer_connect(&p, shares_dir, "x", SECOND)) == -ETIMEDOUT)
		;
	ck_assert_int_eq(r, -EACCES);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), -EACCES);
	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	ck_assert_int_eq(bell_watch_next(w, &e), 0); /* so it is not told of, either */
	bell_watch_free(w);
	ck_assert_int_eq(chown(shares_dir, OTHER_USER, OTHER_GROUP), 0);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", PATIENCE),
		0); /* it is theirs: we were sent there */
	bell_peer_free(p);
	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_uint_eq(e.uid, OTHER_USER);
	bell_watch_free(w);
	kill(child, SIGKILL);
	child_end(child);
}

/* -- observers and watches ------------------------------------------------------------------- */

static int observe_as_other(void *arg)
{
	struct bell_share_stats stats;
	struct bell_observer *o;
	int r;

	(void)arg;
	if (setgroups(0, NULL) < 0 || setgid(OTHER_GROUP) < 0 || setuid(OTHER_USER) < 0)
		return 98;
	r = bell_observer_new(&o, shares_dir, "x");
	if (r < 0)
		return -r;
	while ((r = bell_observer_read(o, &stats)) == -EAGAIN)
		(void)poll(&(struct pollfd){.fd = bell_observer_fd(o), .events = POLLIN}, 1, -1);
	bell_observer_free(o);
	return -r;
}

START_TEST(who_may_observe_is_who_may_be_a_peer)
{
	static const struct {
		struct bell_share_options options;
		int result;
		uint64_t denied;
	} cases[] = {
		{{0}, EACCES, 0}, {{.mode = 0666}, EACCES, 1}, {{.who = BELL_SHARE_ANYBODY}, 0, 0}};
	struct bell_share_event event;
	struct bell_share *s;
	int status = 0;
	pid_t child;
	size_t i;

	ck_assert_int_eq(chmod(shares_dir, 0755), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = share_of("x", &cases[i].options);
		child = child_of(observe_as_other, NULL);
		while (waitpid(child, &status, WNOHANG) == 0)
			ck_assert_int_eq(bell_share_wait(s, &event, 1, SECOND / 1000), -ETIMEDOUT);
		ck_assert_msg(WEXITSTATUS(status) == cases[i].result, "case %zu", i);
		ck_assert_uint_eq(share_stats_of(s).denied, cases[i].denied);
		bell_share_free(s);
	}
}

static int ready[2];

/* One that it may not connect to, or not observe, is told; and GONE when its file goes. */
static int watch_as_other(void *arg)
{
	struct bell_watch_event e = {0};
	struct bell_watch *w;
	int r;

	(void)arg;
	if (setgroups(0, NULL) < 0 || setgid(OTHER_GROUP) < 0 || setuid(OTHER_USER) < 0)
		return 98;
	if (bell_watch_new(&w, shares_dir) < 0)
		return 97;
	if (bell_watch_next(w, &e) != 1 || e.kind != BELL_WATCH_APPEARED || e.uid != 0)
		return 1;
	if (write(ready[1], &e.pid, sizeof(e.pid)) != sizeof(e.pid))
		return 2;
	while ((r = bell_watch_next(w, &e)) == 0)
		(void)poll(&(struct pollfd){.fd = bell_watch_fd(w), .events = POLLIN}, 1, -1);
	return r != 1 || e.kind != BELL_WATCH_GONE ? 3 : 0;
}

START_TEST(a_watch_tells_of_receivers_that_do_not_let_it_in)
{
	struct bell_share *s;
	pid_t child, pid;
	mode_t mode;

	ck_assert_int_eq(chmod(shares_dir, 0755), 0);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	for (mode = 0600; mode <= 0666; mode += 066) {
		s = share_of("x", &(struct bell_share_options){.mode = mode});
		child = child_of(watch_as_other, NULL);
		ck_assert_int_eq(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
		ck_assert_int_eq(pid, mode == 0600 ? 0 : getpid());
		if (mode == 0666)
			expect_silence(s); /* refuses it */
		bell_share_free(s);
		ck_assert_int_eq(child_end(child), 0);
	}
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	Suite *s;
	TCase *tc;

	if (geteuid() != 0) {
		puts("1..0 # SKIP only root can be two users");
		return 0;
	}
	s = suite_create("ipc users");
	tc = shares_case(s, "users", 60);
	tcase_add_test(tc, another_user_is_let_in_only_when_the_options_say_so);
	tcase_add_test(tc, a_stranger_who_took_a_name_in_a_public_directory_is_not_trusted);
	tcase_add_test(tc, who_may_observe_is_who_may_be_a_peer);
	tcase_add_test(tc, a_watch_tells_of_receivers_that_do_not_let_it_in);
	return runner_run(s);
}
