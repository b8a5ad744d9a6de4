/* SPDX-License-Identifier: MIT
 *
 * uv.c: a libuv server whose answers take a while. A request is a number on a socket, for which the loop
 * starts a thread that counts the primes below it; told by the bell, the loop answers on that socket.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doorbell.h>
#include <doorbell/adapt/uv.h>

enum { CLIENTS = 8, LEAST = 10000 };
static struct client {
	uv_poll_t poll;
	int ends[2]; /* ours, the client's */
	pthread_t thread;
	unsigned limit, primes; /* what it asks, and our answer */
} clients[CLIENTS];
static struct bell_queue *q;
static struct bell_uv bell;

static void *count_primes(void *client)
{
	struct client *c = client;
	unsigned n, d;

	for (n = 2; n < c->limit; n++) {
		for (d = 2; d * d <= n && n % d != 0; d++)
			;
		c->primes += d * d > n;
	}
	bell_queue_notify(q, (uint32_t)(c - clients)); /* whoever is told also sees c->primes */
	return NULL;
}

static void on_request(uv_poll_t *poll, int status, int events)
{
	struct client *c = (struct client *)poll;

	if (status < 0 || events == 0 || read(c->ends[0], &c->limit, 4) != 4 ||
		pthread_create(&c->thread, NULL, count_primes, c) != 0)
		abort();
}

static void on_token(void *left, uint32_t token)
{
	struct client *c = &clients[token];

	pthread_join(c->thread, NULL); /* so it needs no reference to the queue */
	uv_close((uv_handle_t *)&c->poll, NULL);
	if (write(c->ends[0], &c->primes, 4) != 4 || --*(int *)left == 0)
		bell_uv_detach(&bell);
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	unsigned i, limit = LEAST, primes = 0;
	struct client *c;
	int left = CLIENTS;

	if (bell_queue_new(&q, CLIENTS, 0) < 0 ||
		bell_uv_attach(&bell, loop, q, 64, on_token, &left) < 0)
		return 1;
	for (c = clients; c < clients + CLIENTS; c++, limit += LEAST) /* they connect, and ask */
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, c->ends) < 0 ||
			write(c->ends[1], &limit, 4) != 4 ||
			uv_poll_init(loop, &c->poll, c->ends[0]) < 0 ||
			uv_poll_start(&c->poll, UV_READABLE, on_request) < 0)
			return 1;
	uv_run(loop, UV_RUN_DEFAULT); /* until nothing is left to watch */
	for (i = 0; i < CLIENTS && read(clients[i].ends[1], &primes, 4) == 4; i++)
		printf("%u primes below %u\n", primes, (i + 1) * LEAST);
	bell_queue_unref(q);
	return primes == 7837 ? 0 : 1;
}
