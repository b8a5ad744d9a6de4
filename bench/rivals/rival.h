/* SPDX-License-Identifier: MIT
 *
 * rival.h: one way to tell a loop which tokens fired, behind calls that are the same for all.
 *
 * Each file of this folder is the real library, used as its manual recommends, or what people write by
 * hand around an eventfd. Each says what it does about conflation (a token notified twice before the
 * loop came to it) and how the loop learns which tokens fired. Whatever a notifier wrote before must
 * be visible to deliver; who does not keep that is found out by the storm.
 */
#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <doorbell.h>

/* What every rival begins with: whom to tell. */
struct receiver {
	bell_token_fn deliver;
	void *userdata;
	uint32_t tokens; /* 0 .. tokens-1 */
	bool quit;
};

struct rival {
	/* The loop's thread: open, run, quit, turn, close; notify any thread. */
	int (*open)(void **ret_state, const struct receiver *r); /* 0 or -errno */
	void (*notify)(void *state, uint32_t token);
	void (*run)(void *state); /* until deliver calls quit */
	void (*quit)(void *state);
	void (*turn)(void *state); /* one pass, that does not block */
	void (*close)(void *state);
	bool single_producer; /* cannot do with more */
	bool silent;	      /* delivers nothing but the last token, which ends the run */
};

struct rival_entry {
	const char *name;
	const struct rival *rival; /* NULL: not built */
};

/* Ends with a name that is NULL. */
extern const struct rival_entry rivals[];

/* The one that others are compared with. */
#define RIVAL_OURS "doorbell, epoll edge"
/* The blocking receive, and before its name and a comma, those that do not adapt. */
#define RIVAL_WAIT   "doorbell, wait"
#define RIVAL_UNSPUN RIVAL_WAIT ", no spinning"

#endif
