/* SPDX-License-Identifier: MIT
 *
 * Producers in threads of their own against each way to consume: every record arrives once, in its
 * producer's order and as it was written, and nobody is left asleep.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "collector_helpers.h"

enum { PRODUCERS = 4 };

struct message {
	uint32_t from, number;
	uint64_t payload[5], checksum;
};

static uint64_t sum_of(const struct message *m)
{
	uint64_t sum = m->from * UINT64_C(31) + m->number;
	size_t i;

	for (i = 0; i < sizeof(m->payload) / sizeof(*m->payload); i++)
		sum = sum * UINT64_C(6364136223846793005) + m->payload[i];
	return sum;
}

struct storm {
	struct bell_collector *c;
	uint32_t producers, each, next[PRODUCERS], left;
	uint32_t errors; /* of the producers */
	size_t wrong, marks;
};

struct sender {
	struct storm *s;
	struct bell_producer *p;
	uint32_t id;
};

static struct message message_of(uint32_t from, uint32_t number)
{
	struct message m = {.from = from, .number = number};
	uint64_t state = ((uint64_t)from << 32) + number;
	size_t i;

	for (i = 0; i < sizeof(m.payload) / sizeof(*m.payload); i++)
		m.payload[i] = dice(&state);
	m.checksum = sum_of(&m);
	return m;
}

static void *send_all(void *userdata)
{
	struct sender *t = userdata;
	uint32_t i;

	for (i = 0; i < t->s->each; i++) {
		struct message m = message_of(t->id, i);

		if (bell_producer_submit(t->p, &m, -1) != 0)
			bell_fetch_add_relaxed(&t->s->errors, 1);
		if (i % 1000 == 999)
			bell_collector_flush(t->s->c);
	}
	bell_producer_free(t->p); /* with records left in the ring */
	return NULL;
}

static void receive(void *userdata, const void *record)
{
	const struct message *m = record;
	struct storm *s = userdata;

	if (!m) {
		s->marks++;
		return;
	}
	if (m->from >= s->producers || m->number != s->next[m->from] || m->checksum != sum_of(m)) {
		s->wrong++;
		return;
	}
	s->left -= ++s->next[m->from] == s->each;
}

/* -- ways to consume ------------------------------------------------------------------------- */

static void by_wait(struct storm *s)
{
	while (s->left > 0 && s->wrong == 0)
		if (bell_collector_wait(s->c, 7, receive, s, -1) < 0)
			s->wrong++;
}

static int watching(struct storm *s, uint32_t events)
{
	struct epoll_event ev = {.events = events};
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_ge(epfd, 0);
	ck_assert_int_eq(epoll_ctl(epfd, EPOLL_CTL_ADD, bell_collector_fd(s->c), &ev), 0);
	return epfd;
}

static void by_epoll(struct storm *s, uint32_t events)
{
	int epfd = watching(s, events), r = 0;
	struct epoll_event ev;

	while (s->left > 0 && s->wrong == 0 && r >= 0) {
		s->wrong += epoll_wait(epfd, &ev, 1, -1) != 1;
		do {
			while (bell_collector_drain(s->c, 16, receive, s) > 0)
				;
			r = bell_collector_arm(s->c);
		} while (r == 0);
	}
	s->wrong += r < 0;
	close(epfd);
}

/* A budget, and back to the loop without arming: level mode only. */
static void by_budget(struct storm *s)
{
	int epfd = watching(s, EPOLLIN);
	struct epoll_event ev;
	ssize_t n;

	while (s->left > 0 && s->wrong == 0) {
		s->wrong += epoll_wait(epfd, &ev, 1, -1) != 1;
		n = bell_collector_drain(s->c, 3, receive, s);
		if (n < 3)
			s->wrong += bell_collector_arm(s->c) < 0;
	}
	close(epfd);
}

enum way { BY_WAIT, BY_LEVEL, BY_EDGE, BY_BUDGET, WAYS };

static void consume(struct storm *s, enum way way)
{
	switch (way) {
	case BY_WAIT:
		by_wait(s);
		break;
	case BY_LEVEL:
		by_epoll(s, EPOLLIN);
		break;
	case BY_EDGE:
		by_epoll(s, EPOLLIN | EPOLLET);
		break;
	default:
		by_budget(s);
	}
}

static const struct {
	uint32_t producers, records, each;
} storms[] = {
	{1, 1, 1000},
	{1, 1024, 100000},
	{2, 2, 2000},
	{4, 3, 1000},
	{4, 64, 20000},
	{4, 1000, 40000},
};
#define STORMS (int)(sizeof(storms) / sizeof(*storms))

START_TEST(every_record_arrives_once_in_order_and_as_it_was)
{
	const enum way way = _i % WAYS;
	const uint32_t producers = storms[_i / WAYS].producers;
	const struct bell_collector_options options = {.record_size = sizeof(struct message),
		.records_per_producer = storms[_i / WAYS].records,
		.max_producers = producers,
		.flags = way == BY_EDGE ? BELL_COLLECTOR_EDGE : 0};
	struct storm s = {.producers = producers,
		.left = producers,
		.each = storms[_i / WAYS].each / (HELPERS_SANITIZED ? 5 : 1)};
	struct sender senders[PRODUCERS];
	struct bell_collector_stats stats;
	pthread_t threads[PRODUCERS];
	uint32_t i;

	ck_assert_int_eq(bell_collector_new(&s.c, &options), 0);
	for (i = 0; i < producers; i++) {
		senders[i] = (struct sender){.s = &s, .p = producer_of(s.c), .id = i};
		threads[i] = spawn(send_all, &senders[i]);
	}
	consume(&s, way);
	bell_collector_close(s.c);
	for (i = 0; i < producers; i++)
		join(threads[i]);
	ck_assert_uint_eq(s.wrong, 0);
	ck_assert_uint_eq(s.errors, 0);
	stats = stats_of_collector(s.c);
	ck_assert_uint_eq(stats.submitted, (uint64_t)s.each * producers);
	ck_assert_uint_eq(stats.drained, stats.submitted);
	ck_assert_uint_le(stats.wakes, stats.waits);
	ck_assert_uint_le(stats.rings, stats.arms + 1);
	bell_collector_free(s.c);
}

