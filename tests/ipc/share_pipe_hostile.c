/* SPDX-License-Identifier: MIT
 *
 * Readers that scribble into their seats, and writers that hand over or write what no writer of this
 * library does. Neither faults, hangs, or harms a third; each is told -EPROTO, or dropped.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ipc/stream.h"
#include "share_pipes.h"

enum { CAPACITY = 64, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* -- hostile readers --------------------------------------------------------------------------- */

/* A reader as only a stranger makes it: the connection, and the three descriptors. */
struct stranger {
	int fd, fds[3];
	struct bell__stream_seat *seat;
	void *memory;
};

static struct stranger stranger_of(struct bell_share_pipe *p)
{
	struct stranger s = {.fd = raw_dial("x")};
	struct bell__hello hello;
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	const int before = (int)pipe_stats_of(p).readers;

	serve_until(p, before + 1);
	ck_assert_int_eq(recvmsg(s.fd, &message, MSG_CMSG_CLOEXEC), sizeof(hello));
	ck_assert_int_eq(hello.error, 0);
	ck_assert_uint_eq(CMSG_FIRSTHDR(&message)->cmsg_len, CMSG_LEN(sizeof(s.fds)));
	memcpy(s.fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(s.fds));
	s.memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, s.fds[0], 0);
	ck_assert(s.memory != MAP_FAILED);
	s.seat = bell__seat_in(s.memory);
	bell_store_relaxed(&s.seat->seated, 1);
	return s;
}

static void stranger_close(struct stranger *s)
{
	int i;

	munmap(s->memory, 65536);
	for (i = 0; i < 3; i++)
		close(s->fds[i]);
	close(s->fd);
}

START_TEST(a_position_that_cannot_be_has_the_reader_dropped_and_its_room_freed)
{
	const uint64_t positions[] = {9, 1000, UINT64_MAX, UINT64_MAX / 2, 3};
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r = reader_of(p);
	struct stranger s = stranger_of(p);

	put(p, "01234567");
	bell_store_relaxed(&s.seat->position, 4);
	expect_read(r, 8, "01234567");
	ck_assert_int_eq(bell_share_pipe_write(p, "89abc", 5, 0), 4); /* 4 is good */
	expect_read(r, 8, "89ab");
	bell_store_relaxed(&s.seat->position, positions[_i] + (_i < 2 ? 4 : 0)); /* 12 were written */
	ck_assert_int_eq(bell_share_pipe_write(p, "cdefghij", 8, 0), 8);
	expect_read(r, 8, "cdefghij");
	serve_until(p, 1);
	ck_assert_uint_eq(pipe_stats_of(p).share.dropped, 1);
	stranger_close(&s);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

START_TEST(who_never_seems_to_wake_costs_a_byte_a_write_and_no_more)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 8);
	struct bell_share_reader *r = reader_of(p);
	struct stranger s = stranger_of(p);
	uint64_t i;
	char byte;

	for (i = 0; i < 20000; i++) { /* more than the socket holds */
		bell_store_relaxed(&s.seat->asleep, 1);
		bell_store_relaxed(&s.seat->position, i);
		byte = (char)i;
		ck_assert_int_eq(bell_share_pipe_write(p, &byte, 1, 0), 1);
		ck_assert_int_eq(bell_share_reader_read(r, &byte, 1), 1);
		ck_assert_int_eq(byte, (char)i);
	}
	ck_assert_uint_lt(pipe_stats_of(p).wakes, 20000);
	ck_assert_int_eq(bell_share_pipe_serve(p), 2);
	stranger_close(&s);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

START_TEST(who_scribbles_at_random_is_dropped_or_changes_nothing)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 8);
	struct bell_share_reader *r = reader_of(p);
	struct stranger s = stranger_of(p);
	uint64_t state = 1, i;
	char byte;

	for (i = 0; i < 50000; i++) {
		((uint8_t *)s.memory)[dice(&state) % 65536] = (uint8_t)dice(&state);
		((uint8_t *)s.seat)[dice(&state) % sizeof(*s.seat)] = (uint8_t)dice(&state);
		byte = (char)i;
		if (bell_share_pipe_write(p, &byte, 1, 0) == 1) {
			ck_assert_int_eq(bell_share_reader_read(r, &byte, 1), 1);
			ck_assert_int_eq(byte, (char)i);
		}
		(void)!bell_share_pipe_arm(p, 8);
	}
	stranger_close(&s);
	serve_until(p, 1);
	expect_none(r, -EAGAIN);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

