/* SPDX-License-Identifier: MIT
 *
 * hub_inject.c: the hub's races made to happen: a thread is stopped in the middle of a call while others go
 * on. The library is built with its injection points on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hub.h"
#include "runner.h"
#include "stops.h"

static struct bell_hub *hub;
static struct bell_handle handle;

/* A thread that makes one call, and stops in it once. */
struct caller {
	struct stop stop;
	struct bell_client *client;
	struct bell_client_event event;
	struct bell_hub_waiter waiter;
	int64_t timeout, value;
	uint32_t id;
	int result;
	pthread_t thread;
};

static void *call_wait(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_prepare(hub, handle, &c->waiter);
	if (c->result == 0)
		c->result = bell_hub_wait(hub, &c->waiter, c->timeout, &c->value);
	return NULL;
}

static void *call_next(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_client_next(c->client, &c->event);
	return NULL;
}

static void *call_notify(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_notify(hub, handle, c->value);
	return NULL;
}

static void *call_unregister(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_unregister(hub, handle);
	return NULL;
}

static void *call_subscribe(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_client_subscribe(c->client, handle, NULL, &c->id);
	return NULL;
}

/* Returns when the thread has come to the point. */
static void begin(struct caller *c, void *(*call)(void *), const char *point)
{
	stop_init(&c->stop, point);
	c->result = -4711;
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
	while (sem_wait(&c->stop.reached) < 0)
		;
}

static void finish(struct caller *c)
{
	sem_post(&c->stop.go);
	pthread_join(c->thread, NULL);
}

static void set_up(void)
{
	const struct bell_hub_options options = {.handles = 4, .depth = 64};

	ck_assert_int_eq(bell_hub_new(&hub, &options), 0);
	ck_assert_int_eq(bell_hub_register(hub, "inject", &handle), 0);
}

static struct bell_client *subscribed(uint32_t depth, uint32_t policy)
{
	struct bell_subscription_options o = {.depth = depth, .policy = policy};
	struct bell_client *client;
	uint32_t id;

	ck_assert_int_eq(bell_client_new(&client, hub, 4, 0), 0);
	ck_assert_int_eq(bell_client_subscribe(client, handle, &o, &id), 0);
	return client;
}

static uint64_t word(void)
{
	return hub->slots[handle.index].word;
}

/* -- waiters --------------------------------------------------------------------------------- */

START_TEST(a_notify_while_the_time_runs_out_is_not_lost)
{
	struct caller c = {.timeout = _i, .value = 77};

	set_up();
	begin(&c, call_wait, "leaving");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 5), 1);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 5);
	bell_hub_unref(hub);
}

START_TEST(the_end_while_the_time_runs_out_is_told)
{
	struct caller c = {.timeout = 1};

	set_up();
	begin(&c, call_wait, "leaving");
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, -ECANCELED);
	bell_hub_unref(hub);
}

START_TEST(a_notify_just_before_the_sleep_is_not_lost)
{
	struct caller c = {.timeout = -1};

	set_up();
	begin(&c, call_wait, "blocking");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 6), 1);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 6);
	bell_hub_unref(hub);
}

START_TEST(a_waiter_hears_before_its_prepare_has_returned)
{
	static const char *const points[] = {"prepared", "fenced"};
	struct caller c = {.timeout = -1};

	set_up();
	begin(&c, call_wait, points[_i]);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 8), 1);
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(c.value, 8);
	bell_hub_unref(hub);
}

/* Its membarrier was before the word was quiet, and says nothing of notifies that came since. */
START_TEST(a_fence_of_before_is_not_taken_for_one_of_now)
{
	struct caller c = {.timeout = -1};
	struct bell_hub_waiter w;

	set_up();
	begin(&c, call_wait, "fenced");
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 1); /* wakes it, before it has noticed */
	ck_assert_int_eq(bell_hub_notify(hub, handle, 2), 0); /* the word is quiet */
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_uint_eq(word() & FENCED, 0);
	ck_assert_int_eq(bell_hub_prepare(hub, handle, &w), 0);
	ck_assert_uint_eq(word() & FENCED, FENCED);
	bell_hub_cancel(hub, &w);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 2), 0);
	ck_assert_uint_eq(word() & (LISTENED | FENCED), 0);
	bell_hub_unref(hub);
}

