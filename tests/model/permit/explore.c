/* SPDX-License-Identifier: MIT
 *
 * explore.c: a depth-first search over the decisions of a scheduler: run from the start along the
 * decisions of the last run, take the next way at the last of them where there is one, and go on as
 * new.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "core/futex.h"
#include "explore.h"

#define STACK 4096
#define SAVED 64 /* below the frame of give_way: registers that it keeps for its caller */
#define DEPTH 4096

enum status { RUNS, SLEEPS, ENDED };

struct thread {
	enum status status;
	const uint32_t *word; /* it sleeps on */
	bool expires;	      /* it has a deadline */
	int result;	      /* of its sleep */
	uintptr_t low;	      /* the stack is in use from here on */
	jmp_buf context; /* what outlives a call, and nothing else: rubbish would tell equal states apart */
	_Alignas(64) char stack[STACK];
};

static struct thread threads[EXPLORE_THREADS], at_start[EXPLORE_THREADS];
static jmp_buf scheduler;
static const struct scenario *scenario;
static int running = -1; /* whose turn it is; -1: the scheduler's */

static struct {
	unsigned short taken, of;
} path[DEPTH];
static size_t depth, replayed;
static unsigned interrupted; /* sleeps, so far in this run */
static bool known;	     /* the state was seen before: nothing new comes of this run */

unsigned long explore_runs, explore_states;
const char *explore_failure;

/* -- states that were seen ------------------------------------------------------------------- */

static uint64_t *seen;
static size_t room;

static uint64_t mix(uint64_t hash, const void *memory, size_t size)
{
	const unsigned char *bytes = memory;
	uint64_t word = 0;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, bytes + i, size - i < sizeof(word) ? size - i : sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

static uint64_t state_now(const void *shared, size_t size)
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325) + interrupted, shared, size), extra;
	int i;

	for (i = 0; i < EXPLORE_THREADS; i++) {
		const struct thread *t = &threads[i];

		hash = mix(hash, &t->status, sizeof(t->status));
		if (t->status == ENDED)
			continue;
		hash = mix(hash, &t->word, sizeof(t->word));
		hash = mix(hash, t->context, sizeof(t->context));
		hash = mix(hash, (const void *)t->low, (uintptr_t)t->stack + STACK - t->low);
	}
	if (scenario->extra) {
		extra = scenario->extra();
		hash = mix(hash, &extra, sizeof(extra));
	}
	return hash ? hash : 1;
}

static bool insert(uint64_t hash)
{
	size_t i;

	for (i = hash % room; seen[i]; i = (i + 1) % room)
		if (seen[i] == hash)
			return false;
	seen[i] = hash;
	explore_states++;
	return true;
}

static bool is_new(uint64_t hash)
{
	uint64_t *old = seen;
	size_t i, n = room;

	if (2 * explore_states >= room) {
		room = room ? 4 * room : 65536;
		seen = calloc(room, sizeof(*seen));
		if (!seen)
			exit(EXIT_FAILURE);
		explore_states = 0;
		for (i = 0; i < n; i++)
			if (old[i])
				(void)insert(old[i]);
		free(old);
	}
	return insert(hash);
}

/* -- decisions ------------------------------------------------------------------------------- */

static unsigned choose(unsigned of)
{
	if (depth == DEPTH) {
		fprintf(stderr, "a run is too long\n");
		exit(EXIT_FAILURE);
	}
	if (depth >= replayed) {
		path[depth].taken = 0;
		path[depth].of = (unsigned short)of;
	}
	return path[depth++].taken;
}

/* The next run's decisions. False: there is none. */
static bool next_run(void)
{
	while (depth > 0 && path[depth - 1].taken + 1 >= path[depth - 1].of)
		depth--;
	if (depth == 0)
		return false;
	path[depth - 1].taken++;
	replayed = depth;
	return true;
}

void explore_fail(const char *what)
{
	if (!explore_failure)
		explore_failure = what;
}

/* -- threads --------------------------------------------------------------------------------- */

/* By jumps: swapcontext would make a system call for the mask of signals, each time. */
static __attribute__((noinline)) void give_way(void)
{
	struct thread *self = &threads[running];

	if (running < 0)
		return;
	running = -1;
	self->low = (uintptr_t)__builtin_frame_address(0) - SAVED;
	if (_setjmp(self->context) == 0)
		_longjmp(scheduler, 1);
}

static __attribute__((noinline)) void give_turn_to(int thread)
{
	running = thread;
	if (_setjmp(scheduler) == 0)
		_longjmp(threads[thread].context, 1);
}

void explore_step(void)
{
	give_way();
}

/* On a stack of its own, from which it comes back at its first turn. */
static void begin(void)
{
	const int self = running;

	give_way();
	scenario->threads[self]();
	threads[self].status = ENDED;
	give_way();
}

