/* SPDX-License-Identifier: MIT
 *
 * The loop of backpressure that people write: try; if there is no room, wait to be told of some; again.
 * Many records through a ring of two, trial after trial. One that stops for good is hung.
 *
 *	collector_backpressure submit	bell_producer_submit() does it
 *	collector_backpressure bound	try_submit, and a queue's token to sleep on
 *	collector_backpressure control	as it is often written: try, and only then begin to listen
 *
 * The control's consumer tells those who listen, if it drained something. That hangs: between the two all
 * is drained, and nobody will drain again. With --gap the producer waits in that place until it is so:
 * then it always hangs, and does not depend on luck.
 *
 *	--trials N  --items N  --seconds N (of time instead of trials)  --patience SECONDS  --gap
 *
 * Exit status: 0 if nothing hung; for the control, 0 if something did.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <doorbell.h>

enum { ROOM = 2, MAX = 64 };

static struct {
	const char *mode;
	uint32_t trials, items, seconds, patience;
	bool gap;
} options = {.trials = 10000, .items = 100, .patience = 20};

struct trial {
	struct bell_collector *c;
	struct bell_producer *p;
	uint32_t submitted, handed, wrong;

	/* The control's notification: a generation, and a broadcast. */
	pthread_mutex_t lock;
	pthread_cond_t told;
	uint32_t generation, heard; /* heard: the generation at which the producer sleeps */
	bool sleeps, given_up;
	uint32_t gap; /* 1: the producer has failed, and waits; 0: go on */
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* -- producers ------------------------------------------------------------------------------- */

static void *submit_all(void *userdata)
{
	struct trial *t = userdata;
	uint32_t i;

	for (i = 0; i < options.items; i++)
		if (bell_producer_submit(t->p, &i, -1) < 0)
			bell_fetch_add_relaxed(&t->wrong, 1);
	return NULL;
}

static void *submit_bound(void *userdata)
{
	struct trial *t = userdata;
	struct bell_queue *q;
	uint32_t i, token;
	int r;

	if (bell_queue_new(&q, 1, 0) < 0 || bell_producer_bind(t->p, q, 0) < 0)
		abort();
	bell_queue_set_spin(q, 0);
	for (i = 0; i < options.items; i++) {
		while ((r = bell_producer_try_submit(t->p, &i)) == -EAGAIN)
			(void)!bell_queue_wait(q, &token, 1, -1);
		if (r < 0)
			bell_fetch_add_relaxed(&t->wrong, 1);
	}
	bell_queue_unref(q);
	return NULL;
}

/* Begins to listen now, and sleeps until it is told. False: given up. */
static bool listen_and_sleep(struct trial *t)
{
	bool go_on;

	pthread_mutex_lock(&t->lock);
	t->heard = t->generation;
	t->sleeps = true;
	while (t->generation == t->heard && !t->given_up)
		pthread_cond_wait(&t->told, &t->lock);
	t->sleeps = false;
	go_on = !t->given_up;
	pthread_mutex_unlock(&t->lock);
	return go_on;
}

static void *submit_wrong(void *userdata)
{
	struct trial *t = userdata;
	uint32_t i = 0;

	while (i < options.items) {
		if (bell_producer_try_submit(t->p, &i) == 0) {
			bell_store_release(&t->submitted, ++i);
			continue;
		}
		bell_store_release(&t->gap, options.gap);
		while (bell_load_acquire(&t->gap))
			sched_yield();
		if (!listen_and_sleep(t))
			break;
	}
	return NULL;
}

/* -- the consumer ---------------------------------------------------------------------------- */

static void in_order(void *userdata, const void *record)
{
	struct trial *t = userdata;

	if (*(const uint32_t *)record != t->handed)
		bell_fetch_add_relaxed(&t->wrong, 1);
	t->handed++;
}

