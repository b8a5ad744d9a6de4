/* SPDX-License-Identifier: MIT
 *
 * scenario.h: what every reactor's test runs: sockets with traffic, a timer and the bell in one loop.
 *
 * A test is a program that fills in a struct reactor with the calls of its library, and of doorbell's
 * adapter for it, and hands it to scenario_main(). A loop is made, run and closed by one thread.
 */
#ifndef REACTORS_SCENARIO_H
#define REACTORS_SCENARIO_H

#include <stdbool.h>

#include <doorbell.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*scenario_fn)(void *userdata);

struct reactor {
	const char *name;
	unsigned flags; /* of the queue: BELL_QUEUE_EDGE or 0 */

	void *(*open)(void); /* a loop, or NULL */
	void (*close)(void *loop);
	void (*run)(void *loop);  /* until stop */
	void (*stop)(void *loop); /* by the loop's own thread, from a callback */
	/* ready is called whenever fd is readable, until unwatch. Several fds at once. 0 or -errno. */
	int (*watch)(void *loop, int fd, scenario_fn ready, void *userdata);
	void (*unwatch)(void *loop, int fd);
	/* One timer: tick is called every so many milliseconds; 0 ends it. */
	int (*timer)(void *loop, unsigned ms, scenario_fn tick, void *userdata);

	/* The adapter: one queue at a time. */
	int (*attach)(
		void *loop, struct bell_queue *q, size_t budget, bell_token_fn fn, void *userdata);
	int (*detach)(void *loop); /* also from within fn */
};

/* Runs the scenario and prints TAP. Returns the exit status. */
int scenario_main(const struct reactor *reactor);

#ifdef __cplusplus
}
#endif
#endif
