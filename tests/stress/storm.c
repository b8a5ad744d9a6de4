/* SPDX-License-Identifier: MIT
 *
 * storm.c: linked with litmus.c and the library built with its injection points on, it disturbs every
 * thread that passes one of them, now and then. Which and how says the environment:
 *
 *	LITMUS_STORM=POINT:ACTION
 *
 * ACTION: delay, of random length; yield the processor; or signal, whose handler notifies a token.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receivers.h"

void inject_point(const char *point);

extern struct bell_queue *queue; /* litmus.c */

static char storm_point[32], storm_action[32];
static __thread uint64_t noise;

static void on_signal(int signal)
{
	(void)signal;
	(void)bell_queue_notify(queue, 1); /* a token whose flag shares a line with the first producer's */
}

__attribute__((constructor)) static void storm_begins(void)
{
	const char *storm = getenv("LITMUS_STORM");

	if (!storm || sscanf(storm, "%31[a-z]:%31[a-z]", storm_point, storm_action) != 2) {
		fprintf(stderr, "litmus: LITMUS_STORM is to be POINT:ACTION\n");
		exit(2);
	}
	signal(SIGUSR1, on_signal);
}

/* Short ones as often as long ones: the windows are of every size. */
static void delay(uint64_t random)
{
	uint64_t turns = random % (UINT64_C(1) << random % 13);

	while (turns-- > 0)
		bell_pause();
}

void inject_point(const char *point)
{
	if (strcmp(point, storm_point) != 0)
		return;
	noise = noise * 6364136223846793005u + (uintptr_t)&noise + 1;
	if (noise >> 62)
		return;
	if (strcmp(storm_action, "delay") == 0)
		delay(noise >> 32);
	else if (strcmp(storm_action, "yield") == 0)
		sched_yield();
	else
		raise(SIGUSR1);
}
