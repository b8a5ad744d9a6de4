/* SPDX-License-Identifier: MIT
 *
 * fastpath.c: one call of the library over and over, for instructions.py to count under callgrind:
 * fastpath NAME N. Only what happens within counted() is counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doorbell.h>

#define TOKENS 8192

static uint32_t tokens[TOKENS];

static void notify(struct bell_queue *q, size_t n)
{
	uint32_t token;

	for (token = 0; token < n; token++)
		bell_queue_notify(q, token);
}

static void notify_one(struct bell_queue *q, size_t n)
{
	for (; n > 0; n--)
		bell_queue_notify(q, 7);
}

static void notify_many(struct bell_queue *q, size_t n)
{
	(void)bell_queue_notify_many(q, tokens, n);
}

static void poll_all(struct bell_queue *q, size_t n)
{
	if (bell_queue_poll(q, tokens, TOKENS) != n)
		exit(EXIT_FAILURE);
}

static void poll_each(struct bell_queue *q, size_t n)
{
	for (; n > 0; n--)
		if (bell_queue_poll(q, tokens, 1) != 1)
			exit(EXIT_FAILURE);
}

static void poll_nothing(struct bell_queue *q, size_t n)
{
	for (; n > 0; n--)
		if (bell_queue_poll(q, tokens, TOKENS) != 0)
			exit(EXIT_FAILURE);
}

static void ignore(void *userdata, uint32_t token)
{
	(void)userdata;
	(void)token;
}

static void dispatch(struct bell_queue *q, size_t n)
{
	if (bell_queue_dispatch(q, n, ignore, NULL) != (ssize_t)n)
		exit(EXIT_FAILURE);
}

static void nothing(struct bell_queue *q, size_t n)
{
	(void)q;
	(void)n;
}

static void one(struct bell_queue *q, size_t n)
{
	(void)n;
	bell_queue_notify(q, 7);
}

static const struct {
	const char *name;
	unsigned flags;
	void (*before)(struct bell_queue *q, size_t n);
	void (*counted)(struct bell_queue *q, size_t n);
} paths[] = {
	{"notify new", 0, nothing, notify},
	{"notify new, single producer", BELL_QUEUE_SINGLE_PRODUCER, nothing, notify},
	{"notify conflated", 0, one, notify_one},
	{"notify conflated, single producer", BELL_QUEUE_SINGLE_PRODUCER, one, notify_one},
	{"notify_many, a token of many", 0, nothing, notify_many},
	{"notify_many, a token of many, single producer", BELL_QUEUE_SINGLE_PRODUCER, nothing,
		notify_many},
	{"poll, a token of many", 0, notify, poll_all},
	{"poll, one token", 0, notify, poll_each},
	{"poll, empty", 0, nothing, poll_nothing},
	{"dispatch, a token of many", 0, notify, dispatch},
};

/* A function of its own: callgrind is told to count inside of it. */
__attribute__((noinline)) static void counted(size_t path, struct bell_queue *q, size_t n)
{
	paths[path].counted(q, n);
}

int main(int argc, char **argv)
{
	size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, i;
	struct bell_queue *q;

	for (i = 0; i < TOKENS; i++)
		tokens[i] = (uint32_t)i;
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		if (argc != 3) {
			puts(paths[i].name);
			continue;
		}
		if (strcmp(paths[i].name, argv[1]) != 0)
			continue;
		if (n == 0 || n > TOKENS || bell_queue_new(&q, TOKENS, paths[i].flags) < 0)
			return EXIT_FAILURE;
		/* The first ring is of a new queue's sleep: it is not what a busy queue costs. */
		bell_queue_notify(q, 0);
		if (bell_queue_poll(q, tokens, 1) != 1)
			return EXIT_FAILURE;
		paths[i].before(q, n);
		counted(i, q, n);
		bell_queue_unref(q);
	}
	return EXIT_SUCCESS;
}
