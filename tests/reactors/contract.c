/* SPDX-License-Identifier: MIT
 *
 * contract.c: what all adapters promise alike, beyond the scenario: bad arguments, detach and free from
 * within fn, the end of a queue, the end of a loop, and the variant that arms just before blocking.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "helpers.h"

static const struct reactor *reactor;

static void let_go(void *bell)
{
	(reactor->let_go ? reactor->let_go : free)(bell);
}

void bench_open(struct bench *b)
{
	ck_assert_int_eq(bell_queue_new(&b->q, ROOM, reactor->flags), 0);
	b->loop = reactor->open();
	ck_assert_ptr_nonnull(b->loop);
}

void bench_close(struct bench *b)
{
	reactor->close(b->loop);
	ck_assert_uint_eq(b->q->refs, 1);
	bell_queue_unref(b->q);
}

static int attach_to(struct bench *b, struct bell_queue *q, size_t budget, bell_token_fn fn)
{
	b->bell = malloc(reactor->size);
	ck_assert_ptr_nonnull(b->bell);
	return reactor->attach(b->loop, b->bell, q, budget, fn, b);
}

void bench_attach(struct bench *b, size_t budget, bell_token_fn fn)
{
	ck_assert_int_eq(attach_to(b, b->q, budget, fn), 0);
}

static bool attached(const void *bell)
{
	return *(struct bell_queue *const *)bell != NULL;
}

void bench_detach(struct bench *b)
{
	void *bell = b->bell;

	ck_assert_int_eq(reactor->detach(b->loop, bell), 0);
	ck_assert(!attached(bell));
	let_go(bell);
	b->bell = NULL;
}

void bench_fill(struct bell_queue *q, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		ck_assert_int_eq(bell_queue_notify(q, i), 1);
}

void bench_record(void *userdata, uint32_t token)
{
	struct bench *b = userdata;

	b->tokens[b->n++ % ROOM] = token;
	if (b->n == b->wanted)
		reactor->stop(b->loop);
}

void bench_expect(const struct bench *b, uint32_t first, uint32_t n)
{
	uint32_t i;

	ck_assert_uint_eq(b->n, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(b->tokens[i], first + i);
}

static void stop_loop(void *userdata)
{
	struct bench *b = userdata;

	reactor->stop(b->loop);
}

void bench_run_for(struct bench *b, unsigned ms)
{
	ck_assert_int_eq(reactor->timer(b->loop, ms, stop_loop, b), 0);
	reactor->run(b->loop);
	ck_assert_int_eq(reactor->timer(b->loop, 0, NULL, NULL), 0);
}

/* -- attach ---------------------------------------------------------------------------------- */

START_TEST(bad_arguments_attach_nothing)
{
	struct bench b = {.n = 0};
	struct bell_queue *other;

	bench_open(&b);
	ck_assert_int_eq(attach_to(&b, b.q, 0, bench_record), -EINVAL);
	ck_assert(!attached(b.bell));
	ck_assert_int_eq(reactor->detach(b.loop, b.bell), 0);
	free(b.bell);
	ck_assert_int_eq(
		bell_queue_new(&other, ROOM, reactor->flags ^ BELL_QUEUE_EDGE), 0);
	ck_assert_int_eq(attach_to(&b, other, 1, bench_record), reactor->any_mode ? 0 : -EINVAL);
	ck_assert_int_eq(attached(b.bell), reactor->any_mode);
	if (reactor->any_mode)
		bench_detach(&b);
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
	bench_attach(&b, 8, bench_record);
	first = b.bell;
	ck_assert_int_eq(attach_to(&b, b.q, 8, bench_record), -EEXIST);
	ck_assert(!attached(b.bell));
	free(b.bell);
	b.bell = first;
	bench_fill(b.q, 0, 3);
	reactor->run(b.loop);
	bench_expect(&b, 0, 3);
	bench_detach(&b);
	bench_close(&b);
}

