/* SPDX-License-Identifier: MIT
 *
 * ipc.h: what the files of src/ipc share and nobody else sees.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <doorbell/share.h>

#include "ipc/board.h"
#include "ipc/layout.h"

/* -- drain.c: the receiver's half of one peer's queue ---------------------------------------- */

/* All of it is the receiver's own memory, but for what the three pointers point to. */
struct bell__drain {
	uint64_t *tail;
	uint32_t *slots;
	uint8_t *flags;
	uint32_t capacity, mask;
	uint64_t head;
	uint64_t owed;	 /* rings claimed from us and not yet read */
	bool armed;	 /* I set ARMED or HOLE and have not yet seen it cleared */
	bool seen;	 /* the slot at head was found published */
	bool broken;	 /* something stood there that no sound peer writes */
	uint64_t rest;	 /* of an ended peer: slots that may still be taken, so that there is an end */
	uint32_t sweep;	 /* ... and flags below it have been looked at */
	uint64_t delivered, arms, holes;
};

void bell__drain_init(struct bell__drain *d, void *memory, uint32_t capacity);
/* Is the slot at head published? */
bool bell__drain_ready(struct bell__drain *d);
/* Up to max tokens, each once, into the events' token. */
size_t bell__drain_take(struct bell__drain *d, struct bell_share_event *ret_events, size_t max);
/* Count the ring that is owed if ARMED or HOLE was claimed. */
void bell__drain_settle(struct bell__drain *d);
/* Steps 2, 3 and 5 of bell_queue_arm(): 1: asleep; 0: poll again, or broken. */
int bell__drain_arm(struct bell__drain *d);
/* The peer has ended: take what it left, which is finite whatever it still writes. */
void bell__drain_end(struct bell__drain *d);
size_t bell__drain_rest(
	struct bell__drain *d, struct bell_share_event *ret_events, size_t max, bool *ret_done);

/* -- share.c, admit.c: the receiver ---------------------------------------------------------- */

enum bell__link_state {
	BELL__LINK_FREE,
	BELL__LINK_LIVE,
	BELL__LINK_ENDED, /* its connection is closed; its memory is there until LEFT has been told */
};

/* A connected peer, as the receiver knows it. */
struct bell__link {
	enum bell__link_state state;
	bool told;  /* JOINED */
	bool awake; /* in the list of those to poll: not armed, or with something to tell */
	bool rang;  /* its bell is readable, by the last look */
	uint32_t index;
	uint64_t id;
	int fd, bell;
	void *memory;
	size_t size;
	int32_t reason;
	pid_t pid;
	uid_t uid;
	uint64_t rings, strays;
	struct bell__drain queue;
};

/* By what the peer says of itself: shown, and used for nothing. */
static inline uint64_t bell__link_notified(const struct bell__link *l)
{
	return bell_load_relaxed(l->queue.tail) >> BELL__SHIFT; /* a statistic */
}

static inline uint64_t bell__link_conflated(const struct bell__link *l)
{
	return bell_load_relaxed(&((struct bell__layout *)l->memory)->conflated); /* a statistic */
}

/* Who observes, and what is shown to them. */
struct bell__observers {
	int *fds; /* [max_observers]; -1: free */
	uint32_t n;
	int memory; /* of the board; -1: nobody has asked for it yet */
	struct bell__board *board;
	size_t size;
	uint64_t sums[BELL__ROW_WORDS]; /* of the rows, for the totals */
};

/* What a pipe has of its share: one descriptor more goes to who connects, and it is told of links. */
struct bell__guest {
	int fd;
	/* The memory is there, and no peer has it yet. */
	void (*come)(struct bell__guest *g, struct bell__link *l);
	/* It is live no more, or did not become so; the memory is still there. */
	void (*go)(struct bell__guest *g, struct bell__link *l);
};

