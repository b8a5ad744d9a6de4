/* SPDX-License-Identifier: MIT
 *
 * litmus.c: the two races that published designs lose, run for real, round after round.
 *
 * data: each producer writes its datum, notifies, and after a random gap writes and notifies again; the
 * second notify is often conflated with the first. The last thing the receiver reads must be the last
 * thing written. A round is judged once the receiver has handled all that was queued when the notify
 * returned: nothing can come any more, so a stale datum is a lost update.
 *
 * sleep: each producer notifies once a round, at a random moment around that of the receiver's arming.
 * A round is judged by the state: when all notifies have returned, tail may say ARMED only if every
 * token was polled. Otherwise the receiver sleeps, or will, with a token queued: stuck.
 *
 * No verdict depends on the clock, but one: a receiver that gives no answer for --patience seconds is
 * called stuck, too. With --single that is the only way to be stuck: a queue for a single producer says
 * ARMED before it knows that it is empty.
 *
 * Exit status: 0 nothing lost or stuck; 1 otherwise; 2 bad usage.
 */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "receivers.h"

/* Turns of an empty loop: about the length of a poll, and of an arm and of falling asleep. */
#define GAP_DATA  256
#define GAP_SLEEP 2048

/* data: before its own token a producer notifies a few whose flags each lie on a line of their own, so
 * that the receiver's processor is still busy clearing those when it goes on to read the datum. */
#define BALLAST 8
#define LINE	64
#define TOKENS	(LINE * (1 + BALLAST)) /* of one producer, the first of them its own */

static struct options {
	bool sleep; /* else data */
	const char *mode;
	const struct receiver *receiver;
	unsigned long producers, rounds, seconds, patience;
	bool first, single;
} options = {.mode = "level", .producers = 1, .rounds = 100000, .patience = 60};

/* One producer's place; each datum has a line of its own. */
struct place {
	BELL_ALIGNED uint64_t datum; /* written by the producer */
	BELL_ALIGNED uint64_t seen;  /* written by the receiver: the datum after the last poll */
	pthread_t thread;
	uint32_t token;
	uint64_t random;
	uint32_t ballast[BALLAST];
};

struct bell_queue *queue; /* storm.c's handler notifies it */
static struct place *places;
static BELL_ALIGNED uint64_t handled; /* written by the receiver: the position up to which it is done */
static BELL_ALIGNED uint64_t returned, round_now; /* sleep: notifies returned, round begun */
static uint64_t rounds_done, failures, conflated;
static int stopping;

void receiver_token(void *userdata, uint32_t token)
{
	struct place *p = &places[token / TOKENS];

	(void)userdata;
	if (token == p->token)
		bell_store_release(&p->seen, bell_load_relaxed(&p->datum));
}

void receiver_pass(void)
{
	bell_store_release(&handled, queue->head);
}

static uint64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

static void gap(struct place *p, uint64_t most)
{
	uint64_t turns;

	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	for (turns = p->random % most; turns > 0; turns--)
		bell_fence_compiler();
}

/* One turn of waiting for another thread: on a machine with fewer processors than threads it must
 * give way, or a round would last a time slice. */
static void turn(unsigned *turns)
{
	if (++*turns % 256 == 0)
		sched_yield();
	else
		bell_pause();
}

/* For when all notifies have returned: is the receiver armed although something is queued? */
static bool asleep_with_tokens(void)
{
	uint64_t tail = bell_load_acquire(&queue->tail); /* with --single never ARMED */

	return tail & BELL__ARMED && bell_load_acquire(&queue->head) < tail >> BELL__SHIFT;
}

static void fail(const char *what, const struct place *p)
{
	const uint64_t one = 1;

	(void)bell_fetch_add_relaxed(&failures, 1);
	fprintf(stderr, "%s: token %u, datum %llu, seen %llu, tail %llx, state %llx, head %llx\n",
		what, p->token, (unsigned long long)p->datum, (unsigned long long)p->seen,
		(unsigned long long)queue->tail, (unsigned long long)queue->state,
		(unsigned long long)queue->head);
	if (options.first)
		_exit(1);
	(void)!write(bell_queue_fd(queue), &one, sizeof(one)); /* so that the run can go on */
}

/* Wait until the receiver has handled what was queued when p's notify returned: it has then seen what p
 * wrote, or never will. */
static void await(struct place *p)
{
	uint64_t end = bell_load_acquire(&queue->tail) >> BELL__SHIFT, limit = 0;
	unsigned turns = 0;

	while (bell_load_acquire(&handled) < end) {
		turn(&turns);
		if (options.sleep && asleep_with_tokens()) {
			fail("stuck", p);
			return;
		}
		if (turns % 65536)
			continue;
		limit = limit ? limit : now_s() + options.patience;
		if (now_s() > limit) {
			fail("stuck", p);
			return;
		}
	}
	if (bell_load_relaxed(&p->seen) != p->datum)
		fail("lost", p);
}

static bool over(uint64_t done, uint64_t end)
{
	return options.seconds ? done % 256 == 0 && now_s() >= end : done >= options.rounds;
}

static void *produce_data(void *userdata)
{
	struct place *p = userdata;
	uint64_t done = 0, merged = 0, end = now_s() + options.seconds;

	for (; !over(done, end); done++) {
		bell_store_relaxed(&p->datum, p->datum + 1);
		bell_queue_notify_many(queue, p->ballast, BALLAST);
		bell_queue_notify(queue, p->token);
		gap(p, GAP_DATA);
		bell_store_relaxed(&p->datum, p->datum + 1);
		merged += bell_queue_notify(queue, p->token) == 0;
		await(p);
	}
	(void)bell_fetch_add_relaxed(&rounds_done, done);
	(void)bell_fetch_add_relaxed(&conflated, merged);
	return NULL;
}