/* Not by its descriptor either, nor opened again. */
START_TEST(the_stream_can_be_mapped_to_read_and_not_to_write)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct stranger s = stranger_of(p);
	char link[64];
	int fds[2] = {s.fds[2], -1}, i;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", s.fds[2]);
	fds[1] = open(link, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fds[1], 0);
	for (i = 0; i < 2; i++) {
		void *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[i], 0);

		ck_assert(at != MAP_FAILED);
		munmap(at, 4096);
		ck_assert(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0) ==
			  MAP_FAILED);
		ck_assert_int_eq(errno, EPERM);
		ck_assert_int_eq(pwrite(fds[i], "x", 1, 4096), -1);
		ck_assert_int_eq(ftruncate(fds[i], 0), -1);
		ck_assert_int_eq(fallocate(fds[i],
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
			-1);
	}
	close(fds[1]);
	stranger_close(&s);
	bell_share_pipe_free(p);
}

/* -- hostile writers --------------------------------------------------------------------------- */

static int listener;

/* What is handed to who connects; and the memory of it, mapped here. */
static struct offer {
	struct bell__stream header;
	int seals;
	uint64_t position, size; /* size: of the memory, 0: what the header makes it */
	int count;		 /* of descriptors, 0: three */
	struct bell__stream *stream;
	struct bell__stream_seat *seat;
	int connection;
} offer;

static int memory_of(const void *header, size_t n, uint64_t size, int seals, void *ret_map)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		abort();
	map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	memcpy(map, header, n);
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		abort();
	memcpy(ret_map, &map, sizeof(map));
	return fd;
}

static void *answer(void *userdata)
{
	const struct bell__layout layout = bell__layout_of(1);
	struct bell__hello hello = {
		.magic = BELL__LAYOUT_MAGIC, .version = BELL__LAYOUT_VERSION};
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = control.room};
	const size_t count = offer.count ? (size_t)offer.count : 3;
	void *queue;
	int fds[4], i;

	(void)userdata;
	fds[0] = memory_of(&layout, sizeof(layout), 65536, SEALS, &queue);
	fds[1] = fds[3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = memory_of(&offer.header, sizeof(offer.header),
		offer.size ? offer.size : bell__stream_room(&offer.header), offer.seals,
		&offer.stream);
	offer.seat = bell__seat_in(queue);
	offer.seat->position = offer.position;
	offer.seat->wanted = BELL__NOTHING_WANTED;
	offer.connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	if (sendmsg(offer.connection, &message, MSG_NOSIGNAL) < 0)
		abort();
	for (i = 0; i < 3; i++)
		close(fds[i]);
	return NULL;
}

static void listen_as_x(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/x", shares_dir);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

static struct bell__stream sound(uint32_t policy)
{
	return bell__stream_of(CAPACITY, policy);
}

static int connect_to(struct offer o, struct bell_share_reader **ret_r)
{
	pthread_t thread;
	int r;

	offer = o;
	thread = spawn(answer, NULL);
	r = bell_share_reader_connect(ret_r, shares_dir, "x", PATIENCE);
	join(thread);
	return r;
}

/* What connect says to it. */
static int answer_to(struct offer o)
{
	struct bell_share_reader *r = NULL;
	int said = connect_to(o, &r);

	bell_share_reader_free(r);
	close(offer.connection);
	munmap(offer.stream, o.size ? o.size : bell__stream_room(&o.header));
	munmap((uint8_t *)offer.seat - BELL__SEAT_AT, 65536);
	return said;
}

START_TEST(memory_and_headers_that_are_not_a_pipes_are_refused)
{
	struct bell__stream forged;
	const int sealed = SEALS | F_SEAL_FUTURE_WRITE;
	int i;

	listen_as_x();
	ck_assert_int_eq(
		answer_to((struct offer){.header = sound(BELL_PIPE_BLOCK), .seals = sealed}), 0);
	ck_assert_int_eq(
		answer_to((struct offer){.header = sound(BELL_PIPE_LAP), .seals = SEALS}), -EPROTO);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(answer_to((struct offer){.header = sound(BELL_PIPE_LAP),
					 .seals = sealed & ~(int[]){F_SEAL_SHRINK, F_SEAL_GROW,
								F_SEAL_SEAL}[i]}),
			-EPROTO);
	ck_assert_int_eq(answer_to((struct offer){.header = sound(BELL_PIPE_LAP), .seals = sealed,
				 .size = 4096}),
		-EPROTO);
	ck_assert_int_eq(answer_to((struct offer){.header = sound(BELL_PIPE_LAP), .seals = sealed,
				 .count = 2}),
		-EPROTO);
	ck_assert_int_eq(answer_to((struct offer){.header = sound(BELL_PIPE_LAP), .seals = sealed,
				 .count = 4}),
		-EPROTO);
	for (i = 0; i < 8; i++) {
		forged = sound(BELL_PIPE_BLOCK);
		forged.magic += i == 0;
		forged.version += i == 1;
		forged.policy += i == 2 ? 2 : 0;
		forged.capacity += i == 3 ? CAPACITY : 0;
		forged.ring_size *= i == 4 ? 2 : 1;
		forged.data_at -= i == 5;
		forged.size += i == 6;
		forged.capacity = i == 7 ? UINT64_MAX : forged.capacity;
		ck_assert_int_eq(answer_to((struct offer){
					 .header = forged, .seals = sealed, .size = 65536}),
			-EPROTO);
	}
	close(listener);
}

static struct bell_share_reader *reader_of_stranger(uint32_t policy, uint64_t position)
{
	struct bell_share_reader *r = NULL;

	listen_as_x();
	ck_assert_int_eq(connect_to((struct offer){.header = sound(policy),
					    .seals = SEALS | F_SEAL_FUTURE_WRITE,
					    .position = position},
				 &r),
		0);
	return r;
}

static void leave_stranger(struct bell_share_reader *r)
{
	bell_share_reader_free(r);
	close(offer.connection);
	munmap(offer.stream, bell__stream_room(&offer.header));
	munmap((uint8_t *)offer.seat - BELL__SEAT_AT, 65536);
	close(listener);
}

START_TEST(a_tail_that_cannot_be_is_a_breach_and_stays_one)
{
	const uint64_t tails[] = {CAPACITY + 1, UINT64_MAX >> 2, UINT64_C(1) << 61, 5};
	struct bell_share_reader *r = reader_of_stranger((uint32_t)_i / 4, _i % 4 == 3 ? 6 : 0);
	char buf[2 * CAPACITY];

	bell_store_relaxed(&offer.stream->tail, tails[_i % 4] << BELL__STREAM_SHIFT);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, sizeof(buf), PATIENCE), -EPROTO);
	bell_store_relaxed(&offer.stream->tail, 0);
	expect_none(r, -EPROTO);
	ck_assert_int_eq(bell_share_reader_arm(r), -EPROTO);
	leave_stranger(r);
}

