/* SPDX-License-Identifier: MIT
 *
 * wake.c: wakes, made after the lock is released: a sleeper woken under it would only run into it.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hub/hub.h"

#ifdef SYS_futex
#define FUTEX SYS_futex
#else
#define FUTEX SYS_futex_time64
#endif

void bell__wakes_add_futex(struct wakes *wakes, uint32_t *futex)
{
	wakes->list[wakes->n].queue = NULL;
	wakes->list[wakes->n++].futex = futex;
}

/* No room: at once, though under the lock. */
void bell__wakes_add_queue(struct wakes *wakes, struct bell_queue *queue, uint32_t token)
{
	if (wakes->n == WAKES) {
		(void)bell_queue_notify(queue, token);
		return;
	}
	wakes->list[wakes->n].queue = bell_queue_ref(queue);
	wakes->list[wakes->n++].token = token;
}

void bell__wakes_make(struct wakes *wakes)
{
	const int saved = errno;
	unsigned i;

	BELL_INJECT(waking);
	for (i = 0; i < wakes->n; i++) {
		struct bell_queue *queue = wakes->list[i].queue;

		if (queue) {
			(void)bell_queue_notify(queue, wakes->list[i].token);
			bell_queue_unref(queue);
		} else {
			(void)syscall(FUTEX, wakes->list[i].futex, FUTEX_WAKE_PRIVATE, 1);
		}
	}
	wakes->n = 0;
	errno = saved;
}
