/* SPDX-License-Identifier: MIT
 *
 * names.c: arguments, errors and sleep of the commands about names.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dir.h"
#include "names.h"
#include "tool.h"

#define SECONDS_MOST 1e9
#define JOBS_MOST    1000

static int parse_seconds(const char *option, const char *text, int64_t *ret_ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!isdigit((unsigned char)text[0]) || *end || !(seconds <= SECONDS_MOST)) {
		tool_complain("%s is a number of seconds, not '%s'.", option, text);
		return TOOL_USAGE;
	}
	*ret_ns = (int64_t)(seconds * (double)SECOND);
	return 0;
}

static int parse_option(struct names *a, int option, const char **dir)
{
	switch (option) {
	case 'd':
		*dir = optarg;
		return 0;
	case 't':
		a->tsv = true;
		return 0;
	case 'h':
		a->help = true;
		return 0;
	case 's':
		return parse_seconds("--timeout", optarg, &a->timeout);
	case 'c':
		return tool_parse_number(
			"--capacity", optarg, BELL_SHARE_CAPACITY_MAX, &a->capacity);
	case 'x':
		a->exec = optarg;
		return 0;
	case 'j':
		return tool_parse_number("--jobs", optarg, JOBS_MOST, &a->jobs);
	case 'w':
		return parse_seconds("--watch", optarg ? optarg : "1", &a->interval);
	default:
		return TOOL_USAGE;
	}
}

/* What stands behind the options. */
static int parse_rest(struct names *a, const char *usage, int argc, char **argv)
{
	const bool named = strncmp(usage, "NAME", 4) == 0, more = strchr(usage, ' ') != NULL;

	if (named && argc > 0) {
		a->name = argv[0];
		argc--;
		argv++;
	}
	a->rest = argv;
	a->n_rest = argc;
	if ((named && !a->name) || (more && argc == 0)) {
		tool_complain("the arguments are %s; --help says more.", usage);
		return TOOL_USAGE;
	}
	if (!more && argc > 0) {
		tool_complain("there is nothing to do with '%s'; --help says more.", argv[0]);
		return TOOL_USAGE;
	}
	return 0;
}

int names_parse(
	struct names *a, const struct option *options, const char *usage, int argc, char **argv)
{
	const char *dir = NULL;
	int option, status = 0;

	a->timeout = -1;
	optind = 0; /* main has used it */
	while (status == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		status = parse_option(a, option, &dir);
	if (status == 0 && !a->help)
		status = parse_rest(a, usage, argc - optind, argv + optind);
	a->own_dir = dir != NULL;
	return status == 0 ? tool_dir(dir, a->dir, sizeof(a->dir)) : status;
}

int names_token(const char *text, uint32_t *ret_token)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10); /* ULONG_MAX, if it is too large */

	if (!isdigit((unsigned char)text[0]) || *end || n >= BELL_SHARE_CAPACITY_MAX) {
		tool_complain("a token is a number from 0 to %u, not '%s'.",
			BELL_SHARE_CAPACITY_MAX - 1, text);
		return TOOL_USAGE;
	}
	*ret_token = (uint32_t)n;
	return 0;
}

int names_failed(const struct names *a, int error)
{
	const char *name = a->name, *dir = a->dir;

	switch (error) {
	case -EINVAL:
		tool_complain("'%s' is no name: 1 to %d bytes without '/' and control characters, "
			      "and no dot first.",
			name, BELL_SHARE_NAME_MAX);
		return TOOL_USAGE;
	case -EADDRINUSE:
		return tool_complain("'%s' in %s is somebody else's already.", name, dir);
	case -EPERM:
		return tool_complain(
			"%s is not safe: others may write to it, or it is theirs.", dir);
	case -ENOENT:
		return tool_complain("nobody offers '%s' in %s.", name, dir);
	case -ETIMEDOUT:
	case -EAGAIN:
		return tool_complain("'%s' in %s does not answer.", name, dir);
	case -EACCES:
		return tool_complain("'%s' in %s is not for this user.", name, dir);
	case -EUSERS:
		return tool_complain("'%s' in %s has no place left.", name, dir);
	case -EPIPE:
		return tool_complain("who offered '%s' in %s has gone.", name, dir);
	default:
		return tool_complain("'%s' in %s: %s.", name, dir, strerror(-error));
	}
}

const char *names_user(uid_t uid, char *ret)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(ret, USER_MOST, "%s", user->pw_name);
	else
		snprintf(ret, USER_MOST, "%u", (unsigned)uid);
	return ret;
}

int64_t names_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

int names_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A shell without job control has us ignore it, and an ignored signal does not come. */
	signal(SIGINT, SIG_DFL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		tool_complain("cannot wait for signals: %s.", strerror(errno));
	return fd;
}

static int taken_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

ssize_t names_next(struct bell_share *s, int signals, int64_t deadline,
	struct bell_share_event *ret_events, size_t max, int *signal)
{
	/* Output is asked for nothing: it says by itself that nobody reads it any more. */
	struct pollfd fds[] = {{.fd = bell_share_fd(s), .events = POLLIN},
		{.fd = signals, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
	ssize_t n = bell_share_poll(s, ret_events, max);
	const bool may_sleep = n == 0 && bell_share_arm(s) == 1;
	int64_t left = may_sleep && deadline != INT64_MAX ? deadline - names_now() : 0;
	struct timespec timeout;

	if (left < 0)
		left = 0;
	timeout = (struct timespec){
		.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};
	(void)ppoll(fds, 3, may_sleep && deadline == INT64_MAX ? NULL : &timeout, NULL);
	*signal = fds[1].revents ? taken_signal(signals) : 0;
	if (n > 0)
		return n;
	if (fds[2].revents & (POLLERR | POLLHUP))
		return -EPIPE;
	return may_sleep && !fds[0].revents && !*signal && deadline != INT64_MAX &&
			       names_now() >= deadline
		       ? -ETIMEDOUT
		       : 0;
}
