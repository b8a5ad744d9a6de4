/* SPDX-License-Identifier: MIT
 *
 * sdevent.c [level|edge|prepare]: sd-event, and what only it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <doorbell/adapt/sdevent.h>

#include "reactor.h"
#include "runner.h"

enum { WATCHES = 16 };

struct watch {
	sd_event_source *source;
	int fd; /* -1: free */
	reactor_fn ready;
	void *userdata;
};

struct loop {
	sd_event *event;
	struct watch watches[WATCHES];
	sd_event_source *timer, *idle;
	reactor_fn busy;
	void *busy_userdata;
	uint64_t every; /* microseconds */
	reactor_fn tick;
	void *userdata;
};

static bool prepare;

static void *loop_open(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	int i;

	if (!l || sd_event_new(&l->event) < 0) {
		free(l);
		return NULL;
	}
	for (i = 0; i < WATCHES; i++)
		l->watches[i].fd = -1;
	return l;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	sd_event_unref(l->event);
	free(l);
}

static bool stopped;

/* sd_event_exit() is for good; the scenario runs a loop more than once. */
static void loop_run(void *loop)
{
	struct loop *l = loop;

	stopped = false;
	while (!stopped && sd_event_run(l->event, UINT64_MAX) >= 0)
		;
}

static void loop_stop(void *loop)
{
	(void)loop;
	stopped = true;
}

static int ready(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct watch *w = userdata;

	(void)s, (void)fd, (void)events;
	w->ready(w->userdata);
	return 0;
}

static int loop_watch(void *loop, int fd, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	struct watch *w = l->watches;

	while (w->fd >= 0)
		w++;
	w->fd = fd;
	w->ready = fn;
	w->userdata = userdata;
	return sd_event_add_io(l->event, &w->source, fd, EPOLLIN, ready, w);
}

static void loop_unwatch(void *loop, int fd)
{
	struct loop *l = loop;
	int i;

	for (i = 0; i < WATCHES; i++) {
		if (l->watches[i].fd == fd) {
			l->watches[i].source = sd_event_source_disable_unref(l->watches[i].source);
			l->watches[i].fd = -1;
		}
	}
}

static int tick(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;
	sd_event_source *timer = sd_event_source_ref(s);
	int r;

	(void)usec;
	r = sd_event_source_set_time_relative(timer, l->every);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
	l->tick(l->userdata);
	sd_event_source_unref(timer);
	return r;
}

static int loop_timer(void *loop, unsigned ms, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;

	l->timer = sd_event_source_disable_unref(l->timer);
	if (ms == 0)
		return 0;
	l->every = ms * 1000;
	l->tick = fn;
	l->userdata = userdata;
	return sd_event_add_time_relative(
		l->event, &l->timer, CLOCK_MONOTONIC, l->every, 1, tick, l);
}

static int be_busy_by_defer(sd_event_source *s, void *userdata)
{
	struct loop *l = userdata;

	(void)s;
	l->busy(l->busy_userdata);
	return 0;
}

