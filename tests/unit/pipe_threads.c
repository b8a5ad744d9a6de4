/* SPDX-License-Identifier: MIT
 *
 * Races: the end of the stream against reading, readers that come and go beside a writer, the last one
 * leaving against a write. Threads count what is wrong; the main thread asserts.
 */
#include <sched.h>
#include <signal.h>

#include "pipes.h"
#include "stream/pipe.h"

/* Under a sanitizer everything takes ten times as long. */
#define ROUNDS(n) (HELPERS_SANITIZED ? (n) / 20 : (n))

static uint32_t failures;

static void check(bool right)
{
	if (!right)
		bell_fetch_add_relaxed(&failures, 1);
}

/* Spin until a counter has come so far, but let others run now and then. */
static void reach(const uint32_t *counter, uint32_t least)
{
	uint32_t turns = 0;

	while ((int32_t)(bell_load_acquire(counter) - least) < 0)
		if (++turns % 200 == 0)
			sched_yield();
		else
			bell_pause();
}

/* -- write, close, read ---------------------------------------------------------------------- */

/* Many pipes of four bytes: the writer goes along them, and the reader behind it, so that they meet all
 * the time without waiting for each other. Then they are made new by hand: a million eventfds would be a
 * test of eventfd. */
#define ROW 100

struct race {
	struct bell_pipe *p[ROW];
	struct bell_reader *r[ROW];
	uint32_t rounds, begun, done;
	int error;
};

static void race_init(struct race *race, uint32_t policy, uint32_t rounds)
{
	int i;

	*race = (struct race){.rounds = rounds / ROW};
	for (i = 0; i < ROW; i++) {
		race->p[i] = pipe_of(policy, 64, 64);
		race->r[i] = reader_of(race->p[i]);
	}
}

static void race_fini(struct race *race)
{
	int i;

	for (i = 0; i < ROW; i++) {
		bell_reader_free(race->r[i]);
		bell_pipe_free(race->p[i]);
	}
}

static void renew(struct race *race)
{
	int i;

	for (i = 0; i < ROW; i++) {
		race->p[i]->tail = race->p[i]->begin = race->p[i]->floor = race->p[i]->error = 0;
		race->r[i]->position = race->r[i]->seat->position = 0;
	}
}

static void *write_and_end(void *userdata)
{
	struct race *race = userdata;
	uint32_t round, i;

	for (round = 1; round <= race->rounds; round++) {
		reach(&race->begun, round);
		for (i = 0; i < ROW; i++) {
			check(bell_pipe_write(race->p[i], "1234", 4, 0) == 4);
			if (race->error)
				bell_pipe_set_error(race->p[i], race->error);
			else
				bell_pipe_close(race->p[i]);
		}
		bell_store_release(&race->done, round);
	}
	return NULL;
}

static const uint32_t policies[] = {BELL_PIPE_BLOCK, BELL_PIPE_LAP, BELL_PIPE_GROW};

/* Until the end, spinning or asleep. */
static void expect_four(struct race *race, int i, bool sleeps)
{
	uint32_t turns = 0;
	ssize_t n = 1, got = 0;
	char buf[8];

	while (n > 0 || n == -EAGAIN) {
		n = sleeps ? bell_reader_wait(race->r[i], buf, 3, -1)
			   : bell_reader_read(race->r[i], buf, 3);
		got += n > 0 ? n : 0;
		if (n == -EAGAIN && ++turns % 200 == 0)
			sched_yield();
	}
	check(got == 4 && n == -race->error);
}

/* Four bytes and the end: never the end before the bytes. 10^6 rounds; by reads, and by sleeps. */
START_TEST(no_byte_is_lost_between_write_and_end)
{
	const bool sleeps = _i >= 4;
	static struct race race;
	pthread_t writer;
	uint32_t round;
	int i;

	race_init(&race, policies[_i % 4 % 3], ROUNDS(sleeps ? 100000 : 250000));
	race.error = _i % 4 == 3 ? EIO : 0;
	writer = spawn(write_and_end, &race);
	for (round = 1; round <= race.rounds; round++) {
		renew(&race);
		bell_store_release(&race.begun, round);
		for (i = 0; i < ROW; i++)
			expect_four(&race, i, sleeps);
		reach(&race.done, round);
	}
	join(writer);
	ck_assert_uint_eq(failures, 0);
	race_fini(&race);
}

static void *end_along(void *userdata)
{
	struct race *race = userdata;
	uint32_t round, i;

	for (round = 1; round <= race->rounds; round++) {
		reach(&race->begun, round);
		for (i = 0; i < ROW; i++)
			if (round % 2)
				bell_pipe_close(race->p[i]);
			else
				check(bell_pipe_set_error(race->p[i], EIO) == 0);
		bell_store_release(&race->done, round);
	}
	return NULL;
}

