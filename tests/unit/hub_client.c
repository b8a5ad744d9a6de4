/* SPDX-License-Identifier: MIT
 *
 * Clients: subscriptions with ids that never come again, one descriptor for all of them, and none that
 * starves or is held up by another.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hub/hub.h"
#include "hub_helpers.h"

START_TEST(the_same_handle_twice_is_two_subscriptions)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t a = subscribed(client, h, 4, BELL_DROP_NEWEST);
	uint32_t b = subscribed(client, h, 4, BELL_DROP_NEWEST);

	ck_assert_uint_ne(a, b);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 2);
	expect_value(client, a, 1, 0);
	expect_value(client, b, 1, 0);
	ck_assert_int_eq(bell_client_unsubscribe(client, a), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 2), 1);
	expect_value(client, b, 2, 0);
	ck_assert_int_eq(bell_client_unsubscribe(client, b), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 3), 0);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(ids_never_come_again)
{
	enum { PLACES = 4, ROUNDS = 3000 };
	struct bell_hub *hub = hub_of(1);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, PLACES);
	uint32_t ids[PLACES], highest[PLACES] = {0}, round, i;

	for (round = 0; round < ROUNDS; round++) {
		const uint32_t n = 1 + round % PLACES;

		for (i = 0; i < n; i++) {
			ids[i] = subscribed(client, h, 1, BELL_DROP_NEWEST);
			ck_assert_uint_gt(ids[i], highest[ids[i] % PLACES]);
			highest[ids[i] % PLACES] = ids[i];
		}
		for (i = 0; i < n; i++) {
			ck_assert_int_eq(bell_client_unsubscribe(client, ids[i]), 0);
			ck_assert_int_eq(bell_client_unsubscribe(client, ids[i]), -ENOENT);
		}
	}
	ck_assert_int_eq(bell_client_unsubscribe(client, 0), -ENOENT);
	ck_assert_int_eq(bell_client_unsubscribe(client, UINT32_MAX), -ENOENT);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_place_whose_ids_are_used_up_is_retired)
{
	struct bell_hub *hub = hub_of(1);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 2);
	uint32_t id, last;

	client->subscriptions[0].generation = (UINT32_MAX >> client->shift) - 1;
	last = subscribed(client, h, 1, BELL_DROP_NEWEST);
	ck_assert_uint_eq(last, UINT32_MAX - 1); /* index 0 */
	bell_hub_notify(hub, h, 5);
	expect_value(client, last, 5, 0);
	ck_assert_int_eq(bell_client_unsubscribe(client, last), 0);
	id = subscribed(client, h, 1, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_client_subscribe(client, h, NULL, &last), -ENOSPC);
	ck_assert_int_eq(bell_client_unsubscribe(client, id), 0);
	id = subscribed(client, h, 1, BELL_DROP_NEWEST);
	ck_assert_uint_eq(id % 2, 1);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* A token of the one that was there before finds nothing, or the new one's values. */
