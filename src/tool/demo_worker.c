/* SPDX-License-Identifier: MIT
 *
 * demo_worker.c: the list of jobs, the threads that take them, and what they compute. The list is plain:
 * a mutex and a condition variable. What leads back to the loop is two lines of give_back().
 */
#include <ctype.h>
#include <stdlib.h>

#include "demo.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)
#define ROUNDS	  1024 /* some microseconds a line */

/* Words, and FNV-1a of the bytes, which is then hashed again and again. */
struct answer demo_compute(uint64_t number, const char *data, size_t size)
{
	struct answer answer = {.number = number, .hash = FNV_BASIS};
	bool in_word = false;
	size_t i;

	for (i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)data[i];
		bool space = isspace(byte);

		answer.hash = (answer.hash ^ byte) * FNV_PRIME;
		answer.words += !space && !in_word;
		in_word = !space;
	}
	for (i = 0; i < ROUNDS; i++)
		answer.hash = (answer.hash ^ (answer.hash >> 56)) * FNV_PRIME;
	return answer;
}

/* -- the list --------------------------------------------------------------------------------- */

void jobs_init(struct jobs *jobs)
{
	*jobs = (struct jobs){.end = &jobs->first};
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->more, NULL);
}

void jobs_fini(struct jobs *jobs)
{
	job_free_list(jobs->first);
	pthread_cond_destroy(&jobs->more);
	pthread_mutex_destroy(&jobs->lock);
}

void job_free_list(struct job *job)
{
	while (job) {
		struct job *next = job->next;

		free(job);
		job = next;
	}
}

void jobs_push(struct jobs *jobs, struct job *first, struct job **end)
{
	const bool several = first->next != NULL; /* they may be done and freed before we signal */

	pthread_mutex_lock(&jobs->lock);
	*jobs->end = first;
	jobs->end = end;
	pthread_mutex_unlock(&jobs->lock);
	if (several)
		pthread_cond_broadcast(&jobs->more);
	else
		pthread_cond_signal(&jobs->more);
}

void jobs_close(struct jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->closed = true;
	pthread_mutex_unlock(&jobs->lock);
	pthread_cond_broadcast(&jobs->more);
}

static struct job *jobs_take(struct jobs *jobs)
{
	struct job *job = NULL;

	pthread_mutex_lock(&jobs->lock);
	while (!jobs->first && !jobs->closed)
		pthread_cond_wait(&jobs->more, &jobs->lock);
	if (!jobs->closed) {
		job = jobs->first;
		jobs->first = job->next;
		if (!jobs->first)
			jobs->end = &jobs->first;
	}
	pthread_mutex_unlock(&jobs->lock);
	return job;
}

/* -- the threads ------------------------------------------------------------------------------ */

static void give_back(struct worker *worker, struct job *job)
{
	struct connection *c = &worker->server->connections[job->connection];
	int r;

	pthread_mutex_lock(&c->lock);
	if (!c->results)
		c->since = demo_now();
	job->next = c->results;
	c->results = job;
	pthread_mutex_unlock(&c->lock);

	r = bell_queue_notify(worker->server->queue, c->number);
	worker->n_new += r == 1;
	worker->n_conflated += r == 0;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct job *job;

	while ((job = jobs_take(&worker->server->jobs))) {
		job->answer = demo_compute(job->answer.number, job->data, job->size);
		give_back(worker, job);
	}
	bell_queue_unref(worker->server->queue);
	return NULL;
}

int worker_start(struct worker *worker, struct server *server)
{
	int error;

	*worker = (struct worker){.server = server};
	bell_queue_ref(server->queue);
	error = pthread_create(&worker->thread, NULL, work, worker);
	if (error)
		bell_queue_unref(server->queue);
	return -error;
}
