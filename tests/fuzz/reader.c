/* SPDX-License-Identifier: MIT
 *
 * A libFuzzer target: the input is what a reader of a pipe between processes calls, and what an enemy of a
 * writer writes into the stream and the seat between the calls. Both memories have the size of the format
 * to the byte, so that AddressSanitizer sees a step outside of them. Whatever stands there: no more bytes
 * than were asked for or are kept, only from inside of the ring, and a breach that is seen stays one.
 */
#include "../../src/ipc/share_reader.c" /* for what it keeps to itself */

struct input {
	const uint8_t *bytes;
	size_t left;
};

/* What both sides share, and what is ours. */
struct scene {
	struct bell_share_reader reader;
	struct bell_peer peer;
	uint8_t *stream, *seat; /* as the writer sees them */
	size_t stream_size, seat_size;
};

static uint64_t next(struct input *in, size_t width)
{
	uint64_t v = 0;

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

static void scribble(struct input *in, uint8_t *memory, size_t size)
{
	size_t at = next(in, 2) % size, n = next(in, 1) % 16;

	while (n-- > 0 && at < size)
		memory[at++] = (uint8_t)next(in, 1);
}

static void read_some(struct input *in, struct scene *s)
{
	const size_t len = next(in, 1);
	const uint64_t lost = bell_share_reader_lost(&s->reader), position = s->reader.position;
	const bool broken = s->reader.broken;
	uint8_t *buf = malloc(len + 1); /* to the byte */
	ssize_t n;

	must(buf);
	n = bell_share_reader_read(&s->reader, buf, len);
	must(n <= (ssize_t)len && n <= (ssize_t)s->reader.capacity);
	must(n != 0 || len > 0);
	if (n > 0)
		must(s->reader.position == position + (uint64_t)n);
	else if (n == -EOVERFLOW)
		must(s->reader.policy == BELL_PIPE_LAP && s->reader.lost != lost);
	else
		must(s->reader.position == position && s->reader.lost == lost);
	must(!broken || len == 0 || n == -EPROTO);
	free(buf);
}

/* What a sound writer does, so that there is something to spoil. */
static void append(struct input *in, struct scene *s)
{
	struct bell__stream *stream = (void *)s->stream;
	const uint64_t end =
		(stream->tail >> BELL__STREAM_SHIFT) + next(in, 1) % (s->reader.capacity + 1);

	if (end - s->reader.position > s->reader.capacity)
		stream->begin = end - s->reader.capacity;
	stream->tail = end << BELL__STREAM_SHIFT | (next(in, 1) % 32 == 0);
}

static void run(struct input *in, struct scene *s)
{
	struct bell__stream *stream = (void *)s->stream;

	while (in->left > 0) {
		switch (next(in, 1) % 6) {
		case 0:
			scribble(in, s->stream, s->stream_size);
			break;
		case 1:
			scribble(in, s->seat, s->seat_size);
			break;
		case 2:
			stream->tail = next(in, 8);
			break;
		case 3:
			append(in, s);
			break;
		default:
			read_some(in, s);
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t capacities[] = {1, 7, 8, 9, 64, 100};
	struct input in = {.bytes = data, .left = size};
	const uint64_t capacity = capacities[next(&in, 1) % 6];
	const struct bell__layout layout = bell__layout_of(1);
	struct bell__stream header = bell__stream_of(capacity, (uint32_t)next(&in, 1) % 2);
	struct scene s = {.stream_size = (size_t)header.size,
		.seat_size = BELL__SEAT_AT + sizeof(struct bell__stream_seat)};

	s.stream = calloc(1, s.stream_size);
	s.seat = calloc(1, s.seat_size);
	must(s.stream && s.seat && bell__stream_is_sound(&header));
	memcpy(s.stream, &header, sizeof(header));
	memcpy(s.seat, &layout, sizeof(layout));
	s.peer = (struct bell_peer){.shared = (void *)s.seat,
		.slots = ((struct bell__layout *)s.seat)->slots,
		.flags = s.seat + layout.flags_at,
		.capacity = 1,
		.fd = -1,
		.bell = -1};
	s.reader = (struct bell_share_reader){.peer = &s.peer,
		.stream = (void *)s.stream,
		.data = s.stream + header.data_at,
		.seat = bell__seat_in(s.seat),
		.capacity = capacity,
		.ring_size = header.ring_size,
		.policy = header.policy};
	run(&in, &s);
	memcpy(&header, s.stream, sizeof(header)); /* as a reader checks it */
	if (bell__stream_is_sound(&header))
		must(header.data_at + header.ring_size == header.size &&
			header.ring_size >= header.capacity &&
			(header.ring_size & (header.ring_size - 1)) == 0);
	free(s.stream);
	free(s.seat);
	return 0;
}
