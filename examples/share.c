/* SPDX-License-Identifier: MIT
 *
 * share.c: lamps in one process, switches in others.
 *
 *	share lamps DIR			in one shell: a line for each lamp that is switched
 *	share switch DIR 3 5 3		in another: switches lamps; waits until there are any
 *
 * Without arguments it is both, in a directory of its own: a child switches, and the parent counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

enum { LAMPS = 10 };

/* Until a peer that said something has left, or for ever. Returns how many lamps were switched. */
static int lamps(struct bell_share *s, int for_ever)
{
	struct bell_share_event e[16];
	int switched = 0, left = 0;
	ssize_t n, i;

	while ((for_ever || !left) && ((n = bell_share_wait(s, e, 16, -1)) > 0 || n == -EINTR))
		for (i = 0; i < n; i++) {
			if (e[i].kind == BELL_SHARE_JOINED)
				printf("process %d of user %u is here\n", (int)e[i].pid,
					(unsigned)e[i].uid);
			if (e[i].kind == BELL_SHARE_TOKEN)
				printf("lamp %u\n", e[i].token);
			if (e[i].kind == BELL_SHARE_LEFT)
				printf("process %d has left\n", (int)e[i].pid);
			switched += e[i].kind == BELL_SHARE_TOKEN;
			left |= e[i].kind == BELL_SHARE_LEFT;
		}
	return switched;
}

static int switches(const char *dir, int argc, char **argv)
{
	struct bell_peer *p = NULL;
	int i, r = bell_peer_connect(&p, dir, "lamps", -1); /* waits until there are lamps */

	for (i = 0; i < argc && r >= 0; i++)
		r = bell_peer_notify(p, (uint32_t)strtoul(argv[i], NULL, 10));
	if (r < 0)
		fprintf(stderr, "%s\n", strerror(-r));
	bell_peer_free(p);
	return r < 0;
}

int main(int argc, char **argv)
{
	const struct bell_share_options options = {.capacity = LAMPS};
	char own[] = "lamps.XXXXXX", *words[] = {"3", "5", "7"}; /* in this directory */
	const char *dir = argc > 2 ? argv[2] : mkdtemp(own);
	struct bell_share *s;
	int switched, r;

	if (argc > 2 && strcmp(argv[1], "switch") == 0)
		return switches(dir, argc - 3, argv + 3);
	if (argc < 3 && fork() == 0)
		return switches(dir, 3, words);
	r = bell_share_new(&s, dir, "lamps", &options);
	if (r < 0)
		return fprintf(stderr, "%s\n", strerror(-r)), 1;
	switched = lamps(s, argc > 2);
	bell_share_free(s);
	rmdir(own);
	return wait(NULL) < 0 || switched == 3 ? 0 : 1;
}
