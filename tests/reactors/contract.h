/* SPDX-License-Identifier: MIT
 *
 * contract.h: what the files of the contract share. All of it asserts.
 */
#ifndef REACTORS_CONTRACT_H
#define REACTORS_CONTRACT_H

#include "reactor.h"
#include "runner.h"

enum { ROOM = 64 };

/* A test's loop, its bell, and what was heard from it. */
struct bench {
	void *loop;
	struct bell_queue *q;
	void *bell;
	uint32_t tokens[ROOM];
	uint32_t n, wanted; /* so many tokens, then stop */
	int ended, error;   /* calls of on_end, and what it was told */
	uint32_t turns;
	uint32_t producer_done; /* atomic */
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);
void bench_attach(struct bench *b, size_t budget, bell_token_fn fn);
void bench_detach(struct bench *b);

/* A bell_token_fn for tokens and n; and that so many came, one after the other from the first. */
void bench_record(void *userdata, uint32_t token);
void bench_expect(const struct bench *b, uint32_t first, uint32_t n);
void bench_expect_end(struct bench *b); /* it is told to ended and error, and stops the loop */

void bench_fill(struct bell_queue *q, uint32_t first, uint32_t n); /* notifies n that are not queued */
void bench_run_for(struct bench *b, unsigned ms);

void contract_busy(TCase *tc, const struct reactor *r);

#endif
