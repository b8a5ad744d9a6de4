# SPDX-License-Identifier: MIT
"""The mutants: each takes one safeguard out of the queue, and names the program that catches it.

name: (file, text, replacement, killer). The text must stand exactly once in the file, so a mutant that
no longer fits is an error and not a healthy queue. A killer is a program of build.py's and its
arguments; it catches the mutant by failing.
"""

HEADER, QUEUE, WAIT = "include/doorbell/queue.h", "src/core/queue.c", "src/core/wait.c"
SINGLE_C, MANY = "src/core/single.c", "src/core/many.c"
HUB_H, HUB_C, RING_C = "src/hub/hub.h", "src/hub/hub.c", "src/hub/ring.c"
WAITER_C, WAKE_C, CLIENT_C = "src/hub/waiter.c", "src/hub/wake.c", "src/hub/client.c"
PERMIT = "src/sync/permit.c"
FUTEX, SPIN = "src/core/futex.c", "src/core/spin.c"
PEER, CONNECT, DRAIN = "src/ipc/peer.c", "src/ipc/connect.c", "src/ipc/drain.c"
SHARE, ADMIT, NAME = "src/ipc/share.c", "src/ipc/admit.c", "src/ipc/name.c"
BOARD_H, BOARD, OBSERVER = "src/ipc/board.h", "src/ipc/board.c", "src/ipc/observer.c"
WATCH, SCAN = "src/ipc/watch.c", "src/ipc/scan.c"

DATA = ("litmus", "data", "--first", "--mode", "spin", "--rounds", "20000000")
SLEEP = ("litmus", "sleep", "--first", "--mode", "level", "--rounds", "1000000", "--patience", "3")
CROWD = ("litmus", "sleep", "--first", "--mode", "wait", "--producers", "3", "--rounds", "1000000", "--patience", "3")
SINGLE_DATA = (*DATA, "--single")
INJECT = ("inject", "3")
INJECT_ARM = ("inject_arm", "3")
INJECT_MANY = ("inject_many",)
HUB_INJECT, HUB_INJECT_CLIENT = ("hub_inject",), ("hub_inject_client",)
HUB_LITMUS = ("hub_litmus", "wait", "1000000", "3")
TSAN_PERMIT = ("tsan unit/permit_threads",)


def explore(word):
    return ("model/permit", word)
INJECT_PIPE = ("inject_pipe", "3")
PIPE, READER = "src/stream/pipe.c", "src/stream/pipe_reader.c"
MEMORY, WAKE = "src/stream/pipe_memory.c", "src/stream/pipe_wake.c"


def storm(point, action, race, mode, rounds="200000"):
    return (f"storm {point}:{action}", race, "--first", "--mode", mode, "--producers", "2",
            "--rounds", rounds, "--patience", "3")