struct bell_share {
	struct bell_share_options options;
	struct bell__guest *guest; /* or NULL */
	int epfd;   /* the descriptor of the share */
	int socket; /* that listens */
	int dir;
	int kick;   /* an eventfd of our own, which no peer has: keeps epfd readable */
	int spare;  /* given up when there is no other descriptor left to refuse a connection with; or -1 */
	pid_t pid;
	char name[BELL_SHARE_NAME_MAX + 1];
	struct stat self; /* of the name */
	bool kicked;	  /* kick is readable */
	bool fresh;	  /* the next poll looks at the descriptors */
	bool knocked;	  /* somebody connects, by the look that is being taken */
	bool muted;	  /* the socket is not watched, for a connection could not even be refused */
	uint32_t credit;  /* polls until the next look */
	uint32_t turn;	  /* who is first among the awake */
	uint32_t n_awake;
	struct bell__link **awake; /* [max_peers] */
	struct bell__link *links;  /* [max_peers] */
	uint64_t next_id;
	struct bell_share_stats stats; /* without what the links hold */
	struct bell__observers observers;
};

/* What an epoll event is about: the kind, and the index of a link above it. */
enum {
	BELL__WATCH_SOCKET,
	BELL__WATCH_KICK,
	BELL__WATCH_LINK,
	BELL__WATCH_BELL,
	BELL__WATCH_OBSERVER, /* ... or of an observer */
	BELL__WATCH_KINDS,
};

int bell__share_watch(struct bell_share *s, int op, int fd, uint32_t events, uint64_t data);
/* Make epfd readable until an arm returns 1. */
void bell__share_kick(struct bell_share *s);
void bell__share_wake(struct bell_share *s, struct bell__link *l);
/* No more from this peer: close its descriptors; what is left of it is told by polls. */
void bell__share_end(struct bell_share *s, struct bell__link *l, int32_t reason);

/* admit.c: take in, or turn away, who has connected. */
void bell__share_admit(struct bell_share *s);
/* The one message to who has connected, and with it n descriptors, unless there is an error. */
int bell__share_say(int fd, int error, const int *fds, size_t n);
/* Unmap the memory of an ended link and have its place free. */
void bell__share_dismiss(struct bell_share *s, struct bell__link *l);

/* -- board.c: what the receiver shows to observers ------------------------------------------- */

int bell__board_init(struct bell_share *s);
/* ours: not a forked child's, so the observers are told. */
void bell__board_fini(struct bell_share *s, bool ours);
/* Takes fd, and answers it. 0, or why not. */
int bell__board_admit(struct bell_share *s, int fd);
/* An observer's connection is readable: it has ended, or says what no sound one does. */
void bell__board_hear(struct bell_share *s, uint32_t index);
/* Copy the totals, and the rows of those who are awake: no other has changed. */
void bell__board_show(struct bell_share *s);
/* The place of a link is about to be free. */
void bell__board_clear(struct bell_share *s, const struct bell__link *l);

/* -- connect.c, observer.c: whom one connects to --------------------------------------------- */

/* A memory file of a size that nobody can change, which we can write to, or nobody from now on. */
bool bell__is_sealed(int fd, bool writable, uint64_t *ret_size);
/* The receiver's one message. 0: due descriptors are ours; or why not; -EAGAIN: not yet there;
 * -ECONNREFUSED: it went before it answered. */
int bell__hear_hello(int fd, int *ret_fds, size_t due);
/* Who offers the name: ourselves, root, or the owner of the directory that the caller chose? */
bool bell__is_trusted(const struct ucred *owner, uid_t dir_owner);
/* Connect as an observer; does not block. -ENOENT: nobody is there. */
int bell__observe(int dir, const char *name, int *ret_fd, struct ucred *ret_owner);

/* -- name.c: names in directories ------------------------------------------------------------ */

bool bell__name_valid(const char *name);
/* Open a directory; 0: *ret_fd; -EPERM: strangers may write to it. flags: of open(2). */
int bell__name_dir(const char *dir, int flags, int *ret_fd, struct stat *ret_st);
struct sockaddr_un bell__name_address(int dir, const char *name);
/* Have sock listen under the name, in the place of a dead one, and seen only when it does. */
int bell__name_offer(int dir, const char *name, int sock, const struct bell_share_options *o,
	struct stat *ret_self);
/* Take the name away, if it is still ours. */
void bell__name_withdraw(int dir, const char *name, const struct stat *self);

#endif
