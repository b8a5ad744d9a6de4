/* SPDX-License-Identifier: MIT
 *
 * watch.h: who is there. A watch tells which receivers of share.h appear in a directory and which go;
 * an observer reads the counters of one of them without being its peer.
 *
 * The idea: who lives is not told by files, for one that was killed leaves its name behind, but by
 * connections. A watch holds one to each receiver, which ends with it. On such a connection the receiver
 * gives out one thing, and only to those that it would accept as peers: a board of counters, to be read
 * and never written. It costs the receiver nothing while nobody observes.
 *
 *	struct bell_watch *w;
 *	struct bell_watch_event e;
 *
 *	if (bell_watch_new(&w, "/run/lamp") < 0)
 *		return 1;
 *	while (bell_watch_next(w, &e) == 1)		// now, and whenever bell_watch_fd(w) is readable
 *		printf("%s %s\n", e.name, e.kind == BELL_WATCH_APPEARED ? "is here" : "has gone");
 *	bell_watch_free(w);
 *
 * The counters of one:
 *
 *	struct bell_observer *o;
 *	struct bell_share_stats stats;
 *
 *	if (bell_observer_new(&o, "/run/lamp", "switches") < 0)
 *		return 1;
 *	if (bell_observer_read(o, &stats) == 0)		// -EAGAIN: not now; see bell_observer_fd(o)
 *		printf("%llu peers\n", (unsigned long long)stats.peers);
 *	bell_observer_free(o);
 *
 * Roles. One thread at a time for each object; to hand it on, synchronize.
 *
 *	may run together, of one object?   fd   next, read, peer, owner   free
 *	fd                                 yes  yes                       no
 *	next, read, peer, owner            yes  no                        no
 *
 * After fork(2) the child may only free.
 */
#ifndef DOORBELL_WATCH_H
#define DOORBELL_WATCH_H

#include <doorbell/base.h>
#include <doorbell/share.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bell_watch;
struct bell_observer;

/** What an event of a watch is. */
enum bell_watch_kind {
	BELL_WATCH_APPEARED = 1, /* a receiver has the name */
	BELL_WATCH_GONE, /* that receiver has it no more: freed, killed, or its file was taken away */
};

/** An event. Of one name APPEARED and GONE alternate, beginning with APPEARED. */
struct bell_watch_event {
	uint32_t kind; /* enum bell_watch_kind */
	pid_t pid;     /* who offered it, as it was then; 0: not known */
	uid_t uid;     /* ... or, if that is not known, whose the file is */
	char name[BELL_SHARE_NAME_MAX + 1];
};

/* -- names that appear and go ---------------------------------------------------------------- */

/**
 * bell_watch_new(): watch the names in a directory. Those that are there already are the first to be told.
 * dir: no stranger may write to it, but where it is sticky. A stranger's receiver there, which is neither
 * this user's, nor root's, nor of the directory's owner, is not told: bell_peer_connect() would refuse it.
 * Costs 4 descriptors, one more and some 300 bytes for each receiver, a place among those receivers'
 * max_observers, and one of the user's fs.inotify.max_user_instances.
 * Returns 0; -ENOENT, -ENOTDIR, -EACCES: no such directory, or it cannot be read; -EPERM: it is not safe;
 * -EMFILE, -ENOSPC, -ENOMEM: of descriptors, inotify watches, memory. *ret_w is then unchanged.
 * Needs /proc. Any thread; makes system calls, and does not block; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_watch_new(
	struct bell_watch **ret_w, const char *dir);

/**
 * bell_watch_fd(): to be watched for reading, level-triggered: readable from a change until next returns
 * 0. It is the watch's: never read or close it. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_watch_fd(const struct bell_watch *w);

/**
 * bell_watch_next(): take one event. A name that was replaced since the last look is told as GONE, then as
 * APPEARED; one that came and went in between, not at all. A dead receiver's name is not told.
 * What cannot be connected to (it lets this user not in, has max_observers, or has no place in its
 * backlog; or no descriptor is left here) is told all the same, and GONE when its file goes or is
 * another's: its death alone is not seen. It is tried again with each change in the directory. Without a
 * descriptor a dead name looks alive.
 * Returns 1; 0: nothing now, block on the fd; -ENOENT: the directory itself has gone, and all GONE
 * were told (learned with the next change, where its parent cannot be read); -ENOMEM, and what else
 * readdir(3) says: call again.
 * One thread; never waits for a receiver; O(names in the directory) and some system calls for each of them,
 * after a change of any kind there; O(log names) for other events. The fd is readable, too, when a name is
 * deleted beside the directory, which costs a look at nothing. Not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_watch_next(
	struct bell_watch *w, struct bell_watch_event *ret_event);

/**
 * bell_watch_free(): returns NULL; w may be NULL. The kernel can take milliseconds to end a watch.
 * One thread, when no other uses w; not signal-safe.
 */
BELL_PUBLIC struct bell_watch *bell_watch_free(struct bell_watch *w);

/* -- one receiver's counters ----------------------------------------------------------------- */

/**
 * bell_observer_new(): observe the receiver that is offered under a name. Does not wait for it: it answers
 * when it polls, and then the fd is readable. Costs 2 descriptors and the board's memory.
 * Returns 0; -ENOENT: no receiver has the name; -EACCES: the socket's mode does not let this user in, or
 * the receiver is neither this user's, nor root's, nor of the directory's owner; -EPERM: the directory is
 * not safe; -EAGAIN: too many wait to be accepted; -EINVAL: name; -EMFILE, -ENOMEM, and what else
 * socket(2) and open(2) say. *ret_o is then unchanged. Needs /proc.
 * Any thread; makes system calls, and does not block; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_observer_new(
	struct bell_observer **ret_o, const char *dir, const char *name);

/**
 * bell_observer_fd(): readable when the receiver has answered, until the first read after that, and when it
 * has gone. It is the observer's: never read or close it. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_observer_fd(const struct bell_observer *o);

/**
 * bell_observer_read(): the receiver's counters, all of one instant: as of its last sleep or, while it is
 * busy, of some polls ago. They are what the receiver says, and bound nothing.
 * Returns 0; -EAGAIN: it has not answered, or is just writing: not now; -EPIPE: it has gone; -EACCES: it
 * does not let this user observe; -EUSERS: max_observers do; -EPROTO: it does not speak as it should;
 * -EMFILE, -ENOMEM: on either side. All but -EAGAIN are for good.
 * One thread; never waits; one system call; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_observer_read(
	struct bell_observer *o, struct bell_share_stats *ret_stats);

/**
 * bell_observer_peer(): the counters of its peer at an index, each row of one instant, but not the instant
 * of another row. After an answer only: call read first. Of a receiver that has gone: the last that there
 * were.
 * Returns 0; -ENOENT: no peer has that place; -EINVAL: the receiver has no such place, so indexes end
 * below; -EAGAIN: not now, as above. One thread; never waits; no system call; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 3) int bell_observer_peer(
	struct bell_observer *o, uint32_t index, struct bell_share_peer_stats *ret_stats);

/** bell_observer_owner(): who offered the name, by the kernel's word. Any thread; wait-free. */
BELL_PUBLIC BELL_NONNULL(1, 2, 3) void bell_observer_owner(
	const struct bell_observer *o, pid_t *ret_pid, uid_t *ret_uid);

/** bell_observer_free(): returns NULL; o may be NULL. One thread, when no other uses o; not signal-safe. */
BELL_PUBLIC struct bell_observer *bell_observer_free(struct bell_observer *o);

#ifdef __cplusplus
}
#endif
#endif
