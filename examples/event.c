/* SPDX-License-Identifier: MIT
 *
 * event.c: calls that block, behind a libevent loop. A client asks for users by name, a line each; each
 * name is looked up by a thread, for that may take long; the loop writes the answers as they come.
 */
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <doorbell.h>
#include <doorbell/adapt/event.h>

enum { LOOKUPS = 16 };
static struct lookup {
	pthread_t thread;
	char *name, room[4096];
	struct passwd user, *found; /* NULL: nobody has that name */
} lookups[LOOKUPS];
static uint32_t asked, answered;
static struct bell_queue *q;

static void *look_up(void *lookup)
{
	struct lookup *l = lookup;

	getpwnam_r(l->name, &l->user, l->room, sizeof(l->room), &l->found);
	bell_queue_notify(q, (uint32_t)(l - lookups)); /* whoever is told also sees the answer */
	return NULL;
}

static void on_lines(struct bufferevent *client, void *in)
{
	while (client && (lookups[asked].name = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF)))
		if (pthread_create(&lookups[asked].thread, NULL, look_up, &lookups[asked]) != 0 ||
			++asked == LOOKUPS)
			abort(); /* a server would refuse the next */
}

static void on_token(void *client, uint32_t token)
{
	struct lookup *l = &lookups[token];

	pthread_join(l->thread, NULL); /* so it needs no reference to the queue */
	dprintf(bufferevent_getfd(client), "%s: %s\n", l->name, l->found ? l->user.pw_dir : "-");
	free(l->name);
	if (++answered == asked)
		event_base_loopexit(bufferevent_get_base(client), NULL);
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct bufferevent *client;
	struct bell_event bell;
	char answers[256] = "";
	int ends[2]; /* ours, the client's */

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0 ||
		dprintf(ends[1], "root\nnemo\n") < 0 || bell_queue_new(&q, LOOKUPS, 0) < 0)
		return 1;
	client = bufferevent_socket_new(base, ends[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client, on_lines, NULL, NULL, bufferevent_get_input(client));
	if (bufferevent_enable(client, EV_READ) < 0 ||
		bell_event_attach(&bell, base, q, 64, on_token, client) < 0)
		return 1;
	event_base_dispatch(base);
	bell_event_detach(&bell);
	bufferevent_free(client);
	event_base_free(base);
	bell_queue_unref(q);
	return read(ends[1], answers, sizeof(answers) - 1) < 0 || puts(answers) < 0 ||
	       !strstr(answers, "root: /") || !strstr(answers, "nemo: -\n");
}
