/* SPDX-License-Identifier: MIT
 *
 * hub_litmus.c: change, then notify, against prepare, check, wait; and against subscribe, check. Both sides
 * may not miss each other. One notify a round, at a random moment around that of the check, with a word
 * that is quiet, so that notify has nothing but its one look.
 * Usage: hub_litmus wait|bind|subscribe [ROUNDS [SECONDS OF PATIENCE]]. Ends with 1, or by an alarm, when a
 * change was missed.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorbell.h>

static struct bell_hub *hub;
static struct bell_handle handle;
static struct bell_queue *queue;
static struct bell_client *client;
static uint32_t rounds = 100000;
static unsigned patience = 60;

/* Each on a line of its own: the store of a change takes its time to become visible. */
static struct {
	BELL_ALIGNED uint32_t changed; /* the notifier's: the round */
	BELL_ALIGNED uint32_t quiet;   /* the notifier's: the round whose word is quiet */
	BELL_ALIGNED uint32_t answered;
	BELL_ALIGNED uint32_t errors;
} shared;

static void await(const uint32_t *counter, uint32_t least)
{
	unsigned turns = 0;

	while (bell_load_acquire(counter) < least) {
		bell_pause();
		if (++turns % 4096 == 0)
			sched_yield();
	}
}

static void delay(uint64_t *seed, uint32_t most)
{
	uint32_t i;

	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	for (i = (uint32_t)(*seed >> 33) % most; i > 0; i--)
		bell_pause();
}

static void error(void)
{
	(void)bell_fetch_add_relaxed(&shared.errors, 1);
}

static bool has_changed(uint32_t round)
{
	return bell_load_relaxed(&shared.changed) >= round;
}

static void receive_waiting(uint32_t round)
{
	struct bell_hub_waiter w;
	int64_t value = round;

	if (bell_hub_prepare(hub, handle, &w) != 0)
		error();
	if (has_changed(round))
		bell_hub_cancel(hub, &w);
	else if (bell_hub_wait(hub, &w, -1, &value) != 0)
		error();
	if (value != round || !has_changed(round))
		error();
}

static void receive_bound(uint32_t round)
{
	struct bell_hub_waiter w;
	uint32_t token;

	if (bell_hub_bind(hub, handle, &w, queue, 0) != 0)
		error();
	while (!has_changed(round) && bell_hub_result(hub, &w, NULL) == -EAGAIN)
		if (bell_queue_wait(queue, &token, 1, -1) != 1)
			error();
	bell_hub_cancel(hub, &w);
	if (!has_changed(round))
		error();
}

static void receive_subscribed(uint32_t round)
{
	struct bell_client_event e;
	uint32_t id;

	if (bell_client_subscribe(client, handle, NULL, &id) != 0)
		error();
	if (!has_changed(round)) {
		while (bell_client_next(client, &e) == 0)
			sched_yield();
		if (e.value != round || !has_changed(round))
			error();
	}
	if (bell_client_unsubscribe(client, id) != 0)
		error();
}

static void *receive(void *userdata)
{
	void (*const *way)(uint32_t) = userdata;
	uint64_t seed = 7;
	uint32_t round;

	for (round = 1; round <= rounds; round++) {
		await(&shared.quiet, round);
		delay(&seed, 30);
		(*way)(round);
		bell_store_release(&shared.answered, round);
	}
	return NULL;
}

static void run(void)
{
	uint64_t seed = 1;
	uint32_t round;
	int i;

	for (round = 1; round <= rounds; round++) {
		await(&shared.answered, round - 1);
		/* Nobody listens: the first finds that out, and then the word is quiet. */
		for (i = 0; i < 2; i++)
			if (bell_hub_notify(hub, handle, 0) != 0)
				error();
		bell_store_release(&shared.quiet, round);
		delay(&seed, 60);
		bell_store_relaxed(&shared.changed, round);
		if (bell_hub_notify(hub, handle, round) < 0)
			error();
		alarm(patience);
	}
	await(&shared.answered, rounds);
}

static const struct {
	const char *name;
	void (*receive)(uint32_t round);
} ways[] = {{"wait", receive_waiting}, {"bind", receive_bound}, {"subscribe", receive_subscribed}};

int main(int argc, char **argv)
{
	pthread_t thread;
	size_t i;

	for (i = 0; i < 3 && (argc < 2 || strcmp(argv[1], ways[i].name) != 0); i++)
		;
	if (i == 3)
		return 2;
	if (argc > 2)
		rounds = (uint32_t)atoi(argv[2]);
	if (argc > 3)
		patience = (unsigned)atoi(argv[3]);
	if (bell_hub_new(&hub, NULL) < 0 || bell_hub_register(hub, "litmus", &handle) < 0 ||
		bell_queue_new(&queue, 1, 0) < 0 || bell_client_new(&client, hub, 1, 0) < 0)
		return 2;
	void (*way)(uint32_t) = ways[i].receive;

	if (pthread_create(&thread, NULL, receive, &way) != 0)
		return 2;
	run(); /* a change that is missed stops it, and the alarm ends it */
	alarm(0);
	pthread_join(thread, NULL);
	bell_client_free(client);
	bell_queue_unref(queue);
	bell_hub_unref(hub);
	if (shared.errors)
		fprintf(stderr, "%u errors\n", shared.errors);
	return shared.errors != 0;
}
