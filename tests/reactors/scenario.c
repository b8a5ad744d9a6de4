/* SPDX-License-Identifier: MIT
 *
 * scenario.c: what every reactor goes through: sockets with traffic, a timer and the bell in one loop. Each
 * test makes a loop, and leaves nothing behind: runner.h counts the descriptors and threads.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"
#include "helpers.h"

/* A test's loop, and what happened in it. */
struct stage {
	void *loop;
	struct bell_queue *q;
	void *bell;
	uint32_t tokens, ticks;
	uint32_t wanted; /* tokens, then stop */
	int ends[2];
};

static const struct reactor *reactor;

static void stage_open(struct stage *s, uint32_t capacity)
{
	ck_assert_int_eq(bell_queue_new(&s->q, capacity, reactor->flags), 0);
	s->loop = reactor->open();
	ck_assert_ptr_nonnull(s->loop);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->ends), 0);
}

static void stage_close(struct stage *s)
{
	reactor->close(s->loop);
	close(s->ends[0]);
	close(s->ends[1]);
	ck_assert_uint_eq(s->q->refs, 1);
	bell_queue_unref(s->q);
}

static void count_token(void *userdata, uint32_t token)
{
	struct stage *s = userdata;

	ck_assert_uint_lt(token, bell_queue_capacity(s->q));
	if (++s->tokens == s->wanted)
		reactor->stop(s->loop);
}

static void stop_at_tick(void *userdata)
{
	struct stage *s = userdata;

	s->ticks++;
	reactor->stop(s->loop);
}

/* Runs the loop for so long. */
static void run_for(struct stage *s, unsigned ms)
{
	ck_assert_int_eq(reactor->timer(s->loop, ms, stop_at_tick, s), 0);
	reactor->run(s->loop);
	ck_assert_int_eq(reactor->timer(s->loop, 0, NULL, NULL), 0);
}

static void attach(struct stage *s, size_t budget, bell_token_fn fn)
{
	s->bell = reactor_attach(reactor, s->loop, s->q, budget, fn, s);
}

static void detach(struct stage *s)
{
	reactor_detach(reactor, s->loop, s->bell);
}

/* -- traffic --------------------------------------------------------------------------------- */

START_TEST(a_million_notifies_lose_nothing_and_keep_their_order)
{
	struct crowd *c = crowd_run(reactor, true);

	crowd_check(c);
	crowd_free(c);
}

/* A figure, with a loose bound: what decides is how many tokens a socket waits for, above and below.
 * Without the bell the same threads notify the same queue, and nobody receives, which is less work: so more
 * than a slice of the scheduler's is allowed. A machine that is busy otherwise is given another chance. */
START_TEST(sockets_are_answered_nearly_as_soon_as_without_the_bell)
{
	const int64_t slice = HELPERS_SANITIZED ? 20000000 : 5000000;
	int64_t without = 0, with = 0;
	struct crowd *c;
	int turn;

	for (turn = 0; turn < 5; turn++) {
		c = crowd_run(reactor, false);
		without = crowd_p99(c);
		crowd_free(c);
		c = crowd_run(reactor, true);
		with = crowd_p99(c);
		crowd_free(c);
		printf("# p99 of an answer: %lld us without the bell, %lld us with it\n",
			(long long)without / 1000, (long long)with / 1000);
		if (with <= 3 * without + slice)
			return;
	}
	ck_abort_msg("p99 %lld ns instead of %lld", (long long)with, (long long)without);
}

/* -- budget ---------------------------------------------------------------------------------- */

enum { BUDGET = 64, ENOUGH = 100000 };

struct hog {
	struct stage s;
	uint32_t since; /* tokens handed out since the socket became readable */
	uint32_t served, longest;
};

/* A token that notifies itself: the queue is never empty. A byte for the socket after each service. */
static void notify_again(void *userdata, uint32_t token)
{
	struct hog *h = userdata;

	if (h->since++ == 0)
		ck_assert_int_eq(write(h->s.ends[1], "x", 1), 1);
	if (h->since < ENOUGH)
		ck_assert_int_eq(bell_queue_notify(h->s.q, token), 1);
}

static void serve_socket(void *userdata)
{
	struct hog *h = userdata;
	char byte;

	ck_assert_int_eq(read(h->s.ends[0], &byte, 1), 1);
	if (h->since > h->longest)
		h->longest = h->since;
	h->since = 0;
	if (++h->served == 20 || h->longest >= ENOUGH)
		reactor->stop(h->s.loop);
}

