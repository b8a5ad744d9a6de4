/* SPDX-License-Identifier: MIT
 *
 * permits.h: a permit and its waiters, for the tests that go step by step in one thread. enable
 * asks without blocking. All of it asserts.
 */
#ifndef UNIT_PERMITS_H
#define UNIT_PERMITS_H

#include "helpers.h"

static struct bell_permit permit;
static struct bell_waiter w[128];

static inline void fresh(void)
{
	permit = (struct bell_permit){0};
}

/* Prepare these, and queue them in this order. */
static inline void queue_up(unsigned first, unsigned last)
{
	for (; first <= last; first++) {
		bell_permit_prepare(&permit, &w[first]);
		ck_assert_int_eq(bell_permit_enable(&permit, &w[first]), 0);
	}
}

#define READY(i)    ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 1)
#define PENDING(i)  ck_assert_int_eq(bell_permit_enable(&permit, &w[i]), 0)
#define ONE(woken)  ck_assert_int_eq(bell_permit_notify_one(&permit), woken)
#define LAST(woken) ck_assert_int_eq(bell_permit_notify_last(&permit), woken)
#define ALL(woken)  ck_assert_int_eq(bell_permit_notify_all(&permit), woken)

static inline void prepare(unsigned i)
{
	bell_permit_prepare(&permit, &w[i]);
}

static inline void cancel(unsigned i)
{
	bell_permit_cancel(&permit, &w[i]);
}

/* Nothing is stored, and nobody is queued. */
static inline void expect_empty(void)
{
	prepare(127);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[127], 0), -ETIMEDOUT);
	ALL(0);
}

/* One notification is stored, and nobody is queued. Takes it. */
static inline void expect_stored(void)
{
	prepare(127);
	ck_assert_int_eq(bell_permit_wait(&permit, &w[127], 0), 0);
	expect_empty();
}

#endif
