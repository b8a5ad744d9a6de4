/* SPDX-License-Identifier: MIT
 *
 * queue.c: the cold half of the token queue: its life, the bell, and arm, the only way to sleep.
 *
 * The invariant of the bell, in both modes: when neither ARMED nor HOLE is set in tail, the eventfd's
 * counter is above zero or the write of whoever cleared them is on its way. So a receiver that was
 * not told "1" by arm finds the fd readable, and a loop that starts to watch it is called at once.
 */
#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/core.h"
#include "core/probe.h"

/* After this many arms without a ring the fd is read all the same: a stray write by somebody else
 * then costs a level-triggered loop a few wake-ups instead of spinning until the next ring. */
#define QUIET_ARMS 64

#define FLAGS (unsigned)(BELL_QUEUE_EDGE | BELL_QUEUE_SINGLE_PRODUCER)

/* Tokens that dispatch takes in one go: a chunk of stack. */
#define CHUNK 64

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

bool bell__membarrier(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

/* As read(2) and write(2), but no points of cancellation: a thread that is cancelled between claiming
 * the bell and writing it, or between reading and arming, would leave the receiver deaf. */
static long read_counter(int fd, uint64_t *ret_count)
{
	return syscall(SYS_read, fd, ret_count, sizeof(*ret_count));
}

static long add_to_counter(int fd, uint64_t count)
{
	return syscall(SYS_write, fd, &count, sizeof(count));
}

/* -- life ------------------------------------------------------------------------------------ */

int bell_queue_new(struct bell_queue **ret_q, uint32_t capacity, unsigned flags)
{
	struct bell_queue *q;
	void *memory;
	uint64_t size;
	int fd, error;

	if (capacity == 0 || capacity > BELL_QUEUE_CAPACITY_MAX || flags & ~FLAGS)
		return -EINVAL;
	for (size = 1; size < capacity; size *= 2)
		;
	if (size * sizeof(*q->slots) > SIZE_MAX - capacity - sizeof(*q) - BELL_CACHE_LINE)
		return -ENOMEM;

	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	memory = calloc(
		1, BELL_CACHE_LINE - 1 + sizeof(*q) + (size_t)size * sizeof(*q->slots) + capacity);
	if (!memory) {
		error = -errno;
		close(fd);
		return error;
	}
	/* So that arm may use it. Refused: arm copes, but a single producer needs it. */
	if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0)
		flags &= ~(unsigned)BELL_QUEUE_SINGLE_PRODUCER;

	q = (void *)(((uintptr_t)memory + BELL_CACHE_LINE - 1) & ~(uintptr_t)(BELL_CACHE_LINE - 1));
	q->memory = memory;
	q->slots = (void *)(q + 1);
	q->flags = (void *)(q->slots + size);
	q->mask = (uint32_t)(size - 1);
	q->capacity = capacity;
	q->mode = flags;
	q->fd = fd;
	*(bell__queue_is_single(q) ? &q->single : &q->limit) = capacity;
	*bell__queue_word(q) = BELL__ARMED;
	q->armed = 1;
	q->refs = 1;
	bell__wait_init(q);
	*ret_q = q;
	return 0;
}

struct bell_queue *bell_queue_ref(struct bell_queue *q)
{
	(void)bell_fetch_add_relaxed(&q->refs, 1); /* the caller holds one: nothing to order */
	return q;
}

struct bell_queue *bell_queue_unref(struct bell_queue *q)
{
	int state;

	if (q && bell_fetch_sub_acq_rel(&q->refs, 1) == 1) { /* R1: all use before the free */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* close(2) is a point of it */
		close(q->fd);
		free(q->memory);
		pthread_setcancelstate(state, NULL);
	}
	return NULL;
}

int bell_queue_fd(const struct bell_queue *q)
{
	return q->fd;
}

unsigned bell_queue_flags(const struct bell_queue *q)
{
	return q->mode;
}

uint32_t bell_queue_capacity(const struct bell_queue *q)
{
	return q->capacity;
}

void bell_queue_stats(const struct bell_queue *q, struct bell_queue_stats *ret_stats)
{
	*ret_stats = (struct bell_queue_stats){
		.notified = bell_load_relaxed(&q->tail) >> BELL__SHIFT,
		.delivered = bell_load_relaxed(&q->head),
		.arms = bell_load_relaxed(&q->arms),
		.rings = bell_load_relaxed(&q->rings),
		.holes = bell_load_relaxed(&q->holes),
		.reads = bell_load_relaxed(&q->reads),
		.kicks = bell_load_relaxed(&q->kicks),
		.heals = bell_load_relaxed(&q->heals),
	};
}

