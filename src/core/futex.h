/* SPDX-License-Identifier: MIT
 *
 * futex.h: waiting for a word of memory, among the threads of one process. A header of its own, so that a
 * test can put a scheduler in its place. Neither wait nor wake changes errno, or is a point of
 * cancellation: no thread leaves with its waiter still queued.
 */
#ifndef CORE_FUTEX_H
#define CORE_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

/* Look at the word until it is value, acquire, for as long as the waits of this thread make worth while
 * (spin.h), or to the deadline. Returns true if it was seen, and learns that; else *ret_began is when it
 * began, for bell__futex_learn(). */
bool bell__futex_spin(const uint32_t *word, uint32_t value, int64_t deadline, int64_t *ret_began);

/* The wait that began then is over, as bell__futex_wait() said: learn it. */
void bell__futex_learn(int64_t began, int error);

/* Sleep while *word is value, until the deadline on CLOCK_MONOTONIC; INT64_MAX: none. Returns 0: woken, for
 * any reason or none, or *word was not value; -ETIMEDOUT; -EINTR: a signal handler ran. */
int bell__futex_wait(uint32_t *word, uint32_t value, int64_t deadline);

/* Wake one who sleeps on the word. The word may be gone by now, and its memory have become another's:
 * whoever sleeps on that is woken for nothing, which all who sleep on futexes have to cope with. */
void bell__futex_wake(uint32_t *word);

#endif
