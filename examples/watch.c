/* SPDX-License-Identifier: MIT
 *
 * watch.c: who is at work: a line for each receiver that appears in a directory or goes.
 *
 *	watch DIR		until DIR goes, or you have seen enough
 *
 * Without an argument it watches a directory of its own, where a child offers a name and is killed.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

/* Until something has gone, or for ever. Returns how many events there were. */
static int report(struct bell_watch *w, int for_ever)
{
	struct pollfd fd = {.fd = bell_watch_fd(w), .events = POLLIN};
	struct bell_watch_event e;
	int n = 0, gone = 0, r;

	do {
		poll(&fd, 1, -1);
		while ((r = bell_watch_next(w, &e)) == 1) {
			n++;
			gone = e.kind == BELL_WATCH_GONE;
			printf("%s, process %d: %s\n", e.name, (int)e.pid, gone ? "gone" : "here");
			if (e.kind == BELL_WATCH_APPEARED && !for_ever)
				kill(e.pid,
					SIGKILL); /* it leaves its name behind, and has gone all the same */
		}
	} while (r == 0 && (for_ever || !gone));
	return n;
}

static int offer(const char *dir)
{
	struct bell_share *s;

	if (bell_share_new(&s, dir, "worker", NULL) < 0)
		return 1;
	pause();
	bell_share_free(s);
	return 0;
}

int main(int argc, char **argv)
{
	char own[] = "watch.XXXXXX", name[64]; /* in this directory */
	const char *dir = argc > 1 ? argv[1] : mkdtemp(own);
	struct bell_watch *w;
	int n, r;

	if (argc < 2 && fork() == 0)
		return offer(dir);
	r = bell_watch_new(&w, dir);
	if (r < 0)
		return fprintf(stderr, "%s\n", strerror(-r)), 1;
	n = report(w, argc > 1);
	bell_watch_free(w);
	if (argc > 1)
		return 0;
	snprintf(name, sizeof(name), "%s/worker", own);
	unlink(name);
	rmdir(own);
	return wait(NULL) < 0 || n != 2;
}
