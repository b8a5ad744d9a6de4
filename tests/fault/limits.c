/* SPDX-License-Identifier: MIT
 *
 * The queue where there is little of something: no descriptor left, a receiver that never comes, the
 * smallest stacks, and a producer that is cancelled.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "load.h"

enum { TOKENS = 8 };

START_TEST(a_full_table_of_descriptors_disturbs_no_queue_in_use)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i));
	int epfd = loop_watching(q), fds[64], n = 0;
	struct rlimit old, low;
	uint32_t token, round;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((fds[n] = dup(epfd)) >= 0)
		n++;
	ck_assert_int_eq(errno, EMFILE);
	for (round = 0; round < 1000; round++) {
		token = round % TOKENS;
		ck_assert_int_eq(bell_queue_notify(q, token), 1);
		ck_assert_int_eq(loop_events(epfd), 1);
		if (round % 2) {
			EXPECT(q, token);
		} else {
			ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), 1);
		}
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_int_eq(bell_queue_wait(q, &token, 1, 0), -ETIMEDOUT);
	}
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_wait(q, &token, 1, -1), -ESHUTDOWN);
	while (n-- > 0)
		close(fds[n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(epfd);
	bell_queue_unref(q);
}

static long resident_pages(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	long size, resident;

	ck_assert_ptr_nonnull(statm);
	ck_assert_int_eq(fscanf(statm, "%ld %ld", &size, &resident), 2);
	fclose(statm);
	return resident;
}

struct flood {
	struct bell_queue *q;
	uint32_t from, queued, wrong;
};

static void *flood(void *userdata)
{
	struct flood *f = userdata;
	uint32_t i;
	int r;

	for (i = 0; i < 500000; i++) {
		r = bell_queue_notify(f->q, (f->from + i) % TOKENS);
		f->queued += r == 1;
		f->wrong += r < 0;
	}
	return NULL;
}

/* That the producers come back at all is the test: nobody receives. */
START_TEST(a_receiver_that_never_comes_blocks_no_producer_and_costs_no_memory)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i));
	struct flood floods[2] = {{.q = q}, {.q = q, .from = 3}};
	pthread_t thread;
	long before;

	flood(&floods[1]); /* the pages it touches are real from now on */
	join(spawn(flood, &floods[1]));
	before = resident_pages();
	thread = spawn(flood, &floods[0]);
	flood(&floods[1]);
	join(thread);
#if !HELPERS_SANITIZED
	ck_assert_int_lt(resident_pages() - before, 256);
#else
	(void)before; /* the sanitizer's own memory grows */
#endif
	ck_assert_uint_eq(floods[0].wrong + floods[1].wrong, 0);
	ck_assert_uint_eq(floods[0].queued + floods[1].queued, TOKENS);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	EXPECT(q, 3, 4, 5, 6, 7, 0, 1, 2);
	bell_queue_unref(q);
}

struct victim {
	struct bell_queue *q;
	uint32_t notified;
};

static void drop(void *q)
{
	bell_queue_unref(q);
}

/* The cancel is taken at pthread_testcancel(): notify makes no system call here. */
static void *notify_until_cancelled(void *userdata)
{
	struct victim *v = userdata;

	pthread_cleanup_push(drop, v->q);
	for (;;) {
		bell_store_release(&v->notified, v->notified + 1);
		bell_queue_notify(v->q, v->notified % TOKENS);
		pthread_testcancel();
	}
	pthread_cleanup_pop(1);
	return NULL;
}

