/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "helpers.h"

enum { ROOM = 64 };

/* A test's loop, its bell, and what was heard from it. */
struct bench {
	void *loop;
	struct bell_queue *q;
	void *bell;
	uint32_t tokens[ROOM];
	uint32_t n, wanted; /* so many tokens, then stop */
	int ended, error;   /* calls of on_end, and what it was told */
	uint32_t turns;
	uint32_t producer_done; /* atomic */
};

static const struct contract *contract;

static void bench_open(struct bench *b)
{
	ck_assert_int_eq(bell_queue_new(&b->q, ROOM, contract->reactor->flags), 0);
	b->loop = contract->reactor->open();
	ck_assert_ptr_nonnull(b->loop);
}

static void bench_close(struct bench *b)
{
	contract->reactor->close(b->loop);
	ck_assert_uint_eq(b->q->refs, 1);
	bell_queue_unref(b->q);
}

static int attach_to(struct bench *b, struct bell_queue *q, size_t budget, bell_token_fn fn)
{
	b->bell = malloc(contract->size);
	ck_assert_ptr_nonnull(b->bell);
	return contract->attach(b->bell, b->loop, q, budget, fn, b);
}

static void attach(struct bench *b, size_t budget, bell_token_fn fn)
{
	ck_assert_int_eq(attach_to(b, b->q, budget, fn), 0);
}

static bool attached(const void *bell)
{
	return *(struct bell_queue *const *)bell != NULL;
}

static void detach(struct bench *b)
{
	void *bell = b->bell;

	ck_assert_int_eq(contract->detach(bell), 0);
	ck_assert(!attached(bell));
	contract->let_go(bell);
	b->bell = NULL;
}

static void fill(struct bell_queue *q, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		ck_assert_int_eq(bell_queue_notify(q, i), 1);
}

static void record(void *userdata, uint32_t token)
{
	struct bench *b = userdata;

	b->tokens[b->n++ % ROOM] = token;
	if (b->n == b->wanted)
		contract->reactor->stop(b->loop);
}

