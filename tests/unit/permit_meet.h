/* SPDX-License-Identifier: MIT
 *
 * permit_meet.h: threads that meet, and say what went wrong.
 */
#ifndef UNIT_PERMIT_MEET_H
#define UNIT_PERMIT_MEET_H

#include <sched.h>

#include "helpers.h"

static uint32_t errors;

static inline void error(void)
{
	(void)bell_fetch_add_relaxed(&errors, 1);
}

static inline void expect_no_errors(void)
{
	ck_assert_uint_eq(bell_load_relaxed(&errors), 0);
}

/* Two threads step in time, spinning a little. */
struct gate {
	uint32_t arrived;
};

static inline void pass(struct gate *g, uint32_t party)
{
	uint32_t turn = bell_fetch_add_acq_rel(&g->arrived, 1) / party, turns = 0;

	while (bell_load_acquire(&g->arrived) / party == turn) {
		bell_pause();
		if (++turns % 1000 == 0)
			sched_yield();
	}
}

static inline bool stored(struct bell_permit *p)
{
	struct bell_waiter w;

	bell_permit_prepare(p, &w);
	return bell_permit_wait(p, &w, 0) == 0;
}

#endif
