/* SPDX-License-Identifier: MIT
 *
 * Sleeping and waking, on both sides: blocking calls with their timeouts and signals, epoll, a queue that
 * the writer is bound to. Sleepers wait without a timeout: a wake-up that is lost hangs the test.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "pipes.h"

enum { MS = 1000000 };

struct side {
	struct bell_pipe *p;
	struct bell_reader *r;
	const char *text;
	int64_t timeout;
	ssize_t said;
	char got[32];
	uint32_t inside; /* about to call */
	pid_t tid;
};

static void *read_waiting(void *userdata)
{
	struct side *s = userdata;

	bell_store_release(&s->inside, 1);
	s->said = bell_reader_wait(s->r, s->got, sizeof(s->got), s->timeout);
	return NULL;
}

static void *write_waiting(void *userdata)
{
	struct side *s = userdata;

	bell_store_release(&s->inside, 1);
	s->said = bell_pipe_write(s->p, s->text, strlen(s->text), s->timeout);
	return NULL;
}

/* Start it, and give it the time to fall asleep; if it has not, the test is weaker, not wrong. */
static pthread_t start(void *(*fn)(void *), struct side *s)
{
	pthread_t thread = spawn(fn, s);

	while (!bell_load_acquire(&s->inside))
		sleep_ms(1);
	sleep_ms(20);
	return thread;
}

START_TEST(a_waiting_reader_is_woken_by_data_end_or_error)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 64, 0);
	struct side s = {.p = p, .r = reader_of(p), .timeout = -1};
	pthread_t thread = start(read_waiting, &s);

	if (_i == 0)
		put(p, "hello");
	else if (_i == 1)
		bell_pipe_close(p);
	else
		bell_pipe_set_error(p, EIO);
	join(thread);
	ck_assert_int_eq(s.said, _i == 0 ? 5 : _i == 1 ? 0 : -EIO);
	ck_assert_int_eq(memcmp(s.got, "hello", _i == 0 ? 5 : 0), 0);
	bell_reader_free(s.r);
	bell_pipe_free(p);
}

START_TEST(an_empty_write_does_not_wake_a_waiting_reader)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 64, 0);
	struct side s = {.p = p, .r = reader_of(p), .timeout = -1};
	pthread_t thread = start(read_waiting, &s);
	int i;

	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bell_pipe_write(p, "", 0, 0), 0);
	ck_assert_uint_eq(stats_of_pipe(p).wakes, 0);
	put(p, "x");
	join(thread);
	ck_assert_int_eq(s.said, 1);
	bell_reader_free(s.r);
	bell_pipe_free(p);
}

START_TEST(a_waiting_writer_is_woken_by_room_end_error_or_the_last_reader_leaving)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 4, 0);
	struct bell_reader *r = reader_of(p), *other = reader_of(p);
	struct side s = {.p = p, .text = "abcdefgh", .timeout = -1};
	pthread_t thread;

	put(p, "1234");
	thread = start(write_waiting, &s);
	if (_i == 0) {
		expect_read(other, 100, "1234");
		expect_read(r, 100, "1234");
		ck_assert_int_eq(
			bell_reader_wait(other, s.got, 1, -1), 1); /* and so on, as it comes */
		bell_reader_free(other);
		while (bell_reader_wait(r, s.got, sizeof(s.got), -1) > 0 && s.got[0] != 'h')
			if (stats_of_pipe(p).written == 12)
				break;
	} else if (_i == 1) {
		bell_pipe_close(p);
	} else if (_i == 2) {
		bell_pipe_set_error(p, EIO);
	} else {
		bell_reader_free(r);
		bell_reader_free(other);
	}
	join(thread);
	ck_assert_int_eq(s.said, _i == 0 ? 8 : _i == 1 ? -ESHUTDOWN : _i == 2 ? -EIO : -EPIPE);
	if (_i != 3)
		bell_reader_free(r);
	if (_i == 1 || _i == 2)
		bell_reader_free(other);
	bell_pipe_free(p);
}

START_TEST(what_ends_a_wait_after_some_bytes_is_told_by_the_next_write)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 4, 0);
	struct bell_reader *r = reader_of(p);
	struct side s = {.p = p, .text = "abcdefgh", .timeout = _i == 0 ? MS : -1};
	pthread_t thread = start(write_waiting, &s);

	if (_i == 1)
		bell_pipe_close(p);
	if (_i == 2)
		r = bell_reader_free(r);
	join(thread);
	ck_assert_int_eq(s.said, 4);
	ck_assert_int_eq(bell_pipe_write(p, "e", 1, MS), _i == 0   ? -ETIMEDOUT
							 : _i == 1 ? -ESHUTDOWN
								   : -EPIPE);
	if (r)
		expect_read(r, 100, "abcd");
	bell_reader_free(r);
	bell_pipe_free(p);
}

