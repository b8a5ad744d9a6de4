/* SPDX-License-Identifier: MIT
 *
 * inject_pipe.c: the races of the broadcast pipe, made to happen. The library is built with its injection
 * points on: a thread is stopped in the midst of a call, the main thread does what should not matter, and
 * lets it go on. What is lost hangs, and the test's time runs out.
 */
#include "pipe_actors.h"

static const char *const reader_points[] = {"tail_read", "reader_polled", "reader_announced"};

/* 0: data, 1: the end, 2: an error, at each moment of falling asleep, waiting or in a loop. */
START_TEST(what_happens_while_a_reader_falls_asleep_wakes_it)
{
	const char *point = reader_points[_i / 3 % 3];
	const bool loop = _i >= 9;
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 16)};

	if (!loop && strcmp(point, "reader_polled") == 0)
		point = "reader_announced";
	a.r = join_pipe(a.p);
	ck_assert_int_eq(
		bell_reader_wait(a.r, a.got, 1, 1), -ETIMEDOUT); /* a new bell has a token */
	a.r->seat->asleep = 0; /* and this left an announcement: without either */
	start(&a, point, loop ? act_loop : act_wait);
	if (_i % 3 == 0)
		put(a.p, "x");
	else if (_i % 3 == 1)
		bell_pipe_close(a.p);
	else
		bell_pipe_set_error(a.p, EIO);
	finish(&a);
	ck_assert_int_eq(a.said, _i % 3 == 0 ? 1 : _i % 3 == 1 ? 0 : -EIO);
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

static const char *const writer_points[] = {
	"writer_polled", "writer_announced", "writer_full", "writer_announced"};

/* 0: room, 1: the last reader leaves, 2: closed, at each moment of falling asleep. */
START_TEST(what_happens_while_a_writer_falls_asleep_wakes_it)
{
	const bool loop = _i < 6;
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 4), .text = "abcd"};
	struct bell_reader *r = join_pipe(a.p);

	put(a.p, "1234");
	ck_assert_int_eq(bell_pipe_write(a.p, "x", 1, 1), -ETIMEDOUT); /* a new bell has a token */
	a.p->waiting = 0; /* and this left an announcement: without either */
	start(&a, writer_points[_i / 3], loop ? act_write_loop : act_write);
	if (_i % 3 == 0)
		expect(r, "1234");
	else if (_i % 3 == 1)
		r = bell_reader_free(r);
	else
		bell_pipe_close(a.p);
	finish(&a);
	ck_assert_int_eq(a.said, _i % 3 == 0 ? 4 : _i % 3 == 1 ? -EPIPE : -ESHUTDOWN);
	if (_i % 3 == 0)
		expect(r, "abcd");
	bell_reader_free(r);
	bell_pipe_free(a.p);
}

