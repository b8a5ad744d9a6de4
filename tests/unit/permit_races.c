/* SPDX-License-Identifier: MIT
 *
 * A notify and a cancel, or the end of a waiting time, at once: a hundred thousand times. The
 * notification is with who waits, or stored; it is never gone.
 */
#include "permit_meet.h"

#define RACES 100000
#define CELLS 100 /* races between two meetings at the gate: each with a permit of its own */

struct race {
	struct gate gate;
	int (*notify)(struct bell_permit *p);
	struct cell {
		struct bell_permit permit;
		struct bell_waiter w[2];
		int got;
	} cells[CELLS];
};

static void *notify_all_cells(void *arg)
{
	struct race *r = arg;
	int i, c;

	for (i = 0; i < RACES; i += CELLS) {
		pass(&r->gate, 2);
		for (c = 0; c < CELLS; c++)
			(void)r->notify(&r->cells[c].permit);
		pass(&r->gate, 2);
	}
	return NULL;
}

/* All cells are made ready; then one thread notifies each, and this one does something to each;
 * then what came of it is looked at. */
static void race(int (*notify)(struct bell_permit *p), void (*ready)(struct cell *c),
	void (*meet)(struct cell *c), void (*after)(struct cell *c))
{
	static struct race r;
	pthread_t thread;
	int i, c;

	r = (struct race){.notify = notify};
	thread = spawn(notify_all_cells, &r);
	for (i = 0; i < RACES; i += CELLS) {
		for (c = 0; c < CELLS; c++)
			ready(&r.cells[c]);
		pass(&r.gate, 2);
		for (c = 0; c < CELLS; c++)
			meet(&r.cells[c]);
		pass(&r.gate, 2);
		for (c = 0; c < CELLS; c++)
			after(&r.cells[c]);
	}
	join(thread);
	expect_no_errors();
}

static void queue_two(struct cell *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		bell_permit_prepare(&c->permit, &c->w[i]);
		if (bell_permit_enable(&c->permit, &c->w[i]) != 0)
			error();
	}
}

static void cancel_first(struct cell *c)
{
	bell_permit_cancel(&c->permit, &c->w[0]);
}

static void cancel_second(struct cell *c)
{
	bell_permit_cancel(&c->permit, &c->w[1]);
}

static void expect_first(struct cell *c)
{
	if (bell_permit_enable(&c->permit, &c->w[0]) != 1 || stored(&c->permit))
		error();
}

static void expect_second(struct cell *c)
{
	if (bell_permit_enable(&c->permit, &c->w[1]) != 1 || stored(&c->permit))
		error();
}

/* Of two that are queued one cancels while a notify comes. Were it chosen, the other one is: always. */
START_TEST(a_cancel_never_loses_a_notify_that_comes_with_it)
{
	race(bell_permit_notify_one, queue_two, cancel_first, expect_second);
	race(bell_permit_notify_last, queue_two, cancel_second, expect_first);
}

static void queue_one(struct cell *c)
{
	bell_permit_prepare(&c->permit, &c->w[0]);
	if (bell_permit_enable(&c->permit, &c->w[0]) != 0)
		error();
}

static void prepare_one(struct cell *c)
{
	bell_permit_prepare(&c->permit, &c->w[0]);
}

static void enable_and_cancel(struct cell *c)
{
	c->got = bell_permit_enable(&c->permit, &c->w[0]);
	bell_permit_cancel(&c->permit, &c->w[0]);
}

static void expect_stored(struct cell *c)
{
	if (!stored(&c->permit))
		error();
}

static void expect_stored_unless_got(struct cell *c)
{
	if (stored(&c->permit) == c->got)
		error();
}

/* Alone, it leaves the notification stored: whether it came before, between or after. */
START_TEST(what_a_cancelled_waiter_does_not_take_is_stored)
{
	race(bell_permit_notify_one, queue_one, cancel_first, expect_stored);
	race(bell_permit_notify_one, prepare_one, enable_and_cancel, expect_stored_unless_got);
}

/* Soon enough to sleep, or just when the notify comes, or before. */
static void wait_a_little(struct cell *c)
{
	static uint64_t seed = 1;

	c->got = bell_permit_wait(
			 &c->permit, &c->w[0], dice(&seed) % 64 ? 1 : dice(&seed) % 60000) == 0;
}

/* A wait that times out just then: it was notified, or the notification is still there. */
START_TEST(a_timeout_never_loses_a_notify_that_comes_with_it)
{
	race(bell_permit_notify_one, prepare_one, wait_a_little, expect_stored_unless_got);
}

static struct bell_queue *bound_to;

static void bind_one(struct cell *c)
{
	bell_permit_prepare(&c->permit, &c->w[0]);
	if (bell_permit_bind(&c->permit, &c->w[0], bound_to, 3) != 0)
		error();
}

static void expect_no_reference(struct cell *c)
{
	uint32_t token;

	(void)stored(&c->permit);
	if (bell_load_acquire(&bound_to->refs) != 1)
		error();
	while (bell_queue_poll(bound_to, &token, 1) == 1)
		if (token != 3)
			error();
}

/* The same with a bound waiter: its queue lives long enough, and no reference is left. */
START_TEST(a_bound_waiter_that_is_cancelled_leaves_its_queue_alone)
{
	bound_to = queue_of(4, 0);
	race(bell_permit_notify_one, bind_one, cancel_first, expect_no_reference);
	race(bell_permit_notify_all, bind_one, cancel_first, expect_no_reference);
	bell_queue_unref(bound_to);
}

int main(void)
{
	Suite *s = suite_create("permit races");
	TCase *tc = runner_case(s, "threads", 110);

	tcase_add_test(tc, a_cancel_never_loses_a_notify_that_comes_with_it);
	tcase_add_test(tc, what_a_cancelled_waiter_does_not_take_is_stored);
	tcase_add_test(tc, a_timeout_never_loses_a_notify_that_comes_with_it);
	tcase_add_test(tc, a_bound_waiter_that_is_cancelled_leaves_its_queue_alone);
	return runner_run(s);
}
