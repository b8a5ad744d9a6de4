/* SPDX-License-Identifier: MIT
 *
 * demo_server.c: the loop's side of connections, whatever the loop: bytes in, jobs out; results in, bytes
 * out. All of it is called by the loop's thread alone; what it shares with the workers is the list of
 * jobs and, under its lock, each connection's list of results.
 *
 * The listener stands open to the whole machine, so the clients' sockets are bound before it is
 * watched: who comes from a port that is none of theirs is a stranger and is hung up on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "demo.h"

/* -- life ------------------------------------------------------------------------------------- */

/* A TCP socket on a loopback port of the kernel's choice. */
static int bind_socket(int type, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type, 0), error;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret_port = address.sin_port;
	return fd;
}

static int open_fds(struct server *s)
{
	const long ns = TICK_MS * 1000000L;
	const struct itimerspec tick = {.it_value.tv_nsec = ns, .it_interval.tv_nsec = ns};
	uint16_t port = 0;
	sigset_t interrupt;
	uint32_t i;

	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	s->signals = signalfd(-1, &interrupt, SFD_CLOEXEC | SFD_NONBLOCK);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->signals < 0 || s->timer < 0 || timerfd_settime(s->timer, 0, &tick, NULL) < 0)
		return -errno;
	s->listener = bind_socket(SOCK_NONBLOCK, &port);
	if (s->listener < 0)
		return s->listener;
	if (listen(s->listener, CLIENTS_MAX) < 0)
		return -errno;
	for (i = 0; i < s->n_clients; i++) {
		s->clients[i].server_port = port;
		s->clients[i].fd = bind_socket(0, &s->clients[i].port);
		if (s->clients[i].fd < 0)
			return s->clients[i].fd;
	}
	return 0;
}

int server_init(struct server *s, const struct demo_loop *loop, uint32_t clients, uint32_t workers)
{
	uint32_t i;
	int r;

	*s = (struct server){.loop = loop,
		.n_clients = clients,
		.n_workers = workers,
		.listener = -1,
		.timer = -1,
		.signals = -1};
	jobs_init(&s->jobs);
	s->clients = calloc(clients, sizeof(*s->clients));
	s->workers = calloc(workers, sizeof(*s->workers));
	s->connections = calloc(clients, sizeof(*s->connections));
	for (i = 0; i < clients && s->clients && s->connections; i++) {
		s->clients[i].fd = s->connections[i].fd = -1;
		s->connections[i].number = i;
		pthread_mutex_init(&s->connections[i].lock, NULL);
	}
	if (!s->clients || !s->workers || !s->connections)
		r = -ENOMEM;
	else
		r = bell_queue_new(&s->queue, 2 * clients, loop->queue_flags);
	if (r == 0)
		r = open_fds(s);
	if (r < 0)
		server_fini(s);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void server_hang_up(struct server *s)
{
	uint32_t i;

	close_fd(&s->listener); /* first: who has not connected cannot any more */
	for (i = 0; i < s->n_clients; i++) {
		connection_close(&s->connections[i]);
		shutdown(s->clients[i].fd, SHUT_RDWR);
	}
}

void server_fini(struct server *s)
{
	uint32_t i;

	close_fd(&s->listener);
	close_fd(&s->timer);
	close_fd(&s->signals);
	for (i = 0; i < s->n_clients && s->clients && s->connections; i++) {
		close_fd(&s->clients[i].fd);
		close_fd(&s->connections[i].fd);
		job_free_list(s->connections[i].results);
		pthread_mutex_destroy(&s->connections[i].lock);
	}
	jobs_fini(&s->jobs);
	s->queue = bell_queue_unref(s->queue);
	free(s->connections);
	free(s->workers);
	free(s->clients);
}

bool server_over(const struct server *s)
{
	return s->ended == s->n_clients || s->interrupted || s->failure[0];
}

/* -- what is readable ------------------------------------------------------------------------- */

static struct connection *find(struct server *s, const struct sockaddr_in *peer)
{
	uint32_t i;

	for (i = 0; i < s->n_clients; i++)
		if (peer->sin_port == s->clients[i].port && s->connections[i].fd < 0 &&
			peer->sin_addr.s_addr == htonl(INADDR_LOOPBACK))
			return &s->connections[i];
	return NULL;
}

void server_accept(struct server *s)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	struct connection *c;
	const int yes = 1;
	int r;

	/* Not O_NONBLOCK, or io_uring would hand EAGAIN back instead of waiting. */
	int fd = accept4(s->listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			demo_fail(s->failure, "cannot accept a connection: %s.", strerror(errno));
		return;
	}
	c = find(s, &peer);
	if (!c) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	c->fd = fd;
	r = s->loop->watch(s, c);
	if (r < 0)
		demo_fail(s->failure, "cannot watch a connection: %s.", strerror(-r));
}

