/* SPDX-License-Identifier: MIT
 *
 * close against everything: what a notify accepted before is delivered before -ESHUTDOWN, and no byte
 * goes to a file that got the number of a bell already closed.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

enum { ROUNDS = 400, TOKENS = 2, PRODUCERS = 2 };

/* One round. Producer p writes its number beside token t, notifies, and when notify has said 0 or 1
 * tells so in accepted. The closer looks at accepted before it closes. */
struct race {
	struct bell_queue *q;
	uint32_t numbers[PRODUCERS][TOKENS];  /* by the producer */
	uint32_t accepted[PRODUCERS][TOKENS]; /* by the producer */
	uint32_t promised[PRODUCERS][TOKENS]; /* by the closer */
	uint32_t seen[PRODUCERS][TOKENS];     /* by the receiver */
	uint32_t producers, delay, errors;
};

struct producer {
	struct race *race;
	uint32_t id;
};

static void *produce(void *userdata)
{
	struct producer *p = userdata;
	struct race *race = p->race;
	uint32_t i, token;
	int r;

	for (i = p->id;; i++) {
		token = i % TOKENS;
		bell_store_relaxed(&race->numbers[p->id][token], i + 1);
		r = bell_queue_notify(race->q, token);
		if (r < 0)
			break;
		bell_store_release(&race->accepted[p->id][token], i + 1);
		if (i % 64 == 63) /* more threads than processors: let the closer come */
			sched_yield();
	}
	if (r != -ESHUTDOWN || bell_queue_notify(race->q, 0) != -ESHUTDOWN)
		bell_fetch_add_relaxed(&race->errors, 1);
	bell_queue_unref(race->q);
	return NULL;
}

static void *promise_and_close(void *userdata)
{
	struct race *race = userdata;
	uint32_t p, t;

	for (t = race->delay; t > 0; t--)
		bell_pause();
	for (p = 0; p < race->producers; p++)
		for (t = 0; t < TOKENS; t++)
			race->promised[p][t] = bell_load_acquire(&race->accepted[p][t]);
	bell_queue_close(race->q);
	bell_queue_unref(race->q);
	return NULL;
}

static void look(void *userdata, uint32_t token)
{
	struct race *race = userdata;
	uint32_t p;

	for (p = 0; p < race->producers; p++)
		race->seen[p][token] = bell_load_relaxed(&race->numbers[p][token]);
}

static size_t broken_promises(const struct race *race)
{
	size_t broken = 0;
	uint32_t p, t;

	for (p = 0; p < race->producers; p++)
		for (t = 0; t < TOKENS; t++)
			broken += race->seen[p][t] < race->promised[p][t];
	return broken;
}

static size_t run_race(enum load_way way, uint32_t producers_n, uint32_t delay)
{
	const unsigned flags = producers_n == 1 ? BELL_QUEUE_SINGLE_PRODUCER : 0;
	struct race race = {.q = queue_of(TOKENS, load_mode(way) | flags),
		.producers = producers_n,
		.delay = delay};
	struct load_receiver receiver;
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS], closer;
	size_t wrong;
	uint32_t i;

	load_init(&receiver, race.q, way, 1 + delay % 3);
	receiver.on_token = look;
	receiver.userdata = &race;
	for (i = 0; i < race.producers; i++) {
		producers[i] = (struct producer){.race = &race, .id = i};
		bell_queue_ref(race.q);
		pthread_create(&threads[i], NULL, produce, &producers[i]);
	}
	bell_queue_ref(race.q);
	pthread_create(&closer, NULL, promise_and_close, &race);
	load_run(&receiver);
	load_fini(&receiver);
	pthread_join(closer, NULL);
	wrong = race.errors + receiver.errors + broken_promises(&race);
	bell_queue_unref(race.q);
	for (i = 0; i < race.producers; i++)
		pthread_join(threads[i], NULL);
	return wrong + race.errors;
}

START_TEST(what_was_accepted_before_close_is_delivered_before_shutdown)
{
	uint64_t seed = (uint64_t)_i;
	size_t wrong = 0;
	int round;

	for (round = 0; round < ROUNDS; round++)
		wrong += run_race(_i % WAYS, _i < WAYS ? PRODUCERS : 1, dice(&seed) % 4000);
	ck_assert_uint_eq(wrong, 0);
}

/* The life of queues in a hurry: made, notified by two threads or one, closed, dropped; the last reference
 * falls in any of them. */
struct life {
	struct bell_queue *q;
	uint32_t errors;
};

static void *use_up(void *userdata)
{
	struct life *life = userdata;
	struct bell_queue *q = life->q;
	uint32_t i;
	int r = 0;

	for (i = 0; r >= 0; i++) {
		r = i % 8 ? bell_queue_notify(q, i % 4)
			  : bell_queue_notify_many(q, (uint32_t[]){0, 1, 2, 3}, 4);
		if (i % 64 == 63)
			sched_yield();
	}
	if (r != -ESHUTDOWN)
		bell_fetch_add_relaxed(&life->errors, 1);
	bell_queue_unref(q);
	return NULL;
}

static uint32_t live_once(unsigned mode, uint64_t *seed)
{
	struct life life = {.q = queue_of(4, mode)};
	uint32_t tokens[4], polls = dice(seed) % 50;
	pthread_t threads[2];
	int i, n = mode & BELL_QUEUE_SINGLE_PRODUCER ? 1 : 2;

	for (i = 0; i < n; i++) {
		bell_queue_ref(life.q);
		pthread_create(&threads[i], NULL, use_up, &life);
	}
	while (polls-- > 0)
		if (bell_queue_poll(life.q, tokens, 4) == 0)
			(void)!bell_queue_arm(life.q);
	bell_queue_close(life.q);
	bell_queue_unref(life.q);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return life.errors;
}

/* The stranger: opens files all the time, which so get the numbers of bells just closed, and looks
 * whether anything was written to them. */
struct stranger {
	uint32_t stop, rounds, strays;
};

static void *open_files(void *userdata)
{
	struct stranger *s = userdata;
	char byte;
	int ends[2], file;

	while (!bell_load_relaxed(&s->stop)) {
		file = memfd_create("stranger", MFD_CLOEXEC);
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			break;
		sched_yield();
		s->strays += lseek(file, 0, SEEK_END) != 0;
		s->strays += read(ends[0], &byte, 1) != -1;
		close(file);
		close(ends[0]);
		close(ends[1]);
		s->rounds++;
	}
	return NULL;
}

START_TEST(a_file_that_got_the_number_of_a_closed_bell_receives_nothing)
{
	struct stranger stranger = {.stop = 0};
	pthread_t thread = spawn(open_files, &stranger);
	uint32_t errors = 0, round;
	uint64_t seed = 7;

	for (round = 0; round < 2 * ROUNDS; round++)
		errors += live_once(mode_of(_i), &seed);
	bell_store_relaxed(&stranger.stop, 1);
	join(thread);
	ck_assert_uint_eq(errors, 0);
	ck_assert_uint_eq(stranger.strays, 0);
	ck_assert_uint_gt(stranger.rounds, 0);
}

int main(void)
{
	Suite *s = suite_create("threads close");
	TCase *tc = runner_case(s, "threads close", 110);

	tcase_add_loop_test(
		tc, what_was_accepted_before_close_is_delivered_before_shutdown, 0, 2 * WAYS);
	add_in_all_modes(tc, a_file_that_got_the_number_of_a_closed_bell_receives_nothing);
	return runner_run(s);
}
