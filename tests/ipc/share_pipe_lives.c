/* SPDX-License-Identifier: MIT
 *
 * Who comes when it likes, stops, leaves, or is killed, while others go on: none waits for it longer than
 * the contract says, and none waits for ever.
 */
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "share_pipes.h"

/* Attaches, and reads nothing. */
static int sit(void *arg)
{
	(void)arg;
	(void)child_attach();
	pass(1);
	(void)poll(NULL, 0, -1);
	return 1;
}

/* Reads to the end. Returns how that was, as a status: 0, or the error. */
static int read_to_the_end(void *arg)
{
	struct bell_share_reader *r = child_attach();
	uint8_t buf[1000];
	uint64_t position = 0;
	size_t wrong = 0;
	ssize_t n;

	(void)arg;
	while ((n = bell_share_reader_wait(r, buf, sizeof(buf), -1)) > 0) {
		wrong += wrong_bytes(buf, position, (size_t)n);
		position += (uint64_t)n;
	}
	bell_share_reader_free(r);
	return wrong ? 127 : (int)-n;
}

static void write_bytes(struct bell_share_pipe *p, uint64_t position, size_t n)
{
	uint8_t buf[1000];

	fill_bytes(buf, position, n);
	ck_assert_int_eq(bell_share_pipe_write(p, buf, n, -1), (ssize_t)n);
}

static void *kill_soon(void *userdata)
{
	sleep_ms(20); /* by then the writer sleeps; if not, it finds it dead */
	kill(*(pid_t *)userdata, SIGKILL);
	return NULL;
}

START_TEST(a_reader_that_is_killed_frees_the_writer_that_waits_for_it)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 1000);
	pid_t dead, alive = 0;
	pthread_t killer;

	open_gate();
	dead = child_of(sit, NULL);
	serve_until(p, 1);
	await(0);
	if (_i) { /* beside another, which goes on */
		alive = child_of(read_to_the_end, NULL);
		serve_until(p, 2);
	}
	write_bytes(p, 0, 1000);
	killer = spawn(kill_soon, &dead);
	if (_i)
		write_bytes(p, 1000, 1000);
	else
		ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, -1), -EPIPE);
	join(killer);
	ck_assert_int_eq(child_end(dead), 128 + SIGKILL);
	ck_assert_uint_eq(pipe_stats_of(p).share.left, 1);
	bell_share_pipe_free(p);
	if (_i)
		ck_assert_int_eq(child_end(alive), 0);
	close_gate();
}

START_TEST(a_reader_that_is_stopped_delays_nobody_that_laps_it)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_LAP, 1 << 16);
	struct bell_share_reader *r;
	uint8_t buf[1000];
	uint64_t position;
	pid_t child;

	open_gate();
	child = child_of(sit, NULL);
	serve_until(p, 1);
	await(0);
	r = reader_of(p);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	for (position = 0; position < 1000000; position += 1000) {
		write_bytes(p, position, 1000);
		ck_assert_int_eq(bell_share_reader_read(r, buf, 1000), 1000);
		ck_assert_uint_eq(wrong_bytes(buf, position, 1000), 0);
	}
	ck_assert_uint_eq(bell_share_reader_lost(r), 0);
	kill(child, SIGKILL);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
	close_gate();
}

START_TEST(a_writer_held_by_a_stopped_reader_has_its_timeout)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 1000);
	pid_t child;

	open_gate();
	child = child_of(sit, NULL);
	serve_until(p, 1);
	await(0);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	write_bytes(p, 0, 1000);
	ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, SECOND / 20), -ETIMEDOUT);
	kill(child, SIGKILL);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	bell_share_pipe_free(p);
	close_gate();
}

static void await_fd(int fd)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&watched, 1, -1), 1);
}

/* -- the writer's end -------------------------------------------------------------------------- */

enum ending { KILLED, CLOSED, FREED, FAILED, ENDED_AND_KILLED, ENDINGS };

static int expected = 1; /* readers, before it writes */