START_TEST(an_error_that_is_none_is_a_breach)
{
	const uint32_t errors[] = {0, EAGAIN, EINTR, EOVERFLOW, 4096, UINT32_MAX};
	struct bell_share_reader *r = reader_of_stranger(BELL_PIPE_BLOCK, 0);

	bell_store_relaxed(&offer.stream->error, errors[_i]);
	bell_store_relaxed(&offer.stream->tail, BELL__STREAM_ERROR);
	expect_none(r, -EPROTO);
	expect_none(r, -EPROTO);
	leave_stranger(r);
}

START_TEST(what_is_no_wake_is_a_breach)
{
	struct bell_share_reader *r = reader_of_stranger(BELL_PIPE_BLOCK, 0);
	char room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec text = {.iov_base = "", .iov_len = 1};
	struct msghdr message = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int i;

	lull(r);
	if (_i == 0) {
		ck_assert_int_eq(send(offer.connection, "xx", 2, 0), 2);
	} else if (_i == 1) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &(int){0}, sizeof(int));
		ck_assert_int_eq(sendmsg(offer.connection, &message, 0), 1);
	} else {
		for (i = 0; i < 100; i++)
			ck_assert_int_eq(send(offer.connection, "x", 1, 0), 1);
	}
	ck_assert_int_eq(bell_share_reader_arm(r), -EPROTO);
	expect_none(r, -EPROTO);
	leave_stranger(r);
}

START_TEST(a_writer_that_scribbles_gives_its_reader_anything_but_a_fault_or_a_hang)
{
	struct bell_share_reader *r = reader_of_stranger((uint32_t)_i, 0);
	uint64_t state = 5, i;
	char buf[CAPACITY];
	ssize_t n;

	for (i = 0; i < 100000; i++) {
		((uint8_t *)offer.stream)[128 + dice(&state) % 20] = (uint8_t)dice(&state);
		((uint8_t *)offer.seat)[dice(&state) % sizeof(*offer.seat)] = (uint8_t)dice(&state);
		n = bell_share_reader_read(r, buf, sizeof(buf));
		ck_assert_int_le(n, CAPACITY);
		(void)!bell_share_reader_arm(r);
		if (n == -EPROTO) {
			break;
		}
	}
	leave_stranger(r);
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe hostile");
	TCase *tc = shares_case(s, "share pipe hostile", 30);

	tcase_add_loop_test(
		tc, a_position_that_cannot_be_has_the_reader_dropped_and_its_room_freed, 0, 5);
	tcase_add_loop_test(tc, who_never_seems_to_wake_costs_a_byte_a_write_and_no_more, 0, 2);
	tcase_add_loop_test(tc, who_scribbles_at_random_is_dropped_or_changes_nothing, 0, 2);
	tcase_add_test(tc, the_stream_can_be_mapped_to_read_and_not_to_write);
	tcase_add_test(tc, memory_and_headers_that_are_not_a_pipes_are_refused);
	tcase_add_loop_test(tc, a_tail_that_cannot_be_is_a_breach_and_stays_one, 0, 8);
	tcase_add_loop_test(tc, an_error_that_is_none_is_a_breach, 0, 6);
	tcase_add_loop_test(tc, what_is_no_wake_is_a_breach, 0, 3);
	tcase_add_loop_test(
		tc, a_writer_that_scribbles_gives_its_reader_anything_but_a_fault_or_a_hang, 0, 2);
	return runner_run(s);
}
