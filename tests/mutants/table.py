# SPDX-License-Identifier: MIT
"""The mutants: each takes one safeguard out of the queue, and names the program that catches it.

name: (file, text, replacement, killer). The text must stand exactly once in the file, so a mutant that
no longer fits is an error and not a healthy queue. A killer is a program of build.py's and its
arguments; it catches the mutant by failing.
"""

HEADER, QUEUE, WAIT = "include/doorbell/queue.h", "src/core/queue.c", "src/core/wait.c"
SINGLE_C = "src/core/single.c"
PEER, CONNECT, DRAIN = "src/ipc/peer.c", "src/ipc/connect.c", "src/ipc/drain.c"
SHARE, ADMIT, NAME = "src/ipc/share.c", "src/ipc/admit.c", "src/ipc/name.c"

DATA = ("litmus", "data", "--first", "--mode", "spin", "--rounds", "20000000")
SLEEP = ("litmus", "sleep", "--first", "--mode", "level", "--rounds", "1000000", "--patience", "3")
CROWD = ("litmus", "sleep", "--first", "--mode", "wait", "--producers", "3", "--rounds", "1000000", "--patience", "3")
SINGLE_DATA = (*DATA, "--single")
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
    "a batch queues what it could not claim": (
        QUEUE, "			if (bell__queue_claim(q, tokens[i]))\n				claimed[k++] = tokens[i];",
        "			(void)bell__queue_claim(q, tokens[i]), claimed[k++] = tokens[i];", ("unit/queue_many",)),
    "a batch does not ring": (
        QUEUE, "	if (ring)\n		bell__claim_and_ring(q);\n", "	(void)ring;\n", ("unit/queue_many",)),
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
        QUEUE, "	bell__settle(q, bell_load_relaxed(&q->tail)); /* a first look; the exchange below decides */\n", "",
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
        QUEUE, "		(void)enqueue(q, tokens + i, n - i, &queued);\n", "		queued = 0;\n", ("unit/queue_dispatch",)),
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
        QUEUE, "	if (bell__queue_closed(q)) /* close races: T1 decides, or A2 */\n		return -ESHUTDOWN;\n", "",
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
        SINGLE_C, "	bell__settle(q, bell_load_relaxed(&q->state)); /* a first look; the one below decides */\n", "",
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
}