/* All producers go round by round; the first one leads and judges. */
static void *produce_sleep(void *userdata)
{
	struct place *p = userdata;
	const bool leader = p == places;
	uint64_t end = now_s() + options.seconds, round = 0;
	unsigned turns = 0;

	for (;;) {
		if (leader) {
			if (over(round, end))
				bell_store_release(&stopping, 1);
			bell_store_release(&round_now, round + 1);
		}
		while (bell_load_acquire(&round_now) == round)
			turn(&turns);
		if (bell_load_acquire(&stopping))
			break;
		round++;
		gap(p, GAP_SLEEP);
		bell_store_relaxed(&p->datum, p->datum + 1);
		bell_queue_notify(queue, p->token);
		(void)bell_fetch_add_acq_rel(&returned, 1);
		while (bell_load_acquire(&returned) < (2 * round - 1) * options.producers)
			turn(&turns);
		await(p);
		(void)bell_fetch_add_acq_rel(&returned, 1); /* nobody begins before all are judged */
		while (bell_load_acquire(&returned) < 2 * round * options.producers)
			turn(&turns);
	}
	if (leader)
		rounds_done = round;
	return NULL;
}

/* -- command line ---------------------------------------------------------------------------- */

static const struct argp_option argp_options[] = {
	{"mode", 'm', "MODE", 0, "how to receive, see receivers.h (default: level)", 0},
	{"producers", 'p', "N", 0, "producer threads, 1 to 64 (default: 1)", 0},
	{"rounds", 'r', "N", 0, "rounds of each producer (default: 100000)", 0},
	{"seconds", 's', "N", 0, "run for so long instead", 0},
	{"patience", 'w', "N", 0, "seconds without an answer that mean stuck (default: 60)", 0},
	{"single", '1', NULL, 0, "a queue for a single producer", 0},
	{"first", 'f', NULL, 0, "end at the first failure, at once: for a build that is broken", 0},
	{0},
};

static unsigned long number(
	struct argp_state *state, const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || n < least || n > most)
		argp_error(state, "'%s' is not a whole number from %lu to %lu", text, least, most);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'm':
		options.mode = arg;
		return 0;
	case 'p':
		options.producers = number(state, arg, 1, 64);
		return 0;
	case 'r':
		options.rounds = number(state, arg, 1, 1000000000000);
		return 0;
	case 's':
		options.seconds = number(state, arg, 1, 1000000);
		return 0;
	case 'w':
		options.patience = number(state, arg, 1, 1000000);
		return 0;
	case 'f':
		options.first = true;
		return 0;
	case '1':
		options.single = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0 || (strcmp(arg, "data") != 0 && strcmp(arg, "sleep") != 0))
			argp_usage(state);
		options.sleep = strcmp(arg, "sleep") == 0;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num != 1)
			argp_usage(state);
		options.receiver = receiver_named(options.mode);
		if (!options.receiver)
			argp_error(state, "there is no mode '%s' in this build", options.mode);
		if (options.single && options.producers > 1)
			argp_error(state, "a single producer is one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void *receive(void *userdata)
{
	options.receiver->run(queue);
	return userdata;
}

static void *checked(void *memory)
{
	if (!memory) {
		fprintf(stderr, "litmus: out of memory\n");
		exit(2);
	}
	return memory;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {argp_options, parse, "data|sleep",
		"Run a race that other designs lose, and count what is lost.", NULL, NULL, NULL};
	struct bell_queue_stats stats;
	pthread_t receiver;
	uint32_t j;
	size_t i;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (bell_queue_new(&queue, (uint32_t)options.producers * TOKENS,
		    options.receiver->flags |
			    (options.single ? BELL_QUEUE_SINGLE_PRODUCER : 0u)) < 0)
		checked(NULL);
	places = checked(aligned_alloc(BELL_CACHE_LINE, options.producers * sizeof(*places)));
	memset(places, 0, options.producers * sizeof(*places));
	for (i = 0; i < options.producers; i++) {
		places[i].token = (uint32_t)i * TOKENS;
		for (j = 0; j < BALLAST; j++)
			places[i].ballast[j] = places[i].token + (j + 1) * LINE;
		places[i].random = 88172645463325252u + i;
	}
	pthread_create(&receiver, NULL, receive, NULL);
	for (i = 0; i < options.producers; i++)
		pthread_create(&places[i].thread, NULL,
			options.sleep ? produce_sleep : produce_data, &places[i]);
	for (i = 0; i < options.producers; i++)
		pthread_join(places[i].thread, NULL);
	bell_queue_close(queue);
	pthread_join(receiver, NULL);

	bell_queue_stats(queue, &stats);
	printf("%s %s, %lu %s: %llu rounds, %llu %s; %llu conflated, %llu arms, %llu rings, "
	       "%llu holes\n",
		options.sleep ? "sleep" : "data", options.mode, options.producers,
		options.single ? "single producer" : "producers",
		(unsigned long long)rounds_done, (unsigned long long)failures,
		options.sleep ? "stuck" : "lost", (unsigned long long)conflated,
		(unsigned long long)stats.arms, (unsigned long long)stats.rings,
		(unsigned long long)stats.holes);
	if (stats.rings > stats.arms + 1) {
		printf("more rings than arms\n");
		failures++;
	}
	bell_queue_unref(queue);
	free(places);
	return failures != 0;
}