START_TEST(a_new_subscription_in_an_old_place_sees_nothing_of_the_old)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle a = handle_of(hub, "a"), b = handle_of(hub, "b");
	struct bell_client *client = client_of(hub, 1);
	uint32_t id = subscribed(client, a, 4, BELL_DROP_NEWEST);

	bell_hub_notify(hub, a, 1);
	bell_hub_notify(hub, a, 2);
	expect_value(client, id, 1, 0); /* there is one more, and it stands in line */
	ck_assert_int_eq(bell_client_unsubscribe(client, id), 0);
	expect_no_event(client);
	id = subscribed(client, b, 4, BELL_DROP_NEWEST);
	expect_no_event(client);
	bell_hub_notify(hub, a, 3);
	bell_hub_notify(hub, b, 4);
	expect_value(client, id, 4, 0);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_busy_subscription_does_not_starve_the_others)
{
	struct bell_hub *hub = hub_of(3);
	struct bell_handle busy = handle_of(hub, "busy"), calm = handle_of(hub, "calm");
	struct bell_client *client = client_of(hub, 2);
	uint32_t b = subscribed(client, busy, 8, BELL_DROP_OLDEST);
	uint32_t c = subscribed(client, calm, 8, BELL_DROP_NEWEST);
	struct bell_client_event e;
	int i, since = 0, most = 0;

	for (i = 0; i < 1000; i++) {
		bell_hub_notify(hub, busy, i);
		bell_hub_notify(hub, busy, i);
		if (i % 10 == 0)
			bell_hub_notify(hub, calm, i);
		ck_assert_int_eq(bell_client_next(client, &e), 1);
		since = e.id == c ? 0 : since + 1;
		if (i % 10 == 2) { /* two turns later at the latest */
			most = since > most ? since : most;
			ck_assert_int_lt(since, 3);
		}
	}
	ck_assert_uint_ne(b, c);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(subscriptions_take_turns)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle a = handle_of(hub, "a"), b = handle_of(hub, "b");
	struct bell_client *client = client_of(hub, 2);
	uint32_t ia = subscribed(client, a, 4, BELL_DROP_NEWEST);
	uint32_t ib = subscribed(client, b, 4, BELL_DROP_NEWEST);
	int i;

	for (i = 0; i < 3; i++)
		bell_hub_notify(hub, a, i);
	for (i = 0; i < 3; i++)
		bell_hub_notify(hub, b, i);
	for (i = 0; i < 3; i++) {
		expect_value(client, ia, i, 0);
		expect_value(client, ib, i, 0);
	}
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* All a loop knows is the descriptor. */
START_TEST(the_descriptor_serves_all_subscriptions)
{
	enum { HANDLES = 200 };
	struct bell_hub *hub = hub_of(HANDLES);
	struct bell_handle h[HANDLES];
	struct bell_client *client;
	struct epoll_event ev = {.events = EPOLLIN | (_i ? EPOLLET : 0)};
	uint32_t id[HANDLES], i, epfd = (uint32_t)epoll_create1(EPOLL_CLOEXEC), round;

	ck_assert_int_eq(bell_client_new(&client, hub, HANDLES, _i ? BELL_QUEUE_EDGE : 0), 0);
	for (i = 0; i < HANDLES; i++) {
		h[i] = handle_of(hub, NULL);
		id[i] = subscribed(client, h[i], 2, BELL_DROP_NEWEST);
	}
	ck_assert_int_eq(epoll_ctl((int)epfd, EPOLL_CTL_ADD, bell_client_fd(client), &ev), 0);
	ck_assert_int_eq(loop_events((int)epfd), 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < HANDLES; i += 7)
			ck_assert_int_eq(bell_hub_notify(hub, h[i], i), 1);
		ck_assert_int_eq(loop_events((int)epfd), 1);
		ck_assert_int_eq(bell_client_arm(client), 0); /* not yet */
		for (i = 0; i < HANDLES; i += 7) {
			expect_value(client, id[i], i, 0);
			ck_assert_int_eq(bell_client_arm(client), 0);
		}
		expect_no_event(client);
		ck_assert_int_eq(bell_client_arm(client), 1);
		ck_assert_int_eq(loop_events((int)epfd), 0);
	}
	bell_hub_unregister(hub, h[3]);
	ck_assert_int_eq(loop_events((int)epfd), 1);
	expect_closed(client, id[3], 0);
	close((int)epfd);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* In level mode whoever has not seen everything just does not arm. */
START_TEST(a_loop_that_stops_early_is_called_again)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 2);
	uint32_t id = subscribed(client, h, 8, BELL_DROP_NEWEST);
	int i;

	for (i = 0; i < 5; i++)
		bell_hub_notify(hub, h, i);
	for (i = 0; i < 5; i++) {
		ck_assert(fd_readable(bell_client_fd(client)));
		expect_value(client, id, i, 0);
	}
	while (bell_client_arm(client) == 0)
		expect_no_event(client);
	ck_assert(!fd_readable(bell_client_fd(client)));
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_client_that_never_looks_is_rung_once)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *stopped = client_of(hub, 2), *healthy = client_of(hub, 2);
	uint32_t id = subscribed(healthy, h, 4, BELL_DROP_NEWEST);
	int i;

	subscribed(stopped, h, 4, BELL_DROP_NEWEST);
	subscribed(stopped, h, 1, BELL_KEEP_LATEST);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(bell_hub_notify(hub, h, i), i < 4 ? 3 : 2);
		expect_value(healthy, id, i, 0);
	}
	ck_assert_uint_eq(fd_count(bell_client_fd(stopped)), 1);
	bell_client_free(stopped);
	bell_client_free(healthy);
	bell_hub_unref(hub);
}

START_TEST(a_client_that_is_gone_is_no_longer_told)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *gone = client_of(hub, 2), *here = client_of(hub, 2);
	uint32_t id;

	subscribed(gone, h, 4, BELL_DROP_NEWEST);
	subscribed(gone, h, 4, BELL_DROP_OLDEST);
	id = subscribed(here, h, 4, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 3);
	ck_assert_ptr_null(bell_client_free(gone));
	ck_assert_ptr_null(bell_client_free(NULL));
	ck_assert_int_eq(bell_hub_notify(hub, h, 2), 1);
	expect_value(here, id, 1, 0);
	expect_value(here, id, 2, 0);
	bell_client_free(here);
	ck_assert_int_eq(bell_hub_notify(hub, h, 3), 0);
	bell_hub_unref(hub);
}

START_TEST(a_client_keeps_its_hub)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 1);
	uint32_t id = subscribed(client, h, 1, BELL_DROP_NEWEST);

	bell_hub_notify(hub, h, 1);
	bell_hub_unref(hub);
	expect_value(client, id, 1, 0);
	ck_assert_int_eq(bell_client_unsubscribe(client, id), 0);
	bell_client_free(client);
}

