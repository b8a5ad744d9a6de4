/* SPDX-License-Identifier: MIT
 *
 * exec.c: commands for tokens. Memory is bounded by the capacity: a token waits once, runs once, and is
 * marked at most once to run again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"
#include "tool.h"

enum state { IDLE, WAITING, RUNNING, AGAIN };

struct job {
	pid_t pid; /* 0: free */
	uint32_t token;
};

struct runner {
	const char *command;
	uint32_t capacity, n_jobs, running;
	struct job *jobs;
	uint8_t *state;	 /* [capacity] */
	uint64_t *peer;	 /* [capacity]: who fired last */
	uint32_t *queue; /* [capacity]: those that wait, first come first served */
	uint32_t first, waiting;
};

extern char **environ;

struct runner *runner_new(const char *command, const char *name, uint32_t capacity, uint32_t jobs)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct runner){.command = command, .capacity = capacity, .n_jobs = jobs};
	r->jobs = calloc(jobs, sizeof(*r->jobs));
	r->state = calloc(capacity, sizeof(*r->state));
	r->peer = calloc(capacity, sizeof(*r->peer));
	r->queue = calloc(capacity, sizeof(*r->queue));
	if (!r->jobs || !r->state || !r->peer || !r->queue || setenv("DOORBELL_NAME", name, 1) < 0)
		return runner_free(r);
	return r;
}

struct runner *runner_free(struct runner *r)
{
	if (!r)
		return NULL;
	free(r->jobs);
	free(r->state);
	free(r->peer);
	free(r->queue);
	free(r);
	return NULL;
}

static void enqueue(struct runner *r, uint32_t token)
{
	r->state[token] = WAITING;
	r->queue[(r->first + r->waiting++) % r->capacity] = token;
}

void runner_add(struct runner *r, uint32_t token, uint64_t peer)
{
	r->peer[token] = peer;
	if (r->state[token] == IDLE)
		enqueue(r, token);
	else if (r->state[token] == RUNNING)
		r->state[token] = AGAIN;
}

static void put_number(const char *variable, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	setenv(variable, text, 1);
}

/* With the signals that we block or ignore as they were, and nothing to read. */
static int start(struct runner *r, struct job *job, uint32_t token)
{
	char *const argv[] = {"sh", "-c", (char *)(uintptr_t)r->command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, plain;
	int error;

	put_number("DOORBELL_TOKEN", token);
	put_number("DOORBELL_PEER", r->peer[token]);
	sigemptyset(&none);
	sigemptyset(&plain);
	sigaddset(&plain, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&how);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &plain);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(&job->pid, "sh", &files, &how, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	if (error) {
		job->pid = 0;
		return tool_complain("cannot run a command: %s.", strerror(error));
	}
	job->token = token;
	r->state[token] = RUNNING;
	r->running++;
	return 0;
}

static void reap(struct runner *r, struct job *job)
{
	const uint32_t token = job->token;
	int status;

	if (waitpid(job->pid, &status, WNOHANG) != job->pid)
		return;
	if (WIFSIGNALED(status))
		tool_complain("the command for token %" PRIu32 " was ended by signal %d.", token,
			WTERMSIG(status));
	else if (WEXITSTATUS(status))
		tool_complain("the command for token %" PRIu32 " ended with status %d.", token,
			WEXITSTATUS(status));
	job->pid = 0;
	r->running--;
	if (r->state[token] == AGAIN)
		enqueue(r, token);
	else
		r->state[token] = IDLE;
}

int runner_run(struct runner *r)
{
	uint32_t i;
	int status = 0;

	for (i = 0; i < r->n_jobs && r->running > 0; i++)
		if (r->jobs[i].pid)
			reap(r, &r->jobs[i]);
	for (i = 0; i < r->n_jobs && r->waiting > 0 && status == 0; i++) {
		const uint32_t token = r->queue[r->first];

		if (r->jobs[i].pid)
			continue;
		r->first = (r->first + 1) % r->capacity;
		r->waiting--;
		status = start(r, &r->jobs[i], token);
	}
	return status;
}
