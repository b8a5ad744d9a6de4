/* SPDX-License-Identifier: MIT
 *
 * Observers: what they are shown is what the receiver says of itself, they take no peer's place and cost
 * nothing while there are none, and neither side can harm the other.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ipc/layout.h"
#include "shares.h"

static struct bell_observer *observer_of(const char *name)
{
	struct bell_observer *o = NULL;

	ck_assert_int_eq(bell_observer_new(&o, shares_dir, name), 0);
	return o;
}

/* The share takes in who has connected, and sleeps. */
static void turn(struct bell_share *s)
{
	struct bell_share_event events[8];
	int turns = 100;

	do {
		ck_assert_int_ge(bell_share_poll(s, events, 8), 0);
		ck_assert_int_gt(turns--, 0);
	} while (bell_share_arm(s) == 0 || fd_readable(bell_share_fd(s)));
}

/* ... and has nothing to tell. */
static void expect_nothing_of(struct bell_share *s)
{
	struct bell_share_event event;
	int turns = 100;

	do {
		ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
		ck_assert_int_gt(turns--, 0);
	} while (bell_share_arm(s) == 0 || fd_readable(bell_share_fd(s)));
}

static struct bell_share_stats read_of(struct bell_observer *o)
{
	struct bell_share_stats stats;

	ck_assert_int_eq(bell_observer_read(o, &stats), 0);
	return stats;
}

START_TEST(an_observer_sees_the_counters_that_the_receiver_has)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_observer *o = observer_of("x");
	struct bell_share_peer_stats mine, shown;
	struct bell_share_stats stats, seen;
	struct bell_peer *p;
	uint64_t id;
	pid_t pid;
	uid_t uid;
	uint32_t i;

	ck_assert_int_eq(bell_observer_read(o, &stats), -EAGAIN); /* the receiver has not polled */
	ck_assert_int_eq(bell_observer_peer(o, 0, &shown), -EAGAIN);
	ck_assert(!fd_readable(bell_observer_fd(o)));
	turn(s);
	ck_assert(fd_readable(bell_observer_fd(o)));
	ck_assert_uint_eq(read_of(o).peers, 0);
	ck_assert_uint_eq(read_of(o).observers, 1);
	ck_assert_int_eq(bell_observer_peer(o, 0, &shown), -ENOENT);
	ck_assert_int_eq(bell_observer_peer(o, BELL_SHARE_PEERS_DEFAULT - 1, &shown), -ENOENT);
	ck_assert_int_eq(bell_observer_peer(o, BELL_SHARE_PEERS_DEFAULT, &shown), -EINVAL);
	ck_assert(!fd_readable(bell_observer_fd(o)));

	p = peer_of(s, "x", &id);
	for (i = 0; i < 30; i++)
		ck_assert_int_eq(bell_peer_notify(p, i % 10), i < 10);
	turn(s);
	stats = share_stats_of(s);
	seen = read_of(o);
	ck_assert_mem_eq(&seen, &stats, sizeof(stats));
	ck_assert_uint_eq(seen.delivered, 10);
	ck_assert_uint_eq(seen.notified, 10);
	ck_assert_uint_eq(seen.conflated, 20);
	ck_assert_uint_gt(seen.wakes, 0);
	ck_assert_int_eq(bell_observer_peer(o, 0, &shown), 0);
	ck_assert_int_eq(bell_share_peer_stats(s, 0, &mine), 0);
	ck_assert_mem_eq(&shown, &mine, sizeof(mine));
	ck_assert_uint_eq(shown.peer, id);
	ck_assert_uint_eq(shown.conflated, 20);
	ck_assert_int_eq(shown.pid, getpid());

	bell_peer_free(p);
	turn(s);
	ck_assert_int_eq(bell_observer_peer(o, 0, &shown), -ENOENT);
	stats = share_stats_of(s);
	seen = read_of(o);
	ck_assert_mem_eq(&seen, &stats, sizeof(stats));
	ck_assert_uint_eq(seen.left, 1);
	ck_assert_uint_eq(seen.conflated, 20); /* of those that left, too */
	bell_observer_owner(o, &pid, &uid);
	ck_assert_int_eq(pid, getpid());
	ck_assert_uint_eq(uid, getuid());
	bell_observer_free(o);
	bell_share_free(s);
}

