/* SPDX-License-Identifier: MIT
 *
 * core.h: what the files of src/core share and nobody else sees.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>

#include <doorbell/queue.h>
#include <doorbell/wait.h>

/* As bell_queue_arm(); level says whether the bell is read first, whatever the mode of the queue. */
int bell__queue_arm(struct bell_queue *q, bool level);

/* Has close been called? */
static inline bool bell__queue_closed(const struct bell_queue *q)
{
	return bell_load_relaxed(&q->tail) & BELL__CLOSED; /* a hint: arm decides */
}

/* Sets the fields of wait.h in a new queue. */
void bell__wait_init(struct bell_queue *q);

#endif
