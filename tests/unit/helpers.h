/* SPDX-License-Identifier: MIT
 *
 * helpers.h: what the tests of the queue share: making one, looking at its bell from outside, and
 * comparing what it delivers. All of it asserts, so it is for the main thread of a test.
 */
#ifndef UNIT_HELPERS_H
#define UNIT_HELPERS_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <doorbell.h>

#include "runner.h"

#if defined(__SANITIZE_ADDRESS__)
#define HELPERS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HELPERS_SANITIZED 1
#endif
#endif
#ifndef HELPERS_SANITIZED
#define HELPERS_SANITIZED BELL_TSAN /* address space and its limits mean something else there */
#endif

/* A test that runs once in each mode: _i is 0 for level and 1 for edge, and 2 more for a single
 * producer. "Both": without that, for a test that has several. */
#define add_in_all_modes(tc, test)  tcase_add_loop_test(tc, test, 0, 4)
#define add_in_both_modes(tc, test) tcase_add_loop_test(tc, test, 0, 2)
#define add_in_single_modes(tc, test) tcase_add_loop_test(tc, test, 2, 4)
#define add_in_level_modes(tc, test)             \
	do {                                     \
		tcase_add_loop_test(tc, test, 0, 1); \
		tcase_add_loop_test(tc, test, 2, 3); \
	} while (0)
#define add_in_edge_modes(tc, test)              \
	do {                                     \
		tcase_add_loop_test(tc, test, 1, 2); \
		tcase_add_loop_test(tc, test, 3, 4); \
	} while (0)

static inline unsigned mode_of(int i)
{
	return (i & 1 ? BELL_QUEUE_EDGE : 0) | (i & 2 ? BELL_QUEUE_SINGLE_PRODUCER : 0);
}

struct bell_queue *queue_of(uint32_t capacity, unsigned flags);
struct bell_queue_stats stats_of(const struct bell_queue *q);

/* One poll returns exactly these tokens. */
void expect_tokens(struct bell_queue *q, const uint32_t *tokens, size_t n);
#define EXPECT(q, ...)                                    \
	expect_tokens(q, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
void expect_nothing(struct bell_queue *q);

/* What other holders of the fd see: its counter, and whether it is readable now. */
uint64_t fd_count(int fd);
bool fd_readable(int fd);

/* An epoll set that watches the bell as its mode wants it, and how many events it has now. */
int loop_watching(const struct bell_queue *q);
int loop_events(int epfd);

pthread_t spawn(void *(*fn)(void *), void *arg);
void join(pthread_t thread);
void sleep_ms(unsigned ms);

/* The same numbers on every machine and in every run. */
uint32_t dice(uint64_t *state);

#endif
