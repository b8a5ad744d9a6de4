/* SPDX-License-Identifier: MIT
 *
 * futex.c: futexes of one process, by the bare system call: glibc has no other.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doorbell/atomic.h>

#include "core/clock.h"
#include "core/futex.h"
#include "core/spin.h"

/* The call that takes 64 bits of seconds, as the structure has them. */
#ifdef SYS_futex_time64
#define FUTEX SYS_futex_time64
#else
#define FUTEX SYS_futex
#endif

/* Of this thread. */
static struct bell__spin *own_spin(void)
{
	static _Thread_local struct bell__spin spin;
	static _Thread_local bool asked;

	if (!asked)
		bell__spin_set(&spin, bell__spin_default());
	asked = true;
	return &spin;
}

static bool look(const uint32_t *word, uint32_t value)
{
	int i;

	for (i = 0; i < BELL__SPIN_TURNS; i++) {
		if (bell_load_acquire(word) == value) /* N2 */
			return true;
		bell_pause();
	}
	return false;
}

bool bell__futex_spin(const uint32_t *word, uint32_t value, int64_t deadline, int64_t *ret_began)
{
	struct bell__spin *spin = own_spin();
	const uint32_t budget = bell__spin_budget(spin);
	int64_t began = 0, end, now;

	if (budget && look(word, value)) { /* first without the clock */
		bell__spin_learn(spin, 0);
		return true;
	}
	if (spin->limit)
		began = bell__now();
	end = deadline - began < budget ? deadline : began + budget;
	for (now = began; now < end; now = bell__now()) {
		if (look(word, value)) {
			bell__spin_learn(spin, now - began);
			return true;
		}
	}
	*ret_began = began;
	return false;
}

void bell__futex_learn(int64_t began, int error)
{
	struct bell__spin *spin = own_spin();

	if (spin->limit && error != -EINTR)
		bell__spin_learn(spin, error ? BELL__SPIN_VAIN : bell__now() - began);
}

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
