/* SPDX-License-Identifier: MIT
 *
 * pipe.h: the broadcast pipe. One writer, any number of readers in other threads; each reader gets the
 * whole stream of bytes at its own pace, through its own descriptor.
 *
 * The idea: one ring of bytes, one word that says how far it is written and whether it has ended, and
 * for each reader a seat: how far it has read, whether it sleeps, and a bell_queue of one token to wake
 * it. Bytes are copied in once and out once a reader, whatever their number. A writer rings only for
 * readers that sleep, and a reader that frees room rings only for a writer that sleeps.
 *
 * What always holds:
 *  - Each reader gets the bytes in order, each once, from the oldest byte kept when it joined.
 *  - Data before end of file, and before an error, however close and write race with read.
 *  - Memory is bounded. What happens when it is full is the policy, chosen when the pipe is made:
 *    BELL_PIPE_BLOCK: the slowest reader holds the writer; BELL_PIPE_LAP: the writer never waits, and a
 *    reader that it laps learns how many bytes it lost; BELL_PIPE_GROW: more memory, up to a limit.
 *  - No system call while nobody sleeps.
 *
 * The writer's thread, and one reader's:
 *
 *	const struct bell_pipe_options options = {.capacity = 1 << 20, .policy = BELL_PIPE_BLOCK};
 *	struct bell_pipe *p;
 *	struct bell_reader *r;
 *	char buf[4096];
 *	ssize_t n;
 *
 *	if (bell_pipe_new(&p, &options) < 0 || bell_reader_new(&r, p) < 0)
 *		return 1;
 *	if (bell_pipe_write(p, "hello\n", 6, -1) != 6)		// -1: wait for room
 *		return 1;
 *	bell_pipe_free(p);					// end of file
 *
 *	while ((n = bell_reader_wait(r, buf, sizeof(buf), -1)) > 0)
 *		fwrite(buf, 1, (size_t)n, stdout);
 *	bell_reader_free(r);
 *
 * In an event loop the same three calls as everywhere: an fd to watch for reading, read until there is
 * nothing, arm before the loop sleeps:
 *
 *	struct bell_pipe *p;
 *	struct bell_reader *r;
 *	char buf[4096];
 *	ssize_t n = -EAGAIN;
 *
 *	if (bell_pipe_new(&p, NULL) < 0 || bell_reader_new(&r, p) < 0)
 *		return 1;
 *	epoll_ctl(ep, EPOLL_CTL_ADD, bell_reader_fd(r), &ev);	// another thread: bell_pipe_write(p, ...)
 *	while (n == -EAGAIN && epoll_wait(ep, &ev, 1, -1) == 1) {
 *		do {
 *			while ((n = bell_reader_read(r, buf, sizeof(buf))) > 0)
 *				fwrite(buf, 1, (size_t)n, stdout);
 *		} while (n == -EAGAIN && bell_reader_arm(r) == 0);
 *	}
 *	bell_reader_free(r);					// 0: end of file; else the error
 *
 * Roles. "Writer": one thread at a time for each pipe. "Reader": one thread at a time for each reader.
 * To hand a role on, synchronize. "Any thread": any number of threads at once.
 *
 *	may run together?       write, arm, bind  close, set_error  stats  reader_new | reader's calls
 *	write, arm, bind        no                yes               yes    yes        | yes
 *	close, set_error                          yes               yes    yes        | yes
 *	stats, fd, reader_new                                       yes    yes        | yes
 *	calls of one reader: read, arm, wait, lost, free                              | no
 *	calls of two readers                                                          | yes
 *	bell_pipe_free() is the last use of the pipe itself: only readers' calls may run with it.
 *
 * After fork(2) the child uses none of it. Includes base.h and queue.h. The edges B1 to B8 are described
 * in docs/ORDERING.md.
 */
#ifndef DOORBELL_PIPE_H
#define DOORBELL_PIPE_H

#include <doorbell/base.h>
#include <doorbell/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most that capacity and limit may be, in bytes: 1 TiB, or 256 MiB where size_t has 32 bits. */
#define BELL_PIPE_SIZE_MAX ((size_t)(SIZE_MAX > UINT32_MAX ? UINT64_C(1) << 40 : UINT64_C(1) << 28))

/** What an option of 0 means. The limit is then the capacity if that is more. */
#define BELL_PIPE_CAPACITY_DEFAULT    65536
#define BELL_PIPE_LIMIT_DEFAULT	      (16 << 20)
#define BELL_PIPE_MAX_READERS_DEFAULT 16

/** The largest max_readers: each write looks at all seats that were ever taken. */
#define BELL_PIPE_MAX_READERS 4096

/** What is to happen when the pipe is full. */
enum {
	BELL_PIPE_BLOCK, /* the slowest reader holds the writer: it waits, or is told -EAGAIN */
	BELL_PIPE_LAP,	 /* the oldest bytes are overwritten: the writer never waits, readers may lose */
	BELL_PIPE_GROW,	 /* more memory is allocated, up to the limit; then the writer is told -ENOSPC */
};

