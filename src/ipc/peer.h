/* SPDX-License-Identifier: MIT
 *
 * peer.h: a connected peer, as its own process knows it: what connect.c makes and peer.c uses.
 */
#ifndef IPC_PEER_H
#define IPC_PEER_H

#include "ipc/ipc.h"

struct bell_peer {
	/* Never changed. What was read of the header stands here: the memory may say something else by
	 * now. */
	struct bell__layout *shared;
	uint32_t *slots;
	uint8_t *flags;
	uint32_t capacity, mask;
	int fd, bell;
	size_t size;
	pid_t pid;

	uint64_t rings; /* written rarely, by any thread */
};

/* bell_peer_connect(); ret_stream: NULL, or where a third descriptor goes, without which it is -EPROTO
 * as it is with one that is not asked for. */
int bell__peer_connect(struct bell_peer **ret_p, int *ret_stream, const char *dir, const char *name,
	int64_t timeout_ns);

#endif