/* Forty waiters are woken in two goes. Between them one leaves, and another comes that is not meant. */
START_TEST(waiters_may_leave_and_come_between_two_goes)
{
	enum { WAITERS = 40 };
	struct bell_hub_waiter w[WAITERS], late;
	struct caller c = {.value = 3};
	int64_t value = 0;
	int i;

	set_up();
	for (i = 0; i < WAITERS; i++)
		ck_assert_int_eq(bell_hub_prepare(hub, handle, &w[i]), 0);
	begin(&c, call_notify, "waking");
	bell_hub_cancel(hub, &w[35]);
	memset(&w[35], 0x55, sizeof(w[35]));
	ck_assert_int_eq(bell_hub_prepare(hub, handle, &late), 0);
	ck_assert_int_eq(
		bell_hub_wait(hub, &w[0], 0, &value), 0); /* and its memory is ours again */
	memset(&w[0], 0x55, sizeof(w[0]));
	finish(&c);
	ck_assert_int_eq(c.result, WAITERS - 1);
	for (i = 1; i < WAITERS; i++)
		if (i != 35)
			ck_assert_int_eq(bell_hub_wait(hub, &w[i], 0, &value), 0);
	ck_assert_int_eq(bell_hub_result(hub, &late, NULL), -EAGAIN);
	bell_hub_cancel(hub, &late);
	ck_assert_uint_eq(hub->slots[handle.index].n_waiters, 0);
	bell_hub_unref(hub);
}

/* A notifier that is stopped with the wakes still to make has everything it needs for them. */
START_TEST(whoever_was_told_may_be_gone_before_the_wake)
{
	struct bell_hub_waiter *w = malloc(sizeof(*w)), *bound = malloc(sizeof(*bound));
	struct bell_client *client;
	struct caller c = {.value = 3};
	struct bell_queue *q;

	set_up();
	client = subscribed(4, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_queue_new(&q, 1, 0), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, handle, w), 0);
	ck_assert_int_eq(bell_hub_bind(hub, handle, bound, q, 0), 0);
	begin(&c, call_notify, "waking");
	ck_assert_int_eq(bell_hub_wait(hub, w, -1, NULL), 0);
	ck_assert_int_eq(bell_hub_result(hub, bound, NULL), 0);
	free(w);
	free(bound);
	bell_queue_unref(q);
	bell_client_free(client);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 4), 0); /* and the lock is free */
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, 3);
	bell_hub_unref(hub);
}

/* -- clients --------------------------------------------------------------------------------- */

/* Values must rise, all of them there or counted. Returns how many were told. */
static uint64_t take_rest(struct bell_client *client, int64_t last)
{
	struct bell_client_event e;
	uint64_t told = 0;

	while (bell_client_next(client, &e) == 1) {
		told += 1 + e.dropped;
		ck_assert_int_eq(e.value, last + 1 + (int64_t)e.dropped);
		last = e.value;
	}
	return told;
}

START_TEST(a_client_stopped_in_the_middle_of_next_holds_up_nobody)
{
	static const uint32_t policies[] = {BELL_DROP_NEWEST, BELL_DROP_OLDEST, BELL_KEEP_LATEST};
	enum { VALUES = 1000 };
	struct bell_client *healthy;
	struct bell_client_event e;
	struct caller c = {0};
	uint64_t told;
	int i;

	set_up();
	c.client = subscribed(_i == 2 ? 1 : 4, policies[_i]);
	healthy = subscribed(4, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 2);
	ck_assert_int_eq(bell_client_next(healthy, &e), 1);
	begin(&c, call_next, "value_copied");
	for (i = 2; i <= VALUES; i++) {
		ck_assert_int_eq(bell_hub_notify(hub, handle, i), _i == 0 && i > 4 ? 1 : 2);
		ck_assert_int_eq(bell_client_next(healthy, &e), 1);
		ck_assert_int_eq(e.value, i);
	}
	finish(&c);
	/* Its copy is the oldest value still, or was pushed out, and it took the next that was left. */
	ck_assert_int_eq(c.result, 1);
	ck_assert_int_eq(c.event.value, _i == 0 ? 1 : _i == 1 ? VALUES - 3 : VALUES);
	ck_assert_int_eq((int64_t)c.event.dropped, c.event.value - 1);
	told = 1 + c.event.dropped + take_rest(c.client, c.event.value);
	bell_client_free(healthy);
	ck_assert_uint_eq(told, _i == 0 ? 4 : VALUES);
	bell_client_free(c.client);
	bell_hub_unref(hub);
}

/* The oldest value is pushed out, the new one not yet in: the client finds nothing, and does not wait. */
START_TEST(a_notifier_stopped_in_a_ring_holds_up_neither_its_client_nor_other_handles)
{
	struct bell_handle other;
	struct bell_client_event e;
	struct bell_client *client;
	struct caller c = {.value = 2};

	set_up();
	ck_assert_int_eq(bell_hub_register(hub, "other", &other), 0);
	client = subscribed(1, BELL_KEEP_LATEST);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 1);
	begin(&c, call_notify, "making_room");
	ck_assert_int_eq(bell_client_next(client, &e), 0);
	ck_assert_int_eq(bell_client_arm(client), 1);
	ck_assert_int_eq(bell_hub_notify(hub, other, 1), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, other), 0);
	finish(&c);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(e.value, 2);
	ck_assert_int_eq((int64_t)e.dropped, 1);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* The client takes the oldest while a notify is about to push it out: it is delivered or dropped. */
