/* SPDX-License-Identifier: MIT
 *
 * pipe.c: doorbell pipe: standard input to several readers. The main thread is an event loop of two
 * descriptors, standard input and one bell; all else comes as a token: room in the pipe, a signal, the
 * end of a reader. Memory is that of the pipe, whatever the input.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pipe.h"
#include "pipe_share.h"
#include "tool.h"

#define CAPACITY  (1 << 20)
#define LIMIT	  (64 << 20) /* of a pipe that grows */
#define READ_SIZE 65536
#define SECOND	  1000 /* ms: for the progress line */

struct feed {
	struct bell_pipe_options options;
	uint32_t readers, chunk;
	bool help;
	struct crossing crossing; /* between processes, if any of it is set */

	struct bell_pipe *pipe;
	struct bell_queue *queue;
	struct printer *printers;
	uint32_t started, running;
	char *bytes; /* read, and from done to size not yet written */
	size_t size, done;
	bool ended, shows;
	uint64_t total;
	int64_t shown, began;
};

static struct bell_queue *signals; /* the queue, for the handler */
static int signalled;

static void on_signal(int number)
{
	bell_store_relaxed(&signalled, number); /* a flag; the token wakes */
	(void)bell_queue_notify(signals, TOKEN_SIGNAL);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -- options ---------------------------------------------------------------------------------- */

static void print_help(void)
{
	printf("usage: doorbell pipe [--readers N] [--chunk BYTES] [--policy block|lap|grow]\n"
	       "\n"
	       "Give standard input to readers, each in a thread of its own and at its own pace; "
	       "each\n"
	       "prints lines like 'r1: hell', of at most so many bytes. A newline ends a chunk.\n"
	       "\n"
	       "  --readers N              1 to %d (3)\n"
	       "  --chunk BYTES            1 to %d (4096)\n"
	       "  --policy block|lap|grow  if a reader is slow: wait for it, let it lose, or use "
	       "up to\n"
	       "                           %d MiB of memory and then wait (block)\n"
	       "\n"
	       "       doorbell pipe --offer NAME [--capacity BYTES] [--policy block|lap] "
	       "[--dir DIR]\n"
	       "       doorbell pipe --attach NAME [--timeout SECONDS] [--dir DIR]\n"
	       "\n"
	       "Give standard input to processes that attach, until it has ended and they "
	       "have left;\n"
	       "in each, write it to standard output. DIR: $XDG_RUNTIME_DIR/doorbell or "
	       "/run/doorbell\n",
		READERS_MAX, CHUNK_MAX, LIMIT >> 20);
}

static int parse_policy(const char *text, uint32_t *ret_policy)
{
	static const char *const names[] = {
		[BELL_PIPE_BLOCK] = "block", [BELL_PIPE_LAP] = "lap", [BELL_PIPE_GROW] = "grow"};
	uint32_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_policy = i;
			return 0;
		}
	}
	tool_complain("--policy is block, lap or grow, not '%s'.", text);
	return TOOL_USAGE;
}

