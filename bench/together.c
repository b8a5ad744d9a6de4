/* SPDX-License-Identifier: MIT
 *
 * together.c: threads of a benchmark that start as one, each on a processor of its own as far as there
 * are enough.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell/atomic.h>

#include "bench.h"

#define TEAM_MAX 16
#define PATIENCE 10000 /* turns of spinning before the processor is given to others */

struct member {
	struct bench_team *team;
	unsigned self;
	pthread_t thread;
};

/* As the process was started; what a thread is pinned to is inherited by those it creates. */
static cpu_set_t allowed(void)
{
	static cpu_set_t set;

	if (CPU_COUNT(&set) == 0 && sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_ZERO(&set);
	return set;
}

unsigned bench_cpus(void)
{
	cpu_set_t set = allowed();
	unsigned count = (unsigned)CPU_COUNT(&set);

	return count ? count : 1;
}

void bench_pin(unsigned self)
{
	cpu_set_t set = allowed(), one;
	unsigned skip = self % bench_cpus();
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && skip-- == 0)
			break;
	if (cpu == CPU_SETSIZE)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void *member_main(void *userdata)
{
	struct member *m = userdata;

	bench_pin(m->self);
	m->team->work(m->team, m->self);
	return NULL;
}

void bench_together(struct bench_team *team)
{
	struct member members[TEAM_MAX];
	unsigned i;

	team->arrived = team->gate = 0;
	(void)bench_cpus(); /* known before there is a second thread */
	for (i = 0; i < team->size; i++) {
		members[i] = (struct member){.team = team, .self = i};
		if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0) {
			fprintf(stderr, "no thread to be had\n");
			exit(EXIT_FAILURE);
		}
	}
	for (i = 0; i < team->size; i++)
		pthread_join(members[i].thread, NULL);
}

void bench_gate(struct bench_team *team)
{
	const uint32_t gate = bell_load_acquire(&team->gate);
	unsigned turns = 0;

	if (bell_fetch_add_acq_rel(&team->arrived, 1) + 1 == team->size) {
		bell_store_relaxed(&team->arrived, 0);
		bell_store_release(&team->gate, gate + 1);
	}
	while (bell_load_acquire(&team->gate) == gate) {
		bell_pause();
		if (++turns % PATIENCE == 0)
			sched_yield();
	}
}
