/* SPDX-License-Identifier: MIT
 *
 * hub_inject_client.c: the same of clients: whoever is stopped, in a ring or in next, holds up nobody else.
 */
#include "hub_stops.h"

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

/* A notify has found the ring full, and then the client empties it. */
START_TEST(what_was_taken_meanwhile_is_not_pushed_out)
{
	struct bell_client_event e;
	struct bell_client *client;
	struct caller c = {.value = 3};
	int64_t i;

	set_up();
	client = subscribed(2, BELL_DROP_OLDEST);
	bell_hub_notify(hub, handle, 1);
	bell_hub_notify(hub, handle, 2);
	begin(&c, call_notify, "dropping");
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	finish(&c);
	ck_assert_int_eq(c.result, 1);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert_int_eq(e.value, 3);
	ck_assert_uint_eq(e.dropped, 0);
	for (i = 4; i < 8; i++) {
		bell_hub_notify(hub, handle, i);
		ck_assert_int_eq(bell_client_next(client, &e), 1);
		ck_assert_int_eq(e.value, i);
	}
	ck_assert_int_eq(bell_client_next(client, &e), 0);
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
	Suite *s = suite_create("hub inject client");
	TCase *tc = runner_case(s, "hub inject client", 60);

	tcase_add_loop_test(tc, a_client_stopped_in_the_middle_of_next_holds_up_nobody, 0, 3);
	tcase_add_test(
		tc, a_notifier_stopped_in_a_ring_holds_up_neither_its_client_nor_other_handles);
	tcase_add_test(tc, the_oldest_value_has_one_owner);
	tcase_add_test(tc, what_was_taken_meanwhile_is_not_pushed_out);
	tcase_add_test(tc, a_client_that_looks_while_it_is_being_closed_gets_the_end_later);
	tcase_add_test(tc, a_closed_place_may_be_used_again_before_its_token_comes);
	tcase_add_loop_test(tc, a_subscription_hears_before_its_subscribe_has_returned, 0, 2);
	return runner_run(s);
}
