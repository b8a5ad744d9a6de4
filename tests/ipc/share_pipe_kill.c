/* SPDX-License-Identifier: MIT
 *
 * The writer is killed at every instruction of write, and a reader at every instruction of read and
 * arm. Each point is a process of its own. Readers of a dead writer get what it had appended whole, and
 * then
 * -ECONNRESET; the writer of a dead reader has its room back. Both sleep, without a timeout that they
 * could live on.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "share_pipes.h"
#include "step.h"

enum { CAPACITY = 16 };

static uint32_t sink; /* where results go that are of no interest */

struct point {
	int scene, part;
	unsigned long instructions;
};

/* -- the writer ------------------------------------------------------------------------------ */

/* The reader sleeps, so that a write does all that it can have to. */
enum { BLOCK, LAP, WRITER_SCENES };

static const char *const writer_scenes[] = {"blocking", "lapping"};

/* Parts: a write; one that wraps, or laps; the end. */
enum { WRITE, WRITE_ON, END, WRITER_PARTS };

static void write_part(struct bell_share_pipe *p, int part)
{
	static const char text[] = "0123456789abcdef";

	if (part == END)
		bell_share_pipe_close(p);
	else
		bell_store_relaxed(
			&sink, (uint32_t)bell_share_pipe_write(p, text, part ? 9 : 5, 0));
}

/* In the place of libc's: whether a write looks at its descriptors depends on the time, and a process
 * that is stepped through has all the time of the world. */
static bool frozen;

int clock_gettime(clockid_t clock, struct timespec *ret_t)
{
	if (!frozen || clock != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, ret_t);
	*ret_t = (struct timespec){.tv_sec = 1};
	return 0;
}

static int write_and_die(void *arg)
{
	const struct point *at = arg;
	const struct bell_pipe_options o = {.capacity = CAPACITY,
		.policy = at->scene == LAP ? BELL_PIPE_LAP : BELL_PIPE_BLOCK};
	struct bell_share_pipe *p;
	int part;

	if (bell_share_pipe_new(&p, shares_dir, "x", &o, NULL) < 0)
		return 1;
	pass(1);
	while (bell_share_pipe_serve(p) == 0)
		;
	if (bell_share_pipe_write(p, "abc", 3, 0) != 3) /* the linker's part of a first call is not ours */
		return 2;
	pass(1);
	await(1);
	for (part = 0; part < at->part; part++)
		write_part(p, part);
	/* A look at the descriptors is many more points: one write has it, in the others no time
	 * passes. */
	frozen = at->scene != BLOCK || at->part != WRITE;
	if (bell_share_pipe_write(p, "", 0, 0) != 0)
		return 3;
	step_begin();
	write_part(p, at->part);
	step_end();
	return 0;
}

/* What the parts append, whole or not at all: of capacity 16 there is room for all. With LAP in
 * quarters. */
static bool is_whole(uint64_t bytes, const struct point *at)
{
	static const uint64_t before[] = {0, 5, 14, 14};

	if (bytes == before[at->part] || bytes == before[at->part + 1])
		return true;
	return at->scene == LAP && bytes > before[at->part] &&
	       bytes < before[at->part + 1] && (bytes - before[at->part]) % 4 == 0;
}

/* Reads until the end, asleep in between. Returns how it ended. */
static ssize_t read_rest(struct bell_share_reader *r, uint64_t *ret_bytes)
{
	char buf[CAPACITY];
	ssize_t n;

	for (*ret_bytes = 0; (n = bell_share_reader_wait(r, buf, sizeof(buf), -1)) > 0;)
		*ret_bytes += (uint64_t)n;
	return n;
}

static bool try_writer(struct point *at)
{
	struct bell_share_reader *r = NULL;
	pid_t child = child_of(write_and_die, at);
	uint64_t bytes;
	ssize_t end;
	bool on;

	await(0);
	ck_assert_int_eq(bell_share_reader_connect(&r, shares_dir, "x", PATIENCE), 0);
	await(0);
	expect_read(r, 3, "abc");
	lull(r);
	pass(0);
	step_await(child);
	on = step_on(child, at->instructions);
	step_kill(child);
	end = read_rest(r, &bytes);
	/* An end that was told is told; else it is the death that is noticed. */
	ck_assert(end == -ECONNRESET || (end == 0 && at->part == END));
	ck_assert_msg(is_whole(bytes, at), "%s: killed %lu instructions into part %d: %lu bytes",
		writer_scenes[at->scene], at->instructions, at->part, (unsigned long)bytes);
	bell_share_reader_free(r);
	return on;
}

