/* SPDX-License-Identifier: MIT
 *
 * hub_helpers.h: making hubs and clients, and what the tests expect of their events. All of it asserts, so
 * it is for the main thread of a test.
 */
#ifndef UNIT_HUB_HELPERS_H
#define UNIT_HUB_HELPERS_H

#include "helpers.h"

static inline struct bell_hub *hub_of(uint32_t handles)
{
	struct bell_hub_options options = {.handles = handles, .depth = 64};
	struct bell_hub *hub = NULL;

	ck_assert_int_eq(bell_hub_new(&hub, &options), 0);
	ck_assert_ptr_nonnull(hub);
	return hub;
}

static inline struct bell_handle handle_of(struct bell_hub *hub, const char *hint)
{
	struct bell_handle handle = {0, 0};

	ck_assert_int_eq(bell_hub_register(hub, hint, &handle), 0);
	ck_assert_uint_ne(handle.generation, 0);
	return handle;
}

static inline struct bell_client *client_of(struct bell_hub *hub, uint32_t subscriptions)
{
	struct bell_client *client = NULL;

	ck_assert_int_eq(bell_client_new(&client, hub, subscriptions, 0), 0);
	ck_assert_ptr_nonnull(client);
	return client;
}

static inline uint32_t subscribed(
	struct bell_client *client, struct bell_handle handle, uint32_t depth, uint32_t policy)
{
	struct bell_subscription_options options = {
		.depth = depth, .policy = policy, .userdata = client};
	uint32_t id = 0;

	ck_assert_int_eq(bell_client_subscribe(client, handle, &options, &id), 0);
	ck_assert_uint_ne(id, 0);
	return id;
}

static inline void expect_value(
	struct bell_client *client, uint32_t id, int64_t value, uint64_t dropped)
{
	struct bell_client_event event = {0};

	ck_assert_int_eq(bell_client_next(client, &event), 1);
	ck_assert_uint_eq(event.id, id);
	ck_assert_uint_eq(event.closed, 0);
	ck_assert_int_eq(event.value, value);
	ck_assert_uint_eq(event.dropped, dropped);
}

static inline void expect_closed(struct bell_client *client, uint32_t id, uint64_t dropped)
{
	struct bell_client_event event = {.value = 77};

	ck_assert_int_eq(bell_client_next(client, &event), 1);
	ck_assert_uint_eq(event.id, id);
	ck_assert_uint_eq(event.closed, 1);
	ck_assert_int_eq(event.value, 0);
	ck_assert_uint_eq(event.dropped, dropped);
}

static inline void expect_no_event(struct bell_client *client)
{
	struct bell_client_event event;

	ck_assert_int_eq(bell_client_next(client, &event), 0);
}

static inline struct bell_hub_stats hub_stats_of(struct bell_hub *hub)
{
	struct bell_hub_stats stats;

	bell_hub_stats(hub, &stats);
	return stats;
}

static inline struct bell_handle_stats handle_stats_of(
	struct bell_hub *hub, struct bell_handle handle)
{
	struct bell_handle_stats stats;

	ck_assert_int_eq(bell_hub_handle_stats(hub, handle, &stats), 0);
	return stats;
}

#endif
