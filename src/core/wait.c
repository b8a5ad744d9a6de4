/* SPDX-License-Identifier: MIT
 *
 * wait.c: blocking receive in three phases: poll; spin; arm and block on the bell.
 *
 * How long to spin adapts to how long the waits are, spun or slept: one that was over within the limit
 * raises the budget to twice its length, one that was longer or in vain takes a quarter of it away, and
 * when nothing is left a little is tried now and then, and more rarely the full limit. So a receiver
 * whose tokens come close together stays awake, one whose tokens trickle does not spin, and two that
 * wait for each other asleep find out that they need not.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/core.h"

#define SPIN_LEAST  500	 /* ns: a budget that falls below is 0 */
#define SPIN_LITTLE 2000 /* ns: tried after every 16th long wait, and what a short one is worth at least */
#define SPIN_TURNS  8	 /* looks at the queue for one look at the clock */
#define BACK_OFF   50000 /* ns: sleep at a preempted producer when membarrier(2) is refused */

/* A thread that is pinned is not alone if the process is not: look at the main thread, too. */
void bell__wait_init(struct bell_queue *q)
{
	cpu_set_t own, cpus;
	bool alone = sched_getaffinity(0, sizeof(own), &own) == 0 &&
		sched_getaffinity(getpid(), sizeof(cpus), &cpus) == 0;

	if (alone)
		CPU_OR(&cpus, &cpus, &own);
	alone = alone && CPU_COUNT(&cpus) == 1;
	bell_queue_set_spin(q, alone ? 0 : BELL_WAIT_SPIN_DEFAULT);
}

void bell_queue_set_spin(struct bell_queue *q, uint32_t limit_ns)
{
	q->spin_limit = limit_ns;
	q->spin_budget = limit_ns;
	q->spin_misses = 0;
}

static uint32_t least(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

#define IN_VAIN INT64_MAX

/* The wait took so long, in ns, or was in vain. */
static void learn(struct bell_queue *q, int64_t took)
{
	if (took <= q->spin_limit) {
		const uint64_t twice = 2 * (uint64_t)took;
		uint32_t wanted = least(twice > SPIN_LITTLE ? twice : SPIN_LITTLE, q->spin_limit);

		q->spin_budget = wanted > q->spin_budget ? wanted : q->spin_budget;
		q->spin_misses = 0;
	} else {
		q->spin_budget -= q->spin_budget / 4;
		if (q->spin_budget < SPIN_LEAST)
			q->spin_budget = 0;
		q->spin_misses++;
	}
}

/* What to spin for now. */
static uint32_t budget_of(const struct bell_queue *q)
{
	if (q->spin_budget == 0 && q->spin_misses % 256 == 255)
		return q->spin_limit;
	if (q->spin_budget == 0 && q->spin_misses % 16 == 15)
		return least(SPIN_LITTLE, q->spin_limit);
	return q->spin_budget;
}

static size_t look(struct bell_queue *q, uint32_t *ret_tokens, size_t max)
{
	size_t n;
	int i;

	for (i = 0; i < SPIN_TURNS; i++) {
		bell_pause();
		n = bell_queue_poll(q, ret_tokens, max);
		if (n)
			return n;
	}
	return 0;
}

static size_t spin(
	struct bell_queue *q, uint32_t *ret_tokens, size_t max, int64_t began, int64_t deadline)
{
	const uint32_t budget = budget_of(q);
	int64_t end = deadline - began < budget ? deadline : began + budget, now;
	size_t n;

	for (now = began; now < end; now = bell__now()) {
		n = look(q, ret_tokens, max);
		if (n) {
			learn(q, now - began);
			return n;
		}
	}
	return 0;
}

/* Not allowed to sleep, and nothing to poll: the oldest token's producer is preempted, and without
 * membarrier(2) it cannot be asked to ring. Spinning would hold up a producer of lower priority. */
static int back_off(int64_t deadline)
{
	struct timespec pause = bell__timespec(BACK_OFF);

	if (bell__time_left(deadline) == 0)
		return -ETIMEDOUT;
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL) == EINTR ? -EINTR : 0;
}

ssize_t bell_queue_wait(
	struct bell_queue *q, uint32_t *ret_tokens, size_t max, int64_t timeout_ns)
{
	const bool spins = timeout_ns != 0 && q->spin_limit > 0; /* a mere look teaches nothing */
	int64_t began = 0, deadline = INT64_MAX;
	bool tried = false;
	size_t n;
	int r, error;

	if (max == 0)
		return -EINVAL;
	q->gathered = spins && q->got && bell__queue_published(q, q->head) &&
		bell__let_gather(q->got, q->gathered);
	n = bell_queue_poll(q, ret_tokens, max);
	q->got = n < max ? (uint32_t)n : 0;
	if (n)
		return (ssize_t)n;
	if (spins && q->spin_budget) /* first without the clock, which costs as much as all these looks */
		n = look(q, ret_tokens, max);
	if (n) {
		learn(q, 0);
		return (ssize_t)n;
	}
	if (timeout_ns >= 0 || spins)
		began = bell__now();
	if (timeout_ns >= 0)
		deadline = bell__after(began, timeout_ns);
	if (spins)
		n = spin(q, ret_tokens, max, began, deadline);
	if (n)
		return (ssize_t)n;
	while (n == 0) {
		r = timeout_ns == 0 && !bell__queue_closed(q) ? 1 : bell__queue_arm(q, true);
		if (r < 0)
			return r;
		error = r == 1 ? bell__block_on(q->fd, deadline) : tried ? back_off(deadline) : 0;
		tried = r == 0;
		n = bell_queue_poll(q, ret_tokens, max);
		if (n == 0 && error) {
			if (spins && error == -ETIMEDOUT)
				learn(q, IN_VAIN);
			return error;
		}
	}
	if (spins)
		learn(q, bell__now() - began);
	return (ssize_t)n;
}
