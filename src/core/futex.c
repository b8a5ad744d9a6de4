/* SPDX-License-Identifier: MIT
 *
 * futex.c: futexes of one process, by the bare system call: glibc has no other.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/futex.h"

/* The call that takes 64 bits of seconds, as the structure has them. */
#ifdef SYS_futex_time64
#define FUTEX SYS_futex_time64
#else
#define FUTEX SYS_futex
#endif

int bell__futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
	/* Given always, if a far one: without it the kernel goes on after a handler with SA_RESTART. */
	const struct __kernel_timespec until = {
		.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
	const int saved = errno;
	int r = 0;

	/* With a mask the time is absolute. */
	if (syscall(FUTEX, word, FUTEX_WAIT_BITSET_PRIVATE, value, &until, NULL,
		    FUTEX_BITSET_MATCH_ANY) < 0)
		r = errno == EAGAIN ? 0 : -errno;
	errno = saved;
	return r;
}

void bell__futex_wake(uint32_t *word)
{
	const int saved = errno;

	(void)syscall(FUTEX, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}
