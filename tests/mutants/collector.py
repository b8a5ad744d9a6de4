# SPDX-License-Identifier: MIT
"""The mutants of the collector: as table.py.

Not here, for x86 would not show it: release and acquire of head and tail (ThreadSanitizer does), the fence of announce(), behind an exchange, and that of close, behind
the queue's. The model has them (tests/model/collector.pml).
"""

CONSUMER, PRODUCER = "src/stream/collector.c", "src/stream/producer.c"
INJECT = ("inject_collector", "5")
UNIT, END, THREADS = ("unit/collector",), ("unit/collector_end",), ("unit/collector_threads",)
WAITS = ("unit/collector_waits",)
RACE = ("collector_backpressure", "submit", "--trials", "3000", "--items", "2000", "--patience", "3")

PUBLISH = """	BELL_INJECT(pushing);
	memcpy(bell__record_at(p, head), record, p->record_size);
	bell_store_release(&p->head, head + 1); /* C1 */
"""
RECHECK = """		announce(p, BELL__WAITS_FUTEX);
		r = push(p, record);
		if (r != -EAGAIN)
			break;
"""
SEAL = """		if (bell_cas_acq_rel(&p->seal, &p->end, head)) /* C5 */
			p->end = head;
"""

MUTANTS = {
    # -- records and places --------------------------------------------------------------------
    "a record is published before it is written (C1)": (
        PRODUCER, PUBLISH, "".join(PUBLISH.splitlines(True)[i] for i in (2, 0, 1)), INJECT),
    "a place is given back before it was read (C2)": (
        CONSUMER, "	for (i = 0; i < n && !c->freed; i++)\n", "	bell_store_release(&p->tail, tail + n);\n"
        "	for (i = 0; i < n && !c->freed; i++)\n", END),
    "a full ring is written over (C2)": (
        PRODUCER, "		if (head - p->seen >= p->capacity)\n			return -EAGAIN;\n", "", UNIT),
    # -- waiting -------------------------------------------------------------------------------
    "submit announces and does not look again (C3)": (
        PRODUCER, RECHECK, "		announce(p, BELL__WAITS_FUTEX);\n		r = -EAGAIN;\n", INJECT),
    "submit does not announce (C3)": (
        PRODUCER, "	(void)bell_exchange_acq_rel(&p->waiting, how); /* C3", "	(void)how; /*", WAITS),
    "try_submit announces and does not look again (C3)": (
        PRODUCER, "		announce(p, BELL__WAITS_BOUND);\n		r = push(p, record);\n",
        "		announce(p, BELL__WAITS_BOUND);\n", INJECT),
    "try_submit says that it is full and does not announce (C3)": (
        PRODUCER, "		announce(p, BELL__WAITS_BOUND);\n", "", END),
    "drain does not look who waits (C3)": (
        CONSUMER, "	bell__producer_wake(p);\n	if (bell_load_relaxed(&p->place)", "	if (bell_load_relaxed(&p->place)", END),
    "drain does not look who waits when it is over (C3)": (
        CONSUMER, "		look_at(c, p);\n	}\n}\n\n/* Its places", "	}\n}\n\n/* Its places", END),
    "drain looks who waits before it makes room (C3)": (
        CONSUMER, "	bell_store_release(&p->tail, tail); /* C2: the records were read */\n",
        "	bell__producer_wake(p);\n	BELL_INJECT(freed);\n	bell_store_release(&p->tail, tail);\n", INJECT),
    "drain looks who waits without the fence (C3)": (
        CONSUMER, "	if (p)\n		bell_fence_full(); /* C3, C4: tail before the looks */\n", "", RACE),
    "drain wakes a producer only when it is over": (
        CONSUMER, "	if (tail - p->looked >= (p->capacity + 1) / 2) {\n", "	if (false) {\n", END),
    "close does not look who waits (C3)": (
        CONSUMER, "		bell__producer_wake(&c->producers[i]);\n", "		;\n", END),
    "close does not say so to producers (C3)": (
        CONSUMER, "	bell_store_relaxed(&c->closed, 1); /* before", "	/* before", END),
    "a wake-up leaves the word as it is (C3)": (
        PRODUCER, "} else if (bell_cas_acq_rel(&p->waiting, &waiting, BELL__WAITS_NOT)) { /* C3 */", "} else {", INJECT),
    "a token is notified and the announcement stays (C3)": (
        PRODUCER, "	if (bell_cas_acq_rel(&p->waiting, &waiting, BELL__WAITS_NOT)) { /* C3 */\n		BELL_INJECT(telling);",
        "	if (waiting) {\n		BELL_INJECT(telling);", END),
    "one that gave up still stands announced (C3)": (
        PRODUCER, "	if (p->announced)\n		withdraw(p);\n	return r == -EAGAIN ? error : r;\n",
        "	return r == -EAGAIN ? error : r;\n", UNIT),
    "bind does not wait for a notification under way (C3)": (
        PRODUCER, "	if (p->bound)\n		await_claims(p);\n", "", INJECT),
    # -- the end -------------------------------------------------------------------------------
    "who is refused does not look at the seal (C5)": (
        PRODUCER, "	return position < seal ? 0 : -ESHUTDOWN;\n", "	return 0;\n", INJECT),
    "who is refused does not set the seal (C5)": (
        PRODUCER, "	if (bell_cas_acq_rel(&p->seal, &seal, position + 1)) /* C5 */\n		return 0;\n",
        "	seal = bell_load_acquire(&p->seal);\n	if (seal == BELL__UNSEALED)\n		return -ESHUTDOWN;\n", INJECT),
    "who is refused is always refused (C5)": (
        PRODUCER, "	return position < seal ? 0 : -ESHUTDOWN;\n", "	return -ESHUTDOWN;\n", INJECT),
    "the consumer does not set the seal (C5)": (
        CONSUMER, SEAL, "		p->end = head;\n", INJECT),
    "the consumer does not look its last (C5)": (
        CONSUMER, "		if (p->end != p->tail)\n			make_ready(c, p);\n	}\n	c->sealed", "	}\n	c->sealed", INJECT),
    # -- places of producers -------------------------------------------------------------------
    "a place is free before it is drained (C4)": (
        PRODUCER, "bell_load_acquire(&p->tail) != p->head)", "false)", UNIT),
    "drain does not look whether a place was left (C4)": (
        CONSUMER, "	bell__place_leave(p);\n", "	;\n", UNIT),
    "a place is free twice (C4)": (
        PRODUCER, "	bell_store_relaxed(&p->place, BELL__PLACE_FREE); /*", "	/*", INJECT),
    # -- turns and flushes ---------------------------------------------------------------------
    "a turn that a budget cuts short is over": (
        CONSUMER, "	if (!more || c->turn == c->batch)\n", "	if (true)\n", UNIT),
    "a turn has no end": (
        CONSUMER, "	if (!more || c->turn == c->batch)\n", "	if (!more)\n", ("unit/collector",)),
    "tokens are polled only when nobody has a turn": (
        CONSUMER, "(!c->first || c->since >= POLL_EVERY)", "!c->first", UNIT),
    "arm sleeps while somebody has a turn": (
        CONSUMER, "	if (c->first || c->flushing)\n		return 0;\n", "", UNIT),
    "one drain goes on for ever": (
        CONSUMER, "	if (max > c->total)\n		max = (size_t)c->total;\n", "	max = max > 1000 ? 1000 : max;\n", UNIT),
    "a mark does not wait for the records before it": (
        CONSUMER, "	if (!c->flushing || c->due > 0)\n", "	if (!c->flushing)\n", END),
    "a flush during another is forgotten": (
        CONSUMER, "			c->flush_again = true;", "			;", END),
    "fn may drain": (
        CONSUMER, "	if (c->draining)\n		return -EBUSY;\n	return (ssize_t)drain", "	return (ssize_t)drain", END),
    "drain holds no reference of its own": (
        CONSUMER, "	(void)bell_fetch_add_relaxed(&c->refs, 1); /* fn may free it; the caller holds one */\n", "	c->refs += 0;\n",
        END),
}
