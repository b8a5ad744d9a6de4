/* SPDX-License-Identifier: MIT
 *
 * scan.c: who is there: the entries of a watch, and how a scan of the directory brings them up to date.
 *
 * A receiver's socket keeps the number of its file from being given to another as long as it lives, so a
 * file and a connection that are both as they were are the same receiver.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ipc/ipc.h"
#include "ipc/watch.h"

int bell__watch_add(struct bell_watch *w, int fd, uint32_t events, void *about)
{
	struct epoll_event event = {.events = events, .data.ptr = about};

	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* -- entries ---------------------------------------------------------------------------------- */

bool bell__watch_find(const struct bell_watch *w, const char *name, size_t *ret_at)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(w->entries[middle]->name, name);

		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

void bell__watch_hang_up(struct bell_watch *w, struct bell__entry *e)
{
	if (e->fd < 0)
		return;
	(void)epoll_ctl(w->epfd, EPOLL_CTL_DEL, e->fd, NULL); /* a forked child may have a copy */
	close(e->fd);
	e->fd = -1;
}

void bell__watch_bury(struct bell_watch *w, size_t at)
{
	struct bell__entry *e = w->entries[at];

	memmove(&w->entries[at], &w->entries[at + 1], (--w->n - at) * sizeof(*w->entries));
	w->told -= at < w->told;
	bell__watch_hang_up(w, e);
	e->next = w->gone;
	w->gone = e;
}

static int insert(struct bell_watch *w, size_t at, const struct bell__entry *model)
{
	struct bell__entry *e;

	if (w->n == w->room) {
		const size_t room = w->room ? 2 * w->room : 16;
		struct bell__entry **entries = realloc(w->entries, room * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		w->entries = entries;
		w->room = room;
	}
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = *model;
	memmove(&w->entries[at + 1], &w->entries[at], (w->n++ - at) * sizeof(*w->entries));
	w->entries[at] = e;
	w->told = w->told < at ? w->told : at;
	return 0;
}

/* -- what is there ---------------------------------------------------------------------------- */

static bool is_same_file(const struct bell__entry *e, const struct stat *st)
{
	if (e->file.st_dev != st->st_dev || e->file.st_ino != st->st_ino)
		return false;
	return e->fd >= 0 || (e->file.st_ctim.tv_sec == st->st_ctim.tv_sec &&
				     e->file.st_ctim.tv_nsec == st->st_ctim.tv_nsec);
}

/* False: nobody has the name, or something else than a receiver, or a stranger, whose names must not use up
 * our descriptors. If it cannot be told: true, without a connection. */
static bool dial(struct bell_watch *w, struct bell__entry *e)
{
	struct ucred owner = {.uid = e->file.st_uid};
	int error = bell__observe(dirfd(w->dir), e->name, &e->fd, &owner);

	if (error)
		e->fd = -1;
	if (error == -ENOENT || error == -EPROTOTYPE)
		return false;
	e->pid = owner.pid;
	e->uid = owner.uid;
	if (bell__is_trusted(&owner, w->owner))
		return true;
	bell__watch_hang_up(w, e);
	return false;
}

/* A name was found in the directory. */
static int meet(struct bell_watch *w, const char *name)
{
	struct bell__entry e = {.fd = -1, .seen = true};
	size_t at;
	int error;

	if (!bell__name_valid(name) ||
		fstatat(dirfd(w->dir), name, &e.file, AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISSOCK(e.file.st_mode))
		return 0;
	strcpy(e.name, name); /* its length was checked */
	if (bell__watch_find(w, name, &at)) {
		struct bell__entry *old = w->entries[at];

		if (old->seen || (old->fd >= 0 && is_same_file(old, &e.file))) {
			old->seen = true;
			return 0;
		}
		if (!is_same_file(old, &e.file))
			bell__watch_bury(w, at);
	}
	if (!dial(w, &e))
		return 0;
	if (bell__watch_find(w, name, &at)) { /* the same, and perhaps with a connection now */
		w->entries[at]->seen = true;
		w->entries[at]->fd = e.fd;
		w->entries[at]->heard = false;
	} else {
		error = insert(w, at, &e);
		if (error) {
			bell__watch_hang_up(w, &e);
			return error;
		}
	}
	if (e.fd >= 0 && bell__watch_add(w, e.fd, EPOLLIN | EPOLLRDHUP, w->entries[at]) < 0)
		bell__watch_hang_up(w, w->entries[at]);
	return 0;
}

int bell__watch_scan(struct bell_watch *w)
{
	struct dirent *d;
	struct stat st;
	size_t i;
	int error = 0;

	for (i = 0; i < w->n; i++)
		w->entries[i]->seen = false;
	rewinddir(w->dir);
	w->lost |= fstat(dirfd(w->dir), &st) == 0 && st.st_nlink == 0;
	while (!w->lost && !error) {
		errno = 0;
		d = readdir(w->dir);
		error = d ? meet(w, d->d_name) : -errno;
		if (!d)
			break;
	}
	BELL_INJECT(watch_scanned);
	if (error) /* who was not seen may be there */
		return error;
	for (i = w->n; i-- > 0;)
		if (!w->entries[i]->seen)
			bell__watch_bury(w, i);
	w->dirty = false;
	return 0;
}