/* A write that counted its bytes was before the end; one that was refused left none behind. */
static void expect_what_was_counted(struct race *race, int i, int end)
{
	ssize_t n = 1, written = 0, got = 0;
	char buf[64];

	while (written < 64 && (n = bell_pipe_write(race->p[i], "12", 2, 0)) > 0)
		written += n;
	check(written == 64 || n == (end ? end : -ESHUTDOWN));
	do {
		n = bell_reader_read(race->r[i], buf, sizeof(buf));
		got += n > 0 ? n : 0;
		if (n == -EAGAIN)
			sched_yield();
	} while (n > 0 || n == -EAGAIN);
	check(got == written && n == end);
}

START_TEST(a_close_from_elsewhere_is_before_or_after_a_write)
{
	static struct race race;
	pthread_t closer;
	uint32_t round;
	int i;

	race_init(&race, policies[_i], ROUNDS(100000));
	closer = spawn(end_along, &race);
	for (round = 1; round <= race.rounds; round++) {
		renew(&race);
		bell_store_release(&race.begun, round);
		for (i = 0; i < ROW; i++)
			expect_what_was_counted(&race, i, round % 2 ? 0 : -EIO);
		reach(&race.done, round);
	}
	join(closer);
	ck_assert_uint_eq(failures, 0);
	race_fini(&race);
}

/* -- join and leave -------------------------------------------------------------------------- */

struct visits {
	struct bell_pipe *p;
	uint32_t rounds, running, begun;
	uint64_t seen;
};

/* The stream is the bytes of their positions: wherever a reader starts, it can tell where. */
static void *come_and_go(void *userdata)
{
	struct visits *v = userdata;
	uint64_t state = (uintptr_t)&state, expect = 0;
	struct bell_reader *r;
	uint8_t bytes[96];
	uint32_t round, i;
	ssize_t n = 0;

	reach(&v->begun, 1);
	/* If the writer never ran so far there was nothing to see: go on. */
	for (round = 0; round < v->rounds || bell_load_relaxed(&v->seen) == 0; round++) {
		if (bell_reader_new(&r, v->p) < 0) {
			check(false);
			break;
		}
		for (i = dice(&state) % 4; i > 0; i--) {
			n = bell_reader_read(r, bytes, sizeof(bytes));
			if (n <= 0)
				continue;
			expect = r->position - (uint64_t)n;
			check(wrong_bytes(bytes, expect, (size_t)n) == 0);
			bell_fetch_add_relaxed(&v->seen, (uint64_t)n);
		}
		bell_reader_free(r);
	}
	bell_fetch_sub_acq_rel(&v->running, 1);
	return NULL;
}

/* Three threads come and go 10^5 times in all beside a writer that is never without a reader. */
START_TEST(readers_come_and_go_while_the_writer_writes)
{
	struct visits v = {
		.p = pipe_of(policies[_i], 64, 512), .rounds = ROUNDS(36000), .running = 3};
	struct bell_reader *own = reader_of(v.p);
	uint64_t position = 0, own_position = 0, state = 5;
	pthread_t threads[3];
	uint8_t bytes[96];
	ssize_t n;
	int i;

	for (i = 0; i < 3; i++)
		threads[i] = spawn(come_and_go, &v);
	while (bell_load_acquire(&v.running) > 0) {
		size_t some = 1 + dice(&state) % sizeof(bytes);

		fill_bytes(bytes, position, some);
		n = bell_pipe_write(v.p, bytes, some, 0);
		check(n > 0 || n == -EAGAIN || n == -ENOSPC);
		position += n > 0 ? (uint64_t)n : 0;
		n = bell_reader_read(own, bytes, sizeof(bytes));
		check(n > 0 || n == -EAGAIN || n == -EOVERFLOW);
		if (n > 0)
			check(wrong_bytes(bytes, own_position + bell_reader_lost(own), (size_t)n) ==
				0);
		own_position += n > 0 ? (uint64_t)n : 0;
		bell_store_release(&v.begun, position > 100);
	}
	for (i = 0; i < 3; i++)
		join(threads[i]);
	ck_assert_uint_eq(failures, 0);
	ck_assert_uint_gt(v.seen, 0);
	ck_assert_uint_eq(stats_of_pipe(v.p).readers, 1);
	bell_reader_free(own);
	bell_pipe_free(v.p);
}

/* -- EPIPE ----------------------------------------------------------------------------------- */

