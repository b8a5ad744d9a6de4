/* SPDX-License-Identifier: MIT
 *
 * bench/share.c: the same between two processes as between two threads, and beside what else crosses
 * processes. A ball goes to and fro, each side on a processor of its own, half a round trip each; then many
 * tokens one way, from 1, 8 and 64 peers. A sample is the mean of a batch.
 *
 * Exits with the number of promised ratios that were missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

#include "bench.h"

enum { TOKENS = 64, PEERS_MOST = 64, SPINS = 20000, SLEEPS = 300 };

static char dir[] = P_tmpdir "/bench-share.XXXXXX";

/* What both sides of a game see: a word each. */
struct table {
	BELL_ALIGNED uint32_t first; /* a line each */
	BELL_ALIGNED uint32_t second;
};

static struct table *table; /* shared */
static int ends[2];
static mqd_t queues[2];
static struct bell_queue *tokens_of[2]; /* between threads */
static struct bell_share *share; /* between processes: each side's own */
static struct bell_peer *peer;

struct way {
	int (*open)(void);	    /* before there are two sides; this, begin and close may be NULL */
	void (*begin)(int self);    /* in each side */
	void (*ring)(int self);	    /* the other side */
	void (*await)(int self);
	void (*close)(void);	    /* in the first side */
	bool threads;
};

static void must(bool condition)
{
	if (!condition) {
		perror("bench-share");
		exit(EXIT_FAILURE);
	}
}

/* -- a word in shared memory ----------------------------------------------------------------- */

static uint32_t *word_of(int self)
{
	return self ? &table->second : &table->first;
}

static void word_ring(int self)
{
	bell_store_release(word_of(!self), 1);
}

static void word_await(int self)
{
	while (!bell_load_acquire(word_of(self)))
		bell_pause();
	bell_store_relaxed(word_of(self), 0);
}

static void futex_ring(int self)
{
	bell_store_release(word_of(!self), 1);
	(void)syscall(SYS_futex, word_of(!self), FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_await(int self)
{
	while (!bell_load_acquire(word_of(self)))
		(void)syscall(SYS_futex, word_of(self), FUTEX_WAIT, 0, NULL, NULL, 0);
	bell_store_relaxed(word_of(self), 0);
}

/* -- descriptors ----------------------------------------------------------------------------- */

static int pipe_ends[2][2];

static int pipes_open(void)
{
	must(pipe(pipe_ends[0]) == 0 && pipe(pipe_ends[1]) == 0);
	return 0;
}

static void pipe_ring(int self)
{
	must(write(pipe_ends[!self][1], "", 1) == 1);
}

static void pipe_await(int self)
{
	char byte;

	must(read(pipe_ends[self][0], &byte, 1) == 1);
}

static void pipes_close(void)
{
	int i;

	for (i = 0; i < 4; i++)
		close(pipe_ends[i / 2][i % 2]);
}

static int datagram_open(void)
{
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0 ? -errno : 0;
}

static void datagram_ring(int self)
{
	must(send(ends[self], "", 1, 0) == 1);
}

static void datagram_await(int self)
{
	char byte;

	must(recv(ends[self], &byte, 1, 0) == 1);
}

static void datagram_close(void)
{
	close(ends[0]);
	close(ends[1]);
}

static int mq_both_open(void)
{
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 4};
	int i;

	for (i = 0; i < 2; i++) {
		queues[i] = mq_open("/bench-share", O_CREAT | O_RDWR | O_CLOEXEC, 0600, &attr);
		if (queues[i] < 0)
			return -errno;
		mq_unlink("/bench-share");
	}
	return 0;
}

static void mq_ring(int self)
{
	must(mq_send(queues[!self], "x", 1, 0) == 0);
}

static void mq_await(int self)
{
	char text[4];

	must(mq_receive(queues[self], text, sizeof(text), NULL) == 1);
}

static void mq_both_close(void)
{
	mq_close(queues[0]);
	mq_close(queues[1]);
}

/* -- doorbell between threads ---------------------------------------------------------------- */

static int threads_open(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		must(bell_queue_new(&tokens_of[i], TOKENS, 0) == 0);
		bell_queue_set_spin(tokens_of[i], 0);
	}
	return 0;
}