/* Returns 0 or an exit status. */
static int parse(struct feed *f, int argc, char **argv)
{
	static const struct option options[] = {
		{"readers", required_argument, NULL, 'r'},
		{"chunk", required_argument, NULL, 'c'},
		{"policy", required_argument, NULL, 'p'},
		{"offer", required_argument, NULL, 'o'},
		{"attach", required_argument, NULL, 'a'},
		{"dir", required_argument, NULL, 'd'},
		{"capacity", required_argument, NULL, 'k'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct crossing *x = &f->crossing;
	int option, status = 0;

	optind = 0; /* main has used it */
	while (status == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			status = tool_parse_number("--readers", optarg, READERS_MAX, &f->readers);
		else if (option == 'c')
			status = tool_parse_number("--chunk", optarg, CHUNK_MAX, &f->chunk);
		else if (option == 'p')
			status = parse_policy(optarg, &f->options.policy);
		else if (option == 'o')
			x->offer = optarg;
		else if (option == 'a')
			x->attach = optarg;
		else if (option == 'd')
			x->dir = optarg;
		else if (option == 'k')
			status = tool_parse_number("--capacity", optarg, 1 << 30, &x->capacity);
		else if (option == 't')
			status = tool_parse_number("--timeout", optarg, 1 << 30, &x->timeout);
		else if (option == 'h')
			f->help = true;
		else
			status = TOOL_USAGE;
		x->readers |= option == 'r' || option == 'c';
	}
	x->policy = f->options.policy;
	if (status == 0 && optind < argc) {
		tool_complain("pipe reads standard input and takes no file: '%s'.", argv[optind]);
		status = TOOL_USAGE;
	}
	return status;
}

/* -- the loop --------------------------------------------------------------------------------- */

static void progress(struct feed *f, bool last)
{
	const int64_t now = f->shows ? now_ms() : 0;

	if (!f->shows || (now - f->shown < SECOND && !(last && f->shown > f->began)))
		return;
	f->shown = now;
	fprintf(stderr, "\r%" PRIu64 " MB to %" PRIu32 " readers, %" PRIu64 " MB/s%s",
		f->total / 1000000, f->readers, f->total / 1000 / (uint64_t)(now - f->began + 1),
		last ? "\n" : " ");
}

/* Into the pipe with what was read. Returns true if all of it is there. */
static bool pour(struct feed *f)
{
	ssize_t n = 0;

	while (f->done < f->size && n >= 0) {
		n = bell_pipe_write(f->pipe, f->bytes + f->done, f->size - f->done, 0);
		if (n > 0) {
			f->done += (size_t)n;
			f->total += (size_t)n;
		} else if (n == -EAGAIN || n == -ENOSPC) {
			n = bell_pipe_arm(f->pipe) == 1 ? -EAGAIN : 0; /* 1: a token will come */
		} else {
			f->ended = true; /* the readers have gone, and said why */
		}
	}
	return f->done == f->size;
}

/* 0, or an exit status. */
static int fill(struct feed *f)
{
	ssize_t n = read(STDIN_FILENO, f->bytes, READ_SIZE);

	if (n > 0) {
		f->size = (size_t)n;
		f->done = 0;
	} else if (n == 0) {
		f->ended = true;
		bell_pipe_close(f->pipe);
	} else if (errno != EINTR && errno != EAGAIN) {
		f->ended = true;
		bell_pipe_set_error(f->pipe, errno);
		return tool_complain("cannot read standard input: %s.", strerror(errno));
	}
	return 0;
}

/* Everything that came as a token; sleeps only if there is none. Returns whether input is ready. */
static bool listen_for(struct feed *f, bool input)
{
	struct pollfd fds[2] = {{.fd = bell_queue_fd(f->queue), .events = POLLIN},
		{.fd = input ? STDIN_FILENO : -1, .events = POLLIN}};
	const bool may_sleep = bell_queue_arm(f->queue) != 0;
	uint32_t tokens[READERS_MAX + TOKEN_READER];
	size_t n, i;

	if (poll(fds, 2, !may_sleep ? 0 : f->shows ? SECOND : -1) < 0)
		fds[1].revents = 0; /* a signal, which has left its token */
	n = bell_queue_poll(f->queue, tokens, sizeof(tokens) / sizeof(*tokens));
	for (i = 0; i < n; i++) {
		f->running -= tokens[i] >= TOKEN_READER;
		/* Its output failed: without it the others are not to go on. */
		if (tokens[i] >= TOKEN_READER && f->printers[tokens[i] - TOKEN_READER].failure) {
			bell_pipe_close(f->pipe);
			f->ended = true;
		}
	}
	return fds[1].revents != 0;
}

/* Until the input has ended and all readers have. Returns 0 or an exit status. */
static int run(struct feed *f)
{
	int status = 0;
	bool empty = true;

	f->began = f->shown = now_ms();
	while (f->running > 0 && !bell_load_relaxed(&signalled)) { /* a flag */
		if (!f->ended)
			empty = pour(f);
		if (listen_for(f, !f->ended && empty) && status == 0)
			status = fill(f);
		progress(f, false);
	}
	progress(f, true);
	return status;
}

/* -- start and stop --------------------------------------------------------------------------- */

static int start(struct feed *f)
{
	struct sigaction action = {.sa_handler = on_signal};
	int r;

	f->options.capacity = CAPACITY;
	f->options.limit = LIMIT;
	f->options.max_readers = f->readers;
	f->bytes = malloc(READ_SIZE);
	f->printers = calloc(f->readers, sizeof(*f->printers));
	if (!f->bytes || !f->printers)
		return -ENOMEM;
	r = bell_queue_new(&f->queue, TOKEN_READER + f->readers, 0);
	if (r == 0)
		r = bell_pipe_new(&f->pipe, &f->options);
	if (r == 0)
		r = bell_pipe_bind(f->pipe, f->queue, TOKEN_ROOM);
	if (r < 0)
		return r;
	signals = f->queue;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (r == 0 && f->started < f->readers) {
		f->printers[f->started] = (struct printer){.queue = f->queue,
			.pipe = f->pipe,
			.number = f->started + 1,
			.chunk = f->chunk};
		r = printer_start(&f->printers[f->started]);
		f->started += r == 0;
	}
	f->running = f->started;
	f->shows = isatty(STDERR_FILENO);
	return r;
}

static int stop(struct feed *f)
{
	uint32_t i;
	int failure = 0;

	if (f->pipe)
		bell_pipe_close(f->pipe);
	for (i = 0; i < f->started; i++) {
		pthread_join(f->printers[i].thread, NULL);
		failure = failure ? failure : f->printers[i].failure;
		printer_fini(&f->printers[i]);
	}
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	bell_pipe_free(f->pipe);
	bell_queue_unref(f->queue);
	free(f->printers);
	free(f->bytes);
	return failure;
}

int tool_pipe(int argc, char **argv)
{
	static char name[] = "doorbell pipe"; /* how getopt_long calls us */
	struct feed f = {.readers = 3, .chunk = 4096};
	int status, r, failure;

	argv[0] = name;
	status = parse(&f, argc, argv);
	if (status == 0 && f.help)
		print_help();
	if (status != 0 || f.help)
		return status;
	if (f.crossing.offer || f.crossing.attach || f.crossing.dir || f.crossing.capacity ||
		f.crossing.timeout)
		return pipe_cross(&f.crossing);
	r = start(&f);
	if (r == 0)
		status = run(&f);
	if (bell_load_relaxed(&signalled)) { /* a flag */
		/* Not by way of stop: a reader may stand before an output that nobody takes. */
		tool_complain("interrupted after %" PRIu64 " bytes.", f.total);
		_exit(128 + bell_load_relaxed(&signalled)); /* a flag */
	}
	failure = stop(&f);
	if (r == -EMFILE)
		return tool_complain("%" PRIu32 " readers need about %" PRIu32
				     " open files, which is more "
				     "than the limit.",
			f.readers, f.readers + 10);
	if (r < 0)
		return tool_complain("cannot start the readers: %s.", strerror(-r));
	if (failure) { /* said once, here, and not again when main flushes */
		__fpurge(stdout);
		clearerr(stdout);
	}
	if (failure)
		return tool_complain("cannot write to standard output: %s.", strerror(failure));
	return status;
}
