/* SPDX-License-Identifier: MIT
 *
 * Handles: they are never equal, a stale one touches nobody, limits are errors and counters, and what the
 * hub tells about itself is so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hub.h"
#include "hub_helpers.h"

START_TEST(a_notify_that_nobody_listens_to_reaches_nobody)
{
	struct bell_hub *hub = hub_of(4);
	struct bell_handle h = handle_of(hub, "quiet");
	int i;

	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bell_hub_notify(hub, h, i), 0);
	ck_assert_uint_eq(hub_stats_of(hub).notifies, 0);
	bell_hub_unref(hub);
}

/* Everything that takes a handle says that this one is not one. */
static void expect_stale(struct bell_hub *hub, struct bell_handle h)
{
	struct bell_client *client = client_of(hub, 1);
	struct bell_queue *q = queue_of(1, 0);
	struct bell_hub_waiter w;
	struct bell_handle_stats stats;
	uint32_t id = 77;

	ck_assert_int_eq(bell_hub_notify(hub, h, 1), -ESTALE);
	ck_assert_int_eq(bell_hub_unregister(hub, h), -ESTALE);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), -ESTALE);
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, NULL), -EINVAL); /* and does not block */
	ck_assert_int_eq(bell_hub_bind(hub, h, &w, q, 0), -ESTALE);
	ck_assert_int_eq(bell_hub_handle_stats(hub, h, &stats), -ESTALE);
	ck_assert_int_eq(bell_client_subscribe(client, h, NULL, &id), -ESTALE);
	ck_assert_uint_eq(id, 77);
	expect_nothing(q);
	expect_no_event(client);
	bell_client_free(client);
	bell_queue_unref(q);
}

START_TEST(what_was_never_registered_is_stale)
{
	struct bell_hub *hub = hub_of(4);
	struct bell_handle h = handle_of(hub, NULL);
	uint32_t index;

	for (index = 0; index < 6; index++) {
		expect_stale(hub, (struct bell_handle){index, 0});
		expect_stale(hub, (struct bell_handle){index, 2});
		expect_stale(hub, (struct bell_handle){index, UINT32_MAX});
		if (index != h.index)
			expect_stale(hub, (struct bell_handle){index, 1});
	}
	expect_stale(hub, (struct bell_handle){UINT32_MAX, h.generation});
	ck_assert_int_eq(bell_hub_notify(hub, h, 1), 0);
	bell_hub_unref(hub);
}

START_TEST(an_unregistered_handle_is_stale_for_ever)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle h = handle_of(hub, "a"), next;
	int i;

	ck_assert_int_eq(bell_hub_unregister(hub, h), 0);
	for (i = 0; i < 20; i++) {
		expect_stale(hub, h);
		next = handle_of(hub, "b");
		expect_stale(hub, h);
		ck_assert_int_eq(bell_hub_unregister(hub, next), 0);
	}
	bell_hub_unref(hub);
}

/* The seed's: whoever unregistered twice killed the subscribers of the next owner. */
START_TEST(the_old_owner_cannot_touch_the_new_one)
{
	struct bell_hub *hub = hub_of(1);
	struct bell_handle old = handle_of(hub, "old"), new;
	struct bell_client *client = client_of(hub, 1);
	struct bell_hub_waiter w;
	int64_t value = 0;
	uint32_t id;

	ck_assert_int_eq(bell_hub_unregister(hub, old), 0);
	new = handle_of(hub, "new");
	ck_assert_uint_eq(new.index, old.index);
	ck_assert_uint_ne(new.generation, old.generation);
	id = subscribed(client, new, 4, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_hub_prepare(hub, new, &w), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, old), -ESTALE);
	ck_assert_int_eq(bell_hub_notify(hub, old, 13), -ESTALE);
	expect_no_event(client);
	ck_assert_int_eq(bell_hub_result(hub, &w, &value), -EAGAIN);
	ck_assert_int_eq(bell_hub_notify(hub, new, 5), 2);
	expect_value(client, id, 5, 0);
	ck_assert_int_eq(bell_hub_wait(hub, &w, -1, &value), 0);
	ck_assert_int_eq(value, 5);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(no_two_handles_are_equal)
{
	enum { SLOTS = 8, ROUNDS = 2000 };
	struct bell_hub *hub = hub_of(SLOTS);
	struct bell_handle all[SLOTS];
	uint32_t last[SLOTS] = {0}, i, round;

	for (round = 0; round < ROUNDS; round++) {
		const uint32_t n = 1 + round % SLOTS;

		for (i = 0; i < n; i++) {
			all[i] = handle_of(hub, NULL);
			ck_assert_uint_lt(all[i].index, SLOTS);
			ck_assert_uint_gt(all[i].generation, last[all[i].index]);
			last[all[i].index] = all[i].generation;
		}
		for (i = 0; i < n; i++)
			ck_assert_int_eq(bell_hub_unregister(hub, all[i]), 0);
	}
	for (i = 1; i < SLOTS; i++) /* used up evenly */
		ck_assert_uint_le(last[i] > last[0] ? last[i] - last[0] : last[0] - last[i], 1);
	bell_hub_unref(hub);
}