START_TEST(the_oldest_value_has_one_owner)
{
	struct bell_client_event e;
	struct bell_client *client;
	struct caller c = {0};

	set_up();
	client = subscribed(2, BELL_DROP_OLDEST);
	bell_hub_notify(hub, handle, 1);
	bell_hub_notify(hub, handle, 2);
	c.client = client;
	begin(&c, call_next, "value_copied");		      /* it has copied 1 */
	ck_assert_int_eq(bell_hub_notify(hub, handle, 3), 1); /* 1 is pushed out */
	finish(&c);
	ck_assert_int_eq(c.event.value, 2);
	ck_assert_int_eq((int64_t)c.event.dropped, 1);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(e.value, 3);
	ck_assert_int_eq((int64_t)e.dropped, 0);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_client_that_looks_while_it_is_being_closed_gets_the_end_later)
{
	struct bell_client_event e;
	struct bell_client *client;
	struct caller c = {0};

	set_up();
	client = subscribed(2, BELL_DROP_OLDEST);
	bell_hub_notify(hub, handle, 1);
	begin(&c, call_unregister, "closing");
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(e.value, 1);
	ck_assert_int_eq(bell_client_next(client, &e), 0);
	ck_assert_int_eq(bell_client_arm(client), 1);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 2), -ESTALE);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(bell_client_arm(client), 0); /* it was told that there is something */
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_uint_eq(e.closed, 1);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* The end is told, the token not yet: the client may find it on its own, and reuse the place. */
START_TEST(a_closed_place_may_be_used_again_before_its_token_comes)
{
	struct bell_client_event e;
	struct bell_handle next;
	struct bell_client *client;
	struct caller c = {0};
	uint32_t id;

	set_up();
	client = subscribed(2, BELL_DROP_NEWEST);
	bell_hub_notify(hub, handle, 1); /* stands in line, so that it will look */
	begin(&c, call_unregister, "waking");
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_uint_eq(e.closed, 1);
	ck_assert_int_eq(bell_hub_register(hub, "next", &next), 0);
	ck_assert_int_eq(bell_client_subscribe(client, next, NULL, &id), 0);
	finish(&c);
	ck_assert_int_eq(bell_client_next(client, &e), 0);
	ck_assert_int_eq(bell_hub_notify(hub, next, 9), 1);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(e.value, 9);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_subscription_hears_before_its_subscribe_has_returned)
{
	static const char *const points[] = {"attached", "fenced"};
	struct bell_client_event e;
	struct caller c = {0};

	set_up();
	ck_assert_int_eq(bell_client_new(&c.client, hub, 1, 0), 0);
	begin(&c, call_subscribe, points[_i]);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 1);
	ck_assert_int_eq(bell_hub_unregister(hub, handle), 0);
	finish(&c);
	ck_assert_int_eq(c.result, 0);
	ck_assert_int_eq(bell_client_next(c.client, &e), 1);
	ck_assert_int_eq(e.value, 1);
	ck_assert_int_eq(bell_client_next(c.client, &e), 1);
	ck_assert_uint_eq(e.closed, 1);
	ck_assert_uint_eq(e.id, c.id);
	bell_client_free(c.client);
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub inject");
	TCase *tc = runner_case(s, "hub inject", 60);

	tcase_add_loop_test(tc, a_notify_while_the_time_runs_out_is_not_lost, 0, 2);
	tcase_add_test(tc, the_end_while_the_time_runs_out_is_told);
	tcase_add_test(tc, a_notify_just_before_the_sleep_is_not_lost);
	tcase_add_loop_test(tc, a_waiter_hears_before_its_prepare_has_returned, 0, 2);
	tcase_add_test(tc, a_fence_of_before_is_not_taken_for_one_of_now);
	tcase_add_test(tc, waiters_may_leave_and_come_between_two_goes);
	tcase_add_test(tc, whoever_was_told_may_be_gone_before_the_wake);
	tcase_add_loop_test(tc, a_client_stopped_in_the_middle_of_next_holds_up_nobody, 0, 3);
	tcase_add_test(
		tc, a_notifier_stopped_in_a_ring_holds_up_neither_its_client_nor_other_handles);
	tcase_add_test(tc, the_oldest_value_has_one_owner);
	tcase_add_test(tc, a_client_that_looks_while_it_is_being_closed_gets_the_end_later);
	tcase_add_test(tc, a_closed_place_may_be_used_again_before_its_token_comes);
	tcase_add_loop_test(tc, a_subscription_hears_before_its_subscribe_has_returned, 0, 2);
	return runner_run(s);
}
