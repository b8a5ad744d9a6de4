/* SPDX-License-Identifier: MIT
 *
 * watch.h: a watch, as its two files know it: scan.c finds out who is there, watch.c tells of changes.
 */
#ifndef IPC_WATCH_H
#define IPC_WATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include <doorbell/watch.h>

/* A receiver that was found. */
struct bell__entry {
	char name[BELL_SHARE_NAME_MAX + 1];
	struct stat file;
	pid_t pid;
	uid_t uid;
	int fd;	    /* the connection; -1: there can be none */
	bool heard; /* its hello: nothing more is read */
	bool told;
	bool seen;		  /* by this scan */
	struct bell__entry *next; /* among the gone */
};

struct bell_watch {
	int epfd, inotify, kick;
	DIR *dir;
	uid_t owner;	   /* of the directory */
	int names, parent; /* inotify's numbers */
	bool dirty;	   /* scan again */
	bool lost;	   /* the directory */
	bool kicked;
	struct bell__entry **entries; /* by name */
	size_t n, room;
	size_t told;		  /* those below it are */
	struct bell__entry *gone; /* to be told, before the entries */
};

int bell__watch_add(struct bell_watch *w, int fd, uint32_t events, void *about);
/* Where a name is among the entries, or would be. */
bool bell__watch_find(const struct bell_watch *w, const char *name, size_t *ret_at);
/* Have no connection to it any more. */
void bell__watch_hang_up(struct bell_watch *w, struct bell__entry *e);
/* The receiver has the name no more. */
void bell__watch_bury(struct bell_watch *w, size_t at);
/* Compare the directory with the entries. */
int bell__watch_scan(struct bell_watch *w);

#endif
