/* SPDX-License-Identifier: MIT
 *
 * uring_deep.c: adapt/uring.h beyond one ring in one thread: several rings, several bells in a ring too
 * small for them, a queue that goes from ring to ring, rings that exit under fire, a fork with the ring
 * open, and a kernel without multishot polls. Each with and without SQPOLL.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "old_kernel.h"

#include <doorbell/adapt/uring.h>

#include "runner.h"

enum { TOKENS = 256, NOTIFIES = 100000, RINGS = 4, BELLS = 12 };

static const unsigned setups[] = {0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SQPOLL};
static int setups_n;

static int try_ring(struct io_uring *ring, unsigned entries, int setup)
{
	struct io_uring_params params = {.flags = setups[setup], .sq_thread_idle = 1};

	return io_uring_queue_init_params(entries, ring, &params);
}

static void ring_init(struct io_uring *ring, unsigned entries, int setup)
{
	ck_assert_int_eq(try_ring(ring, entries, setup), 0);
}

static struct bell_queue *queue_of(uint32_t capacity)
{
	struct bell_queue *q;

	ck_assert_int_eq(bell_queue_new(&q, capacity, BELL_QUEUE_EDGE), 0);
	return q;
}

static void count(void *userdata, uint32_t token)
{
	uint64_t *n = userdata;

	(void)token;
	(void)bell_fetch_add_relaxed(n, 1);
}

/* Serves what is there, and blocks for it. Returns how many bells were closed and drained, and so have
 * been detached. */
static unsigned turn(struct io_uring *ring)
{
	struct io_uring_cqe *cqe, copy;
	struct bell_uring *u;
	unsigned n, ended = 0;

	(void)io_uring_submit_and_wait(ring, 1);
	for (n = io_uring_cq_ready(ring); n > 0 && io_uring_peek_cqe(ring, &cqe) == 0; n--) {
		copy = *cqe;
		io_uring_cqe_seen(ring, cqe);
		u = io_uring_cqe_get_data(&copy);
		if (bell_uring_ready(u, &copy) == -ESHUTDOWN && bell_uring_detach(u) >= 0)
			ended++;
	}
	return ended;
}

static unsigned turn_until(struct io_uring *ring, const uint64_t *n, uint64_t wanted)
{
	unsigned turns = 0;

	for (; bell_load_relaxed(n) < wanted; turns++)
		turn(ring);
	return turns;
}

static void let_go(struct bell_uring *u)
{
	int r = bell_uring_detach(u);

	ck_assert_int_ge(r, 0);
	while (u->pending)
		turn(u->ring);
}

