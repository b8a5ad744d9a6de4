/* SPDX-License-Identifier: MIT
 *
 * The hot paths stay in the program: notify and poll, and what arm does without a bell, call no
 * allocator, take no lock and make no system call, whatever the kernel would have said.
 *
 * A child is put under a filter that traps every system call but its own exit; the allocator and
 * pthread_mutex_lock are this program's, and count. The last tests see that the watch sees.
 */
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"
#include "refuse.h"

#ifdef HAVE_LIBC_CALLOC
enum { ROUNDS = 100000, TOKENS = 64 };

/* Written by the child, in memory shared with the parent. */
struct watch {
	uint32_t allocations, locks, calls;
	int first_call; /* its number */
	uint32_t wrong; /* results that the work did not expect */
	uint32_t finished;
};

static struct watch nowhere, *watch = &nowhere;
static bool watching; /* set in the child only */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);
static int (*real_lock)(pthread_mutex_t *mutex);

__attribute__((constructor)) static void find_lock(void)
{
	*(void **)&real_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
}

static void count(uint32_t *counter)
{
	if (watching)
		bell_fetch_add_relaxed(counter, 1);
}

void *malloc(size_t n)
{
	count(&watch->allocations);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count(&watch->allocations);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	count(&watch->allocations);
	return __libc_realloc(p, n);
}

void free(void *p)
{
	count(&watch->allocations);
	__libc_free(p);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	count(&watch->locks);
	return real_lock ? real_lock(mutex) : 0; /* before there is a second thread */
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (watch->calls++ == 0)
		watch->first_call = info->si_syscall;
}

static int trap_all_calls(void)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return sigaction(SIGSYS, &action, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0;
}

/* Some work on a queue whose receiver is awake: how many of its results were not as they should be. */
typedef uint32_t (*work_fn)(struct bell_queue *q);

static void watch_child(work_fn work, unsigned mode)
{
	struct bell_queue *q;
	uint32_t tokens[TOKENS];

	if (bell_queue_new(&q, TOKENS, mode) < 0)
		_exit(1);
	bell_queue_notify(q, 0); /* the one write: from here on nobody is armed */
	if (bell_queue_poll(q, tokens, TOKENS) != 1 || trap_all_calls())
		_exit(2);
	watching = true;
	watch->wrong = work(q);
	watching = false;
	watch->finished = 1;
	_exit(0);
}

static struct watch watched(work_fn work, unsigned mode)
{
	struct watch seen;
	pid_t child;
	int status;

