/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "shares.h"
#include "step.h"

void step_begin(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
}

void step_end(void)
{
	raise(SIGSTOP);
}

/* Asked before any test runs, so it asserts nothing. */
const char *step_refused(void)
{
	bool traced, stepped;
	int status = 0;
	pid_t child;

	if (BELL_TSAN)
		return "ThreadSanitizer makes a signal tens of thousands of instructions";
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
			raise(SIGSTOP);
		_exit(0);
	}
	traced = child > 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status);
	stepped = traced && ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0;
	if (traced) {
		kill(child, SIGKILL);
		while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
			;
	}
	if (!traced)
		return "ptrace(2) is refused here";
	return stepped ? NULL : "this machine has no single step";
}

void step_await(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(WSTOPSIG(status), SIGSTOP);
}

bool step_on(pid_t child, unsigned long instructions)
{
	int status;

	while (instructions-- > 0) {
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSTOPPED(status));
		if (WSTOPSIG(status) == SIGSTOP)
			return false;
		ck_assert_int_eq(WSTOPSIG(status), SIGTRAP);
	}
	return true;
}

void step_kill(pid_t child)
{
	int status;

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	do
		ck_assert_int_eq(waitpid(child, &status, 0), child);
	while (!WIFSIGNALED(status) && !WIFEXITED(status));
}

unsigned long step_stride(void)
{
	return HELPERS_SANITIZED ? 61 : 1;
}
