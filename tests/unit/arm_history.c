/* SPDX-License-Identifier: MIT
 *
 * Every short history of calls, against a model of what the bell must show at its end. This finds
 * the bell that was read and not given back, and the loop that is deaf for ever, without any luck.
 */
#include <string.h>
#include <unistd.h>

#include "helpers.h"

enum { NOTIFY_0, NOTIFY_1, POLL_ONE, POLL_ALL, ARM, WAIT_ZERO, CLOSE, OPERATIONS };
enum { LENGTH = 5, SETS = 4 };

struct model {
	uint32_t fifo[2];
	size_t n;
	bool closed;
	bool asleep; /* arm said 1, or the queue is new, and nothing has come since */
};

static int model_notify(struct model *m, uint32_t token)
{
	if (m->closed)
		return -ESHUTDOWN;
	if (m->n && (m->fifo[0] == token || m->fifo[m->n - 1] == token))
		return 0;
	m->fifo[m->n++] = token;
	m->asleep = false;
	return 1;
}

static long model_poll(struct model *m, size_t max)
{
	long n = (long)(max < m->n ? max : m->n);

	m->fifo[0] = m->fifo[1];
	m->n -= (size_t)n;
	return n;
}

static int model_arm(struct model *m)
{
	if (m->n)
		return 0;
	if (m->closed)
		return -ESHUTDOWN;
	m->asleep = true;
	return 1;
}

/* One call on both; false if they differ. */
static bool step(struct bell_queue *q, struct model *m, unsigned operation, int epfd)
{
	uint32_t first = m->n ? m->fifo[0] : 77, got[4] = {77, 77, 77, 77};
	long want;

	switch (operation) {
	case NOTIFY_0:
	case NOTIFY_1:
		return bell_queue_notify(q, operation) == model_notify(m, operation);
	case POLL_ONE:
	case POLL_ALL:
		want = model_poll(m, operation == POLL_ONE ? 1 : 4);
		return (long)bell_queue_poll(q, got, operation == POLL_ONE ? 1 : 4) == want &&
		       got[0] == first;
	case ARM:
		want = model_arm(m);
		if (bell_queue_arm(q) != want)
			return false;
		if (want == 1)
			(void)loop_events(epfd); /* it may sleep: earlier events are spent */
		return true;
	case WAIT_ZERO:
		want = model_poll(m, 1);
		if (!want)
			want = m->closed ? -ESHUTDOWN : -ETIMEDOUT;
		return bell_queue_wait(q, got, 1, 0) == want && got[0] == first;
	default:
		m->closed = true;
		m->asleep = false;
		return bell_queue_close(q) == 0;
	}
}

/* The bell at the end, for those who watch it by level, by edge, and from now on. */
static bool bell_is_right(const struct bell_queue *q, const struct model *m, int epfd)
{
	const bool edge = bell_queue_flags(q) & BELL_QUEUE_EDGE;
	const struct bell_queue_stats s = stats_of(q);

	if (s.rings > s.arms + 1 || s.notified - s.delivered != m->n)
		return false;
	if (m->asleep)
		return edge || !fd_readable(q->fd);
	return fd_readable(q->fd) && loop_events(epfd) == 1;
}

/* Wrong histories, as decimal digits: empty is what we want. */
static size_t run_history(unsigned mode, const unsigned *operations, unsigned length)
{
	struct bell_queue *q = queue_of(2, mode);
	struct model m = {.asleep = true};
	int epfd = loop_watching(q);
	bool right = true;
	unsigned i;

	bell_queue_set_spin(q, 0);
	for (i = 0; i < length && right; i++)
		right = step(q, &m, operations[i], epfd);
	right = right && bell_is_right(q, &m, epfd);
	close(epfd);
	bell_queue_unref(q);
	return !right;
}

/* _i: the mode, and the first operation, which cuts the work into pieces that can fail apart. */
START_TEST(after_every_short_history_the_bell_is_right)
{
	unsigned operations[LENGTH + 1] = {(unsigned)_i % OPERATIONS}, length, number, i, rest,
				     all = 1;
	size_t wrong = 0;

	for (length = 1; length <= LENGTH; length++, all *= OPERATIONS) {
		for (number = 0; number < all; number++) {
			for (i = 1, rest = number; i < length; i++, rest /= OPERATIONS)
				operations[i] = rest % OPERATIONS;
			wrong += run_history(mode_of(_i / OPERATIONS), operations, length);
		}
	}
	ck_assert_uint_eq(wrong, 0);
}

int main(void)
{
	Suite *s = suite_create("arm history");
	TCase *tc = runner_case(s, "arm history", 60);

	tcase_add_loop_test(tc, after_every_short_history_the_bell_is_right, 0, SETS * OPERATIONS);
	return runner_run(s);
}
