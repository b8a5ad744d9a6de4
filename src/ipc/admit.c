/* SPDX-License-Identifier: MIT
 *
 * admit.c: who connects is taken in or turned away, at once and without waiting for anything of theirs: one
 * message goes out, and none is ever read. One that stops half way has a place and is idle in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/ipc.h"

#define AT_ONCE	    64	 /* connections handled before the peers have their turn */
#define GROUPS_MOST 1024 /* of a process that connects; one that is in more is in none that counts */

int bell__share_say(int fd, int error, const int *fds, size_t n)
{
	struct bell__hello hello = {
		.magic = BELL__LAYOUT_MAGIC, .version = BELL__LAYOUT_VERSION, .error = error};
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(BELL__HELLO_FDS_MOST * sizeof(int))];
	} control;

	if (!error) {
		struct cmsghdr *c = &control.align; /* the first */

		memset(&control, 0, sizeof(control));
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool in_group(int fd, const struct ucred *cred, gid_t gid)
{
	gid_t groups[GROUPS_MOST];
	socklen_t size = sizeof(groups);
	size_t i;

	if (cred->gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (i = 0; i < size / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static bool may_connect(const struct bell_share *s, int fd, const struct ucred *cred)
{
	if (cred->uid == 0 || cred->uid == geteuid() || s->options.who == BELL_SHARE_ANYBODY)
		return true;
	return s->options.who == BELL_SHARE_GROUP && in_group(fd, cred, s->options.gid);
}

/* A free place, or NULL if there is none for this user. */
static struct bell__link *place(struct bell_share *s, uid_t uid)
{
	struct bell__link *found = NULL;
	uint32_t i, same = 0;

	for (i = 0; i < s->options.max_peers; i++) {
		if (s->links[i].state == BELL__LINK_FREE)
			found = found ? found : &s->links[i];
		else
			same += s->links[i].uid == uid;
	}
	if (s->options.max_peers_per_user && same >= s->options.max_peers_per_user)
		return NULL;
	return found;
}

/* Memory for a peer, mapped, sealed, with its header; and a bell. */
static int furnish(struct bell__link *l, uint32_t capacity, int *ret_fd)
{
	const struct bell__layout header = bell__layout_of(capacity);
	int error, fd = memfd_create("doorbell", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	l->size = (size_t)bell__layout_room(&header);
	l->memory = MAP_FAILED;
	l->bell = -1;
	if (ftruncate(fd, (off_t)l->size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	l->memory = mmap(NULL, l->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l->memory == MAP_FAILED)
		goto fail;
	l->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->bell < 0)
		goto fail;
	memcpy(l->memory, &header, sizeof(header));
	bell__drain_init(&l->queue, l->memory, capacity);
	*l->queue.tail = BELL__ARMED; /* nobody else has it yet */
	*ret_fd = fd;
	return 0;
fail:
	error = -errno;
	if (l->memory != MAP_FAILED)
		munmap(l->memory, l->size);
	close(fd);
	return error;
}

/* Hand everything over that is needed. */
static int invite(struct bell_share *s, int fd, struct bell__link *l, int memory)
{
	struct bell__guest *g = s->guest;
	const int fds[] = {memory, l->bell, g ? g->fd : -1};
	int error;

	if (!g)
		return bell__share_say(fd, 0, fds, BELL__HELLO_FDS);
	g->come(g, l);
	error = bell__share_say(fd, 0, fds, BELL__HELLO_FDS_MOST);
	if (error)
		g->go(g, l);
	return error;
}

/* Takes fd. 0, or why not. */
static int take_in(struct bell_share *s, int fd, const struct ucred *cred)
{
	struct bell__link *l = place(s, cred->uid);
	uint64_t data;
	int error, memory = -1;

	if (!l)
		return -EUSERS;
	memset(l, 0, sizeof(*l));
	error = furnish(l, s->options.capacity, &memory);
	if (error)
		return error;
	l->index = (uint32_t)(l - s->links);
	data = (uint64_t)l->index * BELL__WATCH_KINDS;
	error = bell__share_watch(
		s, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, data + BELL__WATCH_LINK);
	if (!error)
		error = bell__share_watch(
			s, EPOLL_CTL_ADD, l->bell, EPOLLIN, data + BELL__WATCH_BELL);
	if (!error)
		error = invite(s, fd, l, memory);
	close(memory);
	if (error) {
		/* The bell may live on in a message, and epoll would go on watching it. */
		bell__share_watch(s, EPOLL_CTL_DEL, l->bell, 0, 0);
		close(l->bell);
		munmap(l->memory, l->size);
		return error;
	}
	l->state = BELL__LINK_LIVE;
	l->fd = fd;
	l->id = ++s->next_id;
	l->pid = cred->pid;
	l->uid = cred->uid;
	s->stats.peers++;
	s->stats.joined++;
	bell__share_wake(s, l);
	bell__share_kick(s); /* the socket is silent now, and JOINED is not told */
	return 0;
}

static void turn_away(struct bell_share *s, int fd, int error)
{
	if (error == -EACCES)
		s->stats.denied++;
	else if (error == -EUSERS)
		s->stats.full++;
	else if (error != -EPIPE && error != -ECONNRESET) /* else it has left already */
		s->stats.exhausted++;
	(void)bell__share_say(fd, error, NULL, 0); /* a courtesy: the end of the connection says it, too */
	close(fd);
}

/* An observer is told from a peer by the name of its own socket: it has one. The kernel hands that over
 * with the connection, so there is no message to wait for. */
static void decide(struct bell_share *s, int fd, bool observes)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int error = -EACCES;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 && may_connect(s, fd, &cred))
		error = observes ? bell__board_admit(s, fd) : take_in(s, fd, &cred);
	if (error)
		turn_away(s, fd, error);
}

/* No descriptor is left to accept with. Were the connection left waiting, the socket would stay
 * readable and the loop spin: so give the spare one up for it, and turn it away. Should even that
 * fail, be deaf to new peers until the next look at the descriptors. Returns whether there may be more. */
static bool refuse_one(struct bell_share *s)
{
	int fd = -1, error = EMFILE;

	if (s->spare >= 0) {
		close(s->spare);
		fd = accept4(s->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		error = fd < 0 ? errno : 0;
		if (fd >= 0)
			turn_away(s, fd, -EMFILE);
		s->spare = fcntl(s->kick, F_DUPFD_CLOEXEC, 0);
	}
	if (error == 0 || error == EAGAIN)
		return error == 0;
	s->stats.exhausted++;
	s->muted = true;
	(void)bell__share_watch(s, EPOLL_CTL_MOD, s->socket, 0, BELL__WATCH_SOCKET);
	return false;
}

/* How many connections to take now. No more than there are places: who leaves while we accept is seen
 * in the next look, and must not cost its successor the place. None if those that there are have ended
 * and only wait to be polled. If all are taken by the living, others are to hear that. */
static uint32_t welcome(const struct bell_share *s)
{
	uint32_t i, empty = 0, ended = 0;

	for (i = 0; i < s->options.max_peers && empty < AT_ONCE; i++) {
		empty += s->links[i].state == BELL__LINK_FREE;
		ended += s->links[i].state == BELL__LINK_ENDED;
	}
	return empty ? empty : ended ? 0 : AT_ONCE;
}

void bell__share_admit(struct bell_share *s)
{
	const uint32_t most = welcome(s);
	bool more = true;
	uint32_t i;
	int fd;

	for (i = 0; i < most && more; i++) {
		struct sockaddr_un from;
		socklen_t size = sizeof(from);

		fd = accept4(
			s->socket, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			decide(s, fd, size > sizeof(from.sun_family));
		else if (errno == EAGAIN)
			more = false;
		else if (errno != EINTR && errno != ECONNABORTED)
			more = refuse_one(s);
	}
}

void bell__share_dismiss(struct bell_share *s, struct bell__link *l)
{
	s->stats.delivered += l->queue.delivered;
	s->stats.arms += l->queue.arms;
	s->stats.holes += l->queue.holes;
	s->stats.notified += bell__link_notified(l);
	s->stats.conflated += bell__link_conflated(l);
	bell__board_clear(s, l);
	munmap(l->memory, l->size);
	l->memory = NULL;
	l->state = BELL__LINK_FREE;
}
