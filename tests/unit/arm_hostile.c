/* SPDX-License-Identifier: MIT
 *
 * The bell in wrong hands: a counter filled up, strays written, the fd closed, a forked child.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"

static void write_stray(int fd, uint64_t value)
{
	ck_assert_int_eq(write(fd, &value, sizeof(value)), sizeof(value));
}

START_TEST(a_counter_filled_up_by_a_stranger_is_healed_and_makes_an_edge)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), stranger = dup(bell_queue_fd(q));

	write_stray(stranger, UINT64_MAX - 1);
	ck_assert_int_eq(loop_events(epfd), 1); /* the stranger's own edge */
	ck_assert_int_eq(bell_queue_notify(q, 3), 1);
	ck_assert_uint_eq(stats_of(q).heals, 1);
	ck_assert_uint_eq(stats_of(q).rings, 1);
	ck_assert_uint_eq(fd_count(stranger), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 3);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_int_eq(loop_events(epfd), 0);
	bell_queue_notify(q, 4);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_uint_eq(stats_of(q).heals, 1);
	close(stranger);
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(close_heals_a_full_counter_too)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);

	write_stray(bell_queue_fd(q), UINT64_MAX - 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	bell_queue_close(q);
	ck_assert_uint_eq(stats_of(q).heals, 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	close(epfd);
	bell_queue_unref(q);
}

static void ignore(void *userdata, uint32_t token)
{
	(void)userdata;
	(void)token;
}

START_TEST(a_dispatch_that_rings_its_own_bell_heals_it_too)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q);

	bell_queue_notify_many(q, (uint32_t[]){1, 2, 3}, 3);
	write_stray(bell_queue_fd(q), UINT64_MAX - 2);
	ck_assert_int_eq(loop_events(epfd), 1);
	ck_assert_int_eq(bell_queue_dispatch(q, 1, ignore, NULL), 1);
	ck_assert_uint_eq(stats_of(q).heals, 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 2, 3);
	close(epfd);
	bell_queue_unref(q);
}

/* How often a level loop is woken for nothing until the bell is silent again. */
static int spurious_wakeups(struct bell_queue *q, int epfd)
{
	int wakeups = 0;

	while (loop_events(epfd) == 1 && wakeups < 1000) {
		expect_nothing(q);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		wakeups++;
	}
	return wakeups;
}

START_TEST(a_stray_write_does_not_make_a_level_loop_spin_for_ever)
{
	struct bell_queue *q = queue_of(8, mode_of(_i / 2 * 2));
	int epfd = loop_watching(q), round;

	for (round = 0; round < 5; round++) {
		write_stray(bell_queue_fd(q), _i % 2 ? UINT64_MAX - 1 : 1);
		ck_assert_int_le(spurious_wakeups(q, epfd), 130);
		bell_queue_notify(q, 3);
		ck_assert_int_eq(loop_events(epfd), 1);
		EXPECT(q, 3);
		ck_assert_int_eq(bell_queue_arm(q), 1);
		ck_assert_int_eq(loop_events(epfd), 0);
	}
	close(epfd);
	bell_queue_unref(q);
}

START_TEST(strays_between_all_calls_lose_no_token)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int epfd = loop_watching(q), fd = bell_queue_fd(q);
	size_t wrong = 0, delivered = 0, notified = 0;
	uint32_t token, round;
	uint64_t seed = 1, one = 1;

	for (round = 0; round < 3000; round++) {
		wrong += dice(&seed) % 2 && write(fd, &one, sizeof(one)) != sizeof(one);
		notified += bell_queue_notify(q, round % 8) == 1;
		wrong += dice(&seed) % 2 && write(fd, &one, sizeof(one)) != sizeof(one);
		wrong += loop_events(epfd) != 1;
		do {
			wrong +=
				dice(&seed) % 8 == 0 && write(fd, &one, sizeof(one)) != sizeof(one);
			delivered += bell_queue_poll(q, &token, 1);
		} while (bell_queue_arm(q) == 0);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(notified, 3000);
	ck_assert_uint_eq(delivered, 3000);
	close(epfd);
	bell_queue_unref(q);
}

/* The stranger reads: the wake-up is gone, but never the token, nor the next wake-up. */
START_TEST(a_stolen_ring_loses_no_token)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	uint64_t stolen;

	bell_queue_notify(q, 1);
	ck_assert_int_eq(read(bell_queue_fd(q), &stolen, sizeof(stolen)), sizeof(stolen));
	bell_queue_notify(q, 2);
	EXPECT(q, 1, 2);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	bell_queue_notify(q, 3);
	ck_assert(fd_readable(bell_queue_fd(q)));
	EXPECT(q, 3);
	bell_queue_unref(q);
}

