/* SPDX-License-Identifier: MIT
 *
 * What happens when the pipe is full: the slowest reader holds the writer, is lapped and told so, or
 * costs memory up to a limit.
 */
#include "pipes.h"

/* -- BLOCK ----------------------------------------------------------------------------------- */

START_TEST(a_full_pipe_takes_what_fits_then_nothing)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 5, 0);
	struct bell_reader *r = reader_of(p);

	ck_assert_int_eq(bell_pipe_write(p, "abc", 3, 0), 3);
	ck_assert_int_eq(bell_pipe_write(p, "defg", 4, 0), 2); /* as write(2) */
	ck_assert_int_eq(bell_pipe_write(p, "fg", 2, 0), -EAGAIN);
	ck_assert_int_eq(bell_pipe_write(p, "", 0, 0), 0);
	ck_assert_uint_eq(stats_of_pipe(p).refused, 2);
	expect_read(r, 1, "a");
	ck_assert_int_eq(bell_pipe_write(p, "fg", 2, 0), 1);
	expect_read(r, 100, "bcdef");
	ck_assert_int_eq(bell_pipe_write(p, "ghijkl", 6, 0), 5);
	expect_read(r, 100, "ghijk");
	ck_assert_uint_eq(stats_of_pipe(p).written, 11);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(the_slowest_reader_holds_the_writer_until_it_leaves)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8, 0);
	struct bell_reader *fast = reader_of(p), *slow = reader_of(p);

	put(p, "12345678");
	expect_read(fast, 100, "12345678");
	ck_assert_int_eq(bell_pipe_write(p, "9", 1, 0), -EAGAIN);
	expect_read(slow, 3, "123");
	ck_assert_int_eq(bell_pipe_write(p, "9abcdef", 7, 0), 3);
	expect_read(fast, 100, "9ab");
	bell_reader_free(slow);
	put(p, "cdefghij");
	expect_read(fast, 100, "cdefghij");
	bell_reader_free(fast);
	bell_pipe_free(p);
}

START_TEST(before_the_first_reader_the_pipe_fills_and_then_waits)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 4, 0);
	struct bell_reader *r;

	ck_assert_int_eq(bell_pipe_write(p, "12345", 5, 0), 4);
	ck_assert_int_eq(bell_pipe_write(p, "5", 1, 0), -EAGAIN);
	ck_assert_int_eq(bell_pipe_write(p, "5", 1, 1), -ETIMEDOUT);
	r = reader_of(p);
	expect_read(r, 100, "1234");
	put(p, "5678");
	expect_read(r, 100, "5678");
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(a_late_reader_starts_at_the_oldest_byte_kept)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8, 0);
	struct bell_reader *a = reader_of(p), *late;

	put(p, "12345678");
	expect_read(a, 6, "123456");
	put(p, "9a"); /* begin is told to be 6 */
	late = reader_of(p);
	expect_read(late, 100, "789a");
	put(p, "bcde"); /* 8 beyond the slowest, which is a, at 6 */
	ck_assert_int_eq(bell_pipe_write(p, "f", 1, 0), -EAGAIN);
	expect_read(late, 100, "bcde");
	expect_read(a, 100, "789abcde");
	bell_reader_free(late);
	bell_reader_free(a);
	bell_pipe_free(p);
}

/* -- LAP ------------------------------------------------------------------------------------- */

START_TEST(a_reader_that_was_lapped_is_told_once_how_much_it_lost)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_LAP, 8, 0);
	struct bell_reader *slow = reader_of(p), *fast = reader_of(p), *late;

	put(p, "12345678");
	expect_read(fast, 100, "12345678");
	expect_read(slow, 2, "12");
	put(p, "9abc"); /* 5 is the oldest kept: 3 and 4 are lost to the slow one */
	ck_assert_uint_eq(bell_reader_lost(slow), 0);
	ck_assert_int_eq(bell_reader_arm(slow), 0);
	expect_none(slow, -EOVERFLOW);
	ck_assert_uint_eq(bell_reader_lost(slow), 2);
	expect_read(slow, 100, "56789abc");
	expect_none(slow, -EAGAIN);
	late = reader_of(p);
	expect_read(late, 100, "56789abc");
	expect_read(fast, 100, "9abc");
	ck_assert_uint_eq(bell_reader_lost(fast) + bell_reader_lost(late), 0);
	bell_reader_free(slow);
	bell_reader_free(fast);
	bell_reader_free(late);
	bell_pipe_free(p);
}

