/* SPDX-License-Identifier: MIT
 *
 * inject_many.c: a batch by itself, stopped at every step while others notify, poll and close. Of its
 * tokens every other one is queued before, so that it has more runs than the stack and takes a mark.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "runner.h"
#include "stops.h"

enum {
	MARKS = 64,
	EACH = 300,		/* tokens of a batch; half of them are new */
	MARKED = EACH / 2 - 10, /* of its new ones, one that is surely at the mark */
	ROOM = (MARKS + 1) * EACH,
	OTHER = ROOM, /* a token of no batch */
};

struct batch {
	struct stop stop;
	uint32_t tokens[4 * EACH];
	size_t n;
	int result;
	pthread_t thread;
};

static struct batch batches[MARKS];
static uint32_t got[ROOM + 1];

/* Tokens begin .. begin + EACH - 1 follow in the batch, of which the even ones are queued. */
static void add(struct batch *b, uint32_t begin)
{
	uint32_t token;

	for (token = begin; token < begin + EACH; token++) {
		b->tokens[b->n++] = token;
		if (token % 2 == 0)
			(void)bell_queue_notify(queue, token);
	}
}

static void setup(void)
{
	ck_assert_int_eq(bell_queue_new(&queue, ROOM + 1, 0), 0);
	memset(batches, 0, sizeof(batches));
	add(&batches[0], 0);
	ck_assert_uint_eq(bell_queue_poll(queue, got, 1), 1); /* awake; and the last one is new */
	ck_assert_int_eq(bell_queue_notify(queue, 0), 1);
}

/* Every token can be notified again, and no mark is left. */
static void teardown(void)
{
	uint32_t token;
	int once = 0;

	while (bell_queue_poll(queue, got, ROOM + 1))
		;
	for (token = 0; token <= OTHER; token++)
		once += bell_queue_notify(queue, token) == 1;
	ck_assert_int_eq(once, OTHER + 1);
	ck_assert_uint_eq(queue->marks, 0);
	queue = bell_queue_unref(queue);
}

static void *notify_batch(void *userdata)
{
	struct batch *b = userdata;

	my_stop = &b->stop;
	b->result = bell_queue_notify_many(queue, b->tokens, b->n);
	my_stop = NULL;
	return NULL;
}

static void batch_start(struct batch *b, const char *point, unsigned skip)
{
	stop_init(&b->stop, point);
	b->stop.skip = skip;
	ck_assert_int_eq(pthread_create(&b->thread, NULL, notify_batch, b), 0);
	sem_wait(&b->stop.reached);
}

static void batch_finish(struct batch *b)
{
	sem_post(&b->stop.go);
	pthread_join(b->thread, NULL);
}

/* The queue holds the new tokens of batches that began there: all, side by side, in their order. */
static void expect_new(uint32_t begin)
{
	uint32_t token, i = 0;

	ck_assert_uint_eq(bell_queue_poll(queue, got, EACH / 2), EACH / 2);
	for (token = begin + 1; token < begin + EACH; token += 2)
		ck_assert_uint_eq(got[i++], token);
}

static void expect(uint32_t token)
{
	ck_assert_uint_eq(bell_queue_poll(queue, got, 1), 1);
	ck_assert_uint_eq(got[0], token);
}

/* What was queued beforehand. */
static void skip(size_t n)
{
	ck_assert_uint_eq(bell_queue_poll(queue, got, n), n);
}

static const struct {
	const char *point;
	unsigned skip;
} stops[] = {{"raising", MARKED}, {"claimed", 0}, {"reserved", 0}, {"reserved", MARKED},
	{"published", MARKED}};
#define STOPS 5

static bool is_reserved(int i)
{
	return i >= 2;
}

START_TEST(the_tokens_of_others_come_before_a_batch_or_after_it)
{
	batch_start(&batches[0], stops[_i].point, stops[_i].skip);
	ck_assert_uint_eq(queue->marks, 1);
	ck_assert_int_eq(bell_queue_notify(queue, OTHER), 1);
	batch_finish(&batches[0]);
	ck_assert_int_eq(batches[0].result, EACH / 2);
	skip(EACH / 2);
	if (!is_reserved(_i))
		expect(OTHER);
	expect_new(0);
	if (is_reserved(_i))
		expect(OTHER);
}
END_TEST

/* Seen down before the batch raises it, and claimed after. */
START_TEST(who_claims_a_token_too_late_leaves_it_to_the_batch)
{
	struct producer late;

	producer_start(&late, "raising", 2 * MARKED + 1);
	batch_start(&batches[0], stops[_i].point, stops[_i].skip);
	producer_finish(&late);
	ck_assert_int_eq(late.result, 0);
	batch_finish(&batches[0]);
	ck_assert_int_eq(batches[0].result, EACH / 2);
	skip(EACH / 2);
	expect_new(0);
}
END_TEST

/* The second one has new tokens, then those of the first one, then new ones again. */
START_TEST(two_batches_keep_their_tokens_apart)
{
	struct batch *second = &batches[1];

	add(second, EACH);
	add(second, 0);
	add(second, 2 * EACH);
	batch_start(&batches[0], "claimed", 0);
	batch_start(second, stops[_i].point, stops[_i].skip);
	ck_assert_uint_eq(queue->marks, 3);
	batch_finish(second);
	batch_finish(&batches[0]);
	ck_assert_int_eq(second->result, EACH);
	ck_assert_int_eq(batches[0].result, EACH / 2);
	skip(3 * EACH / 2);
	expect_new(EACH);
	expect_new(2 * EACH);
	expect_new(0);
}
END_TEST

