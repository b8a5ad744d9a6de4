/* SPDX-License-Identifier: MIT
 *
 * A libFuzzer target: the input is a receiver's calls and what an enemy writes into the shared memory
 * between them. The memory has the size of the format to the byte, so that AddressSanitizer sees a
 * step outside of it. Whatever stands there: no token that is none, no more than was asked for, and an
 * end that is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"

enum { MOST = 64 };

struct input {
	const uint8_t *bytes;
	size_t left;
};

static uint32_t next(struct input *in, size_t width)
{
	uint32_t v = 0;

	while (width-- > 0 && in->left > 0) {
		v = v << 8 | *in->bytes++;
		in->left--;
	}
	return v;
}

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_tokens(
	const struct bell__drain *d, const struct bell_share_event *events, size_t n, size_t max)
{
	size_t i;

	must(n <= max && n <= d->capacity);
	for (i = 0; i < n; i++)
		must(events[i].token < d->capacity);
}

static void scribble(struct input *in, uint8_t *memory, size_t size)
{
	size_t at = next(in, 2) % size, n = next(in, 1) % 16;

	while (n-- > 0 && at < size)
		memory[at++] = (uint8_t)next(in, 1);
}

/* What a sound peer does, so that there is something to spoil. */
static void notify(struct bell__drain *d, uint32_t token)
{
	uint64_t position;

	if (bell_exchange_acq_rel(&d->flags[token], 1))
		return;
	position = bell_fetch_add_acq_rel(d->tail, BELL__POSITION) >> BELL__SHIFT;
	bell_store_release(
		&d->slots[position & d->mask], token | bell__queue_lap(position, d->mask));
	if (bell_load_relaxed(d->tail) & BELL__ASLEEP)
		(void)bell_fetch_and_acq_rel(d->tail, ~(uint64_t)BELL__ASLEEP);
}

/* The end comes after so many tokens and turns, whatever is written meanwhile. */
static void drain_rest(struct input *in, struct bell__drain *d, uint8_t *memory, size_t size)
{
	struct bell_share_event events[MOST];
	size_t total = 0, turns = 0, n;
	bool done = false;

	bell__drain_end(d);
	while (!done) {
		n = bell__drain_rest(d, events, 1 + next(in, 1) % MOST, &done);
		check_tokens(d, events, n, MOST);
		total += n;
		must(total <= d->mask + (size_t)1 + d->capacity);
		must(turns++ <= 2 * (d->mask + (size_t)1 + d->capacity));
		scribble(in, memory, size);
	}
}

static void run(struct input *in, struct bell__drain *d, uint8_t *memory, size_t size)
{
	struct bell_share_event events[MOST];
	size_t n, max;

	while (in->left > 0 && !d->broken) {
		switch (next(in, 1) % 6) {
		case 0:
			scribble(in, memory, size);
			break;
		case 1:
			notify(d, next(in, 1) % d->capacity);
			break;
		case 2:
			max = next(in, 1) % MOST;
			n = bell__drain_take(d, events, max);
			check_tokens(d, events, n, max);
			break;
		case 3:
			if (bell__drain_ready(d) && !d->broken) /* there is something, or it is a breach */
				must(bell__drain_take(d, events, 1) == 1 || d->broken);
			break;
		case 4:
			bell__drain_settle(d);
			if (!bell__drain_ready(d))
				(void)bell__drain_arm(d);
			break;
		default:
			*d->tail = (uint64_t)next(in, 4) << 32 | next(in, 4);
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t capacities[] = {1, 2, 3, 5, 8, 33};
	struct input in = {.bytes = data, .left = size};
	const uint32_t capacity = capacities[next(&in, 1) % 6];
	struct bell__layout header = bell__layout_of(capacity);
	struct bell__drain d;
	uint8_t *memory = calloc(1, (size_t)header.size);

	must(memory);
	must(bell__layout_is_sound(&header));
	memcpy(memory, &header, sizeof(header));
	bell__drain_init(&d, memory, capacity);
	*d.tail = BELL__ARMED;
	run(&in, &d, memory, (size_t)header.size);
	drain_rest(&in, &d, memory, (size_t)header.size);
	memcpy(&header, memory, sizeof(header)); /* as a peer checks it */
	if (bell__layout_is_sound(&header))
		must(header.flags_at + header.capacity == header.size && header.slots_at == 256 &&
			header.ring_size >= header.capacity &&
			header.ring_size < 2 * header.capacity + 1);
	free(memory);
	return 0;
}
