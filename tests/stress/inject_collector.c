/* SPDX-License-Identifier: MIT
 *
 * inject_collector.c: the races of the collector, made to happen: a thread is stopped at an injection point
 * of the library while others go on, and then released.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <doorbell.h>

#include "runner.h"

/* Where a thread stops, once at each of two places in their order. */
struct stops {
	const char *points[2];
	size_t n; /* passed */
	sem_t reached, go;
};

static __thread struct stops *my_stops;

void inject_point(const char *point);
void inject_point(const char *point)
{
	struct stops *s = my_stops;

	if (!s || s->n == 2 || !s->points[s->n] || strcmp(s->points[s->n], point) != 0)
		return;
	s->n++;
	sem_post(&s->reached);
	while (sem_wait(&s->go) < 0)
		;
}

/* A thread with stops, and what it does. */
struct actor {
	struct stops stops;
	struct bell_collector *c;
	struct bell_producer *p;
	struct bell_queue *q;
	int result;
	uint32_t number, done;
	void (*act)(struct actor *a);
	pthread_t thread;
};

static void *run_actor(void *userdata)
{
	struct actor *a = userdata;

	my_stops = &a->stops;
	a->act(a);
	bell_store_release(&a->done, 1);
	return NULL;
}

static void start(struct actor *a, void (*act)(struct actor *), const char *point, const char *then)
{
	a->act = act;
	a->stops.points[0] = point;
	a->stops.points[1] = then;
	sem_init(&a->stops.reached, 0, 0);
	sem_init(&a->stops.go, 0, 0);
	ck_assert_int_eq(pthread_create(&a->thread, NULL, run_actor, a), 0);
	if (point)
		sem_wait(&a->stops.reached);
}

/* On to the next stop. */
static void go_on(struct actor *a)
{
	sem_post(&a->stops.go);
	sem_wait(&a->stops.reached);
}

static int finish(struct actor *a)
{
	sem_post(&a->stops.go);
	pthread_join(a->thread, NULL);
	return a->result;
}

static void submit(struct actor *a)
{
	a->result = bell_producer_submit(a->p, &a->number, -1);
}

static void try_submit(struct actor *a)
{
	a->result = bell_producer_try_submit(a->p, &a->number);
}

static void keep(void *userdata, const void *record)
{
	uint32_t *sum = userdata;

	if (record)
		*sum = *sum * 10 + *(const uint32_t *)record;
}

/* What is handed out now, as the digits of a number. */
static uint32_t drained(struct bell_collector *c)
{
	uint32_t sum = 0;

	while (bell_collector_drain(c, 100, keep, &sum) > 0)
		;
	return sum;
}

static struct bell_collector_stats stats_of(const struct bell_collector *c)
{
	struct bell_collector_stats stats;

	bell_collector_stats(c, &stats);
	return stats;
}

static struct bell_collector *collector_of(uint32_t producers)
{
	const struct bell_collector_options options = {
		.record_size = 4, .records_per_producer = 1, .max_producers = producers};
	struct bell_collector *c;

	ck_assert_int_eq(bell_collector_new(&c, &options), 0);
	return c;
}

/* An actor with a producer whose ring of one record holds number 1. */
static struct actor actor_of(struct bell_collector *c, uint32_t number)
{
	struct actor a = {.c = c, .number = number};

	ck_assert_int_eq(bell_producer_new(&a.p, c), 0);
	return a;
}

static void fill(struct actor *a)
{
	ck_assert_int_eq(bell_producer_try_submit(a->p, &(uint32_t){1}), 0);
}

static void end(struct bell_collector *c, struct actor *a)
{
	bell_producer_free(a->p);
	bell_collector_free(c);
}

/* From a try that failed to the sleep: before the announcement, behind it, behind the recheck. */
static const char *const ways_to_sleep[] = {"full", "announced", "waiting"};

START_TEST(drained_on_the_way_to_sleep_it_does_not_sleep)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	fill(&a);
	start(&a, submit, ways_to_sleep[_i], NULL);
	ck_assert_uint_eq(drained(c), 1);
	ck_assert_int_eq(bell_collector_arm(c), 1); /* nobody will drain again */
	ck_assert_uint_eq(stats_of(c).wakes, _i > 0);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(drained(c), 2);
	end(c, &a);
}

