/* SPDX-License-Identifier: MIT
 *
 * The contract of the pipe between processes, line by line, with the readers in the writer's process, where
 * every step comes in its turn.
 */
#include "share_pipes.h"

START_TEST(every_reader_gets_everything_at_its_own_pace)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 64);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p), *late;

	expect_none(a, -EAGAIN);
	put(p, "hello");
	expect_read(a, 4, "hell");
	expect_read(a, 100, "o");
	expect_none(a, -EAGAIN);
	put(p, "world");
	expect_read(b, 7, "hellowo");
	expect_read(a, 100, "world");
	late = reader_of(p); /* nothing was overwritten yet */
	expect_read(late, 100, "helloworld");
	expect_read(b, 100, "rld");
	ck_assert_uint_eq(pipe_stats_of(p).readers, 3);
	ck_assert_uint_eq(pipe_stats_of(p).written, 10);
	bell_share_reader_free(a);
	bell_share_reader_free(b);
	bell_share_reader_free(late);
	serve_until(p, 0);
	ck_assert_uint_eq(pipe_stats_of(p).share.left, 3);
	bell_share_pipe_free(p);
}

START_TEST(data_comes_before_the_end_and_before_an_error)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i % 2, 64);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p), *late;
	const int error = _i < 2 ? 0 : EIO;

	put(p, "hello");
	expect_read(a, 100, "hello");
	lull(a);
	if (error)
		ck_assert_int_eq(bell_share_pipe_set_error(p, error), 0);
	else
		ck_assert_int_eq(bell_share_pipe_close(p), 0);
	ck_assert(fd_readable(bell_share_reader_fd(a)));
	expect_none(a, -error);
	expect_none(a, -error);
	ck_assert_int_eq(bell_share_reader_arm(a), error ? -error : -ESHUTDOWN);
	expect_read(b, 4, "hell");
	ck_assert_int_eq(bell_share_reader_arm(b), 0);
	expect_read(b, 4, "o");
	expect_none(b, -error);
	late = reader_of(p);
	expect_read(late, 100, "hello");
	bell_share_pipe_free(p);
	expect_none(late, -error);
	expect_none(b, -error);
	bell_share_reader_free(a);
	bell_share_reader_free(b);
	bell_share_reader_free(late);
}

START_TEST(the_first_end_stays)
{
	static const int refused[] = {0, -1, -EIO, EAGAIN, EINTR, EOVERFLOW, 4096, INT32_MIN};
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 64);
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		ck_assert_int_eq(bell_share_pipe_set_error(p, refused[i]), -EINVAL);
	put(p, "open");
	if (_i) {
		ck_assert_int_eq(bell_share_pipe_set_error(p, ENOLINK), 0);
		ck_assert_int_eq(bell_share_pipe_set_error(p, EIO), -EALREADY);
		ck_assert_int_eq(bell_share_pipe_close(p), 0);
	} else {
		ck_assert_int_eq(bell_share_pipe_close(p), 0);
		ck_assert_int_eq(bell_share_pipe_close(p), 0);
		ck_assert_int_eq(bell_share_pipe_set_error(p, EIO), -ESHUTDOWN);
	}
	ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, -1), _i ? -ENOLINK : -ESHUTDOWN);
	ck_assert_int_eq(bell_share_pipe_write(p, "x", 0, 0), _i ? -ENOLINK : -ESHUTDOWN);
	ck_assert_int_eq(bell_share_pipe_arm(p, 1), _i ? -ENOLINK : -ESHUTDOWN);
	bell_share_pipe_free(p);
}

START_TEST(what_is_written_before_the_first_reader_is_kept_for_it)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r;

	ck_assert_int_eq(bell_share_pipe_write(p, "0123456789", 10, 0), 8);
	ck_assert_int_eq(bell_share_pipe_write(p, "89", 2, 0), -EAGAIN);
	ck_assert_int_eq(bell_share_pipe_write(p, "89", 2, SECOND / 100), -ETIMEDOUT);
	ck_assert_uint_eq(pipe_stats_of(p).refused, 3);
	r = reader_of(p);
	expect_read(r, 3, "012");
	ck_assert_int_eq(bell_share_pipe_write(p, "89abc", 5, 0), 3);
	expect_read(r, 100, "3456789a");
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

