/* SPDX-License-Identifier: MIT
 *
 * pipe_share.h: doorbell pipe between processes: --offer and --attach.
 */
#ifndef TOOL_PIPE_SHARE_H
#define TOOL_PIPE_SHARE_H

#include <stdint.h>

/* What was said on the command line; NULL or 0 if it was not. */
struct crossing {
	const char *offer, *attach, *dir;
	uint32_t capacity, policy, timeout;
	int readers; /* --readers or --chunk: not for this */
};

/* Each returns the exit status. */
int pipe_cross(const struct crossing *c);

#endif
