/* SPDX-License-Identifier: MIT
 *
 * arena.c: run a rival's loop against producers.
 *
 * The receiver is pinned to the first processor and the producers to the others, so that it is neither
 * starved by them nor by chance on the processor that woke it.
 *
 * The end: one token more than the producers use is notified after the last of them is done, and once
 * more when that was delivered. Some rivals look through their tokens in order and may come upon it
 * before others, but by its second time they have been through all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arena.h"

#define PATIENCE 60 /* seconds until a run counts as hung */

struct producer {
	struct arena *arena;
	pthread_barrier_t *start;
	unsigned self;
	int64_t began, cpu;
	uint64_t calls, notified;
	pthread_t thread;
};

struct conductor {
	struct arena *arena;
	sem_t last;
	int64_t began;
};

/* read(2) and write(2) of this thread so far; 0 where the kernel does not count. */
static uint64_t calls_so_far(void)
{
	unsigned long long reads = 0, writes = 0;
	char text[512];
	int fd = open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "syscr: ");
	if (!at || sscanf(at, "syscr: %llu syscw: %llu", &reads, &writes) != 2)
		return 0;
	return reads + writes;
}

/* Between two looks: the first look's own read is not meant. */
static uint64_t calls_since(uint64_t before)
{
	uint64_t now = calls_so_far();

	return now > before ? now - before - 1 : 0;
}

static void *producer_main(void *userdata)
{
	const unsigned others = bench_cpus() - 1;
	struct producer *p = userdata;
	uint64_t calls;
	int64_t cpu;

	bench_pin(others ? 1 + p->self % others : 0);
	pthread_barrier_wait(p->start);
	calls = calls_so_far();
	p->began = bench_now();
	cpu = bench_cpu();
	p->notified = p->arena->produce(p->arena, p->self);
	p->cpu = bench_cpu() - cpu;
	p->calls = calls_since(calls);
	return NULL;
}

static void *conductor_main(void *userdata)
{
	struct conductor *c = userdata;
	struct arena *a = c->arena;
	struct producer producers[PRODUCERS_MAX];
	pthread_barrier_t start;
	unsigned i;

	pthread_barrier_init(&start, NULL, a->producers);
	for (i = 0; i < a->producers; i++) {
		producers[i] = (struct producer){.arena = a, .start = &start, .self = i};
		if (pthread_create(&producers[i].thread, NULL, producer_main, &producers[i]) != 0)
			abort();
	}
	for (i = 0; i < a->producers; i++) {
		pthread_join(producers[i].thread, NULL);
		a->cpu_producers += producers[i].cpu;
		a->calls += producers[i].calls;
		a->notified += producers[i].notified;
		if (i == 0 || producers[i].began < c->began)
			c->began = producers[i].began;
	}
	pthread_barrier_destroy(&start);
	arena_notify(a, a->tokens);
	sem_wait(&c->last);
	arena_notify(a, a->tokens);
	return NULL;
}

static struct conductor conductor;

static void on_token(void *userdata, uint32_t token)
{
	struct arena *a = userdata;

	if (token < a->tokens) {
		a->delivered++;
		a->deliver(a, token);
	} else if (a->lasts++ == 0) {
		sem_post(&conductor.last);
	} else {
		a->rival->quit(a->state);
	}
}

static const char *running;

static void on_alarm(int number)
{
	(void)number;
	(void)!write(STDERR_FILENO, running, strlen(running));
	(void)!write(STDERR_FILENO, ": hung\n", 7);
	_exit(EXIT_FAILURE);
}

int arena_run(struct arena *a)
{
	const struct receiver r = {.deliver = on_token, .userdata = a, .tokens = a->tokens + 1};
	uint64_t calls;
	pthread_t thread;
	int64_t cpu;
	int error;

	a->cpu_producers = a->cpu_receiver = a->wall = 0;
	a->delivered = a->notified = a->calls = a->lasts = 0;
	bench_pin(0);
	error = a->rival->open(&a->state, &r);
	if (error < 0)
		return error;
	running = a->name;
	signal(SIGALRM, on_alarm);
	alarm(PATIENCE);
	conductor.arena = a;
	sem_init(&conductor.last, 0, 0);
	calls = calls_so_far();
	cpu = bench_cpu();
	if (pthread_create(&thread, NULL, conductor_main, &conductor) != 0)
		abort();
	a->rival->run(a->state);
	a->cpu_receiver = bench_cpu() - cpu;
	calls = calls_since(calls);
	a->wall = bench_now();
	pthread_join(thread, NULL);
	a->wall -= conductor.began;
	a->calls += calls;
	sem_destroy(&conductor.last);
	alarm(0);
	a->rival->close(a->state);
	return 0;
}

void arena_raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}