START_TEST(a_pipe_that_all_have_left_is_broken_until_somebody_comes)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 64);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p);

	put(p, "x");
	bell_share_reader_free(a);
	serve_until(p, 1);
	put(p, "y");
	bell_share_reader_free(b);
	serve_until(p, 0);
	ck_assert_int_eq(bell_share_pipe_write(p, "z", 1, -1), -EPIPE);
	ck_assert_int_eq(bell_share_pipe_write(p, "z", 0, -1), -EPIPE);
	while (bell_share_pipe_arm(p, 1) == 0)
		ck_assert_int_eq(bell_share_pipe_serve(p), 0);
	ck_assert(!fd_readable(bell_share_pipe_fd(p))); /* it sleeps until somebody comes */
	a = reader_of(p);
	put(p, "!");
	bell_share_reader_free(a);
	bell_share_pipe_free(p);
}

START_TEST(the_slowest_reader_holds_the_writer_and_frees_it)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p);

	put(p, "01234567");
	expect_read(a, 100, "01234567");
	ck_assert_int_eq(bell_share_pipe_write(p, "8", 1, 0), -EAGAIN);
	expect_read(b, 2, "01");
	put(p, "89");
	ck_assert_int_eq(bell_share_pipe_write(p, "a", 1, 0), -EAGAIN);
	bell_share_reader_free(b);
	serve_until(p, 1);
	put(p, "abcdef");
	expect_read(a, 100, "89abcdef");
	bell_share_reader_free(a);
	bell_share_pipe_free(p);
}

START_TEST(a_lapped_reader_knows_what_it_lost)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_LAP, 8);
	struct bell_share_reader *r = reader_of(p), *late;

	put(p, "01234567");
	expect_read(r, 3, "012");
	put(p, "89abcd");
	ck_assert_int_eq(bell_share_reader_arm(r), 0);
	expect_none(r, -EOVERFLOW);
	ck_assert_uint_eq(bell_share_reader_lost(r), 3);
	late = reader_of(p); /* at the oldest byte kept */
	expect_read(r, 100, "6789abcd");
	expect_read(late, 100, "6789abcd");
	ck_assert_uint_eq(bell_share_reader_lost(late), 0);
	put(p, "a text that is longer than the pipe");
	expect_none(r, -EOVERFLOW);
	expect_read(r, 100, "the pipe");
	ck_assert_uint_eq(bell_share_reader_lost(r), 3 + 35 - 8);
	bell_share_reader_free(r);
	bell_share_reader_free(late);
	bell_share_pipe_free(p);
}

START_TEST(a_read_of_nothing_is_refused_and_a_wait_has_its_time)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 8);
	struct bell_share_reader *r = reader_of(p);
	char buf[8];

	ck_assert_int_eq(bell_share_reader_read(r, buf, 0), -EINVAL);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 0, -1), -EINVAL);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 8, 0), -ETIMEDOUT);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 8, SECOND / 100), -ETIMEDOUT);
	put(p, "abc");
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 8, INT64_MAX), 3);
	bell_share_pipe_close(p);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 8, -1), 0);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

START_TEST(only_readers_that_sleep_are_woken)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 64);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p);

	put(p, "1");
	ck_assert_uint_eq(pipe_stats_of(p).wakes, 0);
	expect_read(a, 100, "1");
	lull(a);
	put(p, "2");
	put(p, "3");
	ck_assert_uint_eq(pipe_stats_of(p).wakes, 1);
	ck_assert(fd_readable(bell_share_reader_fd(a)));
	expect_read(a, 100, "23");
	ck_assert(fd_readable(bell_share_reader_fd(a))); /* until an arm says 1 */
	lull(a);
	bell_share_pipe_close(p);
	ck_assert_uint_eq(pipe_stats_of(p).wakes, 2);
	expect_read(b, 100, "123");
	bell_share_reader_free(a);
	bell_share_reader_free(b);
	bell_share_pipe_free(p);
}

