/* SPDX-License-Identifier: MIT
 *
 * ls.c: doorbell ls: the names of a directory, dead ones too. Each that lives is observed and given a
 * moment to answer, all of them the same moment.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "names.h"
#include "tool.h"

#define ANSWER SECOND
#define AGAIN \
	(SECOND / 50) /* it may have been writing just then, and nothing says when it is done */

static const struct option options[] = {
	OPTION_DIR, OPTION_TSV, OPTION_TIMEOUT, OPTION_HELP, OPTION_END};

struct row {
	char name[BELL_SHARE_NAME_MAX + 1];
	bool alive, answered;
	pid_t pid; /* 0: not known */
	uid_t uid;
	uint64_t peers;
	struct bell_observer *observer;
};

struct list {
	struct row *rows;
	size_t n, room;
};

static void print_help(void)
{
	printf("usage: doorbell ls [--timeout SECONDS] [--tsv] [--dir DIR]\n"
	       "\n"
	       "List the receivers of a directory: who offers each, how many peers it has, and "
	       "whether\n"
	       "it lives.\n"
	       "\n"
	       "  --timeout SECONDS  give them so long to say how many peers they have (%d)\n"
	       "  --tsv              for scripts: columns by tabs, with a header\n"
	       "  --dir DIR          where names are ($XDG_RUNTIME_DIR/doorbell or "
	       "/run/doorbell)\n",
		(int)(ANSWER / SECOND));
}

static int add(struct list *l, const struct row *row)
{
	if (l->n == l->room) {
		const size_t room = l->room ? 2 * l->room : 16;
		struct row *rows = realloc(l->rows, room * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		l->rows = rows;
		l->room = room;
	}
	l->rows[l->n++] = *row;
	return 0;
}

/* A socket of the directory. */
static int meet(struct list *l, const char *dir, const char *name, uid_t owner)
{
	struct row row = {.uid = owner};
	int error;

	if (strlen(name) > BELL_SHARE_NAME_MAX)
		return 0;
	error = bell_observer_new(&row.observer, dir, name);
	if (error == -EINVAL || error == -EPROTOTYPE) /* no receiver's */
		return 0;
	row.alive = error != -ENOENT;
	if (error == 0)
		bell_observer_owner(row.observer, &row.pid, &row.uid);
	strcpy(row.name, name);
	error = add(l, &row);
	if (error)
		bell_observer_free(row.observer);
	return error;
}

static int collect(struct list *l, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	struct stat st;
	int error = 0;

	if (!dir)
		return -errno;
	while (error == 0) {
		errno = 0;
		d = readdir(dir);
		if (!d) {
			error = -errno;
			break;
		}
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISSOCK(st.st_mode))
			error = meet(l, path, d->d_name, st.st_uid);
	}
	closedir(dir);
	return error;
}

/* True: it will say no more. */
static bool ask(struct row *row)
{
	struct bell_share_stats stats;
	int error = bell_observer_read(row->observer, &stats);

	if (error == -EAGAIN)
		return false;
	row->answered = error == 0;
	row->peers = error == 0 ? stats.peers : 0;
	row->alive = error != -EPIPE;
	row->observer = bell_observer_free(row->observer);
	return true;
}

static int await_answers(struct list *l, int64_t timeout)
{
	const int64_t deadline = names_now() + timeout;
	struct pollfd *fds = calloc(l->n + 1, sizeof(*fds));
	int64_t left = timeout;
	nfds_t n;
	size_t i;

	if (!fds)
		return -ENOMEM;
	for (;;) {
		for (i = 0, n = 0; i < l->n; i++)
			if (l->rows[i].observer && !ask(&l->rows[i]))
				fds[n++] =
					(struct pollfd){.fd = bell_observer_fd(l->rows[i].observer),
						.events = POLLIN};
		if (n == 0 || left <= 0)
			break;
		(void)ppoll(fds, n,
			&(struct timespec){.tv_nsec = (long)(left < AGAIN ? left : AGAIN)}, NULL);
		left = deadline - names_now();
	}
	free(fds);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static void print_rows(const struct list *l, bool tsv)
{
	char user[USER_MOST], pid[16], peers[24];
	int width = 4;
	size_t i;

	for (i = 0; i < l->n; i++)
		width = (int)strlen(l->rows[i].name) > width ? (int)strlen(l->rows[i].name) : width;
	if (tsv)
		printf("name\tpid\tuid\tpeers\talive\n");
	else if (l->n)
		printf("%-*s  %7s  %-12s %5s  %s\n", width, "NAME", "PID", "USER", "PEERS",
			"ALIVE");
	for (i = 0; i < l->n; i++) {
		const struct row *r = &l->rows[i];
		const char *alive = r->alive ? "yes" : "no";

		strcpy(pid, "-");
		strcpy(peers, "-");
		if (r->pid)
			snprintf(pid, sizeof(pid), "%d", (int)r->pid);
		if (r->answered)
			snprintf(peers, sizeof(peers), "%" PRIu64, r->peers);
		if (tsv)
			printf("%s\t%s\t%u\t%s\t%s\n", r->name, pid, (unsigned)r->uid, peers,
				alive);
		else
			printf("%-*s  %7s  %-12s %5s  %s\n", width, r->name, pid,
				names_user(r->uid, user), peers, alive);
	}
}

static int list(const struct names *a)
{
	struct list l = {0};
	int error = collect(&l, a->dir);
	size_t i;

	if (error == -ENOENT && !a->own_dir) /* nobody has offered anything yet */
		error = 0;
	if (!error)
		error = await_answers(&l, a->timeout < 0 ? ANSWER : a->timeout);
	if (!error) {
		if (l.n)
			qsort(l.rows, l.n, sizeof(*l.rows), by_name);
		print_rows(&l, a->tsv);
	}
	for (i = 0; i < l.n; i++)
		bell_observer_free(l.rows[i].observer);
	free(l.rows);
	return error ? tool_complain("cannot list %s: %s.", a->dir, strerror(-error)) : 0;
}

int tool_ls(int argc, char **argv)
{
	static char name[] = "doorbell ls"; /* how getopt_long calls us */
	struct names a = {0};
	int status;

	argv[0] = name;
	status = names_parse(&a, options, "", argc, argv);
	if (status == 0 && a.help)
		print_help();
	return status || a.help ? status : list(&a);
}
