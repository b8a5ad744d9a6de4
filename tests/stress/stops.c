/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <signal.h>
#include <string.h>

#include <check.h>

#include "stops.h"

__thread struct stop *my_stop;
__thread bool am_receiver;
struct bell_queue *queue;
uint32_t arm_calls;

void inject_point(const char *point)
{
	struct stop *stop = my_stop;

	if (am_receiver && strcmp(point, "arming") == 0)
		(void)bell_fetch_add_relaxed(&arm_calls, 1);
	if (!stop || strcmp(stop->point, point) != 0 || stop->skip-- > 0)
		return;
	my_stop = NULL;
	if (stop->raise) {
		raise(SIGUSR1);
		return;
	}
	sem_post(&stop->reached);
	while (sem_wait(&stop->go) < 0)
		;
	my_stop = stop->next;
}

void stop_init(struct stop *s, const char *point)
{
	*s = (struct stop){.point = point};
	sem_init(&s->reached, 0, 0);
	sem_init(&s->go, 0, 0);
}

void await(const uint32_t *counter, uint32_t least)
{
	while (bell_load_acquire(counter) < least)
		sched_yield();
}

static void *produce(void *userdata)
{
	struct producer *p = userdata;

	my_stop = &p->stop;
	p->result = bell_queue_notify(queue, p->token);
	return NULL;
}

void producer_start(struct producer *p, const char *point, uint32_t token)
{
	stop_init(&p->stop, point);
	p->token = token;
	ck_assert_int_eq(pthread_create(&p->thread, NULL, produce, p), 0);
	sem_wait(&p->stop.reached);
}

void producer_finish(struct producer *p)
{
	sem_post(&p->stop.go);
	pthread_join(p->thread, NULL);
}
