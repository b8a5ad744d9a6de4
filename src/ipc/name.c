/* SPDX-License-Identifier: MIT
 *
 * name.c: names in directories. A name is a socket, and it is seen only when it listens: it is bound
 * beside, made to listen, and renamed, which also takes the place of one that a dead receiver left.
 * Who does that holds a lock on the directory, so that of two that find the same dead name one comes
 * first, and the other finds it alive.
 *
 * A directory is opened once and names are looked up in it through /proc/self/fd: what a path leads to may
 * change, and the address of a socket has room for 107 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ipc/ipc.h"

#define LOCK_TRIES 200
#define LOCK_PAUSE 5000000 /* ns */

/* What the socket is called until it listens: no valid name, so nobody takes it for one. */
#define BESIDE ".%s.new"

bool bell__name_valid(const char *name)
{
	size_t n;

	for (n = 0; name[n]; n++)
		if (n == BELL_SHARE_NAME_MAX || name[n] == '/' || (unsigned char)name[n] < 0x20 ||
			name[n] == 0x7f)
			return false;
	return n > 0 && name[0] != '.';
}

int bell__name_dir(const char *dir, int flags, int *ret_fd, struct stat *ret_st)
{
	int fd = open(dir, flags | O_DIRECTORY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_st) < 0)
		error = -errno;
	else if (ret_st->st_mode & (S_IWGRP | S_IWOTH) && !(ret_st->st_mode & S_ISVTX))
		error = -EPERM;
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

struct sockaddr_un bell__name_address(int dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
	return address;
}

/* Is the name somebody's who lives? A socket of another type cannot connect, but learns whether anybody
 * is there, and the receiver sees nothing of it. 0: no; or an error. */
static int probe(int dir, const char *name)
{
	struct sockaddr_un address = bell__name_address(dir, name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd < 0)
		return -errno;
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? EPROTOTYPE : errno;
	close(fd);
	switch (error) {
	case ENOENT:
		return 0;
	case ECONNREFUSED: { /* dead, or no socket at all: that is somebody's file */
		struct stat st;

		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
		return S_ISSOCK(st.st_mode) ? 0 : -EADDRINUSE;
	}
	default:
		return -EADDRINUSE;
	}
}

static int lock(int dir)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE};
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return -EBUSY;
}

static mode_t mode_of(const struct bell_share_options *o)
{
	if (o->mode)
		return o->mode;
	return o->who == BELL_SHARE_USER ? 0600 : o->who == BELL_SHARE_GROUP ? 0660 : 0666;
}

static int offer(int dir, const char *name, int sock, const struct bell_share_options *o,
	struct stat *ret_self)
{
	char beside[BELL_SHARE_NAME_MAX + sizeof(BESIDE)];
	struct sockaddr_un address;
	int error = probe(dir, name);

	if (error)
		return error;
	snprintf(beside, sizeof(beside), BESIDE, name);
	if (unlinkat(dir, beside, 0) < 0 && errno != ENOENT) /* of one that died just here */
		return -errno;
	address = bell__name_address(dir, beside);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if ((o->who == BELL_SHARE_GROUP && fchownat(dir, beside, (uid_t)-1, o->gid, 0) < 0) ||
		fchmodat(dir, beside, mode_of(o), 0) < 0 || listen(sock, SOMAXCONN) < 0 ||
		fstatat(dir, beside, ret_self, AT_SYMLINK_NOFOLLOW) < 0 ||
		renameat(dir, beside, dir, name) < 0) {
		error = -errno;
		unlinkat(dir, beside, 0);
	}
	return error;
}

int bell__name_offer(int dir, const char *name, int sock, const struct bell_share_options *o,
	struct stat *ret_self)
{
	int error = lock(dir);

	if (error)
		return error;
	error = offer(dir, name, sock, o, ret_self);
	flock(dir, LOCK_UN);
	return error;
}

void bell__name_withdraw(int dir, const char *name, const struct stat *self)
{
	struct stat st;

	/* While we live nobody takes the name over, and our number is given to no other file. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == self->st_ino &&
		st.st_dev == self->st_dev)
		unlinkat(dir, name, 0);
}
