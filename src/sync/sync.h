/* SPDX-License-Identifier: MIT
 *
 * sync.h: sleeping on a word of memory, for src/sync. A file of its own, so that a test can put a
 * scheduler in its place.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include <stdint.h>

/* Sleep while *word is value, until the deadline on CLOCK_MONOTONIC; INT64_MAX: none. Returns 0:
 * woken, for any reason or none, or *word was not value; -ETIMEDOUT; -EINTR. Not a point of
 * cancellation. */
int bell__futex_wait(uint32_t *word, uint32_t value, int64_t deadline);

/* Wake one who sleeps on the word. The word may be gone by now, and its memory have become
 * another's: whoever sleeps on that is woken for nothing, which all who sleep on futexes have to
 * cope with. */
void bell__futex_wake(uint32_t *word);

#endif
