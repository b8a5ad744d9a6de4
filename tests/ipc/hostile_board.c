/* SPDX-License-Identifier: MIT
 *
 * Receivers that hand over a board as no receiver of this library makes it, or that write anything to it
 * later. An observer refuses the one, keeps no descriptor of it, and shows the other without leaving its
 * bounds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ipc/board.h"
#include "ipc/layout.h"
#include "shares.h"

static struct bell_observer *observer_of(const char *name)
{
	struct bell_observer *o = NULL;

	ck_assert_int_eq(bell_observer_new(&o, shares_dir, name), 0);
	return o;
}

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE };

/* What an observer says to a receiver that hands over these. */
static int answer_with(
	struct bell__hello hello, const int *fds, int n, struct bell_observer **ret_o)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd, r, i;
	struct bell_share_stats stats;
	struct bell_observer *o;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/x", shares_dir);
	unlink(address.sun_path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	o = observer_of("x");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (n) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		control.align.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, (size_t)n * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fd, &message, MSG_NOSIGNAL), sizeof(hello));
	close(listener);
	r = bell_observer_read(o, &stats);
	if (ret_o)
		*ret_o = o;
	else
		bell_observer_free(o);
	close(fd);
	for (i = 0; i < n; i++)
		close(fds[i]);
	return r;
}

static const struct bell__hello sound = {
	.magic = BELL__LAYOUT_MAGIC, .version = BELL__LAYOUT_VERSION};

static int memory_of(const struct bell__board *header, uint64_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(pwrite(fd, header, sizeof(*header), 0), sizeof(*header));
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(a_board_that_could_be_cut_off_or_is_not_what_it_says_is_refused)
{
	const struct bell__board header = bell__board_of(10);
	const uint64_t room = bell__board_room(&header);
	struct bell__board forged;
	size_t i;

	ck_assert_int_eq(answer_with(sound, (int[]){memory_of(&header, room, SEALS)}, 1, NULL), 0);
	ck_assert_int_eq(
		answer_with(sound, (int[]){memory_of(&header, room, 0)}, 1, NULL), -EPROTO);
	ck_assert_int_eq(
		answer_with(
			sound, (int[]){memory_of(&header, room, SEALS & ~F_SEAL_SHRINK)}, 1, NULL),
		-EPROTO);
	ck_assert_int_eq(
		answer_with(sound,
			(int[]){memory_of(&header, room, SEALS & ~F_SEAL_FUTURE_WRITE)}, 1, NULL),
		-EPROTO);
	ck_assert_int_eq(
		answer_with(sound, (int[]){memory_of(&header, room - 1, SEALS)}, 1, NULL), -EPROTO);
	ck_assert_int_eq(
		answer_with(sound, (int[]){open("/dev/zero", O_RDWR | O_CLOEXEC)}, 1, NULL),
		-EPROTO);
	ck_assert_int_eq(answer_with(sound, NULL, 0, NULL), -EPROTO);
	ck_assert_int_eq(
		answer_with(sound,
			(int[]){memory_of(&header, room, SEALS), memory_of(&header, room, SEALS)},
			2, NULL),
		-EPROTO);
	ck_assert_int_eq(answer_with((struct bell__hello){.magic = 1}, NULL, 0, NULL), -EPROTO);
	for (i = 0; i < 6; i++) {
		forged = header;
		forged.magic += i == 0;
		forged.version += i == 1;
		forged.max_peers = i == 2 ? 0 : i == 3 ? 100000 : header.max_peers;
		forged.blocks_at += i == 4 ? 64 : 0;
		forged.size += i == 5 ? 64 : 0;
		ck_assert_int_eq(
			answer_with(sound, (int[]){memory_of(&forged, room, SEALS)}, 1, NULL),
			-EPROTO);
	}
}

START_TEST(a_board_that_changes_under_the_observer_is_read_within_its_bounds)
{
	const struct bell__board header = bell__board_of(10);
	const size_t room = (size_t)bell__board_room(&header);
	const int memory = memory_of(&header, room, 0);
	struct bell__board *ours =
		mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	const struct bell__board forged = bell__board_of(1000);
	struct bell_share_peer_stats row;
	struct bell_observer *o;

	ck_assert_ptr_ne(ours, MAP_FAILED);
	ck_assert_int_eq(fcntl(memory, F_ADD_SEALS, SEALS), 0);
	ck_assert_int_eq(answer_with(sound, (int[]){memory}, 1, &o), 0);
	memcpy(ours, &forged, sizeof(forged));
	ck_assert_int_eq(bell_observer_peer(o, 10, &row), -EINVAL);
	ck_assert_int_eq(bell_observer_peer(o, 9, &row), -ENOENT);
	/* Being written for ever: it is not waited for. */
	ours->blocks[10].version = 1;
	ck_assert_int_eq(bell_observer_peer(o, 9, &row), -EAGAIN);
	munmap(ours, room);
	bell_observer_free(o);
}

int main(void)
{
	Suite *s = suite_create("ipc hostile board");
	TCase *tc = shares_case(s, "hostile_board", 60);

	tcase_add_test(tc, a_board_that_could_be_cut_off_or_is_not_what_it_says_is_refused);
	tcase_add_test(tc, a_board_that_changes_under_the_observer_is_read_within_its_bounds);
	return runner_run(s);
}