/* Returns whether it hung. */
static bool consume(struct trial *t)
{
	while (t->handed < options.items)
		if (bell_collector_wait(t->c, MAX, in_order, t,
			    options.patience * INT64_C(1000000000)) == -ETIMEDOUT)
			return true;
	return false;
}

/* It sleeps, has heard all, and there is nothing to drain: nobody will ever tell it. No matter of time. */
static bool is_hung(struct trial *t)
{
	bool hung;

	pthread_mutex_lock(&t->lock);
	hung = t->sleeps && t->heard == t->generation &&
	       t->handed == bell_load_acquire(&t->submitted);
	t->given_up = hung;
	if (hung)
		pthread_cond_broadcast(&t->told);
	pthread_mutex_unlock(&t->lock);
	return hung;
}

static void tell_who_listens(struct trial *t)
{
	pthread_mutex_lock(&t->lock);
	t->generation++;
	pthread_cond_broadcast(&t->told);
	pthread_mutex_unlock(&t->lock);
}

static bool consume_wrong(struct trial *t)
{
	while (t->handed < options.items) {
		if (bell_collector_wait(t->c, MAX, in_order, t, 1000000) > 0) {
			tell_who_listens(t);
		} else if (bell_load_acquire(&t->gap)) { /* all is drained, and it was told */
			bell_store_release(&t->gap, 0);
		} else if (is_hung(t)) {
			return true;
		}
	}
	return false;
}

/* -- trials ---------------------------------------------------------------------------------- */

static bool run_trial(void *(*produce)(void *), bool control)
{
	const struct bell_collector_options o = {
		.record_size = sizeof(uint32_t), .records_per_producer = ROOM, .max_producers = 1};
	struct trial t = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
	pthread_t thread;
	bool hung;

	if (bell_collector_new(&t.c, &o) < 0 || bell_producer_new(&t.p, t.c) < 0 ||
		pthread_create(&thread, NULL, produce, &t) != 0)
		abort();
	hung = control ? consume_wrong(&t) : consume(&t);
	if (hung && !control) { /* its thread cannot be joined */
		printf("hung: %u of %u records came\n", t.handed, options.items);
		exit(EXIT_FAILURE);
	}
	pthread_join(thread, NULL);
	bell_producer_free(t.p);
	bell_collector_free(t.c);
	if (t.wrong) {
		printf("%u records out of order\n", t.wrong);
		exit(EXIT_FAILURE);
	}
	return hung;
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end != '\0' || end == text || n == 0 || n > UINT32_MAX) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return (uint32_t)n;
}

static void read_arguments(int argc, char **argv)
{
	static const struct option known[] = {{"trials", 1, NULL, 't'}, {"items", 1, NULL, 'i'},
		{"seconds", 1, NULL, 's'}, {"patience", 1, NULL, 'p'}, {"gap", 0, NULL, 'g'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 't')
			options.trials = number(optarg);
		else if (c == 'i')
			options.items = number(optarg);
		else if (c == 's')
			options.seconds = number(optarg);
		else if (c == 'p')
			options.patience = number(optarg);
		else if (c == 'g')
			options.gap = true;
		else
			exit(2);
	}
	options.mode = optind < argc ? argv[optind] : "submit";
}

int main(int argc, char **argv)
{
	uint32_t trial = 0, hung = 0;
	void *(*produce)(void *) = NULL;
	int64_t end;
	bool control;

	read_arguments(argc, argv);
	control = strcmp(options.mode, "control") == 0;
	if (control)
		produce = submit_wrong;
	else if (strcmp(options.mode, "submit") == 0)
		produce = submit_all;
	else if (strcmp(options.mode, "bound") == 0)
		produce = submit_bound;
	else
		return 2;
	end = now_ns() + options.seconds * INT64_C(1000000000);
	while (options.seconds ? now_ns() < end : trial < options.trials) {
		hung += run_trial(produce, control);
		trial++;
	}
	printf("%s: %u of %u trials hung\n", options.mode, hung, trial);
	return control ? hung == 0 : hung > 0;
}
