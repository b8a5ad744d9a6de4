/* SPDX-License-Identifier: MIT
 *
 * demo.h: a server in one process, and those who use it.
 *
 *	client thread --TCP--> loop thread --jobs--> worker thread
 *	      ^                  |    ^                   |
 *	      +-------TCP--------+    +----- the bell ----+
 *
 * A client sends the lines of files and keeps WINDOW of them in flight. The loop cuts the stream into
 * lines and gives them to the workers through a list with a mutex. A worker stores its result at
 * the connection and notifies the connection's number: that way back is what is shown here. The loop
 * answers over the socket; the client computes the same again and compares.
 *
 * Tokens: 0 .. clients-1, "connection i has results"; clients .. 2*clients-1, "client i has ended".
 *
 * demo.c         options, the order of starting and stopping
 * demo_text.c    lines of files
 * demo_client.c  client threads
 * demo_worker.c  the list of jobs, worker threads, what they compute
 * demo_server.c  the loop's side of connections, whatever the loop
 * demo_epoll.c, demo_uring.c  the loops
 * demo_report.c  latencies, the table
 */
#ifndef DEMO_H
#define DEMO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <doorbell.h>

enum {
	WINDOW = 16,	       /* lines that a client keeps in flight */
	LINE_MAX_SIZE = 16384, /* a longer one is sent in pieces, so that memory is bounded */
	BUDGET = 64,	       /* tokens handled before the sockets have their turn */
	WORKERS_MAX = 64,
	CLIENTS_MAX = 256,
	TICK_MS = 200,
	PATIENCE_TICKS = 50, /* without an answer: then one is lost */
	FAILURE_SIZE = 256,
};

/* One sentence, "" if all is well. Each has one thread that writes it; the first one stays. */
__attribute__((format(printf, 2, 3))) void demo_fail(char *failure, const char *format, ...);

uint64_t demo_now(void); /* nanoseconds, CLOCK_MONOTONIC */

/* -- text ------------------------------------------------------------------------------------- */

struct line {
	const char *data; /* not terminated; may hold any byte but a newline */
	uint32_t size;
};

struct text_file {
	const char *data; /* mapped */
	size_t size;
};

struct text {
	struct text_file *files;
	size_t n_files;
	uint64_t n_lines;
};

struct cursor {
	const struct text *text;
	size_t file, offset;
};

/* Map files and count their lines. Returns 0 or an exit status, after a sentence on stderr. */
int text_open(struct text *text, char *const *names, size_t n);
void text_close(struct text *text);
bool text_next(struct cursor *cursor, struct line *ret_line); /* false: the end */

/* -- the wire, in the machine's own byte order ------------------------------------------------ */

struct request { /* then size bytes of the line */
	uint64_t number;
	uint64_t size;
};

struct answer {
	uint64_t number; /* of the request: answers overtake each other */
	uint64_t hash;
	uint64_t words;
};

/* -- workers ---------------------------------------------------------------------------------- */

struct job {
	struct job *next;
	struct answer answer; /* its number is set by the loop, the rest by the worker */
	uint32_t connection, size;
	char data[];
};

struct jobs { /* first in, first out */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **end;
	bool closed;
};

struct server;

struct worker { /* its own thread's until it was joined */
	struct server *server;
	pthread_t thread;
	uint64_t n_new, n_conflated;
};

struct answer demo_compute(uint64_t number, const char *data, size_t size);
void jobs_init(struct jobs *jobs);
void jobs_fini(struct jobs *jobs); /* frees what nobody took */
void jobs_push(struct jobs *jobs, struct job *first, struct job **end);
void jobs_close(struct jobs *jobs); /* wakes all workers: they end */
void job_free_list(struct job *job);
int worker_start(struct worker *worker, struct server *server); /* 0 or -errno */

/* -- clients ---------------------------------------------------------------------------------- */

struct client { /* its own thread's until it was joined */
	const struct text *text;
	struct bell_queue *queue;
	pthread_t thread;
	int fd; /* bound, not connected */
	uint16_t port, server_port;
	uint32_t ended;	      /* the token that says so */
	uint32_t step, first; /* of each pass over the text: which lines are ours */
	uint64_t passes;
	uint64_t answered;
	char failure[FAILURE_SIZE];
};

int client_start(struct client *client); /* 0 or -errno */

/* -- server ----------------------------------------------------------------------------------- */

struct connection {
	uint32_t number; /* its token */
	int fd;		 /* -1: not yet, or no longer */

	/* The loop's. A client may be told of an answer before we are, hence twice its window. */
	unsigned in_flight; /* lines taken and not yet answered */
	unsigned n_filling; /* answers that wait */
	size_t received, sending_size, sent;
	struct answer filling[2 * WINDOW], sending[2 * WINDOW]; /* the latter does not move */
	char input[sizeof(struct request) + LINE_MAX_SIZE];

	pthread_mutex_t lock; /* for what follows: */
	struct job *results;
	uint64_t since; /* when the first of them was stored */
};

struct latencies {
	uint64_t count, max;
	uint64_t buckets[64 * 32];
};

struct server {
	const struct demo_loop *loop;
	void *state; /* the loop's own */
	struct bell_queue *queue;
	struct jobs jobs;
	struct connection *connections;
	struct client *clients;
	struct worker *workers;
	uint32_t n_clients, n_workers;
	int listener, timer, signals;

	uint64_t n_lines; /* in all, of all passes */
	uint64_t answered, wakes;
	uint64_t start; /* ns */
	uint64_t answered_at_tick;
	unsigned idle_ticks;
	uint32_t ended; /* clients */
	bool interrupted, progress;
	struct latencies latencies;
	char failure[FAILURE_SIZE];
};

/* What a loop is made of. */
struct demo_loop {
	const char *name;
	unsigned queue_flags;
	void (*run)(struct server *s);			       /* until server_over() */
	int (*watch)(struct server *s, struct connection *c);  /* a new one; 0 or -errno */
	void (*flush)(struct server *s, struct connection *c); /* it has output */
};

extern const struct demo_loop demo_epoll, demo_uring;

/* Room for n clients, and the fds they need. Returns 0, or -errno with everything undone. */
int server_init(struct server *s, const struct demo_loop *loop, uint32_t clients, uint32_t workers);
void server_fini(struct server *s);    /* after the threads have ended */
void server_hang_up(struct server *s); /* clients that still talk get an error, and end */

/* For loops: what is readable, and whether to go on. */
bool server_over(const struct server *s);
void server_accept(struct server *s);
void server_tick(struct server *s);
void server_signal(struct server *s);
void server_token(void *server, uint32_t token);

void *connection_room(struct connection *c, size_t *ret_size);
void connection_received(struct server *s, struct connection *c, size_t n);
const void *connection_output(struct connection *c, size_t *ret_size); /* size 0: nothing to send */
void connection_sent(struct connection *c, size_t n);
void connection_close(struct connection *c);

/* -- report ----------------------------------------------------------------------------------- */

void latencies_add(struct latencies *l, uint64_t ns);
void report_progress(const struct server *s, bool last);
void report(const struct server *s, uint64_t passes, uint64_t ns);

#endif
