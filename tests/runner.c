/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

static pid_t runner_pid;
static int fds_before, threads_before;

/* The directory's own descriptor is in both counts. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void *tell_tid(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

/* ThreadSanitizer starts a thread of its own beside the first one of a program, and keeps it. So
 * have a first thread, and let it be gone, before the threads are counted. */
static void start_first_thread(void)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int turns = 1000;
	pthread_t first;
	char path[64];
	pid_t tid;

	ck_assert_int_eq(pthread_create(&first, NULL, tell_tid, &tid), 0);
	pthread_join(first, NULL);
	snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
	while (turns-- > 0 && access(path, F_OK) == 0)
		nanosleep(&ms, NULL);
}

static void before(void)
{
	if (getpid() != runner_pid) { /* forked: do not outlive the runner, spinning */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != runner_pid)
			_exit(EXIT_FAILURE);
	}
	start_first_thread();
	fds_before = entries("/proc/self/fd");
	threads_before = entries("/proc/self/task");
}

/* A joined thread's entry can outlive the join by a moment, for the kernel wakes the joiner first; and
 * those of the kernel's own threads for io_uring outlive their ring, on a busy machine by a second. */
static int threads_settled(void)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int turns = 10000;

	while (turns-- > 0 && entries("/proc/self/task") != threads_before)
		nanosleep(&ms, NULL);
	return entries("/proc/self/task");
}

static void after(void)
{
	ck_assert_msg(entries("/proc/self/fd") == fds_before, "the test left a descriptor open");
	ck_assert_msg(threads_settled() == threads_before, "the test left a thread running");
}

TCase *runner_case(Suite *s, const char *name, double timeout)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, timeout);
	tcase_add_checked_fixture(tc, before, after);
	suite_add_tcase(s, tc);
	return tc;
}

int runner_run(Suite *s)
{
	SRunner *runner = srunner_create(s);
	int failed;

	runner_pid = getpid();
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int64_t runner_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