START_TEST(a_writer_killed_at_any_instruction_leaves_whole_writes_and_an_end)
{
	struct point at = {.scene = _i};
	unsigned points = 0;

	open_gate();
	for (; at.part < WRITER_PARTS; at.part++) {
		for (at.instructions = 0; try_writer(&at); at.instructions += step_stride())
			points++;
		ck_assert_uint_gt(at.instructions, 20);
	}
	printf("# %s: killed at %u points, 0 hung\n", writer_scenes[_i], points);
	fflush(stdout);
	close_gate();
}

/* -- a reader -------------------------------------------------------------------------------- */

/* Parts: a read that frees what the writer waits for; one that empties the pipe; an arm. */
enum { READ_SOME, READ_ALL, ARM, READER_PARTS };

static void read_part(struct bell_share_reader *r, int part)
{
	char buf[CAPACITY];

	if (part == ARM)
		bell_store_relaxed(&sink, (uint32_t)bell_share_reader_arm(r));
	else
		bell_store_relaxed(&sink, (uint32_t)bell_share_reader_read(
						  r, buf, part == READ_ALL ? CAPACITY : 8));
}

static int read_and_die(void *arg)
{
	const struct point *at = arg;
	struct bell_share_reader *r = child_attach();
	char buf[CAPACITY];
	int part;

	/* The linker's part of a first call is not ours. */
	if (bell_share_reader_arm(r) < 0 || bell_share_reader_wait(r, buf, 1, -1) != 1)
		return 1;
	pass(1);
	await(1);
	for (part = 0; part < at->part; part++)
		read_part(r, part);
	step_begin();
	read_part(r, at->part);
	step_end();
	return 0;
}

static bool try_reader(struct bell_share_pipe *p, struct point *at)
{
	static const uint8_t bytes[CAPACITY] = "0123456789abcde";
	struct bell_share_reader *r;
	char buf[CAPACITY];
	ssize_t n;
	pid_t child;
	bool on;

	r = reader_of(p); /* so that there is always one, and what is left can be counted */
	while (bell_share_reader_read(r, buf, sizeof(buf)) > 0)
		;
	/* The next is to begin here: floor is raised when room is wanted. Once it may be news. */
	ck_assert_int_eq(bell_share_pipe_arm(p, CAPACITY), 0);
	ck_assert_int_eq(bell_share_pipe_arm(p, CAPACITY), 0);
	child = child_of(read_and_die, at);
	serve_until(p, 2);
	ck_assert_int_eq(bell_share_pipe_write(p, bytes, CAPACITY, -1), CAPACITY);
	await(0);
	while ((n = bell_share_reader_read(r, buf, sizeof(buf))) > 0)
		;
	while (bell_share_pipe_arm(p, 4) == 0) /* it asks for room, and sleeps */
		;
	pass(0);
	step_await(child);
	on = step_on(child, at->instructions);
	step_kill(child);
	/* As much as there is room for when the dead one is gone. */
	ck_assert_int_eq(bell_share_pipe_write(p, bytes, CAPACITY, -1), CAPACITY);
	serve_until(p, 1);
	ck_assert_int_eq(bell_share_reader_read(r, buf, sizeof(buf)), CAPACITY);
	ck_assert_int_eq(memcmp(buf, bytes, CAPACITY), 0);
	bell_share_reader_free(r);
	serve_until(p, 0);
	return on;
}

START_TEST(a_reader_killed_at_any_instruction_frees_its_place_and_its_room)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, CAPACITY);
	struct point at = {.scene = 0};
	unsigned points = 0;

	open_gate();
	for (; at.part < READER_PARTS; at.part++) {
		for (at.instructions = 0; try_reader(p, &at); at.instructions += step_stride())
			points++;
		ck_assert_uint_gt(at.instructions, 20);
	}
	printf("# reader: killed at %u points, 0 hung\n", points);
	fflush(stdout);
	ck_assert_uint_eq(pipe_stats_of(p).share.dropped, 0);
	bell_share_pipe_free(p);
	close_gate();
}

int main(void)
{
	const char *why_not = step_refused();
	Suite *s;
	TCase *tc;

	if (why_not) {
		printf("1..0 # SKIP %s\n", why_not);
		return 0;
	}
	s = suite_create("ipc share pipe kill");
	tc = shares_case(s, "share pipe kill", 300);

	tcase_add_loop_test(tc, a_writer_killed_at_any_instruction_leaves_whole_writes_and_an_end,
		0, WRITER_SCENES);
	tcase_add_test(tc, a_reader_killed_at_any_instruction_frees_its_place_and_its_room);
	return runner_run(s);
}
