/* SPDX-License-Identifier: MIT
 *
 * share.h: the token queue between processes. A receiver offers itself under a name in a directory; peers,
 * threads of other processes, connect and say "token 42 is ready".
 *
 * The idea: every peer has a queue of its own, in memory shared with nobody else, and the connection tells
 * either side of the other's death. A peer that is slow, stopped, broken, hostile or killed can spoil its
 * own queue and nothing else; there is nothing to repair after it. Order and conflation are per peer.
 *
 * The receiver:
 *
 *	struct bell_share *s;
 *	struct bell_share_event events[64];
 *	ssize_t n, i;
 *
 *	if (bell_share_new(&s, "/run/lamp", "switches", NULL) < 0)
 *		return 1;
 *	while ((n = bell_share_wait(s, events, 64, -1)) > 0)
 *		for (i = 0; i < n; i++)
 *			if (events[i].kind == BELL_SHARE_TOKEN)
 *				handle(events[i].token);
 *	bell_share_free(s);
 *
 * A peer, in another process:
 *
 *	struct bell_peer *p;
 *
 *	if (bell_peer_connect(&p, "/run/lamp", "switches", -1) < 0)	// waits for the name
 *		return 1;
 *	if (bell_peer_notify(p, 42) == -EPIPE)
 *		return 1;						// the receiver has gone
 *	bell_peer_free(p);
 *
 * In a loop: watch bell_share_fd() level-triggered. When it is readable, poll until that returns 0,
 * and arm; again if that said 0.
 *
 * What holds: as for queue.h, for each peer. And: what a peer notified before it was killed, at whichever
 * instruction, is delivered; a notification half made is delivered or was never made; then "left" is told.
 *
 * Roles. "Receiver": one thread at a time; to hand the role on, synchronize. "Any thread": any number
 * of threads of the peer's process at once, and signal handlers.
 *
 *	may run together, of one object?   notify  fd, capacity, stats  peer_free | share: all calls
 *	notify                             yes     yes                  no        | (another object)
 *	fd, capacity, stats                yes     yes                  no        | (another object)
 *	share: poll, arm, wait, stats, free                                       | one at a time
 *
 * After fork(2) the child may only free: until it does, or calls exec, or ends, the receiver takes it for
 * alive, unless the parent frees. docs/ABI.md has the format, bell_shared_memory(7) who trusts whom
 * with what.
 */
#ifndef DOORBELL_SHARE_H
#define DOORBELL_SHARE_H

#include <doorbell/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bell_share;
struct bell_peer;

/** The longest name, in bytes. */
#define BELL_SHARE_NAME_MAX 64

/** Limits that an option of 0 stands for, and the most that an option may be. */
#define BELL_SHARE_CAPACITY_DEFAULT 1024
#define BELL_SHARE_CAPACITY_MAX	    (UINT32_C(1) << 24)
#define BELL_SHARE_PEERS_DEFAULT    64
#define BELL_SHARE_PEERS_MAX	    65536
#define BELL_SHARE_STRAYS_DEFAULT   1000
#define BELL_SHARE_OBSERVERS_DEFAULT 16
#define BELL_SHARE_OBSERVERS_MAX     1024

/** Who may connect. Root and the receiver's own user always may. */
enum bell_share_who {
	BELL_SHARE_USER,   /* nobody else */
	BELL_SHARE_GROUP,  /* processes that are in the group gid */
	BELL_SHARE_ANYBODY /* whom the directory lets in */
};

/** Options of bell_share_new(). All zero: the defaults. */
struct bell_share_options {
	uint32_t capacity;	     /* tokens are 0 .. capacity-1, for each peer */
	uint32_t max_peers;	     /* at a time */
	uint32_t max_peers_per_user; /* at a time, of one user id; 0: no limit of its own */
	uint32_t max_strays;	     /* rings that nobody asked for, before a peer is dropped */
	enum bell_share_who who;
	gid_t gid;		     /* for BELL_SHARE_GROUP */
	mode_t mode;		     /* of the socket; 0: 0600, 0660 or 0666, by who */
	uint32_t max_observers;	     /* at a time; of watch.h */
	uint32_t reserved[8];	     /* 0 */
};

/** What an event is. */
enum bell_share_kind {
	BELL_SHARE_TOKEN = 1, /* notified */
	BELL_SHARE_JOINED,    /* the first event of a peer */
	BELL_SHARE_LEFT,      /* the last event of a peer: all its tokens came before */
};

