/* SPDX-License-Identifier: MIT
 *
 * refuse.h: a kernel that refuses: one system call gives an error, by a seccomp filter. A filter stays
 * for good on its thread and what that thread starts; so a call that is to fail once runs in a thread
 * of its own, and the rest of the test lives in an ordinary process.
 */
#ifndef FAULT_REFUSE_H
#define FAULT_REFUSE_H

#include <stdbool.h>

/* False: filters are not to be had here, and TAP was told that the program is skipped, and why. */
bool refuse_probe(void);

/* From now on, in this thread and in those it starts, the system call fails with that error. */
void refuse(long number, int error);

/* Runs fn in a thread to which the system call is refused, and waits for it. */
void refuse_during(long number, int error, void (*fn)(void *), void *userdata);

#endif