/* A counter with one writer: others read it for the statistics. */
static void count(uint64_t *counter)
{
	bell_store_relaxed(counter, *counter + 1);
}

/* -- the bell -------------------------------------------------------------------------------- */

/* Make the fd readable, with an edge. A counter that somebody else filled up refuses the write and
 * makes no edge: empty it and write again. Refused once more, another write came in between, and
 * that one made the edge. */
static void bell_write(struct bell_queue *q)
{
	uint64_t all;

	if (add_to_counter(q->fd, 1) >= 0 || errno != EAGAIN)
		return;
	(void)bell_fetch_add_relaxed(&q->heals, 1); /* a statistic */
	(void)read_counter(q->fd, &all);
	(void)add_to_counter(q->fd, 1);
}

void bell__claim_and_ring(struct bell_queue *q)
{
	uint64_t before = bell_fetch_and_acq_rel(bell__queue_word(q), ~(uint64_t)BELL__ASLEEP); /* A1, A2 */
	int saved = errno;

	if (!(before & BELL__ASLEEP))
		return;
	BELL_INJECT(ringing);
	BELL_PROBE1(ring, q->fd);
	(void)bell_fetch_add_relaxed(&q->rings, 1); /* a statistic */
	bell_write(q);
	errno = saved;
}

void bell__kick(struct bell_queue *q)
{
	count(&q->kicks);
	q->owed++;
	bell_write(q);
}

/* -- notifying ------------------------------------------------------------------------------- */

int bell_queue_notify_refused(struct bell_queue *q, uint32_t token)
{
	return token < q->capacity ? -ESHUTDOWN : -EINVAL;
}

int bell_queue_notify_slow(struct bell_queue *q, uint64_t before)
{
	bell__claim_and_ring(q);
	return before & BELL__CLOSED ? -ESHUTDOWN : 1;
}

int bell_queue_close(struct bell_queue *q)
{
	bell_store_relaxed(&q->limit, 0);  /* a short cut: who still sees it open meets CLOSED below */
	bell_store_relaxed(&q->single, 0); /* the same */
	(void)bell_fetch_or_acq_rel(bell__queue_word(q), BELL__CLOSED); /* A1 */
	bell__claim_and_ring(q);
	return 0;
}

/* -- sleeping -------------------------------------------------------------------------------- */

/* A notification that was conflated before the close may stand on a producer that has raised the
 * flag and not yet reserved a slot. O(capacity), once the queue is closed and drained. */
static bool any_flag_up(const struct bell_queue *q)
{
	uint32_t token;

	for (token = 0; token < q->capacity; token++)
		if (bell_load_relaxed(&q->flags[token])) /* ordered by CLOSED in tail: A1 */
			return true;
	return false;
}

void bell__settle(struct bell_queue *q, uint64_t v)
{
	if (q->armed && !(v & BELL__ASLEEP)) {
		q->armed = 0;
		q->owed++;
	}
}

uint64_t bell__take_bell(struct bell_queue *q)
{
	uint64_t rings;

	if (!q->owed && ++q->quiet % QUIET_ARMS != 0)
		return 0;
	count(&q->reads);
	return read_counter(q->fd, &rings) == sizeof(rings) ? rings : 0;
}

void bell__paid(struct bell_queue *q, uint64_t taken)
{
	q->owed -= taken < q->owed ? taken : q->owed;
}

void bell__announced(struct bell_queue *q)
{
	BELL_PROBE1(arm, q->fd);
	q->armed = 1;
	count(&q->arms);
}

/* Somebody reserved the slot at head and has not published it: ask to be woken by that publisher.
 * The fence that notify would need is done for it by membarrier, here. */
static bool sleep_at_hole(struct bell_queue *q, uint64_t head)
{
	BELL_INJECT(hole);
	(void)bell_fetch_or_acq_rel(&q->tail, BELL__HOLE); /* A2: before the look at the slot */
	bell__announced(q);
	BELL_INJECT(announced);
	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */
		count(&q->holes);
		return true;
	}
	/* Take it back. Too late if it was claimed: the next arm then counts that ring. */
	q->armed = !(bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A2 */
	return false;
}

/* level: read the bell before arming, so that the fd falls silent. The steps are those of
 * docs/ORDERING.md. */