static void *notify_all(void *userdata)
{
	struct bell_queue *q = userdata;
	const struct timespec pause = {.tv_nsec = 100000};
	uint32_t i;

	for (i = 0; i < NOTIFIES; i++) {
		(void)bell_queue_notify(q, i % bell_queue_capacity(q));
		if (i % 500 == 499)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

static void expect_delivered(const struct bell_queue *q, uint64_t n)
{
	struct bell_queue_stats s;

	bell_queue_stats(q, &s);
	ck_assert_uint_eq(s.notified, s.delivered);
	ck_assert_uint_eq(s.delivered, n);
	ck_assert_uint_gt(n, 0);
}

/* -- several rings --------------------------------------------------------------------------- */

struct side {
	struct bell_queue *q;
	uint64_t n;
	int setup, error;
};

/* The ring is made by the thread that uses it, as SINGLE_ISSUER wants it. */
static void *receive(void *userdata)
{
	struct side *s = userdata;
	struct bell_uring bell;
	struct io_uring ring;

	s->error = try_ring(&ring, 8, s->setup);
	if (s->error < 0)
		return NULL;
	s->error = bell_uring_attach(&bell, &ring, s->q, 16, count, &s->n);
	while (s->error == 0 && turn(&ring) == 0)
		;
	(void)!bell_uring_detach(&bell);
	io_uring_queue_exit(&ring);
	return NULL;
}

START_TEST(four_rings_each_with_a_queue_notified_by_four_threads)
{
	struct side sides[RINGS];
	pthread_t receivers[RINGS], producers[RINGS];
	int i;

	memset(sides, 0, sizeof(sides));
	for (i = 0; i < RINGS; i++) {
		sides[i].q = queue_of(TOKENS);
		sides[i].setup = _i;
		ck_assert_int_eq(pthread_create(&receivers[i], NULL, receive, &sides[i]), 0);
		ck_assert_int_eq(pthread_create(&producers[i], NULL, notify_all, sides[i].q), 0);
	}
	for (i = 0; i < RINGS; i++) {
		ck_assert_int_eq(pthread_join(producers[i], NULL), 0);
		bell_queue_close(sides[i].q);
	}
	for (i = 0; i < RINGS; i++) {
		ck_assert_int_eq(pthread_join(receivers[i], NULL), 0);
		ck_assert_int_eq(sides[i].error, 0);
		expect_delivered(sides[i].q, sides[i].n);
		bell_queue_unref(sides[i].q);
	}
}

START_TEST(a_queue_goes_from_ring_to_ring_while_it_is_notified)
{
	struct bell_queue *q = queue_of(TOKENS);
	struct io_uring rings[2];
	struct bell_uring bell;
	pthread_t producer;
	uint64_t n = 0;
	int round, i;

	ring_init(&rings[0], 8, _i);
	ring_init(&rings[1], 8, 0);
	ck_assert_int_eq(pthread_create(&producer, NULL, notify_all, q), 0);
	for (round = 0; round < 100; round++) {
		ck_assert_int_eq(bell_uring_attach(&bell, &rings[round % 2], q, 16, count, &n), 0);
		for (i = 0; i < 3; i++) {
			bell_queue_notify(q, (uint32_t)i); /* so that a turn comes, also at the end */
			turn(&rings[round % 2]);
		}
		let_go(&bell);
	}
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	bell_queue_close(q);
	ck_assert_int_eq(bell_uring_attach(&bell, &rings[0], q, 16, count, &n), 0);
	while (turn(&rings[0]) == 0)
		;
	let_go(&bell);
	expect_delivered(q, n);
	io_uring_queue_exit(&rings[0]);
	io_uring_queue_exit(&rings[1]);
	bell_queue_unref(q);
}

/* A completion queue of two for twelve bells: polls end by overflow all the time. */
START_TEST(twelve_bells_in_a_ring_for_two_lose_nothing)
{
	struct bell_queue *q[BELLS];
	struct bell_uring bells[BELLS];
	pthread_t producers[BELLS];
	uint64_t n[BELLS] = {0};
	struct io_uring ring;
	unsigned ended = 0;
	int i;

	ring_init(&ring, 1, _i);
	for (i = 0; i < BELLS; i++) {
		q[i] = queue_of(16);
		ck_assert_int_eq(bell_uring_attach(&bells[i], &ring, q[i], 4, count, &n[i]), 0);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&producers[i], NULL, notify_all, q[i]), 0);
	for (i = 3; i < BELLS; i++)
		bell_queue_notify(q[i], 7);
	for (i = 0; i < 1000; i++) {
		turn(&ring);
		bell_queue_notify(q[3 + i % (BELLS - 3)], (uint32_t)i % 16);
	}
	for (i = 0; i < 3; i++) {
		while (n[i] == 0)
			turn(&ring);
		ck_assert_int_eq(pthread_join(producers[i], NULL), 0);
	}
	for (i = 0; i < BELLS; i++)
		bell_queue_close(q[i]);
	while (ended < BELLS)
		ended += turn(&ring);
	for (i = 0; i < BELLS; i++) {
		let_go(&bells[i]);
		expect_delivered(q[i], n[i]);
		bell_queue_unref(q[i]);
	}
	io_uring_queue_exit(&ring);
}

/* -- ends ------------------------------------------------------------------------------------ */

START_TEST(rings_exit_while_attached_and_notified)
{
	struct bell_queue *q = queue_of(TOKENS);
	struct bell_uring bell;
	struct io_uring ring;
	pthread_t producer;
	uint64_t n = 0;
	int round;

	ck_assert_int_eq(pthread_create(&producer, NULL, notify_all, q), 0);
	for (round = 0; round < 30; round++) {
		ring_init(&ring, 4, _i);
		ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 16, count, &n), 0);
		bell_queue_notify(q, 0);
		turn(&ring);
		io_uring_queue_exit(&ring);
		bell_queue_unref(bell.queue); /* as the header says */
	}
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_close(q);
	ring_init(&ring, 4, _i);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 16, count, &n), 0);
	while (turn(&ring) == 0)
		;
	let_go(&bell);
	expect_delivered(q, n);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

static void child_exits(struct io_uring *ring, struct bell_queue *q)
{
	(void)ring, (void)q;
}

static void child_drops_both(struct io_uring *ring, struct bell_queue *q)
{
	io_uring_queue_exit(ring);
	bell_queue_unref(q);
}

static void child_execs(struct io_uring *ring, struct bell_queue *q)
{
	(void)ring, (void)q;
	execl("/bin/true", "true", (char *)NULL);
}

static void child_is_killed(struct io_uring *ring, struct bell_queue *q)
{
	(void)ring, (void)q;
	kill(getpid(), SIGKILL);
}

static void (*const children[])(struct io_uring *, struct bell_queue *) = {
	child_exits, child_drops_both, child_execs, child_is_killed};

