/* SPDX-License-Identifier: MIT
 *
 * contract.h: what all adapters promise alike, beyond the scenario: bad arguments, detach and free from
 * within fn, the end of a queue, the end of a loop, and the variant that arms just before blocking.
 */
#ifndef REACTORS_CONTRACT_H
#define REACTORS_CONTRACT_H

#include "scenario.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An adapter. A bell is its struct, whose first member is the queue, NULL when not attached. */
struct contract {
	const struct reactor *reactor; /* for its loop */
	size_t size;		       /* of the struct */
	int (*attach)(void *bell, void *loop, struct bell_queue *q, size_t budget, bell_token_fn fn,
		void *userdata);
	int (*detach)(void *bell);
	void (*set_end)(void *bell, void (*on_end)(void *userdata, int error));
	/* Frees a bell that was detached, now or when the library has let it go. */
	void (*let_go)(void *bell);
	/* What is left to do for a bell whose loop was closed; NULL: such a loop cannot be closed. */
	void (*orphan)(void *bell);
	bool any_mode; /* takes queues with BELL_QUEUE_EDGE and without */
	bool unique;   /* refuses a second watch of the same queue */
	bool prepare;  /* arms only before the loop blocks */
};

/* Runs the tests and prints TAP. Returns the exit status. */
int contract_main(const struct contract *contract);

#ifdef __cplusplus
}
#endif
#endif