int bell__queue_arm(struct bell_queue *q, bool level)
{
	const uint64_t head = q->head;
	uint64_t taken = 0, v;
	bool armed;

	if (bell__queue_is_single(q))
		return bell__single_arm(q, level);
	if (bell__queue_published(q, head)) /* step 0: before the fd is touched */
		return 0;
	if (level) /* who does not read the bell need not fetch the producers' line for this */
		bell__settle(q, bell_load_relaxed(&q->tail)); /* a first look; the exchange below decides */
	BELL_INJECT(arming);
	if (level) /* step 1: before arming, never after */
		taken = bell__take_bell(q);
	BELL_INJECT(silenced);

	v = head << BELL__SHIFT;
	armed = bell_cas_acq_rel(&q->tail, &v, v | BELL__ARMED); /* step 2: A1 */
	bell__settle(q, v);
	bell__paid(q, taken);
	if (armed) {
		bell__announced(q);
		BELL_INJECT(armed);
		return 1;
	}
	if (q->armed) /* step 3: whoever reserved the slot saw it, and will ring */
		return 1;
	if (v >> BELL__SHIFT == head) { /* empty, so it was CLOSED that stopped the exchange */
		if (any_flag_up(q)) {
			if (bell_cas_acq_rel(&q->tail, &v, v | BELL__ARMED)) { /* A1 */
				bell__announced(q);
				return 1;
			}
		} else {
			if (taken)
				bell__kick(q);
			return -ESHUTDOWN;
		}
	}
	if (!bell__queue_published(q, head) && sleep_at_hole(q, head)) /* step 5 */
		return 1;
	if (taken) /* step 4: not asleep, so the fd must stay readable */
		bell__kick(q);
	return 0;
}

int bell_queue_arm(struct bell_queue *q)
{
	const bool level = !(q->mode & BELL_QUEUE_EDGE);
	int r = bell__queue_arm(q, level);

	if (r != 0 || !bell__queue_is_single(q) || bell__queue_published(q, q->head))
		return r;
	/* membarrier(2) is refused by now, so nobody may sleep here, and there is nothing to poll, perhaps
	 * for long. Back to the loop then: the fd is readable, or has an edge from here. */
	if (!level)
		bell__kick(q);
	return 1;
}

void bell_queue_stop(struct bell_queue *q)
{
	q->stop = 1;
}

/* Poll up to max tokens and hand them out, until one of them says stop: what is left of them then
 * goes back. Returns how many were handed out. */
static size_t hand_out(struct bell_queue *q, size_t max, bell_token_fn fn, void *userdata)
{
	uint32_t tokens[CHUNK];
	size_t n = bell_queue_poll(q, tokens, max), i = 0, queued;

	while (i < n && !q->stop)
		fn(userdata, tokens[i++]);
	if (i < n)
		(void)bell__queue_many(q, tokens + i, n - i, &queued);
	return i;
}

ssize_t bell_queue_dispatch(
	struct bell_queue *q, size_t budget, bell_token_fn fn, void *userdata)
{
	/* One by one where nobody but the producer could queue again what a stop leaves over. */
	const size_t chunk = bell__queue_is_single(q) ? 1 : CHUNK;
	size_t done = 0, got = 0 /* since the last arm */, n;
	bool gathered = false;
	int idle = 0, r = 0;

	if (budget == 0)
		return -EINVAL;
	if (budget > SSIZE_MAX)
		budget = SSIZE_MAX;
	bell_queue_ref(q); /* fn may drop the caller's */
	q->stop = 0;
	/* Nothing to poll and no leave to sleep, twice in a row: a producer is preempted and cannot be
	 * waited for. Back to the loop then, rather than spin here. */
	while (r == 0 && done < budget && !q->stop && idle < 2) {
		n = hand_out(q, budget - done < chunk ? budget - done : chunk, fn, userdata);
		done += n;
		got += n;
		idle = n ? 0 : idle + 1;
		if ((n < chunk || done == budget) && !q->stop) {
			r = bell_queue_arm(q);
			if (r == 0 && done < budget)
				gathered = bell__let_gather(got < CHUNK ? got : 0, gathered);
			got = 0;
		}
	}
	/* Not asleep: the fd is readable, but an edge-triggered loop needs to be told again. */
	if (q->mode & BELL_QUEUE_EDGE && (r == 0 || (r < 0 && done > 0)))
		bell__kick(q);
	bell_queue_unref(q);
	return r < 0 && done == 0 ? r : (ssize_t)done;
}
