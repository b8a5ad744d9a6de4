/* SPDX-License-Identifier: MIT
 *
 * observer.c: somebody who wants to know of a receiver without being its peer. Its own socket has a name,
 * one that the kernel picks, and that is how the receiver tells the two apart. What it hands over, it may
 * have forged: the board is used if its size cannot change, and as far as its header is the one that
 * its number of places makes it. The numbers on it are shown, and nothing follows from them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <doorbell/watch.h>

#include "ipc/ipc.h"

struct bell_observer {
	int fd;
	struct ucred owner;
	int error;			 /* for good, or 0 */
	const struct bell__board *board; /* NULL: not answered */
	size_t size;
	uint32_t max_peers; /* what was read of the header: it may say something else by now */
};

int bell__observe(int dir, const char *name, int *ret_fd, struct ucred *ret_owner)
{
	const struct sockaddr_un self = {.sun_family = AF_UNIX},
				 address = bell__name_address(dir, name);
	socklen_t size = sizeof(*ret_owner);
	int error, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Of this length: the kernel picks a name. */
	if (bind(fd, (const struct sockaddr *)&self, sizeof(self.sun_family)) < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_owner, &size) < 0) {
		error = errno == ECONNREFUSED ? -ENOENT : -errno;
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

int bell_observer_new(struct bell_observer **ret_o, const char *dir, const char *name)
{
	struct bell_observer *o;
	struct stat st;
	int error, dir_fd;

	if (!bell__name_valid(name))
		return -EINVAL;
	error = bell__name_dir(dir, O_PATH, &dir_fd, &st);
	if (error)
		return error;
	o = calloc(1, sizeof(*o));
	error = o ? bell__observe(dir_fd, name, &o->fd, &o->owner) : -ENOMEM;
	close(dir_fd);
	if (!error && !bell__is_trusted(&o->owner, st.st_uid)) {
		error = -EACCES;
		close(o->fd);
	}
	if (error) {
		free(o);
		return error;
	}
	*ret_o = o;
	return 0;
}

/* Map the board, and believe its header if it is the one that belongs to its number of places. */
static int furnish(struct bell_observer *o, int memory)
{
	struct bell__board header;
	uint64_t size;
	void *board;

	if (!bell__is_sealed(memory, false, &size) || size > SIZE_MAX ||
		pread(memory, &header, sizeof(header), 0) != sizeof(header) ||
		!bell__board_is_sound(&header) || size < bell__board_room(&header))
		return -EPROTO;
	board = mmap(NULL, (size_t)bell__board_room(&header), PROT_READ, MAP_SHARED, memory, 0);
	if (board == MAP_FAILED)
		return -errno;
	o->board = board;
	o->size = (size_t)bell__board_room(&header);
	o->max_peers = header.max_peers;
	return 0;
}

static int hear(struct bell_observer *o)
{
	int memory, error = bell__hear_hello(o->fd, &memory, 1);

	if (error)
		return error == -ECONNREFUSED ? -EPIPE : error;
	error = furnish(o, memory);
	close(memory);
	return error;
}

/* Behind the hello there is nothing but the end. */
static int ask_whether_alive(const struct bell_observer *o)
{
	char byte;
	ssize_t n = recv(o->fd, &byte, sizeof(byte), MSG_DONTWAIT);

	if (n > 0)
		return -EPROTO;
	return n < 0 && errno == EAGAIN ? 0 : -EPIPE;
}

int bell_observer_read(struct bell_observer *o, struct bell_share_stats *ret_stats)
{
	int error = o->error;

	if (!error)
		error = o->board ? ask_whether_alive(o) : hear(o);
	if (error && error != -EAGAIN)
		o->error = error;
	if (error)
		return error;
	return bell__block_read(o->board->blocks, (uint64_t *)ret_stats, BELL__BOARD_TOTALS)
		       ? 0
		       : -EAGAIN;
}

int bell_observer_peer(
	struct bell_observer *o, uint32_t index, struct bell_share_peer_stats *ret_stats)
{
	uint64_t words[BELL__ROW_WORDS];

	if (!o->board)
		return o->error ? o->error : -EAGAIN;
	if (index >= o->max_peers)
		return -EINVAL;
	if (!bell__block_read(&o->board->blocks[1 + index], words, BELL__ROW_WORDS))
		return -EAGAIN;
	if (words[BELL__ROW_PEER] == 0)
		return -ENOENT;
	*ret_stats = (struct bell_share_peer_stats){
		.peer = words[BELL__ROW_PEER],
		.notified = words[BELL__ROW_NOTIFIED],
		.delivered = words[BELL__ROW_DELIVERED],
		.arms = words[BELL__ROW_ARMS],
		.rings = words[BELL__ROW_RINGS],
		.strays = words[BELL__ROW_STRAYS],
		.holes = words[BELL__ROW_HOLES],
		.pid = (pid_t)words[BELL__ROW_PID],
		.uid = (uid_t)words[BELL__ROW_UID],
		.conflated = words[BELL__ROW_CONFLATED],
	};
	return 0;
}

int bell_observer_fd(const struct bell_observer *o)
{
	return o->fd;
}

void bell_observer_owner(const struct bell_observer *o, pid_t *ret_pid, uid_t *ret_uid)
{
	*ret_pid = o->owner.pid;
	*ret_uid = o->owner.uid;
}

struct bell_observer *bell_observer_free(struct bell_observer *o)
{
	if (!o)
		return NULL;
	if (o->board)
		munmap((void *)(uintptr_t)o->board, o->size);
	close(o->fd);
	free(o);
	return NULL;
}
