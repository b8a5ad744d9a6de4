/* SPDX-License-Identifier: MIT
 *
 * spin.h: for how long to look before a sleep. It is learnt from how long the waits are, spun or slept:
 * one that was over within the limit raises the budget to twice its length, one that was longer or in vain
 * takes a quarter of it away, and when nothing is left a little is tried now and then, and more rarely the
 * full limit. So who waits for what comes soon stays awake, who waits for a trickle does not spin, and two
 * that wait for each other asleep find out that they need not.
 */
#ifndef CORE_SPIN_H
#define CORE_SPIN_H

#include <doorbell/queue.h>

#define BELL__SPIN_TURNS 8	   /* looks for one look at the clock, which costs as much as all these */
#define BELL__SPIN_VAIN	 INT64_MAX /* how long a wait took that was in vain */

/* The limit, in ns, and as much to begin with. */
void bell__spin_set(struct bell__spin *s, uint32_t limit_ns);

/* The default; 0 where this thread and the process may run on one processor only. */
uint32_t bell__spin_default(void);

/* What to spin for now, in ns. */
uint32_t bell__spin_budget(const struct bell__spin *s);

/* A wait took so long, in ns. */
void bell__spin_learn(struct bell__spin *s, int64_t took);

#endif
