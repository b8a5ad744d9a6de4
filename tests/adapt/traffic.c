/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "helpers.h"
#include "traffic.h"

/* The last number that thread writes beside token: notify number i is of token i % TOKENS. */
static uint32_t last_number(uint32_t token)
{
	return TRAFFIC_NOTIFIES - (TRAFFIC_NOTIFIES - 1 - token) % TRAFFIC_TOKENS;
}

static int notify(struct traffic *t, uint32_t token)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool single = bell_queue_flags(t->q) & BELL_QUEUE_SINGLE_PRODUCER;
	int r;

	if (single) /* the threads hand that role to each other */
		pthread_mutex_lock(&lock);
	r = bell_queue_notify(t->q, token);
	if (single)
		pthread_mutex_unlock(&lock);
	return r;
}

static void notify_all(struct traffic *t, uint32_t *numbers)
{
	uint32_t i, token;

	for (i = 0; i < TRAFFIC_NOTIFIES; i++) {
		token = i % TRAFFIC_TOKENS;
		bell_store_relaxed(&numbers[token], i + 1);
		if (notify(t, token) < 0)
			bell_fetch_add_relaxed(&t->errors, 1);
		if (i % 1000 == 999) /* so that the receiver falls asleep now and then */
			sleep_ms(1);
	}
}

static void *run_thread(void *userdata)
{
	struct traffic *t = userdata;

	notify_all(t, t->numbers[bell_fetch_add_relaxed(&t->started, 1)]);
	return NULL;
}

static void *write_bytes(void *userdata)
{
	struct traffic *t = userdata;
	char bytes[100];
	int i;

	memset(bytes, 'x', sizeof(bytes));
	for (i = 0; i < TRAFFIC_BYTES / 100; i++)
		if (write(t->writer, bytes, sizeof(bytes)) != sizeof(bytes))
			bell_fetch_add_relaxed(&t->errors, 1);
	return NULL;
}

void traffic_start(struct traffic *t, struct bell_queue *q)
{
	const struct itimerspec ms = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	int i, ends[2];

	memset(t, 0, sizeof(*t));
	t->q = q;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	t->socket = ends[0];
	t->writer = ends[1];
	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ck_assert_int_ge(t->timer, 0);
	ck_assert_int_eq(timerfd_settime(t->timer, 0, &ms, NULL), 0);
	for (i = 0; i < TRAFFIC_THREADS; i++)
		t->threads[i] = spawn(run_thread, t);
	t->threads[i] = spawn(write_bytes, t);
}

void traffic_token(void *userdata, uint32_t token)
{
	struct traffic *t = userdata;
	uint32_t i, number;

	for (i = 0; i < TRAFFIC_THREADS; i++) {
		number = bell_load_relaxed(&t->numbers[i][token]);
		t->complete += number == last_number(token) && t->seen[i][token] != number;
		t->seen[i][token] = number;
	}
}

bool traffic_done(const struct traffic *t)
{
	return t->complete == TRAFFIC_THREADS * TRAFFIC_TOKENS && t->bytes == TRAFFIC_BYTES &&
	       t->ticks >= TRAFFIC_TICKS;
}

void traffic_finish(struct traffic *t)
{
	uint32_t tokens[TRAFFIC_TOKENS];
	int i;

	for (i = 0; i <= TRAFFIC_THREADS; i++)
		join(t->threads[i]);
	ck_assert(traffic_done(t));
	/* A last number can be seen before its notify, which then is still to be delivered. */
	while (bell_queue_poll(t->q, tokens, TRAFFIC_TOKENS))
		;
	ck_assert_uint_eq(t->errors, 0);
	ck_assert_uint_eq(stats_of(t->q).notified, stats_of(t->q).delivered);
	ck_assert_uint_le(stats_of(t->q).rings, stats_of(t->q).arms + 1);
	close(t->socket);
	close(t->writer);
	close(t->timer);
}
