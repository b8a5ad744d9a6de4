/* SPDX-License-Identifier: MIT
 *
 * Ten thousand queues, each notified, received from, closed and dropped by three threads at once, each
 * with a reference of its own; the last one falls in any of them. Meanwhile somebody opens files, which
 * get the numbers of the bells just closed: not a byte may go there.
 *
 * The threads live through all rounds, so that a round is short and they meet in its midst.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helpers.h"

enum { ROUNDS = 10000, TOKENS = 4, WORKERS = 3 };

struct worker {
	struct bell_queue *offered; /* by main, with a reference; NULL again when it was dropped */
	uint64_t seed;
	uint32_t id, stop, wrong, delivered;
};

/* Some notifies; ends early if it meets the close. */
static void notify_some(struct worker *w, struct bell_queue *q)
{
	uint32_t i, n = dice(&w->seed) % 40;
	int r = 0;

	for (i = 0; i < n && r >= 0; i++) {
		r = i % 8 ? bell_queue_notify(q, i % TOKENS)
			  : bell_queue_notify_many(q, (uint32_t[]){0, 1, 2, 3}, 4);
		w->wrong += r < 0 && r != -ESHUTDOWN;
	}
}

static void receive_some(struct worker *w, struct bell_queue *q)
{
	uint32_t tokens[TOKENS], turns = dice(&w->seed) % 20;
	size_t n;
	int r = 0;

	while (turns-- > 0 && r >= 0) {
		n = bell_queue_poll(q, tokens, TOKENS);
		w->delivered += n > 0;
		if (n == 0)
			r = bell_queue_arm(q);
		w->wrong += r < 0 && r != -ESHUTDOWN;
	}
}

static void close_some_time(struct worker *w, struct bell_queue *q)
{
	uint32_t turns = dice(&w->seed) % 200;

	while (turns-- > 0)
		bell_pause();
	bell_queue_close(q);
	w->wrong += bell_queue_notify(q, 0) != -ESHUTDOWN;
}

static void *work(void *userdata)
{
	static void (*const roles[])(struct worker *, struct bell_queue *) = {
		notify_some, receive_some, close_some_time};
	struct worker *w = userdata;
	struct bell_queue *q;
	uint32_t round;

	for (round = 0; !bell_load_relaxed(&w->stop);) {
		q = bell_load_acquire(&w->offered);
		if (!q) {
			sched_yield();
			continue;
		}
		roles[(w->id + round++) % WORKERS](w, q);
		bell_queue_unref(q);
		bell_store_release(&w->offered, NULL);
	}
	return NULL;
}

/* One queue to all; main's own part is to notify, and perhaps to be the last. */
static void one_round(struct worker *workers, uint32_t round)
{
	struct bell_queue *q = queue_of(TOKENS, mode_of(round % 2));
	int i;

	for (i = 0; i < WORKERS; i++)
		bell_store_release(&workers[i].offered, bell_queue_ref(q));
	if (round % 4)
		(void)bell_queue_notify(q, round % TOKENS);
	bell_queue_unref(q);
	for (i = 0; i < WORKERS; i++)
		while (bell_load_acquire(&workers[i].offered))
			sched_yield();
}

struct decoy {
	uint32_t stop, rounds, strays;
};

static void *open_files(void *userdata)
{
	struct decoy *d = userdata;
	char byte;
	int ends[2], file;

	while (!bell_load_relaxed(&d->stop)) {
		file = memfd_create("decoy", MFD_CLOEXEC);
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			break;
		sched_yield();
		d->strays += lseek(file, 0, SEEK_END) != 0;
		d->strays += read(ends[0], &byte, 1) != -1;
		close(file);
		close(ends[0]);
		close(ends[1]);
		d->rounds++;
	}
	return NULL;
}

START_TEST(queues_in_a_hurry_write_to_no_strangers_file_and_leak_nothing)
{
	struct worker workers[WORKERS] = {0};
	pthread_t threads[WORKERS], opener;
	struct decoy decoy = {0};
	uint32_t i, wrong = 0, delivered = 0;

	opener = spawn(open_files, &decoy);
	for (i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){.seed = i, .id = i};
		threads[i] = spawn(work, &workers[i]);
	}
	for (i = 0; i < ROUNDS; i++)
		one_round(workers, i);
	bell_store_relaxed(&decoy.stop, 1);
	for (i = 0; i < WORKERS; i++) {
		bell_store_relaxed(&workers[i].stop, 1);
		join(threads[i]);
		wrong += workers[i].wrong;
		delivered += workers[i].delivered;
	}
	join(opener);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(decoy.strays, 0);
	ck_assert_uint_gt(decoy.rounds, 0);
	ck_assert_uint_gt(delivered, 0);
}

int main(void)
{
	Suite *s = suite_create("fault churn");
	TCase *tc = runner_case(s, "fault churn", 110);

	tcase_add_test(tc, queues_in_a_hurry_write_to_no_strangers_file_and_leak_nothing);
	return runner_run(s);
}