static void threads_ring(int self)
{
	bell_queue_notify(tokens_of[!self], 3);
}

static void threads_spin(int self)
{
	uint32_t token;

	while (!bell_queue_poll(tokens_of[self], &token, 1))
		bell_pause();
}

static void threads_wait(int self)
{
	uint32_t token;

	while (bell_queue_wait(tokens_of[self], &token, 1, -1) != 1)
		;
}

static void threads_close(void)
{
	bell_queue_unref(tokens_of[0]);
	bell_queue_unref(tokens_of[1]);
}

/* -- doorbell between processes -------------------------------------------------------------- */

static void offer(int self, uint32_t capacity)
{
	const struct bell_share_options o = {.capacity = capacity, .max_peers = PEERS_MOST};

	must(bell_share_new(&share, dir, self ? "b" : "a", &o) == 0);
}

static void take_in(size_t n)
{
	struct bell_share_event event;

	while (n > 0)
		n -= bell_share_wait(share, &event, 1, -1) == 1 && event.kind == BELL_SHARE_JOINED;
}

/* The second side connects first. */
static void processes_begin(int self)
{
	offer(self, TOKENS);
	if (self == 0)
		take_in(1);
	must(bell_peer_connect(&peer, dir, self ? "a" : "b", -1) == 0);
	if (self == 1)
		take_in(1);
}

static void processes_ring(int self)
{
	(void)self;
	bell_peer_notify(peer, 3);
}

static void processes_spin(int self)
{
	struct bell_share_event event;

	(void)self;
	while (!bell_share_poll(share, &event, 1))
		bell_pause();
}

static void processes_wait(int self)
{
	struct bell_share_event event;

	(void)self;
	while (bell_share_wait(share, &event, 1, -1) != 1)
		;
}

static void processes_close(void)
{
	peer = bell_peer_free(peer);
	share = bell_share_free(share);
}

/* -- the game -------------------------------------------------------------------------------- */