START_TEST(tokens_queued_before_attach_come_first)
{
	struct bench b = {.wanted = 40};

	bench_open(&b);
	bench_fill(b.q, 0, 20);
	bench_attach(&b, 1, bench_record);
	bench_fill(b.q, 20, 20);
	reactor->run(b.loop);
	bench_expect(&b, 0, 40);
	bench_detach(&b);
	bench_close(&b);
}

START_TEST(two_queues_in_one_loop_are_told_apart)
{
	struct bench a = {.n = 0}, b = {.wanted = 4};
	uint32_t round;

	bench_open(&a);
	ck_assert_int_eq(bell_queue_new(&b.q, ROOM, reactor->flags), 0);
	b.loop = a.loop;
	bench_attach(&a, 8, bench_record);
	bench_attach(&b, 8, bench_record);
	for (round = 0; round < 4; round++) {
		bench_fill(a.q, 8 * round, 2);
		bench_fill(b.q, 10 + round, 1);
		bench_run_for(&a, 25);
	}
	bench_expect(&b, 10, 4);
	ck_assert_uint_eq(a.n, 8);
	bench_detach(&b);
	bench_fill(a.q, 60, 1);
	bench_run_for(&a, 25);
	ck_assert_uint_eq(a.n, 9);
	bench_detach(&a);
	bench_run_for(&a, 25);
	bell_queue_unref(b.q);
	bench_close(&a);
}

/* -- detach ---------------------------------------------------------------------------------- */

static void detach_at_third(void *userdata, uint32_t token)
{
	struct bench *b = userdata;

	bench_record(b, token);
	if (b->n == 3)
		bench_detach(b);
}

START_TEST(fn_may_detach_and_free_and_the_rest_stays_queued)
{
	struct bench b = {.n = 0}, rest = {.wanted = 37};

	bench_open(&b);
	bench_attach(&b, ROOM, detach_at_third);
	bench_fill(b.q, 0, 40);
	bench_run_for(&b, 50);
	bench_expect(&b, 0, 3);
	ck_assert_uint_eq(b.q->refs, 1);
	rest.loop = b.loop;
	rest.q = b.q;
	bench_attach(&rest, ROOM, bench_record);
	reactor->run(b.loop);
	bench_expect(&rest, 3, 37);
	bench_detach(&rest);
	bench_close(&b);
}

static void detach_other(void *userdata)
{
	struct bench *b = userdata;

	if (b->bell)
		bench_detach(b);
	stop_loop(b);
}

START_TEST(another_callback_may_detach_and_free)
{
	struct bench b = {.n = 0};
	int round;

	bench_open(&b);
	for (round = 0; round < 20; round++) { /* both at once, some of the time */
		bench_attach(&b, 1, bench_record);
		ck_assert_int_eq(reactor->timer(b.loop, 1, detach_other, &b), 0);
		bell_queue_notify(b.q, 1);
		bell_queue_notify(b.q, 2);
		reactor->run(b.loop);
		ck_assert_ptr_null(b.bell);
		ck_assert_int_eq(reactor->timer(b.loop, 0, NULL, NULL), 0);
	}
	bench_run_for(&b, 5);
	bench_close(&b);
}

START_TEST(the_attachment_keeps_the_queue_alive)
{
	struct bench b = {.wanted = 3};
	struct bell_queue *q;

	bench_open(&b);
	q = bell_queue_ref(b.q);
	bench_attach(&b, 8, bench_record);
	bench_fill(q, 0, 3);
	bell_queue_unref(q);
	bell_queue_unref(b.q);
	reactor->run(b.loop);
	bench_expect(&b, 0, 3);
	bench_detach(&b);
	bench_run_for(&b, 5);
	reactor->close(b.loop);
}

START_TEST(a_loop_may_be_closed_before_its_bell)
{
	struct bench b = {.n = 0};

	bench_open(&b);
	bench_attach(&b, 8, bench_record);
	bench_fill(b.q, 0, 3);
	reactor->close(b.loop);
	ck_assert_uint_eq(b.q->refs, 2);
	if (reactor->orphan == ORPHAN_DETACH)
		ck_assert_int_eq(reactor->detach(NULL, b.bell), 0);
	else
		bell_queue_unref(*(struct bell_queue **)b.bell);
	free(b.bell);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_uint_eq(b.q->refs, 1);
	bell_queue_unref(b.q);
}