START_TEST(options_that_make_no_sense_are_refused)
{
	static const struct bell_subscription_options wrong[] = {{.depth = 65},
		{.depth = UINT32_MAX}, {.policy = 3}, {.policy = UINT32_MAX},
		{.depth = 2, .policy = BELL_KEEP_LATEST}};
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 2), *none = NULL;
	uint32_t id = 77, i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(bell_client_subscribe(client, h, &wrong[i], &id), -EINVAL);
	ck_assert_uint_eq(id, 77);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 0);
	ck_assert_int_eq(bell_client_new(&none, hub, 0, 0), -EINVAL);
	ck_assert_int_eq(bell_client_new(&none, hub, 1, BELL_QUEUE_SINGLE_PRODUCER), -EINVAL);
	ck_assert_ptr_null(none);
	id = subscribed(client, h, 0, BELL_DROP_NEWEST); /* the default depth */
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), i < DEPTH_DEFAULT);
	ck_assert_int_eq(bell_client_subscribe(client, h, NULL, &id), 0);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(the_limits_of_subscriptions_are_errors_and_counters)
{
	struct bell_hub_options options = {
		.handles = 2, .subscriptions = 6, .subscriptions_per_handle = 2, .depth = 1};
	struct bell_client *a, *b, *none = NULL;
	struct bell_handle h, other;
	struct bell_hub *hub;
	uint32_t id = 77;

	ck_assert_int_eq(bell_hub_new(&hub, &options), 0);
	h = handle_of(hub, NULL);
	other = handle_of(hub, NULL);
	a = client_of(hub, 2);
	ck_assert_int_eq(bell_client_new(&none, hub, 5, 0), -ENOSPC); /* of all clients */
	ck_assert_ptr_null(none);
	b = client_of(hub, 4);
	ck_assert_int_eq(bell_client_new(&none, hub, 1, 0), -ENOSPC);
	ck_assert_uint_eq(hub_stats_of(hub).no_subscriptions, 2);
	subscribed(b, h, 1, BELL_DROP_NEWEST);
	subscribed(b, h, 1, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_client_subscribe(b, h, NULL, &id), -ENOSPC); /* of a handle */
	ck_assert_uint_eq(hub_stats_of(hub).no_subscriptions, 3);
	subscribed(a, other, 1, BELL_DROP_NEWEST);
	subscribed(a, other, 1, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_client_subscribe(a, h, NULL, &id), -ENOSPC); /* of a client */
	ck_assert_uint_eq(id, 77);
	ck_assert_uint_eq(hub_stats_of(hub).no_subscriptions, 4);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 2);
	bell_client_free(a);
	a = client_of(hub, 2); /* what it had is free again */
	bell_client_free(a);
	bell_client_free(b);
	bell_hub_unref(hub);
}

/* More than are woken in one go. */
START_TEST(a_hundred_clients_hear_one_notify)
{
	enum { CLIENTS = 100 };
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *clients[CLIENTS];
	uint32_t id[CLIENTS], i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = client_of(hub, 1);
		id[i] = subscribed(clients[i], h, 2, BELL_DROP_NEWEST);
	}
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), CLIENTS);
	for (i = 0; i < CLIENTS; i++) {
		ck_assert(fd_readable(bell_client_fd(clients[i])));
		expect_value(clients[i], id[i], 1, 0);
		ck_assert_int_eq(bell_client_arm(clients[i]), 0);
		expect_no_event(clients[i]);
		ck_assert_int_eq(bell_client_arm(clients[i]), 1);
	}
	bell_hub_unregister(hub, h);
	for (i = 0; i < CLIENTS; i++) {
		ck_assert(fd_readable(bell_client_fd(clients[i])));
		expect_closed(clients[i], id[i], 0);
		bell_client_free(clients[i]);
	}
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub client");
	TCase *tc = runner_case(s, "hub client", 60);

	tcase_add_test(tc, the_same_handle_twice_is_two_subscriptions);
	tcase_add_test(tc, ids_never_come_again);
	tcase_add_test(tc, a_place_whose_ids_are_used_up_is_retired);
	tcase_add_test(tc, a_new_subscription_in_an_old_place_sees_nothing_of_the_old);
	tcase_add_test(tc, a_busy_subscription_does_not_starve_the_others);
	tcase_add_test(tc, subscriptions_take_turns);
	tcase_add_loop_test(tc, the_descriptor_serves_all_subscriptions, 0, 2);
	tcase_add_test(tc, a_loop_that_stops_early_is_called_again);
	tcase_add_test(tc, a_client_that_never_looks_is_rung_once);
	tcase_add_test(tc, a_client_that_is_gone_is_no_longer_told);
	tcase_add_test(tc, a_client_keeps_its_hub);
	tcase_add_test(tc, options_that_make_no_sense_are_refused);
	tcase_add_test(tc, the_limits_of_subscriptions_are_errors_and_counters);
	tcase_add_test(tc, a_hundred_clients_hear_one_notify);
	return runner_run(s);
}
