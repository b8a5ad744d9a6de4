/* SPDX-License-Identifier: MIT
 *
 * Signals: a wait that ends with EINTR, tokens that win over it, errno as it was, and a handler that
 * notifies ten thousand times a second while the same thread receives.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "helpers.h"

enum { TOKENS = 8, SIGNALS = 3000 };

/* What the handlers know. */
static struct bell_queue *queue;
static uint32_t numbers[TOKENS]; /* of the last notify, for each token */
static uint32_t handled, refused;

static void handle_nothing(int sig)
{
	(void)sig;
}

static void handle_notify(int sig)
{
	uint32_t token = bell_fetch_add_relaxed(&handled, 1) % TOKENS;

	(void)sig;
	bell_store_relaxed(&numbers[token], numbers[token] + 1);
	if (bell_queue_notify(queue, token) < 0)
		bell_fetch_add_relaxed(&refused, 1);
}

static void on_signal(int sig, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	ck_assert_int_eq(sigaction(sig, &action, NULL), 0);
}

/* A receiver in one wait of its own; the result is there once done is set. */
struct waiter {
	struct bell_queue *q;
	ssize_t result;
	uint32_t done;
};

static void *wait_once(void *userdata)
{
	struct waiter *w = userdata;
	uint32_t token;

	w->result = bell_queue_wait(w->q, &token, 1, -1);
	bell_store_release(&w->done, 1);
	return NULL;
}

/* Signals until it returns: one that came before it slept is not the answer. */
static ssize_t interrupted_wait(struct bell_queue *q)
{
	struct waiter w = {.q = q};
	pthread_t thread = spawn(wait_once, &w);

	while (!bell_load_acquire(&w.done)) {
		pthread_kill(thread, SIGUSR1);
		sleep_ms(1);
	}
	join(thread);
	return w.result;
}

START_TEST(a_signal_without_a_token_ends_the_wait_with_eintr)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i % 4));
	int round;

	bell_queue_set_spin(q, _i / 4 ? 0 : BELL_WAIT_SPIN_DEFAULT);
	on_signal(SIGUSR1, handle_nothing);
	for (round = 0; round < 10; round++)
		ck_assert_int_eq(interrupted_wait(q), -EINTR);
	bell_queue_notify(q, 3);
	ck_assert(fd_readable(bell_queue_fd(q)));
	EXPECT(q, 3);
	bell_queue_unref(q);
}

START_TEST(a_token_from_the_handler_wins_over_eintr)
{
	struct bell_queue *q = queue = queue_of(TOKENS, mode_of(_i));
	uint32_t tokens[TOKENS];
	int round;

	on_signal(SIGUSR1, handle_notify);
	for (round = 0; round < 10; round++) {
		ck_assert_int_eq(interrupted_wait(q), 1);
		(void)!bell_queue_poll(q, tokens, TOKENS);
	}
	bell_queue_unref(q);
}

START_TEST(notify_and_close_keep_errno_also_when_they_write)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(_i));
	const uint64_t most = UINT64_MAX - 1;

	errno = 4711;
	bell_queue_notify(q, 0); /* writes */
	bell_queue_notify(q, 0);
	bell_queue_notify(q, 1);
	bell_queue_notify(q, TOKENS);
	bell_queue_notify_many(q, (uint32_t[]){2, 3}, 2);
	ck_assert_int_eq(errno, 4711);
	EXPECT(q, 0, 1, 2, 3);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	(void)!read(bell_queue_fd(q), &(uint64_t){0}, 8);
	ck_assert_int_eq(write(bell_queue_fd(q), &most, sizeof(most)), sizeof(most));
	errno = 4711;
	bell_queue_notify_many(q, (uint32_t[]){4, 5}, 2); /* its write says EAGAIN */
	ck_assert_int_eq(errno, 4711);
	ck_assert_uint_eq(stats_of(q).heals, 1);
	EXPECT(q, 4, 5);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	close(bell_queue_fd(q));
	errno = 4711;
	bell_queue_notify(q, 6); /* its write says EBADF */
	ck_assert_int_eq(errno, 4711);
	EXPECT(q, 6);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	errno = 4711;
	bell_queue_close(q); /* and again */
	bell_queue_notify(q, 7);
	bell_queue_notify_many(q, (uint32_t[]){7}, 1);
	ck_assert_int_eq(errno, 4711);
	bell_queue_unref(q);
}

