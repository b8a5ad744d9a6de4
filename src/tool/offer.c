/* SPDX-License-Identifier: MIT
 *
 * offer.c: doorbell offer: a receiver for shells. One thread, one poll(2) over the share, the signals and
 * the output.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dir.h"
#include "exec.h"
#include "names.h"
#include "tool.h"

#define AT_ONCE 64

static const struct option options[] = {
	OPTION_DIR, OPTION_TSV, OPTION_CAPACITY, OPTION_EXEC, OPTION_JOBS, OPTION_HELP, OPTION_END};

static void print_help(void)
{
	printf("usage: doorbell offer NAME [--capacity N] [--exec CMD] [--jobs N] [--tsv] [--dir "
	       "DIR]\n"
	       "\n"
	       "Be the receiver NAME: print a line for each peer that joins or leaves and for "
	       "each\n"
	       "token, until SIGINT or SIGTERM. doorbell notify in another shell is such a peer.\n"
	       "\n"
	       "  --capacity N  tokens are 0 to N - 1 (%d)\n"
	       "  --exec CMD    for each token run sh -c CMD with DOORBELL_TOKEN, DOORBELL_PEER "
	       "and\n"
	       "                DOORBELL_NAME set; one that fires while its command runs, however\n"
	       "                often, runs once more\n"
	       "  --jobs N      so many commands at once, of different tokens (1)\n"
	       "  --tsv         for scripts: columns by tabs, with a header\n"
	       "  --dir DIR     where names are ($XDG_RUNTIME_DIR/doorbell or /run/doorbell); its "
	       "last\n"
	       "                component is made if it is missing\n",
		BELL_SHARE_CAPACITY_DEFAULT);
}

static void print_event(const struct bell_share_event *e, bool tsv)
{
	static const char *const kinds[] = {[BELL_SHARE_TOKEN] = "token",
		[BELL_SHARE_JOINED] = "joined",
		[BELL_SHARE_LEFT] = "left"};
	const char *kind = kinds[e->kind];

	if (tsv && e->kind == BELL_SHARE_TOKEN)
		printf("%s\t%" PRIu64 "\t%" PRIu32 "\t\t\t\n", kind, e->peer, e->token);
	else if (tsv)
		printf("%s\t%" PRIu64 "\t\t%d\t%u\t%s\n", kind, e->peer, (int)e->pid,
			(unsigned)e->uid, e->reason ? strerror(-e->reason) : "");
	else if (e->kind == BELL_SHARE_TOKEN)
		printf("token %" PRIu32 " from %" PRIu64 "\n", e->token, e->peer);
	else if (e->kind == BELL_SHARE_JOINED)
		printf("joined %" PRIu64 " pid %d uid %u\n", e->peer, (int)e->pid,
			(unsigned)e->uid);
	else if (e->reason)
		printf("left %" PRIu64 " dropped: %s\n", e->peer, strerror(-e->reason));
	else
		printf("left %" PRIu64 "\n", e->peer);
}

/* Until a signal, or the output ends. Returns an exit status. */
static int serve(struct bell_share *s, int signals, struct runner *runner, bool tsv)
{
	struct bell_share_event events[AT_ONCE];
	int signal = 0, status = 0;
	ssize_t n, i;

	while (status == 0 && signal != SIGINT && signal != SIGTERM) {
		n = names_next(s, signals, INT64_MAX, events, AT_ONCE, &signal);
		if (n == -EPIPE)
			return tool_complain("nobody takes standard output any more.");
		for (i = 0; i < n; i++) {
			print_event(&events[i], tsv);
			if (runner && events[i].kind == BELL_SHARE_TOKEN)
				runner_add(runner, events[i].token, events[i].peer);
		}
		if (n > 0 && fflush(stdout) != 0)
			return TOOL_FAILED; /* main says why */
		if (runner && (n > 0 || signal == SIGCHLD))
			status = runner_run(runner);
	}
	return status;
}

static int offer(const struct names *a)
{
	const struct bell_share_options with = {.capacity = a->capacity};
	struct runner *runner = NULL;
	struct bell_share *s = NULL;
	int signals = names_signals(), status = TOOL_FAILED, error;

	if (signals < 0)
		return status;
	error = bell_share_new(&s, a->dir, a->name, &with);
	if (!error && a->exec) {
		runner = runner_new(a->exec, a->name, a->capacity, a->jobs);
		error = runner ? 0 : -ENOMEM;
	}
	if (error) {
		status = names_failed(a, error);
	} else {
		if (a->tsv)
			printf("event\tpeer\ttoken\tpid\tuid\treason\n");
		status = fflush(stdout) == 0 ? serve(s, signals, runner, a->tsv) : TOOL_FAILED;
	}
	bell_share_free(s);
	runner_free(runner);
	close(signals);
	return status;
}

int tool_offer(int argc, char **argv)
{
	static char name[] = "doorbell offer"; /* how getopt_long calls us */
	struct names a = {.capacity = BELL_SHARE_CAPACITY_DEFAULT, .jobs = 1};
	int status;

	argv[0] = name;
	status = names_parse(&a, options, "NAME", argc, argv);
	if (status == 0 && a.help) {
		print_help();
		return 0;
	}
	if (status == 0)
		status = tool_dir_make(a.dir);
	return status == 0 ? offer(&a) : status;
}
