/* SPDX-License-Identifier: MIT
 *
 * What the bell relies on in eventfd(2): sizes, the counter and its end, and who does not show on it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

static const uint64_t most = UINT64_MAX - 1;

static int counter(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void add(int fd, uint64_t value)
{
	ck_assert_int_eq(write(fd, &value, sizeof(value)), sizeof(value));
}

static uint64_t take(int fd)
{
	uint64_t value = 0;

	ck_assert_int_eq(read(fd, &value, sizeof(value)), sizeof(value));
	return value;
}

START_TEST(a_write_takes_eight_bytes_and_refuses_fewer)
{
	const uint64_t five = 5;
	int fd = counter();
	size_t n;

	for (n = 0; n < 8; n++) {
		ck_assert_int_eq(write(fd, &five, n), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert_int_eq(write(fd, &five, 8), 8); /* more: up to the kernel's version */
	ck_assert_uint_eq(fd_count(fd), 5);
	close(fd);
}

START_TEST(a_read_gives_eight_bytes_and_refuses_fewer)
{
	uint64_t two[2] = {1, 1};
	int fd = counter();
	size_t n;

	add(fd, 3);
	for (n = 0; n < 8; n++) {
		ck_assert_int_eq(read(fd, two, n), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert_int_eq(read(fd, two, 16), 8);
	ck_assert_uint_eq(two[0], 3);
	ck_assert_uint_eq(two[1], 1);
	close(fd);
}

START_TEST(a_read_takes_all_writes_at_once_and_of_nothing_is_eagain)
{
	uint64_t value = 4711;
	int fd = counter(), i;

	for (i = 0; i < 1000; i++)
		add(fd, 1);
	ck_assert_uint_eq(take(fd), 1000);
	ck_assert_int_eq(read(fd, &value, sizeof(value)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(value, 4711);
	close(fd);
}

START_TEST(a_full_counter_refuses_with_eagain_and_stays_readable)
{
	const uint64_t one = 1, all_ones = UINT64_MAX;
	int fd = counter();

	ck_assert_int_eq(write(fd, &all_ones, sizeof(all_ones)), -1);
	ck_assert_int_eq(errno, EINVAL);
	add(fd, most);
	ck_assert_int_eq(write(fd, &one, sizeof(one)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(fd_readable(fd));
	ck_assert_uint_eq(take(fd), most);
	add(fd, 1);
	ck_assert_uint_eq(take(fd), 1);
	close(fd);
}

/* One short of full, the write of 1 still goes; so only a counter at its maximum is refused. */
START_TEST(the_last_place_of_the_counter_can_be_used)
{
	int fd = counter();

	add(fd, most - 1);
	add(fd, 1);
	ck_assert_uint_eq(fd_count(fd), most);
	close(fd);
}

START_TEST(the_counter_stands_in_fdinfo_and_looking_does_not_take_it)
{
	int fd = counter();

	ck_assert_uint_eq(fd_count(fd), 0);
	add(fd, 0xabcdef);
	ck_assert_uint_eq(fd_count(fd), 0xabcdef);
	ck_assert_uint_eq(fd_count(fd), 0xabcdef);
	ck_assert_uint_eq(take(fd), 0xabcdef);
	ck_assert_uint_eq(fd_count(fd), 0);
	close(fd);
}

static short events_of(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	ck_assert_int_ge(poll(&look, 1, 0), 0);
	return look.revents;
}

START_TEST(the_death_of_a_reader_does_not_show)
{
	int fd = counter(), status;
	pid_t reader = fork();

	ck_assert_int_ge(reader, 0);
	if (reader == 0) {
		struct pollfd look = {.fd = fd, .events = POLLIN};

		(void)poll(&look, 1, -1);
		_exit(0);
	}
	ck_assert_int_eq(kill(reader, SIGKILL), 0);
	ck_assert_int_eq(waitpid(reader, &status, 0), reader);
	ck_assert_int_eq(events_of(fd), POLLOUT); /* no POLLHUP, no POLLERR */
	add(fd, 1);
	ck_assert_int_eq(events_of(fd), POLLIN | POLLOUT);
	close(fd);
}

START_TEST(an_eventfd_cannot_be_opened_through_proc)
{
	int fd = counter();
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ck_assert_int_eq(open(path, O_RDWR | O_CLOEXEC), -1);
	ck_assert(errno == ENXIO || errno == EACCES);
	close(fd);
}

static void *write_one(void *fd)
{
	const uint64_t one = 1;

	return (void *)(intptr_t)(write(*(int *)fd, &one, sizeof(one)) != sizeof(one));
}

START_TEST(a_write_ends_a_blocked_poll)
{
	int fd = counter(), round;
	size_t wrong = 0;

	for (round = 0; round < 100; round++) {
		struct pollfd look = {.fd = fd, .events = POLLIN};
		pthread_t writer = spawn(write_one, &fd);

		wrong += ppoll(&look, 1, NULL, NULL) != 1 || look.revents != POLLIN;
		join(writer);
		wrong += take(fd) != 1;
	}
	ck_assert_uint_eq(wrong, 0);
	close(fd);
}

int main(void)
{
	Suite *s = suite_create("kernel eventfd");
	TCase *tc = runner_case(s, "kernel eventfd", 30);

	tcase_add_test(tc, a_write_takes_eight_bytes_and_refuses_fewer);
	tcase_add_test(tc, a_read_gives_eight_bytes_and_refuses_fewer);
	tcase_add_test(tc, a_read_takes_all_writes_at_once_and_of_nothing_is_eagain);
	tcase_add_test(tc, a_full_counter_refuses_with_eagain_and_stays_readable);
	tcase_add_test(tc, the_last_place_of_the_counter_can_be_used);
	tcase_add_test(tc, the_counter_stands_in_fdinfo_and_looking_does_not_take_it);
	tcase_add_test(tc, the_death_of_a_reader_does_not_show);
	tcase_add_test(tc, an_eventfd_cannot_be_opened_through_proc);
	tcase_add_test(tc, a_write_ends_a_blocked_poll);
	return runner_run(s);
}
