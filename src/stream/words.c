/* SPDX-License-Identifier: MIT
 *
 * words.c: see words.h.
 */
#include <string.h>

#include <doorbell/atomic.h>

#include "stream/words.h"

/* How far into its word an address is. */
static size_t skip_of(const uint8_t *at)
{
	return (uintptr_t)at % BELL__WORD;
}

/* Put k bytes into a word, after the first skip. */
static void merge(uintptr_t *word, size_t skip, const uint8_t *from, size_t k)
{
	uintptr_t value = bell_load_relaxed(word); /* ours */

	memcpy((uint8_t *)&value + skip, from, k);
	bell_store_relaxed(word, value); /* between B6's fence and tail's release */
}

void bell__words_put(uint8_t *at, const void *buf, size_t n)
{
	const size_t skip = skip_of(at), head = n < BELL__WORD - skip ? n : BELL__WORD - skip;
	uintptr_t *word = (void *)(at - skip), value;
	const uint8_t *from = buf;

	if (skip) {
		merge(word++, skip, from, head);
		from += head;
		n -= head;
	}
	for (; n >= BELL__WORD; n -= BELL__WORD, from += BELL__WORD) {
		memcpy(&value, from, BELL__WORD);
		bell_store_relaxed(word++, value); /* as in merge */
	}
	if (n)
		merge(word, 0, from, n);
}

void bell__words_get(const uint8_t *at, void *buf, size_t n)
{
	const size_t skip = skip_of(at), head = n < BELL__WORD - skip ? n : BELL__WORD - skip;
	const uintptr_t *word = (const void *)(at - skip);
	uintptr_t value;
	uint8_t *to = buf;

	if (skip) {
		value = bell_load_relaxed(
			word++); /* B6's fence, and begin again, say whether it is good */
		memcpy(to, (uint8_t *)&value + skip, head);
		to += head;
		n -= head;
	}
	for (; n >= BELL__WORD; n -= BELL__WORD, to += BELL__WORD) {
		value = bell_load_relaxed(word++); /* the same */
		memcpy(to, &value, BELL__WORD);
	}
	if (n) {
		value = bell_load_relaxed(word); /* the same */
		memcpy(to, &value, n);
	}
}
