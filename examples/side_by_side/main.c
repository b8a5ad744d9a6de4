/* SPDX-License-Identifier: MIT
 *
 * main.c: the four ways after each other, several times over; for each its quickest round, with what that
 * took in system calls, and how long results waited for the loop. Calls are counted by standing in the way
 * of libc's functions, for libuv; waiting for a mutex is one too, and shows only among the sleeps.
 *
 * What to expect: the bell's results are received sooner, and pay for it with more wake-ups, where the
 * loop is so quick that it sleeps after each; who can wait a millisecond polls on a tick, for nothing. The
 * last line of a table has that trade in numbers. libuv's loop waits by sched_yield() for a thread that was
 * preempted within uv_async_send(), which is usual, as the write there wakes the loop: results then pile
 * up for a slice of the scheduler's, and cost less each.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <doorbell/atomic.h>

#include "work.h"

enum { ROUNDS = 5, WAYS = 4, RIVAL = 0, BELL = 2 };

static uint64_t writes, reads, waits, yields;

ssize_t write(int fd, const void *bytes, size_t n)
{
	(void)bell_fetch_add_relaxed(&writes, 1);
	return syscall(SYS_write, fd, bytes, n);
}

ssize_t read(int fd, void *bytes, size_t n)
{
	(void)bell_fetch_add_relaxed(&reads, 1);
	return syscall(SYS_read, fd, bytes, n);
}

int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
	(void)bell_fetch_add_relaxed(&waits, 1);
	return (int)syscall(SYS_epoll_pwait, fd, events, n, timeout, mask, 8);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	return epoll_pwait(fd, events, n, timeout, NULL);
}

int sched_yield(void)
{
	(void)bell_fetch_add_relaxed(&yields, 1);
	return (int)syscall(SYS_sched_yield);
}

void count_calls(uint64_t more_writes, uint64_t more_reads)
{
	(void)bell_fetch_add_relaxed(&writes, more_writes);
	(void)bell_fetch_add_relaxed(&reads, more_reads);
}

static uint64_t results[JOBS], done_at[JOBS], sum, delay;
static int size; /* of a job */

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void work_on(uint32_t job)
{
	uint64_t x = job + 1;
	int i;

	for (i = 0; i < size; i++)
		x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
	results[job] = x;
	done_at[job] = nanoseconds();
}

void receive(uint32_t job)
{
	sum += results[job];
	delay += nanoseconds() - done_at[job];
}

struct figures {
	uint64_t ns, delay, writes, reads, waits, yields;
	long sleeps; /* of all threads */
};

static struct figures now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct figures){nanoseconds(), delay, bell_load_relaxed(&writes),
		bell_load_relaxed(&reads), bell_load_relaxed(&waits), bell_load_relaxed(&yields),
		usage.ru_nvcsw};
}

/* Keeps the figures of the quickest round. */
static void measure(void (*way)(void), struct figures *best)
{
	const struct figures a = now();
	struct figures b;

	way();
	b = now();
	if (best->ns == 0 || best->ns > b.ns - a.ns)
		*best = (struct figures){b.ns - a.ns, b.delay - a.delay, b.writes - a.writes,
			b.reads - a.reads, b.waits - a.waits, b.yields - a.yields,
			b.sleeps - a.sleeps};
}

static const struct {
	const char *name;
	void (*way)(void);
} ways[WAYS] = {
	{"uv_async_t per worker", async_per_worker},
	{"uv_queue_work", thread_pool},
	{"bell", bell},
	{"bell, on a tick", bell_on_a_tick},
};

/* All ways, with jobs of one size. Returns whether all received all. */
static int compare(void)
{
	struct figures best[WAYS] = {{0}}, *f;
	uint64_t expected = 0, began = nanoseconds();
	int right = 1, round, i;

	for (i = 0; i < JOBS; i++) {
		work_on((uint32_t)i);
		expected += results[i];
	}
	printf("%d jobs of %.1f us\n", JOBS, (double)(nanoseconds() - began) / 1e3 / JOBS);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < WAYS; i++) {
			sum = 0;
			measure(ways[i].way, &best[i]);
			right &= sum == expected;
		}
	}
	for (i = 0; i < WAYS; i++) {
		f = &best[i];
		printf("  %-22s %8.1f %10.1f %7ju %7ju %7ju %7ju %7ld\n", ways[i].name,
			(double)f->ns / 1e6, (double)f->delay / 1e3 / JOBS, (uintmax_t)f->writes,
			(uintmax_t)f->reads, (uintmax_t)f->waits, (uintmax_t)f->yields, f->sleeps);
	}
	printf("  The bell rang %ju times, not %ju; a result waited %.0f us, not %.0f.\n",
		(uintmax_t)best[BELL].writes, (uintmax_t)best[RIVAL].writes,
		(double)best[BELL].delay / 1e3 / JOBS, (double)best[RIVAL].delay / 1e3 / JOBS);
	return right;
}

int main(void)
{
	int right;

	setenv("UV_THREADPOOL_SIZE", "2", 1); /* WORKERS */
	printf("%d threads %25s %10s %7s %7s %7s %7s %7s\n", WORKERS, "ms", "delay, us", "write",
		"read", "epoll", "yield", "sleeps");
	size = 500;
	right = compare();
	size = 30000;
	return compare() && right ? 0 : 1;
}
