/* SPDX-License-Identifier: MIT
 *
 * old_kernel.h: include it before adapt/uring.h, and a multishot poll is refused on demand, as by a kernel
 * before 5.13: with -EINVAL, for flags in sqe->len that it does not know.
 */
#ifndef REACTORS_OLD_KERNEL_H
#define REACTORS_OLD_KERNEL_H

#include <liburing.h>
#include <stdbool.h>

static bool old_kernel;

static inline void old_kernel_prep_poll_multishot(struct io_uring_sqe *sqe, int fd, unsigned mask)
{
	io_uring_prep_poll_multishot(sqe, fd, mask);
	if (old_kernel)
		sqe->len |= 1u << 31;
}

#define io_uring_prep_poll_multishot old_kernel_prep_poll_multishot

#endif
