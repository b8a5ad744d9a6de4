/* SPDX-License-Identifier: MIT
 *
 * The contract of the broadcast pipe in one thread: what is written is read, by everyone, in order, and
 * before any end; each call says what it should, also of nothing at all.
 */
#include "pipes.h"

static const uint32_t policies[] = {BELL_PIPE_BLOCK, BELL_PIPE_LAP, BELL_PIPE_GROW};
#define add_for_policies(tc, test) tcase_add_loop_test(tc, test, 0, 3)

static struct bell_pipe *pipe_of_policy(int i)
{
	return pipe_of(policies[i], 64, 1024);
}

START_TEST(what_is_written_is_read)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);

	expect_none(r, -EAGAIN);
	put(p, "hello");
	expect_read(r, 100, "hello");
	expect_none(r, -EAGAIN);
	put(p, "wor");
	put(p, "ld");
	expect_read(r, 100, "world");
	expect_none(r, -EAGAIN);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(a_small_buffer_gets_the_rest_later)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);

	put(p, "hello world");
	expect_read(r, 4, "hell");
	expect_read(r, 4, "o wo");
	put(p, "!");
	expect_read(r, 4, "rld!");
	expect_none(r, -EAGAIN);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(every_reader_gets_everything_at_its_own_pace)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *a = reader_of(p), *b = reader_of(p), *c;

	put(p, "hello");
	expect_read(a, 100, "hello");
	put(p, "world");
	expect_read(b, 7, "hellowo");
	expect_read(a, 100, "world");
	c = reader_of(p); /* late: from the oldest byte kept, here the first */
	expect_read(c, 100, "helloworld");
	expect_read(b, 100, "rld");
	expect_none(a, -EAGAIN);
	bell_reader_free(a);
	bell_reader_free(b);
	bell_reader_free(c);
	bell_pipe_free(p);
}

START_TEST(data_comes_before_end_of_file)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *a = reader_of(p), *b = reader_of(p), *late;

	put(p, "hello");
	ck_assert_int_eq(bell_pipe_close(p), 0);
	expect_read(a, 4, "hell");
	expect_read(a, 4, "o");
	expect_none(a, 0);
	expect_none(a, 0);
	expect_read(b, 100, "hello");
	expect_none(b, 0);
	late = reader_of(p);
	expect_read(late, 100, "hello");
	expect_none(late, 0);
	bell_reader_free(late);
	bell_reader_free(a);
	bell_reader_free(b);
	bell_pipe_free(p);
}

START_TEST(data_comes_before_an_error)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *a = reader_of(p), *b = reader_of(p);

	put(p, "hello");
	expect_read(a, 100, "hello");
	ck_assert_int_eq(bell_pipe_set_error(p, EIO), 0);
	expect_none(a, -EIO);
	expect_none(a, -EIO);
	expect_read(b, 2, "he");
	expect_read(b, 100, "llo");
	expect_none(b, -EIO);
	ck_assert_int_eq(bell_reader_arm(b), -EIO);
	bell_pipe_close(p); /* the error was first */
	expect_none(b, -EIO);
	bell_reader_free(a);
	bell_reader_free(b);
	bell_pipe_free(p);
}

START_TEST(the_first_end_stays)
{
	struct bell_pipe *p = pipe_of_policy(_i), *q = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);

	ck_assert_int_eq(bell_pipe_set_error(p, ENOLINK), 0);
	ck_assert_int_eq(bell_pipe_set_error(p, EIO), -EALREADY);
	bell_pipe_close(p);
	ck_assert_int_eq(bell_pipe_set_error(p, EIO), -EALREADY);
	expect_none(r, -ENOLINK);
	bell_pipe_close(q);
	ck_assert_int_eq(bell_pipe_set_error(q, EIO), -ESHUTDOWN);
	ck_assert_int_eq(bell_pipe_write(q, "x", 1, 0), -ESHUTDOWN);
	bell_reader_free(r);
	bell_pipe_free(p);
	bell_pipe_free(q);
}

START_TEST(errors_that_mean_something_else_are_refused)
{
	static const int refused[] = {
		0, -1, -EIO, EAGAIN, EINTR, EOVERFLOW, 4096, INT32_MAX, INT32_MIN};
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		ck_assert_int_eq(bell_pipe_set_error(p, refused[i]), -EINVAL);
	expect_none(r, -EAGAIN);
	put(p, "still open");
	ck_assert_int_eq(bell_pipe_set_error(p, 4095), 0);
	expect_read(r, 100, "still open");
	expect_none(r, -4095);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(closing_twice_is_closing_once)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);

	ck_assert_int_eq(bell_pipe_close(p), 0);
	ck_assert_int_eq(bell_pipe_close(p), 0);
	expect_none(r, 0);
	ck_assert_uint_eq(stats_of_pipe(p).wakes, 0); /* nobody slept */
	bell_pipe_free(p);
	expect_none(r, 0);
	bell_reader_free(r);
}

