/* SPDX-License-Identifier: MIT
 *
 * exec.h: a command for each token that fires: never two at once of one token, and what fires while its
 * command runs is run once more.
 */
#ifndef TOOL_EXEC_H
#define TOOL_EXEC_H

#include <stdint.h>

struct runner;

/* So many at once, each by sh -c. NULL: no memory. */
struct runner *runner_new(const char *command, const char *name, uint32_t capacity, uint32_t jobs);

/* A token fired. */
void runner_add(struct runner *r, uint32_t token, uint64_t peer);

/* After that, and after SIGCHLD: take in who has ended, and start who waits. 0, or an exit status. */
int runner_run(struct runner *r);

/* Those that run are left alone. */
struct runner *runner_free(struct runner *r);

#endif