START_TEST(a_slot_at_its_last_generation_is_retired)
{
	struct bell_hub *hub = hub_of(2);
	struct bell_handle a, b, unchanged = {5, 5};

	hub->slots[0].generation = UINT32_MAX - 2; /* as after four thousand million owners */
	a = handle_of(hub, NULL);
	b = handle_of(hub, NULL);
	ck_assert_uint_eq(a.generation, UINT32_MAX - 1);
	bell_hub_unregister(hub, a);
	a = handle_of(hub, NULL);
	ck_assert_uint_eq(a.generation, UINT32_MAX);
	ck_assert_int_eq(bell_hub_notify(hub, a, 1), 0);
	ck_assert_int_eq(bell_hub_unregister(hub, a), 0);
	expect_stale(hub, a);
	ck_assert_int_eq(bell_hub_register(hub, NULL, &unchanged), -ENOSPC);
	ck_assert_uint_eq(unchanged.index, 5);
	ck_assert_uint_eq(hub_stats_of(hub).retired, 1);
	ck_assert_uint_eq(hub_stats_of(hub).handles, 1);
	ck_assert_int_eq(bell_hub_unregister(hub, b), 0);
	ck_assert_uint_eq(handle_of(hub, NULL).index, b.index);
	bell_hub_unref(hub);
}

START_TEST(the_limit_of_handles_is_an_error_and_a_counter)
{
	struct bell_hub *hub = hub_of(3);
	struct bell_handle h[3], more = {9, 9};
	int i;

	for (i = 0; i < 3; i++)
		h[i] = handle_of(hub, NULL);
	ck_assert_int_eq(bell_hub_register(hub, "more", &more), -ENOSPC);
	ck_assert_int_eq(bell_hub_register(hub, "more", &more), -ENOSPC);
	ck_assert_uint_eq(more.generation, 9);
	ck_assert_uint_eq(hub_stats_of(hub).no_handles, 2);
	ck_assert_int_eq(bell_hub_unregister(hub, h[1]), 0);
	ck_assert_uint_eq(handle_of(hub, "more").index, h[1].index);
	ck_assert_uint_eq(hub_stats_of(hub).handles, 3);
	bell_hub_unref(hub);
}

START_TEST(options_beyond_their_range_are_refused)
{
	static const struct bell_hub_options wrong[] = {{.handles = (1 << 24) + 1},
		{.handles = UINT32_MAX}, {.subscriptions = (1 << 20) + 1}, {.depth = (1 << 20) + 1},
		{.reserved = {[3] = 1}}};
	struct bell_hub *hub = NULL;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(bell_hub_new(&hub, &wrong[i]), -EINVAL);
	ck_assert_ptr_null(hub);
	ck_assert_int_eq(bell_hub_new(&hub, NULL), 0);
	ck_assert_ptr_eq(bell_hub_ref(hub), hub);
	ck_assert_ptr_null(bell_hub_unref(hub));
	ck_assert_int_eq(bell_hub_notify(hub, handle_of(hub, NULL), 1), 0);
	ck_assert_ptr_null(bell_hub_unref(hub));
	ck_assert_ptr_null(bell_hub_unref(NULL));
}

