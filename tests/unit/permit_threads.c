/* SPDX-License-Identifier: MIT
 *
 * Permits between many threads. Nobody repeats a notify, so one that is lost leaves a thread asleep and
 * the test hangs; and what is written before a notify is plain data, so ThreadSanitizer sees whether it
 * may be read after.
 */
#include "permit_meet.h"

/* -- data ------------------------------------------------------------------------------------ */

/* Plain data of two notifiers whose notifies become one: who takes that one may read both. The counter
 * orders nothing. */
struct letters {
	struct bell_permit permit;
	struct gate gate;
	uint32_t sent, letter[2];
};

struct writer {
	struct letters *l;
	uint32_t self;
};

#define LETTERS 5000

static void *write_letters(void *arg)
{
	struct writer *me = arg;
	uint32_t i;

	for (i = 1; i <= LETTERS; i++) {
		me->l->letter[me->self] = i;
		(void)bell_permit_notify_one(&me->l->permit);
		(void)bell_fetch_add_relaxed(&me->l->sent, 1); /* orders nothing, by intent */
		pass(&me->l->gate, 3);
	}
	return NULL;
}

START_TEST(the_data_of_all_notifies_that_became_one_is_seen)
{
	struct letters l = {0};
	struct writer writers[2] = {{&l, 0}, {&l, 1}};
	pthread_t threads[2] = {
		spawn(write_letters, &writers[0]), spawn(write_letters, &writers[1])};
	uint32_t i;

	for (i = 1; i <= LETTERS; i++) {
		while (bell_load_relaxed(&l.sent) < 2 * i)
			sched_yield();
		if (!stored(&l.permit) || l.letter[0] != i || l.letter[1] != i)
			error();
		pass(&l.gate, 3);
	}
	join(threads[0]);
	join(threads[1]);
	expect_no_errors();
}

#define WAITERS 4
#define EPOCHS	5000

/* A value with a version, as a watch channel has it: each change is broadcast, each watcher ends with
 * the last one. */
struct watch {
	struct bell_permit permit;
	uint32_t version;
};

static void *watch(void *arg)
{
	struct watch *s = arg;
	struct bell_waiter w;
	uint32_t seen = 0;

	while (seen < EPOCHS) {
		bell_permit_prepare(&s->permit, &w);
		if (bell_load_relaxed(&s->version) == seen &&
			bell_permit_wait(&s->permit, &w, -1) != 0)
			error();
		seen = bell_load_relaxed(&s->version);
	}
	return NULL;
}

START_TEST(every_watcher_sees_the_last_change)
{
	struct watch s = {0};
	pthread_t threads[WAITERS];
	uint32_t i, j;

	for (i = 0; i < WAITERS; i++)
		threads[i] = spawn(watch, &s);
	for (i = 1; i <= EPOCHS; i++) {
		bell_store_relaxed(&s.version, i);
		(void)bell_permit_notify_all(&s.permit);
		for (j = 0; j < i % 64; j++)
			bell_pause();
	}
	for (i = 0; i < WAITERS; i++)
		join(threads[i]);
	expect_no_errors();
}

/* A broadcast a round, and one wait of each: queued or prepared only, as chance has it, it is that
 * round's broadcast that wakes it, and shows what was written for it. */
struct rounds {
	struct bell_permit permit;
	uint32_t ready;
	uint32_t data[EPOCHS + 1];
};

static void *wait_each_round(void *arg)
{
	struct rounds *s = arg;
	struct bell_waiter w;
	uint32_t i;

	for (i = 1; i <= EPOCHS; i++) {
		bell_permit_prepare(&s->permit, &w);
		(void)bell_fetch_add_relaxed(&s->ready, 1); /* orders nothing, by intent */
		if (bell_permit_wait(&s->permit, &w, -1) != 0 || s->data[i] != i)
			error();
	}
	return NULL;
}

