/* SPDX-License-Identifier: MIT
 *
 * Threads of other processes notify as fast as they can, each after it has written data of its own,
 * and every now and then one waits until the receiver has seen its last word. Two threads of a process
 * share a token. The receiver sleeps whenever there is nothing, without a timeout: a token lost, or
 * data that is stale, and a thread waits for ever.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "shares.h"

enum { PROCESSES = 2, THREADS = 3, TOKENS = 2, CAPACITY = 3 };

struct words {
	BELL_ALIGNED uint64_t said;  /* written by the thread */
	BELL_ALIGNED uint64_t heard; /* written by the receiver: the last that it read */
};

static struct words *words; /* [PROCESSES][THREADS], shared by all processes and no part of a share */
static struct bell_peer *peer;
static struct words *own; /* of this process */
static uint64_t rounds;
static uintptr_t threads = THREADS; /* of a process; 1: the receiver spins */
static uint32_t failures;

/* Every round ends with the last word heard. What one says twice before it waits may be conflated. */
static void *talk(void *userdata)
{
	const uint32_t self = (uint32_t)(uintptr_t)userdata;
	struct words *w = &own[self];
	uint64_t state = self + 1, round, word = 0;
	uint32_t i, again, turns;
	int64_t limit;

	for (round = 0; round < rounds; round++) {
		again = dice(&state) % 4;
		for (i = 0; i <= again; i++) {
			for (turns = dice(&state) % 200; turns > 0; turns--)
				bell_fence_compiler();
			bell_store_relaxed(&w->said, ++word);
			if (bell_peer_notify(peer, self % TOKENS) < 0)
				(void)bell_fetch_add_relaxed(&failures, 1);
		}
		limit = runner_now() + PATIENCE / 2;
		for (turns = 1; bell_load_relaxed(&w->heard) != word; turns++) {
			if (turns % 1024 == 0)
				sched_yield();
			if (turns % 65536 == 0 && runner_now() > limit) {
				(void)bell_fetch_add_relaxed(&failures, 1);
				return NULL;
			}
		}
		if (threads > 1 && dice(&state) % 64 == 0)
			sleep_ms(1); /* let the receiver sleep */
	}
	return NULL;
}

static int talk_all(void *arg)
{
	pthread_t talkers[THREADS];
	uintptr_t i;

	own = words + *(int *)arg * THREADS;
	peer = child_connect("x");
	for (i = 0; i < threads; i++)
		if (pthread_create(&talkers[i], NULL, talk, (void *)i) != 0)
			return 2;
	for (i = 0; i < threads; i++)
		pthread_join(talkers[i], NULL);
	bell_peer_free(peer);
	return failures != 0;
}

static struct words *of[PROCESSES]; /* by the index of the peer */

/* Returns whether it was a LEFT. */
static bool hear(const struct bell_share_event *event)
{
	struct words *w = of[event->index];
	uint32_t i;

	for (i = event->token; event->kind == BELL_SHARE_TOKEN && i < THREADS; i += TOKENS)
		bell_store_relaxed(&w[i].heard, bell_load_relaxed(&w[i].said));
	return event->kind == BELL_SHARE_LEFT;
}

START_TEST(the_last_word_of_each_thread_is_heard)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.capacity = CAPACITY});
	struct bell_share_event events[4];
	pid_t children[PROCESSES];
	int i, left = 0;
	ssize_t n, k;

	rounds = BELL_TSAN || HELPERS_SANITIZED ? 1500 : 15000;
	words = mmap(NULL, sizeof(*words) * PROCESSES * THREADS, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(words != MAP_FAILED);
	for (i = 0; i < PROCESSES; i++) {
		children[i] = child_of(talk_all, &i);
		/* One after the other, so that the index says which. */
		while ((events[0] = next_event(s)).kind != BELL_SHARE_JOINED)
			hear(&events[0]);
		of[events[0].index] = words + i * THREADS;
	}
	while (left < PROCESSES) {
		n = bell_share_wait(s, events, _i ? 1 : 4, -1);
		ck_assert_int_gt(n, 0);
		for (k = 0; k < n; k++)
			left += hear(&events[k]);
	}
	for (i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(child_end(children[i]), 0);
	ck_assert_uint_eq(share_stats_of(s).strays, 0);
	ck_assert_uint_le(share_stats_of(s).rings, share_stats_of(s).arms);
	munmap(words, sizeof(*words) * PROCESSES * THREADS);
	bell_share_free(s);
}

/* Both run, and meet within nanoseconds: what a notify that is conflated leaves unsaid is seen here. */
START_TEST(the_last_word_is_heard_by_a_receiver_that_never_sleeps)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.capacity = CAPACITY});
	struct bell_share_event event = {0};
	pid_t child;
	int process = 0;

	threads = 1;
	rounds = BELL_TSAN || HELPERS_SANITIZED ? 20000 : 200000;
	words = mmap(
		NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(words != MAP_FAILED);
	child = child_of(talk_all, &process);
	while (event.kind != BELL_SHARE_LEFT)
		if (bell_share_poll(s, &event, 1) == 1 && event.kind == BELL_SHARE_TOKEN)
			bell_store_relaxed(&words->heard, bell_load_relaxed(&words->said));
	ck_assert_int_eq(child_end(child), 0);
	munmap(words, sizeof(*words));
	bell_share_free(s);
}

int main(void)
{
	Suite *s = suite_create("ipc race");
	TCase *tc = shares_case(s, "race", 120);

	tcase_add_loop_test(tc, the_last_word_of_each_thread_is_heard, 0, 2); /* 1: a budget of 1 */
	tcase_add_test(tc, the_last_word_is_heard_by_a_receiver_that_never_sleeps);
	return runner_run(s);
}