/* Arms until the writer may sleep; nothing but news keeps it awake. */
static void expect_sleep(struct bell_share_pipe *p, size_t room)
{
	int turns = 100;

	while (bell_share_pipe_arm(p, room) == 0)
		ck_assert_int_gt(turns--, 0);
	ck_assert(!fd_readable(bell_share_pipe_fd(p)));
}

START_TEST(a_writer_sleeps_until_there_is_room)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *a = reader_of(p), *b = reader_of(p);

	expect_sleep(p, 0);
	ck_assert_int_eq(bell_share_pipe_arm(p, 1), 0);
	put(p, "01234567");
	expect_sleep(p, 4);
	expect_read(a, 3, "012");
	expect_read(b, 3, "012");
	ck_assert(!fd_readable(bell_share_pipe_fd(p))); /* not yet */
	expect_read(a, 3, "345");
	expect_read(b, 3, "345");
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	ck_assert_int_eq(bell_share_pipe_arm(p, 4), 0);
	ck_assert_uint_ge(pipe_stats_of(p).resumes, 1);
	put(p, "89ab");
	expect_sleep(p, 1000); /* that is all of it */
	expect_read(a, 100, "6789ab");
	bell_share_reader_free(b);
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	while (bell_share_pipe_arm(p, 8) == 1) /* the end of a connection has no notify before it */
		sleep_ms(1);
	serve_until(p, 1);
	put(p, "cdefghij");
	bell_share_reader_free(a);
	bell_share_pipe_free(p);
}

START_TEST(a_reader_with_a_wake_that_it_has_not_taken_wakes_the_writer)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r = reader_of(p);

	lull(r);
	put(p, "01234567");
	expect_sleep(p, 8);
	expect_read(r, 8, "01234567");
	ck_assert(fd_readable(bell_share_reader_fd(r)));
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

START_TEST(who_comes_and_who_goes_wakes_the_writer)
{
	struct bell_share_pipe *p = pipe_of((uint32_t)_i, 8);
	struct bell_share_reader *r;
	int fd;

	expect_sleep(p, 0);
	fd = raw_dial("x");
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	while (bell_share_pipe_arm(p, 0) != 0)
		;
	ck_assert_int_eq(bell_share_pipe_serve(p), 1);
	expect_sleep(p, 0);
	close(fd);
	ck_assert(fd_readable(bell_share_pipe_fd(p)));
	serve_until(p, 0);
	put(p, "x"); /* it never was a reader: what is written is kept for the first */
	r = reader_of(p);
	expect_read(r, 10, "x");
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe");
	TCase *tc = shares_case(s, "share pipe", 30);

	tcase_add_loop_test(tc, every_reader_gets_everything_at_its_own_pace, 0, 2);
	tcase_add_loop_test(tc, data_comes_before_the_end_and_before_an_error, 0, 4);
	tcase_add_loop_test(tc, the_first_end_stays, 0, 2);
	tcase_add_test(tc, what_is_written_before_the_first_reader_is_kept_for_it);
	tcase_add_loop_test(tc, a_pipe_that_all_have_left_is_broken_until_somebody_comes, 0, 2);
	tcase_add_test(tc, the_slowest_reader_holds_the_writer_and_frees_it);
	tcase_add_test(tc, a_lapped_reader_knows_what_it_lost);
	tcase_add_loop_test(tc, a_read_of_nothing_is_refused_and_a_wait_has_its_time, 0, 2);
	tcase_add_loop_test(tc, only_readers_that_sleep_are_woken, 0, 2);
	tcase_add_test(tc, a_writer_sleeps_until_there_is_room);
	tcase_add_test(tc, a_reader_with_a_wake_that_it_has_not_taken_wakes_the_writer);
	tcase_add_loop_test(tc, who_comes_and_who_goes_wakes_the_writer, 0, 2);
	return runner_run(s);
}