/* The receiver: what it has seen of the numbers. */
static uint32_t seen[TOKENS];

static size_t note(const uint32_t *tokens, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		seen[tokens[i]] = bell_load_relaxed(&numbers[tokens[i]]);
	return n;
}

static void receive_by_wait(struct bell_queue *q, int epfd)
{
	uint32_t tokens[2];
	ssize_t n = bell_queue_wait(q, tokens, 2, 50000000);

	(void)epfd;
	if (n > 0)
		note(tokens, (size_t)n);
	else if (n != -EINTR && n != -ETIMEDOUT)
		bell_fetch_add_relaxed(&refused, 1);
}

static void receive_by_epoll(struct bell_queue *q, int epfd)
{
	struct epoll_event ev;
	uint32_t tokens[2];

	if (epoll_wait(epfd, &ev, 1, 50) != 1)
		return;
	do {
		while (note(tokens, bell_queue_poll(q, tokens, 2)) > 0)
			;
	} while (bell_queue_arm(q) == 0);
}

static void receive_by_poll(struct bell_queue *q, int epfd)
{
	uint32_t tokens[2];

	(void)epfd;
	note(tokens, bell_queue_poll(q, tokens, 2));
}

static void (*const receivers[])(struct bell_queue *, int) = {
	receive_by_wait, receive_by_epoll, receive_by_poll};

static void set_timer(suseconds_t us)
{
	struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

START_TEST(a_handler_at_ten_kilohertz_loses_nothing)
{
	struct bell_queue *q = queue = queue_of(TOKENS, mode_of(_i % 4));
	int epfd = loop_watching(q), i;
	size_t lost = 0;

	on_signal(SIGALRM, handle_notify);
	set_timer(100);
	while (bell_load_relaxed(&handled) < SIGNALS)
		receivers[_i / 4](q, epfd);
	set_timer(0);
	/* Only as much as the receiver itself would still find: nobody else rings for it. */
	for (i = 0; i < 2 * TOKENS; i++)
		if (_i / 4 == 2 || fd_readable(bell_queue_fd(q)))
			receivers[_i / 4](q, epfd);
	for (i = 0; i < TOKENS; i++)
		lost += seen[i] != numbers[i];
	ck_assert_uint_eq(lost, 0);
	ck_assert_uint_eq(refused, 0);
	ck_assert_uint_eq(stats_of(q).notified, stats_of(q).delivered);
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	close(epfd);
	bell_queue_unref(q);
}

static void handle_close(int sig)
{
	(void)sig;
	bell_queue_close(queue);
}

START_TEST(close_from_a_handler_ends_the_wait_of_the_same_thread)
{
	struct bell_queue *q = queue = queue_of(TOKENS, mode_of(_i));
	struct itimerval once = {.it_value.tv_usec = 20000};
	uint32_t token;
	ssize_t r;

	on_signal(SIGALRM, handle_close);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &once, NULL), 0);
	do
		r = bell_queue_wait(q, &token, 1, -1);
	while (r == -EINTR);
	ck_assert_int_eq(r, -ESHUTDOWN);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("signals");
	TCase *tc = runner_case(s, "signals", 60);

	tcase_add_loop_test(tc, a_signal_without_a_token_ends_the_wait_with_eintr, 0, 8);
	add_in_all_modes(tc, a_token_from_the_handler_wins_over_eintr);
	add_in_all_modes(tc, notify_and_close_keep_errno_also_when_they_write);
	/* Also with a single producer: the handler is it, and interrupts the receiver only. */
	tcase_add_loop_test(tc, a_handler_at_ten_kilohertz_loses_nothing, 0, 12);
	add_in_all_modes(tc, close_from_a_handler_ends_the_wait_of_the_same_thread);
	return runner_run(s);
}
