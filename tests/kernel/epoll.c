/* SPDX-License-Identifier: MIT
 *
 * What the bell relies on in epoll(7), level- and edge-triggered, when the file is an eventfd: that
 * every write is an edge whether anybody reads or not, and what else is, or is not, an event.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

static const uint32_t edge = EPOLLIN | EPOLLET, level = EPOLLIN;

/* An eventfd in an epoll set. */
struct watched {
	int fd, epfd;
};

static int ctl(const struct watched *w, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events};

	return epoll_ctl(w->epfd, op, w->fd, &ev);
}

static struct watched watch(uint32_t events, uint64_t count)
{
	struct watched w = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

	w.epfd = epoll_create1(EPOLL_CLOEXEC);
	ck_assert(w.fd >= 0 && w.epfd >= 0);
	if (count)
		ck_assert_int_eq(write(w.fd, &count, sizeof(count)), sizeof(count));
	ck_assert_int_eq(ctl(&w, EPOLL_CTL_ADD, events), 0);
	return w;
}

static void unwatch(struct watched w)
{
	close(w.fd);
	close(w.epfd);
}

static void ring(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static void silence(int fd)
{
	uint64_t count;

	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
}

START_TEST(every_write_is_an_edge_though_nobody_reads)
{
	struct watched w = watch(edge, 0);
	int i;

	ck_assert_int_eq(loop_events(w.epfd), 0);
	for (i = 0; i < 1000; i++) {
		ring(w.fd);
		ck_assert_int_eq(loop_events(w.epfd), 1);
		ck_assert_int_eq(loop_events(w.epfd), 0);
	}
	ck_assert_uint_eq(fd_count(w.fd), 1000);
	unwatch(w);
}

START_TEST(every_write_is_an_edge_when_each_is_read_too)
{
	struct watched w = watch(edge, 0);
	int i;

	for (i = 0; i < 1000; i++) {
		ring(w.fd);
		ck_assert_int_eq(loop_events(w.epfd), 1);
		silence(w.fd);
		ck_assert_int_eq(loop_events(w.epfd), 0);
	}
	unwatch(w);
}

START_TEST(several_writes_before_the_wait_are_one_event)
{
	struct watched w = watch(edge, 0);

	ring(w.fd);
	ring(w.fd);
	ring(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	unwatch(w);
}

struct writer {
	int fd;
	uint32_t want, go, wrong;
};

/* One write for each go. */
static void *write_when_told(void *userdata)
{
	struct writer *w = userdata;
	const uint64_t one = 1;
	uint32_t i;

	for (i = 0; i < w->want; i++) {
		while (bell_load_acquire(&w->go) <= i)
			sched_yield();
		w->wrong += write(w->fd, &one, sizeof(one)) != sizeof(one);
	}
	return NULL;
}

/* The counter only grows, and still each write wakes: this is the whole of edge mode. */
START_TEST(every_write_wakes_a_blocked_wait_though_nobody_reads)
{
	struct watched w = watch(edge, 0);
	struct writer writer = {.fd = w.fd, .want = 300};
	pthread_t thread = spawn(write_when_told, &writer);
	struct epoll_event ev;
	uint32_t i, wrong = 0;

	for (i = 1; i <= writer.want; i++) {
		bell_store_release(&writer.go, i);
		wrong += epoll_wait(w.epfd, &ev, 1, -1) != 1;
	}
	join(thread);
	ck_assert_uint_eq(wrong + writer.wrong, 0);
	ck_assert_uint_eq(fd_count(w.fd), writer.want);
	unwatch(w);
}

START_TEST(a_level_event_stays_until_the_counter_is_read)
{
	struct watched w = watch(level, 0);
	int i;

	ring(w.fd);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(loop_events(w.epfd), 1);
	silence(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	unwatch(w);
}

START_TEST(a_write_to_a_full_counter_is_no_edge_and_read_then_write_is_one)
{
	struct watched w = watch(edge, UINT64_MAX - 1);
	const uint64_t one = 1;

	ck_assert_int_eq(loop_events(w.epfd), 1); /* that of ADD */
	ck_assert_int_eq(write(w.fd, &one, sizeof(one)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	silence(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	ring(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	unwatch(w);
}

START_TEST(add_of_a_counter_above_zero_is_an_event_at_once)
{
	struct watched w = watch(_i ? edge : level, 1);

	ck_assert_int_eq(loop_events(w.epfd), 1);
	ck_assert_int_eq(loop_events(w.epfd), _i ? 0 : 1);
	unwatch(w);
}

START_TEST(mod_is_an_edge_again_if_the_counter_is_above_zero)
{
	struct watched w = watch(edge, 0);

	ck_assert_int_eq(ctl(&w, EPOLL_CTL_MOD, edge), 0);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	ring(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	ck_assert_int_eq(ctl(&w, EPOLL_CTL_MOD, edge), 0);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	unwatch(w);
}

START_TEST(a_read_is_an_edge_with_epollout_and_none_without)
{
	struct watched w = watch(edge | (_i ? EPOLLOUT : 0), 1);

	ck_assert_int_eq(loop_events(w.epfd), 1);
	silence(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), _i);
	unwatch(w);
}

START_TEST(del_then_add_keeps_what_was_rung_meanwhile)
{
	struct watched w = watch(_i ? edge : level, 0);

	ck_assert_int_eq(ctl(&w, EPOLL_CTL_DEL, 0), 0);
	ring(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	ck_assert_int_eq(ctl(&w, EPOLL_CTL_ADD, _i ? edge : level), 0);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	unwatch(w);
}

START_TEST(add_twice_is_eexist_and_del_of_a_stranger_enoent)
{
	struct watched w = watch(edge, 0);

	ck_assert_int_eq(ctl(&w, EPOLL_CTL_ADD, edge), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(ctl(&w, EPOLL_CTL_DEL, 0), 0);
	ck_assert_int_eq(ctl(&w, EPOLL_CTL_DEL, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
	unwatch(w);
}

/* So detach comes before the last unref. */
START_TEST(a_closed_fd_with_a_living_duplicate_still_reports)
{
	struct watched w = watch(edge, 0);
	int other = dup(w.fd);

	close(w.fd);
	ring(other);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	close(other);
	ck_assert_int_eq(loop_events(w.epfd), 0);
	close(w.epfd);
}

/* True if the child wrote, or read, eight bytes. */
static bool child_does(ssize_t (*fn)(int fd, void *buffer, size_t n), int fd)
{
	uint64_t one = 1;
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(fn(fd, &one, sizeof(one)) == sizeof(one) ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ssize_t write_to(int fd, void *buffer, size_t n)
{
	return write(fd, buffer, n);
}

START_TEST(another_reader_steals_the_wake)
{
	struct watched w = watch(_i ? edge : level, 0);

	ring(w.fd);
	ck_assert(child_does(read, w.fd));
	ck_assert_int_eq(loop_events(w.epfd), 0);
	ck_assert_uint_eq(fd_count(w.fd), 0);
	ring(w.fd);
	ck_assert_int_eq(loop_events(w.epfd), 1);
	unwatch(w);
}

START_TEST(a_write_by_a_forked_child_wakes_the_parent)
{
	struct watched w = watch(_i ? edge : level, 0);

	ck_assert(child_does(write_to, w.fd));
	ck_assert_int_eq(loop_events(w.epfd), 1);
	ck_assert_uint_eq(fd_count(w.fd), 1);
	unwatch(w);
}

static void no_op(int sig)
{
	(void)sig;
}

static void *interrupt_until(void *userdata)
{
	struct writer *w = userdata;

	while (!bell_load_acquire(&w->go)) {
		kill(getpid(), SIGUSR1);
		sleep_ms(1);
	}
	return NULL;
}

/* SA_RESTART changes nothing: a loop has to know EINTR. */
START_TEST(a_handler_ends_epoll_wait_with_eintr)
{
	struct sigaction action = {.sa_handler = no_op, .sa_flags = SA_RESTART};
	struct watched w = watch(edge, 0);
	struct writer stop = {.go = 0};
	struct epoll_event ev;
	sigset_t usr1;
	pthread_t thread;
	int r, error;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL); /* for the thread to inherit */
	thread = spawn(interrupt_until, &stop);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	r = epoll_wait(w.epfd, &ev, 1, -1);
	error = errno;
	bell_store_release(&stop.go, 1);
	join(thread);
	ck_assert_int_eq(r, -1);
	ck_assert_int_eq(error, EINTR);
	unwatch(w);
}

int main(void)
{
	Suite *s = suite_create("kernel epoll");
	TCase *tc = runner_case(s, "kernel epoll", 30);

	tcase_add_test(tc, every_write_is_an_edge_though_nobody_reads);
	tcase_add_test(tc, every_write_is_an_edge_when_each_is_read_too);
	tcase_add_test(tc, several_writes_before_the_wait_are_one_event);
	tcase_add_test(tc, every_write_wakes_a_blocked_wait_though_nobody_reads);
	tcase_add_test(tc, a_level_event_stays_until_the_counter_is_read);
	tcase_add_test(tc, a_write_to_a_full_counter_is_no_edge_and_read_then_write_is_one);
	add_in_both_modes(tc, add_of_a_counter_above_zero_is_an_event_at_once);
	tcase_add_test(tc, mod_is_an_edge_again_if_the_counter_is_above_zero);
	tcase_add_loop_test(tc, a_read_is_an_edge_with_epollout_and_none_without, 0, 2);
	add_in_both_modes(tc, del_then_add_keeps_what_was_rung_meanwhile);
	tcase_add_test(tc, add_twice_is_eexist_and_del_of_a_stranger_enoent);
	tcase_add_test(tc, a_closed_fd_with_a_living_duplicate_still_reports);
	add_in_both_modes(tc, another_reader_steals_the_wake);
	add_in_both_modes(tc, a_write_by_a_forked_child_wakes_the_parent);
	tcase_add_test(tc, a_handler_ends_epoll_wait_with_eintr);
	return runner_run(s);
}
