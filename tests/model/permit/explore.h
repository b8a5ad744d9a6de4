/* SPDX-License-Identifier: MIT
 *
 * explore.h: every schedule of a few threads that run the library's real code. A thread is a
 * coroutine; it can lose the processor before each atomic operation and each call on a futex, and
 * the scheduler tries whom to give it to, one after the other, until there is nothing new to try.
 * What has been seen before, stacks, registers and shared memory alike, is not tried again. Memory
 * is sequentially consistent here.
 */
#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_THREADS 4

struct scenario {
	const char *name;
	void (*threads[EXPLORE_THREADS])(void);
	void (*set_up)(int variant); /* before each run; may call the library: nobody else runs */
	void (*finish)(
		unsigned slept); /* after each; slept: a bit for each thread asleep for ever */
	uint64_t (*extra)(void); /* state outside of the shared memory, or NULL */
	int variant;
	unsigned
		may_sleep; /* a bit for each thread that may be left asleep, if nobody can wake it */
	unsigned signals;  /* so many sleeps may end with -EINTR */
	bool big;	   /* minutes: only if it is asked for */
	bool fails;	   /* a control: there has to be a schedule that fails */
};

/* Tries all schedules. shared: the memory that the threads share. Returns whether it is as it
 * should be. */
bool explore(const struct scenario *s, void *shared, size_t size);

/* For the threads: lose the processor, perhaps; and say what is wrong. */
void explore_step(void);
void explore_fail(const char *what);

/* Statistics of the last. */
extern unsigned long explore_runs, explore_states;
extern const char *explore_failure;

#endif
