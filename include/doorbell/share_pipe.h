/* SPDX-License-Identifier: MIT
 *
 * share_pipe.h: the broadcast pipe between processes. The writer offers it under a name in a directory;
 * readers, in other processes, attach, and each gets the stream of bytes at its own pace.
 *
 * The idea: the writer's memory is mapped by readers, who can only read it; each reader's position lies
 * in memory that it has with the writer alone. A reader is a peer of a share (see share.h) of one
 * token, "there is room", and the connection tells either side of the other's death. So a reader that
 * is killed frees its place, and the room that it held; a writer that dies gives its readers all that
 * it wrote, then an error.
 *
 * What always holds is what pipe.h says of the pipe in one process: bytes in order, each once; data
 * before end of file and before an error; bounded memory; no system call while nobody sleeps, but for a
 * look at its descriptors that the writer takes every few milliseconds at most. The policies are
 * BELL_PIPE_BLOCK and BELL_PIPE_LAP.
 *
 * The writer:
 *
 *	const struct bell_pipe_options options = {.capacity = 1 << 20, .policy = BELL_PIPE_BLOCK};
 *	struct bell_share_pipe *p;
 *
 *	if (bell_share_pipe_new(&p, "/run/log", "lines", &options, NULL) < 0)
 *		return 1;
 *	if (bell_share_pipe_write(p, "hello\n", 6, -1) != 6)	// -1: wait for room
 *		return 1;
 *	bell_share_pipe_free(p);				// end of file
 *
 * A reader, in another process, at any time before that:
 *
 *	struct bell_share_reader *r;
 *	char buf[4096];
 *	ssize_t n;
 *
 *	if (bell_share_reader_connect(&r, "/run/log", "lines", -1) < 0)	// waits for the name
 *		return 1;
 *	while ((n = bell_share_reader_wait(r, buf, sizeof(buf), -1)) > 0)
 *		fwrite(buf, 1, (size_t)n, stdout);
 *	bell_share_reader_free(r);				// 0: end of file; else why not
 *
 * In a loop the reader is watched level-triggered; it reads until there is nothing, and arms before the
 * loop sleeps, as in pipe.h. The writer in a loop watches its descriptor too: who wants to read is
 * taken in by bell_share_pipe_serve(), or on the way by write and arm.
 *
 * Roles. "Writer": one thread at a time for each pipe. "Reader": one thread at a time for each reader.
 * To hand a role on, synchronize. Nothing here is for signal handlers.
 *
 *	may run together?	of one object	of two objects
 *	calls of a pipe		no		yes
 *	calls of a reader	no		yes, and with those of its pipe
 *	fd, capacity		yes, with all but free
 *
 * After fork(2) the child may only free. docs/ABI.md has the format, bell_shared_memory(7) who trusts
 * whom with what. The edges X1 to X4 and X6 are described in docs/ORDERING.md.
 */
#ifndef DOORBELL_SHARE_PIPE_H
#define DOORBELL_SHARE_PIPE_H

#include <doorbell/base.h>
#include <doorbell/pipe.h>
#include <doorbell/share.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bell_share_pipe;
struct bell_share_reader;

/** Counters since the pipe was made. */
struct bell_share_pipe_stats {
	uint64_t written; /* bytes */
	uint64_t refused; /* writes that found no room, or too little */
	uint64_t wakes;	  /* readers that slept and were sent a byte */
	uint64_t resumes; /* notifications by readers: the room that was waited for */
	uint64_t readers; /* now */
	uint64_t memory;  /* bytes of memory for data */
	uint64_t reserved[6];
	struct bell_share_stats share; /* who came, went, was dropped or refused */
};

/* -- the writer ------------------------------------------------------------------------------ */

/**
 * bell_share_pipe_new(): offer a pipe under a name in a directory; for both see bell_share_new().
 * pipe: NULL, or options of pipe.h: capacity, policy (BLOCK or LAP), max_readers; limit is not used.
 * share: NULL, or options of share.h: who may read, in who, gid, mode, max_peers_per_user and max_strays;
 * capacity and max_peers are 0.
 * Costs 6 descriptors, shared memory for the capacity (rounded up to a power of two; only touched pages
 * become real), and for each reader 2 descriptors and two pages.
 * Returns 0; -EINVAL (an option out of its range, or BELL_PIPE_GROW); and what bell_share_new() says.
 * *ret_p is then unchanged. Any thread; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_share_pipe_new(
	struct bell_share_pipe **ret_p, const char *dir, const char *name,
	const struct bell_pipe_options *pipe, const struct bell_share_options *share);

/**
 * bell_share_pipe_free(): close, take the name away, and give the pipe up. Readers that are attached keep
 * the memory, and still get all that was written, then the end. Returns NULL; p may be NULL. In a child
 * of fork(2) it gives back what is the child's, and the pipe stays the parent's.
 * A writer that ends before its stream does says so first, by bell_share_pipe_set_error().
 * Writer; not signal-safe. Detach the fd from its loop before.
 */
BELL_PUBLIC struct bell_share_pipe *bell_share_pipe_free(struct bell_share_pipe *p);