	watch = mmap(
		NULL, sizeof(*watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(watch, MAP_FAILED);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		watch_child(work, mode);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	seen = *watch;
	munmap(watch, sizeof(*watch));
	watch = &nowhere;
	ck_assert_uint_eq(seen.finished, 1);
	return seen;
}

static void expect_silence(work_fn work, unsigned mode)
{
	struct watch seen = watched(work, mode);

	ck_assert_uint_eq(seen.wrong, 0);
	ck_assert_msg(seen.calls == 0, "%u system calls, the first is number %d", seen.calls,
		seen.first_call);
	ck_assert_uint_eq(seen.allocations, 0);
	ck_assert_uint_eq(seen.locks, 0);
}

static uint32_t notify_and_poll(struct bell_queue *q)
{
	uint32_t tokens[TOKENS], wrong = 0, i;

	for (i = 0; i < ROUNDS; i++) {
		wrong += bell_queue_notify(q, i % TOKENS) != 1;
		wrong += bell_queue_poll(q, tokens, TOKENS) != 1;
	}
	return wrong;
}

static uint32_t conflate(struct bell_queue *q)
{
	uint32_t wrong = bell_queue_notify(q, 5) != 1, i;

	for (i = 0; i < ROUNDS; i++)
		wrong += bell_queue_notify(q, 5) != 0;
	return wrong;
}

static uint32_t notify_many(struct bell_queue *q)
{
	uint32_t all[TOKENS], tokens[TOKENS], wrong = 0, i;

	for (i = 0; i < TOKENS; i++)
		all[i] = i;
	for (i = 0; i < ROUNDS; i++) {
		wrong += bell_queue_notify_many(q, all, TOKENS) != TOKENS;
		wrong += bell_queue_notify_many(q, all, TOKENS) != 0;
		wrong += bell_queue_poll(q, tokens, TOKENS) != TOKENS;
	}
	return wrong;
}

static uint32_t poll_of_nothing(struct bell_queue *q)
{
	uint32_t tokens[TOKENS], wrong = 0, i;

	for (i = 0; i < ROUNDS; i++)
		wrong += bell_queue_poll(q, tokens, TOKENS) != 0;
	return wrong;
}

static uint32_t refused_notifies(struct bell_queue *q)
{
	uint32_t wrong = 0, i;

	for (i = 0; i < ROUNDS; i++) {
		wrong += bell_queue_notify(q, TOKENS) != -EINVAL;
		wrong += bell_queue_notify_many(q, &(uint32_t){UINT32_MAX}, 1) != -EINVAL;
	}
	return wrong;
}

static uint32_t arm_while_tokens_wait(struct bell_queue *q)
{
	uint32_t wrong = bell_queue_notify(q, 7) != 1, i;

	for (i = 0; i < ROUNDS; i++)
		wrong += bell_queue_arm(q) != 0;
	return wrong;
}

/* Level mode has a ring to read first. */
static uint32_t arm_of_an_empty_edge_queue(struct bell_queue *q)
{
	uint32_t wrong = 0, i;

	for (i = 0; i < ROUNDS; i++)
		wrong += bell_queue_arm(q) != 1;
	return wrong;
}

static uint32_t count_refs_and_statistics(struct bell_queue *q)
{
	struct bell_queue_stats stats;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++) {
		bell_queue_ref(q);
		bell_queue_stats(q, &stats);
		bell_queue_unref(q);
	}
	return 0;
}

static const work_fn works[] = {notify_and_poll, conflate, notify_many, poll_of_nothing,
	refused_notifies, arm_while_tokens_wait, count_refs_and_statistics};
#define WORKS ((int)(sizeof(works) / sizeof(*works)))

START_TEST(while_the_receiver_is_awake_nothing_allocates_locks_or_calls_the_kernel)
{
	expect_silence(works[_i / 4], mode_of(_i % 4));
}

START_TEST(arm_in_edge_mode_makes_no_system_call)
{
	expect_silence(arm_of_an_empty_edge_queue, BELL_QUEUE_EDGE);
}

static uint32_t one_ring(struct bell_queue *q)
{
	return bell_queue_arm(q) != 1 || bell_queue_notify(q, 1) != 1;
}

START_TEST(the_watch_sees_the_one_write_that_wakes_an_armed_receiver)
{
	struct watch seen = watched(one_ring, BELL_QUEUE_EDGE);

	ck_assert_uint_eq(seen.wrong, 0);
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_int_eq(seen.first_call, SYS_write);
}

static uint32_t one_of_each(struct bell_queue *q)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	void *memory = malloc(16);

	(void)q;
	__asm__ __volatile__("" : : "r"(memory) : "memory"); /* or the compiler leaves both out */
	free(memory);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	syscall(SYS_getppid);
	return 0;
}

START_TEST(the_watch_sees_an_allocation_a_lock_and_a_system_call)
{
	struct watch seen = watched(one_of_each, 0);

	ck_assert_uint_eq(seen.allocations, 2);
	ck_assert_uint_eq(seen.locks, 1);
	ck_assert_uint_ge(seen.calls, 1);
}

int main(void)
{
	Suite *s = suite_create("fault hotpath");
	TCase *tc = runner_case(s, "fault hotpath", 60);

	if (!refuse_probe())
		return 0;
	tcase_add_loop_test(tc,
		while_the_receiver_is_awake_nothing_allocates_locks_or_calls_the_kernel, 0,
		4 * WORKS);
	tcase_add_test(tc, arm_in_edge_mode_makes_no_system_call);
	tcase_add_test(tc, the_watch_sees_the_one_write_that_wakes_an_armed_receiver);
	tcase_add_test(tc, the_watch_sees_an_allocation_a_lock_and_a_system_call);
	return runner_run(s);
}
#else
int main(void)
{
	puts("1..0 # SKIP the allocator cannot be replaced: a sanitizer's, or no glibc");
	return 0;
}
#endif
