/* SPDX-License-Identifier: MIT
 *
 * drain.c: the receiver's half of a queue whose other half is a stranger. It follows queue.c step by
 * step; what differs is that nothing found in the shared memory is believed:
 *
 *  - A slot is read once. What is not a token below capacity in the lap that is due, or the remains of
 *    the lap before, was written by no sound peer: the queue is broken, and nothing more is taken from it.
 *  - Tail is compared, never followed. A position that is not from head to head + capacity is broken.
 *  - Flags are only stored to, and looked at once each at the end.
 *  - Every loop is bounded by max, or by what the ring and the flags can hold.
 *
 * A tail, slot or flag that lies within these bounds harms the peer's own tokens and nobody else's.
 *
 * No system call is made here and no descriptor known: tests/fuzz writes anything between the calls.
 */
#include "ipc/ipc.h"

void bell__drain_init(struct bell__drain *d, void *memory, uint32_t capacity)
{
	const struct bell__layout header = bell__layout_of(capacity);
	struct bell__layout *shared = memory;

	*d = (struct bell__drain){
		.tail = &shared->tail,
		.slots = shared->slots,
		.flags = (uint8_t *)memory + header.flags_at,
		.capacity = capacity,
		.mask = header.ring_size - 1,
		.armed = true,
		.arms = 1,
	};
}

/* What stands in the slot of a position, in its lap: a token, or above mask. */
static uint32_t look(const struct bell__drain *d, uint64_t position)
{
	return bell__queue_look(&d->slots[position & d->mask], bell__queue_lap(position, d->mask));
}

/* Is it the remains of the lap before, the zero of a new ring among them? */
static bool is_remains(const struct bell__drain *d, uint32_t found)
{
	return (found ^ (d->mask + 1)) <= d->mask;
}

bool bell__drain_ready(struct bell__drain *d)
{
	if (!d->broken && look(d, d->head) <= d->mask)
		d->seen = true;
	return d->seen;
}

size_t bell__drain_take(struct bell__drain *d, struct bell_share_event *ret_events, size_t max)
{
	size_t n = 0, i;

	if (max > d->capacity)
		max = d->capacity;
	while (n < max && !d->broken) {
		uint32_t token = look(d, d->head + n);

		if (token < d->capacity) {
			ret_events[n++].token = token;
			continue;
		}
		/* What was published stays so; one that flickers would keep us from sleeping. */
		d->broken = !is_remains(d, token) || (n == 0 && d->seen);
		break;
	}
	if (n == 0)
		return 0;
	d->seen = false;
	BELL_INJECT(share_taken);
	/* Only now, so that one poll returns no token twice. */
	for (i = 0; i < n; i++)
		bell__queue_clear(d->flags, ret_events[i].token);
	d->head += n;
	d->delivered += n;
	bell_fence_full(); /* F1: flags cleared before the caller reads its data */
	return n;
}

static void settle(struct bell__drain *d, uint64_t v)
{
	if (d->armed && !(v & BELL__ASLEEP)) {
		d->armed = false;
		d->owed++;
	}
}

void bell__drain_settle(struct bell__drain *d)
{
	settle(d, bell_load_relaxed(d->tail)); /* as old as it may be: the exchange of arm decides */
}

/* Somebody reserved the slot at head and has not published it: ask to be woken by that publisher. */
static int sleep_at_hole(struct bell__drain *d)
{
	(void)bell_fetch_or_acq_rel(d->tail, BELL__HOLE); /* A3: before the look at the slot */
	d->armed = true;
	d->arms++;
	BELL_INJECT(share_hole);
	bell_fence_full(); /* A3: notify: published before its look at tail */
	if (!bell__drain_ready(d)) {
		d->holes++;
		return 1;
	}
	/* Take it back. Too late if it was claimed: the next arm then counts that ring. */
	d->armed = !(bell_fetch_and_acq_rel(d->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A3 */
	return 0;
}

int bell__drain_arm(struct bell__drain *d)
{
	uint64_t v = d->head << BELL__SHIFT;

	BELL_INJECT(share_arming);
	if (bell_cas_acq_rel(d->tail, &v, v | BELL__ARMED)) { /* step 2: A1 */
		settle(d, v);
		d->armed = true;
		d->arms++;
		return 1;
	}
	settle(d, v);
	/* Positions run in 61 bits: more than can ever be counted up to. */
	if ((v >> BELL__SHIFT) - d->head > d->capacity || v & BELL__CLOSED) {
		d->broken = true;
		return 0;
	}
	if (d->armed) /* step 3: whoever reserved the slot saw it, and will ring */
		return 1;
	return bell__drain_ready(d) ? 0 : sleep_at_hole(d); /* steps 4 and 5 */
}

void bell__drain_end(struct bell__drain *d)
{
	d->rest = d->broken ? 0 : d->mask + UINT64_C(1);
	d->sweep = d->broken ? d->capacity : 0;
}

/* Flags that are looked at before others have their turn. */
#define SWEEP 65536

/* A flag still up is a notification whose maker died between raising it and publishing. */
static size_t sweep(struct bell__drain *d, struct bell_share_event *ret_events, size_t max)
{
	const uint32_t left = d->capacity - d->sweep;
	const uint32_t end = d->sweep + (left < SWEEP ? left : SWEEP);
	size_t n = 0;

	for (; d->sweep < end && n < max; d->sweep++)
		if (bell_load_relaxed(&d->flags[d->sweep])) /* its maker has ended: nothing to order */
			ret_events[n++].token = d->sweep;
	d->delivered += n;
	return n;
}

size_t bell__drain_rest(
	struct bell__drain *d, struct bell_share_event *ret_events, size_t max, bool *ret_done)
{
	size_t n = bell__drain_take(d, ret_events, max < d->rest ? max : (size_t)d->rest);

	d->rest -= n;
	if (n == 0 && max > 0) {
		d->rest = 0; /* the first slot that is not published ends the ring for good */
		n = sweep(d, ret_events, max);
	}
	*ret_done = d->rest == 0 && d->sweep == d->capacity;
	return n;
}
