/* SPDX-License-Identifier: MIT
 *
 * wait.c: doorbell wait: be a receiver until one of some tokens fires.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dir.h"
#include "names.h"
#include "tool.h"

#define AT_ONCE 64

static const struct option options[] = {OPTION_DIR, OPTION_TIMEOUT, OPTION_HELP, OPTION_END};

static void print_help(void)
{
	printf("usage: doorbell wait NAME TOKEN... [--timeout SECONDS] [--dir DIR]\n"
	       "\n"
	       "Be the receiver NAME until one of the tokens fires, and print which. The status is "
	       "0\n"
	       "then, and %d if the time was over before.\n"
	       "\n"
	       "  --timeout SECONDS  wait no longer; without it, for ever\n"
	       "  --dir DIR          where names are ($XDG_RUNTIME_DIR/doorbell or /run/doorbell); "
	       "its\n"
	       "                     last component is made if it is missing\n",
		TOOL_TIMEOUT);
}

static bool is_wanted(const uint32_t *tokens, int n, const struct bell_share_event *e)
{
	int i;

	for (i = 0; i < n && e->kind == BELL_SHARE_TOKEN; i++)
		if (tokens[i] == e->token)
			return true;
	return false;
}

/* Returns an exit status. */
static int await(
	struct bell_share *s, int signals, int64_t deadline, const uint32_t *tokens, int n_tokens)
{
	struct bell_share_event events[AT_ONCE];
	int signal = 0;
	ssize_t n, i;

	for (;;) {
		n = names_next(s, signals, deadline, events, AT_ONCE, &signal);
		for (i = 0; i < n; i++)
			if (is_wanted(tokens, n_tokens, &events[i])) {
				printf("%" PRIu32 "\n", events[i].token);
				return 0;
			}
		if (n == -ETIMEDOUT)
			return TOOL_TIMEOUT;
		if (n == -EPIPE)
			return tool_complain("nobody takes standard output any more.");
		if (signal == SIGINT || signal == SIGTERM)
			return 128 + signal;
	}
}

static int wait_for(const struct names *a, const uint32_t *tokens, uint32_t most)
{
	const int64_t deadline = a->timeout < 0 ? INT64_MAX : names_now() + a->timeout;
	const struct bell_share_options with = {.capacity = most < BELL_SHARE_CAPACITY_DEFAULT
								    ? BELL_SHARE_CAPACITY_DEFAULT
								    : most + 1};
	struct bell_share *s;
	int signals = names_signals(), status = TOOL_FAILED, error;

	if (signals < 0)
		return status;
	error = bell_share_new(&s, a->dir, a->name, &with);
	if (error) {
		status = names_failed(a, error);
	} else {
		status = await(s, signals, deadline, tokens, a->n_rest);
		bell_share_free(s);
	}
	close(signals);
	return status;
}

static int parse_and_wait(const struct names *a)
{
	uint32_t *tokens = calloc((size_t)a->n_rest, sizeof(*tokens)), most = 0;
	int i, status = 0;

	if (!tokens)
		return tool_complain("no memory.");
	for (i = 0; i < a->n_rest && status == 0; i++) {
		status = names_token(a->rest[i], &tokens[i]);
		most = tokens[i] > most ? tokens[i] : most;
	}
	if (status == 0)
		status = tool_dir_make(a->dir);
	if (status == 0)
		status = wait_for(a, tokens, most);
	free(tokens);
	return status;
}

int tool_wait(int argc, char **argv)
{
	static char name[] = "doorbell wait"; /* how getopt_long calls us */
	struct names a = {0};
	int status;

	argv[0] = name;
	status = names_parse(&a, options, "NAME TOKEN...", argc, argv);
	if (status == 0 && a.help)
		print_help();
	return status || a.help ? status : parse_and_wait(&a);
}
