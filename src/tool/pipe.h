/* SPDX-License-Identifier: MIT
 *
 * pipe.h: what the two halves of doorbell pipe share: the loop that feeds standard input into a broadcast
 * pipe, and the threads that print what they read from it.
 */
#ifndef TOOL_PIPE_H
#define TOOL_PIPE_H

#include <pthread.h>
#include <stdint.h>

#include <doorbell.h>

enum { READERS_MAX = 64, CHUNK_MAX = 65536 };

/* Tokens of the loop's queue; behind them one a reader, when it has ended. */
enum { TOKEN_ROOM, TOKEN_SIGNAL, TOKEN_READER };

/* A thread that prints, and what it has read. */
struct printer {
	struct bell_reader *reader;
	struct bell_queue *queue; /* of the loop: told when the thread ends */
	struct bell_pipe *pipe;
	unsigned number; /* from 1 */
	uint32_t chunk;
	pthread_t thread;

	char *out; /* whole lines, not yet written */
	size_t size, room;
	char *line; /* the chunk that is being put together */
	uint32_t length;
	int full; /* the last chunk had its full length, and no newline yet */
	uint64_t read;
	int failure; /* errno of what went wrong with the output, or 0 */
};

/* Join the pipe, and start printing. 0 or -errno. */
int printer_start(struct printer *p);

/* Free what it has; its thread has ended. */
void printer_fini(struct printer *p);

#endif
