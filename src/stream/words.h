/* SPDX-License-Identifier: MIT
 *
 * words.h: copies of bytes that a writer may overwrite while a reader reads them (B6, X6): by relaxed
 * atomics, always whole words of one size, so that the two sides never meet in atomics of different size.
 * Whether what was read is good is asked afterwards. For the pipe, in one process and between several.
 */
#ifndef STREAM_WORDS_H
#define STREAM_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define BELL__WORD sizeof(uintptr_t)

/* Copy n bytes in, for a writer that is alone: it keeps what stands in the rest of a word. The memory
 * begins and ends at the border of a word. */
void bell__words_put(uint8_t *at, const void *buf, size_t n);
/* Copy n bytes out. */
void bell__words_get(const uint8_t *at, void *buf, size_t n);

#endif
