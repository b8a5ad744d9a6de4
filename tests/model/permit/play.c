/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "play.h"

struct play s;

void expect(bool right, const char *what)
{
	if (!right)
		explore_fail(what);
}

/* -- setting up and looking at what is left -------------------------------------------------- */

void fresh(int variant)
{
	(void)variant;
	memset(&s, 0, sizeof(s));
	memset(s.got, -1, sizeof(s.got));
}

void prepare(int i)
{
	bell_permit_prepare(&s.p, &s.w[i]);
}

void enable(int i)
{
	prepare(i);
	expect(bell_permit_enable(&s.p, &s.w[i]) == 0, "queued while setting up");
}

void prepare_two(int variant)
{
	fresh(variant);
	prepare(0);
	prepare(1);
}

/* variant: a bit for each that is queued, and not only prepared. */
void enable_some(int variant)
{
	int i;

	fresh(variant);
	for (i = 0; i < 3; i++)
		(variant & 1 << i ? enable : prepare)(i);
}

void enable_many(int variant)
{
	int i;

	fresh(variant);
	for (i = 0; i < MANY; i++)
		enable(i);
}

bool stored(void)
{
	struct bell_waiter w;

	bell_permit_prepare(&s.p, &w);
	return bell_permit_wait(&s.p, &w, 0) == 0;
}

/* The list is as long as it says, hangs together, and is empty unless somebody waits. */
static void expect_sound(void)
{
	const struct bell_waiter *w, *before = NULL;
	unsigned n = 0;

	if (s.gone & PERMIT_GONE)
		return;
	for (w = s.p.first; w; before = w, w = w->next, n++)
		expect(w->prev == before, "the list hangs together");
	expect(s.p.last == before, "the list ends where it should");
	expect(s.p.waiters == n, "so many wait as are counted");
	expect((s.p.state & 3) == 1 ? n > 0 : n == 0, "the state says whether somebody waits");
	expect(s.p.lock == 0, "the lock is free");
}

/* What was given back is not written by anybody. */
static void expect_untouched(void)
{
	const unsigned char *bytes;
	size_t i;
	int w;

	for (w = 0; w < 4; w++) {
		bytes = (const void *)&s.w[w];
		for (i = 0; s.gone & 1U << w && i < sizeof(s.w[w]); i++)
			expect(bytes[i] == 0xee, "nobody writes to a waiter that is gone");
	}
	bytes = (const void *)&s.p;
	for (i = 0; s.gone & PERMIT_GONE && i < sizeof(s.p); i++)
		expect(bytes[i] == 0xee, "nobody writes to a permit that is gone");
}

void forget(int i)
{
	memset(&s.w[i], 0xee, sizeof(s.w[i]));
	s.gone |= 1U << i;
}

void all_is_well(unsigned slept)
{
	(void)slept;
	expect_untouched();
	expect_sound();
}

void nothing_stored(unsigned slept)
{
	all_is_well(slept);
	expect(!stored(), "nothing is stored");
}

void one_stored(unsigned slept)
{
	all_is_well(slept);
	expect(stored(), "one is stored");
	expect(!stored(), "and not two");
}

/* -- threads --------------------------------------------------------------------------------- */

void notify_one(void)
{
	s.woken += bell_permit_notify_one(&s.p);
}

void notify_last(void)
{
	s.woken += bell_permit_notify_last(&s.p);
}

void notify_all(void)
{
	s.woken += bell_permit_notify_all(&s.p);
}

void notify_all_then_one(void)
{
	notify_all();
	notify_one();
}

void notify_one_then_all(void)
{
	notify_one();
	notify_all();
}

void notify_both(void)
{
	notify_one();
	notify_last();
}

void wait_on(int i)
{
	int r;

	while ((r = bell_permit_wait(&s.p, &s.w[i], -1)) == -EINTR)
		;
	expect(r == 0, "a wait without end says 0");
	s.got[i] = 1;
}

void wait_0(void)
{
	wait_on(0);
	forget(0);
}

void wait_1(void)
{
	wait_on(1);
	forget(1);
}

void prepare_and_wait_1(void)
{
	prepare(1);
	wait_1();
}

/* Its only waiter: when it was woken, the permit goes, too. */
void wait_and_free(void)
{
	wait_0();
	memset(&s.p, 0xee, sizeof(s.p));
	s.gone |= PERMIT_GONE;
}

void poll_and_free(void)
{
	if (bell_permit_enable(&s.p, &s.w[0]) == 1) {
		memset(&s.p, 0xee, sizeof(s.p));
		s.gone |= PERMIT_GONE;
	}
}

void wait_with_timeout(void)
{
	s.got[0] = bell_permit_wait(&s.p, &s.w[0], 1);
	expect(s.got[0] == 0 || s.got[0] == -ETIMEDOUT, "notified or timed out");
	forget(0);
}

void cancel_0(void)
{
	bell_permit_cancel(&s.p, &s.w[0]);
	forget(0);
}

void cancel_2(void)
{
	bell_permit_cancel(&s.p, &s.w[2]);
	forget(2);
}

void enable_and_cancel_0(void)
{
	s.got[0] = bell_permit_enable(&s.p, &s.w[0]);
	cancel_0();
}

void wait_then_notify_0(void)
{
	wait_0();
	notify_one();
}

void wait_then_notify_1(void)
{
	wait_1();
	notify_one();
}