static uint32_t longest_wait(size_t budget)
{
	struct hog h = {.since = 0};
	uint32_t token;

	stage_open(&h.s, 128);
	ck_assert_int_eq(reactor->watch(h.s.loop, h.s.ends[0], serve_socket, &h), 0);
	h.s.bell = reactor_attach(reactor, h.s.loop, h.s.q, budget, notify_again, &h);
	for (token = 0; token < 100; token++)
		ck_assert_int_eq(bell_queue_notify(h.s.q, token), 1);
	reactor->run(h.s.loop);
	detach(&h.s);
	reactor->unwatch(h.s.loop, h.s.ends[0]);
	stage_close(&h.s);
	return h.longest;
}

START_TEST(a_socket_waits_for_a_few_batches_of_an_endless_queue)
{
	ck_assert_uint_le(longest_wait(BUDGET), (reactor->unordered ? 4 : 2) * BUDGET);
}

/* So the test above can fail. */
START_TEST(without_a_budget_it_waits_for_the_end)
{
	ck_assert_uint_ge(longest_wait(SIZE_MAX), ENOUGH);
}

struct order {
	struct stage s;
	uint32_t next;
};

static void expect_next(void *userdata, uint32_t token)
{
	struct order *o = userdata;

	ck_assert_uint_eq(token, o->next++);
	if (o->next == bell_queue_capacity(o->s.q))
		reactor->stop(o->s.loop);
}

START_TEST(a_budget_of_one_delivers_all_in_order_without_another_notify)
{
	struct order o = {.next = 0};
	uint32_t token;

	stage_open(&o.s, 1000);
	for (token = 0; token < 500; token++) /* some of them before attach */
		ck_assert_int_eq(bell_queue_notify(o.s.q, token), 1);
	o.s.bell = reactor_attach(reactor, o.s.loop, o.s.q, 1, expect_next, &o);
	for (; token < 1000; token++)
		ck_assert_int_eq(bell_queue_notify(o.s.q, token), 1);
	reactor->run(o.s.loop);
	ck_assert_uint_eq(o.next, 1000);
	detach(&o.s);
	stage_close(&o.s);
}

/* -- sleep ----------------------------------------------------------------------------------- */

enum { WAKES = 50 };

struct sleeper {
	struct stage s;
	int64_t sent; /* atomic, as the next */
	uint32_t answered;
	int64_t longest;
};

static void wake_up(void *userdata, uint32_t token)
{
	struct sleeper *z = userdata;
	int64_t took = runner_now() - bell_load_relaxed(&z->sent);

	(void)token;
	if (took > z->longest)
		z->longest = took;
	if (bell_fetch_add_acq_rel(&z->answered, 1) + 1 == WAKES)
		reactor->stop(z->s.loop);
}

static void *wake_a_sleeper(void *userdata)
{
	const struct timespec doze = {.tv_nsec = 4000000};
	struct sleeper *z = userdata;
	uint32_t i;

	for (i = 0; i < WAKES; i++) {
		while (bell_load_acquire(&z->answered) < i)
			nanosleep(&doze, NULL);
		nanosleep(&doze, NULL);
		bell_store_relaxed(&z->sent, runner_now());
		bell_queue_notify(z->s.q, i % 8);
	}
	return NULL;
}

START_TEST(a_sleeping_loop_wakes_for_each_notify)
{
	struct sleeper z = {.answered = 0};
	pthread_t thread;

	stage_open(&z.s, 8);
	z.s.bell = reactor_attach(reactor, z.s.loop, z.s.q, BUDGET, wake_up, &z);
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_a_sleeper, &z), 0);
	reactor->run(z.s.loop);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_lt(z.longest, 2000000000);
	detach(&z.s);
	stage_close(&z.s);
}

struct usage {
	int64_t cpu; /* nanoseconds */
	long sleeps;
};

static struct usage usage_now(void)
{
	struct timespec cpu;
	struct rusage usage;

	ck_assert_int_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu), 0);
	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
	return (struct usage){cpu.tv_sec * INT64_C(1000000000) + cpu.tv_nsec, usage.ru_nvcsw};
}

static struct usage idle_for(struct stage *s, unsigned ms)
{
	struct usage before = usage_now(), after;

	run_for(s, ms);
	after = usage_now();
	return (struct usage){after.cpu - before.cpu, after.sleeps - before.sleeps};
}

