/* SPDX-License-Identifier: MIT
 *
 * scenarios.c: what must hold of permits in every schedule: two or three threads that wait, notify,
 * broadcast and cancel, on the library's own code. Prints TAP. A control is a way to use it that
 * must be caught failing.
 *
 * scenarios [WORD]: those whose names hold the word; without, all that do not take minutes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

/* -- endings --------------------------------------------------------------------------------- */

static void got_or_stored(unsigned slept)
{
	(s.got[0] == 0 ? nothing_stored : one_stored)(slept);
}

/* They may have become one, or not. */
static void got_or_stored_of_two(unsigned slept)
{
	(s.got[0] == 0 ? all_is_well : one_stored)(slept);
}

static void second_ready_and_one_stored(unsigned slept)
{
	expect(bell_permit_enable(&s.p, &s.w[1]) == 1, "who stays is chosen");
	one_stored(slept);
}

static void enabled_or_stored(unsigned slept)
{
	(s.got[0] == 1 ? nothing_stored : one_stored)(slept);
}

/* A broadcast and a notify_one: thread 1 came late. It sleeps only if the notify_one went to thread
 * 0. */
static void late_one_or_stored(unsigned slept)
{
	all_is_well(slept);
	expect(s.got[0] == 1, "who was prepared before the broadcast is woken");
	if (slept)
		expect(!(s.p.state & 2), "nobody sleeps beside one that is stored");
}

static const struct scenario scenarios[] = {
	{"notify_one wakes a waiter or is there when it comes", {wait_0, notify_one}, prepare_two,
		nothing_stored},
	{"notify_last wakes a waiter or is there when it comes", {wait_0, notify_last}, prepare_two,
		nothing_stored},
	{"notify_all wakes two that were prepared", {wait_0, wait_1, notify_all}, prepare_two,
		nothing_stored},
	{"notify_all, then notify_one: one of two always goes on",
		{wait_0, prepare_and_wait_1, notify_all_then_one}, prepare_two, late_one_or_stored,
		.may_sleep = 1U << 1},
	{"notify_one, then notify_all: one of two always goes on",
		{wait_0, prepare_and_wait_1, notify_one_then_all}, prepare_two, late_one_or_stored,
		.may_sleep = 1U << 1},
	{"a chain of notifies leaves exactly one stored",
		{wait_then_notify_0, wait_then_notify_1, notify_one}, prepare_two, one_stored},
	{"a waiter that is cancelled never loses a notify", {enable_and_cancel_0, notify_one},
		prepare_two, enabled_or_stored},
	{"chosen first and cancelled: the next is woken", {cancel_0, wait_1, notify_one},
		enable_some, .variant = 1, .finish = nothing_stored},
	{"chosen last and cancelled: the one before is woken", {cancel_2, wait_1, notify_last},
		enable_some, .variant = 4, .finish = nothing_stored},
	{"two cancel and two notify: none is lost", {cancel_0, cancel_2, notify_both}, enable_some,
		.variant = 7, .finish = second_ready_and_one_stored},
	{"two cancel, one notifies: the third has it", {cancel_0, cancel_2, wait_1, notify_one},
		enable_some, .variant = 7, .finish = nothing_stored},
	{"two cancel, one notifies the last: the third has it",
		{cancel_0, cancel_2, wait_1, notify_last}, enable_some, .variant = 7,
		.finish = nothing_stored},
	{"a timeout never loses a notify", {wait_with_timeout, notify_one}, prepare_two,
		got_or_stored},
	{"a timeout of one that was queued never loses a notify", {wait_with_timeout, notify_one},
		enable_some, .variant = 1, .finish = got_or_stored},
	{"a timeout and two notifies", {wait_with_timeout, notify_one, notify_last}, prepare_two,
		got_or_stored_of_two},
	{"a timeout never eats a broadcast", {wait_with_timeout, wait_1, notify_all}, prepare_two,
		nothing_stored},
	{"signals lose nothing", {wait_0, notify_one}, prepare_two, nothing_stored, .signals = 2},
	{"signals lose no broadcast", {wait_0, notify_all}, prepare_two, nothing_stored,
		.signals = 2},
	{"who is woken by notify_one may free the permit", {wait_and_free, notify_one}, prepare_two,
		all_is_well},
	{"who is queued and woken may free the permit", {wait_and_free, notify_last}, enable_some,
		.variant = 1, .finish = all_is_well},
	{"who is woken by a signal and then by notify_one may free it", {wait_and_free, notify_one},
		prepare_two, all_is_well, .signals = 2},
	{"who asks and is told may free the permit", {poll_and_free, notify_one}, enable_some,
		.variant = 1, .finish = all_is_well},
};

static unsigned long tried, chosen;

static bool try_all(const struct scenario *all, size_t n, const char *word, bool count)
{
	bool right = true, good;
	size_t i;

	for (i = 0; i < n; i++) {
		if (word ? !strstr(all[i].name, word) : all[i].big)
			continue;
		if (count) {
			chosen++;
			continue;
		}
		good = explore(&all[i], &s, sizeof(s));
		right = right && good;
		printf("%s %lu - %s (%lu runs, %lu states)%s%s\n", good ? "ok" : "not ok", ++tried,
			all[i].name, explore_runs, explore_states,
			explore_failure ? ": fails: " : "", explore_failure ? explore_failure : "");
		fflush(stdout);
	}
	return right;
}

int main(int argc, char **argv)
{
	const size_t n = sizeof(scenarios) / sizeof(*scenarios);
	const char *word = argc > 1 ? argv[1] : NULL;
	bool right;

	if (!more_begin())
		return EXIT_FAILURE;
	(void)try_all(scenarios, n, word, true);
	(void)try_all(more_scenarios, more_count, word, true);
	printf("1..%lu\n", chosen);
	right = try_all(scenarios, n, word, false);
	right = try_all(more_scenarios, more_count, word, false) && right;
	more_end();
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