/** How a pipe is made. What is 0 takes its default. */
struct bell_pipe_options {
	size_t capacity;      /* bytes that are kept; GROW: memory that is not given back */
	size_t limit;	      /* GROW: bytes that the slowest reader may be behind; else not used */
	uint32_t policy;      /* BELL_PIPE_BLOCK, BELL_PIPE_LAP or BELL_PIPE_GROW */
	uint32_t max_readers; /* readers at one time */
};

/** Counters since the pipe was made; exact when nothing else runs, else each a moment old. */
struct bell_pipe_stats {
	uint64_t written; /* bytes */
	uint64_t refused; /* writes that found no room, or too little */
	uint64_t wakes;	  /* notifications of readers: at most one for each time that one announced sleep */
	uint64_t resumes; /* notifications of the writer: the same */
	uint64_t joined;  /* readers that came */
	uint64_t crowded; /* readers that were refused for max_readers */
	uint64_t readers; /* readers now */
	uint64_t memory;  /* bytes of memory for data now */
	uint64_t peak;	  /* the most that was */
	uint64_t reserved[7];
};

struct bell_pipe;
struct bell_reader;

/* -- the writer's side ------------------------------------------------------------------------- */

/**
 * bell_pipe_new(): make a pipe. options: NULL for all defaults.
 * Costs one descriptor, the memory for capacity (rounded up to a power of two; only touched pages
 * become real) and 256 bytes a seat; each seat, when it is first taken, a bell_queue: one descriptor.
 * Returns 0; -EINVAL (an option out of its range, or a limit below the capacity), -ENOMEM, -EMFILE,
 * -ENFILE; *ret_p is then unchanged. Any thread; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_pipe_new(
	struct bell_pipe **ret_p, const struct bell_pipe_options *options);

/**
 * bell_pipe_free(): close, and give the pipe up. Readers keep what they need: they still get all that
 * was written, then the end; the last of them frees the memory. Returns NULL; p may be NULL.
 * A writer that ends before its stream does says so first, by bell_pipe_set_error().
 * The last use of p; detach the fd from its loop before. Not signal-safe.
 */
BELL_PUBLIC struct bell_pipe *bell_pipe_free(struct bell_pipe *p);

/**
 * bell_pipe_write(): append bytes, and wake the readers that sleep.
 * timeout_ns, with BELL_PIPE_BLOCK: how long to wait for room, in nanoseconds on CLOCK_MONOTONIC; < 0:
 * as long as it takes; 0: do not wait; INT64_MAX is fine. The other policies never wait.
 * Returns how many bytes were appended, as write(2) does: all of them, or fewer if after some of them
 * the time was over, a signal handler ran, the limit was reached, or the pipe was closed or its last
 * reader left; the next write says why. If it could append none:
 *  -EAGAIN     no room, and timeout_ns is 0          (BELL_PIPE_BLOCK)
 *  -ETIMEDOUT  no room in time                       (BELL_PIPE_BLOCK)
 *  -EINTR      a signal handler ran while it slept   (BELL_PIPE_BLOCK)
 *  -ENOSPC     the slowest reader is limit bytes behind, -ENOMEM: no memory (BELL_PIPE_GROW)
 *  -EPIPE      there have been readers, and all have gone. Not before the first came: what is written
 *              then is kept for it, as far as there is room. Nor is it final: a new reader ends it.
 *  -ESHUTDOWN  closed; or the error that was set, negative.
 * len 0 appends nothing, wakes nobody and returns 0, or the error of -EPIPE's line or below: "may I
 * still write?". A write that returns n has appended these n bytes before the end of file, or the error,
 * that any other thread sets meanwhile; what it did not count, no reader will see.
 * Writer; one look over the seats taken; with BELL_PIPE_BLOCK and a timeout other than 0 it blocks, else
 * it is wait-free but for malloc(3) with BELL_PIPE_GROW and one write(2) for each reader that sleeps.
 * Not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) ssize_t bell_pipe_write(
	struct bell_pipe *p, const void *buf, size_t len, int64_t timeout_ns);

/**
 * bell_pipe_fd(): for a writer in an event loop: becomes readable when there is room again, after an arm
 * that returned 1. Watch it for reading; never read, write or close it. Any thread; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_pipe_fd(const struct bell_pipe *p);

/**
 * bell_pipe_arm(): may the writer sleep until there is room?
 * Returns 1: yes, the fd becomes readable when a quarter of the capacity (with BELL_PIPE_GROW, of the
 * limit) is free, or writing has become an error; 0: no, so much is free now: write; -ESHUTDOWN, -EPIPE
 * or the error that was set: there is nothing to wait for. 0 with BELL_PIPE_LAP, as long as it is open.
 * Level-triggered: the fd stays readable until an arm returns 1. A new pipe's fd is readable.
 * Writer; wait-free; at most one read(2) and one write(2); not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_pipe_arm(struct bell_pipe *p);

/**
 * bell_pipe_bind(): from now on, notify this token of this queue when there is room again, in place of
 * making the fd readable; bell_pipe_arm() asks for it as before. For a loop that has a queue anyway. The
 * pipe holds a reference of the queue. bell_pipe_write() with a timeout still waits by itself.
 * Returns 0; -EINVAL: token is not below the queue's capacity; -EALREADY: bound before.
 * Writer; wait-free; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_pipe_bind(
	struct bell_pipe *p, struct bell_queue *q, uint32_t token);

/**
 * bell_pipe_set_error(): end the stream with an error: readers get what was written before, then -error,
 * again and again. Writing is over: -error.
 * error: 1 .. 4095, an errno but EAGAIN, EINTR and EOVERFLOW, which reads have a use for.
 * Returns 0; -EINVAL; -ESHUTDOWN: closed before; -EALREADY: an error was set before. The first one stays.
 * Any thread; lock-free; wakes the readers that sleep, and the writer; signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_pipe_set_error(struct bell_pipe *p, int error);

/**
 * bell_pipe_close(): end the stream: readers get what was written before, then end of file. Writing is
 * over: -ESHUTDOWN. After an error, or another close, it changes nothing. Returns 0.
 * Any thread; lock-free; wakes the readers that sleep, and the writer; signal-safe; errno is preserved.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_pipe_close(struct bell_pipe *p);

/**
 * bell_pipe_stats(): read the counters. Any thread; wait-free; signal-safe.
 */
