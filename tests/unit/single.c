/* SPDX-License-Identifier: MIT
 *
 * A single producer: what is special about it. That the rest is as ever is shown by the other programs,
 * which run in its modes, too.
 */
#include <sched.h>
#include <unistd.h>

#include "load.h"

#define SINGLE(way) (load_mode(way) | BELL_QUEUE_SINGLE_PRODUCER)

/* -- the role, handed on under a lock --------------------------------------------------------- */

enum { HANDS = 4, TOKENS = 64, TURNS = 5000 };

struct relay {
	struct bell_queue *q;
	pthread_mutex_t lock;
	uint32_t next;	   /* under the lock: notify number next is of token next % TOKENS */
	uint32_t received; /* by the receiver */
	uint32_t errors;
};

/* Whoever has the lock is the producer, for a turn. No token is notified while it is still out, so the
 * receiver sees the very sequence. */
static void *take_turns(void *userdata)
{
	struct relay *r = userdata;
	uint32_t turn;

	for (turn = 0; turn < TURNS; turn++) {
		pthread_mutex_lock(&r->lock);
		while (r->next - bell_load_acquire(&r->received) >= TOKENS)
			sched_yield();
		if (bell_queue_notify(r->q, r->next++ % TOKENS) != 1)
			r->errors++;
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

static void expect_next(void *userdata, uint32_t token)
{
	struct relay *r = userdata;

	if (token != r->received % TOKENS)
		bell_fetch_add_relaxed(&r->errors, 1);
	bell_store_release(&r->received, r->received + 1);
}

START_TEST(the_role_may_be_handed_on_under_a_lock)
{
	struct relay r = {.q = queue_of(TOKENS, SINGLE(_i)), .lock = PTHREAD_MUTEX_INITIALIZER};
	struct load_receiver receiver;
	pthread_t threads[HANDS], thread;
	int i;

	load_init(&receiver, r.q, _i, 7);
	receiver.on_token = expect_next;
	receiver.userdata = &r;
	thread = spawn(load_run, &receiver);
	for (i = 0; i < HANDS; i++)
		threads[i] = spawn(take_turns, &r);
	for (i = 0; i < HANDS; i++)
		join(threads[i]);
	bell_queue_close(r.q);
	join(thread);
	ck_assert_uint_eq(r.errors + receiver.errors, 0);
	ck_assert_uint_eq(r.received, HANDS * TURNS);
	load_fini(&receiver);
	bell_queue_unref(r.q);
}

/* -- several queues, a producer each ---------------------------------------------------------- */

enum { QUEUES = 3, EACH = 20000 };

struct lane {
	struct bell_queue *q;
	uint32_t number; /* by its producer */
	uint32_t seen;	 /* by the receiver */
	uint32_t errors;
};

static void *produce(void *userdata)
{
	struct lane *l = userdata;
	uint32_t i;

	for (i = 1; i <= EACH; i++) {
		bell_store_relaxed(&l->number, i);
		if (bell_queue_notify(l->q, i % 4) < 0)
			l->errors++;
		if (i % 100 == 0) /* let the receiver sleep, now and then */
			sched_yield();
	}
	bell_queue_close(l->q);
	return NULL;
}

static void note(void *userdata, uint32_t token)
{
	struct lane *l = userdata;

	(void)token;
	l->seen = bell_load_relaxed(&l->number);
}

START_TEST(several_queues_in_one_loop_do_not_disturb_each_other)
{
	struct lane lanes[QUEUES] = {{.q = NULL}};
	int epfds[QUEUES], open = QUEUES, i;
	pthread_t threads[QUEUES];

	for (i = 0; i < QUEUES; i++) {
		lanes[i].q = queue_of(4, mode_of(_i));
		epfds[i] = loop_watching(lanes[i].q);
		threads[i] = spawn(produce, &lanes[i]);
	}
	while (open > 0) {
		for (i = 0; i < QUEUES; i++) {
			if (!lanes[i].q || loop_events(epfds[i]) == 0)
				continue;
			if (bell_queue_dispatch(lanes[i].q, 3, note, &lanes[i]) != -ESHUTDOWN)
				continue;
			join(threads[i]);
			ck_assert_uint_eq(stats_of(lanes[i].q).notified,
				stats_of(lanes[i].q).delivered);
			ck_assert_uint_le(
				stats_of(lanes[i].q).rings, stats_of(lanes[i].q).arms + 1);
			lanes[i].q = bell_queue_unref(lanes[i].q);
			close(epfds[i]);
			open--;
		}
	}
	for (i = 0; i < QUEUES; i++) {
		ck_assert_uint_eq(lanes[i].seen, EACH);
		ck_assert_uint_eq(lanes[i].errors, 0);
	}
}

/* -- the smallest ring ------------------------------------------------------------------------ */

enum { FEWER = HELPERS_SANITIZED ? 20 : 1, LAPS = 2000000 / FEWER, LAPS_ASLEEP = 20000 / FEWER };

struct spin {
	struct bell_queue *q;
	uint32_t laps, datum, done;
};

/* Each new notify is a lap of the ring. What it wrote before is seen by the poll that takes it. */
static void *notify_for_ever(void *userdata)
{
	struct spin *s = userdata;
	uint32_t i, queued = 0;

	for (i = 1; queued < s->laps; i++) {
		bell_store_relaxed(&s->datum, i);
		queued += bell_queue_notify(s->q, 0) == 1;
		if (i % 256 == 0) /* fewer processors than threads */
			sched_yield();
	}
	bell_store_release(&s->done, 1);
	bell_queue_close(s->q);
	return NULL;
}

/* -ESHUTDOWN, or how many tokens. */
static ssize_t next_by_poll(struct spin *s, uint32_t *tokens)
{
	bool done = bell_load_acquire(&s->done); /* before the last look */
	size_t n = bell_queue_poll(s->q, tokens, 2);

	return n == 0 && done ? -ESHUTDOWN : (ssize_t)n;
}

static ssize_t next_by_wait(struct spin *s, uint32_t *tokens)
{
	return bell_queue_wait(s->q, tokens, 2, -1);
}

static void go_round(unsigned mode, uint32_t laps, ssize_t (*next)(struct spin *, uint32_t *))
{
	struct spin s = {.q = queue_of(1, mode), .laps = laps};
	pthread_t thread = spawn(notify_for_ever, &s);
	uint32_t tokens[2], polled = 0, wrong = 0, last = 0, idle = 0;
	ssize_t n;

	while ((n = next(&s, tokens)) != -ESHUTDOWN) {
		uint32_t datum = bell_load_relaxed(&s.datum);

		if (n == 0) {
			if (++idle % 256 == 0)
				sched_yield();
			continue;
		}
		wrong += n != 1 || tokens[0] != 0 || datum < last;
		last = datum;
		polled++;
	}
	join(thread);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(polled, laps);
	ck_assert_uint_eq(last, s.datum); /* the last one, conflated or not */
	ck_assert_uint_eq(stats_of(s.q).notified, laps);
	bell_queue_unref(s.q);
}

START_TEST(a_ring_of_one_slot_goes_round_millions_of_times)
{
	go_round(mode_of(_i), LAPS, next_by_poll);
	go_round(mode_of(_i), LAPS_ASLEEP, next_by_wait);
}

/* -- close against notify --------------------------------------------------------------------- */

enum { ROUNDS = 400 };

struct end {
	struct bell_queue *q;
	uint32_t queued;    /* notifies that said 1, and tokens that notify_many counted */
	uint32_t refused;   /* tokens of the one call that was refused: they may come, or not */
	uint32_t delivered; /* by the receiver */
	uint32_t delay, errors;
	bool many;
};

static void *hammer(void *userdata)
{
	struct end *e = userdata;
	uint32_t i;
	int r = 0;

	for (i = 0; r >= 0; i++) {
		if (e->many)
			r = bell_queue_notify_many(e->q, (uint32_t[]){3, 1, 2, 0}, 4);
		else
			r = bell_queue_notify(e->q, i % 4);
		e->queued += r > 0 ? (uint32_t)r : 0;
		if (i % 64 == 63) /* more threads than processors: let the closer come */
			sched_yield();
	}
	e->refused = e->many ? 4 : 1;
	e->errors += r != -ESHUTDOWN || bell_queue_notify(e->q, 0) != -ESHUTDOWN;
	return NULL;
}

static void *close_some_time(void *userdata)
{
	struct end *e = userdata;
	uint32_t i;

	for (i = e->delay; i > 0; i--)
		bell_pause();
	bell_queue_close(e->q);
	return NULL;
}

static void count(void *userdata, uint32_t token)
{
	struct end *e = userdata;

	(void)token;
	e->delivered++;
}

START_TEST(whatever_said_1_is_delivered_before_shutdown)
{
	const enum load_way way = _i % WAYS;
	struct load_receiver receiver;
	pthread_t producer, closer;
	uint64_t seed = (uint64_t)_i;
	uint32_t wrong = 0, round;

	for (round = 0; round < ROUNDS; round++) {
		struct end e = {.q = queue_of(4, SINGLE(way)),
			.delay = dice(&seed) % 4000,
			.many = _i / WAYS};

		load_init(&receiver, e.q, way, 1 + round % 5);
		receiver.on_token = count;
		receiver.userdata = &e;
		pthread_create(&producer, NULL, hammer, &e);
		pthread_create(&closer, NULL, close_some_time, &e);
		load_run(&receiver);
		pthread_join(producer, NULL);
		pthread_join(closer, NULL);
		wrong += e.delivered < e.queued || e.delivered > e.queued + e.refused;
		wrong += e.errors + receiver.errors;
		wrong += stats_of(e.q).rings > stats_of(e.q).arms + 1;
		load_fini(&receiver);
		bell_queue_unref(e.q);
	}
	ck_assert_uint_eq(wrong, 0);
}

/* -- the cost --------------------------------------------------------------------------------- */

START_TEST(a_notify_that_finds_the_receiver_awake_leaves_its_word_alone)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint32_t i;

	bell_queue_notify(q, 0);
	EXPECT(q, 0);
	ck_assert_uint_eq(q->state, 0);
	for (i = 1; i <= 100; i++) {
		bell_queue_notify(q, i % 8);
		ck_assert_uint_eq(q->state, 0);
		ck_assert_uint_eq(q->tail, (uint64_t)(i + 1) * BELL__POSITION);
		EXPECT(q, i % 8);
	}
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_uint_eq(q->state, BELL__ARMED);
	bell_queue_close(q);
	ck_assert_uint_eq(q->state, BELL__CLOSED);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	ck_assert_uint_eq(q->state, BELL__CLOSED);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("single");
	TCase *tc = runner_case(s, "single", 110);

	tcase_add_loop_test(tc, the_role_may_be_handed_on_under_a_lock, 0, WAYS);
	add_in_single_modes(tc, several_queues_in_one_loop_do_not_disturb_each_other);
	add_in_single_modes(tc, a_ring_of_one_slot_goes_round_millions_of_times);
	tcase_add_loop_test(tc, whatever_said_1_is_delivered_before_shutdown, 0, 2 * WAYS);
	add_in_single_modes(tc, a_notify_that_finds_the_receiver_awake_leaves_its_word_alone);
	return runner_run(s);
}