START_TEST(closed_on_the_way_to_sleep_it_does_not_sleep)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	fill(&a);
	start(&a, submit, ways_to_sleep[_i], NULL);
	bell_collector_close(c);
	ck_assert_int_eq(finish(&a), -ESHUTDOWN);
	ck_assert_uint_eq(drained(c), 1);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	end(c, &a);
}

START_TEST(drained_while_it_announces_a_bound_producer_is_told_or_succeeds)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);
	struct bell_queue *q;
	uint32_t token;

	ck_assert_int_eq(bell_queue_new(&q, 1, 0), 0);
	ck_assert_int_eq(bell_producer_bind(a.p, q, 0), 0);
	fill(&a);
	start(&a, try_submit, "announced", NULL);
	ck_assert_uint_eq(drained(c), 1);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1); /* told, too: it was announced */
	ck_assert_uint_eq(drained(c), 2);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 0);
	bell_queue_unref(q);
	end(c, &a);
}

/* -- the end --------------------------------------------------------------------------------- */

START_TEST(published_when_the_consumer_looks_its_last_it_is_accepted)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	start(&a, submit, "pushed", NULL);
	bell_collector_close(c);
	ck_assert_int_eq(bell_collector_arm(c), 0); /* the last look */
	ck_assert_uint_eq(drained(c), 2);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(stats_of(c).submitted, 1);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	end(c, &a);
}

START_TEST(published_too_late_it_is_refused_and_not_handed_out)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	start(&a, submit, "pushing", NULL);
	bell_collector_close(c);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN); /* the last look */
	ck_assert_int_eq(finish(&a), -ESHUTDOWN);
	ck_assert_uint_eq(stats_of(c).submitted, 0);
	ck_assert_uint_eq(drained(c), 0);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	end(c, &a);
}

START_TEST(refused_before_the_consumer_looks_its_last_it_is_accepted)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	start(&a, submit, "pushing", NULL);
	bell_collector_close(c);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(stats_of(c).submitted, 1);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	ck_assert_uint_eq(drained(c), 2);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	end(c, &a);
}

/* It was refused, and the consumer looks while it makes up its mind. */
START_TEST(both_look_at_the_seal_and_agree)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);

	start(&a, submit, "pushing", "refused");
	bell_collector_close(c);
	go_on(&a);
	ck_assert_int_eq(bell_collector_arm(c), 0);
	ck_assert_uint_eq(drained(c), 2);
	ck_assert_int_eq(bell_collector_arm(c), -ESHUTDOWN);
	ck_assert_int_eq(finish(&a), 0);
	end(c, &a);
}

/* Its notification is under way when the queue is closed: the token still comes, and the record with it. */
START_TEST(a_token_that_is_refused_late_loses_nothing)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2);
	uint32_t sum = 0;
	int r;

	start(&a, submit, _i ? "reserved" : "claimed", NULL);
	bell_collector_close(c);
	sum = drained(c); /* it is published, but its token is not there yet */
	ck_assert_int_eq(bell_collector_arm(c), 1);
	ck_assert_int_eq(finish(&a), 0);
	while ((r = bell_collector_arm(c)) == 0)
		sum = sum * 10 + drained(c);
	ck_assert_int_eq(r, -ESHUTDOWN);
	ck_assert_uint_eq(sum, 2);
	end(c, &a);
}

/* -- the consumer is stopped ----------------------------------------------------------------- */

static void drain_once(struct actor *a)
{
	uint32_t sum = 0;

	a->result = (int)bell_collector_drain(a->c, 1, keep, &sum);
}

