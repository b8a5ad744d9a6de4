/* SPDX-License-Identifier: MIT
 *
 * names.h: what the commands about names share: offer, notify, wait, ls, stat.
 */
#ifndef TOOL_NAMES_H
#define TOOL_NAMES_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <doorbell.h>

#define SECOND	  INT64_C(1000000000)
#define PATH_MOST 4096
#define USER_MOST 64 /* of a user's name that is shown */

/* What a command was given. */
struct names {
	bool own_dir; /* --dir */
	char dir[PATH_MOST];
	const char *name; /* NULL: the command takes none */
	char **rest;	  /* behind it */
	int n_rest;
	const char *exec;
	uint32_t capacity, jobs;
	int64_t timeout;  /* ns; -1: not given */
	int64_t interval; /* ns; 0: not given */
	bool tsv, help;
};

/* The options, for the tables of the commands. */
#define OPTION_DIR                                  \
	{                                           \
		"dir", required_argument, NULL, 'd' \
	}
#define OPTION_TSV                            \
	{                                     \
		"tsv", no_argument, NULL, 't' \
	}
#define OPTION_TIMEOUT                                  \
	{                                               \
		"timeout", required_argument, NULL, 's' \
	}
#define OPTION_CAPACITY                                  \
	{                                                \
		"capacity", required_argument, NULL, 'c' \
	}
#define OPTION_EXEC                                  \
	{                                            \
		"exec", required_argument, NULL, 'x' \
	}
#define OPTION_JOBS                                  \
	{                                            \
		"jobs", required_argument, NULL, 'j' \
	}
#define OPTION_WATCH                                  \
	{                                             \
		"watch", optional_argument, NULL, 'w' \
	}
#define OPTION_HELP                            \
	{                                      \
		"help", no_argument, NULL, 'h' \
	}
#define OPTION_END               \
	{                        \
		NULL, 0, NULL, 0 \
	}

/* usage: as in "NAME TOKEN..."; begins with "NAME" if there is one. 0, or an exit status after a
 * complaint. */
int names_parse(
	struct names *a, const struct option *options, const char *usage, int argc, char **argv);

/* A token. 0, or an exit status after a complaint. */
int names_token(const char *text, uint32_t *ret_token);

/* Why a call about the name failed, in a sentence. Returns TOOL_FAILED. */
int names_failed(const struct names *a, int error);

/* The user's name, or the number. ret has room for USER_MOST. */
const char *names_user(uid_t uid, char *ret);

/* On CLOCK_MONOTONIC, in ns. */
int64_t names_now(void);

/* SIGINT, SIGTERM and SIGCHLD come by this descriptor from now on. -1: after a complaint. */
int names_signals(void);

/* Up to max events of a share, and if there are none, sleep until the deadline; INT64_MAX: none. Returns
 * how many; 0: look again, or a signal came, and is in *signal; -ETIMEDOUT; -EPIPE: nobody takes our
 * output. */
ssize_t names_next(struct bell_share *s, int signals, int64_t deadline,
	struct bell_share_event *ret_events, size_t max, int *signal);

#endif
