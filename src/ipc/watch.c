/* SPDX-License-Identifier: MIT
 *
 * watch.c: names that appear and go. The directory is watched first and scanned then, so a name is found by
 * the scan or announced by an event. What an event says is of no interest, and its loss by an overflow
 * neither: any of them means drain the events, scan again and compare. To each living receiver there is a
 * connection, an observer's, which ends with it: no event tells of a process that is killed.
 *
 * The descriptor is an epoll set of the inotify descriptor, the connections, and an eventfd, the kick,
 * which keeps it readable while there is something to tell.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/ipc.h"
#include "ipc/watch.h"

#define AT_ONCE 64 /* epoll events */
#define NOBODY	-2 /* no number of inotify, nor -1, the number of an overflow */

/* -- what has happened ------------------------------------------------------------------------ */

static void set_kick(struct bell_watch *w, bool on)
{
	uint64_t count = 1;

	if (w->kicked == on)
		return;
	w->kicked = on;
	if (on)
		(void)!write(w->kick, &count, sizeof(count)); /* nobody else fills it */
	else
		(void)!read(w->kick, &count, sizeof(count));
}

/* A connection is readable. The first message is the hello: with it comes the board, for which there is no
 * room here, or that we may not observe, and then there is no telling when it dies. The end of the
 * connection is the receiver's. */
static void hear(struct bell_watch *w, struct bell__entry *e, uint32_t events)
{
	struct epoll_event ends = {.events = EPOLLRDHUP, .data.ptr = e};
	struct bell__hello hello = {0};
	ssize_t n = e->heard ? 0 : recv(e->fd, &hello, sizeof(hello), MSG_DONTWAIT);
	size_t at;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && hello.error) {
		bell__watch_hang_up(w, e);
		return;
	}
	if (n > 0) {
		e->heard = true;
		(void)epoll_ctl(w->epfd, EPOLL_CTL_MOD, e->fd, &ends);
		if (!(events & (EPOLLHUP | EPOLLRDHUP)))
			return;
	}
	if (bell__watch_find(w, e->name, &at))
		bell__watch_bury(w, at);
	w->dirty = true; /* somebody else may have the name by now */
}

/* All of it, before the scan, never after. */
static void drain(struct bell_watch *w)
{
	char news[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	struct stat st;
	ssize_t n;
	size_t i;

	while ((n = read(w->inotify, news, sizeof(news))) > 0)
		for (i = 0; i < (size_t)n; i += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)(news + i);
			/* Not only ours: an overflow belongs to none. */
			w->dirty |= event->wd != w->parent || w->parent == w->names;
			w->lost |= event->wd == w->names && event->mask & IN_IGNORED;
		}
	if (fstat(dirfd(w->dir), &st) == 0 && st.st_nlink == 0)
		w->dirty = true;
}

static int look(struct bell_watch *w)
{
	struct epoll_event events[AT_ONCE];
	int i, n = epoll_wait(w->epfd, events, AT_ONCE, 0);

	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == &w->inotify)
			drain(w);
		else if (events[i].data.ptr != &w->kick)
			hear(w, events[i].data.ptr, events[i].events);
	}
	return w->dirty ? bell__watch_scan(w) : 0;
}

static struct bell_watch_event about(const struct bell__entry *e, enum bell_watch_kind kind)
{
	struct bell_watch_event event = {.kind = kind, .pid = e->pid, .uid = e->uid};

	strcpy(event.name, e->name);
	return event;
}

static bool tell(struct bell_watch *w, struct bell_watch_event *ret_event)
{
	while (w->gone) {
		struct bell__entry *e = w->gone;
		const bool told = e->told;

		w->gone = e->next;
		if (told)
			*ret_event = about(e, BELL_WATCH_GONE);
		free(e);
		if (told)
			return true;
	}
	while (w->told < w->n) {
		struct bell__entry *e = w->entries[w->told++];

		if (!e->told) {
			e->told = true;
			*ret_event = about(e, BELL_WATCH_APPEARED);
			return true;
		}
	}
	return false;
}

int bell_watch_next(struct bell_watch *w, struct bell_watch_event *ret_event)
{
	int error = 0;
	bool any = tell(w, ret_event);

	if (!any) {
		error = w->lost ? -ENOENT : look(w);
		any = tell(w, ret_event);
		if (!any && !error && w->lost)
			error = -ENOENT;
	}
	set_kick(w, any || error);
	return any ? 1 : error;
}

/* -- life ------------------------------------------------------------------------------------- */

/* The parent tells of the end of the directory, which no event of its own does while somebody has it
 * open. */
static int watch_dir(struct bell_watch *w)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dirfd(w->dir));
	w->names = inotify_add_watch(
		w->inotify, path, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
	if (w->names < 0)
		return -errno;
	strcat(path, ".");
	w->parent = inotify_add_watch(w->inotify, path, IN_DELETE | IN_ONLYDIR | IN_MASK_ADD);
	if (w->parent < 0)
		w->parent = NOBODY;
	return bell__watch_add(w, w->inotify, EPOLLIN, &w->inotify);
}

static int start(struct bell_watch *w, const char *dir)
{
	struct stat st;
	int fd, error = bell__name_dir(dir, O_RDONLY, &fd, &st);

	if (error)
		return error;
	w->owner = st.st_uid;
	w->dir = fdopendir(fd);
	if (!w->dir) {
		error = -errno;
		close(fd);
		return error;
	}
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epfd < 0 || w->inotify < 0 || w->kick < 0)
		return -errno;
	error = bell__watch_add(w, w->kick, EPOLLIN, &w->kick);
	return error ? error : watch_dir(w);
}

int bell_watch_new(struct bell_watch **ret_w, const char *dir)
{
	struct bell_watch *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->epfd = w->inotify = w->kick = -1;
	error = start(w, dir);
	if (!error)
		error = bell__watch_scan(w);
	if (error) {
		bell_watch_free(w);
		return error;
	}
	set_kick(w, true);
	*ret_w = w;
	return 0;
}

int bell_watch_fd(const struct bell_watch *w)
{
	return w->epfd;
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

struct bell_watch *bell_watch_free(struct bell_watch *w)
{
	struct bell__entry *e;
	size_t i;

	if (!w)
		return NULL;
	for (i = 0; i < w->n; i++) {
		w->entries[i]->next = w->gone;
		w->gone = w->entries[i];
	}
	while ((e = w->gone)) {
		w->gone = e->next;
		close_if(
			e->fd); /* no more: in a forked child the epoll set is the parent's as well */
		free(e);
	}
	free(w->entries);
	if (w->dir)
		closedir(w->dir);
	close_if(w->epfd);
	close_if(w->inotify);
	close_if(w->kick);
	free(w);
	return NULL;
}
