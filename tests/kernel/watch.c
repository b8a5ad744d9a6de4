/* SPDX-License-Identifier: MIT
 *
 * What observers and watches rely on: a socket's name that comes with its connection, a connection that
 * ends with a listener that never accepted it, seals that spare the mapping before them, and a
 * directory's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "helpers.h"

static char dir[64];

static void make_dir(void)
{
	strcpy(dir, P_tmpdir "/doorbell.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/x", dir);
	unlink(path);
	rmdir(dir);
}

static int socket_of(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static struct sockaddr_un address_of(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/x", dir);
	return address;
}

static int listener_of(void)
{
	struct sockaddr_un address = address_of();
	int fd = socket_of();

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static int dial(bool named)
{
	struct sockaddr_un address = address_of();
	const struct sockaddr_un self = {.sun_family = AF_UNIX};
	int fd = socket_of();

	if (named)
		ck_assert_int_eq(
			bind(fd, (const struct sockaddr *)&self, sizeof(self.sun_family)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(a_connection_is_accepted_with_the_name_of_its_socket_even_when_that_has_gone)
{
	int listener = listener_of(), i;

	for (i = 0; i < 4; i++) {
		struct sockaddr_un from;
		socklen_t size = sizeof(from);
		int fd = dial(i & 1), accepted;

		if (i & 2)
			close(fd);
		accepted = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
		ck_assert_int_ge(accepted, 0);
		ck_assert_int_eq(size > sizeof(from.sun_family), i & 1);
		close(accepted);
		if (!(i & 2))
			close(fd);
	}
	close(listener);
}

START_TEST(a_connection_that_was_never_accepted_ends_with_the_listener)
{
	int listener = listener_of(), fd = dial(true);
	struct pollfd watched = {.fd = fd, .events = POLLIN};
	char byte;

	ck_assert_int_eq(poll(&watched, 1, 0), 0);
	close(listener);
	ck_assert_int_eq(poll(&watched, 1, 0), 1);
	ck_assert_int_lt(recv(fd, &byte, 1, 0), 1);
	close(fd);
}

START_TEST(a_file_sealed_against_future_writes_is_written_by_the_mapping_before_alone)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *before, *after;

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(before, MAP_FAILED);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	after = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(after, MAP_FAILED);
	before[5] = 'x';
	ck_assert_int_eq(after[5], 'x');
	ck_assert_int_eq(mprotect(after, 4096, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(pwrite(fd, "y", 1, 5), -1);
	munmap(before, 4096);
	munmap(after, 4096);
	close(fd);
}

/* While somebody has it open the directory itself says nothing; its parent does. */
START_TEST(the_end_of_an_open_directory_is_told_by_its_parent)
{
	int own = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
	    parent = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pollfd watched[] = {{.fd = own, .events = POLLIN}, {.fd = parent, .events = POLLIN}};
	struct stat st;
	char path[64];

	ck_assert_int_ge(inotify_add_watch(own, dir, IN_DELETE_SELF), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/..", fd);
	ck_assert_int_ge(inotify_add_watch(parent, path, IN_DELETE), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	(void)poll(watched, 2, 0);
	ck_assert_int_eq(watched[0].revents, 0);
	ck_assert_int_eq(watched[1].revents, POLLIN);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	close(fd);
	close(own);
	close(parent);
}

int main(void)
{
	Suite *s = suite_create("kernel watch");
	TCase *tc = runner_case(s, "watch", 20);

	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	tcase_add_test(
		tc, a_connection_is_accepted_with_the_name_of_its_socket_even_when_that_has_gone);
	tcase_add_test(tc, a_connection_that_was_never_accepted_ends_with_the_listener);
	tcase_add_test(
		tc, a_file_sealed_against_future_writes_is_written_by_the_mapping_before_alone);
	tcase_add_test(tc, the_end_of_an_open_directory_is_told_by_its_parent);
	return runner_run(s);
}
