/* SPDX-License-Identifier: MIT
 *
 * pipe_hash.c: so many megabytes through a pipe to three readers, in writes and reads of every size. Each
 * reader hashes what it gets: identical to what was written; or, where it was lapped, every byte that it
 * got is the one of its position, and read and lost is what was written, to the byte.
 * Usage: pipe_hash block|lap|grow [MEGABYTES]
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell.h>

enum { READERS = 3, CAPACITY = 100003, LIMIT = 3000017, MOST = 70000 };

static const char *const policies[] = {"block", "lap", "grow"};
static uint64_t total;

struct reading {
	struct bell_reader *r;
	unsigned number;
	uint64_t hash, read, wrong, laps;
	ssize_t end;
	pthread_t thread;
};

static uint64_t dice(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* The stream: each eight bytes are a number that depends on their position alone. */
static uint64_t word_at(uint64_t position)
{
	uint64_t x = (position / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ x >> 29;
}

static void make(uint8_t *buf, uint64_t position, size_t n)
{
	uint64_t word;
	size_t some, skip;

	for (; n > 0; n -= some, position += some, buf += some) {
		word = word_at(position);
		skip = position % 8;
		some = n < 8 - skip ? n : 8 - skip;
		memcpy(buf, (uint8_t *)&word + skip, some);
	}
}

/* FNV-1a, which does not care how the stream was cut. */
static uint64_t hashed(uint64_t hash, const uint8_t *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ buf[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void *read_all(void *userdata)
{
	struct reading *g = userdata;
	uint8_t *buf = malloc(MOST), *right = malloc(MOST);
	uint64_t state = g->number;
	ssize_t n;

	if (!buf || !right)
		exit(EXIT_FAILURE);
	do {
		n = bell_reader_wait(g->r, buf, 1 + dice(&state) % MOST, -1);
		g->laps += n == -EOVERFLOW;
		if (n <= 0)
			continue;
		make(right, g->read + bell_reader_lost(g->r), (size_t)n);
		g->wrong += memcmp(buf, right, (size_t)n) != 0;
		g->hash = hashed(g->hash, buf, (size_t)n);
		g->read += (uint64_t)n;
	} while (n > 0 || n == -EOVERFLOW);
	g->end = n;
	free(buf);
	free(right);
	return NULL;
}

/* With GROW too fast a writer is told -ENOSPC: it waits as a loop would, asleep on the fd. */
static uint64_t write_all(struct bell_pipe *p)
{
	uint64_t hash = 0, position = 0, state = 99;
	uint8_t *buf = malloc(MOST);
	size_t done, some;
	ssize_t n;

	if (!buf)
		exit(EXIT_FAILURE);
	for (; position < total; position += some) {
		some = dice(&state) % 4 ? dice(&state) % 300 : dice(&state) % MOST;
		some = some < total - position ? some : (size_t)(total - position);
		make(buf, position, some);
		hash = hashed(hash, buf, some);
		for (done = 0; done<some; done += n> 0 ? (size_t)n : 0) {
			n = bell_pipe_write(p, buf + done, some - done, -1);
			if (n < 0 && n != -ENOSPC)
				exit(EXIT_FAILURE);
			while (n == -ENOSPC && bell_pipe_arm(p) == 1) {
				struct pollfd room = {.fd = bell_pipe_fd(p), .events = POLLIN};

				(void)poll(&room, 1, -1);
			}
		}
	}
	free(buf);
	return hash;
}

static int verdict(const struct reading *g, uint32_t policy, uint64_t hash)
{
	const uint64_t lost = bell_reader_lost(g->r);

	printf("r%u: read %llu, lost %llu in %llu laps, hash %016llx\n", g->number,
		(unsigned long long)g->read, (unsigned long long)lost, (unsigned long long)g->laps,
		(unsigned long long)g->hash);
	if (g->end != 0 || g->wrong || g->read + lost != total)
		return 1;
	if (lost == 0)
		return g->hash != hash;
	return policy != BELL_PIPE_LAP || g->laps == 0;
}

int main(int argc, char **argv)
{
	struct bell_pipe_options o = {.capacity = CAPACITY, .limit = LIMIT, .max_readers = READERS};
	struct reading readings[READERS] = {{0}};
	struct bell_pipe_stats s;
	struct bell_pipe *p;
	uint64_t hash;
	int i, wrong = 0;

	while (o.policy < 3 && strcmp(argc > 1 ? argv[1] : "", policies[o.policy]) != 0)
		o.policy++;
	total = (argc > 2 ? strtoull(argv[2], NULL, 10) : 16) * 1000000;
	if (o.policy == 3 || total == 0) {
		fprintf(stderr, "usage: pipe_hash block|lap|grow [MEGABYTES]\n");
		return 2;
	}
	if (bell_pipe_new(&p, &o) < 0)
		return EXIT_FAILURE;
	for (i = 0; i < READERS; i++) {
		readings[i].number = (unsigned)i + 1;
		if (bell_reader_new(&readings[i].r, p) < 0 ||
			pthread_create(&readings[i].thread, NULL, read_all, &readings[i]) != 0)
			return EXIT_FAILURE;
	}
	hash = write_all(p);
	bell_pipe_stats(p, &s);
	bell_pipe_free(p);
	printf("written %llu, hash %016llx, memory %llu, peak %llu\n",
		(unsigned long long)s.written, (unsigned long long)hash,
		(unsigned long long)s.memory, (unsigned long long)s.peak);
	for (i = 0; i < READERS; i++) {
		pthread_join(readings[i].thread, NULL);
		wrong += verdict(&readings[i], o.policy, hash);
		bell_reader_free(readings[i].r);
	}
	wrong += s.written != total || s.peak > LIMIT + LIMIT / 8;
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
