/* SPDX-License-Identifier: MIT
 *
 * demo_client.c: a client: sends its share of the lines over TCP, keeps WINDOW of them in flight, and
 * checks each answer against its own computation. It uses blocking calls: the server always reads what
 * is in the window. When it has ended, well or not, it tells the loop, by a token.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "demo.h"

/* Requests number base .. next-1 are in flight; those with a line are not yet answered. */
struct talk {
	struct client *client;
	struct cursor cursor;
	uint64_t position; /* of the cursor's next line, in its pass */
	uint64_t passes;   /* begun */
	uint64_t base, next;
	struct line lines[WINDOW];
	bool waiting[WINDOW];
	size_t out_size, in_size;
	char out[WINDOW * (sizeof(struct request) + LINE_MAX_SIZE)];
	char in[WINDOW * sizeof(struct answer)];
};

/* The next line of ours. */
static bool next_line(struct talk *talk, struct line *ret_line)
{
	const struct client *client = talk->client;

	for (;;) {
		while (text_next(&talk->cursor, ret_line))
			if (talk->position++ % client->step == client->first)
				return true;
		if (talk->passes == client->passes)
			return false;
		talk->passes++;
		talk->position = 0;
		talk->cursor = (struct cursor){.text = client->text};
	}
}

static void append(struct talk *talk, const void *data, size_t size)
{
	memcpy(talk->out + talk->out_size, data, size);
	talk->out_size += size;
}

static void fill_window(struct talk *talk)
{
	struct line line;

	while (talk->next < talk->base + WINDOW && next_line(talk, &line)) {
		struct request request = {.number = talk->next, .size = line.size};

		append(talk, &request, sizeof(request));
		append(talk, line.data, line.size);
		talk->lines[talk->next % WINDOW] = line;
		talk->waiting[talk->next % WINDOW] = true;
		talk->next++;
	}
}

static int send_out(struct talk *talk)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < talk->out_size) {
		n = send(talk->client->fd, talk->out + sent, talk->out_size - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	talk->out_size = 0;
	return 0;
}

static bool check(struct talk *talk, const struct answer *answer)
{
	size_t i = answer->number % WINDOW;
	struct answer right;

	if (answer->number - talk->base >= talk->next - talk->base || !talk->waiting[i])
		return false;
	right = demo_compute(answer->number, talk->lines[i].data, talk->lines[i].size);
	if (right.hash != answer->hash || right.words != answer->words)
		return false;
	talk->waiting[i] = false;
	while (talk->base < talk->next && !talk->waiting[talk->base % WINDOW])
		talk->base++;
	talk->client->answered++;
	return true;
}

static int check_all(struct talk *talk)
{
	struct answer answer;
	size_t used = 0;

	for (; talk->in_size - used >= sizeof(answer); used += sizeof(answer)) {
		memcpy(&answer, talk->in + used, sizeof(answer));
		if (!check(talk, &answer)) {
			demo_fail(talk->client->failure,
				"a client got a wrong answer, number %llu.",
				(unsigned long long)answer.number);
			return -EBADMSG;
		}
	}
	talk->in_size -= used;
	memmove(talk->in, talk->in + used, talk->in_size);
	return 0;
}

static int receive(struct talk *talk)
{
	ssize_t n;

	do
		n = recv(talk->client->fd, talk->in + talk->in_size,
			sizeof(talk->in) - talk->in_size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	talk->in_size += (size_t)n;
	return check_all(talk);
}

static int serve_talk(struct talk *talk)
{
	int r = 0;

	fill_window(talk);
	while (r == 0 && talk->base < talk->next) {
		r = send_out(talk);
		if (r == 0)
			r = receive(talk);
		if (r == 0)
			fill_window(talk);
	}
	return r;
}

/* A connect that was interrupted goes on by itself. */
static int finish_connect(int fd)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);

	while (poll(&writable, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

static int connect_to_server(const struct client *client)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = client->server_port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (connect(client->fd, (struct sockaddr *)&server, sizeof(server)) == 0)
		return 0;
	return errno == EINTR ? finish_connect(client->fd) : -errno;
}

static void *serve(void *arg)
{
	struct client *client = arg;
	struct talk *talk = calloc(1, sizeof(*talk));
	int r = -ENOMEM;

	if (talk) {
		talk->client = client;
		talk->cursor.text = client->text;
		talk->cursor.file = client->text->n_files; /* at the end of pass 0 */
		r = connect_to_server(client);
		if (r == 0)
			r = serve_talk(talk);
	}
	if (r < 0)
		demo_fail(client->failure, "a client got no further than answer %llu: %s.",
			(unsigned long long)client->answered, strerror(-r));
	free(talk);
	shutdown(client->fd, SHUT_RDWR);
	(void)bell_queue_notify(client->queue, client->ended);
	bell_queue_unref(client->queue);
	return NULL;
}

int client_start(struct client *client)
{
	int error;

	bell_queue_ref(client->queue);
	error = pthread_create(&client->thread, NULL, serve, client);
	if (error)
		bell_queue_unref(client->queue);
	return -error;
}