static void expect(const struct bench *b, uint32_t first, uint32_t n)
{
	uint32_t i;

	ck_assert_uint_eq(b->n, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(b->tokens[i], first + i);
}

static void stop_loop(void *userdata)
{
	struct bench *b = userdata;

	contract->reactor->stop(b->loop);
}

static void run_for(struct bench *b, unsigned ms)
{
	ck_assert_int_eq(contract->reactor->timer(b->loop, ms, stop_loop, b), 0);
	contract->reactor->run(b->loop);
	ck_assert_int_eq(contract->reactor->timer(b->loop, 0, NULL, NULL), 0);
}

/* -- attach ---------------------------------------------------------------------------------- */

START_TEST(bad_arguments_attach_nothing)
{
	struct bench b = {.n = 0};
	struct bell_queue *other;

	bench_open(&b);
	ck_assert_int_eq(attach_to(&b, b.q, 0, record), -EINVAL);
	ck_assert(!attached(b.bell));
	ck_assert_int_eq(contract->detach(b.bell), 0);
	free(b.bell);
	ck_assert_int_eq(
		bell_queue_new(&other, ROOM, contract->reactor->flags ^ BELL_QUEUE_EDGE), 0);
	ck_assert_int_eq(attach_to(&b, other, 1, record), contract->any_mode ? 0 : -EINVAL);
	ck_assert_int_eq(attached(b.bell), contract->any_mode);
	if (contract->any_mode)
		detach(&b);
	else
		free(b.bell);
	ck_assert_uint_eq(other->refs, 1);
	bell_queue_unref(other);
	bench_close(&b);
}

START_TEST(a_second_attach_is_refused_and_harms_nothing)
{
	struct bench b = {.wanted = 3};
	void *first;

	bench_open(&b);
	attach(&b, 8, record);
	first = b.bell;
	ck_assert_int_eq(attach_to(&b, b.q, 8, record), -EEXIST);
	ck_assert(!attached(b.bell));
	free(b.bell);
	b.bell = first;
	fill(b.q, 0, 3);
	contract->reactor->run(b.loop);
	expect(&b, 0, 3);
	detach(&b);
	bench_close(&b);
}

START_TEST(tokens_queued_before_attach_come_first)
{
	struct bench b = {.wanted = 40};

	bench_open(&b);
	fill(b.q, 0, 20);
	attach(&b, 1, record);
	fill(b.q, 20, 20);
	contract->reactor->run(b.loop);
	expect(&b, 0, 40);
	detach(&b);
	bench_close(&b);
}

START_TEST(two_queues_in_one_loop_are_told_apart)
{
	struct bench a = {.n = 0}, b = {.wanted = 4};
	uint32_t round;

	bench_open(&a);
	ck_assert_int_eq(bell_queue_new(&b.q, ROOM, contract->reactor->flags), 0);
	b.loop = a.loop;
	attach(&a, 8, record);
	attach(&b, 8, record);
	for (round = 0; round < 4; round++) {
		fill(a.q, 8 * round, 2);
		fill(b.q, 10 + round, 1);
		run_for(&a, 25);
	}
	expect(&b, 10, 4);
	ck_assert_uint_eq(a.n, 8);
	detach(&b);
	fill(a.q, 60, 1);
	run_for(&a, 25);
	ck_assert_uint_eq(a.n, 9);
	detach(&a);
	run_for(&a, 25);
	bell_queue_unref(b.q);
	bench_close(&a);
}

/* -- detach ---------------------------------------------------------------------------------- */

static void detach_at_third(void *userdata, uint32_t token)
{
	struct bench *b = userdata;

	record(b, token);
	if (b->n == 3)
		detach(b);
}

START_TEST(fn_may_detach_and_free_and_the_rest_stays_queued)
{
	struct bench b = {.n = 0}, rest = {.wanted = 37};

	bench_open(&b);
	attach(&b, ROOM, detach_at_third);
	fill(b.q, 0, 40);
	run_for(&b, 50);
	expect(&b, 0, 3);
	ck_assert_uint_eq(b.q->refs, 1);
	rest.loop = b.loop;
	rest.q = b.q;
	attach(&rest, ROOM, record);
	contract->reactor->run(b.loop);
	expect(&rest, 3, 37);
	detach(&rest);
	bench_close(&b);
}

static void detach_other(void *userdata)
{
	struct bench *b = userdata;

	if (b->bell)
		detach(b);
	stop_loop(b);
}

START_TEST(another_callback_may_detach_and_free)
{
	struct bench b = {.n = 0};
	int round;

	bench_open(&b);
	for (round = 0; round < 20; round++) { /* both at once, some of the time */
		attach(&b, 1, record);
		ck_assert_int_eq(contract->reactor->timer(b.loop, 1, detach_other, &b), 0);
		bell_queue_notify(b.q, 1);
		bell_queue_notify(b.q, 2);
		contract->reactor->run(b.loop);
		ck_assert_ptr_null(b.bell);
		ck_assert_int_eq(contract->reactor->timer(b.loop, 0, NULL, NULL), 0);
	}
	run_for(&b, 5);
	bench_close(&b);
}

START_TEST(the_attachment_keeps_the_queue_alive)
{
	struct bench b = {.wanted = 3};
	struct bell_queue *q;

	bench_open(&b);
	q = bell_queue_ref(b.q);
	attach(&b, 8, record);
	fill(q, 0, 3);
	bell_queue_unref(q);
	bell_queue_unref(b.q);
	contract->reactor->run(b.loop);
	expect(&b, 0, 3);
	detach(&b);
	run_for(&b, 5);
	contract->reactor->close(b.loop);
}

START_TEST(a_loop_may_be_closed_before_its_bell)
{
	struct bench b = {.n = 0};

	bench_open(&b);
	attach(&b, 8, record);
	fill(b.q, 0, 3);
	contract->reactor->close(b.loop);
	ck_assert_uint_eq(b.q->refs, 2);
	contract->orphan(b.bell);
	free(b.bell);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_uint_eq(b.q->refs, 1);
	bell_queue_unref(b.q);
}

/* -- end ------------------------------------------------------------------------------------- */

static void end(void *userdata, int error)
{
	struct bench *b = userdata;

	b->ended++;
	b->error = error;
	ck_assert(!attached(b->bell));
	contract->let_go(b->bell);
	contract->reactor->stop(b->loop);
}

START_TEST(a_queue_that_is_closed_ends_after_its_last_token)
{
	struct bench b = {.n = 0};
	uint32_t before = (uint32_t)_i; /* tokens that the loop had before the close */

	bench_open(&b);
	attach(&b, 2, record);
	contract->set_end(b.bell, end);
	if (before) {
		fill(b.q, 0, before);
		run_for(&b, 50);
		ck_assert_uint_eq(b.n, before);
	}
	fill(b.q, before, 7);
	bell_queue_close(b.q);
	contract->reactor->run(b.loop);
	expect(&b, 0, before + 7);
	ck_assert_int_eq(b.ended, 1);
	ck_assert_int_eq(b.error, -ESHUTDOWN);
	ck_assert_uint_eq(b.q->refs, 1);
	run_for(&b, 50);
	ck_assert_int_eq(b.ended, 1);
	bench_close(&b);
}

START_TEST(a_queue_closed_before_attach_ends_at_once)
{
	struct bench b = {.n = 0};

	bench_open(&b);
	bell_queue_close(b.q);
	attach(&b, 8, record);
	contract->set_end(b.bell, end);
	contract->reactor->run(b.loop);
	ck_assert_int_eq(b.ended, 1);
	ck_assert_int_eq(b.error, -ESHUTDOWN);
	bench_close(&b);
}

START_TEST(without_on_end_it_just_detaches)
{
	struct bench b = {.n = 0};
	clock_t before;

	bench_open(&b);
	attach(&b, 8, record);
	fill(b.q, 0, 3);
	bell_queue_close(b.q);
	run_for(&b, 50);
	expect(&b, 0, 3);
	ck_assert(!attached(b.bell));
	ck_assert_uint_eq(b.q->refs, 1);
	contract->let_go(b.bell);
	before = clock();
	run_for(&b, 200);
	ck_assert_int_lt(clock() - before, CLOCKS_PER_SEC / 20); /* of 200 ms */
	bench_close(&b);
}

/* -- prepare --------------------------------------------------------------------------------- */

static void be_busy(void *userdata)
{
	struct bench *b = userdata;

	b->turns++;
	if (bell_load_acquire(&b->producer_done) &&
		stats_of(b->q).notified == stats_of(b->q).delivered)
		contract->reactor->stop(b->loop);
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

	contract->reactor->run(b->loop);
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
	attach(&b, 16, record);
	ck_assert_int_eq(contract->reactor->watch(b.loop, ends[0], be_busy, &b), 0);
	run_busy(&b); /* the first notify rings: a new queue is armed */
	before = stats_of(b.q).rings;
	b.producer_done = 0;
	run_busy(&b);
	if (contract->prepare)
		ck_assert_uint_eq(stats_of(b.q).rings, before);
	else
		ck_assert_uint_ge(stats_of(b.q).rings, before + 100); /* so that can fail */
	ck_assert_uint_gt(b.turns, 1000);
	contract->reactor->unwatch(b.loop, ends[0]);
	run_for(&b, 50); /* asleep by now */
	busy = b.n;
	before = stats_of(b.q).rings;
	fill(b.q, 0, 1);
	ck_assert_uint_eq(stats_of(b.q).rings, before + 1);
	run_for(&b, 50);
	ck_assert_uint_eq(b.n, busy + 1);
	detach(&b);
	bench_close(&b);
	close(ends[0]);
	close(ends[1]);
}

int contract_main(const struct contract *c)
{
	Suite *s = suite_create(c->reactor->name);
	TCase *tc = runner_case(s, c->reactor->name, 60);

	contract = c;
	c->reactor->close(c->reactor->open()); /* what a library opens once for the whole process */
	tcase_add_test(tc, bad_arguments_attach_nothing);
	if (c->unique)
		tcase_add_test(tc, a_second_attach_is_refused_and_harms_nothing);
	tcase_add_test(tc, tokens_queued_before_attach_come_first);
	tcase_add_test(tc, two_queues_in_one_loop_are_told_apart);
	tcase_add_test(tc, fn_may_detach_and_free_and_the_rest_stays_queued);
	tcase_add_test(tc, another_callback_may_detach_and_free);
	tcase_add_test(tc, the_attachment_keeps_the_queue_alive);
	if (c->orphan)
		tcase_add_test(tc, a_loop_may_be_closed_before_its_bell);
	tcase_add_loop_test(tc, a_queue_that_is_closed_ends_after_its_last_token, 0, 3);
	tcase_add_test(tc, a_queue_closed_before_attach_ends_at_once);
	tcase_add_test(tc, without_on_end_it_just_detaches);
	tcase_add_test(tc, how_often_a_busy_loop_is_rung_for);
	return runner_run(s);
}