static pid_t second_side(void (*play)(const struct way *w, size_t n), const struct way *w, size_t n)
{
	const pid_t parent = getpid();
	pid_t child = fork();

	must(child >= 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	bench_pin(1);
	play(w, n);
	_exit(0);
}

static void answer(const struct way *w, size_t n)
{
	if (w->begin)
		w->begin(1);
	for (; n > 0; n--) {
		w->await(1);
		w->ring(1);
	}
	if (w->threads)
		return;
	(void)poll(NULL, 0, -1); /* leaves when it is killed: the other side's time is taken by then */
}

static void *answer_thread(void *userdata)
{
	const struct bench_row *row = userdata;

	bench_pin(1);
	answer(row->state, row->n);
	return NULL;
}

static void game(struct bench_row *row)
{
	const struct way *w = row->state;
	int error = w->open ? w->open() : 0, status;
	pid_t child = 0;
	pthread_t thread;
	int64_t start;
	size_t i;

	if (error) {
		row->skipped = strerror(-error);
		return;
	}
	memset(table, 0, sizeof(*table));
	bench_pin(0);
	if (w->threads)
		must(pthread_create(&thread, NULL, answer_thread, row) == 0);
	else
		child = second_side(answer, w, row->n);
	if (w->begin)
		w->begin(0);
	start = bench_now();
	for (i = 0; i < row->n; i++) {
		w->ring(0);
		w->await(0);
	}
	bench_add(row, (double)(bench_now() - start) / (double)(2 * row->n));
	if (w->threads) {
		pthread_join(thread, NULL);
	} else {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	if (w->close)
		w->close();
}

/* -- one way, from several peers ------------------------------------------------------------- */

static size_t n_peers;

static void flood(const struct way *w, size_t n)
{
	struct bell_peer *peers[PEERS_MOST];
	uint32_t token = 0;
	size_t i;

	(void)w;
	(void)n;
	for (i = 0; i < n_peers; i++)
		must(bell_peer_connect(&peers[i], dir, "a", -1) == 0);
	for (;; token++)
		for (i = 0; i < n_peers; i++)
			bell_peer_notify(peers[i], token % TOKENS);
}

static void one_way(struct bench_row *row)
{
	struct bell_share_event events[256];
	size_t left = row->n;
	int64_t start;
	pid_t child;
	int status;

	n_peers = (size_t)(uintptr_t)row->state;
	bench_pin(0);
	offer(0, TOKENS);
	child = second_side(flood, NULL, 0);
	take_in(n_peers);
	start = bench_now();
	while (left > 0) {
		ssize_t n = bell_share_poll(share, events, 256);

		left -= (size_t)n < left ? (size_t)n : left;
	}
	bench_add_since(row, start);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	share = bell_share_free(share);
}

static const struct way
	raw = {NULL, NULL, word_ring, word_await, NULL, 0},
	futexes = {NULL, NULL, futex_ring, futex_await, NULL, 0},
	pipes = {pipes_open, NULL, pipe_ring, pipe_await, pipes_close, 0},
	datagrams = {datagram_open, NULL, datagram_ring, datagram_await, datagram_close, 0},
	mqs = {mq_both_open, NULL, mq_ring, mq_await, mq_both_close, 0},
	threads_spinning = {threads_open, NULL, threads_ring, threads_spin, threads_close, 1},
	threads_waiting = {threads_open, NULL, threads_ring, threads_wait, threads_close, 1},
	spinning = {NULL, processes_begin, processes_ring, processes_spin, processes_close, 0},
	waiting = {NULL, processes_begin, processes_ring, processes_wait, processes_close, 0};

#define GAME(what, count) .n = (count), .batch = game, .state = (void *)(uintptr_t) & (what)
#define FLOOD(peers)	  .n = 100000, .batch = one_way, .state = (void *)(uintptr_t)(peers)

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = 30};
	const char *alone = bench_cpus() < 2 ? "one processor only" : NULL;
	const char *inside = "doorbell, two threads, spinning", *futex = "futex in shared memory";
	struct bench_row rows[] = {
		{.name = "raw cache line, two processes", GAME(raw, SPINS), .skipped = alone},
		{.name = inside, GAME(threads_spinning, SPINS), .skipped = alone},
		{.name = "doorbell, two processes, spinning",
			GAME(spinning, SPINS),
			.skipped = alone,
			.rival = inside,
			.most = 1.25},
		{.name = futex, GAME(futexes, SLEEPS)},
		{.name = "pipe", GAME(pipes, SLEEPS), .rival = futex},
		{.name = "Unix datagram socket", GAME(datagrams, SLEEPS), .rival = futex},
		{.name = "POSIX message queue", GAME(mqs, SLEEPS), .rival = futex},
		{.name = "doorbell, two threads, asleep",
			GAME(threads_waiting, SLEEPS),
			.rival = futex},
		{.name = "doorbell, two processes, asleep", GAME(waiting, SLEEPS), .rival = futex},
		{.name = "a token, from 1 peer awake", FLOOD(1), .skipped = alone},
		{.name = "a token, from 8 peers awake", FLOOD(8), .skipped = alone},
		{.name = "a token, from 64 peers awake", FLOOD(64), .skipped = alone},
	};
	struct bench_table t = {.title = "between processes, ns one way or a token",
		.rows = rows,
		.count = sizeof(rows) / sizeof(rows[0]),
		.quantile = BENCH_QUIET};
	bench_options(&o, argc, argv);
	table = mmap(
		NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(table != MAP_FAILED && mkdtemp(dir));
	bench_rounds(&t, o.rounds);
	rmdir(dir);
	return bench_report(&t, &o);
}
