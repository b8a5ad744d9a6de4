/* SPDX-License-Identifier: MIT
 *
 * Two threads, each with a ring and a queue, and one ball: each side sleeps in its ring until the other
 * has played. A wake-up that is lost ends the game.
 */
#include <stdlib.h>

#include "rings.h"

enum { ROUNDS = 10000, SLOW_ROUNDS = 1000, TOKENS = 3 };

/* The number on the ball, read and written plainly: notify alone orders it. */
struct side {
	struct bell_queue *in, *out;
	uint32_t *ball;
	uint32_t expected, last, errors;
	unsigned flags;
};

static void play(void *userdata, uint32_t token)
{
	struct side *s = userdata;
	const uint32_t number = bell_load_relaxed(s->ball);

	if (number != s->expected || token != number % TOKENS)
		s->errors++;
	s->expected += 2;
	if (number == s->last)
		return;
	bell_store_relaxed(s->ball, number + 1);
	if (bell_queue_notify(s->out, (number + 1) % TOKENS) != 1)
		s->errors++;
}

static void turn(struct side *s, struct io_uring *ring, struct bell_uring *bell)
{
	struct io_uring_cqe *cqe;
	ssize_t r = 0;

	if (io_uring_submit_and_wait(ring, 1) < 0)
		s->errors++;
	while (io_uring_peek_cqe(ring, &cqe) == 0) {
		r = bell_uring_ready(bell, cqe);
		io_uring_cqe_seen(ring, cqe);
	}
	s->errors += r < 0 && s->expected <= s->last;
}

/* The ring is made by the thread that uses it, as SINGLE_ISSUER wants it. Once the game is over the
 * other side hears of it by close, also after an error. */
static void *play_on(void *userdata)
{
	struct io_uring_params params = {0};
	struct side *s = userdata;
	struct bell_uring bell;
	struct io_uring ring;

	params.flags = s->flags;
	params.sq_thread_idle = 1;
	if (io_uring_queue_init_params(8, &ring, &params) == 0) {
		s->errors += bell_uring_attach(&bell, &ring, s->in, 4, play, s) != 0;
		while (s->expected <= s->last && s->errors == 0)
			turn(s, &ring, &bell);
		(void)!bell_uring_detach(&bell);
		io_uring_queue_exit(&ring);
	} else {
		s->errors++;
	}
	bell_queue_close(s->out);
	return NULL;
}

START_TEST(the_ball_comes_back_ten_thousand_times)
{
	struct bell_queue *p = queue_of(TOKENS, RING_MODE(_i));
	struct bell_queue *q = queue_of(TOKENS, RING_MODE(_i));
	uint32_t ball = 1;
	struct side a = {.in = p, .out = q, .ball = &ball, .expected = 2};
	struct side b = {.in = q, .out = p, .ball = &ball, .expected = 1};
	pthread_t thread;

	a.flags = RING_FLAGS(_i);
	b.flags = RING_FLAGS(_i);
	/* Two kernel threads more want a processor at each turn. */
	a.last = b.last = 2 * (a.flags & IORING_SETUP_SQPOLL ? SLOW_ROUNDS : ROUNDS);
	thread = spawn(play_on, &b);
	ck_assert_int_eq(bell_queue_notify(q, 1), 1);
	play_on(&a);
	join(thread);
	ck_assert_uint_eq(a.errors + b.errors, 0);
	ck_assert_uint_eq(ball, a.last);
	bell_queue_unref(p);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("uring pingpong");
	TCase *tc = runner_case(s, "uring pingpong", 110);

	if (!rings_probe())
		return EXIT_SUCCESS;
	tcase_add_loop_test(tc, the_ball_comes_back_ten_thousand_times, 0, 2 * rings_n);
	return runner_run(s);
}