/** An event. Ids are never used again; an index is below max_peers, and is free again after LEFT. */
struct bell_share_event {
	uint64_t peer;	/* the peer's id, from 1 */
	uint32_t kind;	/* enum bell_share_kind */
	uint32_t index; /* the peer's place, for an array of yours */
	uint32_t token; /* TOKEN; else 0 */
	int32_t reason; /* LEFT: 0: it went or died; -EPROTO: dropped for breaking the format or sending
			 * something; -EDQUOT: dropped for ringing too often unasked; else 0 */
	pid_t pid;	/* JOINED, LEFT: who connected, as it was then; else 0 */
	uid_t uid;
};

/** Counters since the share was made. */
struct bell_share_stats {
	uint64_t peers;	    /* connected now */
	uint64_t joined;    /* since the beginning */
	uint64_t left;	    /* of those, that have gone or were dropped */
	uint64_t dropped;   /* of those, that were dropped: reason is not 0 */
	uint64_t denied;    /* connections refused: not the right user or group */
	uint64_t full;	    /* connections refused: max_peers, max_peers_per_user, max_observers */
	uint64_t exhausted; /* connections refused or delayed: no descriptor or memory */
	uint64_t delivered; /* tokens */
	uint64_t arms;	    /* times that a peer's queue was armed; each is born armed */
	uint64_t rings;	    /* rings read */
	uint64_t strays;    /* of those, that nobody asked for */
	uint64_t holes;	    /* of the arms, that wait for a preempted peer */
	uint64_t kicks;	    /* write(2) by the receiver to its own descriptor */
	uint64_t observers; /* connected now */
	uint64_t notified;  /* tokens queued, by what the peers say of themselves, those that left, too */
	uint64_t conflated; /* notifies that found their token queued: about, and by what they say */
	uint64_t wakes;	    /* first polls after a sleep; a share is born asleep */
	uint64_t reserved[4];
};

/** Counters of one peer that is connected. */
struct bell_share_peer_stats {
	uint64_t peer; /* its id */
	uint64_t notified; /* tokens queued, by what the peer says of itself */
	uint64_t delivered, arms, rings, strays, holes; /* as above */
	pid_t pid;
	uid_t uid;
	uint64_t conflated; /* by what the peer says; threads of it that count at once may count once */
	uint64_t reserved[3];
};

/* -- the receiver ---------------------------------------------------------------------------- */

/**
 * bell_share_new(): offer a receiver under a name in a directory: peers can connect when this returns.
 * dir: belongs to this user or to root, and no stranger may write to it, but where it is sticky. name: 1 ..
 * BELL_SHARE_NAME_MAX bytes, without '/' and control characters, not beginning with '.'. A name that a dead
 * receiver left behind is taken over. options: NULL: the defaults.
 * Costs 5 descriptors and some 250 bytes for each of max_peers; a peer 2 descriptors more and about 5
 * bytes a token of shared memory, of which only touched pages become real. Observers (watch.h) need the
 * same leave as peers and cost a descriptor each, the first one more and 192 bytes for each of max_peers.
 * Returns 0; -EINVAL (name or options); -EADDRINUSE: somebody alive has the name; -EPERM: the directory is
 * not safe; -EBUSY: others keep the directory locked; -ENOENT, -ENOTDIR, -EACCES, -ENOMEM, -EMFILE,
 * and what else socket(2), bind(2) and rename(2) say. *ret_s is then unchanged. Needs /proc.
 * Any thread; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_share_new(struct bell_share **ret_s,
	const char *dir, const char *name, const struct bell_share_options *options);

/**
 * bell_share_free(): take the name away and let all peers go: they learn of it. What was not polled is
 * gone. Returns NULL; s may be NULL. In a child of fork(2) it gives back what is the child's, and the
 * peers and the name stay the parent's.
 * Receiver; not signal-safe. Detach the fd from its loop before.
 */
BELL_PUBLIC struct bell_share *bell_share_free(struct bell_share *s);