START_TEST(an_idle_second_wakes_nobody)
{
	struct stage s = {.wanted = 8};
	struct bell_queue_stats before, after;
	struct usage without, with;
	uint32_t token;

	stage_open(&s, 8);
	run_for(&s, 10); /* whatever a library does once */
	without = idle_for(&s, 100); /* a timer, as below */
	attach(&s, BUDGET, count_token);
	for (token = 0; token < 8; token++)
		ck_assert_int_eq(bell_queue_notify(s.q, token), 1);
	reactor->run(s.loop);
	run_for(&s, 50); /* let it fall asleep */
	before = stats_of(s.q);
	with = idle_for(&s, 1000);
	after = stats_of(s.q);
	printf("# idle second: %lld us of CPU and %ld sleeps\n", (long long)with.cpu / 1000,
		with.sleeps);
	printf("# a tenth, without the bell: %lld us and %ld\n", (long long)without.cpu / 1000,
		without.sleeps);
	ck_assert_int_le(
		with.sleeps, without.sleeps + 3); /* a page to read, a lock in the kernel */
	ck_assert_int_lt(with.cpu, 5000000);
	ck_assert_uint_eq(s.tokens, 8);
	ck_assert_uint_eq(after.rings, before.rings);
	ck_assert_uint_eq(after.kicks, before.kicks);
	detach(&s);
	stage_close(&s);
}

/* -- detach ---------------------------------------------------------------------------------- */

START_TEST(detach_leaves_nothing_behind)
{
	struct stage s = {.wanted = 8};
	struct usage idle;
	int round;

	stage_open(&s, 8);
	for (round = 0; round < 100; round++) {
		attach(&s, BUDGET, count_token);
		ck_assert_uint_gt(s.q->refs, 1);
		detach(&s);
	}
	run_for(&s, 10);
	ck_assert_uint_eq(s.q->refs, 1);
	for (round = 0; round < 8; round++)
		ck_assert_int_eq(bell_queue_notify(s.q, (uint32_t)round), 1);
	idle = idle_for(&s, 100);
	ck_assert_uint_eq(s.tokens, 0);
	ck_assert_int_lt(idle.cpu, 5000000);
	attach(&s, 3, count_token); /* what was queued meanwhile waits for the next */
	reactor->run(s.loop);
	ck_assert_uint_eq(s.tokens, 8);
	detach(&s);
	stage_close(&s);
}

static void detach_at_third(void *userdata, uint32_t token)
{
	struct stage *s = userdata;

	ck_assert_uint_eq(token, s->tokens);
	if (++s->tokens == 3)
		detach(s);
}

static void attach_again(void *userdata, uint32_t token)
{
	struct stage *s = userdata;

	ck_assert_uint_eq(token, s->tokens);
	s->tokens++;
	if (s->tokens == s->wanted) {
		reactor->stop(s->loop);
		return;
	}
	detach(s);
	attach(s, BUDGET, attach_again);
}

START_TEST(fn_may_detach_and_attach)
{
	struct stage s = {.wanted = 40};
	uint32_t token;

	stage_open(&s, 40);
	attach(&s, BUDGET, detach_at_third);
	for (token = 0; token < 40; token++)
		ck_assert_int_eq(bell_queue_notify(s.q, token), 1);
	run_for(&s, 50);
	ck_assert_uint_eq(s.tokens, 3);
	ck_assert_uint_eq(s.q->refs, 1);
	attach(&s, BUDGET, attach_again);
	reactor->run(s.loop);
	ck_assert_uint_eq(s.tokens, 40);
	detach(&s);
	stage_close(&s);
}

int scenario_main(const struct reactor *r, const char *mode, bool latency)
{
	Suite *s = suite_create(mode);
	TCase *tc = runner_case(s, mode, 120);
	void *loop;

	reactor = r;
	/* Some libraries open descriptors once for the whole process. */
	loop = r->open();
	if (!loop) {
		printf("1..0 # SKIP cannot make a loop (%s)\n", mode);
		return 0;
	}
	r->close(loop);
	if (latency) {
		tcase_add_test(tc, sockets_are_answered_nearly_as_soon_as_without_the_bell);
		return runner_run(s);
	}
	tcase_add_test(tc, a_million_notifies_lose_nothing_and_keep_their_order);
	tcase_add_test(tc, a_socket_waits_for_a_few_batches_of_an_endless_queue);
	tcase_add_test(tc, without_a_budget_it_waits_for_the_end);
	tcase_add_test(tc, a_budget_of_one_delivers_all_in_order_without_another_notify);
	tcase_add_test(tc, a_sleeping_loop_wakes_for_each_notify);
	tcase_add_test(tc, an_idle_second_wakes_nobody);
	tcase_add_test(tc, detach_leaves_nothing_behind);
	tcase_add_test(tc, fn_may_detach_and_attach);
	return runner_run(s);
}
