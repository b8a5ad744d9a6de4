/* SPDX-License-Identifier: MIT
 *
 * Watches: each receiver that appears or goes is told once, whatever happens when, and nothing else is.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "shares.h"

static void expect(struct bell_watch *w, uint32_t kind, const char *name, pid_t pid)
{
	struct bell_watch_event e;

	ck_assert(fd_readable(bell_watch_fd(w)));
	ck_assert_int_eq(bell_watch_next(w, &e), 1);
	ck_assert_str_eq(e.name, name);
	ck_assert_uint_eq(e.kind, kind);
	ck_assert_int_eq(e.pid, pid);
	ck_assert_uint_eq(e.uid, getuid());
}

/* Waits for one event. */
static struct bell_watch_event await(struct bell_watch *w)
{
	struct bell_watch_event e;
	int r;

	struct pollfd fd = {.fd = bell_watch_fd(w), .events = POLLIN};

	while ((r = bell_watch_next(w, &e)) == 0)
		ck_assert_int_eq(poll(&fd, 1, (int)(PATIENCE / 1000000)), 1);
	ck_assert_int_eq(r, 1);
	return e;
}

static const char *path_of(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", shares_dir, name);
	return path;
}

START_TEST(names_that_are_there_come_first_and_then_what_changes)
{
	struct bell_share *a = share_of("a", NULL), *b = share_of("b", NULL), *c;
	struct bell_watch *w = watch_of();

	expect(w, BELL_WATCH_APPEARED, "a", getpid());
	expect(w, BELL_WATCH_APPEARED, "b", getpid());
	expect_quiet(w);
	c = share_of("c", NULL);
	expect(w, BELL_WATCH_APPEARED, "c", getpid());
	bell_share_free(a);
	expect(w, BELL_WATCH_GONE, "a", getpid());
	expect_quiet(w);
	bell_share_free(b);
	bell_share_free(c);
	(void)await(w);
	(void)await(w);
	expect_quiet(w);
	bell_watch_free(w);
	bell_watch_free(NULL);
}

START_TEST(a_receiver_that_polls_or_refuses_observers_is_there_all_the_same)
{
	struct bell_share *a = share_of("a", &(struct bell_share_options){.max_observers = 1});
	struct bell_watch *w = watch_of(), *second = watch_of();
	struct bell_share *b;

	expect(w, BELL_WATCH_APPEARED, "a", getpid());
	expect(second, BELL_WATCH_APPEARED, "a", getpid());
	expect_silence(a); /* answers the one and refuses the other */
	expect_quiet(w);
	expect_quiet(second);
	b = share_of("b", NULL);
	expect(second, BELL_WATCH_APPEARED, "b", getpid()); /* and has tried a again */
	expect_quiet(second);
	expect_silence(a);
	expect_quiet(second);
	bell_share_free(a);
	expect(w, BELL_WATCH_GONE, "a", getpid()); /* b is next */
	expect(second, BELL_WATCH_GONE, "a", getpid());
	expect_quiet(second);
	bell_share_free(b);
	bell_watch_free(w);
	bell_watch_free(second);
}

static int offer_x(void *arg)
{
	struct bell_share_event events[4];
	struct bell_share *s;

	if (bell_share_new(&s, shares_dir, "x", NULL) < 0)
		return 1;
	while (arg && bell_share_wait(s, events, 4, PATIENCE) >= 0)
		;
	pause();
	return 2;
}

START_TEST(a_receiver_that_is_killed_has_gone_though_its_file_is_there)
{
	struct bell_watch *w = watch_of(), *late;
	int polls = _i;
	struct bell_share *s;
	pid_t child = child_of(offer_x, polls ? &polls : NULL);
	struct bell_watch_event e = await(w);

	ck_assert_uint_eq(e.kind, BELL_WATCH_APPEARED);
	ck_assert_int_eq(e.pid, child);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	expect(w, BELL_WATCH_GONE, "x", child);
	expect_quiet(w);
	ck_assert_int_eq(shares_names(), 1);
	late = watch_of();
	expect_quiet(late);	 /* a dead name is none */
	s = share_of("x", NULL); /* its successor takes the name over */
	expect(w, BELL_WATCH_APPEARED, "x", getpid());
	expect(late, BELL_WATCH_APPEARED, "x", getpid());
	expect_quiet(w);
	bell_share_free(s);
	expect(w, BELL_WATCH_GONE, "x", getpid());
	bell_watch_free(w);
	bell_watch_free(late);
}

