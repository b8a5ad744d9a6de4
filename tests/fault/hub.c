/* SPDX-License-Identifier: MIT
 *
 * The hub where the kernel refuses: without membarrier(2) every notify takes the lock, and nothing is
 * lost; refused later, nobody begins to listen. Without descriptors or memory there is no client, and
 * nothing left.
 */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "hub/hub.h"
#include "hub_helpers.h"
#include "refuse.h"

static struct bell_hub *hub;
static struct bell_handle handle;
static uint32_t changed, answered, errors;

enum { ROUNDS = 2000 };

static void *receive(void *userdata)
{
	struct bell_hub_waiter w;
	uint32_t round;

	for (round = 1; round <= ROUNDS; round++) {
		if (bell_hub_prepare(hub, handle, &w) != 0)
			bell_fetch_add_relaxed(&errors, 1);
		if (bell_load_relaxed(&changed) >= round)
			bell_hub_cancel(hub, &w);
		else if (bell_hub_wait(hub, &w, -1, NULL) != 0)
			bell_fetch_add_relaxed(&errors, 1);
		bell_store_release(&answered, round);
	}
	return userdata;
}

START_TEST(without_membarrier_nothing_is_lost)
{
	pthread_t thread;
	uint32_t round;

	refuse(SYS_membarrier, EPERM);
	hub = hub_of(2);
	handle = handle_of(hub, NULL);
	ck_assert_uint_eq(hub->slots[handle.index].word & (LISTENED | FENCED), LISTENED | FENCED);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 0);
	ck_assert_int_eq(bell_hub_notify(hub, (struct bell_handle){handle.index, 9}, 1), -ESTALE);
	thread = spawn(receive, NULL);
	for (round = 1; round <= ROUNDS; round++) {
		bell_store_relaxed(&changed, round);
		if (bell_hub_notify(hub, handle, round) < 0)
			errors++;
		while (bell_load_acquire(&answered) < round)
			sched_yield();
	}
	join(thread);
	ck_assert_uint_eq(errors, 0);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 0); /* and it stays so */
	ck_assert_uint_eq(hub->slots[handle.index].word & (LISTENED | FENCED), LISTENED | FENCED);
	bell_hub_unref(hub);
}

static struct bell_client *client;

static void listen_without(void *userdata)
{
	struct bell_hub_waiter w;
	struct bell_queue *q = userdata;
	uint32_t id = 77;

	errors += bell_hub_prepare(hub, handle, &w) != -EPERM;
	errors += bell_hub_wait(hub, &w, -1, NULL) != -EINVAL;
	errors += bell_hub_bind(hub, handle, &w, q, 0) != -EPERM;
	errors += bell_client_subscribe(client, handle, NULL, &id) != -EPERM;
	errors += id != 77;
}

START_TEST(where_membarrier_is_refused_later_nobody_begins_to_listen)
{
	struct bell_queue *q = queue_of(1, 0);
	struct bell_hub_waiter w;

	hub = hub_of(2);
	handle = handle_of(hub, NULL);
	client = client_of(hub, 1);
	refuse_during(SYS_membarrier, EPERM, listen_without, q);
	ck_assert_uint_eq(errors, 0);
	ck_assert_uint_eq(hub_stats_of(hub).waiters, 0);
	ck_assert_uint_eq(hub_stats_of(hub).subscriptions, 0);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 0);
	ck_assert_int_eq(bell_hub_prepare(hub, handle, &w), 0); /* we are allowed */
	subscribed(client, handle, 1, BELL_DROP_NEWEST);
	ck_assert_int_eq(bell_hub_notify(hub, handle, 1), 2);
	bell_hub_cancel(hub, &w);
	bell_client_free(client);
	bell_queue_unref(q);
	bell_hub_unref(hub);
}

static void make_client(void *userdata)
{
	struct bell_client *none = NULL;

	errors += bell_client_new(&none, hub, 3, 0) != -EMFILE;
	errors += none != userdata;
}

START_TEST(a_client_without_a_descriptor_leaves_nothing)
{
	hub = hub_of(2);
	refuse_during(SYS_eventfd2, EMFILE, make_client, NULL);
	ck_assert_uint_eq(errors, 0);
	ck_assert_uint_eq(hub_stats_of(hub).clients, 0);
	client = client_of(hub, hub->limits.subscriptions); /* all are there */
	bell_client_free(client);
	bell_hub_unref(hub);
}

START_TEST(without_memory_there_is_an_error_and_nothing_else)
{
	struct bell_hub_options large = {
		.handles = 1 << 24, .subscriptions = 1 << 20, .depth = 1 << 20};
	struct rlimit limit = {.rlim_cur = 512 << 20, .rlim_max = 512 << 20};
	struct bell_hub *none = NULL;

	if (HELPERS_SANITIZED)
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(bell_hub_new(&none, &large), -ENOMEM);
	ck_assert_ptr_null(none);
	large.handles = 4;
	ck_assert_int_eq(bell_hub_new(&hub, &large), 0);
	client = NULL;
	ck_assert_int_eq(bell_client_new(&client, hub, 1 << 20, 0), -ENOMEM);
	ck_assert_ptr_null(client);
	ck_assert_uint_eq(hub_stats_of(hub).clients, 0);
	client = client_of(hub, 1);
	bell_client_free(client);
	bell_hub_unref(hub);
}

int main(void)
{
	Suite *s = suite_create("fault hub");
	TCase *tc = runner_case(s, "fault hub", 60);

	if (!refuse_probe())
		return 0;
	tcase_add_test(tc, without_membarrier_nothing_is_lost);
	tcase_add_test(tc, where_membarrier_is_refused_later_nobody_begins_to_listen);
	tcase_add_test(tc, a_client_without_a_descriptor_leaves_nothing);
	tcase_add_test(tc, without_memory_there_is_an_error_and_nothing_else);
	return runner_run(s);
}
