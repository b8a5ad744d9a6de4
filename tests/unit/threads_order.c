/* SPDX-License-Identifier: MIT
 *
 * Under producers that never pause: the order of each of them is kept, a poll gives no token twice
 * and no more than there are, and the ring is never full when it should not be.
 */
#include <sched.h>

#include "load.h"

enum { WINDOW = 32, EACH = 20000 };

/* A producer goes round its own tokens and never notifies one that is still out: so each notify is a
 * first one, and the receiver must see exactly this sequence. */
struct sequence {
	struct bell_queue *q;
	uint32_t first;	   /* its tokens: first .. first + WINDOW - 1 */
	uint32_t received; /* by the receiver */
	uint32_t errors;
};

static void *produce_in_order(void *userdata)
{
	struct sequence *s = userdata;
	uint32_t i;

	for (i = 0; i < EACH; i++) {
		while (i - bell_load_acquire(&s->received) >= WINDOW)
			sched_yield();
		if (bell_queue_notify(s->q, s->first + i % WINDOW) != 1)
			bell_fetch_add_relaxed(&s->errors, 1);
	}
	return NULL;
}

static void check_order(void *userdata, uint32_t token)
{
	struct sequence *s = (struct sequence *)userdata + token / WINDOW;

	if (token % WINDOW != s->received % WINDOW)
		bell_fetch_add_relaxed(&s->errors, 1);
	bell_store_release(&s->received, s->received + 1);
}

static const uint32_t crowds[] = {2, 4, 1};

START_TEST(the_order_of_each_producer_is_kept)
{
	const uint32_t producers = crowds[_i / WAYS];
	struct bell_queue *q = queue_of(producers * WINDOW,
		load_mode(_i % WAYS) | (producers == 1 ? BELL_QUEUE_SINGLE_PRODUCER : 0));
	struct sequence sequences[4];
	struct load_receiver receiver;
	pthread_t threads[4], thread;
	uint32_t i;

	for (i = 0; i < producers; i++)
		sequences[i] = (struct sequence){.q = q, .first = i * WINDOW};
	load_init(&receiver, q, _i % WAYS, 5);
	receiver.on_token = check_order;
	receiver.userdata = sequences;
	thread = spawn(load_run, &receiver);
	for (i = 0; i < producers; i++)
		threads[i] = spawn(produce_in_order, &sequences[i]);
	for (i = 0; i < producers; i++)
		join(threads[i]);
	bell_queue_close(q);
	join(thread);
	for (i = 0; i < producers; i++) {
		ck_assert_uint_eq(sequences[i].received, EACH);
		ck_assert_uint_eq(sequences[i].errors, 0);
	}
	ck_assert_uint_eq(receiver.errors, 0);
	load_fini(&receiver);
	bell_queue_unref(q);
}

/* Producers that hammer all tokens until they are told to stop. */
struct hammer {
	struct bell_queue *q;
	uint32_t stop, queued, errors;
};

static void *hammer_by_ones(void *userdata)
{
	struct hammer *h = userdata;
	uint32_t capacity = bell_queue_capacity(h->q), i, queued = 0;

	for (i = 0; !bell_load_relaxed(&h->stop); i++) {
		int r = bell_queue_notify(h->q, i % capacity);

		if (r < 0 || r > 1)
			bell_fetch_add_relaxed(&h->errors, 1);
		queued += r == 1;
	}
	bell_fetch_add_relaxed(&h->queued, queued);
	return NULL;
}

static void *hammer_by_many(void *userdata)
{
	struct hammer *h = userdata;
	uint32_t capacity = bell_queue_capacity(h->q), i, queued = 0, tokens[100];

	for (i = 0; i < 100; i++)
		tokens[i] = (i * 3 + i / 7) % capacity;
	while (!bell_load_relaxed(&h->stop)) {
		int r = bell_queue_notify_many(h->q, tokens, 100);

		if (r < 0)
			bell_fetch_add_relaxed(&h->errors, 1);
		queued += r > 0 ? (uint32_t)r : 0;
	}
	bell_fetch_add_relaxed(&h->queued, queued);
	return NULL;
}

/* Too many, or one twice. */
static bool bad_batch(const uint32_t *tokens, size_t n, uint32_t capacity)
{
	bool seen[128] = {false};
	size_t i;

	if (n > capacity)
		return true;
	for (i = 0; i < n; i++) {
		if (tokens[i] >= capacity || seen[tokens[i]])
			return true;
		seen[tokens[i]] = true;
	}
	return false;
}

static const uint32_t capacities[] = {1, 2, 3, 4, 5, 100};
#define CAPACITIES (int)(sizeof(capacities) / sizeof(*capacities))

