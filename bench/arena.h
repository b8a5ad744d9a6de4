/* SPDX-License-Identifier: MIT
 *
 * arena.h: a rival's loop in this thread, and producers in theirs, until all that they notified is
 * delivered.
 */
#ifndef BENCH_ARENA_H
#define BENCH_ARENA_H

#include "bench.h"
#include "rivals/rival.h"

#define PRODUCERS_MAX 8

struct arena {
	const char *name; /* of the rival */
	const struct rival *rival;
	uint32_t tokens;
	unsigned producers;
	uint64_t (*produce)(struct arena *a, unsigned self); /* returns its notifies */
	void (*deliver)(struct arena *a, uint32_t token);
	void *userdata;

	/* Results, in nanoseconds: processor time of the two sides, and from the producers' start to the
	 * last token delivered. calls: read(2) and write(2) of both sides, by the kernel's own count. */
	int64_t cpu_producers, cpu_receiver, wall;
	uint64_t notified, calls;

	void *state;
	BELL_ALIGNED uint64_t delivered; /* the receiver's line, not to slow the producers */
	uint32_t lasts; /* times the last token, which is not the producers', was delivered */
};

/* Returns 0, or -errno if the rival does not open. Ends the program if it hangs. */
int arena_run(struct arena *a);

static inline void arena_notify(struct arena *a, uint32_t token)
{
	a->rival->notify(a->state, token);
}

/* Room for as many eventfds as there are tokens. */
void arena_raise_limits(void);

#endif
