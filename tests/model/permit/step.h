/* SPDX-License-Identifier: MIT
 *
 * step.h: included before everything else, it makes each atomic operation of src/sync a step of its
 * own, before which the scheduler of explore.c may let another thread go first. Those inlined from
 * queue.h stay as they are: the queue has a model of its own.
 */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#include <doorbell/queue.h>

void explore_step(void);

#undef bell_load_relaxed
#undef bell_load_acquire
#undef bell_store_release
#undef bell_exchange_acq_rel
#undef bell_fetch_add_acq_rel
#undef bell_fetch_and_acq_rel
#undef bell_cas_acq_rel

#define bell_load_relaxed(p)	 (explore_step(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define bell_load_acquire(p)	 (explore_step(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define bell_store_release(p, v) (explore_step(), __atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define bell_exchange_acq_rel(p, v) \
	(explore_step(), __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define bell_fetch_add_acq_rel(p, v) \
	(explore_step(), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define bell_fetch_and_acq_rel(p, v) \
	(explore_step(), __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST))
#define bell_cas_acq_rel(p, e, v) \
	(explore_step(),          \
		__atomic_compare_exchange_n((p), (e), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))

#endif
