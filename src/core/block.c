/* SPDX-License-Identifier: MIT
 *
 * block.c: deadlines, and the one place where a call of this folder blocks.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "ipc/ipc.h"

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bell__deadline(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns < 0)
		return INT64_MAX;
	now = now_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

int64_t bell__time_left(int64_t deadline)
{
	const int64_t ns = deadline - now_ns();

	return ns > 0 ? ns : 0;
}

int bell__block(int fd, int64_t deadline)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};
	struct timespec left, *timeout = NULL;
	int r;

	if (deadline != INT64_MAX) {
		int64_t ns = bell__time_left(deadline), s = ns / 1000000000;

		if (ns == 0)
			return -ETIMEDOUT;
		if (s > INT32_MAX) /* where time_t has 32 bits: sleep for 68 years at most */
			s = INT32_MAX;
		left = (struct timespec){.tv_sec = (time_t)s, .tv_nsec = (long)(ns % 1000000000)};
		timeout = &left;
	}
	r = ppoll(&watched, 1, timeout, NULL);
	if (r < 0)
		return -errno;
	if (watched.revents & POLLNVAL)
		return -EBADF;
	return r == 0 ? -ETIMEDOUT : 0;
}
