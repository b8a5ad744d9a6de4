/* SPDX-License-Identifier: MIT
 *
 * reactor.h: a library's loop, and doorbell's adapter for it, as the tests here want them. Each program
 * is reactor.c with a reactor_of() of its own: PROGRAM [MODE [scenario|latency|contract|more]].
 *
 * A loop is made, run and closed by one thread.
 */
#ifndef REACTORS_REACTOR_H
#define REACTORS_REACTOR_H

#include <stdbool.h>

#include <doorbell.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*reactor_fn)(void *userdata);

struct reactor {
	unsigned flags; /* of the queue: BELL_QUEUE_EDGE or 0 */

	void *(*open)(void); /* a loop, or NULL */
	void (*close)(void *loop);
	void (*run)(void *loop);  /* until stop */
	void (*stop)(void *loop); /* by the loop's own thread, from a callback */
	/* ready is called whenever fd is readable, until unwatch. Several fds at once. 0 or -errno. */
	int (*watch)(void *loop, int fd, reactor_fn ready, void *userdata);
	void (*unwatch)(void *loop, int fd);
	/* One timer: tick is called every so many milliseconds; 0 ends it. */
	int (*timer)(void *loop, unsigned ms, reactor_fn tick, void *userdata);

	/* The adapter. bell is its struct, whose first member is the queue, NULL when not attached. Where
	 * size is 0, bell is NULL: the loop has one itself, and no contract. fn detaches, too. */
	size_t size;
	int (*attach)(void *loop, void *bell, struct bell_queue *q, size_t budget, bell_token_fn fn,
		void *userdata);
	int (*detach)(void *loop, void *bell);

	bool unordered; /* another thread decides when it learns that a descriptor is readable */

	/* Only for the contract. */
	size_t on_end;		      /* where in bell on_end is */
	void (*let_go)(void *bell);   /* frees it, now or when the library is done with it; NULL: free() */
	int (*busy)(void *loop, reactor_fn fn, void *userdata); /* see below */
	enum { ORPHAN_NONE, ORPHAN_UNREF, ORPHAN_DETACH } orphan; /* see below */
	bool any_mode;		      /* takes queues with BELL_QUEUE_EDGE and without */
	bool unique;		      /* refuses a second watch of the same queue */
	bool prepare;		      /* arms only before the loop blocks */

	int (*more)(const char *mode); /* what only this reactor has; returns the exit status */
};

/* busy: from then on the loop never blocks, and calls fn again and again, by what the library has for that:
 * an idle handler or a timer of zero, that lets others in. fn NULL ends it. 0 or -errno.
 *
 * orphan: what is left to do for a bell whose loop was closed: to drop its queue; to detach it, for it
 * does not mind; or nothing, for such a loop cannot be closed. */

/* A program's own. *ret is filled with zeros. */
void reactor_of(const char *mode, struct reactor *ret);

/* Attaches, in memory that detach lets go; they assert that it works. */
void *reactor_attach(const struct reactor *r, void *loop, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata);
void reactor_detach(const struct reactor *r, void *loop, void *bell);

/* Run the tests and print TAP. Return the exit status. latency: of the scenario, what measures time. */
int scenario_main(const struct reactor *r, const char *mode, bool latency);
int contract_main(const struct reactor *r, const char *mode);

#ifdef __cplusplus
}
#endif
#endif