START_TEST(each_broadcast_wakes_each_once_and_shows_its_data)
{
	struct rounds s = {0};
	pthread_t threads[WAITERS];
	uint32_t i, woken = 0;

	for (i = 0; i < WAITERS; i++)
		threads[i] = spawn(wait_each_round, &s);
	for (i = 1; i <= EPOCHS; i++) {
		while (bell_load_relaxed(&s.ready) < i * WAITERS)
			sched_yield();
		s.data[i] = i;
		woken += (uint32_t)bell_permit_notify_all(&s.permit);
	}
	for (i = 0; i < WAITERS; i++)
		join(threads[i]);
	ck_assert_uint_le(woken, WAITERS * EPOCHS);
	expect_no_errors();
}

/* -- storms ---------------------------------------------------------------------------------- */

#define ITEMS	  40000
#define PRODUCERS 3
#define CONSUMERS 3

/* A pool: as many notifies as items, in either direction; a consumer that finds one on its own
 * cancels. */
struct pool {
	struct bell_permit permit;
	uint32_t items, taken;
};

static bool take_item(struct pool *s)
{
	uint32_t n = bell_load_relaxed(&s->items);

	while (n > 0)
		if (bell_cas_acq_rel(&s->items, &n, n - 1))
			return true;
	return false;
}

static void *give_items(void *arg)
{
	struct pool *s = arg;
	int i;

	for (i = 0; i < ITEMS; i++) {
		(void)bell_fetch_add_acq_rel(&s->items, 1);
		(void)(i & 1 ? bell_permit_notify_last : bell_permit_notify_one)(&s->permit);
	}
	return NULL;
}

static void *take_items(void *arg)
{
	struct pool *s = arg;
	struct bell_waiter w;
	int i;

	for (i = 0; i < ITEMS; i++) {
		for (;;) {
			bell_permit_prepare(&s->permit, &w);
			(void)bell_permit_enable(&s->permit, &w);
			if (take_item(s))
				break;
			if (i % 8 == 0)
				(void)bell_permit_wait(&s->permit, &w, 1000); /* errors are fine */
			else if (bell_permit_wait(&s->permit, &w, -1) != 0)
				error();
		}
		bell_permit_cancel(&s->permit, &w);
	}
	return NULL;
}

START_TEST(takers_of_a_pool_get_all_that_is_given)
{
	struct pool s = {0};
	pthread_t threads[PRODUCERS + CONSUMERS];
	int i;

	for (i = 0; i < PRODUCERS + CONSUMERS; i++)
		threads[i] = spawn(i < PRODUCERS ? give_items : take_items, &s);
	for (i = 0; i < PRODUCERS + CONSUMERS; i++)
		join(threads[i]);
	ck_assert_uint_eq(s.items, 0);
	expect_no_errors();
}

#define ROUNDS 20000

struct table {
	struct bell_permit ping, pong;
};

static void *answer(void *arg)
{
	struct table *t = arg;
	struct bell_waiter w;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bell_permit_prepare(&t->ping, &w);
		if (bell_permit_wait(&t->ping, &w, -1) != 0)
			error();
		(void)bell_permit_notify_one(&t->pong);
	}
	return NULL;
}

START_TEST(ping_and_pong)
{
	struct table t = {0};
	pthread_t thread = spawn(answer, &t);
	struct bell_waiter w;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		(void)bell_permit_notify_one(&t.ping);
		bell_permit_prepare(&t.pong, &w);
		if (bell_permit_wait(&t.pong, &w, -1) != 0)
			error();
	}
	join(thread);
	expect_no_errors();
}

int main(void)
{
	Suite *s = suite_create("permit threads");
	TCase *tc = runner_case(s, "threads", 110);

	tcase_add_test(tc, the_data_of_all_notifies_that_became_one_is_seen);
	tcase_add_test(tc, every_watcher_sees_the_last_change);
	tcase_add_test(tc, each_broadcast_wakes_each_once_and_shows_its_data);
	tcase_add_test(tc, takers_of_a_pool_get_all_that_is_given);
	tcase_add_test(tc, ping_and_pong);
	return runner_run(s);
}
