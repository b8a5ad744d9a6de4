/* SPDX-License-Identifier: MIT
 *
 * connect.c: find a receiver, and check all that it hands over. It may be an enemy: the memory is used
 * if it cannot be cut off under us, the bell if it is an eventfd and nothing else, and the header only
 * as far as it is the one that its capacity makes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/clock.h"
#include "ipc/peer.h"

/* The kernel's name of every eventfd, and of no file that has a path: those begin with '/'. */
#define EVENTFD "anon_inode:[eventfd]"

/* -- what was handed over -------------------------------------------------------------------- */

static bool is_eventfd(int fd)
{
	char link[64], text[sizeof(EVENTFD) + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text));
	return n == sizeof(EVENTFD) - 1 && memcmp(text, EVENTFD, sizeof(EVENTFD) - 1) == 0;
}

bool bell__is_sealed(int fd, bool writable, uint64_t *ret_size)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
			   (writable ? 0 : F_SEAL_FUTURE_WRITE),
		  unwanted = F_SEAL_WRITE | (writable ? F_SEAL_FUTURE_WRITE : 0);
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & (wanted | unwanted)) != wanted || fstatfs(fd, &fs) < 0 ||
		fs.f_type != TMPFS_MAGIC || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret_size = (uint64_t)st.st_size;
	return true;
}

/* Map the memory, and believe its header if it is the one that belongs to its capacity. */
static int furnish(struct bell_peer *p, int memory)
{
	struct bell__layout header;
	uint64_t size;

	if (!bell__is_sealed(memory, true, &size) || size < sizeof(header) || size > SIZE_MAX ||
		!is_eventfd(p->bell))
		return -EPROTO;
	if (pread(memory, &header, sizeof(header), 0) != sizeof(header) ||
		!bell__layout_is_sound(&header) || size < bell__layout_room(&header))
		return -EPROTO;
	p->size = (size_t)bell__layout_room(&header);
	p->shared = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (p->shared == MAP_FAILED)
		return -errno;
	p->capacity = header.capacity;
	p->mask = header.ring_size - 1;
	p->slots = p->shared->slots;
	p->flags = (uint8_t *)p->shared + header.flags_at;
	return 0;
}

/* Take the descriptors of a message that are due; whatever else came is closed. */
static bool take_fds(struct msghdr *message, int *ret_fds, size_t due)
{
	int got[BELL__HELLO_FDS_MOST];
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	size_t n = 0, i;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); /* no more than there was room for */
	if (n)
		memcpy(got, CMSG_DATA(c), n * sizeof(int));
	if (n == due && !(message->msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		memcpy(ret_fds, got, n * sizeof(int));
		return true;
	}
	for (i = 0; i < n; i++)
		close(got[i]);
	return false;
}

int bell__hear_hello(int fd, int *ret_fds, size_t due)
{
	struct bell__hello hello = {0};
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(BELL__HELLO_FDS_MOST * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = CMSG_LEN(BELL__HELLO_FDS_MOST * sizeof(int))};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t i;
	bool complete;

	if (n < 0)
		return errno == ECONNRESET ? -ECONNREFUSED : -errno;
	if (n == 0) /* the end: it died before it answered */
		return -ECONNREFUSED;
	complete = take_fds(&message, ret_fds, due);
	if (n == sizeof(hello) && hello.magic == BELL__LAYOUT_MAGIC &&
		hello.version == BELL__LAYOUT_VERSION) {
		if (!hello.error && complete)
			return 0;
		/* The three that mean "look again" here are not for it to say. */
		if (!complete && hello.error < 0 && hello.error > -4096 && hello.error != -EAGAIN &&
			hello.error != -ENOENT && hello.error != -ECONNREFUSED)
			return hello.error;
	}
	for (i = 0; complete && i < due; i++)
		close(ret_fds[i]);
	/* There were some, and no number was left for any. */
	return message.msg_flags & MSG_CTRUNC && !message.msg_controllen ? -EMFILE : -EPROTO;
}

/* -- the way there --------------------------------------------------------------------------- */

struct search {
	int dir;
	uid_t dir_owner;
	const char *name;
	int64_t timeout, deadline;
	int *stream; /* where a third descriptor goes, if there is to be one */
};