/* Shows that it goes on, and notices when it does not: a wake-up that was lost would look so. */
void server_tick(struct server *s)
{
	uint64_t ticks;

	if (read(s->timer, &ticks, sizeof(ticks)) < 0)
		return;
	if (s->progress)
		report_progress(s, false);
	s->idle_ticks = s->answered == s->answered_at_tick ? s->idle_ticks + 1 : 0;
	s->answered_at_tick = s->answered;
	if (s->idle_ticks == PATIENCE_TICKS)
		demo_fail(s->failure, "answers are missing: only %llu of %llu came.",
			(unsigned long long)s->answered, (unsigned long long)s->n_lines);
}

void server_signal(struct server *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) > 0)
		s->interrupted = true;
}

/* The bell rang: results of a connection are there, or a client has ended. */
void server_token(void *server, uint32_t token)
{
	struct server *s = server;
	struct connection *c;
	struct job *results, *job;
	uint64_t since;

	if (token >= s->n_clients) {
		s->ended++;
		return;
	}
	c = &s->connections[token];
	pthread_mutex_lock(&c->lock);
	results = c->results;
	c->results = NULL;
	since = c->since;
	pthread_mutex_unlock(&c->lock);

	if (results)
		latencies_add(&s->latencies, demo_now() - since);
	for (job = results; job && c->fd >= 0; job = job->next) {
		c->filling[c->n_filling++] = job->answer;
		s->answered++;
	}
	job_free_list(results);
	if (results && c->fd >= 0)
		s->loop->flush(s, c);
}

/* -- bytes of a connection -------------------------------------------------------------------- */

void *connection_room(struct connection *c, size_t *ret_size)
{
	*ret_size = sizeof(c->input) - c->received;
	return c->input + c->received;
}

/* The request at the head of size bytes, as a job. Returns its bytes; 0: not all of it is there;
 * or -errno. */
static ssize_t take_request(
	struct connection *c, const char *input, size_t size, struct job **ret_job)
{
	struct request request;
	struct job *job;

	if (size < sizeof(request))
		return 0;
	memcpy(&request, input, sizeof(request));
	if (request.size > LINE_MAX_SIZE || c->in_flight == 2 * WINDOW)
		return -EPROTO;
	if (size - sizeof(request) < request.size)
		return 0;
	job = malloc(sizeof(*job) + request.size);
	if (!job)
		return -ENOMEM;
	job->next = NULL;
	job->answer.number = request.number;
	job->connection = c->number;
	job->size = (uint32_t)request.size;
	memcpy(job->data, input + sizeof(request), request.size);
	c->in_flight++;
	*ret_job = job;
	return (ssize_t)(sizeof(request) + request.size);
}

void connection_received(struct server *s, struct connection *c, size_t n)
{
	struct job *first = NULL, **end = &first;
	size_t used = 0;
	ssize_t taken;

	c->received += n;
	while ((taken = take_request(c, c->input + used, c->received - used, end)) > 0) {
		used += (size_t)taken;
		end = &(*end)->next;
	}
	if (first)
		jobs_push(&s->jobs, first, end);
	if (taken < 0)
		demo_fail(s->failure, "cannot take a line in: %s.", strerror((int)-taken));
	c->received -= used;
	memmove(c->input, c->input + used, c->received);
}

/* While something is being sent it stays where it is, and answers gather in the other half. */
const void *connection_output(struct connection *c, size_t *ret_size)
{
	if (c->sent == c->sending_size) {
		c->sent = 0;
		c->sending_size = c->n_filling * sizeof(c->filling[0]);
		memcpy(c->sending, c->filling, c->sending_size);
		c->n_filling = 0;
	}
	*ret_size = c->sending_size - c->sent;
	return (const char *)c->sending + c->sent;
}

void connection_sent(struct connection *c, size_t n)
{
	c->sent += n;
	if (c->sent == c->sending_size)
		c->in_flight -= (unsigned)(c->sending_size / sizeof(c->sending[0]));
}

void connection_close(struct connection *c)
{
	close_fd(&c->fd);
}
