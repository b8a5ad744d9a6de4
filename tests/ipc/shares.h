/* SPDX-License-Identifier: MIT
 *
 * shares.h: what the tests of shares have in common: a directory of their own, a receiver in it, peers
 * in threads and processes, and looking at what arrives. All of it asserts, so it is for the main
 * thread of a test, but for what says that it is for children, which end with a status instead.
 */
#ifndef IPC_SHARES_H
#define IPC_SHARES_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <doorbell.h>

#include "helpers.h"

#define SECOND INT64_C(1000000000)
#define PATIENCE (20 * SECOND) /* nothing here takes long: who waits longer waits for ever */

/* Made before each test and removed after it, with what is left in it; a test case with both fixtures. */
extern char shares_dir[];
TCase *shares_case(Suite *s, const char *name, double timeout);
/* How many names are in it, of any kind. */
int shares_names(void);

struct bell_share *share_of(const char *name, const struct bell_share_options *options);
struct bell_share_stats share_stats_of(const struct bell_share *s);

/* Connects to it from this process, while the share is polled; takes the JOINED. Its id is *ret_id. */
struct bell_peer *peer_of(struct bell_share *s, const char *name, uint64_t *ret_id);
/* What a connect to it that cannot succeed returns. */
int refused(struct bell_share *s, const char *name, int64_t timeout_ns);

/* Waits for one event, and expects it. */
struct bell_share_event next_event(struct bell_share *s);
void expect_token(struct bell_share *s, uint64_t peer, uint32_t token);
struct bell_share_event expect_left(struct bell_share *s, uint64_t peer, int reason);
/* Polls and arms until the share sleeps, and nothing came. */
void expect_silence(struct bell_share *s);

/* A child process that runs fn and ends with what it returns. It is killed with its parent. */
pid_t child_of(int (*fn)(void *arg), void *arg);
/* Its exit status; 128 + the signal, if one ended it. */
int child_end(pid_t child);

/* For children: connect, or end with status 99. */
struct bell_peer *child_connect(const char *name);

/* A connection as only a stranger makes it: the socket, and what the receiver sent. */
struct raw {
	int fd, memory, bell;
	uint8_t *map;
	size_t size;
	int error; /* of the hello */
};

int raw_dial(const char *name);		   /* the socket, connected, nothing read */
struct raw raw_connect(const char *name);  /* for children, too: aborts if it fails */
void raw_close(struct raw *r);

struct bell_watch *watch_of(void);
/* It has nothing to tell, and its descriptor is not readable. */
void expect_quiet(struct bell_watch *w);

#endif