/* A defer source that is always enabled comes before all others of its priority. */
static int loop_busy(void *loop, reactor_fn fn, void *userdata)
{
	struct loop *l = loop;
	int r;

	if (!fn) {
		l->idle = sd_event_source_disable_unref(l->idle);
		return 0;
	}
	l->busy = fn;
	l->busy_userdata = userdata;
	r = sd_event_add_defer(l->event, &l->idle, be_busy_by_defer, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->idle, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_source_set_priority(l->idle, SD_EVENT_PRIORITY_IDLE);
	return r;
}

static int attach(void *loop, void *bell, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	struct loop *l = loop;

	if (prepare)
		return bell_sdevent_attach_prepare(bell, l->event, q, budget, fn, userdata);
	return bell_sdevent_attach(bell, l->event, q, budget, fn, userdata);
}

static int detach(void *loop, void *bell)
{
	(void)loop;
	return bell_sdevent_detach(bell);
}

/* -- what only sd-event has ------------------------------------------------------------------ */

static unsigned queue_flags;

struct more {
	sd_event *event;
	struct bell_queue *q;
	struct bell_sdevent bell;
	unsigned tokens, others, tokens_first;
};

static void count(void *userdata, uint32_t token)
{
	struct more *m = userdata;

	(void)token;
	m->tokens++;
	m->tokens_first += m->others == 0;
}

static int be_busy(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct more *m = userdata;

	(void)s, (void)fd, (void)events;
	m->others++;
	return 0;
}

static void more_open(struct more *m)
{
	struct loop l;

	memset(m, 0, sizeof(*m));
	ck_assert_int_eq(sd_event_new(&m->event), 0);
	ck_assert_int_eq(bell_queue_new(&m->q, 8, queue_flags), 0);
	l.event = m->event;
	ck_assert_int_eq(attach(&l, &m->bell, m->q, 4, count, m), 0);
}

static void more_close(struct more *m)
{
	ck_assert_int_eq(bell_sdevent_detach(&m->bell), 0);
	ck_assert_uint_eq(m->q->refs, 1);
	bell_queue_unref(m->q);
	sd_event_unref(m->event);
}

static void run_until(struct more *m, unsigned tokens)
{
	int i;

	for (i = 0; i < 1000 && m->tokens < tokens; i++)
		ck_assert_int_ge(sd_event_run(m->event, 100000), 0);
}

/* Its epoll set is the parent's. */
START_TEST(a_forked_child_may_detach_and_the_parent_goes_on)
{
	struct more m;
	int status;
	pid_t child;

	more_open(&m);
	bell_queue_notify(m.q, 1);
	run_until(&m, 1);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(bell_sdevent_detach(&m.bell) != 0 || m.bell.queue);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	while (sd_event_run(m.event, 0) > 0)
		;
	bell_queue_notify(m.q, 2);
	run_until(&m, 2);
	ck_assert_uint_eq(m.tokens, 2);
	more_close(&m);
}

/* A pipe without a writer is readable for ever. */
static sd_event_source *keep_busy(struct more *m)
{
	sd_event_source *s;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	ck_assert_int_ge(sd_event_add_io(m->event, &s, ends[0], EPOLLIN, be_busy, m), 0);
	ck_assert_int_ge(sd_event_source_set_io_fd_own(s, 1), 0);
	return s;
}

START_TEST(tokens_come_with_the_priority_of_io)
{
	struct more m;
	sd_event_source *s;

	more_open(&m);
	ck_assert_int_ge(sd_event_source_set_priority(m.bell.io, -10), 0);
	while (sd_event_run(m.event, 0) > 0)
		;
	s = keep_busy(&m);
	bell_queue_notify(m.q, 1);
	bell_queue_notify(m.q, 2);
	run_until(&m, 2);
	ck_assert_uint_eq(m.tokens_first, 2);
	ck_assert_int_ge(sd_event_source_set_priority(m.bell.io, 10), 0);
	bell_queue_notify(m.q, 3);
	m.tokens = m.others = 0;
	run_until(&m, 1);
	ck_assert_uint_eq(m.tokens, 0); /* the other is always there, and more urgent */
	ck_assert_uint_eq(m.others, 1000);
	sd_event_source_disable_unref(s);
	run_until(&m, 1);
	ck_assert_uint_eq(m.tokens, 1);
	more_close(&m);
}

static int run_more(const char *mode)
{
	Suite *s = suite_create(mode);
	TCase *tc = runner_case(s, mode, 30);

	tcase_add_test(tc, a_forked_child_may_detach_and_the_parent_goes_on);
	tcase_add_test(tc, tokens_come_with_the_priority_of_io);
	return runner_run(s);
}

void reactor_of(const char *mode, struct reactor *ret)
{
	prepare = strcmp(mode, "prepare") == 0;
	queue_flags = strcmp(mode, "level") == 0 ? 0 : BELL_QUEUE_EDGE;
	*ret = (struct reactor){
		.flags = queue_flags,
		.open = loop_open,
		.close = loop_close,
		.run = loop_run,
		.stop = loop_stop,
		.watch = loop_watch,
		.unwatch = loop_unwatch,
		.timer = loop_timer,
		.size = sizeof(struct bell_sdevent),
		.attach = attach,
		.detach = detach,
		.on_end = offsetof(struct bell_sdevent, on_end),
		.busy = loop_busy,
		.orphan = ORPHAN_DETACH, /* it keeps the loop alive, and lets it go */
		.any_mode = !prepare,
		.unique = true,
		.prepare = prepare,
		.more = run_more,
	};
}