START_TEST(a_write_of_many_laps_leaves_the_last_bytes)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_LAP, (size_t)_i + 1, 0);
	struct bell_reader *r = reader_of(p);
	uint8_t in[1000], out[1000];
	const uint64_t kept = (uint64_t)_i + 1;

	fill_bytes(in, 0, sizeof(in));
	ck_assert_int_eq(bell_pipe_write(p, in, sizeof(in), 0), sizeof(in));
	bell_pipe_close(p);
	expect_none(r, -EOVERFLOW);
	ck_assert_uint_eq(bell_reader_lost(r), sizeof(in) - kept);
	ck_assert_int_eq(bell_reader_read(r, out, sizeof(out)), (ssize_t)kept);
	ck_assert_uint_eq(wrong_bytes(out, sizeof(in) - kept, kept), 0);
	expect_none(r, 0);
	bell_reader_free(r);
	bell_pipe_free(p);
}

/* Read and lost is what was written, to the byte, at every size of write, read and ring. */
START_TEST(read_and_lost_is_what_was_written)
{
	static const size_t capacities[] = {1, 2, 3, 7, 8, 9, 64, 100, 1000};
	struct bell_pipe *p = pipe_of(BELL_PIPE_LAP, capacities[_i], 0);
	struct bell_reader *r = reader_of(p);
	uint64_t written = 0, read = 0, state = (uint64_t)_i, wrong = 0, laps = 0;
	uint8_t in[300 + 8], out[300];
	ssize_t n;
	int turn;

	for (turn = 0; turn < 5000; turn++) {
		size_t some =
			dice(&state) % 300 * (dice(&state) % 4 == 0) + dice(&state) % 9;

		fill_bytes(in, written, some);
		wrong += bell_pipe_write(p, in, some, 0) != (ssize_t)some;
		written += some;
		if (dice(&state) % 4)
			continue;
		n = bell_reader_read(r, out, 1 + dice(&state) % sizeof(out));
		laps += n == -EOVERFLOW;
		if (n > 0) {
			wrong += wrong_bytes(out, read + bell_reader_lost(r), (size_t)n);
			read += (uint64_t)n;
		}
	}
	bell_pipe_close(p);
	while ((n = bell_reader_read(r, out, sizeof(out))) != 0)
		read += n > 0 ? (uint64_t)n : 0;
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(laps, 0);
	ck_assert_uint_eq(read + bell_reader_lost(r), written);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(the_writer_of_a_lapping_pipe_never_waits)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_LAP, 16, 0);
	struct bell_reader *r = reader_of(p);
	int i;

	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(bell_pipe_write(p, "0123456789", 10, 0), 10);
		ck_assert_int_eq(bell_pipe_arm(p), 0);
	}
	ck_assert_uint_eq(stats_of_pipe(p).refused + stats_of_pipe(p).resumes, 0);
	bell_reader_free(r);
	bell_pipe_free(p);
}

/* -- GROW ------------------------------------------------------------------------------------ */

