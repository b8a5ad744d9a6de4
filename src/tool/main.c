/* SPDX-License-Identifier: MIT
 *
 * main.c: the doorbell command: a table of subcommands, and what holds for all of them: nothing is
 * taken for written until stdout has been flushed, and no file that is opened becomes fd 0, 1 or 2.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorbell.h>

#include "tool.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{"demo", tool_demo, "serve the lines of files over TCP, and show what the bell saves"},
	{"pipe", tool_pipe, "give standard input to several readers, each at its own pace"},
	{"offer", tool_offer, "be a receiver: a line, or a command, for each token"},
	{"notify", tool_notify, "tell a receiver that tokens are ready"},
	{"wait", tool_wait, "wait until somebody tells that a token is ready"},
	{"ls", tool_ls, "list receivers: who they are, and whether they live"},
	{"stat", tool_stat, "show a receiver's counters"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int tool_complain(const char *format, ...)
{
	char sentence[512];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	fprintf(stderr, "doorbell: %s\n", sentence);
	return TOOL_FAILED;
}

int tool_parse_number(const char *option, const char *text, uint32_t max, uint32_t *ret_n)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10); /* ULONG_MAX, if it is too large */

	if (!isdigit((unsigned char)text[0]) || *end || n < 1 || n > max) {
		tool_complain("%s is a number from 1 to %u, not '%s'.", option, max, text);
		return TOOL_USAGE;
	}
	*ret_n = (uint32_t)n;
	return 0;
}

static void print_commands(void)
{
	size_t i;

	printf("usage: doorbell [--help | --version] COMMAND [ARGUMENT...]\n\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].what);
	printf("\ndoorbell COMMAND --help says more of a command, doorbell(1) of all of them.\n");
}

static int run_command(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc, argv);
	tool_complain("there is no command '%s'; doorbell --help lists them.", argv[0]);
	return TOOL_USAGE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};

	switch (getopt_long(argc, argv, "+hV", options, NULL)) {
	case 'h':
		print_commands();
		return 0;
	case 'V':
		printf("doorbell %s\n", bell_version());
		return 0;
	case '?':
		return TOOL_USAGE;
	}
	if (optind < argc)
		return run_command(argc - optind, argv + optind);
	print_commands();
	return 0;
}

/* A socket that became fd 1 would be sent our table. Returns false if stdout is closed. */
static bool open_standard_fds(void)
{
	bool writable = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* the lowest that is free */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return writable;
}

int main(int argc, char **argv)
{
	static char name[] = "doorbell"; /* how getopt_long calls us */
	int status;

	if (!open_standard_fds())
		return tool_complain("standard output is closed.");
	signal(SIGPIPE, SIG_IGN);
	if (argc > 0)
		argv[0] = name;
	status = run(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout))
		return tool_complain("cannot write to standard output: %s.", strerror(errno));
	return status;
}
