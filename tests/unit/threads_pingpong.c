/* SPDX-License-Identifier: MIT
 *
 * Two threads, two queues, one ball: each side sleeps until the other has played, ten thousand times,
 * in every way of sleeping, the same on both sides or not.
 */
#include "load.h"

enum { ROUNDS = 10000, LAST = 2 * ROUNDS, TOKENS = 3 };

/* The number on the ball, read and written plainly: notify alone orders it. */
struct side {
	struct load_receiver in;
	struct bell_queue *out;
	uint32_t *ball;
	uint32_t expected, errors;
};

static void play(void *userdata, uint32_t token)
{
	struct side *s = userdata;
	const uint32_t number = bell_load_relaxed(s->ball);

	if (number != s->expected || token != number % TOKENS)
		s->errors++;
	s->expected += 2;
	if (number == LAST)
		return;
	bell_store_relaxed(s->ball, number + 1);
	if (bell_queue_notify(s->out, (number + 1) % TOKENS) != 1)
		s->errors++;
}

static void *play_on(void *userdata)
{
	struct side *s = userdata;

	while (s->expected <= LAST && s->errors == 0)
		s->errors += load_turn(&s->in) != 0 && s->expected <= LAST;
	bell_queue_close(s->out); /* so that the other does not wait for ever after an error */
	return NULL;
}

static void side_init(struct side *s, enum load_way way, unsigned flags, uint32_t *ball)
{
	struct bell_queue *in = queue_of(TOKENS, load_mode(way) | flags);

	*s = (struct side){.ball = ball};
	load_init(&s->in, in, way, 4);
	s->in.on_token = play;
	s->in.userdata = s;
	bell_queue_set_spin(in, 0);
}

static void side_fini(struct side *s)
{
	load_fini(&s->in);
	bell_queue_unref(s->in.q);
}

START_TEST(the_ball_comes_back_ten_thousand_times)
{
	const enum load_way way = _i % WAYS, other = _i / WAYS % 2 ? (way + 1) % WAYS : way;
	const unsigned flags = _i / WAYS < 2 ? 0 : BELL_QUEUE_SINGLE_PRODUCER;
	uint32_t ball = 1;
	struct side a, b;
	pthread_t thread;

	side_init(&a, way, flags, &ball);
	side_init(&b, other, flags, &ball);
	a.out = b.in.q;
	b.out = a.in.q;
	a.expected = 2;
	b.expected = 1;
	thread = spawn(play_on, &b);
	ck_assert_int_eq(bell_queue_notify(a.out, 1), 1);
	play_on(&a);
	join(thread);
	ck_assert_uint_eq(a.errors + b.errors + a.in.errors + b.in.errors, 0);
	ck_assert_uint_eq(ball, LAST);
	side_fini(&a);
	side_fini(&b);
}

int main(void)
{
	Suite *s = suite_create("threads pingpong");
	TCase *tc = runner_case(s, "threads pingpong", 110);

	tcase_add_loop_test(tc, the_ball_comes_back_ten_thousand_times, 0, 4 * WAYS);
	return runner_run(s);
}
