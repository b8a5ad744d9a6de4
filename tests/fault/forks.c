/* SPDX-License-Identifier: MIT
 *
 * fork(2) while the queue is in full use: children that drop the queue, that become another program,
 * that are killed while they hold the bell, even while they notify, which is not allowed. The parent's
 * producers and its receiver, which sleeps without a timeout, notice nothing.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"

enum { CHILDREN = 24 };
enum { PRODUCER, MAIN };

static uint32_t stop;

static void *produce(void *userdata)
{
	uint32_t i;

	(void)userdata;
	for (i = 0; !bell_load_acquire(&stop); i++) {
		loop_notify(PRODUCER, i % LOOP_TOKENS);
		if (i % 64 == 63) /* let the receiver sleep */
			sleep_ms(1);
	}
	return NULL;
}

static void child_unrefs(struct bell_queue *q)
{
	bell_queue_unref(q);
	_exit(0);
}

static void child_execs(struct bell_queue *q)
{
	(void)q;
	execl("/bin/true", "true", (char *)NULL);
	_exit(127);
}

static void child_waits(struct bell_queue *q)
{
	(void)q;
	for (;;)
		(void)poll(NULL, 0, -1);
}

/* Its ring and flags are a copy; only the bell is the parent's. */
static void child_notifies(struct bell_queue *q)
{
	uint32_t i;

	for (i = 0;; i++)
		bell_queue_notify(q, i % LOOP_TOKENS);
}

static const struct {
	void (*run)(struct bell_queue *q);
	bool killed;
} children[] = {
	{child_unrefs, false}, {child_execs, false}, {child_waits, true}, {child_notifies, true}};

/* The exit status of one child, or 0 if it was killed as it was meant to be. */
static int live_and_die(size_t kind, struct bell_queue *q)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		children[kind].run(q);
	if (child < 0)
		return -1;
	if (children[kind].killed) {
		sleep_ms(1);
		kill(child, SIGKILL);
	}
	if (waitpid(child, &status, 0) != child)
		return -1;
	return children[kind].killed && WIFSIGNALED(status) ? 0 : status;
}

START_TEST(children_come_and_go_and_the_parent_loses_nothing)
{
	pthread_t producer;
	int i, wrong = 0;

	loop_start(_i);
	producer = spawn(produce, NULL);
	for (i = 0; i < CHILDREN; i++) {
		loop_notify(MAIN, (uint32_t)i % LOOP_TOKENS);
		wrong += live_and_die((size_t)i % 4, loop.q) != 0;
	}
	bell_store_release(&stop, 1);
	join(producer);
	ck_assert_int_eq(wrong, 0);
	ck_assert(loop_settles());
	for (i = 0; i < 50; i++) {
		loop_notify(MAIN, (uint32_t)i % LOOP_TOKENS);
		ck_assert(loop_settles());
	}
	ck_assert_uint_le(stats_of(loop.q).rings, stats_of(loop.q).arms + 1);
	loop_finish();
}

int main(void)
{
	Suite *s = suite_create("fault forks");
	TCase *tc = runner_case(s, "fault forks", 60);

	tcase_add_loop_test(tc, children_come_and_go_and_the_parent_loses_nothing, 0, loop_modes());
	return runner_run(s);
}