/* Writes 500 bytes, and ends so. */
static int write_and_end(void *arg)
{
	const int ending = *(int *)arg;
	const struct bell_pipe_options o = {.capacity = 1000};
	struct bell_share_pipe *p;
	uint8_t buf[500];

	fill_bytes(buf, 0, sizeof(buf));
	if (bell_share_pipe_new(&p, shares_dir, "x", &o, NULL) < 0)
		return 99;
	pass(1);
	while (bell_share_pipe_serve(p) < expected)
		if (bell_share_pipe_arm(p, 0) == 1)
			(void)poll(&(struct pollfd){bell_share_pipe_fd(p), POLLIN, 0}, 1, -1);
	if (bell_share_pipe_write(p, buf, sizeof(buf), -1) != sizeof(buf))
		return 98;
	if (expected > 1)
		pass(1);
	if (ending == CLOSED || ending == ENDED_AND_KILLED)
		bell_share_pipe_close(p);
	if (ending == FAILED)
		bell_share_pipe_set_error(p, ENOLINK);
	if (ending == FREED)
		bell_share_pipe_free(p);
	await(1);
	raise(SIGKILL);
	return 97;
}

/* In a loop: what is there is read, then the descriptor says that the end has come. */
START_TEST(readers_get_all_data_and_then_learn_how_it_ended)
{
	static const int due[ENDINGS] = {[KILLED] = -ECONNRESET, [FAILED] = -ENOLINK};
	const int ending = _i;
	struct bell_share_reader *r = NULL;
	uint64_t position = 0;
	uint8_t buf[300];
	pid_t child;
	ssize_t n = -EAGAIN;
	int armed = 0;

	open_gate();
	child = child_of(write_and_end, (void *)(uintptr_t)&ending);
	await(0);
	ck_assert_int_eq(bell_share_reader_connect(&r, shares_dir, "x", PATIENCE), 0);
	if (ending == KILLED || ending == ENDED_AND_KILLED)
		pass(0);
	while (n > 0 || n == -EAGAIN) {
		n = bell_share_reader_read(r, buf, sizeof(buf));
		if (n > 0) {
			ck_assert_uint_eq(wrong_bytes(buf, position, (size_t)n), 0);
			position += (uint64_t)n;
		} else if (n == -EAGAIN) {
			armed = bell_share_reader_arm(r);
			if (armed == 1)
				await_fd(bell_share_reader_fd(r));
		}
	}
	ck_assert_int_eq(n, due[ending]);
	ck_assert_uint_eq(position, 500);
	ck_assert_int_eq(bell_share_reader_read(r, buf, 1), due[ending]);
	ck_assert_int_eq(bell_share_reader_arm(r), due[ending] ? due[ending] : -ESHUTDOWN);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 1, -1), due[ending]);
	if (ending != KILLED && ending != ENDED_AND_KILLED)
		pass(0);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	bell_share_reader_free(r);
	close_gate();
}

START_TEST(readers_that_sleep_learn_of_the_death_of_their_writer)
{
	int ending = KILLED, i;
	pid_t writer, readers[2];

	open_gate();
	expected = 2;
	writer = child_of(write_and_end, &ending);
	await(0);
	for (i = 0; i < 2; i++)
		readers[i] = child_of(read_to_the_end, NULL);
	await(0); /* it has written */
	sleep_ms(20); /* asleep by now, or not: either way they are to learn of it */
	ck_assert_int_eq(kill(writer, SIGKILL), 0);
	ck_assert_int_eq(child_end(writer), 128 + SIGKILL);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(child_end(readers[i]), ECONNRESET);
	close_gate();
}

/* -- coming and going -------------------------------------------------------------------------- */

START_TEST(readers_may_come_before_the_writer)
{
	struct bell_share_pipe *p;
	pid_t children[3];
	int i;

	for (i = 0; i < 3; i++)
		children[i] = child_of(read_to_the_end, NULL);
	sleep_ms(20); /* some of them wait by now */
	p = pipe_of(BELL_PIPE_BLOCK, 1000);
	write_bytes(p, 0, 500);
	serve_until(p, 3);
	write_bytes(p, 500, 900);
	bell_share_pipe_free(p);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(child_end(children[i]), 0);
}

