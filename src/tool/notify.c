/* SPDX-License-Identifier: MIT
 *
 * notify.c: doorbell notify: connect, say which tokens are ready, and leave. All of it is delivered, for
 * what a peer said before it left always is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "dir.h"
#include "names.h"
#include "tool.h"

#define ANSWER (5 * SECOND) /* of a receiver that is there */

static const struct option options[] = {OPTION_DIR, OPTION_TIMEOUT, OPTION_HELP, OPTION_END};

static void print_help(void)
{
	printf("usage: doorbell notify NAME TOKEN... [--timeout SECONDS] [--dir DIR]\n"
	       "\n"
	       "Tell the receiver NAME that tokens are ready.\n"
	       "\n"
	       "  --timeout SECONDS  wait so long for a receiver to appear and to answer; without "
	       "it, or\n"
	       "                     with 0, there must be one, and it has %d seconds to answer\n"
	       "  --dir DIR          where names are ($XDG_RUNTIME_DIR/doorbell or "
	       "/run/doorbell)\n",
		(int)(ANSWER / SECOND));
}

/* Whether anybody is there is asked as an observer: a peer that connects and leaves would be seen. */
static int connect_to(const struct names *a, struct bell_peer **ret_p)
{
	struct bell_observer *o;
	int error;

	if (a->timeout > 0)
		return bell_peer_connect(ret_p, a->dir, a->name, a->timeout);
	error = bell_observer_new(&o, a->dir, a->name);
	if (error)
		return error;
	bell_observer_free(o);
	return bell_peer_connect(ret_p, a->dir, a->name, ANSWER);
}

static int notify(const struct names *a)
{
	struct bell_peer *p = NULL;
	uint32_t token = 0;
	int i, error = 0, status = 0;

	for (i = 0; i < a->n_rest && status == 0; i++)
		status = names_token(a->rest[i], &token);
	if (status == 0 && a->timeout > 0) /* there must be a directory to wait in */
		status = tool_dir_make(a->dir);
	if (status)
		return status;
	error = connect_to(a, &p);
	for (i = 0; i < a->n_rest && error == 0 && status == 0; i++) {
		(void)names_token(a->rest[i], &token); /* all were good */
		if (token >= bell_peer_capacity(p))
			status = tool_complain("tokens of '%s' are below %" PRIu32 ", and %" PRIu32
					       " is not.",
				a->name, bell_peer_capacity(p), token);
	}
	for (i = 0; i < a->n_rest && error == 0 && status == 0; i++) {
		(void)names_token(a->rest[i], &token);
		if (bell_peer_notify(p, token) < 0)
			error = -EPIPE;
	}
	bell_peer_free(p);
	return error ? names_failed(a, error) : status;
}

int tool_notify(int argc, char **argv)
{
	static char name[] = "doorbell notify"; /* how getopt_long calls us */
	struct names a = {0};
	int status;

	argv[0] = name;
	status = names_parse(&a, options, "NAME TOKEN...", argc, argv);
	if (status == 0 && a.help)
		print_help();
	return status || a.help ? status : notify(&a);
}
