/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"
#include "runner.h"

static void sleep_us(unsigned us)
{
	struct timespec t = {.tv_nsec = us * 1000L};

	nanosleep(&t, NULL);
}

/* -- the threads ----------------------------------------------------------------------------- */

/* Number i of a producer: in turn one of its own tokens and one of everybody's. */
static uint32_t token_of(uint32_t producer, uint32_t i)
{
	const uint32_t own = CROWD_PRODUCERS * CROWD_OWN, shared = CROWD_TOKENS - own;

	if (i % 2 == 0)
		return producer * CROWD_OWN + i / 2 % CROWD_OWN;
	return own + (i / 2 + producer * shared / CROWD_PRODUCERS) % shared;
}

static void notify(struct crowd *c, uint32_t producer, uint32_t i)
{
	const uint32_t token = token_of(producer, i), number = i + 1;
	int r;

	bell_store_relaxed(&c->numbers[producer][token], number);
	c->last[producer][token] = number;
	r = bell_queue_notify(c->q, token);
	if (r < 0)
		bell_fetch_add_relaxed(&c->errors, 1);
	if (r != 1)
		return;
	if (i % 2 == 0)
		c->queued[producer].events[c->queued[producer].n++] =
			(struct crowd_event){token, number};
	else
		c->shared_queued[producer]++;
}

static void *produce(void *userdata)
{
	struct crowd *c = userdata;
	uint32_t producer = bell_fetch_add_relaxed(&c->started, 1), i;

	for (i = 0; i < CROWD_NOTIFIES; i++) {
		notify(c, producer, i);
		if (i % 1000 == 999) /* so that the loop falls asleep now and then */
			sleep_us(1000);
	}
	bell_fetch_add_acq_rel(&c->finished, 1);
	return NULL;
}

/* Negative: it was served before the client had come to look. */
static void note_wait(struct crowd *c, uint32_t tokens)
{
	if ((int32_t)tokens > (int32_t)c->longest)
		c->longest = tokens;
}

static void ask_and_wait(struct crowd *c)
{
	uint32_t readable[CROWD_SOCKETS]; /* c->handed_out when it was so for sure */
	int64_t sent[CROWD_SOCKETS], answer;
	ssize_t n;
	int i;

	for (i = 0; i < CROWD_SOCKETS; i++) {
		sent[i] = runner_now();
		if (send(c->sockets[i].client, &sent[i], sizeof(sent[i]), 0) != sizeof(sent[i]))
			bell_fetch_add_relaxed(&c->errors, 1);
		readable[i] = bell_load_acquire(&c->handed_out);
	}
	for (i = 0; i < CROWD_SOCKETS; i++) {
		n = recv(c->sockets[i].client, &answer, sizeof(answer), MSG_WAITALL);
		if (n != sizeof(answer) || answer != sent[i])
			bell_fetch_add_relaxed(&c->errors, 1);
		c->answers[c->n_answers++] = runner_now() - sent[i];
		note_wait(c, bell_load_acquire(&c->sockets[i].served) - readable[i]);
	}
}

static void *ask(void *userdata)
{
	struct crowd *c = userdata;

	while (!bell_load_acquire(&c->stop) && c->n_answers + CROWD_SOCKETS <= CROWD_ANSWERS) {
		ask_and_wait(c);
		sleep_us(50);
	}
	bell_store_release(&c->client_gone, 1);
	return NULL;
}

/* -- the loop's side ------------------------------------------------------------------------- */

static void answer(void *userdata)
{
	struct crowd_socket *s = userdata;
	char bytes[64];
	ssize_t n = recv(s->server, bytes, sizeof(bytes), MSG_DONTWAIT);

	bell_store_release(&s->served, s->crowd->handed_out);
	if (n > 0)
		(void)!send(s->server, bytes, (size_t)n, 0);
}

static void on_token(void *userdata, uint32_t token)
{
	struct crowd *c = userdata;
	const uint32_t owner = token / CROWD_OWN;
	struct crowd_log *log;
	uint32_t i;

	bell_store_release(&c->handed_out, c->handed_out + 1);
	for (i = 0; i < CROWD_PRODUCERS; i++)
		c->seen[i][token] = bell_load_relaxed(&c->numbers[i][token]);
	if (owner >= CROWD_PRODUCERS) {
		c->shared_delivered++;
		return;
	}
	log = &c->delivered[owner];
	if (log->n < CROWD_NOTIFIES)
		log->events[log->n] = (struct crowd_event){token, c->seen[owner][token]};
	log->n++;
}

