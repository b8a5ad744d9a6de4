/* SPDX-License-Identifier: MIT
 *
 * The writer and its readers run in the middle of each other's steps: built with the library's own
 * sources, whose injection points call back. One thread is all of them, so every interleaving here
 * happens, and always.
 */
#include <poll.h>

#include "share_pipes.h"

void inject_point(const char *point);

static struct bell_share_pipe *p;
static struct bell_share_reader *r, *other;

/* At which point what is done, once. */
static const char *at;
static void (*action)(void);

void inject_point(const char *point)
{
	if (!at || strcmp(point, at) != 0)
		return;
	at = NULL;
	action();
}

static void on(const char *point, void (*fn)(void))
{
	at = point;
	action = fn;
}

static void start(uint32_t policy, size_t capacity)
{
	p = pipe_of(policy, capacity);
	r = reader_of(p);
}

static void finish(void)
{
	ck_assert_ptr_null(at); /* the point was passed */
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

static void put_a(void)
{
	put(p, "a");
}

START_TEST(a_write_behind_the_announcement_of_sleep_wakes)
{
	start((uint32_t)_i, 8);
	lull(r);
	on("pipe_reader_announced", put_a);
	ck_assert_int_eq(bell_share_reader_arm(r), 0); /* it looked again */
	expect_read(r, 8, "a");
	finish();
}

static void arm_now(void)
{
	ck_assert_int_eq(bell_share_reader_arm(r), 1);
}

START_TEST(who_falls_asleep_in_the_middle_of_a_write_is_woken)
{
	start((uint32_t)_i, 8);
	on("pipe_bytes_put", arm_now); /* tail is not yet raised */
	put(p, "a");
	ck_assert(fd_readable(bell_share_reader_fd(r)));
	expect_read(r, 8, "a");
	finish();
}

/* It answers the announcement, so it is not to be taken any more. */
START_TEST(a_write_behind_the_last_look_leaves_the_descriptor_readable)
{
	start((uint32_t)_i, 8);
	lull(r);
	on("pipe_reader_settled", put_a);
	ck_assert_int_eq(bell_share_reader_arm(r), 1);
	ck_assert(fd_readable(bell_share_reader_fd(r)));
	expect_read(r, 8, "a");
	finish();
}

static void take_a_and_sleep(void)
{
	expect_read(r, 8, "a");
	arm_now();
}

/* Its announcement is that of a sleep behind the byte: what it gets for it is a wake for nothing, or
 * one to come; but never two. */
START_TEST(who_is_about_to_be_woken_is_sent_one_byte)
{
	start((uint32_t)_i, 8);
	lull(r);
	on("pipe_asleep", take_a_and_sleep);
	put(p, "a");
	ck_assert_uint_eq(pipe_stats_of(p).wakes, 1);
	lull(r);
	put(p, "b");
	ck_assert_uint_eq(pipe_stats_of(p).wakes, 2);
	ck_assert(fd_readable(bell_share_reader_fd(r)));
	finish();
}

static void read_one(void)
{
	char byte;

	ck_assert_int_eq(bell_share_reader_read(r, &byte, 1), 1);
}

static void arm_writer(void)
{
	int turns = 100;

	while (bell_share_pipe_arm(p, 1) == 0)
		ck_assert_int_gt(turns--, 0);
}

/* Between the look that found no room and the request for it, which the reader does not see, therefore.
 */
START_TEST(room_that_comes_before_it_is_asked_for_is_found)
{
	start(BELL_PIPE_BLOCK, 8);
	put(p, "01234567");
	on("pipe_full", read_one);
	while (at)
		ck_assert_int_eq(bell_share_pipe_arm(p, 1), 0);
	put(p, "8");
	finish();
}

START_TEST(a_writer_that_falls_asleep_in_the_middle_of_a_read_is_woken)
{
	start(BELL_PIPE_BLOCK, 8);
	put(p, "01234567");
	on("pipe_copied", arm_writer); /* position is not yet raised */
	read_one();
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	put(p, "8");
	finish();
}

static void read_two(void)
{
	read_one();
	read_one();
}

/* Whom the writer asks has just been there; then the other one has to be asked. */
START_TEST(a_writer_sleeps_only_if_whom_it_asked_is_behind)
{
	start(BELL_PIPE_BLOCK, 8);
	other = reader_of(p);
	put(p, "01234567");
	expect_read(other, 1, "0"); /* so r is the slowest */
	on("pipe_full", read_two);
	while (bell_share_pipe_arm(p, 2) == 0)
		ck_assert(at);
	ck_assert(!fd_readable(bell_share_pipe_fd(p)));
	expect_read(other, 1, "1");
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	put(p, "89");
	bell_share_reader_free(other);
	finish();
}

static void full_now(void)
{
	ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, 0), -EAGAIN);
}