START_TEST(a_producer_cancelled_between_its_calls_leaves_a_working_queue)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i));
	uint32_t tokens[TOKENS], round;
	void *result;

	bell_queue_notify(q, 0); /* awake: notify does not write, and write(2) can be cancelled */
	for (round = 0; round < 100; round++) {
		struct victim victim = {.q = bell_queue_ref(q)};
		pthread_t thread = spawn(notify_until_cancelled, &victim);

		ck_assert(load_reaches(&victim.notified, 1));
		(void)!bell_queue_poll(q, tokens, TOKENS);
		ck_assert_int_eq(pthread_cancel(thread), 0);
		ck_assert_int_eq(pthread_join(thread, &result), 0);
		ck_assert_ptr_eq(result, PTHREAD_CANCELED);
		(void)!bell_queue_poll(q, tokens, TOKENS);
		ck_assert_int_eq(bell_queue_notify(q, 1), 1);
		EXPECT(q, 1);
	}
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(bell_queue_notify(q, 2), 1);
	ck_assert(fd_readable(bell_queue_fd(q)));
	bell_queue_unref(q);
}

#if !HELPERS_SANITIZED
static void count(void *userdata, uint32_t token)
{
	(void)token;
	++*(size_t *)userdata;
}

static void *use_all_calls(void *userdata)
{
	struct bell_queue *q = userdata;
	uint32_t all[TOKENS] = {0, 1, 2, 3, 4, 5, 6, 7}, token;
	size_t n = 0;

	if (bell_queue_notify(q, 0) != 1 || bell_queue_notify_many(q, all, TOKENS) != TOKENS - 1)
		return NULL;
	if (bell_queue_dispatch(q, TOKENS, count, &n) != TOKENS || n != TOKENS)
		return NULL;
	if (bell_queue_wait(q, &token, 1, 1000000) != -ETIMEDOUT)
		return NULL;
	return q;
}

START_TEST(a_thread_with_the_smallest_stack_can_notify_dispatch_and_wait)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i));
	pthread_attr_t attr;
	pthread_t thread;
	void *result;

	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, use_all_calls, q), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, q);
	pthread_attr_destroy(&attr);
	bell_queue_unref(q);
}

static struct bell_queue *queue;
static uint32_t handled;

static void handle_notify(int sig)
{
	(void)sig;
	handled += bell_queue_notify(queue, 1) == 1; /* rings */
	handled += bell_queue_notify(queue, 1) == 0;
	handled += bell_queue_notify(queue, 2) == 1;
}

/* The page below the stack is forbidden: who needs more dies. */
START_TEST(a_handler_on_the_smallest_signal_stack_can_notify)
{
	struct sigaction action = {.sa_handler = handle_notify, .sa_flags = SA_ONSTACK};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (size_t)MINSIGSTKSZ;
	size_t room = (size + page - 1) / page * page;
	char *memory = mmap(NULL, page + room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = {.ss_size = size}, old;

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + page, room, PROT_READ | PROT_WRITE), 0);
	stack.ss_sp = memory + page;
	queue = queue_of(TOKENS, mode_of(_i));
	ck_assert_int_eq(sigaltstack(&stack, &old), 0);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	ck_assert_uint_eq(handled, 3);
	EXPECT(queue, 1, 2);
	ck_assert_int_eq(sigaltstack(&old, NULL), 0);
	munmap(memory, page + room);
	bell_queue_unref(queue);
}
#endif

int main(void)
{
	Suite *s = suite_create("fault limits");
	TCase *tc = runner_case(s, "fault limits", 60);

	add_in_all_modes(tc, a_full_table_of_descriptors_disturbs_no_queue_in_use);
	add_in_both_modes(tc, a_receiver_that_never_comes_blocks_no_producer_and_costs_no_memory);
	add_in_all_modes(tc, a_producer_cancelled_between_its_calls_leaves_a_working_queue);
#if !HELPERS_SANITIZED
	add_in_all_modes(tc, a_thread_with_the_smallest_stack_can_notify_dispatch_and_wait);
	add_in_all_modes(tc, a_handler_on_the_smallest_signal_stack_can_notify);
#else
	puts("# not tested, the smallest stacks: a sanitizer needs more");
	fflush(stdout);
#endif
	return runner_run(s);
}
