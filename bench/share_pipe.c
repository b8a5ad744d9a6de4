/* SPDX-License-Identifier: MIT
 *
 * bench/share_pipe.c: one stream to 1 and 3 readers: in processes, beside our pipe to threads, a
 * socketpair for each process, and pipe(2) to one. A sample is the time for a KiB, from the first write
 * until the last reader has all; each reader sums up what it got. Then one byte to and fro, both sides
 * asleep.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"

enum { MOST = 3, CHUNK = 65536, CAPACITY = 262144, KIB = 8192, TURNS = 300 };

static char dir[] = P_tmpdir "/bench-share-pipe.XXXXXX";
static uint8_t bytes[CHUNK];
static int ready[2]; /* a byte for each reader that has attached, and for each that has all */

static void must(bool condition)
{
	if (!condition) {
		perror("bench-share-pipe");
		exit(EXIT_FAILURE);
	}
}

static void tell(void)
{
	must(write(ready[1], "", 1) == 1);
}

static void hear(size_t n)
{
	char byte;

	while (n-- > 0)
		must(read(ready[0], &byte, 1) == 1);
}

/* Keeps a sum from being left out. */
static uint64_t sink;

static void sum_up(const uint8_t *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sink += buf[i];
}

static pid_t child_of(void (*fn)(void *arg), void *arg)
{
	const pid_t parent = getpid();
	pid_t child = fork();

	must(child >= 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	fn(arg);
	_exit(0);
}

/* -- one way --------------------------------------------------------------------------------- */

static void read_fd(void *arg)
{
	static uint8_t buf[CHUNK];
	const int fd = *(int *)arg;
	size_t left = (size_t)KIB * 1024;
	ssize_t n;

	tell();
	for (; left > 0; left -= (size_t)n) {
		n = read(fd, buf, sizeof(buf));
		must(n > 0);
		sum_up(buf, (size_t)n);
	}
	tell();
}

static void read_share(void *arg)
{
	static uint8_t buf[CHUNK];
	struct bell_share_reader *r;
	size_t left = (size_t)KIB * 1024;
	ssize_t n;

	(void)arg;
	must(bell_share_reader_connect(&r, dir, "stream", -1) == 0);
	tell();
	for (; left > 0; left -= (size_t)n) {
		n = bell_share_reader_wait(r, buf, sizeof(buf), -1);
		must(n > 0);
		sum_up(buf, (size_t)n);
	}
	tell();
	(void)poll(NULL, 0, -1); /* leaves when it is killed, so that no write meets its end */
}

static void *read_pipe(void *arg)
{
	uint8_t *buf = malloc(CHUNK);
	size_t left = (size_t)KIB * 1024;
	ssize_t n;

	must(buf != NULL);
	for (; left > 0; left -= (size_t)n) {
		n = bell_reader_wait(arg, buf, CHUNK, -1);
		must(n > 0);
		sum_up(buf, (size_t)n);
	}
	tell();
	free(buf);
	return NULL;
}

static size_t readers_of(const struct bench_row *row)
{
	return (size_t)(uintptr_t)row->state;
}

static void end_of(const pid_t *children, size_t n)
{
	int status;

	while (n-- > 0) {
		kill(children[n], SIGKILL);
		waitpid(children[n], &status, 0);
	}
}

static void with_share_pipe(struct bench_row *row)
{
	const struct bell_pipe_options o = {.capacity = CAPACITY};
	const size_t n = readers_of(row);
	struct bell_share_pipe *p;
	pid_t children[MOST];
	int64_t start;
	size_t i;

	must(bell_share_pipe_new(&p, dir, "stream", &o, NULL) == 0);
	for (i = 0; i < n; i++)
		children[i] = child_of(read_share, NULL);
	while (bell_share_pipe_serve(p) < (int)n)
		bell_pause();
	hear(n);
	start = bench_now();
	for (i = 0; i < KIB * 1024 / CHUNK; i++)
		must(bell_share_pipe_write(p, bytes, CHUNK, -1) == CHUNK);
	hear(n);
	bench_add_since(row, start);
	end_of(children, n);
	bell_share_pipe_free(p);
}

static void with_pipe(struct bench_row *row)
{
	const struct bell_pipe_options o = {.capacity = CAPACITY};
	const size_t n = readers_of(row);
	struct bell_pipe *p;
	struct bell_reader *readers[MOST];
	pthread_t threads[MOST];
	int64_t start;
	size_t i;

	must(bell_pipe_new(&p, &o) == 0);
	for (i = 0; i < n; i++) {
		must(bell_reader_new(&readers[i], p) == 0);
		must(pthread_create(&threads[i], NULL, read_pipe, readers[i]) == 0);
	}
	start = bench_now();
	for (i = 0; i < KIB * 1024 / CHUNK; i++)
		must(bell_pipe_write(p, bytes, CHUNK, -1) == CHUNK);
	hear(n);
	bench_add_since(row, start);
	for (i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		bell_reader_free(readers[i]);
	}
	bell_pipe_free(p);
}

static void write_whole(int fd)
{
	size_t done = 0;
	ssize_t n;

	for (; done < CHUNK; done += (size_t)n) {
		n = write(fd, bytes + done, CHUNK - done);
		must(n > 0);
	}
}

static void with_fds(struct bench_row *row, int (*open)(int *ends))
{
	const size_t n = readers_of(row);
	int ends[MOST][2];
	pid_t children[MOST];
	int64_t start;
	size_t i, k;

	for (k = 0; k < n; k++) {
		must(open(ends[k]) == 0);
		children[k] = child_of(read_fd, &ends[k][0]);
	}
	hear(n);
	start = bench_now();
	for (i = 0; i < KIB * 1024 / CHUNK; i++)
		for (k = 0; k < n; k++)
			write_whole(ends[k][1]);
	hear(n);
	bench_add_since(row, start);
	end_of(children, n);
	for (k = 0; k < n; k++) {
		close(ends[k][0]);
		close(ends[k][1]);
	}
}

static int open_sockets(int *ends)
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static void with_sockets(struct bench_row *row)
{
	with_fds(row, open_sockets);
}

static void with_kernel_pipe(struct bench_row *row)
{
	with_fds(row, pipe);
}

/* -- to and fro ------------------------------------------------------------------------------ */

static struct bell_share_reader *connect_to(const char *name)
{
	struct bell_share_reader *r;

	must(bell_share_reader_connect(&r, dir, name, -1) == 0);
	return r;
}

static struct bell_share_pipe *offer_to_one(const char *name)
{
	struct bell_share_pipe *p;

	must(bell_share_pipe_new(&p, dir, name, NULL, NULL) == 0);
	return p;
}

static void turn(struct bell_share_pipe *p, struct bell_share_reader *r, size_t n, bool first)
{
	char byte = 0;

	while (n-- > 0) {
		if (first)
			must(bell_share_pipe_write(p, &byte, 1, -1) == 1);
		must(bell_share_reader_wait(r, &byte, 1, -1) == 1);
		if (!first)
			must(bell_share_pipe_write(p, &byte, 1, -1) == 1);
	}
}

static void answer_share(void *arg)
{
	struct bell_share_pipe *p = offer_to_one("fro");
	struct bell_share_reader *r = connect_to("to");

	(void)arg;
	while (bell_share_pipe_serve(p) == 0)
		bell_pause();
	tell();
	turn(p, r, TURNS, false);
	(void)poll(NULL, 0, -1);
}

static void share_to_and_fro(struct bench_row *row)
{
	struct bell_share_pipe *p = offer_to_one("to");
	struct bell_share_reader *r;
	pid_t child = child_of(answer_share, NULL);
	int64_t start;

	while (bell_share_pipe_serve(p) == 0)
		bell_pause();
	r = connect_to("fro");
	hear(1);
	start = bench_now();
	turn(p, r, TURNS, true);
	bench_add_since(row, start);
	end_of(&child, 1);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

static int to[2], fro[2];

static void answer_kernel_pipe(void *arg)
{
	char byte;
	size_t i;

	(void)arg;
	for (i = 0; i < TURNS; i++) {
		must(read(to[0], &byte, 1) == 1);
		must(write(fro[1], &byte, 1) == 1);
	}
}

static void kernel_pipe_to_and_fro(struct bench_row *row)
{
	char byte = 0;
	pid_t child;
	int64_t start;
	size_t i;

	must(pipe(to) == 0 && pipe(fro) == 0);
	child = child_of(answer_kernel_pipe, NULL);
	start = bench_now();
	for (i = 0; i < TURNS; i++) {
		must(write(to[1], &byte, 1) == 1);
		must(read(fro[0], &byte, 1) == 1);
	}
	bench_add_since(row, start);
	end_of(&child, 1);
	for (i = 0; i < 2; i++) {
		close(to[i]);
		close(fro[i]);
	}
}

#define STREAM(fn, readers) .n = KIB, .batch = (fn), .state = (void *)(uintptr_t)(readers)

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 20};
	const char *one = "socketpair, 1 process", *three = "socketpairs, 3 processes";
	const char *kernel = "pipe(2), a byte to and fro";
	struct bench_row rows[] = {
		{.name = one, STREAM(with_sockets, 1)},
		{.name = "pipe(2), 1 process", STREAM(with_kernel_pipe, 1), .rival = one},
		{.name = "bell_pipe, 1 thread", STREAM(with_pipe, 1), .rival = one},
		{.name = "bell_share_pipe, 1 process", STREAM(with_share_pipe, 1), .rival = one},
		{.name = three, STREAM(with_sockets, 3)},
		{.name = "bell_pipe, 3 threads", STREAM(with_pipe, 3), .rival = three},
		{.name = "bell_share_pipe, 3 processes",
			STREAM(with_share_pipe, 3),
			.rival = three},
		{.name = kernel, .n = TURNS, .batch = kernel_pipe_to_and_fro},
		{.name = "bell_share_pipe, a byte to and fro",
			.n = TURNS,
			.batch = share_to_and_fro,
			.rival = kernel},
	};
	struct bench_table t = {.title = "a stream between processes, ns a KiB or a round trip",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_PAIRS};

	bench_options(&o, argc, argv);
	must(pipe(ready) == 0 && mkdtemp(dir));
	memset(bytes, 7, sizeof(bytes));
	bench_rounds(&t, o.rounds);
	rmdir(dir);
	return bench_report(&t, &o);
}
