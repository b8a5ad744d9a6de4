/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdlib.h>
#include <time.h>

#include "runner.h"

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

static void before(void)
{
	fds_before = entries("/proc/self/fd");
	threads_before = entries("/proc/self/task");
}

/* A joined thread's entry can outlive the join by a moment: the kernel wakes the joiner first. */
static int threads_settled(void)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int turns = 1000;

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