/* -- end ------------------------------------------------------------------------------------- */

static void ended(void *userdata, int error)
{
	struct bench *b = userdata;

	b->ended++;
	b->error = error;
	ck_assert(!attached(b->bell));
	let_go(b->bell);
	reactor->stop(b->loop);
}

void bench_expect_end(struct bench *b)
{
	void (**on_end)(void *, int) = (void *)((char *)b->bell + reactor->on_end);

	*on_end = ended;
}

START_TEST(a_queue_that_is_closed_ends_after_its_last_token)
{
	struct bench b = {.n = 0};
	uint32_t before = (uint32_t)_i; /* tokens that the loop had before the close */

	bench_open(&b);
	bench_attach(&b, 2, bench_record);
	bench_expect_end(&b);
	if (before) {
		bench_fill(b.q, 0, before);
		bench_run_for(&b, 50);
		ck_assert_uint_eq(b.n, before);
	}
	bench_fill(b.q, before, 7);
	bell_queue_close(b.q);
	reactor->run(b.loop);
	bench_expect(&b, 0, before + 7);
	ck_assert_int_eq(b.ended, 1);
	ck_assert_int_eq(b.error, -ESHUTDOWN);
	ck_assert_uint_eq(b.q->refs, 1);
	bench_run_for(&b, 50);
	ck_assert_int_eq(b.ended, 1);
	bench_close(&b);
}

START_TEST(a_queue_closed_before_attach_ends_at_once)
{
	struct bench b = {.n = 0};

	bench_open(&b);
	bell_queue_close(b.q);
	bench_attach(&b, 8, bench_record);
	bench_expect_end(&b);
	reactor->run(b.loop);
	ck_assert_int_eq(b.ended, 1);
	ck_assert_int_eq(b.error, -ESHUTDOWN);
	bench_close(&b);
}

START_TEST(without_on_end_it_just_detaches)
{
	struct bench b = {.n = 0};
	clock_t before;

	bench_open(&b);
	bench_attach(&b, 8, bench_record);
	bench_fill(b.q, 0, 3);
	bell_queue_close(b.q);
	bench_run_for(&b, 50);
	bench_expect(&b, 0, 3);
	ck_assert(!attached(b.bell));
	ck_assert_uint_eq(b.q->refs, 1);
	let_go(b.bell);
	before = clock();
	bench_run_for(&b, 200);
	ck_assert_int_lt(clock() - before, CLOCKS_PER_SEC / 20); /* of 200 ms */
	bench_close(&b);
}

int contract_main(const struct reactor *r, const char *mode)
{
	Suite *s = suite_create(mode);
	TCase *tc = runner_case(s, mode, 60);

	reactor = r;
	r->close(r->open()); /* what a library opens once for the whole process */
	tcase_add_test(tc, bad_arguments_attach_nothing);
	if (r->unique)
		tcase_add_test(tc, a_second_attach_is_refused_and_harms_nothing);
	tcase_add_test(tc, tokens_queued_before_attach_come_first);
	tcase_add_test(tc, two_queues_in_one_loop_are_told_apart);
	tcase_add_test(tc, fn_may_detach_and_free_and_the_rest_stays_queued);
	tcase_add_test(tc, another_callback_may_detach_and_free);
	tcase_add_test(tc, the_attachment_keeps_the_queue_alive);
	if (r->orphan)
		tcase_add_test(tc, a_loop_may_be_closed_before_its_bell);
	tcase_add_loop_test(tc, a_queue_that_is_closed_ends_after_its_last_token, 0, 3);
	tcase_add_test(tc, a_queue_closed_before_attach_ends_at_once);
	tcase_add_test(tc, without_on_end_it_just_detaches);
	contract_busy(tc, r);
	return runner_run(s);
}
