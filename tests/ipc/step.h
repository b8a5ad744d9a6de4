/* SPDX-License-Identifier: MIT
 *
 * step.h: a child that is taken through its code an instruction at a time, and killed where it stands.
 */
#ifndef IPC_STEP_H
#define IPC_STEP_H

#include <stdbool.h>
#include <sys/types.h>

/* In the child, before and after what is to be stepped through. */
void step_begin(void);
void step_end(void);

/* Why nothing can be stepped here, or NULL. */
const char *step_refused(void);

/* Waits until the child has come to step_begin(). */
void step_await(pid_t child);
/* So many instructions further. False: it came to step_end() before. */
bool step_on(pid_t child, unsigned long instructions);
/* Kills it where it stands. */
void step_kill(pid_t child);

/* Instructions between two points that are tried: 1, or more where each costs too much. */
unsigned long step_stride(void);

#endif
