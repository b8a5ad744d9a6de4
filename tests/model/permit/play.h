/* SPDX-License-Identifier: MIT
 *
 * play.h: what the scenarios are made of: a permit with its waiters, threads that do one thing
 * each, and what is looked at when all have come to rest.
 */
#ifndef MODEL_PLAY_H
#define MODEL_PLAY_H

#include <doorbell/permit.h>

#include "explore.h"

#define MANY	    34 /* a batch and two more */

#define PERMIT_GONE (1U << 31)

/* The memory that the threads share. */
struct play {
	struct bell_permit p;
	struct bell_waiter w[MANY];
	int got[4];	  /* what a thread was told; -1: not yet */
	int ready, items; /* the callers' conditions */
	int woken;
	unsigned
		gone; /* a bit for each waiter whose memory is another's by now, and for the permit */
};

extern struct play s;

/* scenarios_more.c: those about broadcasts under way, conditions, and bound waiters. */
extern const struct scenario more_scenarios[];
extern const size_t more_count;

bool more_begin(void);
void more_end(void);

void expect(bool right, const char *what);
void fresh(int variant);
void prepare(int i);
void enable(int i);
void prepare_two(int variant);
void enable_some(int variant);
void enable_many(int variant);
bool stored(void);
void forget(int i);
void all_is_well(unsigned slept);
void nothing_stored(unsigned slept);
void one_stored(unsigned slept);
void notify_one(void);
void notify_last(void);
void notify_all(void);
void notify_all_then_one(void);
void notify_one_then_all(void);
void notify_both(void);
void wait_on(int i);
void wait_0(void);
void wait_1(void);
void prepare_and_wait_1(void);
void wait_and_free(void);
void poll_and_free(void);
void wait_with_timeout(void);
void cancel_0(void);
void cancel_2(void);
void enable_and_cancel_0(void);
void wait_then_notify_0(void);
void wait_then_notify_1(void);

#endif
