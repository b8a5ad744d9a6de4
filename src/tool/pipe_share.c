/* SPDX-License-Identifier: MIT
 *
 * pipe_share.c: doorbell pipe --offer NAME: standard input to whoever attaches; and --attach NAME: what it
 * offers to standard output. The offering side is a loop of three descriptors: standard input, the pipe
 * for who comes, who goes, and room, and one for signals.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <doorbell.h>

#include "dir.h"
#include "pipe_share.h"
#include "tool.h"

#define READ_SIZE 65536
#define NS	  INT64_C(1000000000)

/* -- offering -------------------------------------------------------------------------------- */

struct source {
	struct bell_share_pipe *pipe;
	int signals;
	char bytes[READ_SIZE]; /* read, and from done to size not yet written */
	size_t size, done;
	bool ended; /* the input */
	bool had;   /* a reader */
	int status;
};

/* Into the pipe with what was read. When all readers have gone it waits for others. */
static void pour(struct source *s)
{
	ssize_t n = 0;

	while (s->done < s->size && n >= 0) {
		n = bell_share_pipe_write(s->pipe, s->bytes + s->done, s->size - s->done, 0);
		if (n > 0)
			s->done += (size_t)n;
	}
}

static void fill(struct source *s)
{
	ssize_t n = read(STDIN_FILENO, s->bytes, sizeof(s->bytes));

	if (n > 0) {
		s->size = (size_t)n;
		s->done = 0;
	} else if (n == 0) {
		s->ended = true;
		bell_share_pipe_close(s->pipe);
	} else if (errno != EINTR && errno != EAGAIN) {
		s->ended = true;
		s->status = tool_complain("cannot read standard input: %s.", strerror(errno));
		bell_share_pipe_set_error(s->pipe, EIO);
	}
}

/* Until the input has ended, and readers have come and gone. Returns the exit status. */
static int feed(struct source *s)
{
	struct pollfd fds[3] = {{.fd = bell_share_pipe_fd(s->pipe), .events = POLLIN},
		{.fd = s->signals, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;

	for (;;) {
		const int readers = bell_share_pipe_serve(s->pipe);
		bool may_sleep, empty;

		s->had |= readers > 0;
		pour(s);
		empty = s->done == s->size;
		if (s->ended && empty && s->had && readers == 0)
			return s->status;
		may_sleep = bell_share_pipe_arm(s->pipe, empty ? 0 : 1) == 1;
		fds[2].fd = empty && !s->ended ? STDIN_FILENO : -1;
		fds[2].revents = 0;
		if (poll(fds, 3, may_sleep ? -1 : 0) <= 0)
			continue;
		if (fds[1].revents && read(s->signals, &info, sizeof(info)) == sizeof(info)) {
			bell_share_pipe_set_error(s->pipe, ECANCELED);
			tool_complain("interrupted.");
			return 128 + (int)info.ssi_signo;
		}
		if (fds[2].revents)
			fill(s);
	}
}

static int offer(const struct crossing *c, const char *dir)
{
	const struct bell_pipe_options options = {
		.capacity = c->capacity, .policy = c->policy, .max_readers = 256};
	static struct source s;
	sigset_t signals;
	int r = tool_dir_make(dir), status;

	if (r)
		return r;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	s.signals = signalfd(-1, &signals, SFD_CLOEXEC);
	r = s.signals < 0 ? -errno
			  : bell_share_pipe_new(&s.pipe, dir, c->offer, &options, NULL);
	if (r < 0) {
		if (s.signals >= 0)
			close(s.signals);
		return tool_complain("cannot offer %s in %s: %s.", c->offer, dir, strerror(-r));
	}
	status = feed(&s);
	bell_share_pipe_free(s.pipe);
	close(s.signals);
	return status;
}

/* -- attaching ------------------------------------------------------------------------------- */

static int write_all(const char *buf, size_t n)
{
	size_t done = 0;
	ssize_t w;

	while (done < n) {
		w = write(STDOUT_FILENO, buf + done, n - done);
		if (w < 0 && errno != EINTR)
			return tool_complain(
				"cannot write to standard output: %s.", strerror(errno));
		done += w > 0 ? (size_t)w : 0;
	}
	return 0;
}

static int attach(const struct crossing *c, const char *dir)
{
	static char buf[READ_SIZE];
	struct bell_share_reader *r;
	ssize_t n;
	int status = c->dir ? 0 : tool_dir_make(dir); /* to wait in it for who offers */

	if (status)
		return status;
	n = bell_share_reader_connect(&r, dir, c->attach, c->timeout ? c->timeout * NS : -1);
	if (n < 0)
		return tool_complain(
			"cannot attach to %s in %s: %s.", c->attach, dir, strerror((int)-n));
	while (status == 0) {
		n = bell_share_reader_wait(r, buf, sizeof(buf), -1);
		if (n > 0)
			status = write_all(buf, (size_t)n);
		else if (n != -EOVERFLOW && n != -EINTR)
			break;
	}
	if (bell_share_reader_lost(r) > 0)
		tool_complain("lost %" PRIu64 " bytes.", bell_share_reader_lost(r));
	if (status == 0 && n == -ECONNRESET)
		status = tool_complain("the writer died before the end.");
	else if (status == 0 && n < 0)
		status = tool_complain("the writer ended with an error: %s.", strerror((int)-n));
	bell_share_reader_free(r);
	return status;
}

int pipe_cross(const struct crossing *c)
{
	char dir[PATH_MAX];
	int status;

	if ((c->offer && c->attach) || c->readers || (c->attach && (c->capacity || c->policy)) ||
		(c->offer && c->timeout) || (!c->offer && !c->attach)) {
		tool_complain("pipe has options for use within one process, for --offer, and for "
			      "--attach; these do not go together.");
		return TOOL_USAGE;
	}
	if (c->policy == BELL_PIPE_GROW) {
		tool_complain("--policy is block or lap with --offer.");
		return TOOL_USAGE;
	}
	status = tool_dir(c->dir, dir, sizeof(dir));
	if (status)
		return status;
	return c->offer ? offer(c, dir) : attach(c, dir);
}