/* The two loads of the published design, with all the time in the world between them. */
START_TEST(bytes_and_end_that_come_after_a_look_are_not_an_end_without_bytes)
{
	struct actor a = {.p = make((uint32_t)_i, 16)};

	a.r = join_pipe(a.p);
	start(&a, "tail_read", act_read);
	put(a.p, "last");
	bell_pipe_close(a.p);
	finish(&a);
	ck_assert_int_eq(a.said, -EAGAIN);
	expect(a.r, "last");
	expect_said(a.r, 0);
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

START_TEST(a_write_that_the_end_overtakes_is_refused_and_leaves_nothing)
{
	struct actor a = {.p = make((uint32_t)_i % 3, 16), .text = "late"};

	a.r = join_pipe(a.p);
	put(a.p, "in time");
	start(&a, "bytes_put", act_write);
	if (_i < 3)
		bell_pipe_close(a.p);
	else
		bell_pipe_set_error(a.p, EIO);
	expect(a.r, "in time");
	expect_said(a.r, _i < 3 ? 0 : -EIO);
	finish(&a);
	ck_assert_int_eq(a.said, _i < 3 ? -ESHUTDOWN : -EIO);
	expect_said(a.r, _i < 3 ? 0 : -EIO);
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

START_TEST(an_error_that_the_end_overtakes_is_refused_and_never_seen)
{
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 16)};

	a.r = join_pipe(a.p);
	start(&a, "error_named", act_error);
	put(a.p, "still");
	ck_assert_int_eq(bell_pipe_set_error(a.p, ENOLINK), -EALREADY);
	expect(a.r, "still");
	expect_said(a.r, -EAGAIN);
	bell_pipe_close(a.p);
	finish(&a);
	ck_assert_int_eq(a.said, -ESHUTDOWN);
	expect_said(a.r, 0);
	ck_assert_int_eq(bell_pipe_write(a.p, "x", 1, 0), -ESHUTDOWN);
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

START_TEST(room_is_not_free_before_its_bytes_are_copied)
{
	struct actor a = {.p = make(_i ? BELL_PIPE_GROW : BELL_PIPE_BLOCK, 8)};

	a.r = join_pipe(a.p);
	put(a.p, "12345678");
	start(&a, "copied", act_read);
	ck_assert_int_eq(bell_pipe_write(a.p, "9", 1, 0), _i ? -ENOSPC : -EAGAIN);
	finish(&a);
	ck_assert_int_eq(a.said, 8);
	put(a.p, "9");
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

/* The copy is made, and the writer comes round: what was copied may be of two laps. */
START_TEST(a_reader_that_is_lapped_while_it_copies_says_so)
{
	struct actor a = {.p = make(BELL_PIPE_LAP, 8)};

	a.r = join_pipe(a.p);
	put(a.p, "12345678");
	start(&a, "copied", act_read);
	put(a.p, "9abc");
	finish(&a);
	ck_assert_int_eq(a.said, -EOVERFLOW);
	ck_assert_uint_eq(bell_reader_lost(a.r), 4);
	expect(a.r, "56789abc");
	bell_reader_free(a.r);
	bell_pipe_free(a.p);
}

/* Told, not yet overwritten, not yet published: what is about to go is not given out. */
START_TEST(what_a_writer_is_about_to_overwrite_is_not_read)
{
	struct actor a = {.p = make(BELL_PIPE_LAP, 8), .text = "9a"};
	struct bell_reader *r = join_pipe(a.p);

	put(a.p, "12345678");
	start(&a, "left_behind", act_write);
	expect_said(r, -EOVERFLOW);
	ck_assert_uint_eq(bell_reader_lost(r), 2);
	expect(r, "345678");
	expect_said(r, -EAGAIN);
	finish(&a);
	expect(r, "9a");
	bell_reader_free(r);
	bell_pipe_free(a.p);
}

/* A reader comes while the writer overwrites; it has seen where it may start, and told nobody. */
START_TEST(a_reader_that_joins_behind_the_writers_back_moves_up)
{
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 8)};
	struct bell_reader *r = join_pipe(a.p);

	put(a.p, "12345678");
	expect(r, "12345678");
	start(&a, "joining", act_join);
	put(a.p, "abcdefgh"); /* over all that it thought to read */
	finish(&a);
	ck_assert_int_eq(a.said, 0);
	expect(a.r, "abcdefgh");
	bell_reader_free(a.r);
	bell_reader_free(r);
	bell_pipe_free(a.p);
}

/* The writer has looked at the seats, and then a reader sits down at what is still the oldest byte: it
 * finds its bytes whenever it reads. */
START_TEST(the_bytes_of_a_reader_that_joined_behind_a_look_stay)
{
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 8), .text = "abcdefgh"};
	struct bell_reader *r = join_pipe(a.p), *late;
	struct timespec tenth = {.tv_nsec = 100000000};

	put(a.p, "12345678");
	expect(r, "12345678");
	start(&a, "looked", act_write);
	late = join_pipe(a.p);
	sem_post(&a.stop.go);
	nanosleep(&tenth, NULL); /* for a broken one to overwrite them; a good one waits */
	expect(late, "12345678");
	pthread_join(a.thread, NULL);
	expect(late, "abcdefgh");
	bell_reader_free(late);
	bell_reader_free(r);
	bell_pipe_free(a.p);
}

START_TEST(a_reader_that_is_yet_to_move_up_as_it_joins_lets_nothing_be_overwritten)
{
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 8)};
	struct bell_reader *r = join_pipe(a.p);
	struct stop seated;

	put(a.p, "12345678");
	expect(r, "12345678");
	stop_init(&seated, "seated");
	start(&a, "joining", act_join);
	a.stop.next = &seated;
	put(a.p, "abcdefgh");
	sem_post(&a.stop.go);
	sem_wait(&seated.reached); /* at 0, and the oldest byte kept is 8 */
	ck_assert_int_eq(bell_pipe_write(a.p, "x", 1, 0), -EAGAIN);
	sem_post(&seated.go);
	pthread_join(a.thread, NULL);
	expect(a.r, "abcdefgh");
	expect(r, "abcdefgh");
	bell_reader_free(a.r);
	bell_reader_free(r);
	bell_pipe_free(a.p);
}

