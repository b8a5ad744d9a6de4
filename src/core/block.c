/* SPDX-License-Identifier: MIT
 *
 * block.c: the one place where a receiver sleeps on a descriptor.
 */
#include <errno.h>
#include <poll.h>

#include "core/clock.h"

int bell__block_on(int fd, int64_t deadline)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};
	const int64_t left = bell__time_left(deadline);
	const struct timespec timeout = bell__timespec(left);
	int r;

	if (left == 0)
		return -ETIMEDOUT;
	r = ppoll(&watched, 1, left < 0 ? NULL : &timeout, NULL);
	if (r < 0)
		return -errno;
	if (watched.revents & POLLNVAL)
		return -EBADF;
	return r == 0 ? -ETIMEDOUT : 0;
}
