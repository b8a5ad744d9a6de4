/* SPDX-License-Identifier: MIT
 *
 * What arm relies on in membarrier(2) when it waits for a slot that a preempted producer has reserved:
 * that PRIVATE_EXPEDITED is a full fence in every running thread of the process, so that the producer
 * needs none; and when it is refused.
 */
#include <linux/membarrier.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

/* 0 or -errno. */
static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

static int fence(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

static int enrol(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

/* The errno, negated, that fn gave in a child. */
static int in_child(int (*fn)(void))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(-fn());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* This program again, asked for the fence only: see main. */
static int exec_fence(void)
{
	execl("/proc/self/exe", "kernel_membarrier", "fence", (char *)NULL);
	return -ENOEXEC;
}

START_TEST(without_registration_the_fence_is_eperm)
{
	ck_assert_int_eq(in_child(exec_fence), -EPERM); /* certainly a fresh process */
}

START_TEST(after_registration_the_fence_works_and_registering_twice_is_fine)
{
	ck_assert_int_eq(enrol(), 0);
	ck_assert_int_eq(fence(), 0);
	ck_assert_int_eq(enrol(), 0);
	ck_assert_int_eq(fence(), 0);
}

static void *enrol_in_thread(void *result)
{
	*(int *)result = enrol();
	return NULL;
}

START_TEST(a_registration_is_the_whole_process_and_outlives_its_thread)
{
	int r = -1;

	join(spawn(enrol_in_thread, &r));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(fence(), 0);
}

/* Nothing relies on it: arm copes with a refusal. */
START_TEST(a_forked_child_inherits_the_registration_and_exec_forgets_it)
{
	ck_assert_int_eq(enrol(), 0);
	ck_assert_int_eq(in_child(fence), 0);
	ck_assert_int_eq(in_child(exec_fence), -EPERM);
}

/* Dekker's pattern, as in the edge A2. Receiver: store hole; fence; load slot. Producer: store slot;
 * compiler barrier; load hole. That both miss the other's store is what must not be. */
struct dekker {
	uint32_t round; /* by the receiver: the producer may start */
	uint32_t done;	/* by the producer: the round that it has finished */
	BELL_ALIGNED uint32_t hole, slot_seen;
	BELL_ALIGNED uint32_t slot, hole_seen;
	uint32_t rounds;
	bool fenced;
};

static void await(const uint32_t *value, uint32_t want)
{
	uint32_t turns;

	for (turns = 0; bell_load_acquire(value) != want; turns++) {
		bell_pause();
		if (turns % 256 == 255) /* more threads than processors */
			sched_yield();
	}
}

static void delay(uint32_t turns)
{
	while (turns-- > 0)
		bell_pause();
}

static void *produce(void *userdata)
{
	struct dekker *d = userdata;
	uint64_t seed = 1;
	uint32_t i;

	for (i = 1; i <= d->rounds; i++) {
		await(&d->round, i);
		delay(dice(&seed) % (d->fenced ? 128 : 4)); /* as long as the other side takes */
		bell_store_relaxed(&d->slot, i);
		bell_fence_compiler();
		d->hole_seen = bell_load_relaxed(&d->hole);
		bell_store_release(&d->done, i);
	}
	return NULL;
}

/* Rounds in which each missed the other. *ret_refused: fences that failed. */
static uint32_t missed(struct dekker *d, uint32_t *ret_refused)
{
	pthread_t producer = spawn(produce, d);
	uint32_t i, misses = 0, refused = 0;
	uint64_t seed = 2;

	for (i = 1; i <= d->rounds; i++) {
		bell_store_release(&d->round, i);
		delay(dice(&seed) % 4);
		bell_store_relaxed(&d->hole, i);
		if (d->fenced)
			refused += fence() != 0;
		else
			bell_fence_compiler();
		d->slot_seen = bell_load_relaxed(&d->slot);
		await(&d->done, i);
		misses += d->slot_seen != i && d->hole_seen != i;
	}
	join(producer);
	*ret_refused = refused;
	return misses;
}

START_TEST(the_fence_reaches_a_thread_that_has_none_of_its_own)
{
	struct dekker with = {.rounds = 30000, .fenced = true};
	struct dekker without = {.rounds = 60000};
	uint32_t refused, control;

	ck_assert_int_eq(enrol(), 0);
	/* The control says how sharp the test is here; processors and load decide, so no assertion. */
	control = missed(&without, &refused);
	printf("# control: %u of %u rounds missed each other without membarrier\n", control,
		without.rounds);
	fflush(stdout);
	ck_assert_uint_eq(missed(&with, &refused), 0);
	ck_assert_uint_eq(refused, 0);
}

int main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;
	int r;

	if (argc > 1 && strcmp(argv[1], "fence") == 0)
		return -fence();
	r = membarrier(MEMBARRIER_CMD_QUERY);
	if (r < 0) { /* a sandbox, or emulation: arm works without it, tests/fault/no_membarrier.c */
		printf("1..0 # SKIP no membarrier here: %s\n", strerror(-r));
		return 0;
	}
	s = suite_create("kernel membarrier");
	tc = runner_case(s, "kernel membarrier", 60);
	tcase_add_test(tc, without_registration_the_fence_is_eperm);
	tcase_add_test(tc, after_registration_the_fence_works_and_registering_twice_is_fine);
	tcase_add_test(tc, a_registration_is_the_whole_process_and_outlives_its_thread);
	tcase_add_test(tc, a_forked_child_inherits_the_registration_and_exec_forgets_it);
	tcase_add_test(tc, the_fence_reaches_a_thread_that_has_none_of_its_own);
	return runner_run(s);
}
