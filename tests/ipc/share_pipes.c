/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <sys/socket.h>

#include "share_pipes.h"

struct bell_share_pipe *pipe_of(uint32_t policy, size_t capacity)
{
	const struct bell_pipe_options options = {
		.capacity = capacity, .policy = policy, .max_readers = 4};
	struct bell_share_pipe *p = NULL;

	ck_assert_int_eq(bell_share_pipe_new(&p, shares_dir, "x", &options, NULL), 0);
	return p;
}

struct bell_share_pipe_stats pipe_stats_of(const struct bell_share_pipe *p)
{
	struct bell_share_pipe_stats stats;

	bell_share_pipe_stats(p, &stats);
	return stats;
}

struct attaching {
	struct bell_share_reader *reader;
	int result;
	uint32_t done;
};

static void *attach_thread(void *userdata)
{
	struct attaching *a = userdata;

	a->result = bell_share_reader_connect(&a->reader, shares_dir, "x", PATIENCE);
	bell_store_release(&a->done, 1);
	return NULL;
}

static struct attaching attach(struct bell_share_pipe *p)
{
	struct attaching a = {.reader = NULL};
	pthread_t thread = spawn(attach_thread, &a);

	while (!bell_load_acquire(&a.done)) {
		ck_assert_int_ge(bell_share_pipe_serve(p), 0);
		sched_yield();
	}
	join(thread);
	return a;
}

struct bell_share_reader *reader_of(struct bell_share_pipe *p)
{
	struct attaching a = attach(p);

	ck_assert_int_eq(a.result, 0);
	return a.reader;
}

int reader_refused(struct bell_share_pipe *p)
{
	struct attaching a = attach(p);

	ck_assert_ptr_null(a.reader);
	return a.result;
}

void put(struct bell_share_pipe *p, const char *text)
{
	ck_assert_int_eq(
		bell_share_pipe_write(p, text, strlen(text), 0), (ssize_t)strlen(text));
}

void expect_read(struct bell_share_reader *r, size_t len, const char *text)
{
	char buf[256];

	memset(buf, '#', sizeof(buf));
	ck_assert_int_eq(bell_share_reader_read(r, buf, len), (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(buf, text, strlen(text)), 0);
	ck_assert_int_eq(buf[strlen(text)], '#');
}

void expect_none(struct bell_share_reader *r, ssize_t said)
{
	char buf[4] = "####";

	ck_assert_int_eq(bell_share_reader_read(r, buf, sizeof(buf)), said);
	ck_assert_int_eq(memcmp(buf, "####", 4), 0);
}

void serve_until(struct bell_share_pipe *p, int readers)
{
	const int64_t limit = runner_now() + PATIENCE;

	while (bell_share_pipe_serve(p) != readers) {
		ck_assert_int_lt(runner_now(), limit);
		sched_yield();
	}
}

void lull(struct bell_share_reader *r)
{
	int turns = 100;

	do {
		expect_none(r, -EAGAIN);
		ck_assert_int_gt(turns--, 0);
	} while (bell_share_reader_arm(r) == 0);
	ck_assert(!fd_readable(bell_share_reader_fd(r)));
}

void fill_bytes(uint8_t *buf, uint64_t position, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = byte_at(position + i);
}

size_t wrong_bytes(const uint8_t *buf, uint64_t position, size_t n)
{
	size_t i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong += buf[i] != byte_at(position + i);
	return wrong;
}

struct bell_share_reader *child_attach(void)
{
	struct bell_share_reader *r;
	const int error = bell_share_reader_connect(&r, shares_dir, "x", PATIENCE);

	if (error)
		_exit(-error);
	return r;
}

static int gate[2];

void open_gate(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate), 0);
}

void close_gate(void)
{
	close(gate[0]);
	close(gate[1]);
}

void pass(int side)
{
	if (write(gate[side], "x", 1) != 1)
		abort();
}

void await(int side)
{
	char byte;

	if (read(gate[side], &byte, 1) != 1)
		abort();
}
