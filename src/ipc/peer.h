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

#endif
