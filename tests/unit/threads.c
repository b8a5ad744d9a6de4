/* SPDX-License-Identifier: MIT
 *
 * Producers in threads of their own against each way to receive: the last value that was written
 * before a notify, conflated or not, is the last one seen, and nobody is left asleep.
 */
#include <stdlib.h>

#include "load.h"

/* Each producer writes its own number beside each token, plainly ordered by notify alone. */
struct shared {
	struct bell_queue *q;
	uint32_t tokens, producers, rounds;
	uint32_t *numbers; /* [producers][tokens] */
	uint32_t *seen;	   /* [producers][tokens], the receiver's */
	uint32_t complete; /* of them, how many were seen at their last number */
	uint32_t errors;
};

struct producer {
	struct shared *s;
	uint32_t id;
};

static void *produce(void *userdata)
{
	struct producer *p = userdata;
	struct shared *s = p->s;
	uint32_t *numbers = s->numbers + p->id * s->tokens, round, token, i;

	for (round = 1; round <= s->rounds; round++) {
		for (i = 0; i < s->tokens; i++) {
			token = p->id % 2 ? s->tokens - 1 - i : i; /* so that they meet */
			bell_store_relaxed(&numbers[token], round);
			if (bell_queue_notify(s->q, token) < 0)
				bell_fetch_add_relaxed(&s->errors, 1);
		}
	}
	return NULL;
}

static void look(void *userdata, uint32_t token)
{
	struct shared *s = userdata;
	uint32_t p, at, number;

	if (token >= s->tokens) {
		bell_fetch_add_relaxed(&s->errors, 1);
		return;
	}
	for (p = 0; p < s->producers; p++) {
		at = p * s->tokens + token;
		number = bell_load_relaxed(&s->numbers[at]);
		if (number == s->rounds && s->seen[at] != number)
			bell_store_release(&s->complete, s->complete + 1);
		s->seen[at] = number;
	}
}

static void run_producers(struct shared *s)
{
	struct producer producers[8];
	pthread_t threads[8];
	uint32_t i;

	for (i = 0; i < s->producers; i++) {
		producers[i] = (struct producer){.s = s, .id = i};
		threads[i] = spawn(produce, &producers[i]);
	}
	for (i = 0; i < s->producers; i++)
		join(threads[i]);
}

static void run_load(struct shared *s, enum load_way way, unsigned flags, size_t budget)
{
	struct bell_queue *q = queue_of(s->tokens, load_mode(way) | flags);
	struct load_receiver receiver;
	pthread_t thread;
	bool arrived;

	s->q = q;
	s->numbers = calloc(s->producers * s->tokens, sizeof(uint32_t));
	s->seen = calloc(s->producers * s->tokens, sizeof(uint32_t));
	load_init(&receiver, q, way, budget);
	receiver.on_token = look;
	receiver.userdata = s;
	thread = spawn(load_run, &receiver);
	run_producers(s);
	arrived = load_reaches(&s->complete, s->producers * s->tokens); /* before close wakes it */
	bell_queue_close(q);
	join(thread);
	ck_assert_msg(arrived, "a last value was never seen, or the receiver slept on");
	ck_assert_uint_eq(s->errors + receiver.errors, 0);
	ck_assert_uint_eq(stats_of(q).notified, stats_of(q).delivered);
	ck_assert_uint_le(stats_of(q).rings, stats_of(q).arms + 1);
	load_fini(&receiver);
	free(s->numbers);
	free(s->seen);
	bell_queue_unref(q);
}

static const struct {
	uint32_t producers, tokens, rounds;
	size_t budget;
} loads[] = {
	{1, 1, 30000, 1},
	{2, 1, 20000, 64},
	{2, 3, 10000, 2},
	{4, 8, 2000, 1},
	{8, 2, 2000, 3},
	{4, 100, 200, 7},
	{8, 256, 50, 64},
	{2, 4096, 10, 64},
};
#define LOADS (int)(sizeof(loads) / sizeof(*loads))

START_TEST(the_last_value_of_each_token_is_seen)
{
	struct shared s = {
		.producers = loads[_i / WAYS].producers,
		.tokens = loads[_i / WAYS].tokens,
		.rounds = loads[_i / WAYS].rounds,
	};

	run_load(&s, _i % WAYS, 0, loads[_i / WAYS].budget);
}

START_TEST(the_last_value_of_each_token_of_a_single_producer_is_seen)
{
	struct shared s = {.producers = 1,
		.tokens = loads[_i / WAYS].tokens,
		.rounds = loads[_i / WAYS].rounds};

	run_load(&s, _i % WAYS, BELL_QUEUE_SINGLE_PRODUCER, loads[_i / WAYS].budget);
}

/* One token, one notify a round, sent at a random moment around that of falling asleep: a wake-up
 * that is lost stops everything, for no other notify repairs it. */
struct single {
	struct bell_queue *q;
	uint32_t rounds, answered, errors;
};

static void answer(void *userdata, uint32_t token)
{
	struct single *s = userdata;

	(void)token;
	bell_store_release(&s->answered, s->answered + 1);
}

static void *ask(void *userdata)
{
	struct single *s = userdata;
	uint32_t round, i;
	uint64_t seed = 1;

	for (round = 1; round <= s->rounds; round++) {
		if (bell_queue_notify(s->q, 0) != 1)
			bell_fetch_add_relaxed(&s->errors, 1);
		for (i = 0; bell_load_acquire(&s->answered) < round && i < 2000; i++)
			bell_pause();
		if (!load_reaches(&s->answered, round)) {
			bell_fetch_add_relaxed(&s->errors, 1);
			break;
		}
		for (i = dice(&seed) % 400; i > 0; i--)
			bell_pause();
	}
	bell_queue_close(s->q);
	return NULL;
}

START_TEST(a_lone_notify_around_the_moment_of_sleeping_is_answered)
{
	const enum load_way way = _i % WAYS;
	struct bell_queue *q =
		queue_of(1, load_mode(way) | (_i / WAYS ? BELL_QUEUE_SINGLE_PRODUCER : 0));
	struct single s = {.q = q, .rounds = 2000};
	struct load_receiver receiver;
	pthread_t thread;

	load_init(&receiver, q, way, 1);
	receiver.on_token = answer;
	receiver.userdata = &s;
	bell_queue_set_spin(q, 0);
	thread = spawn(ask, &s);
	load_run(&receiver);
	join(thread);
	ck_assert_uint_eq(s.errors + receiver.errors, 0);
	ck_assert_uint_eq(s.answered, s.rounds);
	load_fini(&receiver);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = runner_case(s, "threads", 110);

	tcase_add_loop_test(tc, the_last_value_of_each_token_is_seen, 0, LOADS * WAYS);
	tcase_add_loop_test(tc, the_last_value_of_each_token_of_a_single_producer_is_seen, 0,
		LOADS * WAYS);
	tcase_add_loop_test(
		tc, a_lone_notify_around_the_moment_of_sleeping_is_answered, 0, 2 * WAYS);
	return runner_run(s);
}
