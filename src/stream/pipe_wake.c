/* SPDX-License-Identifier: MIT
 *
 * pipe_wake.c: who wakes whom. Both ways it is announce, full fence, recheck, block on the one side, and
 * change, full fence, look for an announcement on the other; of all who see it, one takes it back
 * and notifies. Whether that costs a system call is the bell_queue's affair: only if it is armed.
 */
#include <limits.h>

#include "stream/pipe.h"

void bell__pipe_wake_readers(struct bell_pipe *p)
{
	struct bell__seat *seat;
	uint32_t i, n;

	bell_fence_full(); /* B3: tail before the look; arm: asleep before tail */
	n = bell_load_relaxed(&p->seats_used); /* behind the fence: who came later looks later */
	for (i = 0; i < n; i++) {
		seat = &p->seats[i];
		if (!bell_load_relaxed(&seat->asleep)) /* B3: behind the fence */
			continue;
		BELL_INJECT(reader_asleep);
		if (!bell_exchange_acq_rel(&seat->asleep, 0)) /* B3: the seat's bell */
			continue;
		(void)bell_fetch_add_relaxed(&p->wakes, 1); /* a statistic */
		(void)bell_queue_notify(seat->bell, 0);
	}
}

/* Take the announcement back and notify. */
static void resume(struct bell_pipe *p)
{
	struct bell_queue *q;

	BELL_INJECT(writer_waits);
	if (!bell_exchange_acq_rel(&p->waiting, 0)) /* B4 */
		return;
	(void)bell_fetch_add_relaxed(&p->resumes, 1); /* a statistic */
	q = bell_load_acquire(&p->bound);	      /* B7: its token */
	if (q)
		(void)bell_queue_notify(q, p->bound_token);
	(void)bell_queue_notify(p->room, 0);
}

void bell__pipe_wake_writer(struct bell_pipe *p)
{
	uint64_t wanted;

	bell_fence_full();		     /* B4: position before the look */
	if (!bell_load_acquire(&p->waiting)) /* B4: what is wanted */
		return;
	wanted = bell_load_relaxed(&p->wanted); /* acquired with waiting */
	/* Of several readers the last one to pass its fence sees the positions of all others. When all
	 * have gone it is NOBODY, more than any. */
	if (bell__pipe_least(p) >= wanted)
		resume(p);
}

void bell__pipe_wake_writer_anyhow(struct bell_pipe *p)
{
	bell_fence_full();		    /* B4: the end of the stream before the look */
	if (bell_load_relaxed(&p->waiting)) /* B4: behind the fence */
		resume(p);
}

void bell__pipe_announce(struct bell_pipe *p, uint64_t wanted)
{
	const uint64_t end =
		bell__pipe_end(bell_load_relaxed(&p->tail)); /* the position is the writer's */

	/* Published with waiting. Who still sees the value of before takes it back too early, or lets be
	 * what the recheck behind our fence finds. */
	bell_store_relaxed(&p->wanted, end + wanted - p->limit);
	bell_store_release(&p->waiting, 1); /* B4 */
	BELL_INJECT(writer_announced);
	bell_fence_full(); /* B4: before the caller's recheck */
}