START_TEST(the_statistics_count_what_happened)
{
	struct bell_hub *hub = hub_of(4);
	struct bell_handle a = handle_of(hub, "a"), b = handle_of(hub, "b");
	struct bell_client *client = client_of(hub, 8);
	struct bell_hub_waiter w, v;
	struct bell_hub_stats s;
	struct bell_handle_stats h;

	subscribed(client, a, 2, BELL_DROP_NEWEST);
	subscribed(client, a, 2, BELL_DROP_OLDEST);
	subscribed(client, b, 0, BELL_KEEP_LATEST);
	ck_assert_int_eq(bell_hub_prepare(hub, a, &w), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, b, &v), 0);
	s = hub_stats_of(hub);
	ck_assert_uint_eq(s.handles, 2);
	ck_assert_uint_eq(s.waiters, 2);
	ck_assert_uint_eq(s.subscriptions, 3);
	ck_assert_uint_eq(s.clients, 1);
	ck_assert_int_eq(bell_hub_notify(hub, a, 1), 3);
	ck_assert_int_eq(bell_hub_notify(hub, a, 2), 2);
	ck_assert_int_eq(bell_hub_notify(hub, a, 3), 1); /* the first has no room */
	h = handle_stats_of(hub, a);
	ck_assert_uint_eq(h.notifies, 3);
	ck_assert_uint_eq(h.reached, 6);
	ck_assert_uint_eq(h.dropped, 2);
	ck_assert_uint_eq(h.queued, 4);
	ck_assert_uint_eq(h.waiters, 0);
	ck_assert_uint_eq(h.subscriptions, 2);
	bell_hub_unregister(hub, b);
	s = hub_stats_of(hub);
	ck_assert_uint_eq(s.notifies, 3);
	ck_assert_uint_eq(s.reached, 6);
	ck_assert_uint_eq(s.dropped, 2);
	ck_assert_uint_eq(s.canceled, 1);
	ck_assert_uint_eq(s.waiters, 0);
	ck_assert_uint_eq(s.subscriptions, 2);
	bell_hub_cancel(hub, &w);
	bell_hub_cancel(hub, &v);
	bell_client_free(client);
	s = hub_stats_of(hub);
	ck_assert_uint_eq(s.subscriptions + s.clients + s.waiters, 0);
	bell_hub_unref(hub);
}

START_TEST(a_handle_counts_from_its_registration)
{
	struct bell_hub *hub = hub_of(1);
	struct bell_handle h = handle_of(hub, "first");
	struct bell_client *client = client_of(hub, 1);

	subscribed(client, h, 1, BELL_DROP_NEWEST);
	bell_hub_notify(hub, h, 1);
	bell_hub_notify(hub, h, 2);
	bell_hub_unregister(hub, h);
	h = handle_of(hub, "second");
	ck_assert_uint_eq(handle_stats_of(hub, h).notifies, 0);
	ck_assert_uint_eq(handle_stats_of(hub, h).reached, 0);
	ck_assert_uint_eq(handle_stats_of(hub, h).dropped, 0);
	ck_assert_uint_eq(hub_stats_of(hub).notifies, 2);
	bell_client_free(client);
	bell_hub_unref(hub);
}

/* What the dump says, to be freed. */
static char *dumped(struct bell_hub *hub, int (*dump)(struct bell_hub *hub, FILE *file))
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(dump(hub, file), 0);
	fclose(file);
	return text;
}

