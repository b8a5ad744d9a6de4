/* SPDX-License-Identifier: MIT
 *
 * How long a thread looks at a word before it sleeps on it: what its waits teach it. Steps of one thread,
 * so each is certain: a word that has its value already is seen if there is a look at all.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/futex.h"
#include "core/spin.h"
#include "helpers.h"

enum { LIMIT = 50000 /* ns */, FEW = 10, MANY = 40 };

/* When a wait began that was long, and one that was short: however late it is looked at. */
#define LONG  0
#define SHORT INT64_MAX

static const uint32_t there = 1;

/* Does a wait of this thread look before it sleeps? If so that was a short one. */
static bool looks(void)
{
	int64_t began;

	return bell__futex_spin(&there, 1, INT64_MAX, &began);
}

static void waits(int n, int64_t began, int error)
{
	while (n-- > 0)
		bell__futex_learn(began, error);
}

/* Of a thread of its own, which has learnt nothing yet. */
struct lesson {
	void (*run)(void);
};

static void *in_a_new_thread(void *lesson)
{
	((struct lesson *)lesson)->run();
	return NULL;
}

static void no_wait_yet(void)
{
	ck_assert(looks());
}

static void long_waits(void)
{
	waits(FEW, LONG, 0);
	ck_assert(looks()); /* not at once */
	waits(MANY, LONG, 0);
	ck_assert(!looks());
	waits(1, SHORT, 0);
	ck_assert(looks());
}

static void waits_in_vain(void)
{
	waits(MANY, SHORT, -ETIMEDOUT);
	ck_assert(!looks());
}

static void interrupted_waits(void)
{
	waits(MANY, LONG, -EINTR);
	ck_assert(looks());
}

static void tries_now_and_then(void)
{
	int i;

	waits(MANY, LONG, 0);
	for (i = 0; !looks(); i++)
		waits(1, LONG, 0);
	ck_assert_int_gt(i, 0);
	ck_assert_int_lt(i, 16);
}

static void a_value_that_does_not_come(void)
{
	int64_t began = 0, before = bell__now();

	ck_assert(!bell__futex_spin(&there, 2, INT64_MAX, &began));
	ck_assert_int_ge(began, before);
	ck_assert_int_ge(bell__now() - began, LIMIT);
	/* Until the deadline, which was before. */
	ck_assert(!bell__futex_spin(&there, 2, before, &began));
}

static void one_cpu(void)
{
	cpu_set_t all, one;
	int64_t began = 7;
	int cpu;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(getpid(), sizeof(one), &one), 0);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert(!looks());
	waits(1, SHORT, 0); /* and learns nothing */
	ck_assert(!looks());
	ck_assert(!bell__futex_spin(&there, 2, INT64_MAX, &began));
}

static struct lesson lessons[] = {{no_wait_yet}, {long_waits}, {waits_in_vain}, {interrupted_waits},
	{tries_now_and_then}, {a_value_that_does_not_come}, {one_cpu}};

START_TEST(a_thread_looks_for_as_long_as_its_waits_were)
{
	if (bell__spin_default() > 0 || lessons[_i].run == one_cpu)
		join(spawn(in_a_new_thread, &lessons[_i]));
}

static void *wait_for_it(void *word)
{
	int64_t began;

	if (!bell__futex_spin(word, 1, INT64_MAX, &began))
		while (bell_load_acquire((uint32_t *)word) != 1)
			(void)bell__futex_wait(word, 0, INT64_MAX);
	return NULL;
}

START_TEST(a_word_that_changes_ends_the_look_or_the_sleep)
{
	uint32_t word = 0;
	pthread_t thread = spawn(wait_for_it, &word);

	sleep_ms(_i);
	bell_store_release(&word, 1);
	bell__futex_wake(&word);
	join(thread);
}

START_TEST(neither_wait_nor_wake_changes_errno)
{
	uint32_t words[2] = {0};

	errno = 4711;
	ck_assert_int_eq(bell__futex_wait(words, 1, INT64_MAX), 0);
	ck_assert_int_eq(bell__futex_wait(words, 0, 1), -ETIMEDOUT);
	bell__futex_wake((void *)((char *)words + 1)); /* EINVAL */
	ck_assert_int_eq(errno, 4711);
}

int main(void)
{
	Suite *s = suite_create("futex");
	TCase *tc = runner_case(s, "futex", 60);

	tcase_add_loop_test(tc, a_thread_looks_for_as_long_as_its_waits_were, 0,
		sizeof(lessons) / sizeof(*lessons));
	tcase_add_loop_test(tc, a_word_that_changes_ends_the_look_or_the_sleep, 0, 4);
	tcase_add_test(tc, neither_wait_nor_wake_changes_errno);
	return runner_run(s);
}
