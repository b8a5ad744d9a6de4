/* SPDX-License-Identifier: MIT
 *
 * local.h: the token queue for one thread: handlers of a loop mark what needs work, and the end of the
 * turn takes it, in the order of the first mark. No atomics, no bell, no file descriptor.
 *
 * What always holds:
 *  - A token that is marked is polled, once however often it was marked before that.
 *  - First marked, first polled; what a poll leaves behind stays, in order, before what is marked later.
 *  - No mark and no poll takes longer because many tokens are registered.
 *
 *	struct bell_local *l;
 *	uint32_t token, tokens[64];
 *	size_t n, i;
 *
 *	if (bell_local_new(&l, 100) < 0 || bell_local_register(l, &token) < 0)
 *		return 1;
 *	bell_local_mark(l, token);			// wherever something changes: 1
 *	bell_local_mark(l, token);			// it is marked already: 0
 *	while ((n = bell_local_poll(l, tokens, 64)) > 0)
 *		for (i = 0; i < n; i++)
 *			handle(tokens[i]);		// may mark, too
 *	bell_local_free(l);
 *
 * Synchronization: none. All calls for one bell_local are for one thread at a time, and none is
 * signal-safe; different ones have nothing in common. Each call is wait-free but for the allocator's part.
 * Between threads: queue.h, which keeps the same promises.
 */
#ifndef DOORBELL_LOCAL_H
#define DOORBELL_LOCAL_H

#include <errno.h>

#include <doorbell/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** So many tokens at most: 0 .. BELL_LOCAL_TOKENS_MAX - 1. */
#define BELL_LOCAL_TOKENS_MAX (UINT32_C(1) << 31)

/** Made by bell_local_new(); open only because the hot calls are inline: every field is private. */
struct bell_local {
	uint32_t *slots;     /* [mask + 1] the ring: a token has one place in it at most */
	uint8_t *flags;	     /* [mask + 1] 1: the token is in the ring; part of the same allocation */
	uint32_t mask;
	uint32_t registered; /* tokens below it may be marked; never more than mask + 1 */
	uint32_t head, tail; /* free-running: tail - head are marked */
};

/**
 * bell_local_new(): no tokens yet, and room for so many before memory is allocated again. hint: 0 ..
 * BELL_LOCAL_TOKENS_MAX. Costs 5 bytes a token of room.
 * Returns 0; -EINVAL: hint; -ENOMEM; *ret_l is then unchanged.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_local_new(
	struct bell_local **ret_l, uint32_t hint);

/** bell_local_free(): l may be NULL; what is marked is forgotten. Returns NULL. */
BELL_PUBLIC struct bell_local *bell_local_free(struct bell_local *l);

/**
 * bell_local_register(): one more token, the lowest not yet registered: 0, 1, 2 …
 * Returns 0; -ENOSPC: all BELL_LOCAL_TOKENS_MAX are; -ENOMEM; nothing has then changed.
 * Of 2n calls one copies n tokens, to double the room; the others allocate nothing.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_local_register(
	struct bell_local *l, uint32_t *ret_token);

/**
 * bell_local_ensure(): for tokens that somebody else numbers: register all up to this one.
 * Returns 0, also if it was registered before; -EINVAL: not below BELL_LOCAL_TOKENS_MAX; -ENOMEM;
 * nothing has then changed.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_local_ensure(
	struct bell_local *l, uint32_t token);

/** bell_local_registered(): how many tokens are. */
BELL_PUBLIC BELL_NONNULL(1) uint32_t bell_local_registered(const struct bell_local *l);

/** bell_local_count(): how many tokens are marked, and would be polled. */
BELL_PUBLIC BELL_NONNULL(1) uint32_t bell_local_count(const struct bell_local *l);

/**
 * bell_local_mark(): say that a token needs work. Returns 1: newly marked; 0: it was marked already;
 * -EINVAL: not registered. O(1); allocates nothing.
 */
BELL_INLINE BELL_NONNULL(1) int bell_local_mark(struct bell_local *l, uint32_t token);

/**
 * bell_local_poll(): take up to max tokens, first marked first. Returns how many; what max leaves behind
 * stays marked, in order. O(returned); allocates nothing.
 */
BELL_INLINE BELL_NODISCARD BELL_NONNULL(1, 2) size_t bell_local_poll(
	struct bell_local *l, uint32_t *ret_tokens, size_t max);

/* -- inline bodies --------------------------------------------------------------------------- */

BELL_INLINE int bell_local_mark(struct bell_local *l, uint32_t token)
{
	if (token >= l->registered)
		return -EINVAL;
	if (l->flags[token])
		return 0;
	l->flags[token] = 1;
	l->slots[l->tail++ & l->mask] = token;
	return 1;
}

/* Take a run of slots. Four are read before any flag is stored: a compiler has to suspect the stores of
 * overlapping the reads, and would otherwise do one after the other. */
static inline void bell__local_run(
	uint8_t *flags, const uint32_t *slots, uint32_t n, uint32_t *ret_tokens)
{
	uint32_t i;

	for (i = 0; i + 4 <= n; i += 4) {
		const uint32_t a = slots[i], b = slots[i + 1], c = slots[i + 2], d = slots[i + 3];

		ret_tokens[i] = a;
		ret_tokens[i + 1] = b;
		ret_tokens[i + 2] = c;
		ret_tokens[i + 3] = d;
		flags[a] = 0;
		flags[b] = 0;
		flags[c] = 0;
		flags[d] = 0;
	}
	for (; i < n; i++) {
		ret_tokens[i] = slots[i];
		flags[ret_tokens[i]] = 0;
	}
}

/* Poll, when there is something: not inlined, so that an empty poll is a few instructions. */
static BELL_OUTLINE size_t bell__local_take(struct bell_local *l, uint32_t *ret_tokens, size_t max)
{
	const uint32_t at = l->head & l->mask, left = l->mask - at + 1, marked = l->tail - l->head;
	const uint32_t n = max < marked ? (uint32_t)max : marked, first = n < left ? n : left;

	bell__local_run(l->flags, l->slots + at, first, ret_tokens);
	bell__local_run(l->flags, l->slots, n - first, ret_tokens + first); /* the ring wraps */
	l->head += n;
	return n;
}

BELL_INLINE size_t bell_local_poll(struct bell_local *l, uint32_t *ret_tokens, size_t max)
{
	return l->head != l->tail ? bell__local_take(l, ret_tokens, max) : 0;
}

#ifdef __cplusplus
}
#endif
#endif
