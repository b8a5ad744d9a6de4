/* SPDX-License-Identifier: MIT
 *
 * What a subscription gets: values in order, dropped as its policy says and counted, and the end as an
 * event of its own.
 */
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hub_helpers.h"

START_TEST(values_come_in_order)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t id;

	ck_assert_int_eq(bell_hub_notify(hub, h, 77), 0); /* before: not ours */
	id = subscribed(client, h, 4, BELL_DROP_NEWEST);
	expect_no_event(client);
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 1);
	ck_assert_int_eq(bell_hub_notify(hub, h, 2), 1);
	expect_value(client, id, 1, 0);
	expect_value(client, id, 2, 0);
	expect_no_event(client);
	ck_assert_int_eq(bell_hub_notify(hub, h, 3), 1);
	expect_value(client, id, 3, 0);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(an_event_says_all_about_itself)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	struct bell_subscription_options options = {.userdata = &hub};
	struct bell_client_event e;
	uint32_t id;

	ck_assert_int_eq(bell_client_subscribe(client, h, &options, &id), 0);
	bell_hub_notify(hub, h, -1); /* a value like any other */
	bell_hub_unregister(hub, h);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert(e.id == id && e.handle.index == h.index && e.handle.generation == h.generation);
	ck_assert(e.value == -1 && e.closed == 0 && e.dropped == 0 && e.userdata == &hub);
	ck_assert_int_eq(bell_client_next(client, &e), 1);
	ck_assert(e.id == id && e.handle.index == h.index && e.handle.generation == h.generation);
	ck_assert(e.value == 0 && e.closed == 1 && e.dropped == 0 && e.userdata == &hub);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_full_ring_drops_the_newest)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t id = subscribed(client, h, 3, BELL_DROP_NEWEST);
	int i;

	for (i = 1; i <= 7; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), i <= 3);
	expect_value(client, id, 1, 0);
	expect_value(client, id, 2, 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 8), 1);
	expect_value(client, id, 3, 0);
	expect_value(client, id, 8, 4); /* 4 .. 7 */
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* The seed's lag: capacity 2, five notifies, 3 are lost and 4, 5 come. */
START_TEST(a_full_ring_drops_the_oldest)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t id = subscribed(client, h, 2, BELL_DROP_OLDEST);
	int i;

	for (i = 1; i <= 5; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), 1);
	expect_value(client, id, 4, 3);
	ck_assert_int_eq(bell_hub_notify(hub, h, 6), 1);
	ck_assert_int_eq(bell_hub_notify(hub, h, 7), 1);
	expect_value(client, id, 6, 1);
	expect_value(client, id, 7, 0);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(only_the_latest_is_kept)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t id = subscribed(client, h, (uint32_t)_i, BELL_KEEP_LATEST);
	int i;

	for (i = 1; i <= 1000; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), 1);
	expect_value(client, id, 1000, 999);
	expect_no_event(client);
	bell_hub_notify(hub, h, 1);
	expect_value(client, id, 1, 0);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(what_was_lost_at_the_end_is_told_by_the_end)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 4);
	uint32_t newest = subscribed(client, h, 1, BELL_DROP_NEWEST);
	uint32_t oldest = subscribed(client, h, 1, BELL_DROP_OLDEST);

	bell_hub_notify(hub, h, 1);
	bell_hub_notify(hub, h, 2);
	bell_hub_notify(hub, h, 3);
	bell_hub_unregister(hub, h);
	expect_value(client, newest, 1, 0);
	expect_value(client, oldest, 3, 2);
	expect_closed(client, newest, 2);
	expect_closed(client, oldest, 0);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(the_end_comes_after_all_values_and_once)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct bell_client *client = client_of(hub, 1);
	uint32_t id = subscribed(client, h, 8, BELL_DROP_NEWEST), next;
	int i;

	for (i = 0; i < 5; i++)
		bell_hub_notify(hub, h, i);
	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	ck_assert_int_eq(bell_hub_notify(hub, h, 9), -ESTALE);
	for (i = 0; i < 5; i++)
		expect_value(client, id, i, 0);
	expect_closed(client, id, 0);
	expect_no_event(client);
	ck_assert_int_eq(bell_client_unsubscribe(client, id), -ENOENT);
	h = handle_of(hub, "next"); /* its place is free again */
	next = subscribed(client, h, 8, BELL_DROP_NEWEST);
	ck_assert_uint_ne(next, id);
	expect_no_event(client);
	bell_client_free(client);
	bell_hub_unref(hub);
}

struct listener {
	struct bell_hub *hub;
	struct bell_handle handle;
	uint32_t policy, depth;
	pthread_t thread;
	uint32_t ready, wrong;
	uint64_t events, dropped;
};

