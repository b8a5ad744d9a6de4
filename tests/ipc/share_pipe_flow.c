/* SPDX-License-Identifier: MIT
 *
 * Streams between processes: whole and in order in each, by hash; lapped readers that keep count; and
 * the two races of sleeping, each side without a timeout: what is lost there hangs.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "share_pipes.h"

enum { READERS = 3, CHUNK = 65536 };

/* What the processes say to each other beside the pipe. */
static struct {
	uint64_t hash[READERS], read[READERS], lost[READERS];
	BELL_ALIGNED uint64_t heard;
} *table;

static void make_table(void)
{
	table = mmap(
		NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(table != MAP_FAILED);
}

static uint64_t hash_of(uint64_t hash, const uint8_t *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ buf[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Reads to the end, in pieces of all sizes. */
static int hash_all(void *arg)
{
	const int self = *(int *)arg;
	struct bell_share_reader *r = child_attach();
	static uint8_t buf[CHUNK];
	uint64_t state = (uint64_t)self + 1;
	ssize_t n;

	while ((n = bell_share_reader_wait(r, buf, 1 + dice(&state) % CHUNK, -1)) > 0) {
		table->hash[self] = hash_of(table->hash[self], buf, (size_t)n);
		table->read[self] += (uint64_t)n;
	}
	bell_share_reader_free(r);
	return n != 0;
}

START_TEST(three_processes_read_the_same_100_megabytes)
{
	const uint64_t all = HELPERS_SANITIZED ? 5000000 : 100000000;
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, _i ? 100000 : 1 << 20);
	static uint8_t buf[CHUNK];
	uint64_t state = 7, hash = 0, done = 0;
	pid_t children[READERS];
	size_t n, i;
	int self;

	make_table();
	for (self = 0; self < READERS; self++)
		children[self] = child_of(hash_all, &self);
	serve_until(p, READERS);
	for (done = 0; done < all; done += n) {
		n = 1 + dice(&state) % CHUNK;
		n = n < all - done ? n : (size_t)(all - done);
		for (i = 0; i < n; i += 4)
			memcpy(buf + i, &(uint32_t){dice(&state)}, n - i < 4 ? n - i : 4);
		hash = hash_of(hash, buf, n);
		ck_assert_int_eq(bell_share_pipe_write(p, buf, n, -1), (ssize_t)n);
	}
	bell_share_pipe_free(p); /* they get what is left all the same */
	for (self = 0; self < READERS; self++) {
		ck_assert_int_eq(child_end(children[self]), 0);
		ck_assert_uint_eq(table->read[self], all);
		ck_assert_uint_eq(table->hash[self], hash);
	}
	munmap(table, sizeof(*table));
}

static int count_all(void *arg)
{
	const int self = *(int *)arg;
	struct bell_share_reader *r = child_attach();
	static uint8_t buf[CHUNK];
	uint64_t position = 0;
	size_t wrong = 0;
	ssize_t n;

	while ((n = bell_share_reader_wait(r, buf, CHUNK, -1)) > 0 || n == -EOVERFLOW) {
		if (n > 0) {
			position = table->read[self] + bell_share_reader_lost(r);
			wrong += wrong_bytes(buf, position, (size_t)n);
			table->read[self] += (uint64_t)n;
		}
		if (self == 1)
			sleep_ms(1); /* a slow one */
	}
	table->lost[self] = bell_share_reader_lost(r);
	bell_share_reader_free(r);
	return n != 0 || wrong > 0;
}

START_TEST(what_a_lapped_process_read_and_what_it_lost_is_what_there_was)
{
	const uint64_t all = HELPERS_SANITIZED ? 3000000 : 30000000;
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_LAP, 10000);
	static uint8_t buf[CHUNK];
	uint64_t state = 3, done;
	pid_t children[READERS];
	size_t n;
	int self;

	make_table();
	for (self = 0; self < READERS; self++)
		children[self] = child_of(count_all, &self);
	serve_until(p, READERS);
	for (done = 0; done < all; done += n) {
		n = 1 + dice(&state) % 5000;
		fill_bytes(buf, done, n);
		ck_assert_int_eq(bell_share_pipe_write(p, buf, n, 0), (ssize_t)n);
	}
	bell_share_pipe_close(p);
	for (self = 0; self < READERS; self++) {
		ck_assert_int_eq(child_end(children[self]), 0);
		ck_assert_uint_eq(table->read[self] + table->lost[self], done);
	}
	ck_assert_uint_gt(table->lost[1], 0);
	bell_share_pipe_free(p);
	munmap(table, sizeof(*table));
}

static int hear_each(void *arg)
{
	struct bell_share_reader *r = child_attach();
	uint8_t byte;
	uint64_t position = 0;
	ssize_t n;

	(void)arg;
	while ((n = bell_share_reader_wait(r, &byte, 1, -1)) == 1 && byte == byte_at(position))
		bell_store_relaxed(&table->heard, ++position);
	bell_share_reader_free(r);
	return n != 0;
}

static uint64_t rounds(void)
{
	return HELPERS_SANITIZED ? 5000 : 100000;
}

START_TEST(a_byte_wakes_the_reader_that_is_about_to_sleep)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 64);
	uint64_t position, state = 1;
	uint32_t turns;
	pid_t child;

	make_table();
	child = child_of(hear_each, NULL);
	serve_until(p, 1);
	for (position = 0; position < rounds();) {
		ck_assert_int_eq(
			bell_share_pipe_write(p, &(uint8_t){byte_at(position)}, 1, -1), 1);
		position++;
		while (bell_load_relaxed(&table->heard) != position)
			sched_yield();
		for (turns = dice(&state) % 1000; turns > 0; turns--)
			bell_fence_compiler(); /* it is on its way to sleep */
	}
	printf("# %lu bytes, of which %lu woke somebody\n", (unsigned long)position,
		(unsigned long)pipe_stats_of(p).wakes);
	fflush(stdout);
	bell_share_pipe_free(p);
	ck_assert_int_eq(child_end(child), 0);
	munmap(table, sizeof(*table));
}

/* A pipe of one byte: the writer sleeps before, the reader behind each. */
START_TEST(room_wakes_the_writer_that_is_about_to_sleep)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 1);
	uint64_t position;
	pid_t children[2];
	int i;

	make_table();
	for (i = 0; i <= _i; i++)
		children[i] = child_of(hear_each, NULL);
	serve_until(p, 1 + _i);
	for (position = 0; position < rounds(); position++)
		ck_assert_int_eq(
			bell_share_pipe_write(p, &(uint8_t){byte_at(position)}, 1, -1), 1);
	printf("# %lu bytes, %lu times for a reader, %lu for room\n", (unsigned long)position,
		(unsigned long)pipe_stats_of(p).wakes, (unsigned long)pipe_stats_of(p).resumes);
	fflush(stdout);
	bell_share_pipe_free(p);
	for (i = 0; i <= _i; i++)
		ck_assert_int_eq(child_end(children[i]), 0);
	munmap(table, sizeof(*table));
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe flow");
	TCase *tc = shares_case(s, "share pipe flow", 120);

	tcase_add_loop_test(tc, three_processes_read_the_same_100_megabytes, 0, 2);
	tcase_add_test(tc, what_a_lapped_process_read_and_what_it_lost_is_what_there_was);
	tc = shares_case(s, "share pipe flow, asleep", 60);
	tcase_add_loop_test(tc, a_byte_wakes_the_reader_that_is_about_to_sleep, 0, 2);
	tcase_add_loop_test(tc, room_wakes_the_writer_that_is_about_to_sleep, 0, 2);
	return runner_run(s);
}