START_TEST(timeouts_end_waits_and_zero_does_not_wait)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 4, 0);
	struct bell_reader *r = reader_of(p);
	int64_t began = runner_now();
	char c;

	ck_assert_int_eq(bell_reader_wait(r, &c, 1, 0), -ETIMEDOUT);
	ck_assert_int_eq(bell_reader_wait(r, &c, 1, 20 * MS), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - began, 20 * MS);
	put(p, "1234");
	began = runner_now();
	ck_assert_int_eq(bell_pipe_write(p, "5", 1, 0), -EAGAIN);
	ck_assert_int_eq(bell_pipe_write(p, "5", 1, 20 * MS), -ETIMEDOUT);
	ck_assert_int_ge(runner_now() - began, 20 * MS);
	ck_assert_int_eq(bell_reader_wait(r, &c, 1, INT64_MAX), 1);
	ck_assert_int_eq(bell_pipe_write(p, "5", 1, INT64_MAX), 1);
	ck_assert_int_eq(bell_reader_wait(r, &c, 1, INT64_MAX - 1), 1);
	bell_reader_free(r);
	bell_pipe_free(p);
}

static uint32_t signals;

static void on_signal(int sig)
{
	(void)sig;
	bell_fetch_add_relaxed(&signals, 1);
}

START_TEST(a_signal_ends_a_wait_with_EINTR_and_nothing_is_lost)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 4, 0);
	struct bell_reader *r = reader_of(p);
	struct side s = {.p = p, .r = r, .text = _i < 2 ? "x" : "12345678", .timeout = -1};
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	if (_i == 1)
		put(p, "1234");
	thread = start(_i == 0 ? read_waiting : write_waiting, &s);
	while (pthread_tryjoin_np(thread, NULL) != 0) { /* until one comes while it sleeps */
		pthread_kill(thread, SIGUSR1);
		sleep_ms(1);
	}
	ck_assert_int_eq(s.said, _i == 2 ? 4 : -EINTR); /* after some bytes: these */
	ck_assert_uint_gt(signals, 0);
	if (_i > 0)
		expect_read(r, 100, "1234");
	put(p, "ok");
	expect_read(r, 100, "ok");
	bell_reader_free(r);
	bell_pipe_free(p);
}

/* -- in a loop ------------------------------------------------------------------------------- */

static int watching(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	return ep;
}

enum { TOTAL = 200000 };

static void *write_total(void *userdata)
{
	struct side *s = userdata;
	uint8_t bytes[100];
	uint64_t position = 0, state = 1;
	ssize_t n;

	while (position < TOTAL) {
		size_t some = 1 + dice(&state) % sizeof(bytes);

		some = some < TOTAL - position ? some : (size_t)(TOTAL - position);
		fill_bytes(bytes, position, some);
		n = bell_pipe_write(s->p, bytes, some, -1);
		if (n != (ssize_t)some)
			break;
		position += some;
		if (dice(&state) % 512 == 0)
			sleep_ms(1);
	}
	s->said = (ssize_t)position;
	bell_pipe_close(s->p);
	return NULL;
}

START_TEST(a_reader_in_epoll_gets_everything_and_the_end)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 256, 0);
	struct bell_reader *r = reader_of(p);
	struct side s = {.p = p};
	pthread_t writer = spawn(write_total, &s);
	int ep = watching(bell_reader_fd(r)), armed = 0;
	struct epoll_event ev;
	uint64_t position = 0, wrong = 0;
	uint8_t bytes[64];
	ssize_t n = -EAGAIN;

	while (n < 0) {
		ck_assert_int_eq(epoll_wait(ep, &ev, 1, -1), 1);
		do {
			while ((n = bell_reader_read(r, bytes, sizeof(bytes))) > 0) {
				wrong += wrong_bytes(bytes, position, (size_t)n);
				position += (uint64_t)n;
				if (_i == 1 &&
					position % 5 == 0) /* a budget: stops, and does not arm */
					break;
			}
		} while (n == -EAGAIN && (armed = bell_reader_arm(r)) == 0);
		n = n > 0 ? -EAGAIN : n;
	}
	join(writer);
	ck_assert_int_eq(s.said, TOTAL);
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(position, TOTAL);
	ck_assert_uint_eq(wrong, 0);
	close(ep);
	bell_reader_free(r);
	bell_pipe_free(p);
}

static void *read_total(void *userdata)
{
	struct side *s = userdata;
	uint64_t position = 0, wrong = 0, state = 2;
	uint8_t bytes[128];
	ssize_t n;

	while ((n = bell_reader_wait(s->r, bytes, 1 + dice(&state) % sizeof(bytes), -1)) > 0) {
		wrong += wrong_bytes(bytes, position, (size_t)n);
		position += (uint64_t)n;
		if (dice(&state) % 512 == 0)
			sleep_ms(1);
	}
	s->said = wrong == 0 && n == 0 ? (ssize_t)position : -1;
	return NULL;
}

