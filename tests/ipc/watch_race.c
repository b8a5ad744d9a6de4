/* SPDX-License-Identifier: MIT
 *
 * Receivers that come and go in one thread while watches begin and look in another.
 */
#include <poll.h>
#include <sched.h>

#include "shares.h"

/* Waits for one event. */
static struct bell_watch_event await(struct bell_watch *w)
{
	struct bell_watch_event e;
	int r;

	struct pollfd fd = {.fd = bell_watch_fd(w), .events = POLLIN};

	while ((r = bell_watch_next(w, &e)) == 0)
		ck_assert_int_eq(poll(&fd, 1, (int)(PATIENCE / 1000000)), 1);
	ck_assert_int_eq(r, 1);
	return e;
}

/* Odd: there is to be a receiver; even: there is not; 0: no more. */
static uint32_t turn;

static void *offer_in_odd_turns(void *userdata)
{
	struct bell_share *s = NULL;
	uint32_t now;

	(void)userdata;
	while ((now = bell_load_acquire(&turn))) {
		if (now % 2 && !s && bell_share_new(&s, shares_dir, "x", NULL) != 0)
			abort();
		if (now % 2 == 0)
			s = bell_share_free(s);
		sched_yield();
	}
	return bell_share_free(s);
}

enum { AT_A_TIME = 32 };

static void *free_one(void *userdata)
{
	return bell_watch_free(userdata);
}

/* To close inotify's descriptor takes milliseconds, and no processor. */
static void free_all(struct bell_watch **watches)
{
	pthread_t threads[AT_A_TIME];
	int i;

	for (i = 0; i < AT_A_TIME; i++)
		threads[i] = spawn(free_one, watches[i]);
	for (i = 0; i < AT_A_TIME; i++)
		join(threads[i]);
}

/* A receiver offers itself while a watch begins: between its watching and its scan, or wherever. */
START_TEST(a_receiver_that_comes_while_a_watch_begins_is_told_exactly_once)
{
	const uint32_t rounds = HELPERS_SANITIZED ? 30 * AT_A_TIME : 320 * AT_A_TIME;
	struct bell_watch *watches[AT_A_TIME], *w;
	struct bell_watch_event e;
	pthread_t thread;
	uint32_t i;

	turn = 2;
	thread = spawn(offer_in_odd_turns, NULL);
	for (i = 0; i < rounds; i++) {
		bell_store_release(&turn, 2 * i + 3);
		w = watch_of();
		e = await(w);
		ck_assert_uint_eq(e.kind, BELL_WATCH_APPEARED);
		ck_assert_str_eq(e.name, "x");
		expect_quiet(w);
		bell_store_release(&turn, 2 * i + 4);
		e = await(w);
		ck_assert_uint_eq(e.kind, BELL_WATCH_GONE);
		expect_quiet(w);
		watches[i % AT_A_TIME] = w;
		if (i % AT_A_TIME == AT_A_TIME - 1)
			free_all(watches);
	}
	bell_store_release(&turn, 0);
	join(thread);
}

START_TEST(of_receivers_that_come_and_go_all_the_time_appeared_and_gone_alternate)
{
	struct bell_watch *w = watch_of();
	struct bell_watch_event e;
	bool here = false;
	pthread_t thread;
	uint32_t i;

	turn = 2;
	thread = spawn(offer_in_odd_turns, NULL);
	for (i = 3; i <= 5000; i++) {
		bell_store_release(&turn, i);
		while (bell_watch_next(w, &e) == 1) {
			ck_assert_uint_eq(e.kind, here ? BELL_WATCH_GONE : BELL_WATCH_APPEARED);
			here = !here;
		}
	}
	bell_store_release(&turn, 0);
	join(thread);
	while (fd_readable(bell_watch_fd(w)))
		if (bell_watch_next(w, &e) == 1)
			here = e.kind == BELL_WATCH_APPEARED;
	ck_assert(!here);
	bell_watch_free(w);
}

int main(void)
{
	Suite *s = suite_create("ipc watch race");
	TCase *tc = shares_case(s, "watch_race", 120);

	tcase_add_test(tc, a_receiver_that_comes_while_a_watch_begins_is_told_exactly_once);
	tcase_add_test(tc, of_receivers_that_come_and_go_all_the_time_appeared_and_gone_alternate);
	return runner_run(s);
}