START_TEST(what_happened_while_nobody_observed_is_shown_to_the_next)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_share_peer_stats shown;
	struct bell_peer *p[2];
	uint64_t id[2];
	int i;

	for (i = 0; i < 3; i++) {
		struct bell_observer *o;
		struct bell_share_stats stats, seen;

		p[0] = peer_of(s, "x", &id[0]);
		p[1] = peer_of(s, "x", &id[1]);
		o = observer_of("x");
		turn(s);
		(void)read_of(o);
		ck_assert_int_eq(bell_observer_peer(o, 0, &shown), 0);
		ck_assert_uint_eq(shown.peer, id[0]);
		bell_observer_free(o);
		turn(s);
		ck_assert_uint_eq(share_stats_of(s).observers, 0);

		bell_peer_free(p[0]); /* unseen */
		ck_assert_int_eq(bell_peer_notify(p[1], 3), 1);
		turn(s);
		o = observer_of("x");
		turn(s);
		stats = share_stats_of(s);
		seen = read_of(o);
		ck_assert_mem_eq(&seen, &stats, sizeof(stats));
		ck_assert_int_eq(bell_observer_peer(o, 0, &shown), -ENOENT);
		ck_assert_int_eq(bell_observer_peer(o, 1, &shown), 0);
		ck_assert_uint_eq(shown.delivered, 1);
		bell_observer_free(o);
		bell_peer_free(p[1]);
		turn(s);
	}
	bell_share_free(s);
}

START_TEST(an_observer_takes_no_peers_place_and_no_event_tells_of_it)
{
	struct bell_share *s =
		share_of("x", &(struct bell_share_options){.max_peers = 1, .max_observers = 2});
	struct bell_observer *a = observer_of("x"), *b = observer_of("x"), *c = observer_of("x");
	struct bell_share_stats stats;
	struct bell_peer *p;
	uint64_t id;

	expect_nothing_of(s);
	ck_assert_uint_eq(read_of(a).observers, 2);
	ck_assert_uint_eq(read_of(b).joined, 0);
	ck_assert_int_eq(bell_observer_read(c, &stats), -EUSERS);
	ck_assert_int_eq(bell_observer_read(c, &stats), -EUSERS); /* for good */
	ck_assert_uint_eq(share_stats_of(s).full, 1);
	p = peer_of(s, "x", &id); /* with both places of observers taken */
	ck_assert_int_eq(bell_peer_notify(p, 1), 1);
	expect_token(s, id, 1);
	bell_observer_free(a);
	bell_observer_free(c);
	expect_nothing_of(s);
	c = observer_of("x"); /* its place is free again */
	expect_nothing_of(s);
	ck_assert_uint_eq(read_of(c).peers, 1);
	bell_peer_free(p);
	bell_observer_free(b);
	bell_observer_free(c);
	bell_share_free(s);
}

static int offer_and_poll(void *arg)
{
	struct bell_share_event event;
	struct bell_share *s;

	(void)arg;
	if (bell_share_new(&s, shares_dir, "x", NULL) < 0)
		return 1;
	while (bell_share_wait(s, &event, 1, PATIENCE) > 0)
		if (event.kind == BELL_SHARE_TOKEN && event.token == 7)
			kill(getpid(), SIGKILL);
	return 2;
}

START_TEST(an_observer_learns_of_the_end_however_it_comes)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_observer *o = observer_of("x"), *early = observer_of("x");
	struct bell_share_stats stats;
	struct bell_peer *p = NULL;
	pid_t child;

	turn(s);
	(void)read_of(o);
	bell_share_free(s);
	ck_assert(fd_readable(bell_observer_fd(o)));
	ck_assert_int_eq(bell_observer_read(o, &stats), -EPIPE);
	ck_assert_int_eq(bell_observer_read(early, &stats), 0); /* its answer came before */
	ck_assert_int_eq(bell_observer_read(early, &stats), -EPIPE);
	bell_observer_free(early);
	bell_observer_free(o);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), -ENOENT);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, ".x"), -EINVAL);

	child = child_of(offer_and_poll, NULL);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", PATIENCE), 0);
	o = observer_of("x");
	ck_assert_int_eq(bell_peer_notify(p, 7), 1);
	ck_assert_int_eq(child_end(child), 128 + SIGKILL);
	while (bell_observer_read(o, &stats) == 0) /* the answer, if there was time for one */
		;
	ck_assert_int_eq(bell_observer_read(o, &stats), -EPIPE);
	bell_observer_free(o);
	ck_assert_int_eq(bell_observer_new(&o, shares_dir, "x"), -ENOENT); /* its file is there */
	bell_peer_free(p);
}

/* -- hostile observers ----------------------------------------------------------------------- */

/* A socket with a name of its own. */
static int bound(void)
{
	const struct sockaddr_un self = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&self, sizeof(self.sun_family)), 0);
	return fd;
}

static int stranger(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = bound();

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", shares_dir, name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What came with a message: one descriptor, and no more. */
static int board_of(int fd)
{
	struct bell__hello hello;
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	int memory;

	ck_assert_int_eq(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), sizeof(hello));
	ck_assert_int_eq(hello.error, 0);
	ck_assert_uint_eq(control.align.cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&memory, CMSG_DATA(&control.align), sizeof(memory));
	return memory;
}

