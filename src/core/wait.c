/* SPDX-License-Identifier: MIT
 *
 * wait.c: blocking receive in three phases: poll; spin, for as long as spin.h says; arm and block on the
 * bell.
 */
#include <errno.h>

#include "core/clock.h"
#include "core/core.h"
#include "core/spin.h"

#define BACK_OFF 50000 /* ns: sleep at a preempted producer when membarrier(2) is refused */

void bell__wait_init(struct bell_queue *q)
{
	bell_queue_set_spin(q, bell__spin_default());
}

void bell_queue_set_spin(struct bell_queue *q, uint32_t limit_ns)
{
	bell__spin_set(&q->spin, limit_ns);
}

static size_t look(struct bell_queue *q, uint32_t *ret_tokens, size_t max)
{
	size_t n;
	int i;

	for (i = 0; i < BELL__SPIN_TURNS; i++) {
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
	const uint32_t budget = bell__spin_budget(&q->spin);
	int64_t end = deadline - began < budget ? deadline : began + budget, now;
	size_t n;

	for (now = began; now < end; now = bell__now()) {
		n = look(q, ret_tokens, max);
		if (n) {
			bell__spin_learn(&q->spin, now - began);
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
	const bool spins = timeout_ns != 0 && q->spin.limit > 0; /* a mere look teaches nothing */
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
	if (spins && q->spin.budget) /* first without the clock, which costs as much as all these looks */
		n = look(q, ret_tokens, max);
	if (n) {
		bell__spin_learn(&q->spin, 0);
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
				bell__spin_learn(&q->spin, BELL__SPIN_VAIN);
			return error;
		}
	}
	if (spins)
		bell__spin_learn(&q->spin, bell__now() - began);
	return (ssize_t)n;
}