/**
 * bell_share_pipe_fd(): to be watched for reading, level-triggered: who comes, who goes, and, after an
 * arm that asked for it, room. It is the pipe's: never read or close it. Any thread; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_share_pipe_fd(const struct bell_share_pipe *p);

/**
 * bell_share_pipe_serve(): take in who wants to read, let go who has gone. A reader attaches only when
 * its writer serves, arms, or writes. Returns how many readers there are.
 * Writer; never waits for a reader; makes a system call, and a few for each reader that comes or goes.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_share_pipe_serve(struct bell_share_pipe *p);

/**
 * bell_share_pipe_write(): append bytes, and wake the readers that sleep. As bell_pipe_write():
 * timeout_ns, with BELL_PIPE_BLOCK: how long to wait for room; how many bytes were appended, all or
 * fewer; or, if none:
 *  -EAGAIN     no room, and timeout_ns is 0
 *  -ETIMEDOUT  no room in time
 *  -EINTR      a signal handler ran while it slept
 *  -EPIPE      there have been readers, and all have gone. Not before the first came: what is written
 *              then is kept for it, as far as there is room. Nor is it final: a new reader ends it.
 *  -ESHUTDOWN  closed; or the error that was set, negative.
 * len 0 appends nothing and returns 0, or the error of -EPIPE's line or below.
 * Writer; one look over the readers, one send(2) for each that sleeps, one look at the descriptors if the
 * last was some milliseconds ago; blocks with BELL_PIPE_BLOCK and a timeout other than 0, for as long
 * as the slowest reader likes.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_share_pipe_write(
	struct bell_share_pipe *p, const void *buf, size_t len, int64_t timeout_ns);

/**
 * bell_share_pipe_arm(): may the writer sleep? room: until so many bytes are free (what is more than the
 * capacity means the capacity), or 0: it does not want to write; in any case until a reader comes or
 * goes.
 * Returns 1: yes, the fd becomes readable then; 0: no: there is room, or readers have come or gone
 * since the last serve or arm: look again; -ESHUTDOWN or the error that was set, if room is not 0:
 * there is nothing to wait for. Before the first reader and with BELL_PIPE_LAP there is room as far as
 * there is memory. Level-triggered: sleep only after a 1. Writer; never waits; a few system calls for
 * each reader that rang.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_share_pipe_arm(
	struct bell_share_pipe *p, size_t room);

/**
 * bell_share_pipe_set_error(), bell_share_pipe_close(): end the stream, as in pipe.h: readers get what
 * was written before, then -error, or end of file. The first end stays. Returns 0; set_error: -EINVAL:
 * no error that can be told (1 .. 4095 but EAGAIN, EINTR and EOVERFLOW); -ESHUTDOWN, -EALREADY: it had
 * ended. Readers may still come, as long as the writer serves them. Writer; one send(2) for each reader
 * that sleeps.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_share_pipe_set_error(struct bell_share_pipe *p, int error);
BELL_PUBLIC BELL_NONNULL(1) int bell_share_pipe_close(struct bell_share_pipe *p);

/** bell_share_pipe_stats(): read the counters. Writer; O(max_readers). */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_share_pipe_stats(
	const struct bell_share_pipe *p, struct bell_share_pipe_stats *ret_stats);

/* -- a reader -------------------------------------------------------------------------------- */

/**
 * bell_share_reader_connect(): attach to the pipe that is offered under a name, at the oldest byte
 * kept; wait for the name to appear and for its writer to answer. Arguments and errors are those of
 * bell_peer_connect(); -EPROTO also: the name is not a pipe's. Costs two descriptors.
 * Any thread; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2, 3) int bell_share_reader_connect(
	struct bell_share_reader **ret_r, const char *dir, const char *name, int64_t timeout_ns);

/**
 * bell_share_reader_free(): leave: the writer learns of it, and the room that was held is free. Returns
 * NULL; r may be NULL. In a child of fork(2) the parent remains attached.
 * The reader's last call; not signal-safe. Detach the fd from its loop before.
 */
BELL_PUBLIC struct bell_share_reader *bell_share_reader_free(struct bell_share_reader *r);

/**
 * bell_share_reader_fd(): to be watched for reading, level-triggered. It is the reader's: never read,
 * write or close it. Read and arm once before the first sleep. Any thread; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_share_reader_fd(const struct bell_share_reader *r);

/**
 * bell_share_reader_read(): take up to len bytes, oldest first; never waits. As bell_reader_read(): >
 * 0; 0: end of file; -EAGAIN: nothing now; -EOVERFLOW: bytes were overwritten (BELL_PIPE_LAP); the
 * error that was set; -EINVAL: len is 0. And, when all was read: -ECONNRESET: the writer died and had
 * not ended its stream, or has dropped this reader; arm and wait find that out. -EPROTO: the writer
 * broke the format.
 * Reader; wait-free; one poll(2) and one write(2) if it frees the room that a sleeping writer waits
 * for, else no system call.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_share_reader_read(
	struct bell_share_reader *r, void *buf, size_t len);

/**
 * bell_share_reader_arm(): may the reader block on its fd now? The only way to sleep.
 * Returns 1: yes, the next write, end or death makes the fd readable; 0: no, there is something: read;
 * -ESHUTDOWN: end of file, all was read; or the error, -ECONNRESET or -EPROTO that read says.
 * Reader; never waits; one system call, and one for each time that it was woken.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_share_reader_arm(struct bell_share_reader *r);

/**
 * bell_share_reader_wait(): as read, but if there is nothing, wait for it. timeout_ns: as above. In
 * place of
 * -EAGAIN: -ETIMEDOUT; -EINTR: a signal handler ran while it slept. It does not spin. Reader; blocks.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_share_reader_wait(
	struct bell_share_reader *r, void *buf, size_t len, int64_t timeout_ns);

/** bell_share_reader_lost(): bytes overwritten before this reader had read them. Reader; wait-free. */
BELL_PUBLIC BELL_NONNULL(1) uint64_t bell_share_reader_lost(const struct bell_share_reader *r);

#ifdef __cplusplus
}
#endif
#endif
