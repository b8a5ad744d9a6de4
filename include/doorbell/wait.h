/* SPDX-License-Identifier: MIT
 *
 * wait.h: receive from a queue in a thread that has no event loop: poll, spin for a little, sleep.
 *
 *	uint32_t tokens[64];
 *	ssize_t n, i;
 *
 *	while ((n = bell_queue_wait(q, tokens, 64, -1)) != -ESHUTDOWN)
 *		for (i = 0; i < n; i++)
 *			handle(tokens[i]);
 *
 * These are calls of the receiver: one thread at a time, see queue.h.
 */
#ifndef DOORBELL_WAIT_H
#define DOORBELL_WAIT_H

#include <doorbell/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * bell_queue_wait(): take up to max tokens, oldest first; if there are none, wait for one.
 * timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever; 0: do not block; INT64_MAX is fine.
 * Returns how many, > 0; -ETIMEDOUT; -EINTR: a signal handler ran while it slept, and brought no token;
 * -ESHUTDOWN: closed and drained; -EINVAL: max is 0; -EBADF: somebody closed the bell. Tokens win
 * over errors.
 * In three phases: poll; spin, for a time that adapts to how long the waits before it took; arm and
 * block. Where it spins, it also pauses as bell_queue_dispatch() does when tokens come a few at a time.
 * It reads the bell in edge mode too, and leaves the queue fit for a loop: the two may alternate.
 * Receiver; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_queue_wait(
	struct bell_queue *q, uint32_t *ret_tokens, size_t max, int64_t timeout_ns);

/** The default limit of spinning, in nanoseconds: what it takes to sleep and be woken on a slow machine. */
#define BELL_WAIT_SPIN_DEFAULT 50000

/**
 * bell_queue_set_spin(): the longest time that one wait may spin before it sleeps, in nanoseconds.
 * 0: sleep at once; it is the default where the main thread and the one that makes the queue may run on the
 * same one CPU only. Receiver; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) void bell_queue_set_spin(struct bell_queue *q, uint32_t limit_ns);

#ifdef __cplusplus
}
#endif
#endif