START_TEST(writing_after_the_end_is_refused_and_changes_nothing)
{
	struct bell_pipe *closed = pipe_of_policy(_i), *failed = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(failed);

	bell_pipe_close(closed);
	ck_assert_int_eq(bell_pipe_write(closed, "x", 1, -1), -ESHUTDOWN);
	ck_assert_int_eq(bell_pipe_write(closed, "", 0, 0), -ESHUTDOWN); /* before the emptiness */
	ck_assert_int_eq(bell_pipe_arm(closed), -ESHUTDOWN);
	bell_pipe_set_error(failed, EIO);
	ck_assert_int_eq(bell_pipe_write(failed, "x", 1, -1), -EIO);
	ck_assert_int_eq(bell_pipe_write(failed, "", 0, 0), -EIO);
	ck_assert_int_eq(bell_pipe_arm(failed), -EIO);
	expect_none(r, -EIO);
	ck_assert_uint_eq(stats_of_pipe(closed).written + stats_of_pipe(failed).written, 0);
	bell_reader_free(r);
	bell_pipe_free(closed);
	bell_pipe_free(failed);
}

START_TEST(a_write_of_nothing_appends_nothing_and_wakes_nobody)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);

	ck_assert_int_eq(bell_reader_arm(r), 1);
	ck_assert_int_eq(bell_pipe_write(p, "", 0, 0), 0);
	ck_assert_int_eq(bell_pipe_write(p, NULL, 0, -1), 0);
	ck_assert(!fd_readable(bell_reader_fd(r)));
	ck_assert_uint_eq(stats_of_pipe(p).wakes, 0);
	expect_none(r, -EAGAIN);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(a_read_of_nothing_is_refused_and_takes_nothing)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r = reader_of(p);
	char c;

	ck_assert_int_eq(bell_reader_read(r, &c, 0), -EINVAL);
	put(p, "x");
	ck_assert_int_eq(bell_reader_read(r, &c, 0), -EINVAL); /* theirs span for ever, or said 0 */
	ck_assert_int_eq(bell_reader_wait(r, &c, 0, -1), -EINVAL);
	expect_read(r, 1, "x");
	bell_pipe_close(p);
	ck_assert_int_eq(bell_reader_read(r, &c, 0), -EINVAL);
	expect_none(r, 0);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(a_sleeping_reader_is_woken_once_by_data_end_or_error)
{
	struct bell_pipe *p = pipe_of_policy(_i % 3);
	struct bell_reader *r = reader_of(p), *awake = reader_of(p);
	int fd = bell_reader_fd(r);

	ck_assert(fd_readable(fd)); /* a new one, so that a loop looks */
	expect_none(r, -EAGAIN);
	ck_assert_int_eq(bell_reader_arm(r), 1);
	ck_assert(!fd_readable(fd));
	if (_i / 3 == 0) {
		put(p, "x");
		put(p, "y");
		ck_assert_int_eq(bell_reader_arm(r), 0);
		expect_read(r, 100, "xy");
	} else if (_i / 3 == 1) {
		bell_pipe_close(p);
		ck_assert_int_eq(bell_reader_arm(r), -ESHUTDOWN);
		expect_none(r, 0);
	} else {
		bell_pipe_set_error(p, EIO);
		ck_assert_int_eq(bell_reader_arm(r), -EIO);
		expect_none(r, -EIO);
	}
	ck_assert(fd_readable(fd));
	ck_assert_uint_eq(fd_count(fd), 1);
	ck_assert_uint_eq(stats_of_pipe(p).wakes, 1); /* not the one that did not sleep */
	if (_i / 3 == 0) {
		ck_assert_int_eq(bell_reader_arm(r), 1);
		ck_assert(!fd_readable(fd));
	}
	bell_reader_free(r);
	bell_reader_free(awake);
	bell_pipe_free(p);
}

START_TEST(readers_keep_what_they_need_when_the_pipe_is_freed)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *a = reader_of(p), *b = reader_of(p);

	put(p, "hello");
	ck_assert_ptr_null(bell_pipe_free(p));
	expect_read(a, 100, "hello");
	expect_none(a, 0);
	ck_assert_ptr_null(bell_reader_free(a));
	expect_read(b, 100, "hello");
	expect_none(b, 0);
	bell_reader_free(b);
	ck_assert_ptr_null(bell_pipe_free(NULL));
	ck_assert_ptr_null(bell_reader_free(NULL));
}

START_TEST(without_its_last_reader_a_write_says_so)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *a, *b;

	put(p, "early"); /* nobody yet: kept for who comes */
	a = reader_of(p);
	b = reader_of(p);
	expect_read(a, 100, "early");
	bell_reader_free(a);
	put(p, "x"); /* one of two */
	expect_read(b, 100, "earlyx");
	bell_reader_free(b);
	ck_assert_int_eq(bell_pipe_write(p, "y", 1, -1), -EPIPE);
	ck_assert_int_eq(bell_pipe_write(p, "", 0, -1), -EPIPE);
	ck_assert_int_eq(bell_pipe_arm(p), -EPIPE);
	a = reader_of(p); /* that was not final */
	put(p, "z");
	expect_read(a, 100, "earlyxz");
	bell_pipe_close(p);
	expect_none(a, 0); /* and no reader ever hears of it */
	bell_reader_free(a);
	ck_assert_int_eq(bell_pipe_write(p, "y", 1, -1), -ESHUTDOWN); /* the end comes first */
	bell_pipe_free(p);
}

