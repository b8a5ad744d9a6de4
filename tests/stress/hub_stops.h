/* SPDX-License-Identifier: MIT
 *
 * hub_stops.h: one hub with one handle, and a thread that makes one call of it and stops in the middle.
 */
#ifndef STRESS_HUB_STOPS_H
#define STRESS_HUB_STOPS_H

#include <errno.h>

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

static inline void *call_wait(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_prepare(hub, handle, &c->waiter);
	if (c->result == 0)
		c->result = bell_hub_wait(hub, &c->waiter, c->timeout, &c->value);
	return NULL;
}

static inline void *call_next(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_client_next(c->client, &c->event);
	return NULL;
}

static inline void *call_notify(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_notify(hub, handle, c->value);
	return NULL;
}

static inline void *call_unregister(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_hub_unregister(hub, handle);
	return NULL;
}

static inline void *call_subscribe(void *userdata)
{
	struct caller *c = userdata;

	my_stop = &c->stop;
	c->result = bell_client_subscribe(c->client, handle, NULL, &c->id);
	return NULL;
}

/* Returns when the thread has come to the point. */
static inline void begin(struct caller *c, void *(*call)(void *), const char *point)
{
	stop_init(&c->stop, point);
	c->result = -4711;
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
	while (sem_wait(&c->stop.reached) < 0)
		;
}

static inline void finish(struct caller *c)
{
	sem_post(&c->stop.go);
	pthread_join(c->thread, NULL);
}

static inline void set_up(void)
{
	const struct bell_hub_options options = {.handles = 4, .depth = 64};

	ck_assert_int_eq(bell_hub_new(&hub, &options), 0);
	ck_assert_int_eq(bell_hub_register(hub, "inject", &handle), 0);
}

static inline struct bell_client *subscribed(uint32_t depth, uint32_t policy)
{
	struct bell_subscription_options o = {.depth = depth, .policy = policy};
	struct bell_client *client;
	uint32_t id;

	ck_assert_int_eq(bell_client_new(&client, hub, 4, 0), 0);
	ck_assert_int_eq(bell_client_subscribe(client, handle, &o, &id), 0);
	return client;
}

static inline uint64_t word(void)
{
	return hub->slots[handle.index].word;
}

#endif
