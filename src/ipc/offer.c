/* SPDX-License-Identifier: MIT
 *
 * offer.c: the life of a receiver, and its counters.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ipc/ipc.h"

/* The options with their defaults. */
static int options_of(const struct bell_share_options *given, struct bell_share_options *ret)
{
	static const struct bell_share_options none;
	struct bell_share_options o = given ? *given : none;

	if (memcmp(o.reserved, none.reserved, sizeof(o.reserved)) != 0)
		return -EINVAL;
	if (o.capacity > BELL_SHARE_CAPACITY_MAX || o.max_peers > BELL_SHARE_PEERS_MAX ||
		o.max_observers > BELL_SHARE_OBSERVERS_MAX ||
		(unsigned)o.who > BELL_SHARE_ANYBODY || o.mode & ~(mode_t)0777)
		return -EINVAL;
	o.capacity = o.capacity ? o.capacity : BELL_SHARE_CAPACITY_DEFAULT;
	o.max_peers = o.max_peers ? o.max_peers : BELL_SHARE_PEERS_DEFAULT;
	o.max_strays = o.max_strays ? o.max_strays : BELL_SHARE_STRAYS_DEFAULT;
	o.max_observers = o.max_observers ? o.max_observers : BELL_SHARE_OBSERVERS_DEFAULT;
	*ret = o;
	return 0;
}

static int open_dir(struct bell_share *s, const char *dir)
{
	struct stat st;
	int error = bell__name_dir(dir, O_RDONLY, &s->dir, &st);

	if (!error && st.st_uid != 0 && st.st_uid != geteuid())
		error = -EPERM;
	return error;
}

static int open_fds(struct bell_share *s)
{
	uint64_t count;
	struct iovec text = {.iov_base = &count, .iov_len = sizeof(count)};

	s->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->socket < 0)
		return -errno;
	s->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->kick < 0)
		return -errno;
	/* Before Linux 5.8 there is no reading a bell that cannot be made to block. */
	if (syscall(SYS_preadv2, s->kick, &text, 1L, -1L, -1L, RWF_NOWAIT) < 0 && errno != EAGAIN)
		return -errno;
	s->spare = fcntl(s->kick, F_DUPFD_CLOEXEC, 0);
	if (s->spare < 0)
		return -errno;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	return s->epfd < 0 ? -errno : 0;
}

static void close_fds(struct bell_share *s)
{
	const int fds[] = {s->dir, s->socket, s->kick, s->spare, s->epfd};
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(s->awake);
	free(s->links);
	free(s);
}

int bell_share_new(struct bell_share **ret_s, const char *dir, const char *name,
	const struct bell_share_options *options)
{
	struct bell_share_options o;
	struct bell_share *s;
	int error = bell__name_valid(name) ? options_of(options, &o) : -EINVAL;

	if (error)
		return error;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->dir = s->socket = s->kick = s->spare = s->epfd = -1;
	s->options = o;
	s->pid = getpid();
	s->fresh = true;
	strcpy(s->name, name); /* its length was checked */
	s->links = calloc(o.max_peers, sizeof(*s->links));
	s->awake = calloc(o.max_peers, sizeof(struct bell__link *));
	error = bell__board_init(s);
	if (!error)
		error = s->links && s->awake ? open_dir(s, dir) : -ENOMEM;
	if (!error)
		error = open_fds(s);
	if (!error)
		error = bell__share_watch(s, EPOLL_CTL_ADD, s->socket, EPOLLIN, BELL__WATCH_SOCKET);
	if (!error)
		error = bell__share_watch(s, EPOLL_CTL_ADD, s->kick, EPOLLIN, BELL__WATCH_KICK);
	if (!error)
		error = bell__name_offer(s->dir, s->name, s->socket, &s->options, &s->self);
	if (error) {
		bell__board_fini(s, true);
		close_fds(s);
		return error;
	}
	*ret_s = s;
	return 0;
}

/* In a forked child: give back our copies, and touch nothing that is the parent's as well. */
static void abandon(struct bell__link *l)
{
	if (l->state == BELL__LINK_LIVE) {
		close(l->fd);
		close(l->bell);
	}
	if (l->state != BELL__LINK_FREE)
		munmap(l->memory, l->size);
}

struct bell_share *bell_share_free(struct bell_share *s)
{
	bool ours;
	uint32_t i;

	if (!s)
		return NULL;
	ours = s->pid == getpid();
	if (ours) {
		bell__name_withdraw(s->dir, s->name, &s->self);
		shutdown(s->socket, SHUT_RDWR);
	}
	bell__board_fini(s, ours);
	for (i = 0; i < s->options.max_peers; i++) {
		struct bell__link *l = &s->links[i];

		if (ours && l->state == BELL__LINK_LIVE)
			bell__share_end(s, l, 0);
		abandon(l);
	}
	close_fds(s);
	return NULL;
}

int bell_share_fd(const struct bell_share *s)
{
	return s->epfd;
}

void bell_share_stats(const struct bell_share *s, struct bell_share_stats *ret_stats)
{
	uint32_t i;

	*ret_stats = s->stats;
	for (i = 0; i < s->options.max_peers; i++) {
		const struct bell__link *l = &s->links[i];

		if (l->state == BELL__LINK_FREE)
			continue;
		ret_stats->delivered += l->queue.delivered;
		ret_stats->arms += l->queue.arms;
		ret_stats->holes += l->queue.holes;
		ret_stats->notified += bell__link_notified(l);
		ret_stats->conflated += bell__link_conflated(l);
	}
}

int bell_share_peer_stats(
	const struct bell_share *s, uint32_t index, struct bell_share_peer_stats *ret_stats)
{
	const struct bell__link *l;

	if (index >= s->options.max_peers || s->links[index].state == BELL__LINK_FREE)
		return -ENOENT;
	l = &s->links[index];
	*ret_stats = (struct bell_share_peer_stats){
		.peer = l->id,
		.notified = bell__link_notified(l),
		.conflated = bell__link_conflated(l),
		.delivered = l->queue.delivered,
		.arms = l->queue.arms,
		.rings = l->rings,
		.strays = l->strays,
		.holes = l->queue.holes,
		.pid = l->pid,
		.uid = l->uid,
	};
	return 0;
}
