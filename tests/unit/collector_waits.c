/* SPDX-License-Identifier: MIT
 *
 * Who waits for room, and who closes meanwhile: signals, producers in a loop of their own, and a close at
 * every moment of a submit.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "collector_helpers.h"

static void handle_nothing(int sig)
{
	(void)sig;
}

/* -- one submit, in a thread of its own ------------------------------------------------------ */

struct waiter {
	struct bell_producer *p;
	uint32_t number;
	int result;
	uint32_t done;
};

static void *submit_once(void *userdata)
{
	struct waiter *w = userdata;

	w->result = bell_producer_submit(w->p, &w->number, -1);
	bell_store_release(&w->done, 1);
	return NULL;
}

static void await_waits(const struct bell_collector *c, uint64_t least)
{
	while (stats_of_collector(c).waits < least)
		sched_yield();
}

START_TEST(a_signal_ends_the_wait_for_room_with_eintr)
{
	struct sigaction action = {.sa_handler = handle_nothing, .sa_flags = _i ? SA_RESTART : 0};
	struct bell_collector *c = collector_of(1, 1, 0);
	struct waiter w = {.p = producer_of(c), .number = 7};
	pthread_t thread;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	submit_all(w.p, 1, 1);
	thread = spawn(submit_once, &w);
	while (!bell_load_acquire(&w.done)) { /* one that came before it slept is not the answer */
		pthread_kill(thread, SIGUSR1);
		sleep_ms(1);
	}
	join(thread);
	ck_assert_int_eq(w.result, -EINTR);
	EXPECT_RECORDS(c, 9, 1); /* it left nothing */
	ck_assert_uint_eq(stats_of_collector(c).wakes, 0);
	bell_producer_free(w.p);
	bell_collector_free(c);
}

START_TEST(room_wakes_the_one_whose_ring_it_is)
{
	struct bell_collector *c = collector_of(1, 2, 0);
	struct waiter w[2] = {
		{.p = producer_of(c), .number = 10}, {.p = producer_of(c), .number = 20}};
	struct gathered g = {0};
	pthread_t threads[2];

	submit_all(w[0].p, 1, 1);
	submit_all(w[1].p, 2, 1);
	threads[0] = spawn(submit_once, &w[0]);
	await_waits(c, 1);
	threads[1] = spawn(submit_once, &w[1]);
	await_waits(c, 2);
	EXPECT_RECORDS(c, 1, 1);
	join(threads[0]);
	ck_assert_int_eq(w[0].result, 0);
	ck_assert_uint_eq(stats_of_collector(c).wakes, 1);
	ck_assert_uint_eq(bell_load_acquire(&w[1].done), 0);
	while (!bell_load_acquire(&w[1].done)) /* the rest, in turn */
		(void)bell_collector_drain(c, 1, gather, &g);
	join(threads[1]);
	ck_assert_int_eq(w[1].result, 0);
	ck_assert_uint_eq(stats_of_collector(c).wakes, 2);
	bell_producer_free(w[0].p);
	bell_producer_free(w[1].p);
	bell_collector_free(c);
}

START_TEST(close_wakes_all_who_wait)
{
	struct bell_collector *c = collector_of(1, 3, 0);
	struct waiter w[3];
	pthread_t threads[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		w[i] = (struct waiter){.p = producer_of(c)};
		submit_all(w[i].p, 1, 1);
		threads[i] = spawn(submit_once, &w[i]);
	}
	await_waits(c, 3);
	bell_collector_close(c);
	for (i = 0; i < 3; i++) {
		join(threads[i]);
		ck_assert_int_eq(w[i].result, -ESHUTDOWN);
		bell_producer_free(w[i].p);
	}
	EXPECT_RECORDS(c, 9, 1, 1, 1);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	bell_collector_free(c);
}

/* -- a handler closes, and submits ----------------------------------------------------------- */

static struct bell_collector *closed_by_handler;
static struct bell_producer *of_handler;
static int handler_submitted;

static void handle_close(int sig)
{
	(void)sig;
	handler_submitted = try_number(of_handler, 5);
	bell_collector_flush(closed_by_handler);
	bell_collector_close(closed_by_handler);
}