MUTANTS = {
    # -- notify --------------------------------------------------------------------------------
    "notify trusts its hint without the fence (F1)": (
        HEADER, "			bell_fence_full(); /* F1: our data", "			bell_fence_compiler(); /* our data", DATA),
    "notify claims by a load and a store (F2)": (
        HEADER, "	} while (!bell_cas_acq_rel(flag, &down, mark)); /* F2",
        "	} while (bell_load_relaxed(flag) || (bell_store_relaxed(flag, mark), 0)); /*", ("claim",)),
    "notify claims by an exchange, and wipes out a mark": (
        HEADER, "	} while (!bell_cas_acq_rel(flag, &down, mark)); /* F2",
        "	} while (bell_exchange_acq_rel(flag, mark)); /*", INJECT_MANY),
    "notify reserves by a load and a store (T1)": (
        HEADER, "	before = bell_fetch_add_acq_rel(&q->tail, BELL__POSITION); /* T1, A1 */",
        "	before = bell_load_relaxed(&q->tail); bell_store_relaxed(&q->tail, before + BELL__POSITION);", CROWD),
    "notify publishes without the lap": (
        HEADER, "		token | bell__queue_lap(position, q->mask));", "		token | (q->mask + 1));", ("unit/queue",)),
    "notify does not look whether the receiver was armed (A1)": (
        HEADER, "	return ((before & (BELL__ARMED | BELL__CLOSED)) |", "	return ((before & BELL__CLOSED) |", SLEEP),
    "notify does not look whether the receiver waits at a hole (A2)": (
        HEADER, "		       (bell_load_relaxed(&q->tail) & BELL__HOLE)) != 0;", "		       0) != 0;", INJECT),
    "notify rings whenever it wants to, claimed or not": (
        QUEUE, "	if (!(before & BELL__ASLEEP))\n		return;\n", "", ("unit/arm_history",)),
    "a ring is claimed by a load and a store (A1)": (
        QUEUE, "	uint64_t before = bell_fetch_and_acq_rel(bell__queue_word(q), ~(uint64_t)BELL__ASLEEP); /* A1, A2 */",
        "	uint64_t before = bell_load_relaxed(bell__queue_word(q));\n"
        "	BELL_INJECT(ringing);\n"
        "	bell_store_relaxed(bell__queue_word(q), before & ~(uint64_t)BELL__ASLEEP);",
        storm("ringing", "delay", "sleep", "wait")),
    "a claim leaves the hole announced": (
        QUEUE, "bell_fetch_and_acq_rel(bell__queue_word(q), ~(uint64_t)BELL__ASLEEP); /* A1, A2 */",
        "bell_fetch_and_acq_rel(bell__queue_word(q), ~(uint64_t)BELL__ARMED);", INJECT),
    "a full counter is not healed": (
        QUEUE, "	(void)read_counter(q->fd, &all);\n", "	(void)all;\n", ("unit/arm_hostile",)),
    "errno is not kept": (
        QUEUE, "	errno = saved;\n", "	(void)saved; errno = 11;\n", INJECT),
    # -- a batch -------------------------------------------------------------------------------
    "a batch queues what it could not claim": (
        MANY, "		while (i < n && bell__queue_raise(&flags[tokens[i]], 1))\n",
        "		while (i < n && (bell__queue_raise(&flags[tokens[i]], 1), 1))\n", ("unit/queue_many",)),
    "a batch forgets its last run": (
        MANY, "	while (i < n && c->run_count < RUNS) {\n", "	while (i < n && c->run_count <= RUNS) {\n"
        "		if (c->run_count == RUNS)\n			c->run_count--;\n", ("unit/queue_many",)),
    "a batch of many runs makes many reservations": (
        MANY, "	c->mark = c->reached < n ? take_mark(q) : 0;\n", "	c->mark = 0;\n	(void)take_mark;\n", INJECT_MANY),
    "a batch that finds no mark drops the rest": (
        MANY, "	if (c->mark)\n		claim_marked(q->flags, tokens, n, c);\n",
        "	if (c->mark)\n		claim_marked(q->flags, tokens, n, c);\n	else\n		c->reached = n;\n", INJECT_MANY),
    "two batches have the same mark (M1)": (
        MANY, "		bit = ~taken & (taken + 1); /* the lowest that is free */\n", "		bit = 1;\n", INJECT_MANY),
    "a mark is kept for ever": (
        MANY, "			give_mark_back(q, c.mark);\n", "			(void)give_mark_back;\n", INJECT_MANY),
    "a mark is given back before its flags have moved on (M1)": (
        MANY, "			publish(q, before >> BELL__SHIFT, tokens + i, &c);\n",
        "			if (c.mark)\n				give_mark_back(q, c.mark);\n"
        "			publish(q, before >> BELL__SHIFT, tokens + i, &c);\n", INJECT_MANY),
    "a flag stays at its mark": (
        MANY, "		bell_store_relaxed(flag, 1); /* before the slot: S1; so poll's clear is a later store */\n", "",
        ("unit/queue_many",)),
    "a flag moves on from its mark after its token is published (S1)": (
        MANY, "		bell_store_relaxed(flag, 1); /* before the slot: S1; so poll's clear is a later store */\n"
        "		bell__queue_publish(q, position++, *token);\n",
        "		bell__queue_publish(q, position++, *token);\n		bell_store_relaxed(flag, 1);\n", INJECT_MANY),
    "a batch does not ring": (
        MANY, "	if (ring)\n		bell__claim_and_ring(q);\n", "	(void)ring;\n", ("unit/queue_many",)),
    # -- poll ----------------------------------------------------------------------------------
    "poll does not look at the lap (S1)": (
        HEADER, "		if (token > mask)\n			break;\n		ret_tokens[i] = token;\n",
        "		ret_tokens[i] = token & mask;\n", ("unit/queue",)),
    "poll does not look at the laps of four (S1)": (
        HEADER, "if ((a | b | c | d) > mask)", "if (a > mask)", ("unit/queue",)),
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
        QUEUE, "		bell__settle(q, bell_load_relaxed(&q->tail)); /* a first look; the exchange below decides */\n", "		;\n",
        ("unit/arm_history",)),
    "arm does not notice that it was claimed while it read (step 2)": (
        QUEUE, "	bell__settle(q, v);\n", "", INJECT_ARM),
    "arm never reads the bell (step 1)": (
        QUEUE, "		taken = bell__take_bell(q);\n", "		taken = 0;\n", ("unit/arm",)),
    "arm reads the bell after arming, and eats the new ring": (
        QUEUE, "	if (armed) {\n		bell__announced(q);\n", "	if (armed) {\n		bell__announced(q);\n		if (level)\n"
        "			(void)bell__take_bell(q);\n", INJECT_ARM),
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
        QUEUE, "	if (taken) /* step 4: not asleep, so the fd must stay readable */\n		bell__kick(q);\n	return 0;\n",
        "	return 0;\n", storm("silenced", "delay", "sleep", "level-budget")),
    "arm spins at a hole (step 5)": (
        QUEUE, "	if (!bell__queue_published(q, head) && sleep_at_hole(q, head)) /* step 5 */\n		return 1;\n", "", INJECT),
    "arm sleeps at a hole without announcing it (step 5, A2)": (
        QUEUE, "	(void)bell_fetch_or_acq_rel(&q->tail, BELL__HOLE); /* A2: before the look at the slot */\n", "",
        INJECT),
    "arm announces a hole without membarrier (step 5, A2)": (
        QUEUE, "	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */",
        "	if (!bell__queue_published(q, head)) {", INJECT_ARM),
    "arm announces a hole and does not look again (step 5, A2)": (
        QUEUE, "	if (bell__membarrier() && !bell__queue_published(q, head)) { /* A2 */",
        "	if (bell__membarrier()) {", INJECT),
    "arm leaves the hole announced when it does not sleep (step 5, A2)": (
        QUEUE, "	q->armed = !(bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A2 */\n", "", INJECT_ARM),
    "a hole taken back too late is not counted": (
        QUEUE, "	q->armed = !(bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE); /* A2 */\n",
        "	(void)bell_fetch_and_acq_rel(&q->tail, ~(uint64_t)BELL__HOLE);\n	q->armed = 0;\n", INJECT_ARM),
    "a stray write is never read": (
        QUEUE, "	if (!q->owed && ++q->quiet % QUIET_ARMS != 0)\n", "	if (!q->owed)\n", ("unit/arm_hostile",)),
    # -- dispatch and wait ---------------------------------------------------------------------
    "an edge-triggered drain that stops early stays silent": (
        QUEUE, "	if (q->mode & BELL_QUEUE_EDGE && (r == 0 || (r < 0 && done > 0)))\n		bell__kick(q);\n", "",
        ("unit/queue_dispatch",)),
    "dispatch holds no reference of its own": (
        QUEUE, "	bell_queue_ref(q); /* fn may drop the caller's */\n", "	bell_queue_ref(q); q->refs--;\n",
        ("unit/queue_dispatch",)),
    "a stopped dispatch drops what it had taken": (
        QUEUE, "		(void)bell__queue_many(q, tokens + i, n - i, &queued);\n", "		queued = 0;\n", ("unit/queue_dispatch",)),
    "wait in edge mode does not read the bell": (
        WAIT, "? 1 : bell__queue_arm(q, true);", "? 1 : bell_queue_arm(q);", INJECT_ARM),
    "wait does not back off where membarrier is refused": (
        WAIT, "tried ? back_off(deadline) : 0;", "tried ? (void)back_off, 0 : 0;", INJECT),
    # -- close and the end ---------------------------------------------------------------------
    "close leaves the limit up": (
        QUEUE, "	bell_store_relaxed(&q->limit, 0);  /*", "	/*", ("unit/queue_close",)),
    "close does not say so in tail (A1)": (
        QUEUE, "	(void)bell_fetch_or_acq_rel(bell__queue_word(q), BELL__CLOSED); /* A1 */\n", "", ("unit/queue_close",)),
    "close does not ring": (
        QUEUE, "BELL__CLOSED); /* A1 */\n	bell__claim_and_ring(q);\n", "BELL__CLOSED);\n", ("unit/queue_close",)),
    "the end does not wait for claims (A1)": (
        QUEUE, "		if (bell_load_relaxed(&q->flags[token])) /* ordered by CLOSED in tail: A1 */\n			return true;\n",
        "", INJECT),
    "the end eats the bell": (
        QUEUE, "			if (taken)\n				bell__kick(q);\n			return -ESHUTDOWN;\n", "			return -ESHUTDOWN;\n",
        ("unit/queue_close",)),
    # -- a single producer ---------------------------------------------------------------------
    "a single producer looks at a flag that is up without the fence (F1)": (
        HEADER, "		bell_fence_full();	     /* F1: our data", "		bell_fence_compiler(); /* our data", SINGLE_DATA),
    "a single producer does not look again behind the fence (F1)": (
        HEADER, "		if (bell_load_acquire(flag)) /* F1: behind the fence; F2 */\n			return 0;\n",
        "		return 0;\n", SINGLE_DATA),
    "a single producer queues what is queued already": (
        HEADER, "		if (bell_load_acquire(flag)) /* F1: behind the fence; F2 */\n			return 0;\n",
        "", ("unit/queue",)),
    "a single producer raises no flag": (
        HEADER, "	bell_store_relaxed(flag, 1); /* before", "	/* before", ("unit/queue",)),
    "a single producer does not look whether the receiver sleeps (A2)": (
        HEADER, "	return bell_load_relaxed(&q->state); /* A2: behind the fence */",
        "	return bell_load_relaxed(&q->state) & BELL__CLOSED;", ("unit/arm",)),
    "a single producer looks before it publishes (A2)": (
        HEADER, "	if (!bell__single_queue(q, token))\n		return 0;\n	state = bell__single_state(q);\n",
        "	state = bell__single_state(q);\n	if (!bell__single_queue(q, token))\n		return 0;\n", INJECT),
    "a single producer is not refused": (
        QUEUE, "	bell_store_relaxed(&q->single, 0); /*", "	/*", ("unit/queue_close",)),
    "a notify is not told of a close that it meets (T1, A2)": (
        QUEUE, "	return before & BELL__CLOSED ? -ESHUTDOWN : 1;", "	return 1;", INJECT),
    "a batch of a single producer does not ring": (
        SINGLE_C, "	if (state)\n		bell__claim_and_ring(q);\n", "", ("unit/queue_many",)),
    "a batch is not refused": (
        MANY, "	if (bell__queue_closed(q)) /* close races: T1 decides, or A2 */\n		return -ESHUTDOWN;\n", "",
        ("unit/queue_close",)),
    "a single producer goes the way of many": (
        QUEUE, "	*(bell__queue_is_single(q) ? &q->single : &q->limit) = capacity;\n", "	q->limit = capacity;\n",
        ("unit/arm",)),
    "the word of a single producer is tail, too": (
        "src/core/core.h", "	return bell__queue_is_single(q) ? &q->state : &q->tail;\n", "	return &q->tail;\n",
        ("unit/queue_close",)),
    "a stopped dispatch queues again for a single producer": (
        QUEUE, "	const size_t chunk = bell__queue_is_single(q) ? 1 : CHUNK;\n", "	const size_t chunk = CHUNK;\n",
        ("unit/queue_dispatch",)),
    "the flag is kept where membarrier is refused": (
        QUEUE, "		flags &= ~(unsigned)BELL_QUEUE_SINGLE_PRODUCER;\n", "		;\n", ("fault/creation",)),
    "single arm touches the fd before it looks at the ring": (
        SINGLE_C, "	if (bell__queue_published(q, q->head)) /* before the fd is touched */\n		return 0;\n", "", INJECT_ARM),
    "single arm does not notice that it was claimed before it reads": (
        SINGLE_C, "		bell__settle(q, bell_load_relaxed(&q->state)); /* a first look; the one below decides */\n", "		;\n",
        ("unit/arm_history",)),
    "single arm does not notice that it was claimed while it read": (
        SINGLE_C, "	bell__settle(q, v);\n", "", INJECT_ARM),
    "single arm never reads the bell": (
        SINGLE_C, "		taken = bell__take_bell(q);\n", "		taken = 0;\n", ("unit/arm",)),
    "single arm reads the bell after announcing, and eats the new ring": (
        SINGLE_C, "	if (fenced && empty && !(v & BELL__CLOSED))\n		return 1;\n",
        "	if (fenced && empty && !(v & BELL__CLOSED)) {\n		if (level)\n			(void)bell__take_bell(q);\n"
        "		return 1;\n	}\n", INJECT_ARM),
    "single arm announces by a load and a store (A1)": (
        SINGLE_C, "	BELL_INJECT(silenced);\n	v = bell_fetch_or_acq_rel(&q->state, BELL__ARMED);",
        "	v = bell_load_relaxed(&q->state);\n	BELL_INJECT(silenced);\n"
        "	bell_store_relaxed(&q->state, v | BELL__ARMED);", INJECT),
    "single arm forgets that it is still armed": (
        SINGLE_C, "	if (v & BELL__ARMED) /* still, from before: whoever published since saw it, and will ring */\n"
        "		return 1;\n", "", ("unit/arm",)),
    "single arm without membarrier (A2)": (
        SINGLE_C, "	fenced = bell__membarrier();", "	fenced = true;", INJECT_ARM),
    "single arm looks again before membarrier (A2)": (
        SINGLE_C, "	fenced = bell__membarrier();		    /* A2; it may be refused by now */\n"
        "	empty = !bell__queue_published(q, q->head); /* A2: behind it */\n",
        "	empty = !bell__queue_published(q, q->head);\n	fenced = bell__membarrier();\n", INJECT_ARM),
    "single arm announces and does not look again (A2)": (
        SINGLE_C, "	empty = !bell__queue_published(q, q->head);", "	empty = true;", INJECT),
    "single arm sleeps though membarrier is refused": (
        SINGLE_C, "	if (fenced && empty && ", "	if (empty && ", ("fault/no_membarrier",)),
    "single arm keeps the loop where membarrier is refused": (
        QUEUE, "	if (r != 0 || !bell__queue_is_single(q) || bell__queue_published(q, q->head))\n		return r;\n",
        "	if (r >= -ESHUTDOWN)\n		return r;\n", ("fault/no_membarrier",)),
    "single arm leaves itself announced when it does not sleep (A2)": (
        SINGLE_C, "	q->armed = !(bell_fetch_and_acq_rel(&q->state, ~(uint64_t)BELL__ARMED) & BELL__ARMED); /* A2 */\n", "",
        INJECT_ARM),
    "an announcement taken back too late is not counted": (
        SINGLE_C, "	q->armed = !(bell_fetch_and_acq_rel(&q->state, ~(uint64_t)BELL__ARMED) & BELL__ARMED); /* A2 */\n",
        "	(void)bell_fetch_and_acq_rel(&q->state, ~(uint64_t)BELL__ARMED);\n	q->armed = 0;\n", INJECT_ARM),
    "single arm does not give the bell back": (
        SINGLE_C, "	if (taken) /* not asleep, so the fd must stay readable */\n		bell__kick(q);\n", "", INJECT_ARM),
    "single arm sleeps in a closed queue": (
        SINGLE_C, "	if (fenced && empty && !(v & BELL__CLOSED))\n", "	if (fenced && empty)\n", ("unit/queue_close",)),
    "the end of a single producer does not wait for its last slot (A2)": (
        SINGLE_C, "	return empty && v & BELL__CLOSED ? -ESHUTDOWN : 0;", "	return v & BELL__CLOSED ? -ESHUTDOWN : 0;", INJECT),
    # -- the hub -------------------------------------------------------------------------------
    "who begins to listen makes no fence (H1)": (
        HUB_C, "	const bool done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); /* H1 */", "	const bool done = true;", HUB_LITMUS),
    "who begins to listen does not say so (H1)": (
        HUB_C, "		bell_store_release(&slot->word, slot->word | LISTENED); /* H1: the fence follows */\n", "		;\n",
        HUB_INJECT),
    "an old fence is taken for a new one (H1)": (
        HUB_C, "	if (link->next)\n		bell_store_release(&slot->word, slot->word | FENCED); /* H1 */",
        "	bell_store_release(&slot->word, slot->word | FENCED); /* H1 */", HUB_INJECT),
    "the word is quiet as soon as it is notified": (
        HUB_C, "	if (link_empty(&slot->subscriptions) && link_empty(&slot->waiters)) {", "	if (link_empty(&slot->waiters)) {",
        ("unit/hub_client",)),
    "a slot counts no generations": (
        HUB_C, "	handle.generation = ++slot->generation;", "	handle.generation = slot->generation = 1;", ("unit/hub",)),
    "a slot whose generations are used up is registered again": (
        HUB_C, "	if (handle.generation == UINT32_MAX)\n		hub->retired++;\n	else\n", "", ("unit/hub",)),
    "nothing registered is registered with generation 0": (
        HUB_H, "	UNUSED = 4,", "	UNUSED = 0,", ("unit/hub",)),
    "unregister leaves the word": (
        HUB_C, "	bell_store_release(&slot->word, UNUSED); /* H1 */\n", "", ("unit/hub",)),
    "unregister leaves the waiters": (
        HUB_C, "	canceled = bell__waiters_end(slot, CANCELED, 0, &wakes);", "	canceled = 0;", ("unit/hub_wait",)),
    "unregister tells the end before it has unlinked (H4)": (
        HUB_C, "		BELL_INJECT(closing);\n		bell_store_release(&s->closed, 1); /* H4: after all values, and our last look */\n"
        "		bell__wakes_add_client(wakes, queue, token);\n",
        "		bell__wakes_add_client(wakes, queue, token);\n		BELL_INJECT(closing);\n		bell_store_release(&s->closed, 1);\n",
        HUB_INJECT_CLIENT),
    "the end overtakes the last values (H4)": (
        CLIENT_C, "	value = bell__ring_take(s, &cell);", "	value = !closed && bell__ring_take(s, &cell);", ("unit/hub_values",)),
    "a full ring is written over": (
        RING_C, "	bool full = tail - head == s->depth;", "	bool full = false && head;", ("unit/hub_values",)),
    "the oldest value goes without asking who has it (H3)": (
        RING_C, "	if (full && bell_cas_acq_rel(&s->head, &head, head + 1)) /* H3 */",
        "	if (full && (bell_store_release(&s->head, head + 1), 1))", HUB_INJECT_CLIENT),
    "a value is taken without asking who has it (H3)": (
        RING_C, "		if (bell_cas_acq_rel(&s->head, &head, head + 1)) /* H3: the same */",
        "		bell_store_release(&s->head, head + 1);\n		", HUB_INJECT_CLIENT),
    "a dropped value is not counted": (
        RING_C, "	s->told++;\n	if (full && s->policy == BELL_DROP_NEWEST) {\n",
        "	if (full && s->policy == BELL_DROP_NEWEST) {\n", ("unit/hub_values",)),
    "a waiter that gives up does not look once more (H5)": (
        WAITER_C, "	waiting = w->link.next;\n	if (waiting) {", "	waiting = true;\n	if (w->link.next) {", HUB_INJECT),
    "a waiter that gives up stays linked": (
        WAITER_C, "	if (waiting) {\n		link_remove(&w->link);\n", "	if (waiting) {\n", ("unit/hub_wait",)),
    "who comes between two goes is woken, too": (
        WAITER_C, "		link_remove(&w->link);\n		bell_store_relaxed(&slot->n_waiters, slot->n_waiters - 1); /* a statistic */\n		w->value",
        "		link_remove(&w->link);\n		if (link_empty(&ours))\n			link_move_all(&slot->waiters, &ours);\n"
        "		bell_store_relaxed(&slot->n_waiters, slot->n_waiters - 1);\n		w->value", HUB_INJECT),
    "a waiter that is notified is not woken": (
        WAKE_C, "			bell__futex_wake(wakes->list[i].futex);", "			;", ("unit/hub_wait",)),
    "a client that sleeps is not rung": (
        WAKE_C, "	if (!bell__queue_must_ring(queue, before))\n		return;\n", "	return;\n", ("unit/hub_client",)),
    "a client that is rung late is not kept": (
        WAKE_C, "		add(wakes, NULL, bell_queue_ref(queue), RING_ONLY);", "		add(wakes, NULL, queue, RING_ONLY);", ("unit/hub_client",)),
    "a busy subscription keeps its turn": (
        CLIENT_C, "	do {\n		polled = poll_tokens(client);", "	do {\n		polled = bell_local_count(client->ready) ? 1 : poll_tokens(client);",
        ("unit/hub_client",)),
    "arm does not know what next has polled": (
        CLIENT_C, "	if (bell_local_count(client->ready))\n		return 0;\n", "", ("unit/hub_client",)),
    "a place is given again with the id of before": (
        CLIENT_C, "	s->generation++;\n	r = attach(s);", "	s->generation = 1;\n	r = attach(s);", ("unit/hub_client",)),

    # -- permits -------------------------------------------------------------------------------
    "a permit's lock is taken by a load and a store (N3)": (
        PERMIT, "	if (bell_cas_acq_rel(&p->lock, &v, HELD)) /* N3 */\n		return;",
        "	if (bell_load_acquire(&p->lock) == v) {\n		bell_store_release(&p->lock, HELD);\n		return;\n	}",
        explore("cancel")),
    "a permit's lock wakes nobody": (
        PERMIT, "	if (bell_exchange_acq_rel(&p->lock, FREE) == CONTENDED) /* N3 */\n		bell__futex_wake(&p->lock);",
        "	(void)bell_exchange_acq_rel(&p->lock, FREE);", explore("chain")),
    "a permit's lock releases nothing (N3)": (
        PERMIT, "	if (bell_exchange_acq_rel(&p->lock, FREE) == CONTENDED)",
        "	if (__atomic_exchange_n(&p->lock, FREE, __ATOMIC_RELAXED) == CONTENDED)", TSAN_PERMIT),
    "the last waiter leaves the permit waiting": (
        PERMIT, "		(void)bell_fetch_and_acq_rel(&p->state, ~(uint64_t)WAITING); /* N1 */", "		;",
        ("unit/permit_bind",)),
    "a waiter is let go of under the lock": (
        PERMIT, "	if (w->queue) {\n		w->queue = NULL;\n", "	{\n		w->queue = NULL;\n", explore("free")),
    "a notification is stored under the lock, which is touched after": (
        PERMIT, "	do {\n		if (store_permit(p))\n			return 0;\n	} while (!lock_waiting(p));",
        "	if (store_permit(p))\n		return 0;\n	lock(p);\n	if (store_permit(p)) {\n		unlock(p);\n"
        "		return 0;\n	}", explore("free")),
    "who finds a notification stored leaves it at a look (N1)": (
        PERMIT, "	while ((v & STATE) != WAITING)\n		if (bell_cas_acq_rel(&p->state, &v, generation_of(v) | NOTIFIED)) /* N1 */",
        "	while ((v & STATE) != WAITING)\n		if ((v & STATE) == NOTIFIED ||\n"
        "			bell_cas_acq_rel(&p->state, &v, generation_of(v) | NOTIFIED))", TSAN_PERMIT),
    "a sleeper is woken without its data (N2)": (
        PERMIT, "		if (bell_exchange_acq_rel(word, LET_GO) == ASLEEP)",
        "		if (__atomic_exchange_n(word, LET_GO, __ATOMIC_RELAXED) == ASLEEP)", TSAN_PERMIT),
    "a sleeper is looked for before it is let go of (N2)": (
        PERMIT, "		if (bell_exchange_acq_rel(word, LET_GO) == ASLEEP) /* N2: it may be gone now */\n"
        "			bell__futex_wake(word);",
        "		if (bell_load_acquire(word) == ASLEEP)\n			bell__futex_wake(word);\n"
        "		bell_store_release(word, LET_GO);", explore("notify_one wakes")),
    "a broadcast eats what is stored": (
        PERMIT, "		if (bell_cas_acq_rel(&p->state, &v, v + GENERATION)) /* N1 */",
        "		if (bell_cas_acq_rel(&p->state, &v, generation_of(v) + GENERATION))", ("unit/permit_all",)),
    "a broadcast is for those who are queued only": (
        PERMIT, "		generation_of(v) != w->generation;\n", "		(w->generation = generation_of(v), 0);\n",
        ("unit/permit_all",)),
    "what is stored is taken before a broadcast": (
        PERMIT, "	uint64_t v = w->generation | NOTIFIED;\n", "	uint64_t v = bell_load_relaxed(&p->state) | NOTIFIED;\n",
        ("unit/permit_all",)),
    "a waiter of a broadcast's second batch is not told when it asks": (
        PERMIT, "		past = is_past(p, w); /* of a", "		past = false; /* of a", explore("more than a batch")),
    "a broadcast's list has no head": (
        PERMIT, "			w->next->prev = head;", "			w->next->prev = NULL;", explore("second batch")),
    "who queues itself overwrites what was stored": (
        PERMIT, "		then = (v & STATE) == NOTIFIED ? EMPTY : WAITING;", "		then = WAITING;",
        explore("notify_one wakes")),
    "who cancels keeps its notification": (
        PERMIT, "		(void)notify(p, by);\n", "		;\n", ("unit/permit",)),
    "who cancels hands on to the first, always": (
        PERMIT, "		(void)notify(p, by);\n", "		(void)notify(p, FIRST);\n", ("unit/permit",)),
    "a broadcast is handed on, too": (
        PERMIT, "	if (hand_on && (by == FIRST || by == LAST))", "	if (hand_on && by != NOBODY)", ("unit/permit_all",)),
    "who was chosen does not wait until it is let go of": (
        PERMIT, "	while (by != NOBODY && sleep_until(w, INT64_MAX) < 0)\n		; /* a signal */\n", "",
        explore("cancel")),
    "a timeout forgets that it was chosen": (
        PERMIT, "	if (r < 0 && !settle(p, w, true, false)) {", "	if (r < 0 && (settle(p, w, true, false), 1)) {",
        explore("a timeout never")),
    "a bound waiter asks without the lock": (
        PERMIT, "		if (!w->bound && bell_load_acquire(&w->word) == LET_GO) /* N2 */",
        "		if (bell_load_acquire(&w->word) == LET_GO)", explore("bound: who asks")),
    "a bound waiter that is cancelled keeps its queue": (
        PERMIT, "			q = w->queue;\n", "", ("unit/permit_bind",)),
    "who spins for a permit sees it without its data (N2)": (
        FUTEX, "		if (bell_load_acquire(word) == value) /* N2 */", "		if (bell_load_relaxed(word) == value)",
        TSAN_PERMIT),
    "a thread learns nothing from how long it waited for a permit": (
        FUTEX, "		bell__spin_learn(spin, error ? BELL__SPIN_VAIN : bell__now() - began);", "		;",
        ("unit/futex",)),
    "on one processor a thread spins for a permit": (
        SPIN, "	return alone && CPU_COUNT(&cpus) == 1 ? 0 :", "	return alone && CPU_COUNT(&cpus) == 0 ? 0 :",
        ("unit/futex",)),
    # -- the broadcast pipe --------------------------------------------------------------------
    "a write does not ask whether the stream has ended meanwhile (B1)": (
        PIPE, "	return bell_cas_acq_rel(&p->tail, &tail, (position + n) << BELL__PIPE_SHIFT); /* B1 */",
        "	bell_store_release(&p->tail, (position + n) << BELL__PIPE_SHIFT);\n	return tail || 1;", INJECT_PIPE),
    "a read looks for the end after it has looked for bytes (B1)": (
        READER, "		return nothing_left(p, tail);\n	if (len", "		return nothing_left(p, bell_load_acquire(&p->tail));\n	if (len",
        INJECT_PIPE),
    "a read says the end before the bytes": (
        READER, "	left = bell__pipe_end(tail) - r->position;\n	if (left == 0)", "	left = bell__pipe_end(tail) - r->position;\n"
        "	if (left == 0 || tail & BELL__PIPE_ENDED)", ("unit/pipe",)),
    "a read of nothing is a read": (
        READER, "	if (len == 0)\n		return -EINVAL;\n", "", ("unit/pipe",)),
    "an error is told before it wins (B1)": (
        PIPE, "	if (!bell_cas_acq_rel(&p->error, &none, (uint32_t)error)) /* B1: one of several wins */\n		return -EALREADY;\n",
        "	(void)none; bell_store_relaxed(&p->error, (uint32_t)error);\n", ("unit/pipe",)),
    "an error comes behind the end": (
        PIPE, "		if (tail & BELL__PIPE_CLOSED)\n			return -ESHUTDOWN;\n	while", "		if (0)\n			return -ESHUTDOWN;\n	while", INJECT_PIPE),
    "a write wakes nobody (B3)": (
        PIPE, "			bell__pipe_wake_readers(p);\n		} else {", "		} else {", ("unit/pipe",)),
    "a close wakes no reader (B3)": (
        PIPE, "	(void)bell_fetch_or_acq_rel(&p->tail, BELL__PIPE_CLOSED); /* B1 */\n	bell__pipe_wake_readers(p);\n",
        "	(void)bell_fetch_or_acq_rel(&p->tail, BELL__PIPE_CLOSED);\n", ("unit/pipe",)),
    "a close does not wake the writer (B4)": (
        PIPE, "	bell__pipe_wake_writer_anyhow(p);\n	return 0;\n}\n\nint bell_pipe_set_error",
        "	return 0;\n}\n\nint bell_pipe_set_error", ("unit/pipe_waits",)),
    "who sees a sleeper wakes it, taken back or not (B3)": (
        WAKE, "		if (!bell_exchange_acq_rel(&seat->asleep, 0)) /* B3: the seat's bell */\n			continue;\n",
        "		(void)bell_exchange_acq_rel(&seat->asleep, 0);\n", INJECT_PIPE),
    "readers that are awake are notified, too (B3)": (
        WAKE, "		if (!bell_load_relaxed(&seat->asleep)) /* B3: behind the fence */\n			continue;\n", "		if (!seat->bell)\n			continue;\n"
        "		bell_store_relaxed(&seat->asleep, 1);\n", ("unit/pipe",)),
    "a reader announces sleep without the fence (B3)": (
        READER, "	bell_fence_full(); /* B3: asleep before tail; write: tail before asleep */\n", "	bell_fence_compiler();\n",
        ("unit/pipe_threads", "3")),
    "a reader announces sleep and does not look again (B3)": (
        READER, "	bell_fence_full(); /* B3: asleep before tail; write: tail before asleep */\n	return readable(r);\n",
        "	bell_fence_full();\n	return 0;\n", INJECT_PIPE),
    "a reader looks again and then announces (B3)": (
        READER, "	bell_store_release(&r->seat->asleep, 1); /* B3: and the seat's bell */\n	BELL_INJECT(reader_announced);\n"
        "	bell_fence_full(); /* B3: asleep before tail; write: tail before asleep */\n	return readable(r);\n",
        "	int state = readable(r);\n	BELL_INJECT(reader_announced);\n	bell_store_release(&r->seat->asleep, 1);\n	return state;\n",
        INJECT_PIPE),
    "a reader polls its bell after it has announced (B3)": (
        READER, "		BELL_INJECT(reader_polled);\n		state = announce(r);\n", "		state = announce(r);\n"
        "		BELL_INJECT(reader_polled);\n		(void)!bell_queue_poll(r->seat->bell, &token, 1);\n", INJECT_PIPE),
    "a position is told before the bytes are copied (B2)": (
        READER, "	for (done = 0; done < n; done += run) {\n		run = bell__pipe_run(p, r->position", "	bell_store_release(&r->seat->position, r->position + n);\n"
        "	for (done = 0; done < n; done += run) {\n		run = bell__pipe_run(p, r->position", INJECT_PIPE),
    "a reader that frees room does not look whether the writer waits (B4)": (
        READER, "	if (r->pipe->policy != BELL_PIPE_LAP) /* there nobody waits for us */\n		bell__pipe_wake_writer(r->pipe);\n", "",
        INJECT_PIPE),
    "a reader that leaves does not look whether the writer waits (B4)": (
        READER, "	bell__pipe_wake_writer(p);\n	bell_store_release(&seat->taken, 0);", "	bell_store_release(&seat->taken, 0);",
        ("unit/pipe_waits",)),
    "any reader that reads wakes the writer (B4)": (
        WAKE, "	if (bell__pipe_least(p) >= wanted)\n", "	if (wanted != 1)\n", ("unit/pipe_waits",)),
    "the last reader to leave does not wake the writer (B4)": (
        WAKE, "	if (bell__pipe_least(p) >= wanted)\n", "	if (bell__pipe_least(p) >= wanted && bell__pipe_least(p) != BELL__NOBODY)\n", ("unit/pipe_waits",)),
    "a writer waits and does not look again (B4)": (
        PIPE, "	if (bell__pipe_refusal(p) != 0 || bell__pipe_room(p, wanted) >= wanted) /* the recheck */\n		return 0;\n", "", INJECT_PIPE),
    "a writer arms and does not look again (B4)": (
        PIPE, "		r = writable(p); /* the recheck; what was announced may stand: it costs a notify */\n", "", INJECT_PIPE),
    "a writer arms and does not announce (B4)": (
        PIPE, "		bell__pipe_announce(p, p->low_water);\n", "", ("unit/pipe_waits",)),
    "a new reader does not look at begin again (B5)": (
        READER, "	} while (begin != position && p->policy != BELL_PIPE_LAP);\n", "	} while (0);\n", INJECT_PIPE),
    "a new reader that moves up does not look whether the writer waits (B4)": (
        READER, "	bell__pipe_wake_writer(p);\n	return position;\n", "	return position;\n", INJECT_PIPE),
    "the writer does not look at the seats again (B5)": (
        MEMORY, "	least = bell__pipe_least(p);\n	least = least <", "	least = least <", INJECT_PIPE),
    "a reader that has not yet moved up as it joins lowers floor": (
        MEMORY, "	if (least > p->floor)\n", "", INJECT_PIPE),
    "begin is not told before it is left behind (B5)": (
        MEMORY, "		bell_store_release(&p->begin, least); /* B5 */\n", "		(void)0;\n", ("unit/pipe_policies",)),
    "the writer does not tell readers what it overwrites (B6)": (
        PIPE, "	bell_store_release(&p->begin, end - p->limit); /* B6 */\n", "", ("unit/pipe_policies",)),
    "the writer overwrites first, and tells then (B6)": (
        PIPE, "	if (p->policy == BELL_PIPE_LAP)\n		leave_behind(p, position + n);\n	for (done = 0; done < n; done += run) {",
        "	for (done = 0; done < n; done += run) {", ("unit/pipe_policies",)),
    "a lapped reader does not look at begin after its copy (B6)": (
        READER, "		if (begin > r->position)\n			return lapped(r, begin);\n	}\n	return advance(r, n);", "	}\n	return advance(r, n);", INJECT_PIPE),
    "what was lost is not counted": (
        READER, "	r->lost += begin - r->position;\n", "", ("unit/pipe_policies",)),
    "a word is put without what stands in its rest": (
        "src/stream/words.c", "	uintptr_t value = bell_load_relaxed(word); /* ours */\n", "	uintptr_t value = 0;\n", ("unit/pipe",)),
    "all have gone before the first has come": (
        PIPE, "	p->census = BELL__PIPE_EXPECTED;\n", "", ("unit/pipe",)),
    "nobody is expected before the first is counted (B4)": (
        READER, "	(void)bell_fetch_add_acq_rel(&p->census, BELL__PIPE_READER);",
        "	(void)bell_fetch_and_acq_rel(&p->census, ~(uint64_t)BELL__PIPE_EXPECTED);\n	sched_yield();\n"
        "	(void)bell_fetch_add_acq_rel(&p->census, BELL__PIPE_READER);", ("unit/pipe_threads", "60")),
    "a segment is used again while somebody reads it": (
        MEMORY, "<= p->floor;\n", "<= p->floor + (UINT64_C(1) << p->shift);\n", ("unit/pipe_policies",)),
    "no segment is given back": (
        MEMORY, "	while (p->next - p->first > p->keep && passed(p)) {", "	while (0) {", ("unit/pipe_policies",)),
    "a pipe grows beyond its limit": (
        MEMORY, "	return p->limit - (end - p->floor);\n", "	return p->limit - (end - p->floor) + (p->policy == BELL_PIPE_GROW);\n", ("unit/pipe_policies",)),

    # -- between processes ---------------------------------------------------------------------
    "a peer trusts its hint without the fence (F1)": (
        PEER, "			bell_fence_full();     /* F1: our data", "			bell_fence_compiler(); /* our data", ("ipc/race",)),
    "a peer does not look whether the receiver sleeps (A1)": (
        PEER, "(before & BELL__ARMED) ||", "(before & 0) ||", ("ipc/share",)),
    "a peer does not look whether the receiver sleeps at a hole (A3)": (
        PEER, "(bell_load_relaxed(&shared->tail) & BELL__HOLE)", "0", ("ipc/share",)),
    "a peer does not look whether it has been told of the end": (
        PEER, "	if (bell_load_relaxed(&shared->closed))", "	if (0)", ("ipc/share",)),
    "a peer writes to a bell that is full": (
        PEER, "	if (fds[1].revents & POLLOUT)", "	if (1)", ("ipc/hostile_receiver",)),
    "a peer takes any descriptor for a bell": (
        CONNECT, " ||\n		!is_eventfd(p->bell))", ")", ("ipc/hostile_receiver",)),
    "a peer takes memory that is not sealed": (
        CONNECT, "(seals & (wanted | unwanted)) != wanted ||", "", ("ipc/hostile_receiver",)),
    "a peer takes memory that is too short": (
        CONNECT, " || size < bell__layout_room(&header))", ")", ("ipc/hostile_receiver",)),
    "a peer believes a header": (
        CONNECT, "		!bell__layout_is_sound(&header) ||", "", ("ipc/hostile_receiver",)),
    "a peer keeps descriptors that it does not use": (
        CONNECT, "		close(got[i]);", "		;", ("ipc/hostile_receiver",)),
    "a drain takes any number for a token": (
        DRAIN, "		if (token < d->capacity) {", "		if (token <= d->mask) {", ("ipc/hostile_peer",)),
    "a drain takes nonsense for an empty slot": (
        DRAIN, "!is_remains(d, token) || ", "", ("ipc/hostile_peer",)),
    "a drain does not mind a slot that flickers": (
        DRAIN, " || (n == 0 && d->seen)", "", ("ipc/hostile_peer",)),
    "a drain does not mind where tail is": (
        DRAIN, "	if ((v >> BELL__SHIFT) - d->head > d->capacity || v & BELL__CLOSED) {", "	if (0) {", ("ipc/hostile_peer",)),
    "a drain does not lower the flags (F2)": (
        DRAIN, "		bell__queue_clear(d->flags, ret_events[i].token);", "		;", ("ipc/share",)),
    "a drain reads the data without the fence (F1)": (
        DRAIN, "	bell_fence_full(); /* F1: flags cleared", "	bell_fence_compiler(); /* flags cleared", ("ipc/race",)),
    "a drain looks for no flags at the end": (
        DRAIN, "		if (bell_load_relaxed(&d->flags[d->sweep]))", "		if (0)", ("ipc/kill_peer",)),
    "a drain sleeps at a hole without saying so (A3)": (
        DRAIN, "	(void)bell_fetch_or_acq_rel(d->tail, BELL__HOLE);", "	;", ("ipc/share",)),
    "a drain announces a hole and does not look again (A3)": (
        DRAIN, "	if (!bell__drain_ready(d)) {\n		d->holes++;", "	{\n		d->holes++;", ("ipc/inject",)),
    "a drain leaves the hole announced when it does not sleep (A3)": (
        DRAIN, "	d->armed = !(bell_fetch_and_acq_rel(d->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE);", "	d->armed = false;",
        ("ipc/inject",)),
    "a drain does not count a hole taken back too late": (
        DRAIN, "	d->armed = !(bell_fetch_and_acq_rel(d->tail, ~(uint64_t)BELL__HOLE) & BELL__HOLE);",
        "	d->armed = false; (void)bell_fetch_and_acq_rel(d->tail, ~(uint64_t)BELL__HOLE);", ("ipc/inject",)),
    "a peer rings whoever sleeps by now": (
        PEER, "(bell_load_relaxed(&shared->tail) & BELL__HOLE)", "(bell_load_relaxed(&shared->tail) & BELL__ASLEEP)",
        ("ipc/inject",)),
    "a drain arms though something is queued (A1)": (
        DRAIN, "	if (bell_cas_acq_rel(d->tail, &v, v | BELL__ARMED)) {",
        "	v = bell_fetch_or_acq_rel(d->tail, BELL__ARMED);\n	if (1) {", ("ipc/race",)),
    "a share does not read bells": (
        SHARE, "		taken = read_counter(l->bell);", "		;", ("ipc/share",)),
    "a share may be blocked by its bell": (
        SHARE, "-1L, -1L, RWF_NOWAIT)", "-1L, -1L, 0)", ("ipc/hostile_peer",)),
    "a share does not keep its descriptor readable (step 4)": (
        SHARE, "		if (took)", "		if (0)", ("ipc/inject",)),
    "a share reads a bell after arming, and eats the new ring": (
        SHARE, "	asleep = bell__drain_arm(d) == 1;\n	if (taken)",
        "	asleep = bell__drain_arm(d) == 1;\n	BELL_INJECT(share_arming);\n	taken += read_counter(l->bell);\n	if (taken)",
        ("ipc/inject",)),
    "a share does not mind strays": (
        SHARE, "	if (l->strays > s->options.max_strays)", "	if (0)", ("ipc/hostile_peer",)),
    "a share does not mind what is sent to it": (
        SHARE, "		bell__share_end(s, l, -EPROTO);\n	else if (n == 0", "		;\n	else if (n == 0", ("ipc/hostile_peer",)),
    "a share that is busy never looks at who sleeps": (
        SHARE, "	if (s->fresh || s->credit == 0)", "	if (s->fresh)", ("ipc/share",)),
    "a share goes on watching a bell that it closed": (
        SHARE, "	(void)bell__share_watch(s, EPOLL_CTL_DEL, l->bell, 0, 0);", "	;", ("ipc/hostile_peer",)),
    "a share begins each poll with the same peer": (
        SHARE, "		s->turn = s->turn + 1 < awake ? s->turn + 1 : 0;\n	}", "		s->turn = s->turn + 1 < awake ? s->turn + 1 : 0;\n	}\n	s->turn = 0;",
        ("ipc/share",)),
    "a share without descriptors leaves who connects waiting": (
        ADMIT, "			more = refuse_one(s);", "			more = false;", ("ipc/lives",)),
    "a share lets no user have a limit": (
        ADMIT, "	if (s->options.max_peers_per_user &&", "	if (0 &&", ("ipc/share",)),
    "a name is taken from the living": (
        NAME, "	if (error)\n		return error;\n	snprintf(beside", "	snprintf(beside", ("ipc/names",)),
    "a name is taken from its successor": (
        NAME, " && st.st_ino == self->st_ino &&\n		st.st_dev == self->st_dev", "", ("ipc/names",)),
    "a directory that strangers write to is good enough": (
        NAME, "	else if (ret_st->st_mode &", "	else if (0 &", ("ipc/names",)),

    # -- observers and watches -----------------------------------------------------------------
    "a socket with a name of its own is taken for a peer's": (
        ADMIT, "			decide(s, fd, size > sizeof(from.sun_family));", "			decide(s, fd, false);",
        ("ipc/observer",)),
    "an observer that says something is kept": (
        BOARD, "recv(o->fds[index], &byte, sizeof(byte), MSG_DONTWAIT) < 0", "recv(o->fds[index], &byte, sizeof(byte), MSG_DONTWAIT) != 0",
        ("ipc/observer",)),
    "a board can be written to by who observes": (
        BOARD, "	const int seals = F_SEAL_FUTURE_WRITE | ", "	const int seals = ", ("ipc/observer",)),
    "a board keeps the row of a peer that left": (
        BOARD, "	if (s->observers.n)\n		put_row(s, l->index, none);", "	(void)s, (void)l, (void)none;", ("ipc/observer",)),
    "a board shows the first observer what it showed the last": (
        BOARD, "	if (o->n == 0)\n		show_all(s);", "	if (0)\n		show_all(s);", ("ipc/observer",)),
    "a board is not shown before the sleep": (
        SHARE, "	if (s->observers.n)\n		bell__board_show(s);\n	if (changed)", "	if (changed)", ("ipc/observer",)),
    "a board is not marked while it is written (W1)": (
        BOARD_H, "	bell_store_relaxed(&b->version, version + 1); /* the", "	/* the", ("ipc/inject",)),
    "an observer does not look whether the board has changed (W1)": (
        BOARD_H, " &&\n			bell_load_relaxed(&b->version) == version) { /* W1", ") { /* W1", ("ipc/inject",)),
    "an observer takes a board that could be cut off": (
        OBSERVER, "	if (!bell__is_sealed(memory, false, &size) || size > SIZE_MAX ||",
        "	size = SIZE_MAX;\n	if (", ("ipc/hostile_board",)),
    "an observer believes a header": (
        OBSERVER, "		!bell__board_is_sound(&header) ||", "		", ("ipc/hostile_board",)),
    "an observer takes a board that is too short": (
        OBSERVER, " || size < bell__board_room(&header))", ")", ("ipc/hostile_board",)),
    "an observer believes the board about its length": (
        OBSERVER, "	if (index >= o->max_peers)", "	if (index >= o->board->max_peers)", ("ipc/hostile_board",)),
    "an observer does not ask whether the receiver lives": (
        OBSERVER, "		error = o->board ? ask_whether_alive(o) : hear(o);", "		error = o->board ? 0 : hear(o);",
        ("ipc/observer",)),
    "a watch begins to watch after its scan": (
        WATCH, "	if (!error)\n		error = bell__watch_scan(w);\n	if (error) {", "	if (!error)\n		error = bell__watch_scan(w);\n	drain(w);\n	w->dirty = false;\n	if (error) {",
        ("ipc/inject",)),
    "a watch throws away the events that came while it scanned": (
        WATCH, "	return w->dirty ? bell__watch_scan(w) : 0;", "	i = w->dirty ? bell__watch_scan(w) : 0;\n	drain(w);\n	w->dirty = false;\n	return i;",
        ("ipc/inject",)),
    "a watch takes an overflow of inotify for nothing": (
        WATCH, "			w->dirty |= event->wd != w->parent || w->parent == w->names;",
        "			w->dirty |= event->wd == w->names;", ("ipc/watch",)),
    "a watch believes that a file means a living receiver": (
        SCAN, "	if (error == -ENOENT || error == -EPROTOTYPE)", "	if (error == -EPROTOTYPE)", ("ipc/watch",)),
    "a watch does not hear of a death": (
        SCAN, "	if (e.fd >= 0 &&", "	if (0 &&", ("ipc/watch",)),
    "a watch takes what is there now for what was there": (
        SCAN, "	if (e->file.st_dev != st->st_dev || e->file.st_ino != st->st_ino)", "	if (0)", ("ipc/watch",)),
    "a watch takes a refusal for an end": (
        WATCH, "	if (n > 0 && hello.error) {", "	if (0) {", ("ipc/watch",)),
    "a watch leaves a connection that it closed in its set": (
        SCAN, "	(void)epoll_ctl(w->epfd, EPOLL_CTL_DEL, e->fd, NULL); /*", "	/*", ("ipc/watch",)),
    "a watch tells of strangers' receivers": (
        SCAN, "	if (bell__is_trusted(&owner, w->owner))", "	if (1)", ("ipc/users",)),
    "a watch does not hear of its directory's end": (
        WATCH, "	w->parent = inotify_add_watch(w->inotify, path, IN_DELETE | IN_ONLYDIR | IN_MASK_ADD);", "	w->parent = NOBODY;",
        ("ipc/watch",)),
    "a watch keeps no readable descriptor while it has something to tell": (
        WATCH, "	set_kick(w, any || error);", "	;", ("ipc/watch",)),
}