BELL_PUBLIC BELL_NONNULL(1, 2) void bell_pipe_stats(
	const struct bell_pipe *p, struct bell_pipe_stats *ret_stats);

/* -- a reader's side --------------------------------------------------------------------------- */

/**
 * bell_reader_new(): join: a new reader of the pipe, at the oldest byte kept. That is: with
 * BELL_PIPE_LAP the last capacity bytes, or nearly; else at least what the slowest of the other readers
 * has not read, and all that was written if nothing was overwritten yet. A closed pipe may be joined.
 * Returns 0; -EUSERS: there are max_readers; -ENOMEM, -EMFILE, -ENFILE; *ret_r is then unchanged.
 * Any thread, also while the writer writes; lock-free but for malloc(3); not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) int bell_reader_new(
	struct bell_reader **ret_r, struct bell_pipe *p);

/**
 * bell_reader_free(): leave. The room that it held is free, and a writer that waits is told. Returns
 * NULL; r may be NULL. Detach the fd from its loop before: it may become that of another reader.
 * The reader's last call; not signal-safe.
 */
BELL_PUBLIC struct bell_reader *bell_reader_free(struct bell_reader *r);

/**
 * bell_reader_fd(): to be watched for reading. It is the pipe's: never read, write or close it. A new
 * reader's fd is readable, so that its loop comes round and looks. Any thread; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) int bell_reader_fd(const struct bell_reader *r);

/**
 * bell_reader_read(): take up to len bytes, oldest first. Never waits.
 * Returns how many, > 0, whatever is there; 0: end of file, all was read; -EAGAIN: nothing now;
 * -EOVERFLOW: the writer has overwritten bytes that were not read (BELL_PIPE_LAP): bell_reader_lost()
 * has been raised by so many, and the next read goes on at the oldest byte kept; the error that was set,
 * negative, when all was read; -EINVAL: len is 0, for 0 would look like the end.
 * After -EOVERFLOW the contents of buf are undefined up to len; after another error, untouched.
 * Reader; wait-free; one write(2) if it frees the room that a sleeping writer waits for, else no system
 * call; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_reader_read(
	struct bell_reader *r, void *buf, size_t len);

/**
 * bell_reader_arm(): may the reader block on its fd now? The only way to sleep.
 * Returns 1: yes, the next write, close or error makes the fd readable; 0: no, there are bytes, or they
 * were overwritten: read; -ESHUTDOWN: end of file, all was read, or the error that was set: nothing
 * will come. Level-triggered: the fd stays readable until an arm returns 1.
 * Reader; wait-free; at most one read(2) and one write(2); not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1) int bell_reader_arm(struct bell_reader *r);

/**
 * bell_reader_wait(): as bell_reader_read(), but if there is nothing, wait for it; for a thread that has
 * no event loop. timeout_ns: as of bell_pipe_write(). Spins for a little before it sleeps, as
 * bell_queue_wait() does. In place of -EAGAIN: -ETIMEDOUT; -EINTR: a signal handler ran while it slept.
 * Reader; blocks; not signal-safe.
 */
BELL_PUBLIC BELL_NODISCARD BELL_NONNULL(1, 2) ssize_t bell_reader_wait(
	struct bell_reader *r, void *buf, size_t len, int64_t timeout_ns);

/**
 * bell_reader_lost(): how many bytes were overwritten before this reader had read them, since it joined:
 * read + lost is what was written meanwhile, to the byte. Reader; wait-free.
 */
BELL_PUBLIC BELL_NONNULL(1) uint64_t bell_reader_lost(const struct bell_reader *r);

#ifdef __cplusplus
}
#endif
#endif
