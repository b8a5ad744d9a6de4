/* SPDX-License-Identifier: MIT
 *
 * Receivers that hand over what no receiver of this library does: memory that could be cut off, forged
 * headers, descriptors that are no eventfd, too few of them or too many, nonsense, or nothing. A peer
 * is refused by each with an error, keeps no descriptor, and has written to none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ipc/layout.h"
#include "shares.h"

enum { CAPACITY = 100, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* What is said to who connects. */
static struct offer {
	struct bell__hello hello;
	size_t length;
	int fds[4];
	int count;
} offer;

static int listener;

static struct bell__hello hello_of(int error)
{
	return (struct bell__hello){
		.magic = BELL__LAYOUT_MAGIC, .version = BELL__LAYOUT_VERSION, .error = error};
}

static int memory_of(const struct bell__layout *header, uint64_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(pwrite(fd, header, sizeof(*header), 0), sizeof(*header));
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int bell_of(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void listen_as(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", shares_dir, name);
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

static void *answer(void *userdata)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(offer.fds))];
	} control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec text = {.iov_base = &offer.hello, .iov_len = offer.length};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)userdata;
	if (offer.count) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE((size_t)offer.count * sizeof(int));
		control.align.cmsg_len = CMSG_LEN((size_t)offer.count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), offer.fds, (size_t)offer.count * sizeof(int));
	}
	if (offer.length && sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		abort();
	return (void *)(intptr_t)fd;
}

/* What connect says to the offer. The descriptors are closed then, or the caller is given the
 * connection. */
static int try_offer(struct bell_peer **ret_p, int64_t timeout, int *ret_connection)
{
	void *connection;
	pthread_t thread;
	int r, i;

	thread = spawn(answer, NULL);
	r = bell_peer_connect(ret_p, shares_dir, "x", timeout);
	ck_assert_int_eq(pthread_join(thread, &connection), 0);
	if (ret_connection) {
		*ret_connection = (int)(intptr_t)connection;
		return r;
	}
	close((int)(intptr_t)connection);
	for (i = 0; i < offer.count; i++)
		close(offer.fds[i]);
	return r;
}

static int answer_to(struct offer o)
{
	struct bell_peer *p = NULL;
	int r;

	offer = o;
	r = try_offer(&p, SECOND / 5, NULL);
	ck_assert(r != 0 || p);
	bell_peer_free(p);
	return r;
}

#define OFFER(...)                \
	answer_to((struct offer){ \
		.hello = hello_of(0), .length = sizeof(struct bell__hello), __VA_ARGS__})

START_TEST(what_a_sound_receiver_hands_over_is_accepted)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);

	listen_as("x");
	ck_assert_int_eq(
		OFFER(.fds = {memory_of(&header, bell__layout_room(&header), SEALS), bell_of()},
			.count = 2),
		0);
	close(listener);
}

START_TEST(memory_that_could_be_cut_off_or_is_too_short_is_refused)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);
	const uint64_t room = bell__layout_room(&header);
	const int seals[] = {0, SEALS & ~F_SEAL_SHRINK, SEALS & ~F_SEAL_GROW, SEALS & ~F_SEAL_SEAL,
		SEALS | F_SEAL_WRITE};
	char path[128];
	size_t i;
	int fd;

	listen_as("x");
	for (i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
		ck_assert_int_eq(
			OFFER(.fds = {memory_of(&header, room, seals[i]), bell_of()}, .count = 2),
			-EPROTO);
	ck_assert_int_eq(OFFER(.fds = {memory_of(&header, room - 1, SEALS), bell_of()}, .count = 2),
		-EPROTO);
	ck_assert_int_eq(
		OFFER(.fds = {memory_of(&header, 256, SEALS), bell_of()}, .count = 2), -EPROTO);
	ck_assert_int_eq(OFFER(.fds = {bell_of(), bell_of()}, .count = 2), -EPROTO);
	snprintf(path, sizeof(path), "%s/file", shares_dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, (off_t)room), 0);
	ck_assert_int_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	ck_assert_int_eq(OFFER(.fds = {fd, bell_of()}, .count = 2), -EPROTO);
	close(listener);
}

START_TEST(a_forged_header_is_refused)
{
	struct bell__layout forged;
	int i;

	listen_as("x");
	for (i = 0; i < 8; i++) {
		forged = bell__layout_of(CAPACITY);
		forged.magic += i == 0;
		forged.version += i == 1;
		forged.capacity += i == 2;
		forged.capacity *= i != 3;
		forged.ring_size *= i == 4 ? 2 : 1;
		forged.flags_at -= i == 5;
		forged.slots_at -= i == 6;
		forged.capacity |= i == 7 ? UINT32_C(1) << 31 : 0;
		ck_assert_int_eq(
			OFFER(.fds = {memory_of(&forged, 1 << 20, SEALS), bell_of()}, .count = 2),
			-EPROTO);
	}
	close(listener);
}

