/* SPDX-License-Identifier: MIT
 *
 * spin.c: see spin.h.
 */
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#include <doorbell/wait.h>

#include "core/spin.h"

#define LEAST  500  /* ns: a budget that falls below is 0 */
#define LITTLE 2000 /* ns: tried after every 16th long wait, and what a short one is worth at least */

/* A thread that is pinned is not alone if the process is not: look at the main thread, too. */
uint32_t bell__spin_default(void)
{
	cpu_set_t own, cpus;
	bool alone = sched_getaffinity(0, sizeof(own), &own) == 0 &&
		sched_getaffinity(getpid(), sizeof(cpus), &cpus) == 0;

	if (alone)
		CPU_OR(&cpus, &cpus, &own);
	return alone && CPU_COUNT(&cpus) == 1 ? 0 : BELL_WAIT_SPIN_DEFAULT;
}

void bell__spin_set(struct bell__spin *s, uint32_t limit_ns)
{
	*s = (struct bell__spin){.limit = limit_ns, .budget = limit_ns};
}

static uint32_t least(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

void bell__spin_learn(struct bell__spin *s, int64_t took)
{
	if (took <= s->limit) {
		const uint64_t twice = 2 * (uint64_t)took;
		uint32_t wanted = least(twice > LITTLE ? twice : LITTLE, s->limit);

		s->budget = wanted > s->budget ? wanted : s->budget;
		s->misses = 0;
	} else {
		s->budget -= s->budget / 4;
		if (s->budget < LEAST)
			s->budget = 0;
		s->misses++;
	}
}

uint32_t bell__spin_budget(const struct bell__spin *s)
{
	if (s->budget == 0 && s->misses % 256 == 255)
		return s->limit;
	if (s->budget == 0 && s->misses % 16 == 15)
		return least(LITTLE, s->limit);
	return s->budget;
}
