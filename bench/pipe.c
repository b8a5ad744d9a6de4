/* SPDX-License-Identifier: MIT
 *
 * bench/pipe.c: one stream to 1, 3 and 16 readers in threads: our pipe, pipe(2) multiplied by tee(2), and a
 * socketpair for each reader. Each sends the same bytes, and each reader sums up what it got.
 *
 * A sample is the time for a KiB, from the first write until the last reader has all. Beside it stand
 * MB/s of input, and the system calls a MB that writer and readers make: those of the others are counted
 * where they are made, ours by the counters of the bells: rings, reads, and for each arm a ppoll.
 *
 * tee(2) may copy less than asked, and then the rest cannot be had: so a page at a time, which it copies
 * wholly or not at all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"
#include "stream/pipe.h"

enum { MOST = 16, CHUNK = 65536, PAGE = 4096, CAPACITY = 262144, KIB = 4096 };

struct way;

struct load {
	const struct way *way;
	unsigned readers;
	double calls, bytes; /* over all batches */
	int64_t time;
};

struct listener {
	struct bell_reader *reader;
	int fd;
	uint64_t sum, got, calls;
	pthread_t thread;
};

struct way {
	const char *name;
	void (*batch)(struct load *l, struct listener *listeners);
};

static uint8_t bytes[CHUNK];
static uint64_t sum_of_chunk;

static void must(int ok)
{
	if (!ok) {
		perror("bench-pipe");
		exit(99);
	}
}

static uint64_t sum(const uint8_t *buf, size_t n)
{
	uint64_t s = 0;
	size_t i;

	for (i = 0; i < n; i++)
		s += buf[i];
	return s;
}

/* -- readers --------------------------------------------------------------------------------- */

static void *listen_to(void *userdata)
{
	struct listener *l = userdata;
	uint8_t *buf = malloc(CHUNK);
	ssize_t n;

	must(buf != NULL);
	for (;;) {
		if (l->reader)
			n = bell_reader_wait(l->reader, buf, CHUNK, -1);
		else
			n = read(l->fd, buf, CHUNK);
		l->calls += !l->reader;
		if (n <= 0)
			break;
		l->sum += sum(buf, (size_t)n);
		l->got += (size_t)n;
	}
	must(n == 0);
	free(buf);
	return NULL;
}

static void start(struct load *l, struct listener *listeners)
{
	unsigned i;

	for (i = 0; i < l->readers; i++)
		must(pthread_create(&listeners[i].thread, NULL, listen_to, &listeners[i]) == 0);
}

static void finish(struct load *l, struct listener *listeners)
{
	unsigned i;

	for (i = 0; i < l->readers; i++) {
		pthread_join(listeners[i].thread, NULL);
		must(listeners[i].got == KIB * 1024);
		must(listeners[i].sum == KIB * 1024 / CHUNK * sum_of_chunk);
		l->calls += (double)listeners[i].calls;
	}
}

/* -- writers --------------------------------------------------------------------------------- */

static double calls_of(const struct bell_queue *q)
{
	struct bell_queue_stats s;

	bell_queue_stats(q, &s);
	return (double)(s.rings + s.kicks + s.reads + s.arms);
}

static void by_doorbell(struct load *l, struct listener *listeners)
{
	const struct bell_pipe_options o = {.capacity = CAPACITY, .max_readers = MOST};
	struct bell_pipe *p;
	unsigned i;

	must(bell_pipe_new(&p, &o) == 0);
	for (i = 0; i < l->readers; i++)
		must(bell_reader_new(&listeners[i].reader, p) == 0);
	start(l, listeners);
	for (i = 0; i < KIB * 1024 / CHUNK; i++)
		must(bell_pipe_write(p, bytes, CHUNK, -1) == CHUNK);
	bell_pipe_close(p);
	finish(l, listeners);
	l->calls += calls_of(p->room);
	for (i = 0; i < l->readers; i++) {
		l->calls += calls_of(p->seats[i].bell);
		bell_reader_free(listeners[i].reader);
	}
	bell_pipe_free(p);
}