START_TEST(a_ring_filled_again_before_the_consumer_looks_wakes_for_nothing_and_goes_on)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2), consumer = {.c = c};
	uint32_t sum = 0;

	fill(&a);
	start(&consumer, drain_once, "freed", NULL);
	fill(&a);
	start(&a, submit, "waiting", NULL); /* announced before the look, but there is no room */
	ck_assert_int_eq(finish(&consumer), 1);
	ck_assert_uint_eq(stats_of(c).wakes, 1);
	sem_post(&a.stops.go);
	while (stats_of(c).waits < 2)
		sched_yield();
	ck_assert_int_eq(bell_collector_drain(c, 1, keep, &sum), 1);
	pthread_join(a.thread, NULL);
	ck_assert_int_eq(a.result, 0);
	ck_assert_uint_eq(sum * 10 + drained(c), 12);
	end(c, &a);
}

START_TEST(a_place_left_while_it_is_drained_is_free_once)
{
	struct bell_collector *c = collector_of(2);
	struct actor a = actor_of(c, 2), consumer = {.c = c};
	struct bell_producer *other, *p[2];

	ck_assert_int_eq(bell_producer_new(&other, c), 0);
	fill(&a);
	start(&consumer, drain_once, "freed", NULL);
	bell_producer_free(a.p); /* sees that all is drained */
	ck_assert_uint_eq(stats_of(c).producers, 1);
	ck_assert_int_eq(finish(&consumer), 1);
	ck_assert_uint_eq(stats_of(c).producers, 1);
	ck_assert_int_eq(bell_producer_new(&p[0], c), 0);
	ck_assert_int_eq(bell_producer_new(&p[1], c), -ENOSPC);
	bell_producer_free(p[0]);
	bell_producer_free(other);
	bell_collector_free(c);
}

static void unbind(struct actor *a)
{
	a->result = bell_producer_bind(a->p, NULL, 0);
}

START_TEST(a_bound_queue_stays_while_it_is_being_notified)
{
	struct bell_collector *c = collector_of(1);
	struct actor a = actor_of(c, 2), consumer = {.c = c};
	struct timespec moment = {.tv_nsec = 50000000};
	struct bell_queue *q;
	uint32_t token;

	ck_assert_int_eq(bell_queue_new(&q, 1, 0), 0);
	ck_assert_int_eq(bell_producer_bind(a.p, q, 0), 0);
	fill(&a);
	ck_assert_int_eq(bell_producer_try_submit(a.p, &(uint32_t){2}), -EAGAIN);
	start(&consumer, drain_once, "telling", NULL);
	start(&a, unbind, NULL, NULL);
	nanosleep(&moment,
		NULL); /* long enough for one that does not wait; one that waits never passes */
	ck_assert_uint_eq(bell_load_acquire(&a.done), 0);
	ck_assert_int_eq(finish(&consumer), 1);
	pthread_join(a.thread, NULL);
	ck_assert_int_eq(a.result, 0);
	ck_assert_uint_eq(bell_queue_poll(q, &token, 1), 1);
	bell_queue_unref(q);
	end(c, &a);
}

int main(int argc, char **argv)
{
	Suite *s = suite_create("injected races in the collector");
	TCase *tc = runner_case(s, "collector", argc > 1 ? atof(argv[1]) : 60);

	tcase_add_loop_test(tc, drained_on_the_way_to_sleep_it_does_not_sleep, 0, 3);
	tcase_add_loop_test(tc, closed_on_the_way_to_sleep_it_does_not_sleep, 0, 3);
	tcase_add_test(tc, drained_while_it_announces_a_bound_producer_is_told_or_succeeds);
	tcase_add_test(tc, published_when_the_consumer_looks_its_last_it_is_accepted);
	tcase_add_test(tc, published_too_late_it_is_refused_and_not_handed_out);
	tcase_add_test(tc, refused_before_the_consumer_looks_its_last_it_is_accepted);
	tcase_add_test(tc, both_look_at_the_seal_and_agree);
	tcase_add_loop_test(tc, a_token_that_is_refused_late_loses_nothing, 0, 2);
	tcase_add_test(
		tc, a_ring_filled_again_before_the_consumer_looks_wakes_for_nothing_and_goes_on);
	tcase_add_test(tc, a_place_left_while_it_is_drained_is_free_once);
	tcase_add_test(tc, a_bound_queue_stays_while_it_is_being_notified);
	return runner_run(s);
}