/* Done when the producers are, all has come through, and the client has its last answer. */
static void tick(void *userdata)
{
	struct crowd *c = userdata;
	struct bell_queue_stats stats;

	c->ticks++;
	if (bell_load_acquire(&c->finished) < CROWD_PRODUCERS || c->ticks < CROWD_TICKS)
		return;
	bell_queue_stats(c->q, &stats);
	if (c->attached && stats.notified != stats.delivered)
		return;
	bell_store_release(&c->stop, 1);
	if (bell_load_acquire(&c->client_gone))
		c->reactor->stop(c->loop);
}

static void start(struct crowd *c)
{
	const struct reactor *r = c->reactor;
	int i, ends[2];

	ck_assert_int_eq(bell_queue_new(&c->q, CROWD_TOKENS, r->flags), 0);
	c->loop = r->open();
	ck_assert_ptr_nonnull(c->loop);
	for (i = 0; i < CROWD_SOCKETS; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		c->sockets[i] = (struct crowd_socket){c, ends[0], ends[1], 0};
		ck_assert_int_eq(r->watch(c->loop, ends[0], answer, &c->sockets[i]), 0);
	}
	if (c->attached)
		c->bell = reactor_attach(r, c->loop, c->q, CROWD_BUDGET, on_token, c);
	ck_assert_int_eq(r->timer(c->loop, 1, tick, c), 0);
	for (i = 0; i <= CROWD_PRODUCERS; i++)
		ck_assert_int_eq(pthread_create(&c->threads[i], NULL,
					 i < CROWD_PRODUCERS ? produce : ask, c),
			0);
}

static void finish(struct crowd *c)
{
	const struct reactor *r = c->reactor;
	int i;

	for (i = 0; i <= CROWD_PRODUCERS; i++)
		ck_assert_int_eq(pthread_join(c->threads[i], NULL), 0);
	if (c->attached)
		reactor_detach(r, c->loop, c->bell);
	ck_assert_int_eq(r->timer(c->loop, 0, NULL, NULL), 0);
	for (i = 0; i < CROWD_SOCKETS; i++) {
		r->unwatch(c->loop, c->sockets[i].server);
		close(c->sockets[i].server);
		close(c->sockets[i].client);
	}
	r->close(c->loop);
	ck_assert_uint_eq(c->errors, 0);
}

struct crowd *crowd_run(const struct reactor *reactor, bool attached)
{
	struct crowd *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	c->answers = calloc(CROWD_ANSWERS, sizeof(*c->answers));
	ck_assert_ptr_nonnull(c->answers);
	c->reactor = reactor;
	c->attached = attached;
	start(c);
	reactor->run(c->loop);
	finish(c);
	return c;
}

void crowd_free(struct crowd *c)
{
	ck_assert_uint_eq(c->q->refs, 1);
	bell_queue_unref(c->q);
	free(c->answers);
	free(c);
}

/* -- afterwards ------------------------------------------------------------------------------ */

/* What was newly queued came, once each, in that order, with its data or newer. */
static void check_order(const struct crowd_log *queued, const struct crowd_log *delivered)
{
	uint32_t i;

	ck_assert_uint_gt(queued->n, 0);
	ck_assert_uint_eq(delivered->n, queued->n);
	for (i = 0; i < queued->n; i++) {
		const struct crowd_event *q = &queued->events[i], *d = &delivered->events[i];

		if (d->token != q->token || d->number < q->number)
			ck_abort_msg("delivery %u: token %u with %u instead of %u with %u", i,
				d->token, d->number, q->token, q->number);
	}
}

void crowd_check(const struct crowd *c)
{
	uint32_t i, shared = 0;
	struct bell_queue_stats stats;

	for (i = 0; i < CROWD_PRODUCERS; i++) {
		check_order(&c->queued[i], &c->delivered[i]);
		shared += c->shared_queued[i];
		/* The last notify of a token, conflated or not, was followed by a delivery. */
		ck_assert_mem_eq(c->seen[i], c->last[i], sizeof(c->seen[i]));
	}
	ck_assert_uint_eq(c->shared_delivered, shared);
	bell_queue_stats(c->q, &stats);
	ck_assert_uint_eq(stats.notified, stats.delivered);
	ck_assert_uint_le(stats.rings, stats.arms + 1);
	ck_assert_uint_ge(c->ticks, CROWD_TICKS);
	ck_assert_uint_gt(c->n_answers, 0);
	printf("# a readable socket waited for %u tokens at most\n", c->longest);
	if (!c->reactor->unordered)
		ck_assert_uint_le(c->longest, CROWD_WAIT);
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t crowd_p99(struct crowd *c)
{
	ck_assert_uint_gt(c->n_answers, 100);
	qsort(c->answers, c->n_answers, sizeof(*c->answers), compare);
	return c->answers[c->n_answers - 1 - c->n_answers / 100];
}