static __attribute__((noinline)) void put_on_stack(int thread)
{
	static ucontext_t own, here;

	getcontext(&own);
	own.uc_stack.ss_sp = threads[thread].stack;
	own.uc_stack.ss_size = STACK;
	makecontext(&own, begin, 0);
	running = thread;
	if (_setjmp(scheduler) == 0)
		swapcontext(&here, &own);
}

/* One look, at any time: of many that see nothing none does anything. */
bool bell__futex_spin(const uint32_t *word, uint32_t value, int64_t deadline, int64_t *ret_began)
{
	(void)deadline;
	*ret_began = 0;
	give_way();
	return *word == value;
}

void bell__futex_learn(int64_t began, int error)
{
	(void)began;
	(void)error;
}

int bell__futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
	struct thread *me = &threads[running];

	if (running < 0) {
		explore_fail("who sets up or finishes would sleep");
		return 0;
	}
	give_way();
	if (*word != value)
		return 0;
	me->status = SLEEPS;
	me->word = word;
	me->expires = deadline != INT64_MAX;
	me->result = 0;
	give_way();
	return me->result;
}

void bell__futex_wake(uint32_t *word)
{
	struct thread *sleepers[EXPLORE_THREADS];
	unsigned n = 0, i;

	give_way();
	for (i = 0; i < EXPLORE_THREADS; i++)
		if (threads[i].status == SLEEPS && threads[i].word == word)
			sleepers[n++] = &threads[i];
	if (n > 0)
		sleepers[n > 1 ? choose(n) : 0]->status = RUNS;
}

/* In place of libc's: time stands still, or what was seen before would never be seen again. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	(void)clock;
	*ret_time = (struct timespec){0};
	return 0;
}

/* -- a run ----------------------------------------------------------------------------------- */

/* Each on its stack, before its first step. */
static void make_threads(void)
{
	int i;

	memset(threads, 0, sizeof(threads));
	for (i = 0; i < EXPLORE_THREADS; i++) {
		threads[i].status = scenario->threads[i] ? RUNS : ENDED;
		if (scenario->threads[i])
			put_on_stack(i);
	}
	memcpy(at_start, threads, sizeof(threads));
}

static void start(void)
{
	int i;

	running = -1;
	for (i = 0; i < EXPLORE_THREADS; i++)
		if (scenario->threads[i])
			threads[i] = at_start[i];
	scenario->set_up(scenario->variant);
}

struct option {
	int thread, result;
};

/* What can happen next, into options; *ret_moves: so many of them will, sooner or later. */
static unsigned options_now(struct option *options, unsigned *ret_moves)
{
	unsigned n = 0, moves = 0;
	int i;

	for (i = 0; i < EXPLORE_THREADS; i++) {
		const struct thread *t = &threads[i];

		if (t->status == RUNS)
			options[n++] = (struct option){i, t->result};
		if (t->status == SLEEPS && t->expires)
			options[n++] = (struct option){i, -ETIMEDOUT};
		moves += t->status == RUNS || (t->status == SLEEPS && t->expires);
		if (t->status == SLEEPS && interrupted < scenario->signals)
			options[n++] = (struct option){i, -EINTR};
	}
	*ret_moves = moves;
	return n;
}

static void run(void *shared, size_t size)
{
	struct option options[2 * EXPLORE_THREADS], *o;
	unsigned n, moves, slept = 0;
	int i;

	explore_runs++;
	depth = interrupted = 0;
	known = false;
	start();
	while (n = options_now(options, &moves), moves > 0 && !explore_failure) {
		if (depth >= replayed && !is_new(state_now(shared, size))) {
			known = true;
			return;
		}
		o = &options[choose(n)];
		interrupted += o->result == -EINTR && threads[o->thread].status == SLEEPS;
		threads[o->thread].status = RUNS;
		threads[o->thread].result = o->result;
		give_turn_to(o->thread);
	}
	for (i = 0; i < EXPLORE_THREADS; i++)
		slept |= threads[i].status == ENDED ? 0 : 1U << i;
	if (slept & ~scenario->may_sleep)
		explore_fail("a thread sleeps for ever");
	if (!explore_failure)
		scenario->finish(slept);
}

static void print_way(void)
{
	size_t i;

	printf("# the way there:");
	for (i = 0; i < depth; i++)
		printf(" %u/%u", path[i].taken, path[i].of);
	printf("\n");
}

bool explore(const struct scenario *s, void *shared, size_t size)
{
	scenario = s;
	explore_runs = explore_states = 0;
	explore_failure = NULL;
	replayed = 0;
	if (room)
		memset(seen, 0, room * sizeof(*seen));
	make_threads();
	do
		run(shared, size);
	while (!explore_failure && next_run());
	if (explore_failure && !s->fails)
		print_way();
	return (explore_failure != NULL) == s->fails;
}
