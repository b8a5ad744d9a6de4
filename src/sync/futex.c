/* SPDX-License-Identifier: MIT
 *
 * futex.c: futexes of one process, by the bare system call: glibc has no other, and it is not a
 * point of cancellation, so no thread leaves with its waiter still queued.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sync/sync.h"

/* What SYS_futex takes on every machine; struct timespec may have 64 bits where this has 32. */
struct kernel_time {
	long seconds, nanoseconds;
};

int bell__futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
	struct kernel_time until, *timeout = NULL;
	int64_t seconds = deadline / 1000000000;

	if (deadline != INT64_MAX) {
		until.seconds = seconds > LONG_MAX ? LONG_MAX : (long)seconds;
		until.nanoseconds = (long)(deadline % 1000000000);
		timeout = &until;
	}
	/* With a mask the time is absolute. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, timeout, NULL,
		    FUTEX_BITSET_MATCH_ANY) == 0 ||
		errno == EAGAIN)
		return 0;
	return -errno;
}

void bell__futex_wake(uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