START_TEST(a_bell_closed_by_a_stranger_crashes_nobody)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));
	int round;

	close(bell_queue_fd(q));
	for (round = 0; round < 3; round++) {
		ck_assert_int_eq(bell_queue_notify(q, 1), 1);
		ck_assert_int_eq(bell_queue_notify(q, 1), 0);
		ck_assert_int_eq(bell_queue_notify_many(q, (uint32_t[]){1, 2}, 2), 1);
		ck_assert_int_eq(bell_queue_arm(q), 0);
		EXPECT(q, 1, 2);
		ck_assert_int_eq(bell_queue_arm(q), 1);
	}
	ck_assert_int_eq(bell_queue_dispatch(q, 1, ignore, NULL), 0);
	bell_queue_close(q);
	ck_assert_int_eq(bell_queue_arm(q), -ESHUTDOWN);
	bell_queue_unref(q);
}

/* The child's exit status, 0 if it was content. */
static int in_child(struct bell_queue *q, bool (*fn)(struct bell_queue *q))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(fn(q) ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool child_unrefs(struct bell_queue *q)
{
	return bell_queue_unref(q) == NULL;
}

static bool child_notifies(struct bell_queue *q)
{
	return bell_queue_notify(q, 5) == 1;
}

static bool child_execs(struct bell_queue *q)
{
	char fd[16];

	snprintf(fd, sizeof(fd), "%d", bell_queue_fd(q));
	execl("/bin/sh", "sh", "-c", "! test -e /proc/$$/fd/$0", fd, (char *)NULL);
	return false;
}

static void expect_working(struct bell_queue *q)
{
	int epfd = loop_watching(q);

	if (!(bell_queue_flags(q) & BELL_QUEUE_EDGE))
		ck_assert_int_le(spurious_wakeups(q, epfd), 130);
	(void)loop_events(epfd);
	ck_assert_int_eq(bell_queue_notify(q, 6), 1);
	ck_assert_int_eq(loop_events(epfd), 1);
	EXPECT(q, 6);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	ck_assert_uint_eq(stats_of(q).notified, stats_of(q).delivered);
	close(epfd);
}

START_TEST(a_child_that_unrefs_leaves_the_parents_queue_working)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	bell_queue_notify(q, 1);
	ck_assert_int_eq(in_child(q, child_unrefs), 0);
	ck_assert(fd_readable(bell_queue_fd(q)));
	EXPECT(q, 1);
	ck_assert_int_eq(bell_queue_arm(q), 1);
	expect_working(q);
	bell_queue_unref(q);
}

/* Not allowed, and harmless: the parent is woken for nothing. */
START_TEST(a_child_that_notifies_corrupts_nothing_in_the_parent)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	ck_assert_int_eq(in_child(q, child_notifies), 0);
	ck_assert(fd_readable(bell_queue_fd(q)));
	ck_assert_uint_eq(stats_of(q).notified, 0);
	expect_nothing(q);
	expect_working(q);
	ck_assert_int_eq(bell_queue_notify(q, 5), 1);
	EXPECT(q, 5);
	bell_queue_unref(q);
}

START_TEST(a_program_started_by_exec_does_not_inherit_the_bell)
{
	struct bell_queue *q = queue_of(8, mode_of(_i));

	ck_assert_int_eq(in_child(q, child_execs), 0);
	bell_queue_unref(q);
}

int main(void)
{
	Suite *s = suite_create("arm hostile");
	TCase *tc = runner_case(s, "arm hostile", 30);

	add_in_all_modes(tc, a_counter_filled_up_by_a_stranger_is_healed_and_makes_an_edge);
	add_in_all_modes(tc, close_heals_a_full_counter_too);
	add_in_edge_modes(tc, a_dispatch_that_rings_its_own_bell_heals_it_too);
	tcase_add_loop_test(tc, a_stray_write_does_not_make_a_level_loop_spin_for_ever, 0, 4);
	add_in_all_modes(tc, strays_between_all_calls_lose_no_token);
	add_in_all_modes(tc, a_stolen_ring_loses_no_token);
	add_in_all_modes(tc, a_bell_closed_by_a_stranger_crashes_nobody);
	add_in_all_modes(tc, a_child_that_unrefs_leaves_the_parents_queue_working);
	add_in_all_modes(tc, a_child_that_notifies_corrupts_nothing_in_the_parent);
	add_in_all_modes(tc, a_program_started_by_exec_does_not_inherit_the_bell);
	return runner_run(s);
}