/* Values rise, and each is there or counted. */
static void *listen(void *userdata)
{
	struct listener *l = userdata;
	struct bell_subscription_options options = {.depth = l->depth, .policy = l->policy};
	struct bell_client *client;
	struct bell_client_event e = {0};
	struct epoll_event ev = {.events = EPOLLIN};
	int64_t last = 0;
	uint32_t id;
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	l->wrong += bell_client_new(&client, l->hub, 1, 0) != 0;
	l->wrong += bell_client_subscribe(client, l->handle, &options, &id) != 0;
	l->wrong += epoll_ctl(epfd, EPOLL_CTL_ADD, bell_client_fd(client), &ev) != 0;
	bell_store_release(&l->ready, 1);
	while (!e.closed && epoll_wait(epfd, &ev, 1, -1) == 1) {
		do {
			while (!e.closed && bell_client_next(client, &e) == 1) {
				l->wrong += e.id != id;
				l->dropped += e.dropped;
				if (e.closed)
					break;
				l->events++;
				l->wrong += e.value != last + 1 + (int64_t)e.dropped;
				last = e.value;
			}
		} while (!e.closed && bell_client_arm(client) == 0);
	}
	close(epfd);
	bell_client_free(client);
	return NULL;
}

static void listen_start(struct listener *l)
{
	l->thread = spawn(listen, l);
	while (!bell_load_acquire(&l->ready))
		sched_yield();
}

START_TEST(a_fast_notifier_and_a_slow_client_lose_only_what_they_count)
{
	static const struct {
		uint32_t policy, depth;
	} kinds[] = {{BELL_DROP_NEWEST, 1}, {BELL_DROP_NEWEST, 16}, {BELL_DROP_OLDEST, 1},
		{BELL_DROP_OLDEST, 3}, {BELL_DROP_OLDEST, 64}, {BELL_KEEP_LATEST, 1}};
	enum { VALUES = 30000 };
	struct bell_hub *hub = hub_of(2);
	struct listener l = {.hub = hub,
		.handle = handle_of(hub, NULL),
		.policy = kinds[_i].policy,
		.depth = kinds[_i].depth};
	struct bell_hub_stats s;
	int64_t i;

	listen_start(&l);
	for (i = 1; i <= VALUES; i++)
		if (bell_hub_notify(hub, l.handle, i) < 0)
			l.wrong++;
	ck_assert_int_eq(bell_hub_unregister(hub, l.handle), 0);
	join(l.thread);
	ck_assert_uint_eq(l.wrong, 0);
	ck_assert_uint_eq(l.events + l.dropped, VALUES);
	s = hub_stats_of(hub);
	ck_assert_uint_eq(s.dropped, l.dropped);
	ck_assert_uint_eq(s.reached, l.policy == BELL_DROP_NEWEST ? l.events : VALUES);
	bell_hub_unref(hub);
}

/* The seed's concurrent test: three subscribers get five notifies each, three waiters are woken. */
static void *wait_once(void *userdata)
{
	struct listener *l = userdata;
	struct bell_hub_waiter w;

	l->wrong += bell_hub_prepare(l->hub, l->handle, &w) != 0;
	bell_store_release(&l->ready, 1);
	l->wrong += bell_hub_wait(l->hub, &w, -1, NULL) != 0;
	return NULL;
}

START_TEST(subscribers_and_waiters_in_threads_all_hear)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, NULL);
	struct listener l[6];
	int i;

	for (i = 0; i < 6; i++) {
		l[i] = (struct listener){.hub = hub, .handle = h, .depth = 8};
		if (i < 3) {
			listen_start(&l[i]);
			continue;
		}
		l[i].thread = spawn(wait_once, &l[i]);
		while (!bell_load_acquire(&l[i].ready))
			sched_yield();
	}
	for (i = 1; i <= 5; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), i == 1 ? 6 : 3);
	bell_hub_unregister(hub, h);
	for (i = 0; i < 6; i++) {
		join(l[i].thread);
		ck_assert_uint_eq(l[i].wrong, 0);
		ck_assert_uint_eq(l[i].events, i < 3 ? 5 : 0);
	}
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("hub values");
	TCase *tc = runner_case(s, "hub values", 60);

	tcase_add_test(tc, values_come_in_order);
	tcase_add_test(tc, an_event_says_all_about_itself);
	tcase_add_test(tc, a_full_ring_drops_the_newest);
	tcase_add_test(tc, a_full_ring_drops_the_oldest);
	tcase_add_loop_test(tc, only_the_latest_is_kept, 0, 2);
	tcase_add_test(tc, what_was_lost_at_the_end_is_told_by_the_end);
	tcase_add_test(tc, the_end_comes_after_all_values_and_once);
	tcase_add_loop_test(tc, a_fast_notifier_and_a_slow_client_lose_only_what_they_count, 0, 6);
	tcase_add_test(tc, subscribers_and_waiters_in_threads_all_hear);
	return runner_run(s);
}