START_TEST(a_token_that_is_polled_while_its_batch_goes_on_can_be_notified_again)
{
	const uint32_t last = 2 * MARKED + 1;

	batch_start(&batches[0], "published", MARKED);
	skip(EACH / 2 + MARKED);
	expect(last);
	ck_assert_uint_eq(bell_queue_poll(queue, got, 1), 0);
	batch_finish(&batches[0]);
	skip(EACH / 2 - MARKED - 1);
	ck_assert_int_eq(bell_queue_notify(queue, last), 1);
	expect(last);
}
END_TEST

/* The first one comes across all its tokens again but the last, when half of them have been polled and are
 * claimed by the second. */
START_TEST(a_token_that_is_polled_and_claimed_again_is_not_the_batch_s_any_more)
{
	struct batch *first = &batches[0], *second = &batches[1];
	uint32_t token;

	for (token = 0; token < EACH; token++)
		first->tokens[first->n++] = token;
	first->tokens[first->n++] = OTHER;
	batch_start(first, "published", MARKED);
	skip(EACH / 2 + MARKED + 1);
	add(second, 0);
	batch_start(second, "claimed", 0);
	ck_assert_uint_eq(queue->marks, 3);
	batch_finish(first);
	ck_assert_int_eq(first->result, EACH / 2 + 1);
	skip(EACH / 2 - MARKED - 1);
	expect(OTHER);
	skip(EACH / 2);
	batch_finish(second);
	ck_assert_int_eq(second->result, MARKED + 1);
	for (token = 1; token <= 2 * MARKED + 1; token += 2)
		expect(token);
}
END_TEST

START_TEST(the_end_waits_for_a_batch)
{
	batch_start(&batches[0], stops[_i].point, stops[_i].skip);
	bell_queue_close(queue);
	while (bell_queue_poll(queue, got, ROOM))
		;
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	ck_assert_int_eq(bell_queue_arm(queue), 1);
	batch_finish(&batches[0]);
	/* Not told of the close where it reserved before. */
	ck_assert_int_eq(batches[0].result, is_reserved(_i) ? EACH / 2 : -ESHUTDOWN);
	ck_assert_int_eq(bell_queue_arm(queue), 0);
	while (bell_queue_poll(queue, got, ROOM))
		;
	ck_assert_uint_eq(got[0] % 2, 1);
	ck_assert_int_eq(bell_queue_arm(queue), -ESHUTDOWN);
	ck_assert_uint_eq(queue->marks, 0);
	for (uint32_t token = 0; token <= OTHER; token++)
		ck_assert_uint_eq(queue->flags[token], 0);
	queue = bell_queue_unref(queue);
}
END_TEST

/* The 65th: by 64 runs at a time. */
START_TEST(a_batch_that_finds_no_mark_left_is_queued_all_the_same)
{
	static struct batch last;
	int i;

	last.n = 0;
	add(&last, MARKS * EACH);
	for (i = 1; i < MARKS; i++)
		add(&batches[i], (uint32_t)i * EACH);
	for (i = 0; i < MARKS; i++)
		batch_start(&batches[i], "claimed", 0);
	ck_assert_uint_eq(queue->marks, UINT64_MAX);

	batch_start(&last, "published", 0);
	ck_assert_int_eq(bell_queue_notify(queue, OTHER), 1);
	batch_finish(&last);
	ck_assert_int_eq(last.result, EACH / 2);
	skip(ROOM / 2 + 64);
	ck_assert_uint_eq(got[ROOM / 2 + 63], MARKS * EACH + 127);
	expect(OTHER);
	expect(MARKS * EACH + 129);
	skip(EACH / 2 - 65);

	for (i = 0; i < MARKS; i++) {
		batch_finish(&batches[i]);
		ck_assert_int_eq(batches[i].result, EACH / 2);
		expect_new((uint32_t)i * EACH);
	}
}
END_TEST

static int of_handler;

static void handle(int sig)
{
	uint32_t token;

	(void)sig;
	of_handler = bell_queue_notify_many(queue, batches[0].tokens, EACH);
	for (token = 0; token < EACH; token++)
		of_handler += bell_queue_notify(queue, token);
}

START_TEST(a_signal_handler_may_notify_what_the_batch_has_claimed)
{
	struct sigaction action = {.sa_handler = handle};

	sigaction(SIGUSR1, &action, NULL);
	batches[0].stop = (struct stop){
		.point = stops[_i].point, .skip = stops[_i].skip, .raise = true};
	of_handler = -1;
	notify_batch(&batches[0]);
	ck_assert_int_eq(of_handler, _i == 0 ? EACH / 2 - MARKED : 0);
	ck_assert_int_eq(batches[0].result, EACH / 2 - of_handler);
	ck_assert_uint_eq(bell_queue_poll(queue, got, ROOM), EACH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("injected races in a batch");
	TCase *tc = runner_case(s, "injected races in a batch", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_tokens_of_others_come_before_a_batch_or_after_it, 0, STOPS);
	tcase_add_loop_test(tc, who_claims_a_token_too_late_leaves_it_to_the_batch, 1, STOPS);
	tcase_add_loop_test(tc, two_batches_keep_their_tokens_apart, 0, STOPS);
	tcase_add_test(tc, a_token_that_is_polled_while_its_batch_goes_on_can_be_notified_again);
	tcase_add_test(tc, a_token_that_is_polled_and_claimed_again_is_not_the_batch_s_any_more);
	tcase_add_test(tc, a_batch_that_finds_no_mark_left_is_queued_all_the_same);
	tcase_add_loop_test(tc, a_signal_handler_may_notify_what_the_batch_has_claimed, 0, STOPS);

	tc = runner_case(s, "a batch and the end", 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, the_end_waits_for_a_batch, 0, STOPS);
	return runner_run(s);
}
