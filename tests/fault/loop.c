/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_URING
#include <liburing.h>
#endif

#include "loop.h"
#include "stress/receivers.h"

enum { PATIENCE_MS = 20000 };

struct loop loop;

static const struct receiver *receiver;
static const char *const modes[LOOP_MODES_ALL] = {
	"level", "edge", "wait", "level-budget", "edge-budget", "uring", "uring-budget"};

int loop_modes(void)
{
#ifdef HAVE_URING
	struct io_uring ring;
	int r = io_uring_queue_init(
		4, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (r == 0) {
		io_uring_queue_exit(&ring);
		return LOOP_MODES_ALL;
	}
	printf("# not tested, receiving by io_uring: %s\n", strerror(-r));
#else
	puts("# not tested, receiving by io_uring: built without liburing");
#endif
	fflush(stdout);
	return LOOP_MODES_EPOLL;
}

void receiver_token(void *userdata, uint32_t token)
{
	int source;

	(void)userdata;
	for (source = 0; source < LOOP_SOURCES; source++)
		bell_store_relaxed(
			&loop.seen[source][token], bell_load_relaxed(&loop.numbers[source][token]));
}

void receiver_pass(void)
{
}

static void *run(void *userdata)
{
	(void)userdata;
	bell_store_release(&loop.tid, gettid());
	receiver->run(loop.q);
	return NULL;
}

void loop_make(int mode, unsigned flags)
{
	receiver = receiver_named(modes[mode]);
	ck_assert_ptr_nonnull(receiver);
	memset(&loop, 0, sizeof(loop));
	loop.q = queue_of(LOOP_TOKENS, receiver->flags | flags);
}

void loop_run(void)
{
	loop.thread = spawn(run, NULL);
	while (bell_load_acquire(&loop.tid) == 0)
		sched_yield();
}

void loop_start(int mode)
{
	loop_make(mode, 0);
	loop_run();
}

void loop_notify(uint32_t source, uint32_t token)
{
	uint32_t *number = &loop.numbers[source][token];

	bell_store_relaxed(number, bell_load_relaxed(number) + 1);
	if (bell_queue_notify(loop.q, token) < 0)
		bell_fetch_add_relaxed(&loop.refused, 1);
	else
		bell_fetch_add_relaxed(&loop.accepted, 1);
}

bool loop_settled(void)
{
	struct bell_queue_stats stats = stats_of(loop.q);
	int source, token;

	for (source = 0; source < LOOP_SOURCES; source++)
		for (token = 0; token < LOOP_TOKENS; token++)
			if (bell_load_relaxed(&loop.seen[source][token]) !=
				bell_load_relaxed(&loop.numbers[source][token]))
				return false;
	return stats.notified == stats.delivered && bell_load_relaxed(&loop.refused) == 0;
}

bool loop_settles(void)
{
	unsigned ms;

	for (ms = 0; ms < PATIENCE_MS && !loop_settled(); ms++)
		sleep_ms(1);
	return loop_settled();
}

void loop_finish(void)
{
	bell_queue_close(loop.q);
	join(loop.thread);
	loop.q = bell_queue_unref(loop.q);
}
