/* SPDX-License-Identifier: MIT
 *
 * hub_work.c: what a notify does, counted and not timed: instructions, system calls, locks, allocations. A
 * client that never looks, and one that was stopped in the middle of next, leave all of it as it is. The
 * child is single-stepped where it says so.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub_stops.h"

#if defined(__x86_64__) && defined(HAVE_LIBC_CALLOC)
enum phase { OUTSIDE, NOBODY, HEALTHY, IDLE, IDLE_LATER, PARKED, PARKED_LATER, PHASES };

struct work {
	uint32_t instructions, calls, locks, allocations;
};

/* In memory that parent and child share. */
static struct shared {
	enum phase phase;
	int wrong;
	struct work work[PHASES];
} nowhere, *shared = &nowhere;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);
static int (*real_lock)(pthread_mutex_t *mutex);

__attribute__((constructor)) static void find_lock(void)
{
	*(void **)&real_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
}

void *malloc(size_t n)
{
	shared->work[shared->phase].allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	shared->work[shared->phase].allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	shared->work[shared->phase].allocations++;
	return __libc_realloc(p, n);
}

void free(void *p)
{
	shared->work[shared->phase].allocations++;
	__libc_free(p);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	shared->work[shared->phase].locks++;
	return real_lock ? real_lock(mutex) : 0; /* before there is a second thread */
}

/* -- the child ------------------------------------------------------------------------------- */

static void must(bool ok)
{
	shared->wrong += !ok;
}

static void measured(enum phase phase, struct bell_handle h)
{
	raise(SIGTRAP); /* the parent steps from here, until it is outside again */
	bell_store_relaxed(&shared->phase, phase);
	must(bell_hub_notify(hub, h, 1) >= 0);
	bell_store_relaxed(&shared->phase, OUTSIDE);
}

struct listeners {
	struct bell_handle handle;
	struct bell_client *healthy, *other;
	bool drains; /* the other, too */
};

static void drain(struct bell_client *client)
{
	struct bell_client_event e;

	while (bell_client_next(client, &e) == 1)
		;
}

static void notify_often(struct listeners *l, int times)
{
	while (times-- > 0) {
		must(bell_hub_notify(hub, l->handle, times) > 0);
		drain(l->healthy);
		if (l->drains)
			drain(l->other);
	}
}

static struct listeners listeners_of(uint32_t policy)
{
	struct listeners l = {.drains = false};
	const uint32_t depth = policy == BELL_KEEP_LATEST ? 1 : 4;

	must(bell_hub_register(hub, "work", &handle) == 0);
	l.handle = handle;
	l.healthy = subscribed(depth, policy);
	l.other = subscribed(depth, policy);
	return l;
}

static void work(uint32_t policy)
{
	struct listeners healthy, idle, parked;
	struct bell_handle nobody;
	struct caller c = {0};

	set_up();
	nobody = handle;
	healthy = listeners_of(policy);
	healthy.drains = true;
	idle = listeners_of(policy);
	parked = listeners_of(policy);
	must(bell_hub_notify(hub, parked.handle, 1) == 2);
	drain(parked.healthy);
	c.client = parked.other;
	begin(&c, call_next, "value_copied");
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	must(bell_hub_notify(hub, nobody, 1) == 0);
	measured(NOBODY, nobody);
	notify_often(&healthy, 100);
	measured(HEALTHY, healthy.handle);
	notify_often(&idle, 100);
	measured(IDLE, idle.handle);
	notify_often(&idle, 5000);
	measured(IDLE_LATER, idle.handle);
	notify_often(&parked, 100);
	measured(PARKED, parked.handle);
	notify_often(&parked, 5000);
	measured(PARKED_LATER, parked.handle);
	finish(&c);
	must(c.result == 1);
	_exit(0);
}

/* -- the parent ------------------------------------------------------------------------------ */

/* The child's next instruction is a system call. */
static bool at_call(pid_t child)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, child, NULL, &regs) < 0)
		return false;
	return (ptrace(PTRACE_PEEKTEXT, child, (void *)(uintptr_t)regs.rip, NULL) & 0xffff) ==
	       0x050f;
}

/* From the trap to the end of the phase. Returns the child's state. */
static int step_through(pid_t child)
{
	enum phase before, after = OUTSIDE;
	bool been = false;
	int status = 0;

	do {
		before = after;
		shared->work[before].calls += before != OUTSIDE && at_call(child);
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 ||
			waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
			return status;
		after = bell_load_relaxed(&shared->phase);
		shared->work[before].instructions += before != OUTSIDE;
		been |= after != OUTSIDE;
	} while (!been || after != OUTSIDE);
	return status;
}

static void watch(uint32_t policy)
{
	pid_t child;
	int status;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		work(policy);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	while (WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGTRAP)
			(void)step_through(child);
		ptrace(PTRACE_CONT, child, NULL, NULL);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
	}
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(a_stopped_client_leaves_the_work_of_notify_as_it_is)
{
	const struct work *w;
	int phase;

	watch((uint32_t)_i);
	w = shared->work;
	ck_assert_int_eq(shared->wrong, 0);
	for (phase = NOBODY; phase < PHASES; phase++) {
		ck_assert_uint_gt(w[phase].instructions, 0);
		ck_assert_uint_eq(w[phase].calls, 0);
		ck_assert_uint_eq(w[phase].allocations, 0);
		ck_assert_uint_eq(w[phase].locks, phase != NOBODY);
	}
	ck_assert_uint_lt(w[NOBODY].instructions, 60);
	ck_assert_uint_gt(w[IDLE].instructions, w[NOBODY].instructions);
	/* Stopped is as good as idle, and it does not matter for how long. */
	ck_assert_uint_eq(w[IDLE].instructions, w[IDLE_LATER].instructions);
	ck_assert_uint_eq(w[IDLE].instructions, w[PARKED].instructions);
	ck_assert_uint_eq(w[IDLE].instructions, w[PARKED_LATER].instructions);
	/* And hardly more than a client that takes its values: to push out an old one is an exchange. */
	ck_assert_uint_lt(w[IDLE].instructions, w[HEALTHY].instructions + 64);
}

START_TEST(the_watch_sees_what_there_is)
{
	void *memory;

	shared->phase = HEALTHY;
	memory = malloc(1);
	__asm__ __volatile__("" : : "r"(memory) : "memory");
	free(memory);
	shared->phase = OUTSIDE;
	ck_assert_uint_eq(shared->work[HEALTHY].allocations, 2);
}

static bool can_trace(void)
{
	pid_t child = fork();
	int status = 1;

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
	Suite *s = suite_create("hub work");
	TCase *tc = runner_case(s, "hub work", 110);

	if (!can_trace()) {
		puts("1..0 # SKIP nothing may be traced here");
		return 0;
	}
	tcase_add_loop_test(tc, a_stopped_client_leaves_the_work_of_notify_as_it_is, 0, 3);
	tcase_add_test(tc, the_watch_sees_what_there_is);
	return runner_run(s);
}
#else
int main(void)
{
	puts("1..0 # SKIP not this machine's instructions, or the allocator cannot be replaced");
	return 0;
}
#endif
