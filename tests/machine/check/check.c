/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { CASES = 16, TESTS = 64 };

struct check_case {
	unsigned timeout; /* seconds */
	void (*before)(void);
	void (*after)(void);
	struct {
		const TTest *test;
		int first, end;
	} tests[TESTS];
	int n;
};

/* One suite is one program, and its runner too. */
struct check_suite {
	TCase *cases[CASES];
	int n, ran, failed;
};

static void *checked(void *memory)
{
	if (!memory) {
		printf("Bail out! more cases or tests than check.c has room for, or no memory\n");
		exit(EXIT_FAILURE);
	}
	return memory;
}

Suite *suite_create(const char *name)
{
	(void)name;
	return checked(calloc(1, sizeof(Suite)));
}

TCase *tcase_create(const char *name)
{
	(void)name;
	return checked(calloc(1, sizeof(TCase)));
}

void suite_add_tcase(Suite *s, TCase *tc)
{
	checked(s->n < CASES ? tc : NULL);
	s->cases[s->n++] = tc;
}

void tcase_set_timeout(TCase *tc, double seconds)
{
	tc->timeout = (unsigned)seconds + 1;
}

void tcase_add_checked_fixture(TCase *tc, void (*before)(void), void (*after)(void))
{
	tc->before = before;
	tc->after = after;
}

void tcase_add_loop_test(TCase *tc, const TTest *test, int first, int end)
{
	checked(tc->n < TESTS ? tc : NULL);
	tc->tests[tc->n].test = test;
	tc->tests[tc->n].first = first;
	tc->tests[tc->n++].end = end;
}

SRunner *srunner_create(Suite *s)
{
	return s;
}

void srunner_set_tap(SRunner *runner, const char *path)
{
	(void)runner;
	(void)path; /* standard output */
}

void check_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# %s:%d: ", file, line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

static bool run_one(const TCase *tc, void (*fn)(int), int i)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		const char *slower = getenv("CK_TIMEOUT_MULTIPLIER");

		alarm(tc->timeout * (unsigned)(slower ? atoi(slower) : 1));
		if (tc->before)
			tc->before();
		fn(i);
		if (tc->after)
			tc->after();
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	if (WIFSIGNALED(status))
		printf("# %s\n", strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void srunner_run_all(SRunner *runner, enum print_output verbosity)
{
	int c, t, i;

	(void)verbosity;
	for (c = 0; c < runner->n; c++) {
		const TCase *tc = runner->cases[c];

		for (t = 0; t < tc->n; t++)
			for (i = tc->tests[t].first; i < tc->tests[t].end; i++) {
				bool ok = run_one(tc, tc->tests[t].test->fn, i);

				runner->failed += !ok;
				printf("%s %d - %s, %d\n", ok ? "ok" : "not ok", ++runner->ran,
					tc->tests[t].test->name, i);
			}
	}
	printf("1..%d\n", runner->ran);
}

int srunner_ntests_failed(SRunner *runner)
{
	return runner->failed;
}

void srunner_free(SRunner *runner)
{
	int c;

	for (c = 0; c < runner->n; c++)
		free(runner->cases[c]);
	free(runner);
}
