/* SPDX-License-Identifier: MIT
 *
 * demo.c: doorbell demo: its options, and the order in which everything is started and stopped.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

#define LINES_ENOUGH   20000 /* a run shorter than this says little: the files are sent again */
#define LINES_FOR_EACH 1000  /* up to here each client sends all lines; more are shared out */

struct demo {
	const struct demo_loop *loop;
	uint32_t workers, clients;
	bool help;
};

void demo_fail(char *failure, const char *format, ...)
{
	va_list args;

	if (failure[0])
		return;
	va_start(args, format);
	vsnprintf(failure, FAILURE_SIZE, format, args);
	va_end(args);
}

uint64_t demo_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* -- options ---------------------------------------------------------------------------------- */

static void print_help(void)
{
	printf("usage: doorbell demo [--loop epoll|uring] [--workers N] [--clients N] FILE...\n"
	       "\n"
	       "Run a server in this process: clients send the lines of the files over TCP, an "
	       "event loop\n"
	       "gives them to worker threads, the bell tells the loop which connections have "
	       "results.\n"
	       "\n"
	       "  --loop epoll|uring  the event loop (epoll)\n"
	       "  --workers N         worker threads, 1 to %d (2)\n"
	       "  --clients N         client threads, 1 to %d (8)\n",
		WORKERS_MAX, CLIENTS_MAX);
}

static int parse_loop(const char *text, const struct demo_loop **ret_loop)
{
	if (strcmp(text, "epoll") == 0) {
		*ret_loop = &demo_epoll;
		return 0;
	}
	if (strcmp(text, "uring") == 0) {
#if DEMO_URING
		*ret_loop = &demo_uring;
		return 0;
#else
		return tool_complain(
			"this doorbell was built without io_uring; --loop epoll works.");
#endif
	}
	tool_complain("--loop is epoll or uring, not '%s'.", text);
	return TOOL_USAGE;
}

/* Returns 0 with optind at the first file, or an exit status. */
static int parse(struct demo *demo, int argc, char **argv)
{
	static const struct option options[] = {
		{"loop", required_argument, NULL, 'l'},
		{"workers", required_argument, NULL, 'w'},
		{"clients", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, status = 0;

	optind = 0; /* main has used it */
	while (status == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'l')
			status = parse_loop(optarg, &demo->loop);
		else if (option == 'w')
			status =
				tool_parse_number("--workers", optarg, WORKERS_MAX, &demo->workers);
		else if (option == 'c')
			status =
				tool_parse_number("--clients", optarg, CLIENTS_MAX, &demo->clients);
		else if (option == 'h')
			demo->help = true;
		else
			status = TOOL_USAGE;
	}
	if (status == 0 && optind == argc && !demo->help) {
		tool_complain("demo wants a file whose lines it sends; README.md will do.");
		status = TOOL_USAGE;
	}
	return status;
}

/* -- a run ------------------------------------------------------------------------------------ */

/* Which lines each client sends. Returns the number of passes over the text. */
static uint64_t share_out(struct server *s, const struct text *text)
{
	bool all = text->n_lines <= LINES_FOR_EACH;
	uint64_t pass = all ? text->n_lines * s->n_clients : text->n_lines;
	uint64_t passes = (LINES_ENOUGH + pass - 1) / pass;
	uint32_t i;

	s->n_lines = passes * pass;
	for (i = 0; i < s->n_clients; i++) {
		struct client *client = &s->clients[i];

		client->text = text;
		client->queue = s->queue;
		client->ended = s->n_clients + i;
		client->step = all ? 1 : s->n_clients;
		client->first = all ? 0 : i;
		client->passes = passes;
	}
	return passes;
}

/* Start the threads, be the loop, and stop the threads, however far it came. */
static void serve(struct server *s)
{
	uint32_t clients = 0, workers = 0, i;
	int r = 0;

	while (r == 0 && workers < s->n_workers) {
		r = worker_start(&s->workers[workers], s);
		workers += r == 0;
	}
	while (r == 0 && clients < s->n_clients) {
		r = client_start(&s->clients[clients]);
		clients += r == 0;
	}
	if (r == 0)
		s->loop->run(s);
	else
		demo_fail(s->failure, "cannot start a thread: %s.", strerror(-r));

	server_hang_up(s);
	for (i = 0; i < clients; i++)
		pthread_join(s->clients[i].thread, NULL);
	jobs_close(&s->jobs);
	for (i = 0; i < workers; i++)
		pthread_join(s->workers[i].thread, NULL);
}

/* What went wrong, in one sentence; 0 if every answer came and was right. */
static int verdict(const struct server *s)
{
	uint64_t checked = 0;
	uint32_t i;

	if (s->interrupted) {
		tool_complain("interrupted after %" PRIu64 " of %" PRIu64 " lines.", s->answered,
			s->n_lines);
		return 128 + SIGINT;
	}
	if (s->failure[0])
		return tool_complain("%s", s->failure);
	for (i = 0; i < s->n_clients; i++) {
		if (s->clients[i].failure[0])
			return tool_complain("%s", s->clients[i].failure);
		checked += s->clients[i].answered;
	}
	if (checked != s->n_lines)
		return tool_complain("answers are missing: %" PRIu64 " of %" PRIu64 " came.",
			checked, s->n_lines);
	return 0;
}

static int run(const struct demo *demo, const struct text *text)
{
	struct server s;
	uint64_t passes, ns;
	sigset_t interrupt;
	int r, status;

	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(
		SIG_BLOCK, &interrupt, NULL); /* the loop reads it, in no thread is it a signal */
	r = server_init(&s, demo->loop, demo->clients, demo->workers);
	if (r == -EMFILE)
		return tool_complain(
			"%u clients need about %u open files, which is more than the limit.",
			demo->clients, 2 * demo->clients + 10);
	if (r < 0)
		return tool_complain("cannot start the server: %s.", strerror(-r));
	passes = share_out(&s, text);
	s.start = demo_now();
	s.progress = isatty(STDERR_FILENO);
	serve(&s);
	ns = demo_now() - s.start;
	if (s.progress)
		report_progress(&s, true);
	status = verdict(&s);
	if (status == 0)
		report(&s, passes, ns);
	server_fini(&s);
	return status;
}

int tool_demo(int argc, char **argv)
{
	static char name[] = "doorbell demo"; /* how getopt_long calls us */
	struct demo demo = {.loop = &demo_epoll, .workers = 2, .clients = 8};
	struct text text;
	int status;

	argv[0] = name;
	status = parse(&demo, argc, argv);
	if (status == 0 && demo.help)
		print_help();
	if (status != 0 || demo.help)
		return status;
	status = text_open(&text, argv + optind, (size_t)(argc - optind));
	if (status == 0) {
		status = run(&demo, &text);
		text_close(&text);
	}
	return status;
}