START_TEST(more_readers_than_seats_are_refused_and_counted)
{
	struct bell_pipe *p = pipe_of_policy(_i);
	struct bell_reader *r[4], *none = (void *)p;
	int i, again;

	for (again = 0; again < 3; again++) { /* seats are used again */
		for (i = 0; i < 4; i++)
			r[i] = reader_of(p);
		ck_assert_int_eq(bell_reader_new(&none, p), -EUSERS);
		ck_assert_ptr_eq(none, (void *)p);
		ck_assert_uint_eq(stats_of_pipe(p).readers, 4);
		for (i = 0; i < 4; i++)
			bell_reader_free(r[i]);
	}
	ck_assert_uint_eq(stats_of_pipe(p).joined, 12);
	ck_assert_uint_eq(stats_of_pipe(p).crowded, 3);
	ck_assert_uint_eq(stats_of_pipe(p).readers, 0);
	bell_pipe_free(p);
}

START_TEST(options_have_defaults_and_limits)
{
	static const struct bell_pipe_options refused[] = {{.policy = 3}, {.policy = UINT32_MAX},
		{.max_readers = BELL_PIPE_MAX_READERS + 1}, {.capacity = BELL_PIPE_SIZE_MAX + 1},
		{.limit = BELL_PIPE_SIZE_MAX + 1},
		{.capacity = 100, .limit = 99, .policy = BELL_PIPE_GROW}, {.capacity = SIZE_MAX}};
	const struct bell_pipe_options many = {.max_readers = BELL_PIPE_MAX_READERS};
	static char untouched;
	struct bell_pipe *p = (void *)&untouched;
	uint8_t *bytes = calloc(1, BELL_PIPE_CAPACITY_DEFAULT + 1);
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		ck_assert_int_eq(bell_pipe_new(&p, &refused[i]), -EINVAL);
	ck_assert_ptr_eq(p, (void *)&untouched);
	ck_assert_int_eq(bell_pipe_new(&p, &many), 0);
	bell_pipe_free(p);
	ck_assert_int_eq(bell_pipe_new(&p, NULL), 0);
	ck_assert_int_eq(bell_pipe_write(p, bytes, BELL_PIPE_CAPACITY_DEFAULT + 1, 0),
		BELL_PIPE_CAPACITY_DEFAULT);
	bell_pipe_free(p);
	free(bytes);
}

/* Every length against every offset, around the ring many times. */
START_TEST(bytes_are_right_at_every_offset)
{
	struct bell_pipe *p = pipe_of(policies[_i % 3], (size_t)(_i / 3) * 4 + 1, 512);
	struct bell_reader *r = reader_of(p);
	uint64_t position = 0;
	uint8_t in[64], out[64];
	size_t n, wrong = 0;
	int turn;

	for (turn = 0; turn < 5000; turn++) {
		n = 1 + (size_t)turn % ((size_t)(_i / 3) * 4 + 1);
		fill_bytes(in, position, n);
		wrong += bell_pipe_write(p, in, n, 0) != (ssize_t)n;
		wrong += bell_reader_read(r, out, sizeof(out)) != (ssize_t)n;
		wrong += wrong_bytes(out, position, n);
		position += n;
	}
	ck_assert_uint_eq(wrong, 0);
	bell_reader_free(r);
	bell_pipe_free(p);
}

int main(void)
{
	Suite *s = suite_create("pipe");
	TCase *tc = runner_case(s, "pipe", 30);

	add_for_policies(tc, what_is_written_is_read);
	add_for_policies(tc, a_small_buffer_gets_the_rest_later);
	add_for_policies(tc, every_reader_gets_everything_at_its_own_pace);
	add_for_policies(tc, data_comes_before_end_of_file);
	add_for_policies(tc, data_comes_before_an_error);
	add_for_policies(tc, the_first_end_stays);
	add_for_policies(tc, errors_that_mean_something_else_are_refused);
	add_for_policies(tc, closing_twice_is_closing_once);
	add_for_policies(tc, writing_after_the_end_is_refused_and_changes_nothing);
	add_for_policies(tc, a_write_of_nothing_appends_nothing_and_wakes_nobody);
	add_for_policies(tc, a_read_of_nothing_is_refused_and_takes_nothing);
	tcase_add_loop_test(tc, a_sleeping_reader_is_woken_once_by_data_end_or_error, 0, 9);
	add_for_policies(tc, readers_keep_what_they_need_when_the_pipe_is_freed);
	add_for_policies(tc, without_its_last_reader_a_write_says_so);
	add_for_policies(tc, more_readers_than_seats_are_refused_and_counted);
	tcase_add_test(tc, options_have_defaults_and_limits);
	tcase_add_loop_test(tc, bytes_are_right_at_every_offset, 0, 3 * 16);
	return runner_run(s);
}