/* A regular file in the place of the bell: what it says must not be written over. */
START_TEST(a_bell_that_is_no_eventfd_is_refused_and_never_written_to)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);
	char path[128], text[16] = "";
	int fd, pair[2];

	listen_as("x");
	snprintf(path, sizeof(path), "%s/anon_inode:[eventfd]", shares_dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, "precious data", 13), 13);
	ck_assert_int_eq(
		OFFER(.fds = {memory_of(&header, bell__layout_room(&header), SEALS), dup(fd)},
			.count = 2),
		-EPROTO);
	ck_assert_int_eq(pread(fd, text, sizeof(text), 0), 13);
	ck_assert_str_eq(text, "precious data");
	close(fd);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_assert_int_eq(
		OFFER(.fds = {memory_of(&header, bell__layout_room(&header), SEALS), pair[1]},
			.count = 2),
		-EPROTO);
	close(pair[0]);
	close(listener);
}

START_TEST(too_few_or_too_many_descriptors_are_refused_and_closed)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);
	const uint64_t room = bell__layout_room(&header);

	listen_as("x");
	ck_assert_int_eq(OFFER(.count = 0), -EPROTO);
	ck_assert_int_eq(OFFER(.fds = {memory_of(&header, room, SEALS)}, .count = 1), -EPROTO);
	ck_assert_int_eq(
		OFFER(.fds = {memory_of(&header, room, SEALS), bell_of(), bell_of()}, .count = 3),
		-EPROTO);
	close(listener);
}

START_TEST(nonsense_and_silence_are_refused)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);
	struct offer o = {.hello = hello_of(0), .length = 3};

	listen_as("x");
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.length = sizeof(o.hello);
	o.hello.version = 2;
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.hello = hello_of(-EAGAIN);
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.hello = hello_of(-100000);
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.hello = hello_of(5);
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.hello = hello_of(-EUSERS);
	ck_assert_int_eq(answer_to(o), -EUSERS);
	o.fds[0] = memory_of(&header, bell__layout_room(&header), SEALS); /* an error, and descriptors */
	o.fds[1] = bell_of();
	o.count = 2;
	ck_assert_int_eq(answer_to(o), -EPROTO);
	o.count = 0;
	o.length = 0;
	ck_assert_int_eq(answer_to(o), -ETIMEDOUT);
	close(listener);
}

/* Its memory is the receiver's as much as the peer's: what it does there is no reason to fault or hang. */
START_TEST(a_receiver_that_scribbles_or_fills_the_bell_stops_nobody)
{
	const struct bell__layout header = bell__layout_of(CAPACITY);
	const uint64_t full = UINT64_MAX - 1;
	struct bell_peer *p = NULL;
	struct bell__layout *shared;
	uint64_t state = 1;
	uint32_t i, seed;
	int connection = -1;

	listen_as("x");
	offer = (struct offer){.hello = hello_of(0),
		.length = sizeof(struct bell__hello),
		.count = 2,
		.fds = {memory_of(&header, bell__layout_room(&header), SEALS), bell_of()}};
	ck_assert_int_eq(try_offer(&p, SECOND, &connection), 0);
	shared = mmap(NULL, header.size, PROT_READ | PROT_WRITE, MAP_SHARED, offer.fds[0], 0);
	ck_assert(shared != MAP_FAILED);
	ck_assert_int_eq(write(offer.fds[1], &full, sizeof(full)), sizeof(full));
	ck_assert_int_eq(fcntl(offer.fds[1], F_SETFL, 0), 0); /* a write would block now */
	for (i = 0; i < 100000; i++) {
		seed = dice(&state);
		if (i % 16 == 0)
			memset((uint8_t *)shared + seed % (header.size - 64), (int)seed >> 8, 64);
		shared->tail = (uint64_t)seed << 32 | dice(&state) | BELL__ARMED;
		shared->closed = 0;
		ck_assert_int_ge(bell_peer_notify(p, seed % CAPACITY), 0);
	}
	munmap(shared, header.size);
	bell_peer_free(p);
	close(offer.fds[0]);
	close(offer.fds[1]);
	close(listener);
	close(connection);
}

int main(void)
{
	Suite *s = suite_create("ipc hostile receiver");
	TCase *tc = shares_case(s, "hostile receiver", 30);

	tcase_add_test(tc, what_a_sound_receiver_hands_over_is_accepted);
	tcase_add_test(tc, memory_that_could_be_cut_off_or_is_too_short_is_refused);
	tcase_add_test(tc, a_forged_header_is_refused);
	tcase_add_test(tc, a_bell_that_is_no_eventfd_is_refused_and_never_written_to);
	tcase_add_test(tc, too_few_or_too_many_descriptors_are_refused_and_closed);
	tcase_add_test(tc, nonsense_and_silence_are_refused);
	tcase_add_test(tc, a_receiver_that_scribbles_or_fills_the_bell_stops_nobody);
	return runner_run(s);
}