START_TEST(a_handler_may_submit_flush_and_close)
{
	struct sigaction action = {.sa_handler = handle_close};
	struct bell_collector *c = closed_by_handler = collector_of(1, 2, 0);
	struct bell_producer *p = producer_of(c);
	struct gathered g = {0};

	of_handler = producer_of(c);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	submit_all(p, 1, 1);
	errno = 4711;
	raise(SIGUSR1);
	ck_assert_int_eq(errno, 4711);
	ck_assert_int_eq(handler_submitted, 0);
	EXPECT_RECORDS(c, 9, 1, 5, MARK);
	ck_assert_int_eq(bell_collector_wait(c, 1, gather, &g, -1), -ESHUTDOWN);
	bell_producer_free(p);
	bell_producer_free(of_handler);
	bell_collector_free(c);
}

/* -- producers in a loop --------------------------------------------------------------------- */

enum { BOUND = 3 };

struct loop {
	struct bell_producer *p[BOUND];
	struct bell_queue *q;
	uint32_t each, sent[BOUND], errors;
};

/* Sends until there is no room. Returns whether all are sent. */
static bool send_some(struct loop *l, uint32_t i)
{
	int r = 0;

	while (l->sent[i] < l->each && r == 0) {
		r = try_number(l->p[i], l->sent[i]);
		l->sent[i] += r == 0;
	}
	if (r < 0 && r != -EAGAIN)
		bell_fetch_add_relaxed(&l->errors, 1);
	return l->sent[i] == l->each;
}

static void *run_loop(void *userdata)
{
	struct loop *l = userdata;
	int epfd = epoll_create1(EPOLL_CLOEXEC), left = BOUND;
	struct epoll_event ev = {.events = EPOLLIN};
	bool sent[BOUND] = {0};
	uint32_t token;

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, bell_queue_fd(l->q), &ev) < 0)
		bell_fetch_add_relaxed(&l->errors, 1);
	for (token = 0; token < BOUND; token++)
		bell_queue_notify(l->q, token); /* to begin with */
	while (left > 0 && epoll_wait(epfd, &ev, 1, -1) == 1) {
		do {
			while (bell_queue_poll(l->q, &token, 1) == 1) {
				bool now = sent[token] || send_some(l, token);

				left -= now && !sent[token];
				sent[token] = now;
			}
		} while (bell_queue_arm(l->q) == 0);
	}
	for (token = 0; token < BOUND; token++)
		bell_producer_free(l->p[token]);
	close(epfd);
	return NULL;
}

static void count_one(void *userdata, const void *record)
{
	*(uint64_t *)userdata += record != NULL;
}

START_TEST(bound_producers_in_one_loop_are_never_forgotten)
{
	struct bell_collector *c = collector_of((uint32_t)_i, BOUND, 0);
	struct loop l = {.q = queue_of(BOUND, 0), .each = HELPERS_SANITIZED ? 3000 : 6000};
	uint64_t n = 0;
	pthread_t thread;
	uint32_t i;

	for (i = 0; i < BOUND; i++) {
		l.p[i] = producer_of(c);
		ck_assert_int_eq(bell_producer_bind(l.p[i], l.q, i), 0);
	}
	thread = spawn(run_loop, &l);
	while (n < (uint64_t)l.each * BOUND)
		ck_assert_int_ge(bell_collector_wait(c, 5, count_one, &n, -1), 0);
	join(thread);
	ck_assert_uint_eq(l.errors, 0);
	ck_assert_uint_le(stats_of_collector(c).wakes, stats_of_collector(c).waits);
	bell_queue_unref(l.q);
	bell_collector_free(c);
}

/* The consumer tells it while it binds itself to another queue, and drops the first. */
static void *bind_and_unbind(void *userdata)
{
	struct bell_producer *p = userdata;
	uint32_t round, wrong = 0;

	for (round = 0; round < (HELPERS_SANITIZED ? 2000 : 4000); round++) {
		struct bell_queue *q = NULL;
		int r = bell_queue_new(&q, 1, 0);

		if (r == 0)
			r = bell_producer_bind(p, q, 0);
		bell_queue_unref(q); /* the producer's is the last */
		wrong += r != 0;
		while ((r = try_number(p, round)) == 0)
			;
		wrong += r != -EAGAIN;
		if (round % 3 == 0)
			wrong += bell_producer_bind(p, NULL, 0) != 0;
	}
	bell_producer_free(p);
	return wrong ? p : NULL;
}

START_TEST(a_bound_queue_may_go_while_it_is_notified)
{
	struct bell_collector *c = collector_of(2, 2, 0);
	struct bell_producer *last = producer_of(c);
	pthread_t thread = spawn(bind_and_unbind, producer_of(c));
	uint64_t n = 0;
	void *wrong;

	while (stats_of_collector(c).producers == 2)
		if (bell_collector_drain(c, 1, count_one, &n) == 0)
			sched_yield();
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_ptr_null(wrong);
	bell_producer_free(last);
	bell_collector_free(c);
}