/* 0: its own fd; 1: a token of a queue in the loop. */
START_TEST(a_writer_in_epoll_is_told_of_room)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 256, 0);
	struct side s[2] = {{.r = reader_of(p)}, {.r = reader_of(p)}};
	pthread_t readers[2] = {spawn(read_total, &s[0]), spawn(read_total, &s[1])};
	struct bell_queue *q = queue_of(8, 0);
	int ep = watching(_i ? bell_queue_fd(q) : bell_pipe_fd(p));
	struct epoll_event ev;
	uint64_t position = 0;
	uint8_t bytes[300];
	uint32_t token;
	ssize_t n;

	if (_i)
		ck_assert_int_eq(bell_pipe_bind(p, q, 5), 0);
	while (position < TOTAL) {
		fill_bytes(bytes, position, sizeof(bytes));
		n = bell_pipe_write(p, bytes, TOTAL - position < 300 ? TOTAL - position : 300, 0);
		position += n > 0 ? (uint64_t)n : 0;
		if (n != -EAGAIN || bell_pipe_arm(p) == 0)
			continue;
		if (_i == 0) {
			ck_assert_int_eq(epoll_wait(ep, &ev, 1, -1), 1);
			continue;
		}
		while (bell_queue_poll(q, &token, 1) == 0)
			if (bell_queue_arm(q) == 1)
				ck_assert_int_eq(epoll_wait(ep, &ev, 1, -1), 1);
		ck_assert_uint_eq(token, 5);
	}
	bell_pipe_close(p);
	join(readers[0]);
	join(readers[1]);
	ck_assert_int_eq(s[0].said, TOTAL);
	ck_assert_int_eq(s[1].said, TOTAL);
	ck_assert_int_eq(bell_pipe_bind(p, q, 8), -EINVAL);
	ck_assert_int_eq(bell_pipe_bind(p, q, 1), _i ? -EALREADY : 0);
	close(ep);
	bell_reader_free(s[0].r);
	bell_reader_free(s[1].r);
	bell_pipe_free(p);
	bell_queue_unref(q);
}

/* A writer that waits for a quarter is told when there is a quarter, and once. */
START_TEST(a_writer_is_woken_by_the_last_reader_to_free_its_room_and_by_no_other)
{
	struct bell_pipe *p = pipe_of(BELL_PIPE_BLOCK, 16, 0);
	struct bell_reader *a = reader_of(p), *b = reader_of(p);
	int fd = bell_pipe_fd(p);

	ck_assert(fd_readable(fd)); /* new: there is room */
	put(p, "0123456789abcdef");
	ck_assert_int_eq(bell_pipe_arm(p), 1);
	ck_assert(!fd_readable(fd));
	expect_read(a, 100, "0123456789abcdef");
	expect_read(b, 3, "012");
	ck_assert(!fd_readable(fd));
	ck_assert_int_eq(bell_pipe_arm(p), 1); /* three bytes are not a quarter */
	expect_read(b, 1, "3");
	ck_assert(fd_readable(fd));
	expect_read(b, 100, "456789abcdef");
	ck_assert_uint_eq(fd_count(fd), 1);
	ck_assert_uint_eq(stats_of_pipe(p).resumes, 1);
	ck_assert_int_eq(bell_pipe_arm(p), 0);
	ck_assert(fd_readable(fd));
	bell_reader_free(a);
	bell_reader_free(b);
	bell_pipe_free(p);
}

int main(void)
{
	Suite *s = suite_create("pipe waits");
	TCase *tc = runner_case(s, "pipe waits", 60);

	tcase_add_loop_test(tc, a_waiting_reader_is_woken_by_data_end_or_error, 0, 3);
	tcase_add_test(tc, an_empty_write_does_not_wake_a_waiting_reader);
	tcase_add_loop_test(
		tc, a_waiting_writer_is_woken_by_room_end_error_or_the_last_reader_leaving, 0, 4);
	tcase_add_loop_test(tc, what_ends_a_wait_after_some_bytes_is_told_by_the_next_write, 0, 3);
	tcase_add_test(tc, timeouts_end_waits_and_zero_does_not_wait);
	tcase_add_loop_test(tc, a_signal_ends_a_wait_with_EINTR_and_nothing_is_lost, 0, 3);
	tcase_add_loop_test(tc, a_reader_in_epoll_gets_everything_and_the_end, 0, 2);
	tcase_add_loop_test(tc, a_writer_in_epoll_is_told_of_room, 0, 2);
	tcase_add_test(tc, a_writer_is_woken_by_the_last_reader_to_free_its_room_and_by_no_other);
	return runner_run(s);
}