/* All of them at once, or one of them alone on a queue for a single producer. */
static void *(*const hammers[])(void *) = {hammer_by_ones, hammer_by_many, hammer_by_ones};

static void poll_while_hammered(struct bell_queue *q, int first, int crowd)
{
	const uint32_t capacity = bell_queue_capacity(q);
	struct hammer h = {.q = q};
	pthread_t threads[3];
	uint32_t tokens[256], bad = 0, delivered = 0;
	int i;

	for (i = 0; i < crowd; i++)
		threads[i] = spawn(hammers[first + i], &h);
	for (i = 0; i < 300000 || delivered < 1000; i++) {
		size_t n = bell_queue_poll(q, tokens, i % 3 ? 256 : SIZE_MAX);

		bad += bad_batch(tokens, n, capacity);
		delivered += (uint32_t)n;
	}
	bell_store_relaxed(&h.stop, 1);
	for (i = 0; i < crowd; i++)
		join(threads[i]);
	delivered += (uint32_t)bell_queue_poll(q, tokens, 256);
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(h.errors, 0);
	ck_assert_uint_eq(h.queued, delivered);
	ck_assert_uint_eq((uint32_t)stats_of(q).notified, delivered);
	expect_nothing(q);
	bell_queue_unref(q);
}

START_TEST(a_poll_gives_no_token_twice_while_producers_hammer)
{
	poll_while_hammered(queue_of(capacities[_i], 0), 0, 3);
}

START_TEST(a_poll_gives_no_token_twice_while_a_single_producer_hammers)
{
	const uint32_t capacity = capacities[_i % CAPACITIES];

	poll_while_hammered(queue_of(capacity, BELL_QUEUE_SINGLE_PRODUCER), _i / CAPACITIES, 1);
}

/* N producers, distinct tokens, joined before the first poll: all there, each once, theirs in order. */
struct range {
	struct bell_queue *q;
	uint32_t first, n, errors;
};

static void *notify_range(void *userdata)
{
	struct range *r = userdata;
	uint32_t i;

	for (i = 0; i < r->n; i++)
		if (bell_queue_notify(r->q, r->first + i) != 1)
			r->errors++;
	return NULL;
}

START_TEST(tokens_of_joined_producers_are_all_there)
{
	const uint32_t producers = 2u << _i, n = 4096 / producers;
	struct bell_queue *q = queue_of(4096, 0);
	static uint32_t tokens[4097];
	struct range ranges[8];
	pthread_t threads[8];
	uint32_t i, last[8] = {0}, wrong = 0;

	for (i = 0; i < producers; i++) {
		ranges[i] = (struct range){.q = q, .first = i * n, .n = n};
		threads[i] = spawn(notify_range, &ranges[i]);
	}
	for (i = 0; i < producers; i++) {
		join(threads[i]);
		wrong += ranges[i].errors;
	}
	ck_assert_uint_eq(bell_queue_poll(q, tokens, 4097), 4096);
	for (i = 0; i < 4096; i++)
		wrong += tokens[i] % n != last[tokens[i] / n]++;
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	bell_queue_unref(q);
}

static void *notify_one_token(void *userdata)
{
	struct range *r = userdata;
	uint32_t i, queued = 0;

	for (i = 0; i < r->n; i++)
		queued += bell_queue_notify(r->q, r->first) == 1;
	r->errors = queued;
	return NULL;
}

START_TEST(of_all_notifies_of_one_token_exactly_one_queues_it)
{
	struct bell_queue *q = queue_of(8, 0);
	uint32_t i, round, queued;
	struct range ranges[4];
	pthread_t threads[4];

	for (round = 0; round < 50; round++) {
		for (i = 0; i < 4; i++) {
			ranges[i] = (struct range){.q = q, .first = 3, .n = 1000};
			threads[i] = spawn(notify_one_token, &ranges[i]);
		}
		for (i = 0, queued = 0; i < 4; i++) {
			join(threads[i]);
			queued += ranges[i].errors;
		}
		ck_assert_uint_eq(queued, 1);
		EXPECT(q, 3);
	}
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("threads order");
	TCase *tc = runner_case(s, "threads order", 110);

	tcase_add_loop_test(tc, the_order_of_each_producer_is_kept, 0, 3 * WAYS);
	tcase_add_loop_test(tc, a_poll_gives_no_token_twice_while_producers_hammer, 0, CAPACITIES);
	tcase_add_loop_test(tc, a_poll_gives_no_token_twice_while_a_single_producer_hammers, 0,
		2 * CAPACITIES);
	tcase_add_loop_test(tc, tokens_of_joined_producers_are_all_there, 0, 3);
	tcase_add_test(tc, of_all_notifies_of_one_token_exactly_one_queues_it);
	return runner_run(s);
}