START_TEST(the_dump_shows_everything_by_name)
{
	struct bell_hub *hub = hub_of(4);
	struct bell_handle h = handle_of(hub, "the pipe"), gone = handle_of(hub, "gone");
	struct bell_client *client = client_of(hub, 8);
	struct bell_hub_waiter w;
	struct bell_subscription_options o = {
		.depth = 2, .policy = BELL_DROP_OLDEST, .hint = "log\tviewer\n"};
	uint32_t id;
	char *text, line[256];

	bell_hub_unregister(hub, gone);
	ck_assert_int_eq(bell_client_subscribe(client, h, &o, &id), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	bell_hub_notify(hub, h, 1);
	bell_hub_notify(hub, h, 2);
	bell_hub_notify(hub, h, 3);
	ck_assert_int_eq(bell_hub_prepare(hub, h, &w), 0);
	text = dumped(hub, bell_hub_dump);
	ck_assert_ptr_nonnull(strstr(text, "hint \"the pipe\", notifies 3, reached 4, dropped 1, "
					   "waiters 1, subscriptions 1, queued 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "hint \"log?viewer?\", policy \"drop oldest\", depth 2, "
					   "queued 2, told 3, dropped 1\n"));
	ck_assert_ptr_null(strstr(text, "gone"));
	free(text);

	text = dumped(hub, bell_hub_dump_tsv);
	snprintf(line, sizeof(line), "\nhandle\t%u\t%u\tthe pipe\t3\t4\t1\t1\t1\t2\n", h.index,
		h.generation);
	ck_assert_ptr_nonnull(strstr(text, line));
	snprintf(line, sizeof(line),
		"\nsubscription\t%u\t%u\t1\t%u\tlog?viewer?\tdrop oldest\t2\t2\t3\t1\n", h.index,
		h.generation, id);
	ck_assert_ptr_nonnull(strstr(text, line));
	snprintf(line, sizeof(line), "hub\t1\t4\t1\t1\t16384\t1\t3\t4\t1\t0\t0\t0\t0\t0\n");
	ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
	free(text);
	bell_hub_cancel(hub, &w);
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(a_dump_to_a_full_disk_is_an_error)
{
	struct bell_hub *hub = hub_of(4);
	FILE *full = fopen("/dev/full", "we");

	ck_assert_ptr_nonnull(full);
	handle_of(hub, "a");
	ck_assert_int_eq(bell_hub_dump(hub, full), -EIO);
	fclose(full);
	bell_hub_unref(hub);
}

START_TEST(a_hint_too_long_is_cut)
{
	struct bell_hub *hub = hub_of(1);
	char *text;

	handle_of(hub, "0123456789012345678901234567890123456789");
	text = dumped(hub, bell_hub_dump);
	ck_assert_ptr_nonnull(strstr(text, "\"0123456789012345678901234567890\""));
	free(text);
	bell_hub_unref(hub);
}

/* The pieces it can be made of, in some order, in several threads: at the end nothing is left. */
static struct bell_hub *shared;
static uint32_t wrong;

static void *register_and_go(void *userdata)
{
	struct bell_handle h[16];
	int round, i;

	for (round = 0; round < 500; round++) {
		for (i = 0; i < 16; i++)
			if (bell_hub_register(shared, "h", &h[i]) != 0)
				bell_fetch_add_relaxed(&wrong, 1);
		for (i = 0; i < 16; i++)
			if (bell_hub_notify(shared, h[i], i) != 0 ||
				bell_hub_unregister(shared, h[i]) != 0 ||
				bell_hub_unregister(shared, h[i]) != -ESTALE)
				bell_fetch_add_relaxed(&wrong, 1);
	}
	return userdata;
}

START_TEST(threads_register_without_getting_into_each_others_way)
{
	pthread_t threads[4];
	int i;

	shared = hub_of(64);
	for (i = 0; i < 4; i++)
		threads[i] = spawn(register_and_go, NULL);
	for (i = 0; i < 4; i++)
		join(threads[i]);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(hub_stats_of(shared).handles, 0);
	for (i = 0; i < 64; i++)
		handle_of(shared, NULL);
	bell_hub_unref(shared);
}

int main(void)
{
	Suite *s = suite_create("hub");
	TCase *tc = runner_case(s, "hub", 60);

	tcase_add_test(tc, a_notify_that_nobody_listens_to_reaches_nobody);
	tcase_add_test(tc, what_was_never_registered_is_stale);
	tcase_add_test(tc, an_unregistered_handle_is_stale_for_ever);
	tcase_add_test(tc, the_old_owner_cannot_touch_the_new_one);
	tcase_add_test(tc, no_two_handles_are_equal);
	tcase_add_test(tc, a_slot_at_its_last_generation_is_retired);
	tcase_add_test(tc, the_limit_of_handles_is_an_error_and_a_counter);
	tcase_add_test(tc, options_beyond_their_range_are_refused);
	tcase_add_test(tc, the_statistics_count_what_happened);
	tcase_add_test(tc, a_handle_counts_from_its_registration);
	tcase_add_test(tc, the_dump_shows_everything_by_name);
	tcase_add_test(tc, a_dump_to_a_full_disk_is_an_error);
	tcase_add_test(tc, a_hint_too_long_is_cut);
	tcase_add_test(tc, threads_register_without_getting_into_each_others_way);
	return runner_run(s);
}
