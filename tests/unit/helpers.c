/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#include "helpers.h"

struct bell_queue *queue_of(uint32_t capacity, unsigned flags)
{
	struct bell_queue *q = NULL;

	ck_assert_int_eq(bell_queue_new(&q, capacity, flags), 0);
	ck_assert_ptr_nonnull(q);
	return q;
}

struct bell_queue_stats stats_of(const struct bell_queue *q)
{
	struct bell_queue_stats stats;

	bell_queue_stats(q, &stats);
	return stats;
}

void expect_tokens(struct bell_queue *q, const uint32_t *tokens, size_t n)
{
	uint32_t polled[256];
	size_t i, got = bell_queue_poll(q, polled, 256);

	ck_assert_uint_eq(got, n);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(polled[i], tokens[i]);
}

void expect_nothing(struct bell_queue *q)
{
	uint32_t token;

	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 0);
}

uint64_t fd_count(int fd)
{
	char path[64], line[128];
	uint64_t count = UINT64_MAX;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	ck_assert_ptr_nonnull(info);
	while (fgets(line, sizeof(line), info))
		if (sscanf(line, "eventfd-count: %" SCNx64, &count) == 1)
			break;
	fclose(info);
	ck_assert_uint_ne(count, UINT64_MAX);
	return count;
}

bool fd_readable(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};

	return poll(&look, 1, 0) == 1 && look.revents & POLLIN;
}

int loop_watching(const struct bell_queue *q)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(epfd, 0);
	if (bell_queue_flags(q) & BELL_QUEUE_EDGE)
		ev.events |= EPOLLET;
	ck_assert_int_eq(epoll_ctl(epfd, EPOLL_CTL_ADD, bell_queue_fd(q), &ev), 0);
	return epfd;
}

int loop_events(int epfd)
{
	struct epoll_event events[4];

	return epoll_wait(epfd, events, 4, 0);
}

pthread_t spawn(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

void join(pthread_t thread)
{
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

void sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

uint32_t dice(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}