START_TEST(bytes_are_not_overwritten_while_they_are_copied)
{
	start(BELL_PIPE_BLOCK, 8);
	put(p, "01234567");
	on("pipe_copied", full_now);
	expect_read(r, 8, "01234567");
	put(p, "89abcdef");
	finish();
}

static void lap(void)
{
	put(p, "89abcdef");
}

START_TEST(bytes_that_were_overwritten_while_they_were_copied_are_not_given_out)
{
	static const char *const points[] = {"pipe_tail_read", "pipe_copied"};

	start(BELL_PIPE_LAP, 8);
	put(p, "01234567");
	on(points[_i], lap);
	{
		char buf[8];

		ck_assert_int_eq(bell_share_reader_read(r, buf, 8), -EOVERFLOW);
	}
	ck_assert_uint_eq(bell_share_reader_lost(r), 8);
	expect_read(r, 8, "89abcdef");
	finish();
}

static void overwrite_part(void)
{
	char buf[8];

	/* The writer has said what it overwrites before it did. */
	ck_assert_int_eq(bell_share_reader_read(r, buf, 8), -EOVERFLOW);
}

START_TEST(what_is_overwritten_is_told_before)
{
	start(BELL_PIPE_LAP, 8);
	put(p, "01234567");
	on("pipe_bytes_put", overwrite_part);
	put(p, "89");
	ck_assert_uint_eq(bell_share_reader_lost(r), 2);
	expect_read(r, 8, "23456789");
	finish();
}

static void close_now(void)
{
	put(p, "z");
	bell_share_pipe_close(p);
}

START_TEST(an_end_that_comes_in_the_middle_of_a_read_is_behind_its_data)
{
	start((uint32_t)_i, 8);
	on("pipe_tail_read", close_now);
	expect_none(r, -EAGAIN);
	expect_read(r, 8, "z");
	expect_none(r, 0);
	finish();
}

static void lose_writer(void)
{
	put(p, "last");
	p = bell_share_pipe_free(p);
}

START_TEST(a_writer_that_goes_while_the_reader_falls_asleep_is_noticed)
{
	static const char *const points[] = {"pipe_reader_dry", "pipe_reader_announced"};

	start((uint32_t)_i % 2, 8);
	lull(r);
	on(points[_i / 2], lose_writer);
	ck_assert_int_eq(bell_share_reader_arm(r), 0);
	expect_read(r, 8, "last");
	expect_none(r, 0);
	finish();
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe inject");
	TCase *tc = shares_case(s, "share pipe inject", 60);

	tcase_add_loop_test(tc, a_write_behind_the_announcement_of_sleep_wakes, 0, 2);
	tcase_add_loop_test(tc, who_falls_asleep_in_the_middle_of_a_write_is_woken, 0, 2);
	tcase_add_loop_test(
		tc, a_write_behind_the_last_look_leaves_the_descriptor_readable, 0, 2);
	tcase_add_loop_test(tc, who_is_about_to_be_woken_is_sent_one_byte, 0, 2);
	tcase_add_test(tc, room_that_comes_before_it_is_asked_for_is_found);
	tcase_add_test(tc, a_writer_that_falls_asleep_in_the_middle_of_a_read_is_woken);
	tcase_add_test(tc, a_writer_sleeps_only_if_whom_it_asked_is_behind);
	tcase_add_test(tc, bytes_are_not_overwritten_while_they_are_copied);
	tcase_add_loop_test(
		tc, bytes_that_were_overwritten_while_they_were_copied_are_not_given_out, 0, 2);
	tcase_add_test(tc, what_is_overwritten_is_told_before);
	tcase_add_loop_test(tc, an_end_that_comes_in_the_middle_of_a_read_is_behind_its_data, 0, 2);
	tcase_add_loop_test(tc, a_writer_that_goes_while_the_reader_falls_asleep_is_noticed, 0, 4);
	return runner_run(s);
}