START_TEST(an_observer_can_write_to_nothing_that_it_is_given)
{
	struct bell_share *s = share_of("x", NULL);
	int fd = stranger("x"), memory;
	char path[64];

	turn(s);
	memory = board_of(fd);
	ck_assert_int_eq(pwrite(memory, "x", 1, 200), -1);
	ck_assert_int_eq(ftruncate(memory, 0), -1);
	ck_assert_int_eq(
		fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	ck_assert_ptr_eq(
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0), MAP_FAILED);
	ck_assert_int_eq(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	close(open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
	ck_assert_int_eq(pwrite(memory, "x", 1, 200), -1);
	close(memory);
	close(fd);
	turn(s);
	ck_assert_uint_eq(share_stats_of(s).observers, 0);
	bell_share_free(s);
}

START_TEST(an_observer_that_says_something_is_dropped_and_a_peer_beside_it_notices_nothing)
{
	struct bell_share *s = share_of("x", &(struct bell_share_options){.max_observers = 1});
	struct bell_peer *p;
	uint64_t id;
	char byte;
	int i;

	p = peer_of(s, "x", &id);
	for (i = 0; i < 20; i++) { /* before or after it is accepted */
		int fd = stranger("x");

		if (i % 2)
			expect_nothing_of(s);
		ck_assert_int_eq(send(fd, "nonsense", 8, MSG_NOSIGNAL), 8);
		ck_assert_int_eq(bell_peer_notify(p, 5), 1);
		expect_token(s, id, 5);
		expect_nothing_of(s);
		ck_assert_uint_eq(share_stats_of(s).observers, 0);
		close(board_of(fd));
		ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
		close(fd);
	}
	ck_assert_uint_eq(share_stats_of(s).full, 0);
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(observers_that_stop_half_way_or_do_not_read_stop_nobody)
{
	enum { STOPPED = 40 };
	struct bell_share *s = share_of("x", NULL);
	int fds[STOPPED], idle = bound(), i;
	struct bell_peer *p;
	uint64_t id;

	for (i = 0; i < STOPPED; i++)
		fds[i] = stranger("x");
	expect_nothing_of(s);
	ck_assert_uint_eq(share_stats_of(s).observers, BELL_SHARE_OBSERVERS_DEFAULT);
	ck_assert_uint_eq(share_stats_of(s).full, STOPPED - BELL_SHARE_OBSERVERS_DEFAULT);
	p = peer_of(s, "x", &id);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(bell_peer_notify(p, 5), 1);
		expect_token(s, id, 5);
	}
	for (i = 0; i < STOPPED; i++)
		close(fds[i]);
	expect_nothing_of(s);
	ck_assert_uint_eq(share_stats_of(s).observers, 0);
	close(idle);
	bell_peer_free(p);
	bell_share_free(s);
}

START_TEST(without_a_descriptor_an_observer_is_refused_and_the_receiver_goes_on)
{
	struct bell_share *s = share_of("x", NULL);
	struct bell_observer *o = observer_of("x"), *second = observer_of("x"), *none = NULL;
	struct bell_share_stats stats;
	struct rlimit old, tight = {0};
	int fds[64], n = 0;
	uint64_t id;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = (struct rlimit){.rlim_cur = 40, .rlim_max = old.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while (n < 64 && (fds[n] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	ck_assert_int_eq(bell_observer_new(&none, shares_dir, "x"), -EMFILE);
	ck_assert_ptr_null(none);
	expect_nothing_of(s); /* refuses both, with the spare descriptor */
	ck_assert_int_eq(bell_observer_read(o, &stats), -EMFILE);
	ck_assert_uint_eq(share_stats_of(s).exhausted, 2);
	bell_observer_free(o); /* one number is free: for the connection, and none for the board */
	expect_nothing_of(s);
	ck_assert_int_eq(bell_observer_read(second, &stats), -EMFILE);
	bell_observer_free(second);
	while (n > 0)
		close(fds[--n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	o = observer_of("x");
	turn(s);
	(void)read_of(o);
	bell_observer_free(o);
	bell_peer_free(peer_of(s, "x", &id));
	bell_share_free(s);
}

int main(void)
{
	Suite *s = suite_create("ipc observer");
	TCase *tc = shares_case(s, "observer", 60);

	tcase_add_test(tc, an_observer_sees_the_counters_that_the_receiver_has);
	tcase_add_test(tc, what_happened_while_nobody_observed_is_shown_to_the_next);
	tcase_add_test(tc, an_observer_takes_no_peers_place_and_no_event_tells_of_it);
	tcase_add_test(tc, an_observer_learns_of_the_end_however_it_comes);
	tcase_add_test(tc, an_observer_can_write_to_nothing_that_it_is_given);
	tcase_add_test(tc,
		an_observer_that_says_something_is_dropped_and_a_peer_beside_it_notices_nothing);
	tcase_add_test(tc, observers_that_stop_half_way_or_do_not_read_stop_nobody);
	tcase_add_test(tc, without_a_descriptor_an_observer_is_refused_and_the_receiver_goes_on);
	return runner_run(s);
}