/* -- close at every moment ------------------------------------------------------------------- */

struct race {
	struct bell_collector *c;
	struct bell_producer *p;
	uint32_t round, rounds,
		idle; /* the round that runs; how many threads are through with it */
	uint32_t accepted, handed, wrong;
	bool waits; /* submit, not try_submit */
};

static bool next_round(struct race *s, uint32_t *round)
{
	if (++*round > s->rounds)
		return false;
	while (bell_load_acquire(&s->round) < *round)
		sched_yield();
	return true;
}

static void dawdle(uint64_t *state)
{
	uint32_t turns = dice(state) % 64;

	while (turns-- > 0)
		bell_pause();
}

static void *race_submits(void *userdata)
{
	struct race *s = userdata;
	uint64_t state = 1;
	uint32_t round = 0, n;
	int r;

	while (next_round(s, &round)) {
		for (n = 0, r = 0; r == 0 || r == -EAGAIN; n += r == 0) {
			if (r == -EAGAIN)
				sched_yield();
			r = s->waits ? bell_producer_submit(s->p, &n, -1) : try_number(s->p, n);
		}
		s->accepted = n;
		if (r != -ESHUTDOWN)
			bell_fetch_add_relaxed(&s->wrong, 1);
		dawdle(&state);
		if (round % 2)
			s->p = bell_producer_free(s->p);
		bell_fetch_add_acq_rel(&s->idle, 1);
	}
	return NULL;
}

static void *race_close(void *userdata)
{
	struct race *s = userdata;
	uint64_t state = 2;
	uint32_t round = 0;

	while (next_round(s, &round)) {
		dawdle(&state);
		bell_collector_close(s->c);
		bell_fetch_add_acq_rel(&s->idle, 1);
	}
	return NULL;
}

static void in_order(void *userdata, const void *record)
{
	struct race *s = userdata;

	s->wrong += *(const uint32_t *)record != s->handed;
	s->handed++;
}

static void race_drain(struct race *s, uint32_t round)
{
	int r;

	do {
		while (bell_collector_drain(s->c, round % 3 + 1, in_order, s) > 0)
			;
		while ((r = bell_collector_arm(s->c)) ==
			1) /* until the end: no blocking, for more races */
			if (bell_collector_drain(s->c, 1, in_order, s) == 0)
				sched_yield();
	} while (r == 0);
}

START_TEST(a_submit_beside_close_is_accepted_and_drained_or_refused)
{
	struct race s = {.rounds = HELPERS_SANITIZED ? 5000 : 50000, .waits = _i};
	pthread_t threads[2];
	uint32_t round;

	threads[0] = spawn(race_submits, &s);
	threads[1] = spawn(race_close, &s);
	for (round = 1; round <= s.rounds; round++) {
		s.c = collector_of(round % 4 + 1, 1, 0);
		s.p = producer_of(s.c);
		s.handed = 0;
		bell_store_relaxed(&s.idle, 0);
		bell_store_release(&s.round, round);
		race_drain(&s, round);
		while (bell_load_acquire(&s.idle) < 2)
			sched_yield();
		s.wrong += s.handed != s.accepted;
		s.wrong += stats_of_collector(s.c).submitted != s.accepted;
		s.wrong += bell_collector_arm(s.c) != -ESHUTDOWN;
		bell_producer_free(s.p);
		bell_collector_free(s.c);
	}
	join(threads[0]);
	join(threads[1]);
	ck_assert_uint_eq(s.wrong, 0);
}

int main(void)
{
	Suite *s = suite_create("collector waits");
	TCase *tc = runner_case(s, "collector waits", 100);

	tcase_add_loop_test(tc, a_signal_ends_the_wait_for_room_with_eintr, 0, 2);
	tcase_add_test(tc, room_wakes_the_one_whose_ring_it_is);
	tcase_add_test(tc, close_wakes_all_who_wait);
	tcase_add_test(tc, a_handler_may_submit_flush_and_close);
	tcase_add_loop_test(tc, bound_producers_in_one_loop_are_never_forgotten, 1, 4);
	tcase_add_test(tc, a_bound_queue_may_go_while_it_is_notified);
	tcase_add_loop_test(tc, a_submit_beside_close_is_accepted_and_drained_or_refused, 0, 2);
	return runner_run(s);
}