bool bell__is_trusted(const struct ucred *owner, uid_t dir_owner)
{
	return owner->uid == 0 || owner->uid == geteuid() || owner->uid == dir_owner;
}

static int check_owner(const struct search *w, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	return bell__is_trusted(&cred, w->dir_owner) ? 0 : -EACCES;
}

/* A connection. A receiver that is too busy to accept makes connect(2) wait, until the deadline. */
static int dial(const struct search *w, int *ret_fd)
{
	struct sockaddr_un address = bell__name_address(w->dir, w->name);
	struct timeval left = {0};
	int fd = socket(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (w->timeout == 0 ? SOCK_NONBLOCK : 0), 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (w->deadline != INT64_MAX) {
		int64_t ns = bell__time_left(w->deadline);

		left = (struct timeval){
			.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 + 1};
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left));
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	else
		error = check_owner(w, fd);
	if (!error && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

static int make_peer(int fd, const int *fds, struct bell_peer **ret_p)
{
	struct bell_peer *p = calloc(1, sizeof(*p));
	int error = -ENOMEM;

	if (p) {
		p->fd = fd;
		p->bell = fds[BELL__HELLO_BELL];
		p->pid = getpid();
		error = furnish(p, fds[BELL__HELLO_MEMORY]);
	}
	close(fds[BELL__HELLO_MEMORY]);
	if (error) {
		close(fds[BELL__HELLO_BELL]);
		free(p);
		return error;
	}
	*ret_p = p;
	return 0;
}

/* Once: -ENOENT, -ECONNREFUSED: nobody is there. */
static int attempt(const struct search *w, struct bell_peer **ret_p)
{
	const size_t count = w->stream ? BELL__HELLO_FDS_MOST : BELL__HELLO_FDS;
	int fds[BELL__HELLO_FDS_MOST] = {-1, -1, -1}, fd = -1, error = dial(w, &fd);

	if (error)
		return error;
	while ((error = bell__hear_hello(fd, fds, count)) == -EAGAIN) {
		error = bell__block_on(fd, w->deadline);
		if (error)
			break;
	}
	if (error) {
		close(fd);
		return error;
	}
	error = make_peer(fd, fds, ret_p);
	if (error)
		close(fd);
	if (error && w->stream)
		close(fds[BELL__HELLO_STREAM]);
	if (!error && w->stream)
		*w->stream = fds[BELL__HELLO_STREAM];
	return error;
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED;
}

/* Names come by a rename. What happened is of no interest, an overflow no different: look again. */
static int watch(const struct search *w, int *ret_fd)
{
	char path[64];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), error;

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->dir);
	if (inotify_add_watch(fd, path, IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

static int wait_for(const struct search *w, struct bell_peer **ret_p)
{
	char news[4096];
	int fd = -1, error = watch(w, &fd);

	if (error)
		return error;
	for (;;) {
		while (read(fd, news, sizeof(news)) > 0) /* before the look, never after */
			;
		error = attempt(w, ret_p);
		if (!is_absent(error))
			break;
		error = bell__block_on(fd, w->deadline);
		if (error)
			break;
	}
	close(fd);
	return error;
}

int bell__peer_connect(struct bell_peer **ret_p, int *ret_stream, const char *dir, const char *name,
	int64_t timeout_ns)
{
	struct search w = {.name = name,
		.timeout = timeout_ns,
		.deadline = bell__deadline(timeout_ns),
		.stream = ret_stream};
	struct stat st;
	int error;

	if (!bell__name_valid(name))
		return -EINVAL;
	error = bell__name_dir(dir, O_PATH, &w.dir, &st);
	if (error)
		return error;
	w.dir_owner = st.st_uid;
	error = attempt(&w, ret_p);
	if (is_absent(error))
		error = timeout_ns == 0 ? -ENOENT : wait_for(&w, ret_p);
	close(w.dir);
	return error;
}

int bell_peer_connect(
	struct bell_peer **ret_p, const char *dir, const char *name, int64_t timeout_ns)
{
	return bell__peer_connect(ret_p, NULL, dir, name, timeout_ns);
}