/* It held the writer for a moment, lower than where it ended up: the writer fell asleep over that. */
START_TEST(a_reader_that_moves_up_as_it_joins_wakes_the_writer_that_it_held)
{
	struct actor writes = {.p = make(BELL_PIPE_BLOCK, 4), .text = "abcd"},
		     joins = {.p = writes.p};
	struct bell_reader *r = join_pipe(writes.p);
	struct timespec tenth = {.tv_nsec = 100000000};

	put(writes.p, "1234");
	expect(r, "1234");
	start(&writes, "looked", act_write);
	start(&joins, "seated", act_join);
	sem_post(&writes.stop.go);
	nanosleep(&tenth, NULL); /* to fall asleep; if it has not, the test is weaker, not wrong */
	finish(&joins);
	pthread_join(writes.thread, NULL);
	ck_assert_int_eq(writes.said, 4);
	expect(joins.r, "abcd");
	expect(r, "abcd");
	bell_reader_free(joins.r);
	bell_reader_free(r);
	bell_pipe_free(writes.p);
}

START_TEST(a_writer_waits_for_a_last_reader_that_is_about_to_leave)
{
	struct actor leaves = {.p = make(BELL_PIPE_BLOCK, 4)},
		     writes = {.p = leaves.p, .text = "x"};

	leaves.r = join_pipe(leaves.p);
	put(leaves.p, "1234");
	start(&leaves, "leaving", act_leave);
	ck_assert_int_eq(bell_pipe_write(leaves.p, "x", 1, 0), -EAGAIN);
	start(&writes, "writer_announced", act_write);
	sem_post(&writes.stop.go);
	finish(&leaves);
	pthread_join(writes.thread, NULL);
	ck_assert_int_eq(writes.said, -EPIPE);
	bell_pipe_free(leaves.p);
}

/* Two see one announcement: the one that is stopped before it takes it back finds it taken. */
START_TEST(of_two_who_see_a_sleeper_one_wakes_it)
{
	struct actor a = {.p = make(BELL_PIPE_BLOCK, 16), .text = "x"};
	struct bell_reader *r = join_pipe(a.p);
	struct bell_pipe_stats s;

	expect_said(r, -EAGAIN);
	ck_assert_int_eq(bell_reader_arm(r), 1);
	start(&a, "reader_asleep", act_write);
	bell_pipe_close(a.p);
	bell_pipe_stats(a.p, &s);
	ck_assert_uint_eq(s.wakes, 1);
	block_on(bell_reader_fd(r));
	expect(r, "x");
	expect_said(r, 0);
	r = bell_reader_free(r); /* and the seat is free when the other comes back to it */
	finish(&a);
	bell_pipe_stats(a.p, &s);
	ck_assert_uint_eq(s.wakes, 1);
	bell_pipe_free(a.p);
}

/* Usage: inject_pipe [SECONDS], the time a test may take: a broken library is not waited for long. */
int main(int argc, char **argv)
{
	Suite *s = suite_create("inject pipe");
	TCase *tc = runner_case(s, "stopped threads", argc > 1 ? atof(argv[1]) : 60);

	tcase_add_loop_test(tc, what_happens_while_a_reader_falls_asleep_wakes_it, 0, 18);
	tcase_add_loop_test(tc, what_happens_while_a_writer_falls_asleep_wakes_it, 0, 12);
	tcase_add_loop_test(
		tc, bytes_and_end_that_come_after_a_look_are_not_an_end_without_bytes, 0, 3);
	tcase_add_loop_test(tc, a_write_that_the_end_overtakes_is_refused_and_leaves_nothing, 0, 6);
	tcase_add_test(tc, an_error_that_the_end_overtakes_is_refused_and_never_seen);
	tcase_add_loop_test(tc, room_is_not_free_before_its_bytes_are_copied, 0, 2);
	tcase_add_test(tc, a_reader_that_is_lapped_while_it_copies_says_so);
	tcase_add_test(tc, what_a_writer_is_about_to_overwrite_is_not_read);
	tcase_add_test(tc, a_reader_that_joins_behind_the_writers_back_moves_up);
	tcase_add_test(tc, the_bytes_of_a_reader_that_joined_behind_a_look_stay);
	tcase_add_test(tc, a_reader_that_is_yet_to_move_up_as_it_joins_lets_nothing_be_overwritten);
	tcase_add_test(tc, a_reader_that_moves_up_as_it_joins_wakes_the_writer_that_it_held);
	tcase_add_test(tc, a_writer_waits_for_a_last_reader_that_is_about_to_leave);
	tcase_add_test(tc, of_two_who_see_a_sleeper_one_wakes_it);
	return runner_run(s);
}