/* -- places, taken and left ------------------------------------------------------------------ */

struct churn {
	struct bell_collector *c;
	uint32_t rounds, errors, running;
	uint64_t submitted, sum;
};

static void *come_and_go(void *userdata)
{
	struct churn *s = userdata;
	uint32_t round, i;

	for (round = 0; round < s->rounds; round++) {
		struct bell_producer *p;
		int r;

		while ((r = bell_producer_new(&p, s->c)) == -ENOSPC)
			sched_yield();
		for (i = 0; r == 0 && i < round % 6; i++)
			r = bell_producer_submit(p, &(uint32_t){round}, -1);
		if (r == 0) {
			bell_fetch_add_relaxed(&s->submitted, (uint64_t)(round % 6) * round);
			bell_producer_free(p);
		} else {
			bell_fetch_add_relaxed(&s->errors, 1);
		}
	}
	if (bell_fetch_sub_acq_rel(&s->running, 1) == 1)
		bell_collector_close(s->c);
	return NULL;
}

static void add(void *userdata, const void *record)
{
	struct churn *s = userdata;

	if (record)
		s->sum += *(const uint32_t *)record;
}

START_TEST(producers_come_and_go_and_nothing_is_lost)
{
	struct churn s = {.c = collector_of(4, (uint32_t)_i, 0),
		.rounds = HELPERS_SANITIZED ? 1500 : 3000,
		.running = PRODUCERS};
	pthread_t threads[PRODUCERS];
	size_t i;

	for (i = 0; i < PRODUCERS; i++)
		threads[i] = spawn(come_and_go, &s);
	while (bell_collector_wait(s.c, 100, add, &s, -1) >= 0)
		;
	for (i = 0; i < PRODUCERS; i++)
		join(threads[i]);
	ck_assert_uint_eq(s.errors, 0);
	ck_assert_uint_eq(s.sum, s.submitted);
	ck_assert_uint_eq(stats_of_collector(s.c).producers, 0);
	bell_collector_free(s.c);
}

static void *submit_to_the_end(void *userdata)
{
	struct bell_producer *p = userdata;
	uint32_t number = 0;

	while (bell_producer_submit(p, &number, -1) == 0)
		number++;
	bell_producer_free(p);
	return NULL;
}

START_TEST(a_collector_is_freed_under_its_producers)
{
	int round;

	for (round = 0; round < (HELPERS_SANITIZED ? 100 : 300); round++) {
		struct bell_collector *c = collector_of(2, PRODUCERS, 0);
		struct gathered g = {0};
		pthread_t threads[PRODUCERS];
		size_t i;

		for (i = 0; i < PRODUCERS; i++)
			threads[i] = spawn(submit_to_the_end, producer_of(c));
		ck_assert_int_ge(bell_collector_wait(c, (size_t)round % 10 + 1, gather, &g, -1), 0);
		bell_collector_free(c);
		for (i = 0; i < PRODUCERS; i++)
			join(threads[i]);
	}
}

/* -- flush ----------------------------------------------------------------------------------- */

struct flushed {
	struct bell_collector *c;
	struct bell_producer *p;
	uint32_t rounds, marks, handed, handed_at_mark, early;
};

static void *flush_and_wait(void *userdata)
{
	struct flushed *s = userdata;
	uint32_t round, sent = 0, i;

	for (round = 1; round <= s->rounds; round++) {
		for (i = 0; i < round % 5; i++, sent++)
			(void)!bell_producer_submit(s->p, &sent, -1);
		bell_collector_flush(s->c);
		while (bell_load_acquire(&s->marks) < round)
			sched_yield();
		if (bell_load_relaxed(&s->handed_at_mark) < sent)
			bell_fetch_add_relaxed(&s->early, 1);
	}
	bell_collector_close(s->c);
	return NULL;
}

static void mark(void *userdata, const void *record)
{
	struct flushed *s = userdata;

	if (record) {
		s->handed++;
		return;
	}
	bell_store_relaxed(&s->handed_at_mark, s->handed);
	bell_store_release(&s->marks, s->marks + 1);
}

START_TEST(a_mark_is_never_early_and_never_missing)
{
	struct bell_collector *c = collector_of(3, 1, 0);
	struct flushed s = {
		.c = c, .p = producer_of(c), .rounds = HELPERS_SANITIZED ? 2000 : 5000};
	pthread_t thread = spawn(flush_and_wait, &s);

	while (bell_collector_wait(c, 2, mark, &s, -1) >= 0)
		;
	join(thread);
	ck_assert_uint_eq(s.early, 0);
	ck_assert_uint_eq(s.marks, s.rounds);
	bell_producer_free(s.p);
	bell_collector_free(c);
}

int main(void)
{
	Suite *s = suite_create("collector threads");
	TCase *tc = runner_case(s, "collector threads", 100);

	tcase_add_loop_test(tc, every_record_arrives_once_in_order_and_as_it_was, 0, STORMS * WAYS);
	tcase_add_loop_test(tc, producers_come_and_go_and_nothing_is_lost, 1, 5);
	tcase_add_test(tc, a_collector_is_freed_under_its_producers);
	tcase_add_test(tc, a_mark_is_never_early_and_never_missing);
	return runner_run(s);
}
