# SPDX-License-Identifier: MIT
"""The mutants: each takes one safeguard out of the queue, and names the program that catches it.

name: (file, text, replacement, killer). The text must stand exactly once in the file, so a mutant that
no longer fits is an error and not a healthy queue. A killer is a program of build.py's and its
arguments; it catches the mutant by failing.
"""

HEADER, QUEUE, WAIT = "include/doorbell/queue.h", "src/core/queue.c", "src/core/wait.c"

DATA = ("litmus", "data", "--first", "--mode", "spin", "--rounds", "20000000")
SLEEP = ("litmus", "sleep", "--first", "--mode", "level", "--rounds", "1000000", "--patience", "3")
CROWD = ("litmus", "sleep", "--first", "--mode", "wait", "--producers", "3", "--rounds", "1000000", "--patience", "3")
INJECT = ("inject", "3")
INJECT_ARM = ("inject_arm", "3")


def storm(point, action, race, mode, rounds="200000"):
    return (f"storm {point}:{action}", race, "--first", "--mode", mode, "--producers", "2",
            "--rounds", rounds, "--patience", "3")


MUTANTS = {
    # -- notify --------------------------------------------------------------------------------
    "notify trusts its hint without the fence (F1)": (
        HEADER, "			bell_fence_full();     /* F1: our data", "			bell_fence_compiler(); /* our data", DATA),
    "notify claims by a load and a store (F2)": (
        HEADER, "	} while (bell_exchange_acq_rel(flag, 1)); /* F2",
        "	} while (bell_load_relaxed(flag) || (bell_store_relaxed(flag, 1), 0)); /*", ("claim",)),
    "notify reserves by a load and a store (T1)": (
        HEADER, "	before = bell_fetch_add_acq_rel(&q->tail, BELL__POSITION); /* T1, A1 */",
        "	before = bell_load_relaxed(&q->tail); bell_store_relaxed(&q->tail, before + BELL__POSITION);", CROWD),
    "notify publishes without the lap": (
        HEADER, "		token | bell__queue_lap(position, q->mask));", "		token | BELL__LAP);", ("unit/queue",)),
    "notify does not look whether the receiver was armed (A1)": (
        HEADER, "	return ((before & (BELL__ARMED | BELL__CLOSED)) |", "	return ((before & BELL__CLOSED) |", SLEEP),
    "notify does not look whether the receiver waits at a hole (A2)": (
        HEADER, "		       (bell_load_relaxed(&q->tail) & BELL__HOLE)) != 0;", "		       0) != 0;", INJECT),
    "notify rings whenever it wants to, claimed or not": (
        QUEUE, "	if (!(before & BELL__ASLEEP))\n		return;\n", "", ("unit/arm_history",)),
    "a ring is claimed by a load and a store (A1)": (
        QUEUE, "	uint64_t before = bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__ASLEEP); /* A1, A2 */",
        "	uint64_t before = bell_load_relaxed(&q->tail);\n"
        "	BELL_INJECT(ringing);\n"
        "	bell_store_relaxed(&q->tail, before & ~(uint64_t)BELL__ASLEEP);",
        storm("ringing", "delay", "sleep", "wait")),
    "a claim leaves the hole announced": (
        QUEUE, "bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__ASLEEP); /* A1, A2 */",
        "bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__ARMED);", INJECT),
    "a full counter is not healed": (
        QUEUE, "	(void)read_counter(q->fd, &all);\n", "	(void)all;\n", ("unit/arm_hostile",)),
    "errno is not kept": (
        QUEUE, "	errno = saved;\n", "	(void)saved; errno = 11;\n", INJECT),
    "a batch queues what it could not claim": (
        QUEUE, "			if (bell__queue_claim(q, tokens[i]))\n				claimed[k++] = tokens[i];",
        "			(void)bell__queue_claim(q, tokens[i]), claimed[k++] = tokens[i];", ("unit/queue_many",)),
    "a batch does not ring": (
        QUEUE, "	if (ring)\n		claim_and_ring(q);\n", "	(void)ring;\n", ("unit/queue_many",)),
    # -- poll ----------------------------------------------------------------------------------
    "poll does not look at the lap (S1)": (
        HEADER, "		if (token & BELL__LAP)\n			break;\n		ret_tokens[i] = token;\n",
        "		ret_tokens[i] = token & ~BELL__LAP;\n", ("unit/queue",)),
    "poll does not look at the laps of four (S1)": (
        HEADER, "if ((a | b | c | d) & BELL__LAP)", "if (a & BELL__LAP)", ("unit/queue",)),
    "poll clears each flag as it goes": (
        HEADER, "	return bell__queue_published(q, q->head) ? bell__queue_take(q, ret_tokens, max) : 0;\n",
        "	size_t n = 0;\n	while (n < max && bell__queue_published(q, q->head) && bell__queue_take(q, ret_tokens + n, 1))\n		n++;\n	return n;\n",
        ("unit/threads_order",)),
    "poll does not clear the flags (F2)": (
        HEADER, "		bell_store_release(&flags[token], 0); /* F2", "		(void)flags; /*", ("unit/queue",)),
    "poll reads the data without the fence (F1)": (
        HEADER, "	bell_fence_full(); /* F1: flags cleared", "	bell_fence_compiler(); /* flags cleared", DATA),
    # -- arm -----------------------------------------------------------------------------------
    "arm touches the fd before it looks at the ring (step 0)": (
        QUEUE, "	if (bell__queue_published(q, head)) /* step 0: before the fd is touched */\n		return 0;\n", "", INJECT_ARM),
    "arm does not notice that it was claimed before it reads (step 1)": (
        QUEUE, "	settle(q, bell_load_relaxed(&q->tail)); /* a first look; the exchange below decides */\n", "",
        ("unit/arm_history",)),
    "arm does not notice that it was claimed while it read (step 2)": (
        QUEUE, "	settle(q, v);\n", "", INJECT_ARM),
    "arm never reads the bell (step 1)": (
        QUEUE, "		taken = take_bell(q);\n", "		taken = 0;\n", ("unit/arm",)),
    "arm reads the bell after arming, and eats the new ring": (
        QUEUE, "	if (armed) {\n		announced(q);\n", "	if (armed) {\n		announced(q);\n		if (level)\n"
        "			(void)take_bell(q);\n", SLEEP),
    "arm without the recheck (step 2, A1)": (
        QUEUE, "	armed = bell_cas_acq_rel(&q->tail, &v, v | BELL__ARMED); /* step 2: A1 */\n",
        "	v = bell_fetch_or_acq_rel(&q->tail, BELL__ARMED);\n	armed = true;\n", SLEEP),
    "arm by a load, a look and a store (step 2, A1)": (
        QUEUE, "	armed = bell_cas_acq_rel(&q->tail, &v, v | BELL__ARMED); /* step 2: A1 */\n",
        "	armed = bell_load_relaxed(&q->tail) == v;\n	if (armed)\n"
        "		bell_store_relaxed(&q->tail, v | BELL__ARMED);\n	else\n		v = bell_load_relaxed(&q->tail);\n",
        CROWD),
    "arm forgets that it is still armed (step 3)": (
        QUEUE, "	if (q->armed) /* step 3: whoever reserved the slot saw it, and will ring */\n		return 1;\n", "",
        ("unit/arm",)),
    "arm does not give the bell back (step 4)": (
        QUEUE, "	if (taken) /* step 4: not asleep, so the fd must stay readable */\n		kick(q);\n	return 0;\n",
        "	return 0;\n", storm("silenced", "delay", "sleep", "level-budget")),
    "arm spins at a hole (step 5)": (
        QUEUE, "	if (!bell__queue_published(q, head) && sleep_at_hole(q, head)) /* step 5 */\n		return 1;\n", "", INJECT),
    "arm sleeps at a hole without announcing it (step 5, A2)": (
        QUEUE, "	(void)bell_fetch_or_acq_rel(&q->tail, BELL__HOLE); /* A2: before the look at the slot */\n", "",
        INJECT),
    "arm announces a hole without membarrier (step 5, A2)": (
        QUEUE, "	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0 && !bell__queue_published(q, head)) { /* A2 */",
        "	if (!bell__queue_published(q, head)) {", ("hole", "1000000")),
    "arm announces a hole and does not look again (step 5, A2)": (
        QUEUE, "	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0 && !bell__queue_published(q, head)) { /* A2 */",
        "	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {", INJECT),
    "arm leaves the hole announced when it does not sleep (step 5, A2)": (
        QUEUE, "	q->armed = !(bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A2 */\n", "", INJECT_ARM),
    "a hole taken back too late is not counted": (
        QUEUE, "	q->armed = !(bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A2 */\n",
        "	(void)bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE);\n	q->armed = 0;\n", INJECT_ARM),
    "a stray write is never read": (
        QUEUE, " || ++q->quiet % QUIET_ARMS == 0", "", ("unit/arm_hostile",)),
    # -- dispatch and wait ---------------------------------------------------------------------
    "an edge-triggered drain that stops early stays silent": (
        QUEUE, "	if (q->mode & BELL_QUEUE_EDGE && (r == 0 || (r < 0 && done > 0)))\n		kick(q);\n", "",
        ("unit/queue_dispatch",)),
    "dispatch holds no reference of its own": (
        QUEUE, "	bell_queue_ref(q); /* fn may drop the caller's */\n", "	bell_queue_ref(q); q->refs--;\n",
        ("unit/queue_dispatch",)),
    "a stopped dispatch drops what it had taken": (
        QUEUE, "		(void)enqueue(q, tokens + i, n - i, &queued);\n", "		queued = 0;\n", ("unit/queue_dispatch",)),
    "wait in edge mode does not read the bell": (
        WAIT, "? 1 : bell__queue_arm(q, true);", "? 1 : bell_queue_arm(q);", INJECT_ARM),
    "wait does not back off where membarrier is refused": (
        WAIT, "tried ? back_off(deadline) : 0;", "tried ? (void)back_off, 0 : 0;", INJECT),
    # -- close and the end ---------------------------------------------------------------------
    "close leaves the limit up": (
        QUEUE, "	bell_store_relaxed(&q->limit, 0); /* a short cut", "	/* a short cut", ("unit/queue_close",)),
    "close does not say so in tail (A1)": (
        QUEUE, "	(void)bell_fetch_or_acq_rel(&q->tail, BELL__CLOSED); /* A1 */\n", "", ("unit/queue_close",)),
    "close does not ring": (
        QUEUE, "BELL__CLOSED); /* A1 */\n	claim_and_ring(q);\n", "BELL__CLOSED);\n", ("unit/queue_close",)),
    "the end does not wait for claims (A1)": (
        QUEUE, "		if (bell_load_relaxed(&q->flags[token])) /* ordered by CLOSED in tail: A1 */\n			return true;\n",
        "", INJECT),
    "the end eats the bell": (
        QUEUE, "			if (taken)\n				kick(q);\n			return -ESHUTDOWN;\n", "			return -ESHUTDOWN;\n",
        ("unit/queue_close",)),
}