/* One reader stays while another comes and goes: a write never says that all have gone. */
static void *relay(void *userdata)
{
	struct visits *v = userdata;
	struct bell_reader *r, *next;
	uint32_t round;

	if (bell_reader_new(&r, v->p) < 0)
		return NULL;
	bell_store_release(&v->begun, 1);
	for (round = 0; round < v->rounds; round++) {
		if (bell_reader_new(&next, v->p) < 0)
			check(false);
		bell_reader_free(r);
		r = next;
	}
	bell_store_release(&v->running, 0);
	bell_reader_free(r);
	return NULL;
}

START_TEST(a_write_beside_readers_that_relieve_each_other_never_says_EPIPE)
{
	struct visits v = {
		.p = pipe_of(BELL_PIPE_LAP, 64, 0), .rounds = ROUNDS(100000), .running = 1};
	pthread_t thread = spawn(relay, &v);

	reach(&v.begun, 1);
	while (bell_load_acquire(&v.running) > 0) {
		ssize_t n = bell_pipe_write(v.p, "1234", 4, 0);

		check(n == 4 || bell_load_acquire(&v.running) == 0);
	}
	join(thread);
	ck_assert_uint_eq(failures, 0);
	ck_assert_int_eq(bell_pipe_write(v.p, "1234", 4, 0), -EPIPE);
	bell_pipe_free(v.p);
}

/* The first reader comes while the writer writes: not one write says that all have gone. */
static void *first_reader(void *userdata)
{
	struct visits *v = userdata;
	struct bell_reader *r = NULL;

	check(bell_reader_new(&r, v->p) == 0);
	bell_store_release(&v->running, 2);
	reach(&v->running, 3);
	bell_reader_free(r);
	return NULL;
}

START_TEST(a_write_beside_the_first_reader_coming_never_says_EPIPE)
{
	struct visits v = {0};
	pthread_t thread;
	int round;

	for (round = 0; round < (int)ROUNDS(1000); round++) {
		v = (struct visits){.p = pipe_of(BELL_PIPE_LAP, 64, 0), .running = 1};
		thread = spawn(first_reader, &v);
		while (bell_load_acquire(&v.running) < 2) {
			check(bell_pipe_write(v.p, "1234", 4, 0) == 4);
			sched_yield();
		}
		check(bell_pipe_write(v.p, "1234", 4, 0) == 4);
		bell_store_release(&v.running, 3);
		join(thread);
		check(bell_pipe_write(v.p, "1234", 4, 0) == -EPIPE);
		bell_pipe_free(v.p);
	}
	ck_assert_uint_eq(failures, 0);
}

/* The last reader leaves at a random moment of a writer that waits for room: it is told. */
struct leave {
	struct bell_pipe *p;
	uint32_t rounds, begun, done;
};

static void *leave_soon(void *userdata)
{
	struct leave *l = userdata;
	struct bell_reader *r;
	uint64_t state = 11;
	uint32_t round, i;
	char c;

	for (round = 1; round <= l->rounds; round++) {
		check(bell_reader_new(&r, l->p) == 0);
		bell_store_release(&l->begun, round);
		for (i = dice(&state) % 200; i > 0; i--)
			bell_pause();
		if (round % 2)
			check(bell_reader_read(r, &c, 1) == 1);
		bell_reader_free(r);
		reach(&l->done, round);
	}
	return NULL;
}

START_TEST(a_waiting_writer_hears_of_the_last_reader_leaving)
{
	struct leave l = {.p = pipe_of(BELL_PIPE_BLOCK, 4, 0), .rounds = ROUNDS(10000)};
	pthread_t thread;
	uint32_t round;
	ssize_t n;

	ck_assert_int_eq(bell_pipe_write(l.p, "1234", 4, 0), 4);
	bell_queue_set_spin(l.p->room, 0);
	thread = spawn(leave_soon, &l);
	for (round = 1; round <= l.rounds; round++) {
		reach(&l.begun, round);
		while ((n = bell_pipe_write(l.p, "x", 1, -1)) == 1)
			;
		check(n == -EPIPE);
		bell_store_release(&l.done, round);
	}
	join(thread);
	ck_assert_uint_eq(failures, 0);
	bell_pipe_free(l.p);
}

int main(void)
{
	Suite *s = suite_create("pipe threads");
	TCase *tc = runner_case(s, "pipe threads", 110);

	tcase_add_loop_test(tc, no_byte_is_lost_between_write_and_end, 0, 8);
	tcase_add_loop_test(tc, a_close_from_elsewhere_is_before_or_after_a_write, 0, 3);
	tcase_add_loop_test(tc, readers_come_and_go_while_the_writer_writes, 0, 3);
	tcase_add_test(tc, a_write_beside_readers_that_relieve_each_other_never_says_EPIPE);
	tcase_add_test(tc, a_write_beside_the_first_reader_coming_never_says_EPIPE);
	tcase_add_test(tc, a_waiting_writer_hears_of_the_last_reader_leaving);
	return runner_run(s);
}
