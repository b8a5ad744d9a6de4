/* SPDX-License-Identifier: MIT
 *
 * stat.c: doorbell stat: a receiver's counters, once or again and again.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "names.h"
#include "tool.h"

#define ANSWER (5 * SECOND)
#define AGAIN \
	(SECOND / 50) /* it may have been writing just then, and nothing says when it is done */

static const struct option options[] = {
	OPTION_DIR, OPTION_TSV, OPTION_TIMEOUT, OPTION_WATCH, OPTION_HELP, OPTION_END};

static void print_help(void)
{
	printf("usage: doorbell stat NAME [--watch[=SECONDS]] [--timeout SECONDS] [--tsv] [--dir "
	       "DIR]\n"
	       "\n"
	       "Show the counters of the receiver NAME, and a row for each of its peers.\n"
	       "\n"
	       "  --watch[=SECONDS]  again every so often (1), until it has gone\n"
	       "  --timeout SECONDS  give it so long to answer (%d)\n"
	       "  --tsv              for scripts: columns by tabs, with a header\n"
	       "  --dir DIR          where names are ($XDG_RUNTIME_DIR/doorbell or "
	       "/run/doorbell)\n",
		(int)(ANSWER / SECOND));
}

static void sleep_on(const struct bell_observer *o, int64_t ns)
{
	struct pollfd fds[] = {
		{.fd = bell_observer_fd(o), .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};

	(void)ppoll(fds, 2,
		&(struct timespec){.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)},
		NULL);
}

/* The counters, in time. */
static int read_in_time(struct bell_observer *o, int64_t timeout, struct bell_share_stats *ret)
{
	const int64_t deadline = names_now() + timeout;
	int64_t left = timeout;
	int error;

	while ((error = bell_observer_read(o, ret)) == -EAGAIN && left > 0) {
		sleep_on(o, left < AGAIN ? left : AGAIN);
		left = deadline - names_now();
	}
	return error;
}

static void print_totals(
	const struct names *a, const struct bell_observer *o, const struct bell_share_stats *s)
{
	char user[USER_MOST];
	pid_t pid;
	uid_t uid;

	bell_observer_owner(o, &pid, &uid);
	if (a->tsv) {
		printf("total\t%d\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
		       "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
			(int)pid, (unsigned)uid, s->notified, s->conflated, s->delivered, s->rings,
			s->wakes, s->arms, s->strays, s->holes);
		return;
	}
	printf("%s: pid %d, user %s\n", a->name, (int)pid, names_user(uid, user));
	printf("  %-10s %" PRIu64 " (%" PRIu64 " joined, %" PRIu64 " left, %" PRIu64
	       " of these dropped), %" PRIu64 " observers\n",
		"peers", s->peers, s->joined, s->left, s->dropped, s->observers);
	printf("  %-10s %" PRIu64 " denied, %" PRIu64 " full, %" PRIu64 " exhausted\n", "refused",
		s->denied, s->full, s->exhausted);
	printf("  %-10s %" PRIu64 "\n", "notified", s->notified);
	printf("  %-10s %" PRIu64 "\n", "conflated", s->conflated);
	printf("  %-10s %" PRIu64 "\n", "delivered", s->delivered);
	printf("  %-10s %" PRIu64 " (%" PRIu64 " strays)\n", "rings", s->rings, s->strays);
	printf("  %-10s %" PRIu64 "\n", "wakes", s->wakes);
}

static void print_peer(const struct names *a, const struct bell_share_peer_stats *p)
{
	char user[USER_MOST];

	if (a->tsv)
		printf("%" PRIu64 "\t%d\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
		       "\t\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
			p->peer, (int)p->pid, (unsigned)p->uid, p->notified, p->conflated,
			p->delivered, p->rings, p->arms, p->strays, p->holes);
	else
		printf("%6" PRIu64 " %7d  %-12s %12" PRIu64 " %12" PRIu64 " %12" PRIu64
		       " %10" PRIu64 "\n",
			p->peer, (int)p->pid, names_user(p->uid, user), p->notified, p->conflated,
			p->delivered, p->rings);
}

static int show(const struct names *a, struct bell_observer *o, bool first)
{
	struct bell_share_peer_stats peer;
	struct bell_share_stats stats;
	uint32_t i;
	int r, error = read_in_time(o, a->timeout < 0 ? ANSWER : a->timeout, &stats);

	if (error)
		return error;
	if (a->tsv && first)
		printf("peer\tpid\tuid\tnotified\tconflated\tdelivered\trings\twakes\tarms\tstrays"
		       "\tholes\n");
	else if (a->interval && isatty(STDOUT_FILENO))
		printf("\033[H\033[J"); /* a clean screen */
	print_totals(a, o, &stats);
	if (!a->tsv && stats.peers > 0)
		printf("%6s %7s  %-12s %12s %12s %12s %10s\n", "PEER", "PID", "USER", "NOTIFIED",
			"CONFLATED", "DELIVERED", "RINGS");
	for (i = 0; (r = bell_observer_peer(o, i, &peer)) != -EINVAL; i++)
		if (r == 0)
			print_peer(a, &peer);
	return fflush(stdout) == 0 ? 0 : -EIO;
}

static int stat_name(const struct names *a)
{
	struct bell_observer *o;
	int status = 0, error = bell_observer_new(&o, a->dir, a->name);
	bool first = true;

	if (error)
		return names_failed(a, error);
	while ((error = show(a, o, first)) == 0 && a->interval) {
		first = false;
		sleep_on(o, a->interval);
	}
	if (error == -EIO) /* main says why */
		status = TOOL_FAILED;
	else if (error && !(error == -EPIPE && !first)) /* its end ends a watch */
		status = names_failed(a, error);
	bell_observer_free(o);
	return status;
}

int tool_stat(int argc, char **argv)
{
	static char name[] = "doorbell stat"; /* how getopt_long calls us */
	struct names a = {0};
	int status;

	argv[0] = name;
	status = names_parse(&a, options, "NAME", argc, argv);
	if (status == 0 && a.help)
		print_help();
	return status || a.help ? status : stat_name(&a);
}