/* The parent's poll goes on, whatever its children do to their copies. */
START_TEST(a_fork_with_the_ring_open_leaves_the_parent_its_bell)
{
	struct bell_queue *q = queue_of(8);
	struct bell_uring bell;
	struct io_uring ring;
	uint64_t n = 0, expected = 0;
	size_t kind;
	pid_t child;
	int status;

	ring_init(&ring, 8, _i);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, count, &n), 0);
	for (kind = 0; kind < sizeof(children) / sizeof(*children); kind++) {
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			children[kind](&ring, q);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		bell_queue_notify(q, 3);
		(void)turn_until(&ring, &n, ++expected);
		ck_assert_uint_eq(bell.pending, 1);
	}
	let_go(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
}

/* -- an old kernel --------------------------------------------------------------------------- */

START_TEST(without_multishot_each_ring_is_one_poll_and_none_is_for_nothing)
{
	struct bell_queue *q = queue_of(8);
	struct bell_queue_stats s;
	struct bell_uring bell;
	struct io_uring ring;
	uint64_t n = 0, round;
	unsigned turns = 0;

	old_kernel = true;
	ring_init(&ring, 8, _i);
	ck_assert_int_eq(bell_uring_attach(&bell, &ring, q, 8, count, &n), 0);
	for (round = 1; round <= 500; round++) {
		bell_queue_notify(q, round % 8);
		turns += turn_until(&ring, &n, round);
	}
	ck_assert_int_eq(bell.oneshot, 1);
	ck_assert_uint_le(turns, 502); /* the refusal */
	bell_queue_stats(q, &s);
	ck_assert_uint_le(s.rings, 501);
	let_go(&bell);
	io_uring_queue_exit(&ring);
	bell_queue_unref(q);
	old_kernel = false;
}

struct cancelled {
	struct bell_queue *q;
	uint64_t n;
	bool survived;
};

static void *be_cancelled(void *userdata)
{
	struct cancelled *c = userdata;
	struct io_uring_cqe *cqe, copy;
	struct bell_uring bell;
	struct io_uring ring;

	if (try_ring(&ring, 8, 0) < 0 || bell_uring_attach(&bell, &ring, c->q, 8, count, &c->n) < 0)
		return NULL;
	bell_queue_notify(c->q, 1);
	turn_until(&ring, &c->n, 1);
	bell_queue_notify(c->q, 2);
	io_uring_wait_cqe(&ring, &cqe);
	copy = *cqe;
	io_uring_cqe_seen(&ring, cqe);
	pthread_cancel(pthread_self());
	bell_uring_ready(&bell, &copy);
	c->survived = bell.oneshot != 0;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	let_go(&bell);
	io_uring_queue_exit(&ring);
	return NULL;
}

/* It would leave a bell that was read, and neither rung nor armed, to whoever receives next. */
START_TEST(without_multishot_a_thread_is_not_cancelled_at_the_bell)
{
	struct cancelled c = {.q = queue_of(8)};
	pthread_t thread;

	old_kernel = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, be_cancelled, &c), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	old_kernel = false;
	ck_assert(c.survived);
	ck_assert_uint_eq(c.n, 2);
	ck_assert_uint_eq(c.q->refs, 1);
	bell_queue_unref(c.q);
}

int main(void)
{
	Suite *s = suite_create("uring deep");
	TCase *tc = runner_case(s, "uring deep", 60);
	struct io_uring ring;
	int r;

	for (setups_n = 0; setups_n < 3; setups_n++) {
		r = try_ring(&ring, 4, setups_n);
		if (r < 0)
			break;
		io_uring_queue_exit(&ring);
	}
	if (setups_n == 0) {
		printf("1..0 # SKIP no io_uring here: %s\n", strerror(-r));
		return 0;
	}
	if (setups_n < 3)
		printf("# not tested, flags %#x and up: %s\n", setups[setups_n], strerror(-r));
	fflush(stdout);
	tcase_add_loop_test(tc, four_rings_each_with_a_queue_notified_by_four_threads, 0, setups_n);
	tcase_add_loop_test(tc, a_queue_goes_from_ring_to_ring_while_it_is_notified, 0, setups_n);
	tcase_add_loop_test(tc, twelve_bells_in_a_ring_for_two_lose_nothing, 0, setups_n);
	tcase_add_loop_test(tc, rings_exit_while_attached_and_notified, 0, setups_n);
	tcase_add_loop_test(tc, a_fork_with_the_ring_open_leaves_the_parent_its_bell, 0, setups_n);
	tcase_add_loop_test(
		tc, without_multishot_each_ring_is_one_poll_and_none_is_for_nothing, 0, setups_n);
	tcase_add_test(tc, without_multishot_a_thread_is_not_cancelled_at_the_bell);
	return runner_run(s);
}
