/* SPDX-License-Identifier: MIT
 *
 * pipe.c: an epoll loop and a pipe through which the token numbers go, the way of old.
 *
 * Conflation: an exchange on a flag for each token, without which the pipe would fill up; so as
 * long as all tokens fit into it no write blocks. Which fired: the numbers read. A write(2) for each new
 * token.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "rival.h"

#define AT_ONCE 1024

struct loop {
	struct receiver r;
	int epfd, in, out;
	uint8_t *flags;
};

static void loop_close(void *state)
{
	struct loop *s = state;

	close(s->epfd);
	close(s->in);
	close(s->out);
	free(s->flags);
	free(s);
}

static int loop_open(void **ret_state, const struct receiver *r)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct loop *s = calloc(1, sizeof(*s));
	int fds[2] = {-1, -1}, error = 0;

	if (!s)
		return -ENOMEM;
	s->r = *r;
	s->flags = calloc(r->tokens, 1);
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (!s->flags)
		error = -ENOMEM;
	else if (s->epfd < 0 || pipe2(fds, O_CLOEXEC) < 0 ||
		 fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ||
		 epoll_ctl(s->epfd, EPOLL_CTL_ADD, fds[0], &ev) < 0)
		error = -errno;
	else if (fcntl(fds[1], F_GETPIPE_SZ) < (int)(r->tokens * sizeof(uint32_t)))
		error = -ENOBUFS;
	s->in = fds[0];
	s->out = fds[1];
	if (error == 0)
		*ret_state = s;
	else
		loop_close(s);
	return error;
}

static void loop_notify(void *state, uint32_t token)
{
	struct loop *s = state;

	if (bell_exchange_acq_rel(&s->flags[token], 1))
		return;
	if (write(s->out, &token, sizeof(token)) != sizeof(token))
		abort();
}

static void loop_pass(struct loop *s, int timeout)
{
	struct epoll_event events[64];
	uint32_t tokens[AT_ONCE];
	ssize_t got, i;

	if (epoll_wait(s->epfd, events, 64, timeout) < 1)
		return;
	got = read(s->in, tokens, sizeof(tokens)) / (ssize_t)sizeof(uint32_t);
	for (i = 0; i < got; i++) {
		(void)bell_exchange_acq_rel(&s->flags[tokens[i]], 0);
		s->r.deliver(s->r.userdata, tokens[i]);
	}
}

static void loop_run(void *state)
{
	struct loop *s = state;

	while (!s->r.quit)
		loop_pass(s, -1);
}

static void loop_turn(void *state)
{
	loop_pass(state, 0);
}

static void loop_quit(void *state)
{
	struct loop *s = state;

	s->r.quit = true;
}

const struct rival rival_pipe = {.open = loop_open,
	.notify = loop_notify,
	.run = loop_run,
	.quit = loop_quit,
	.turn = loop_turn,
	.close = loop_close};