static void by_tee(struct load *l, struct listener *listeners)
{
	int all[2], to[MOST][2];
	unsigned i, page;

	must(pipe2(all, O_CLOEXEC) == 0);
	for (i = 0; i < l->readers; i++) {
		must(pipe2(to[i], O_CLOEXEC) == 0);
		(void)fcntl(to[i][1], F_SETPIPE_SZ, CAPACITY);
		listeners[i].fd = to[i][0];
	}
	start(l, listeners);
	for (page = 0; page < KIB * 1024 / PAGE; page++) {
		must(write(all[1], bytes + page * PAGE % CHUNK, PAGE) == PAGE);
		for (i = 0; i < l->readers - 1; i++)
			must(tee(all[0], to[i][1], PAGE, 0) == PAGE);
		must(splice(all[0], NULL, to[i][1], NULL, PAGE, SPLICE_F_MOVE) == PAGE);
	}
	l->calls += (l->readers + 1.0) * (KIB * 1024.0 / PAGE);
	for (i = 0; i < l->readers; i++)
		close(to[i][1]);
	finish(l, listeners);
	for (i = 0; i < l->readers; i++)
		close(to[i][0]);
	close(all[0]);
	close(all[1]);
}

static void by_socketpairs(struct load *l, struct listener *listeners)
{
	int to[MOST][2];
	unsigned i, chunk;
	size_t done;
	ssize_t n;

	for (i = 0; i < l->readers; i++) {
		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to[i]) == 0);
		listeners[i].fd = to[i][0];
	}
	start(l, listeners);
	for (chunk = 0; chunk < KIB * 1024 / CHUNK; chunk++) {
		for (i = 0; i < l->readers; i++) {
			for (done = 0; done < CHUNK; done += (size_t)n, l->calls++) {
				n = write(to[i][1], bytes + done, CHUNK - done);
				must(n > 0);
			}
		}
	}
	for (i = 0; i < l->readers; i++)
		close(to[i][1]);
	finish(l, listeners);
	for (i = 0; i < l->readers; i++)
		close(to[i][0]);
}

static const struct way ways[] = {
	{"doorbell", by_doorbell}, {"pipe and tee", by_tee}, {"socketpairs", by_socketpairs}};

static void batch(struct bench_row *row)
{
	struct listener listeners[MOST] = {{0}};
	struct load *l = row->state;
	int64_t began = bench_now();

	l->way->batch(l, listeners);
	l->time += bench_now() - began;
	l->bytes += KIB * 1024;
	bench_add_since(row, began);
	snprintf(row->notes, sizeof(row->notes), "MB/s=%.1f;syscalls_a_MB=%.2f",
		l->bytes * 1000 / (double)l->time, l->calls * 1e6 / l->bytes);
}

int main(int argc, char **argv)
{
	static const unsigned counts[] = {1, 3, 16};
	static char names[9][64];
	struct bench_options o = {.rounds = 30};
	struct bench_row rows[9];
	struct load loads[9];
	struct bench_table table = {.title = "a stream to all readers, ns a KiB of input",
		.rows = rows,
		.count = 9,
		.quantile = BENCH_PAIRS};
	size_t i;

	bench_options(&o, argc, argv);
	for (i = 0; i < CHUNK; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	sum_of_chunk = sum(bytes, CHUNK);
	for (i = 0; i < 9; i++) {
		loads[i] = (struct load){.way = &ways[i % 3], .readers = counts[i / 3]};
		snprintf(names[i], sizeof(names[i]), "%u reader%s: %s", loads[i].readers,
			loads[i].readers > 1 ? "s" : "", ways[i % 3].name);
		rows[i] = (struct bench_row){.name = names[i],
			.n = KIB,
			.batch = batch,
			.state = &loads[i],
			.rival = i % 3 ? NULL : names[i + 1]};
	}
	bench_rounds(&table, o.rounds);
	return bench_report(&table, &o);
}