START_TEST(a_writer_that_only_writes_takes_readers_in_and_lets_them_go)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_LAP, 1000);
	const int64_t limit = runner_now() + PATIENCE / 2;
	pid_t child;

	open_gate();
	child = child_of(sit, NULL);
	while (pipe_stats_of(p).readers == 0) {
		ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, 0), 1);
		ck_assert_int_lt(runner_now(), limit);
	}
	await(0);
	kill(child, SIGKILL);
	while (bell_share_pipe_write(p, "x", 1, 0) == 1)
		ck_assert_int_lt(runner_now(), limit);
	ck_assert_int_eq(bell_share_pipe_write(p, "x", 1, 0), -EPIPE);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	bell_share_pipe_free(p);
	close_gate();
}

/* Where a stream of byte_at() may begin, by what of it was read. */
static int join_and_leave(void *arg)
{
	struct bell_share_reader *r;
	uint8_t buf[100];
	uint64_t start;
	ssize_t n;
	int i, wrong = 0;

	(void)arg;
	for (i = 0; i < 200 && !wrong; i++) {
		r = child_attach();
		n = bell_share_reader_wait(r, buf, sizeof(buf), -1);
		start = buf[0];
		wrong = n <= 0 || buf[0] > 250 || wrong_bytes(buf, start, (size_t)n) > 0;
		if (i % 2)
			bell_share_reader_free(r);
		else
			close(bell_share_reader_fd(r)); /* as one that dies, mappings and all but this */
	}
	return wrong;
}

START_TEST(readers_that_join_and_leave_200_times_disturb_no_other)
{
	/* With two places: who leaves and comes again at once is not refused for its own old one. */
	const struct bell_pipe_options o = {.capacity = 1000, .max_readers = 2};
	struct bell_share_pipe *p = NULL;
	pid_t stays, comes;
	uint64_t position = 0;
	uint8_t buf[1000];
	int status, r = 0;
	ssize_t n;

	ck_assert_int_eq(bell_share_pipe_new(&p, shares_dir, "x", &o, NULL), 0);
	stays = child_of(read_to_the_end, NULL);
	serve_until(p, 1);
	comes = child_of(join_and_leave, NULL);
	while ((r = waitpid(comes, &status, WNOHANG)) == 0) {
		fill_bytes(buf, position, 300);
		n = bell_share_pipe_write(p, buf, 300, SECOND / 100);
		ck_assert(n > 0 || n == -ETIMEDOUT);
		position += n > 0 ? (uint64_t)n : 0;
	}
	ck_assert_int_eq(r, comes);
	ck_assert_int_eq(status, 0);
	serve_until(p, 1);
	ck_assert_uint_eq(pipe_stats_of(p).share.joined, 201);
	ck_assert_uint_eq(pipe_stats_of(p).share.dropped, 0);
	bell_share_pipe_free(p);
	ck_assert_int_eq(child_end(stays), 0);
}

static void on_alarm(int number)
{
	(void)number;
}

START_TEST(a_signal_interrupts_who_sleeps)
{
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r = reader_of(p);
	char buf[8];

	signal(SIGALRM, on_alarm);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	ck_assert_int_eq(bell_share_reader_wait(r, buf, 8, -1), -EINTR);
	put(p, "01234567");
	ck_assert_int_eq(bell_share_pipe_write(p, "8", 1, -1), -EINTR);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe lives");
	TCase *tc = shares_case(s, "share pipe lives", 60);

	tcase_add_loop_test(tc, a_reader_that_is_killed_frees_the_writer_that_waits_for_it, 0, 2);
	tcase_add_test(tc, a_reader_that_is_stopped_delays_nobody_that_laps_it);
	tcase_add_test(tc, a_writer_held_by_a_stopped_reader_has_its_timeout);
	tcase_add_loop_test(tc, readers_get_all_data_and_then_learn_how_it_ended, 0, ENDINGS);
	tcase_add_test(tc, readers_that_sleep_learn_of_the_death_of_their_writer);
	tcase_add_test(tc, readers_may_come_before_the_writer);
	tcase_add_test(tc, a_writer_that_only_writes_takes_readers_in_and_lets_them_go);
	tcase_add_test(tc, readers_that_join_and_leave_200_times_disturb_no_other);
	tcase_add_test(tc, a_signal_interrupts_who_sleeps);
	return runner_run(s);
}
