/* SPDX-License-Identifier: MIT
 *
 * Two strangers write random bytes all over their memory and ring, while a sound peer beside them
 * counts: each of its words must be heard. They are dropped again and again, and come back.
 * SCRIBBLE_SECONDS=60 makes it longer.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ipc/layout.h"
#include "shares.h"

enum { CAPACITY = 100, STRANGERS = 2 };

struct words {
	BELL_ALIGNED uint64_t said;
	BELL_ALIGNED uint64_t heard;
	BELL_ALIGNED uint32_t stop;
};

static struct words *words; /* the sound peer's and the receiver's, no part of a share */

/* The bytes of memory that the receiver reads, and what it writes; at times a whole line of it. */
static void scribble(struct raw *r, uint64_t *state)
{
	struct bell__layout *shared = (void *)r->map;
	const struct bell__layout header = bell__layout_of(CAPACITY);
	const uint64_t one = 1;
	uint32_t i, kind;

	for (i = 0; i < 2000; i++) {
		kind = dice(state) % 16;
		if (kind == 0)
			shared->tail = (uint64_t)dice(state) << 32 | dice(state);
		else if (kind < 4)
			shared->tail = shared->tail & ~(uint64_t)BELL__ASLEEP;
		else if (kind < 8)
			shared->slots[dice(state) % header.ring_size] =
				dice(state) % (4 * header.ring_size);
		else
			r->map[dice(state) % header.size] = (uint8_t)dice(state);
		if (kind == 15)
			(void)!write(r->bell, &one, sizeof(one));
		if (kind == 14)
			(void)bell_fetch_add_acq_rel(&shared->tail, BELL__POSITION);
	}
}

static int scribble_on(void *arg)
{
	uint64_t state = *(uint64_t *)arg;
	char byte;

	for (;;) {
		struct raw r = raw_connect("x");

		while (!r.error && recv(r.fd, &byte, 1, MSG_DONTWAIT) < 0)
			scribble(&r, &state);
		raw_close(&r);
	}
	return 0;
}

static int count(void *arg)
{
	struct bell_peer *p = child_connect("x");
	int64_t limit;

	(void)arg;
	while (!bell_load_relaxed(&words->stop)) {
		bell_store_relaxed(&words->said, words->said + 1);
		if (bell_peer_notify(p, (uint32_t)words->said % CAPACITY) != 1)
			return 1;
		limit = runner_now() + PATIENCE / 2;
		while (bell_load_relaxed(&words->heard) != words->said)
			if (runner_now() > limit)
				return 2;
	}
	bell_peer_free(p);
	return 0;
}

START_TEST(scribbling_harms_nobody_else)
{
	const char *seconds = getenv("SCRIBBLE_SECONDS");
	const int64_t end = runner_now() + SECOND * (seconds ? atoi(seconds) : 3);
	struct bell_share *s = share_of(
		"x", &(struct bell_share_options){.capacity = CAPACITY, .max_strays = 100});
	struct bell_share_event events[32];
	struct bell_share_stats stats;
	pid_t strangers[STRANGERS], sound;
	uint64_t seed, tokens = 0;
	ssize_t n, i;
	bool left = false;

	words = mmap(
		NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(words != MAP_FAILED);
	sound = child_of(count, NULL); /* the first, so its id is 1 */
	ck_assert_uint_eq(next_event(s).peer, 1);
	for (seed = 0; seed < STRANGERS; seed++)
		strangers[seed] = child_of(scribble_on, &seed);
	while (!left) {
		n = bell_share_wait(s, events, 32, PATIENCE);
		ck_assert_int_gt(n, 0);
		if (runner_now() > end)
			bell_store_relaxed(&words->stop, 1);
		for (i = 0; i < n; i++) {
			if (events[i].kind == BELL_SHARE_TOKEN)
				ck_assert_uint_lt(events[i].token, CAPACITY);
			if (events[i].peer != 1)
				continue;
			left = events[i].kind == BELL_SHARE_LEFT;
			if (left)
				break;
			ck_assert_uint_eq(events[i].token, words->said % CAPACITY);
			tokens++;
			bell_store_relaxed(&words->heard, words->said);
		}
	}
	ck_assert_int_eq(events[i].reason, 0);
	ck_assert_int_eq(child_end(sound), 0);
	ck_assert_uint_eq(words->heard, words->said);
	for (i = 0; i < STRANGERS; i++) {
		kill(strangers[i], SIGKILL);
		ck_assert_int_eq(child_end(strangers[i]), 128 + SIGKILL);
	}
	stats = share_stats_of(s);
	printf("# %llu words heard, %llu strangers dropped\n", (unsigned long long)tokens,
		(unsigned long long)stats.dropped);
	fflush(stdout);
	ck_assert_uint_gt(tokens, 100);
	ck_assert_uint_gt(stats.dropped, 10);
	munmap(words, sizeof(*words));
	bell_share_free(s);
}

int main(void)
{
	Suite *s = suite_create("ipc scribbler");
	TCase *tc = shares_case(s, "scribbler", 600);

	tcase_add_test(tc, scribbling_harms_nobody_else);
	return runner_run(s);
}