/**
 * bell_share_fd(): the one descriptor for everything, to be watched for reading, level-triggered. It is
 * the share's: never read or close it. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_share_fd(const struct bell_share *s);

/**
 * bell_share_poll(): take up to max events. Of one peer: oldest first, JOINED before all, LEFT behind
 * all, no token twice in one poll. Of several: in turns, so that none waits for another that never stops.
 * Returns how many, 0 .. max. 0 may also mean that the next look will bring something: arm knows.
 * Receiver; never waits for a peer; O(returned + peers that are awake); makes a system call after a sleep,
 * now and then otherwise, and for each peer that comes or goes; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_share_poll(
	struct bell_share *s, struct bell_share_event *ret_events, size_t max);

/**
 * bell_share_arm(): may I block on the fd now? The only way to sleep.
 * Returns 1: yes, the next notify, peer or end of a peer makes the fd readable; 0: no, poll again.
 * The fd stays readable from then until an arm returns 1, so a drain that stops early just does not arm.
 * Receiver; never waits for a peer; O(peers that were awake), one system call for each of them that rang;
 * not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_share_arm(struct bell_share *s);

/**
 * bell_share_wait(): take up to max events; if there are none, wait for one.
 * timeout_ns: nanoseconds on CLOCK_MONOTONIC; < 0: for ever; 0: do not block; INT64_MAX is fine.
 * Returns how many, > 0; -ETIMEDOUT; -EINTR: a signal handler ran while it slept, and brought nothing;
 * -EINVAL: max is 0. Events win over errors. It does not spin.
 * Receiver; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_share_wait(
	struct bell_share *s, struct bell_share_event *ret_events, size_t max, int64_t timeout_ns);

/**
 * bell_share_stats(): read the counters. bell_share_peer_stats(): those of the peer at an index; 0, or
 * -ENOENT: there is none. Receiver; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_share_stats(
	const struct bell_share *s, struct bell_share_stats *ret_stats);
BELL_PUBLIC BELL_NONNULL(1, 3) int bell_share_peer_stats(
	const struct bell_share *s, uint32_t index, struct bell_share_peer_stats *ret_stats);

/* -- a peer ---------------------------------------------------------------------------------- */

/**
 * bell_peer_connect(): connect to the receiver that is offered under a name, and wait for it to appear and
 * to answer; a receiver answers when it polls. A name that refuses is a dead receiver's, and as good
 * as none. timeout_ns: nanoseconds on CLOCK_MONOTONIC, for all of it; < 0: for ever; 0: do not block;
 * INT64_MAX is fine. Returns 0; -ENOENT: no receiver has the name, or, if timeout_ns is not 0, no such
 * directory; -ETIMEDOUT: no receiver came, or none answered in time; -EACCES: it does not let this
 * user in, or is neither this user's, nor root's, nor of the directory's owner; -EPERM: the directory
 * is not safe (see bell_share_new()); -EUSERS: max_peers are connected; -EPROTO: it does not speak as
 * it should; -EINVAL: name; -EINTR: a signal handler ran while it slept; -EMFILE, -ENOMEM: on either
 * side; and what else socket(2), open(2) and mmap(2) say. *ret_p is then unchanged. Costs two
 * descriptors. Needs /proc. Any thread; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_peer_connect(
	struct bell_peer **ret_p, const char *dir, const char *name, int64_t timeout_ns);

/**
 * bell_peer_notify(): say to the receiver that a token is ready.
 * Returns 1: newly queued; 0: conflated with a notification of this peer that is not yet polled;
 * -EINVAL: token is not below capacity; -EPIPE: the receiver is known to have gone, or has dropped
 * this peer. Known: at once if it said so (free, drop); if it was killed, from the first notify that
 * has to wake it. One killed while awake needs no waking, so tokens are queued for nobody until all
 * flags are up: bell_peer_fd() tells of every end.
 * Data: what the caller wrote before, to memory that both share by other means, is visible to the receiver
 * after the poll that delivers the token.
 * Any thread; lock-free; makes one poll(2) and one write(2) if it is the one to wake a sleeping
 * receiver, else no system call; never raises SIGPIPE. Signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_peer_notify(struct bell_peer *p, uint32_t token);

/**
 * bell_peer_fd(): readable when the receiver has gone, however it went. It is the peer's: never read or
 * close it. bell_peer_capacity(): tokens below it are accepted. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_peer_fd(const struct bell_peer *p);
BELL_PUBLIC BELL_NONNULL(1) uint32_t bell_peer_capacity(const struct bell_peer *p);

/** bell_peer_rings(): how many times this peer woke its receiver. Any thread; wait-free; signal-safe. */
BELL_PUBLIC BELL_NONNULL(1) uint64_t bell_peer_rings(const struct bell_peer *p);

/**
 * bell_peer_free(): leave. What was notified is delivered, then LEFT. Returns NULL; p may be NULL. In
 * a child of fork(2) it gives back what is the child's, and the parent remains connected.
 * One thread, when no other uses p; not signal-safe.
 */
BELL_PUBLIC struct bell_peer *bell_peer_free(struct bell_peer *p);

#ifdef __cplusplus
}
#endif
#endif
