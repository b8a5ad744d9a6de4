/* SPDX-License-Identifier: MIT
 *
 * Two users: who is let in, by the socket's mode, by the options, and by a peer that is told where to go.
 */
#include <grp.h>
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
	pid_t child;
	int r;

	ck_assert_int_eq(chmod(shares_dir, 01777), 0);
	child = child_of(offer_as_other, NULL);
	while ((r = bell_peer_connect(&p, shares_dir, "x", SECOND)) == -ETIMEDOUT)
		;
	ck_assert_int_eq(r, -EACCES);
	ck_assert_int_eq(chown(shares_dir, OTHER_USER, OTHER_GROUP), 0);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", PATIENCE),
		0); /* it is theirs: we were sent there */
	bell_peer_free(p);
	kill(child, SIGKILL);
	child_end(child);
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
	return runner_run(s);
}
