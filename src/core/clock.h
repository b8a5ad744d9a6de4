/* SPDX-License-Identifier: MIT
 *
 * clock.h: timeouts and deadlines, in nanoseconds on CLOCK_MONOTONIC. A timeout below 0 is for ever and
 * 0 does not wait; a deadline of INT64_MAX is never.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t bell__now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* When a timeout that is not below 0 and began then is over. */
static inline int64_t bell__after(int64_t began, int64_t timeout_ns)
{
	return timeout_ns > INT64_MAX - began ? INT64_MAX : began + timeout_ns;
}

/* When a timeout that begins now is over. */
static inline int64_t bell__deadline(int64_t timeout_ns)
{
	if (timeout_ns == 0)
		return 0;
	return timeout_ns < 0 ? INT64_MAX : bell__after(bell__now(), timeout_ns);
}

/* The timeout that is left until a deadline. */
static inline int64_t bell__time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == INT64_MAX)
		return -1;
	left = deadline == 0 ? 0 : deadline - bell__now();
	return left > 0 ? left : 0;
}

/* Where time_t has 32 bits: 68 years at most. */
static inline struct timespec bell__timespec(int64_t ns)
{
	const int64_t s = ns / 1000000000;

	return (struct timespec){.tv_sec = (time_t)(s > INT32_MAX ? INT32_MAX : s),
		.tv_nsec = (long)(ns % 1000000000)};
}

/* block.c: sleep until a descriptor is readable. 0: look again; -ETIMEDOUT, -EINTR; -EBADF: it is closed.
 * A point of cancellation. */
int bell__block_on(int fd, int64_t deadline);

#endif
