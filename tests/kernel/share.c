/* SPDX-License-Identifier: MIT
 *
 * What src/ipc relies on: reading an eventfd that cannot be made to block, asking after a name without
 * being seen, a socket that may be renamed, memory that cannot be cut off.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "helpers.h"

static long read_nowait(int fd, uint64_t *ret)
{
	struct iovec text = {.iov_base = ret, .iov_len = sizeof(*ret)};

	return syscall(SYS_preadv2, fd, &text, 1L, -1L, -1L, RWF_NOWAIT);
}

START_TEST(an_eventfd_that_another_made_blocking_is_read_without_blocking)
{
	int fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK), other = dup(fd);
	uint64_t count = 0;

	ck_assert_int_eq(fcntl(other, F_SETFL, 0), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* it belongs to both */
	ck_assert_int_eq(read_nowait(fd, &count), 8);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(read_nowait(fd, &count), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
	close(other);
}

START_TEST(an_eventfd_is_known_by_its_link_and_a_full_one_has_no_room)
{
	struct pollfd bell = {
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN | POLLOUT};
	char link[64], text[64] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", bell.fd);
	ck_assert_int_gt(readlink(link, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "anon_inode:[eventfd]");
	ck_assert_int_eq(poll(&bell, 1, 0), 1);
	ck_assert_int_eq(bell.revents, POLLOUT);
	ck_assert_int_eq(eventfd_write(bell.fd, UINT64_MAX - 1), 0);
	ck_assert_int_eq(poll(&bell, 1, 0), 1);
	ck_assert_int_eq(bell.revents, POLLIN);
	close(bell.fd);
}

static int ask(const struct sockaddr_un *address, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	return error;
}

START_TEST(a_name_is_renamed_and_asked_after_without_being_seen)
{
	char dir[] = P_tmpdir "/doorbell.XXXXXX";
	struct sockaddr_un first = {.sun_family = AF_UNIX}, second = first;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(first.sun_path, sizeof(first.sun_path), "%s/a", dir);
	snprintf(second.sun_path, sizeof(second.sun_path), "%s/b", dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&first, sizeof(first)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(rename(first.sun_path, second.sun_path), 0);
	ck_assert_int_eq(ask(&second, SOCK_DGRAM), EPROTOTYPE); /* somebody is there */
	ck_assert_int_eq(accept(fd, NULL, NULL), -1);		/* and has not seen it */
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(ask(&second, SOCK_SEQPACKET), 0);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(ask(&second, SOCK_DGRAM), ECONNREFUSED);
	unlink(second.sun_path);
	rmdir(dir);
}

START_TEST(sealed_memory_keeps_its_size_and_its_seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, 65536), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 131072), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	close(fd);
}

int main(void)
{
	Suite *s = suite_create("kernel share");
	TCase *tc = runner_case(s, "kernel share", 60);

	tcase_add_test(tc, an_eventfd_that_another_made_blocking_is_read_without_blocking);
	tcase_add_test(tc, an_eventfd_is_known_by_its_link_and_a_full_one_has_no_room);
	tcase_add_test(tc, a_name_is_renamed_and_asked_after_without_being_seen);
	tcase_add_test(tc, sealed_memory_keeps_its_size_and_its_seals);
	return runner_run(s);
}