START_TEST(a_growing_pipe_holds_its_limit_and_not_a_byte_more)
{
	static const size_t limits[] = {1, 63, 64, 65, 1000, 1024, 4096, 65536, 1000000};
	const size_t limit = limits[_i];
	struct bell_pipe *p = pipe_of(BELL_PIPE_GROW, limit < 100 ? limit : 100, limit);
	struct bell_reader *r = reader_of(p);
	uint8_t *bytes = malloc(limit + 1);
	int again;

	for (again = 0; again < 3; again++) {
		fill_bytes(bytes, 0, limit + 1);
		ck_assert_int_eq(bell_pipe_write(p, bytes, limit + 1, -1), (ssize_t)limit);
		ck_assert_int_eq(bell_pipe_write(p, bytes, 1, -1), -ENOSPC);
		ck_assert_int_eq(bell_reader_read(r, bytes, limit + 1), (ssize_t)limit);
		ck_assert_uint_eq(wrong_bytes(bytes, 0, limit), 0);
		expect_none(r, -EAGAIN);
	}
	ck_assert_uint_eq(stats_of_pipe(p).refused, 6);
	ck_assert_uint_le(stats_of_pipe(p).peak, limit + limit / 4 + 256);
	free(bytes);
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(memory_that_all_have_passed_is_used_again_or_given_back)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_GROW, 4096, 1 << 20);
	struct bell_reader *slow = reader_of(p), *fast = reader_of(p);
	uint8_t bytes[1000];
	uint64_t peak;
	ssize_t n;
	int i;

	memset(bytes, 7, sizeof(bytes));
	for (i = 0; i < 500; i++) {
		ck_assert_int_eq(bell_pipe_write(p, bytes, sizeof(bytes), 0), sizeof(bytes));
		ck_assert_int_eq(bell_reader_read(fast, bytes, sizeof(bytes)), sizeof(bytes));
	}
	peak = stats_of_pipe(p).peak;
	ck_assert_uint_ge(peak, 500000);
	ck_assert_uint_eq(stats_of_pipe(p).memory, peak); /* the slow one holds all of it */
	while ((n = bell_reader_read(slow, bytes, sizeof(bytes))) > 0)
		;
	ck_assert_int_eq(n, -EAGAIN);
	for (i = 0; i < 200; i++) { /* over a border of segments */
		ck_assert_int_eq(bell_pipe_write(p, bytes, sizeof(bytes), 0), sizeof(bytes));
		ck_assert_int_eq(bell_reader_read(fast, bytes, sizeof(bytes)), sizeof(bytes));
		ck_assert_int_eq(bell_reader_read(slow, bytes, sizeof(bytes)), sizeof(bytes));
	}
	ck_assert_uint_le(stats_of_pipe(p).memory, 2 * 65536);
	for (i = 0; i < 100000; i++) { /* a hundred times the limit goes through */
		ck_assert(bell_pipe_write(p, bytes, sizeof(bytes), 0) == sizeof(bytes));
		ck_assert(bell_reader_read(fast, bytes, sizeof(bytes)) == sizeof(bytes));
		ck_assert(bell_reader_read(slow, bytes, sizeof(bytes)) == sizeof(bytes));
	}
	ck_assert_uint_le(stats_of_pipe(p).memory, 2 * 65536);
	ck_assert_uint_eq(stats_of_pipe(p).peak, peak);
	bell_reader_free(slow);
	bell_reader_free(fast);
	bell_pipe_free(p);
}

START_TEST(a_growing_pipe_keeps_all_for_its_first_reader)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_GROW, 64, 10000);
	uint8_t bytes[10000];
	struct bell_reader *r;

	fill_bytes(bytes, 0, sizeof(bytes));
	ck_assert_int_eq(bell_pipe_write(p, bytes, sizeof(bytes), 0), sizeof(bytes));
	bell_pipe_close(p);
	r = reader_of(p);
	bell_pipe_free(p);
	memset(bytes, 0, sizeof(bytes));
	ck_assert_int_eq(bell_reader_read(r, bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_uint_eq(wrong_bytes(bytes, 0, sizeof(bytes)), 0);
	expect_none(r, 0);
	bell_reader_free(r);
}

int main(void)
{
	Suite *s = suite_create("pipe policies");
	TCase *tc = runner_case(s, "pipe policies", 60);

	tcase_add_test(tc, a_full_pipe_takes_what_fits_then_nothing);
	tcase_add_test(tc, the_slowest_reader_holds_the_writer_until_it_leaves);
	tcase_add_test(tc, before_the_first_reader_the_pipe_fills_and_then_waits);
	tcase_add_test(tc, a_late_reader_starts_at_the_oldest_byte_kept);
	tcase_add_test(tc, a_reader_that_was_lapped_is_told_once_how_much_it_lost);
	tcase_add_loop_test(tc, a_write_of_many_laps_leaves_the_last_bytes, 0, 40);
	tcase_add_loop_test(tc, read_and_lost_is_what_was_written, 0, 9);
	tcase_add_test(tc, the_writer_of_a_lapping_pipe_never_waits);
	tcase_add_loop_test(tc, a_growing_pipe_holds_its_limit_and_not_a_byte_more, 0, 9);
	tcase_add_test(tc, memory_that_all_have_passed_is_used_again_or_given_back);
	tcase_add_test(tc, a_growing_pipe_keeps_all_for_its_first_reader);
	return runner_run(s);
}
