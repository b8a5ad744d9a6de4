/* SPDX-License-Identifier: MIT
 *
 * contract_busy.c: what a loop that finds something to do in every turn may expect: to learn the end of a
 * queue, and, of an adapter that arms just before the loop blocks, that nobody rings.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "helpers.h"

static const struct reactor *reactor;

/* So that it never blocks: by a descriptor that is always readable, or by what the library has for that. */
static void keep_busy(struct bench *b, bool by_fd, int ends[2], reactor_fn fn)
{
	int r;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	if (by_fd)
		r = reactor->watch(b->loop, ends[0], fn, b);
	else
		r = reactor->busy(b->loop, fn, b);
	ck_assert_int_eq(r, 0);
}

static void leave_alone(struct bench *b, bool by_fd, int ends[2])
{
	if (by_fd)
		reactor->unwatch(b->loop, ends[0]);
	else
		ck_assert_int_eq(reactor->busy(b->loop, NULL, NULL), 0);
	close(ends[0]);
	close(ends[1]);
}

enum { LAST = 50, LONG = 1000 }; /* turns: when it is closed, and what nobody should have to wait */

static void close_in_passing(void *userdata)
{
	struct bench *b = userdata;

	if (++b->turns == LAST) {
		bench_fill(b->q, 8, 7);
		bell_queue_close(b->q);
	}
	if (b->turns == LAST + LONG)
		reactor->stop(b->loop);
}

/* Each turn finds something to do, so it never comes to sleep, and to ask arm. */
START_TEST(the_end_is_told_to_a_loop_that_is_never_idle)
{
	struct bench b = {.n = 0};
	int ends[2];

	bench_open(&b);
	bench_attach(&b, 2, bench_record);
	bench_expect_end(&b);
	bench_fill(b.q, 0, 8);
	keep_busy(&b, _i, ends, close_in_passing);
	reactor->run(b.loop);
	bench_expect(&b, 0, 15);
	ck_assert_int_eq(b.ended, 1);
	ck_assert_int_eq(b.error, -ESHUTDOWN);
	ck_assert_uint_le(b.turns, LAST + 20); /* four batches of two, and a turn for others between them */
	leave_alone(&b, _i, ends);
	bench_close(&b);
}

static void be_busy(void *userdata)
{
	struct bench *b = userdata;

	b->turns++;
	if (bell_load_acquire(&b->producer_done) &&
		stats_of(b->q).notified == stats_of(b->q).delivered)
		reactor->stop(b->loop);
}

static void *notify_slowly(void *userdata)
{
	struct bench *b = userdata;
	uint32_t i;

	for (i = 0; i < 2000; i++) {
		bell_queue_notify(b->q, i % ROOM);
		usleep(50);
	}
	bell_store_release(&b->producer_done, 1);
	return NULL;
}

static void run_busy(struct bench *b)
{
	pthread_t thread = spawn(notify_slowly, b);

	reactor->run(b->loop);
	join(thread);
}

/* Rings while a socket that is always readable keeps the loop busy; then it sleeps, and wakes. */
START_TEST(how_often_a_busy_loop_is_rung_for)
{
	struct bench b = {.n = 0};
	uint64_t before;
	uint32_t busy;
	int ends[2];

	bench_open(&b);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	bench_attach(&b, 16, bench_record);
	ck_assert_int_eq(reactor->watch(b.loop, ends[0], be_busy, &b), 0);
	run_busy(&b); /* the first notify rings: a new queue is armed */
	before = stats_of(b.q).rings;
	b.producer_done = 0;
	run_busy(&b);
	if (reactor->prepare)
		ck_assert_uint_eq(stats_of(b.q).rings, before);
	else
		ck_assert_uint_ge(stats_of(b.q).rings, before + 100); /* so that can fail */
	ck_assert_uint_gt(b.turns, 1000);
	reactor->unwatch(b.loop, ends[0]);
	bench_run_for(&b, 50); /* asleep by now */
	busy = b.n;
	before = stats_of(b.q).rings;
	bench_fill(b.q, 0, 1);
	ck_assert_uint_eq(stats_of(b.q).rings, before + 1);
	bench_run_for(&b, 50);
	ck_assert_uint_eq(b.n, busy + 1);
	bench_detach(&b);
	bench_close(&b);
	close(ends[0]);
	close(ends[1]);
}

void contract_busy(TCase *tc, const struct reactor *r)
{
	reactor = r;
	tcase_add_loop_test(tc, the_end_is_told_to_a_loop_that_is_never_idle, 0, 2);
	tcase_add_test(tc, how_often_a_busy_loop_is_rung_for);
}