START_TEST(a_name_that_was_replaced_between_two_looks_has_gone_and_appeared)
{
	struct bell_share *s = share_of("x", NULL), *old;
	struct bell_watch *w = watch_of();
	int i;

	expect(w, BELL_WATCH_APPEARED, "x", getpid());
	for (i = 0; i < 1000;
		i++) { /* file numbers are used again, within the grain of a file's time */
		bell_share_free(s);
		s = share_of("x", NULL);
		expect(w, BELL_WATCH_GONE, "x", getpid());
		(void)await(w);
		expect_quiet(w);
	}
	old = s; /* lives, and has lost its name */
	ck_assert_int_eq(unlink(path_of("x")), 0);
	s = share_of("x", NULL);
	expect(w, BELL_WATCH_GONE, "x", getpid());
	expect(w, BELL_WATCH_APPEARED, "x", getpid());
	bell_share_free(old); /* and leaves that of its successor alone */
	expect_quiet(w);
	ck_assert_int_eq(shares_names(), 1);
	bell_share_free(share_of("y", NULL)); /* came and went unseen */
	expect_quiet(w);
	bell_share_free(s);
	bell_watch_free(w);
}

START_TEST(what_is_no_living_receiver_is_not_told)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct bell_watch *w = watch_of();
	int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	strcpy(address.sun_path, path_of("stream"));
	ck_assert_int_eq(bind(stream, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(stream, 1), 0);
	fd = open(path_of("file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	close(fd);
	ck_assert_int_eq(mkdir(path_of("dir"), 0700), 0);
	ck_assert_int_eq(symlink("nowhere", path_of("link")), 0);
	ck_assert_int_eq(rename(path_of("link"), "/proc/none"), -1);
	ck_assert_int_eq(rmdir(path_of("dir")), 0); /* an event */
	expect_quiet(w);
	bell_watch_free(w);
	w = watch_of();
	expect_quiet(w);
	close(stream);
	bell_watch_free(w);
}

/* -- what is lost ---------------------------------------------------------------------------- */

/* More events than the kernel keeps, so that those that matter are lost. Names of the parent's say
 * nothing of ours: then only the overflow itself does. */
START_TEST(an_overflow_of_inotify_loses_nothing)
{
	struct bell_share *a = share_of("a", NULL), *b;
	struct bell_watch *w = watch_of();
	char names[2][192];
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	int most = 0, i;

	ck_assert_ptr_nonnull(limit);
	ck_assert_int_eq(fscanf(limit, "%d", &most), 1);
	fclose(limit);
	expect(w, BELL_WATCH_APPEARED, "a", getpid());
	expect_quiet(w);
	for (i = 0; i < 2; i++)
		snprintf(names[i], sizeof(names[i]), "%s%s%d", shares_dir, _i ? "/" : ".", i);
	for (i = 0; i <= most; i++) { /* one event each, and no two of the same after one another */
		close(open(names[i % 2], O_CREAT | O_RDWR | O_CLOEXEC, 0600));
		ck_assert_int_eq(unlink(names[i % 2]), 0);
	}
	b = share_of("b", NULL);
	ck_assert_int_eq(unlink(path_of("a")), 0);
	expect(w, BELL_WATCH_GONE, "a", getpid());
	expect(w, BELL_WATCH_APPEARED, "b", getpid());
	expect_quiet(w);
	bell_share_free(b); /* it goes on after the overflow */
	expect(w, BELL_WATCH_GONE, "b", getpid());
	expect_quiet(w);
	bell_share_free(a);
	bell_watch_free(w);
}

/* -- limits ---------------------------------------------------------------------------------- */

START_TEST(without_a_descriptor_a_receiver_is_told_and_goes_with_its_file)
{
	struct bell_watch *w = watch_of(), *none = NULL;
	struct bell_share *a = share_of("a", NULL), *b = share_of("b", NULL);
	struct rlimit old, tight;
	int fds[64], n = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = (struct rlimit){.rlim_cur = 40, .rlim_max = old.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while (n < 64 && (fds[n] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	ck_assert_int_eq(bell_watch_new(&none, shares_dir), -EMFILE);
	ck_assert_ptr_null(none);
	expect(w, BELL_WATCH_APPEARED, "a", 0);
	expect(w, BELL_WATCH_APPEARED, "b", 0);
	expect_quiet(w);
	ck_assert_int_eq(unlink(path_of("a")), 0);
	expect(w, BELL_WATCH_GONE, "a", 0);
	expect_quiet(w);
	while (n > 0)
		close(fds[--n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	bell_share_free(a);
	a = share_of("a", NULL); /* an event: now there can be a connection to b as well */
	expect(w, BELL_WATCH_APPEARED, "a", getpid());
	expect_quiet(w);
	expect_silence(b);
	ck_assert_uint_eq(share_stats_of(b).observers, 1);
	bell_share_free(b);
	expect(w, BELL_WATCH_GONE, "b", 0);
	expect_quiet(w);
	bell_share_free(a);
	bell_watch_free(w);
}

START_TEST(the_end_of_the_directory_is_told_after_its_names)
{
	struct bell_share *a = share_of("a", NULL);
	struct bell_watch *w = watch_of(), *none = NULL;
	struct bell_watch_event e;

	expect(w, BELL_WATCH_APPEARED, "a", getpid());
	expect_quiet(w);
	ck_assert_int_eq(unlink(path_of("a")), 0);
	if (_i) { /* looked at in between */
		expect(w, BELL_WATCH_GONE, "a", getpid());
		expect_quiet(w);
	}
	ck_assert_int_eq(rmdir(shares_dir), 0);
	if (!_i)
		expect(w, BELL_WATCH_GONE, "a", getpid());
	ck_assert(fd_readable(bell_watch_fd(w)));
	ck_assert_int_eq(bell_watch_next(w, &e), -ENOENT);
	ck_assert_int_eq(bell_watch_next(w, &e), -ENOENT);
	ck_assert(fd_readable(bell_watch_fd(w)));
	ck_assert_int_eq(bell_watch_new(&none, shares_dir), -ENOENT);
	bell_watch_free(w);
	bell_share_free(a);
	ck_assert_int_eq(mkdir(shares_dir, 0700), 0);
	ck_assert_int_eq(chmod(shares_dir, 0777), 0);
	ck_assert_int_eq(bell_watch_new(&none, shares_dir), -EPERM);
}

/* A child that has copies of all descriptors must not keep what the parent closed alive in its epoll set.
 * */
static int idle(void *arg)
{
	if (arg)
		bell_watch_free(arg);
	pause();
	return 0;
}

START_TEST(a_forked_child_leaves_the_watch_alone_whether_it_frees_or_not)
{
	pid_t receiver = child_of(offer_x, NULL), child;
	struct bell_watch *w = watch_of();
	struct bell_share *b;

	ck_assert_int_eq(await(w).pid, receiver);
	b = share_of("b", NULL);
	expect(w, BELL_WATCH_APPEARED, "b", getpid());
	expect_quiet(w);
	child = child_of(idle, _i ? w : NULL);
	ck_assert_int_eq(
		unlink(path_of("x")), 0); /* whose connection is closed here, and open there */
	expect(w, BELL_WATCH_GONE, "x", receiver);
	expect_quiet(w);
	kill(receiver, SIGKILL);
	ck_assert_int_eq(child_end(receiver), 128 + SIGKILL);
	expect_quiet(w);
	kill(child, SIGKILL);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	bell_share_free(b);
	expect(w, BELL_WATCH_GONE, "b", getpid());
	expect_quiet(w);
	bell_watch_free(w);
}

int main(void)
{
	Suite *s = suite_create("ipc watch");
	TCase *tc = shares_case(s, "watch", 60);

	tcase_add_test(tc, names_that_are_there_come_first_and_then_what_changes);
	tcase_add_test(tc, a_receiver_that_polls_or_refuses_observers_is_there_all_the_same);
	tcase_add_loop_test(tc, a_receiver_that_is_killed_has_gone_though_its_file_is_there, 0, 2);
	tcase_add_test(tc, a_name_that_was_replaced_between_two_looks_has_gone_and_appeared);
	tcase_add_test(tc, what_is_no_living_receiver_is_not_told);
	tcase_add_loop_test(tc, an_overflow_of_inotify_loses_nothing, 0, 2);
	tcase_add_test(tc, without_a_descriptor_a_receiver_is_told_and_goes_with_its_file);
	tcase_add_loop_test(tc, the_end_of_the_directory_is_told_after_its_names, 0, 2);
	tcase_add_loop_test(
		tc, a_forked_child_leaves_the_watch_alone_whether_it_frees_or_not, 0, 2);
	return runner_run(s);
}
