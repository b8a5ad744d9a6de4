/* SPDX-License-Identifier: MIT
 *
 * queue.pml: the protocol of the token queue, for SPIN: notify, claim, poll, arm, close, and the loop
 * around them, in the order of include/doorbell/queue.h, src/core/queue.c and many.c.
 *
 * One atomic block is one load, store, read-modify-write or system call, and what its thread then
 * works out for itself; never two of them. The labels F1 ... A2 are those of docs/ORDERING.md. run.py
 * chooses machine, loop and mutant by macros:
 *
 *   MEMORY   as memory.pml has it: 0 sequential consistency, 1 and 2 store buffers
 *   EDGE     1 edge-triggered, arm never reads. 0 level-triggered
 *   LOOP     DRAIN: poll until empty, arm, again until arm says 1. STOPS: the same, but a poll that
 *            used up its budget goes back to sleep without arming (level). DISPATCH: as
 *            bell_queue_dispatch. FORGETS: does not heed arm's 0 (level)
 *   BUDGET   the most tokens of a poll, or of a dispatch
 *   PRODUCERS, NOTIFIES (of each), TOKENS, SIZE (of the ring)
 *   BATCH    1: the first TOKENS producers are one thread, which notifies all tokens by batches whose claims
 *            stand at a mark, each token twice in each batch. 2: the next TOKENS are another such thread
 *   CLOSE    somebody closes. PROMISE_ALL: then whatever was told 0 or 1 is held to, not only what
 *            was told so before close began
 *   SPURIOUS how often the loop wakes for another reason. STRAY: a stranger writes the fd once
 *   REFUSED  membarrier(2) is not allowed
 *   SHARED   between processes, src/ipc: a full fence in notify and one in arm for the membarrier (A3), and
 *            what was read of the bell is given back by an eventfd of the receiver's own
 *
 * What is checked, by assertions: no slot is overwritten unread; no token twice in a poll; no claim but
 * of an arm, and one at most; arm never says "sleep" to who had a published token before, and never
 * says "awake" with a bit left in tail; a receiver that waits is armed or has a bell that sounds or is
 * about to; without a step of the others it soon comes to rest; and when nothing moves any more,
 * everything notified was delivered and its last datum seen. A thread stuck elsewhere is an invalid
 * end state. */
#define DRAIN	 0
#define STOPS	 1
#define DISPATCH 2
#define FORGETS	 3

#ifndef BUDGET
#define BUDGET 100
#endif
#ifndef SPURIOUS
#define SPURIOUS 0
#endif
#ifndef BATCH
#define BATCH 0
#endif
#ifndef TURNS
#define TURNS 4 /* wake-ups and refused arms for nothing, without a step of the others */
#endif
#if LOOP == DISPATCH
#define MAX (BUDGET - done)
#else
#define MAX BUDGET
#endif
#define QUIET_ARMS 2

#define FLAG(t)	 (t)
#define SLOT(p)	 (TOKENS + (p) % SIZE)
#define DATUM(i) (TOKENS + SIZE + (i))
#define LIMIT	 (TOKENS + SIZE + PRODUCERS) /* holds 1 once closed, so that all begin at 0 */
#define PLACES	 (LIMIT + 1)
#define ME	 PRODUCERS /* the receiver's processor */
#define CLOSER	 (PRODUCERS + 1)
#define CPUS	 (PRODUCERS + 1 + CLOSE)
#define TOKEN(i) ((i) % TOKENS)

/* A slot is token and lap bit: 1 on even laps. */
#ifdef M_NO_LAP
#define LAP(p) 1
#else
#define LAP(p) (1 - ((p) / SIZE) % 2)
#endif
#define PUBLISHED(slot, p) ((slot) % 2 == LAP(p))

/* tail; no store but only read-modify-writes change it, so no buffer holds it */
byte position;
bit armed = 1, hole, closed;

/* the eventfd, and what an edge-triggered epoll keeps of it */
byte counter;
bit edge;
#ifdef SHARED
bit kicked; /* the receiver's own */
#define KICKED kicked
#else
#define KICKED 0
#endif

/* ghosts: for the properties only */
byte read_to;	   /* slots below have been read */
byte ringing;	   /* claimed, and not yet written */
bit answered;	   /* the last announcement was claimed */
byte live = PRODUCERS - BATCH * (TOKENS - 1) + CLOSE; /* threads of them that are not through */
#if CLOSE
bit closing;
byte promised[PRODUCERS];
#endif

#include "memory.pml"

/* -- the bell -------------------------------------------------------------------------------- */

#if EDGE
#define READABLE edge
#else
#define READABLE (counter > 0 || KICKED)
#endif

/* A thread other than the receiver moved. */
#define MOVED turns = 0

/* Claim and ring: of all who see ARMED or HOLE, one clears it and writes. was: a bit of the caller. */
inline claim_and_ring(cpu, was)
{
#ifdef M_CLAIM_NOT_ATOMIC
	atomic { RMW_TAIL(cpu); MOVED; was = armed || hole };
	atomic {
#else
	atomic {
		RMW_TAIL(cpu);
		MOVED;
		was = armed || hole;
#endif
#ifdef M_CLAIM_RINGS_ALWAYS
		was = 1;
#endif
#ifdef M_CLAIM_LEAVES_HOLE
		armed = 0;
#else
#ifdef M_CLAIM_LEAVES_ARMED
		hole = 0;
#else
		armed = 0;
		hole = 0;
#endif
#endif
		if
		:: was ->
			assert(!answered);
			answered = 1;
			ringing++
		:: else
		fi
	}; /* A1, A2 */
	if
	:: was ->
		atomic { SYSCALL(cpu); MOVED; was = 0; ringing--; ring() }
	:: else
	fi
}

inline ring()
{
#ifndef M_CLAIM_NO_WRITE
#if EDGE
	edge = 1
#else
	counter++
#endif
#else
	skip
#endif
}

/* -- notify ---------------------------------------------------------------------------------- */

proctype producer(byte id)
{
	byte n, at, f;
	bit was, must_ring, refused;

next:
	atomic { ROOM(id); MOVED; n++; STORE(id, DATUM(id), n) }; /* the caller's data */
#if CLOSE
	atomic {
		MOVED;
		LOAD(id, LIMIT, f);
		if
		:: f -> goto through
		:: else
		fi
	};
#endif

claim:
	atomic {
		MOVED;
		LOAD(id, FLAG(TOKEN(id)), f); /* a hint */
		if
		:: !f -> goto raise
		:: else -> f = 0
		fi
#ifdef M_HINT_DECIDES
		;
		goto accepted
#endif
	};
	atomic {
#ifndef M_NOTIFY_NO_FENCE
		FENCE(id); /* F1 */
#endif
		MOVED;
		LOAD(id, FLAG(TOKEN(id)), f);
		if
		:: f -> f = 0; goto conflated
		:: else
		fi
	};

raise:
#ifdef M_RAISE_NOT_ATOMIC
	atomic { MOVED; LOAD(id, FLAG(TOKEN(id)), f) };
	atomic {
		ROOM(id);
		MOVED;
		STORE(id, FLAG(TOKEN(id)), 1);
#else
	atomic {
		RMW(id, FLAG(TOKEN(id))); /* F2 */
		MOVED;
		f = mem[FLAG(TOKEN(id))] != 0;
#ifdef M_CLAIM_BLINDLY
		mem[FLAG(TOKEN(id))] = 1;
#endif
#endif
		if
		:: f -> f = 0; goto claim
#ifndef M_RAISE_NOT_ATOMIC
		:: else -> mem[FLAG(TOKEN(id))] = 1
#else
		:: else
#endif
		fi
	};

#ifdef M_PUBLISH_FIRST
	atomic { MOVED; at = position };
	atomic { ROOM(id); MOVED; RELEASE(id, SLOT(at), 2 * TOKEN(id) + LAP(at)) };
#endif
#ifdef M_RESERVE_NOT_ATOMIC
	atomic { MOVED; at = position };
#endif
	atomic {
		RMW_TAIL(id); /* T1, A1 */
		MOVED;
#ifdef M_RESERVE_NOT_ATOMIC
		position = at + 1;
#else
		at = position;
		position++;
#endif
		assert(at - read_to < SIZE);
		must_ring = armed || closed;
#ifdef M_NOTIFY_IGNORES_ARMED
		must_ring = 0;
#endif
		refused = closed
#ifdef M_REFUSED_UNPUBLISHED
		;
		if
		:: refused -> goto through
		:: else
		fi
#endif
	};
#ifndef M_PUBLISH_FIRST
	atomic {
		ROOM(id);
		MOVED;
#ifdef M_PUBLISH_RELAXED
		STORE(id, SLOT(at), 2 * TOKEN(id) + LAP(at));
#else
		RELEASE(id, SLOT(at), 2 * TOKEN(id) + LAP(at)); /* S1 */
#endif
		at = 0
	};
#endif
	atomic {
#if defined(SHARED) && !defined(M_NOTIFY_NO_SECOND_FENCE)
		FENCE(id); /* A3 */
#endif
		MOVED;
#ifndef M_NOTIFY_IGNORES_HOLE
		must_ring = must_ring || hole; /* A2: the fence is the receiver's membarrier */
#endif
		if
		:: !must_ring -> goto accepted
		:: else -> must_ring = 0
		fi
	};
	claim_and_ring(id, was);
	atomic {
		if
		:: refused -> goto through
		:: else
		fi
	};

conflated:
#ifdef CONFLATED_LOOKS_AT_LIMIT
	atomic {
		MOVED;
		LOAD(id, LIMIT, f);
		if
		:: f -> goto through
		:: else
		fi
	};
#endif
accepted:
	atomic {
#if CLOSE
		if
#ifdef PROMISE_ALL
		:: true -> promised[id] = n
#else
		:: !closing -> promised[id] = n
		:: else
#endif
		fi;
#endif
		if
		:: n < NOTIFIES -> goto next
		:: else
		fi
	};
through:
	atomic { n = 0; at = 0; f = 0; refused = 0; live-- }
}

#if BATCH
/* The marks that are taken. No store but only read-modify-writes change it, as tail. */
bit taken_2, taken_3;

#define IN_BATCH(i) (((i) / 2 + first) % TOKENS) /* each token twice, in any order */

proctype batch(byte id)
{
	byte n, at, f, i, k, mark;
	bit was, must_ring, refused, first;

next:
	n++;
	if
	:: first = 0
#if TOKENS > 1
	:: first = 1
#endif
	fi;
	do
	:: i < TOKENS -> atomic { ROOM(id); MOVED; STORE(id, DATUM(id + i), n); i++ } /* the caller's data */
	:: else -> break
	od;
#if CLOSE
	atomic {
		MOVED;
		LOAD(id, LIMIT, f);
		if
		:: f -> goto through
		:: else
		fi
	};
#endif
	atomic {
		RMW_TAIL(id); /* M1 */
		MOVED;
		i = 0;
		if
#ifndef M_MARK_SHARED
		:: taken_2 -> taken_3 = 1; mark = 3
#endif
		:: else -> taken_2 = 1; mark = 2
		fi
	};

claim:
	atomic {
		MOVED;
		LOAD(id, FLAG(IN_BATCH(i)), f); /* a hint */
		if
		:: !f -> goto raise
		:: else -> f = 0
		fi
	};
	atomic {
		FENCE(id); /* F1 */
		MOVED;
		LOAD(id, FLAG(IN_BATCH(i)), f);
		if
		:: f -> f = 0; goto claimed
		:: else
		fi
	};
raise:
	atomic {
		RMW(id, FLAG(IN_BATCH(i))); /* F2 */
		MOVED;
		if
		:: mem[FLAG(IN_BATCH(i))] != 0 -> goto claim
		:: else -> mem[FLAG(IN_BATCH(i))] = mark; k++
		fi
	};
claimed:
	atomic {
		i++;
		if
		:: i < 2 * TOKENS -> goto claim
		:: else -> i = 0
		fi;
		if
		:: k == 0 -> goto given
		:: else
		fi
	};
	atomic {
		RMW_TAIL(id); /* T1, A1 */
		MOVED;
		at = position;
		position = position + k;
		assert(at + k - 1 - read_to < SIZE);
		must_ring = armed || closed;
		refused = closed
	};
#ifdef M_MARK_BACK_EARLY
	atomic { FENCE(id); MOVED; taken_2 = taken_2 && mark != 2; taken_3 = taken_3 && mark != 3 };
#endif

look:
	atomic {
		MOVED;
		LOAD(id, FLAG(IN_BATCH(i)), f); /* M1 */
		if
#ifdef M_LOOK_TAKES_ANY
		:: f == 0 -> goto further
#else
		:: f != mark -> goto further
#endif
		:: else
		fi
	};
#if !defined(M_MARK_STAYS) && !defined(M_MARK_LATE)
	atomic { ROOM(id); MOVED; STORE(id, FLAG(IN_BATCH(i)), 1) };
#endif
	atomic {
		ROOM(id);
		MOVED;
		RELEASE(id, SLOT(at), 2 * IN_BATCH(i) + LAP(at)); /* S1 */
		at++;
		k--
	};
#ifdef M_MARK_LATE
	atomic { ROOM(id); MOVED; STORE(id, FLAG(IN_BATCH(i)), 1) };
#endif
further:
	atomic {
		f = 0;
		i++;
		if
		:: k > 0 -> assert(i < 2 * TOKENS); goto look
		:: else -> i = 0; at = 0
		fi
	};
	atomic {
		MOVED;
		must_ring = must_ring || hole /* A2: the fence is the receiver's membarrier */
	};
given:
	atomic {
#ifdef M_MARK_BACK_RELAXED
		RMW_TAIL(id);
#else
		FENCE(id); /* M1: its release */
#endif
		MOVED;
#ifndef M_MARK_BACK_EARLY
		taken_2 = taken_2 && mark != 2;
		taken_3 = taken_3 && mark != 3;
#endif
		mark = 0;
		if
		:: !must_ring -> goto accepted
		:: else -> must_ring = 0
		fi
	};
	claim_and_ring(id, was);
	atomic {
		if
		:: refused -> goto through
		:: else
		fi
	};
accepted:
	atomic {
#if CLOSE
		if
		:: !closing -> promised[id] = n; promised[id + TOKENS - 1] = n
		:: else
		fi;
#endif
		if
		:: n < NOTIFIES -> goto next
		:: else
		fi
	};
through:
	atomic { n = 0; f = 0; refused = 0; first = 0; live-- }
}
#endif

#if CLOSE
proctype closer()
{
	bit was;

	atomic { ROOM(CLOSER); MOVED; closing = 1; STORE(CLOSER, LIMIT, 1) };
	atomic { RMW_TAIL(CLOSER); MOVED; closed = 1 }; /* A1 */
#ifndef M_CLOSE_NO_RING
	claim_and_ring(CLOSER, was);
#endif
	live--
}
#endif

/* -- the receiver ---------------------------------------------------------------------------- */

/* Edge mode never reads: there the C code counts too, but nothing depends on it. */
inline owe()
{
#if !EDGE
	owed++
#endif
	skip
}

/* tail was seen: somebody cleared what I had set, so one ring has come or will come. */
inline settle()
{
	if
	:: mine && !armed && !hole -> mine = 0; owe()
	:: else
	fi
}

inline subtract_taken()
{
#ifdef M_READ_SETTLES_ALL
	if
	:: taken > 0 -> owed = 0
	:: else
	fi;
#else
	if
	:: taken < owed -> owed = owed - taken
	:: else -> owed = 0
	fi;
#endif
}

/* Arm will say 1. */
inline silence_kick()
{
#if defined(SHARED) && !defined(M_KICK_STAYS)
	kicked = 0
#else
	skip
#endif
}

inline announced()
{
	mine = 1;
	answered = 0
}

/* My own bell. */
inline kick()
{
	SYSCALL(ME);
#if !defined(M_KICK_NOT_OWED) && !defined(SHARED)
	owe();
#endif
#ifdef SHARED
	kicked = 1
#elif EDGE
	edge = 1
#else
	counter++
#endif
}

inline turned()
{
#ifndef REFUSED
	turns++;
	assert(turns <= TURNS)
#endif
	skip
}

/* Before waiting: the invariant of the bell. */
inline will_wake()
{
	assert(armed || hole || ringing > 0 || READABLE)
}

#define POLLED(j)                                                                                  \
	((n > 0 && out[0] == TOKEN(j)) || (n > 1 && out[1] == TOKEN(j)))

proctype receiver()
{
	byte head, n, i, s, owed, taken, done, idle, quiet, wakes;
	byte out[SIZE], seen[PRODUCERS], f;
	bit mine = 1, early;

wait:
	atomic {
		if
		:: READABLE ->
#if EDGE
			edge = 0;
#endif
			turned()
		:: wakes < SPURIOUS -> wakes++
		:: live == 0 && ALL_DRAINED && !READABLE -> goto asleep
		fi
	};

poll: /* pass 1 */
	atomic {
		LOAD(ME, SLOT(head + n), s); /* S1 */
		if
		:: PUBLISHED(s, head + n) ->
			assert(n < SIZE);
			assert(n == 0 || out[0] != s / 2);
			out[n] = s / 2;
			n++;
			read_to = head + n;
			s = 0;
#ifdef M_POLL_CLEARS_AT_ONCE
			goto clear
#else
			if
			:: n < MAX -> goto poll
			:: else
			fi
#endif
		:: else ->
			s = 0;
			if
			:: n == 0 -> goto polled_none
			:: else
#ifdef M_POLL_CLEARS_AT_ONCE
				-> goto caller
#endif
			fi
		fi
	};

clear: /* pass 2 */
	atomic {
		ROOM(ME);
#ifdef M_POLL_CLEARS_AT_ONCE
		RELEASE(ME, FLAG(out[n - 1]), 0);
		if
		:: n < MAX -> goto poll
		:: else
		fi
#else
		RELEASE(ME, FLAG(out[i]), 0); /* F2 */
		i++;
		if
		:: i < n -> goto clear
		:: else -> i = 0
		fi
#endif
	};

caller: /* reads the data of what it got */
	atomic {
#ifndef M_POLL_NO_FENCE
		FENCE(ME); /* F1 */
#endif
		do
		:: !POLLED(i) -> i++
		:: else -> break
		od;
		LOAD(ME, DATUM(i), seen[i]);
		i++;
		do
		:: i < PRODUCERS && !POLLED(i) -> i++
		:: else -> break
		od;
		if
		:: i < PRODUCERS -> goto caller
		:: else -> i = 0
		fi;
		head = head + n;
		turns = 0;
		out[0] = 0;
#if SIZE > 1
		out[1] = 0;
#endif
#if LOOP == DISPATCH
		done = done + n;
		idle = 0;
		n = 0
#elif LOOP == STOPS
		if
		:: n == BUDGET -> n = 0; will_wake(); goto wait
		:: else -> n = 0; goto poll
		fi
#else
		n = 0;
		goto poll
#endif
	};
#if LOOP == DISPATCH
	goto arm;
#endif

polled_none:
#if LOOP == DISPATCH
	idle++;
#endif

arm: /* step 0 */
	atomic {
#ifdef M_ARM_NO_STEP_0
		early = PUBLISHED(mem[SLOT(head)], head)
#else
		LOAD(ME, SLOT(head), s);
		if
		:: PUBLISHED(s, head) -> s = 0; goto again
		:: else -> s = 0
		fi
#endif
	};
	/* step 1 */
	atomic {
#ifndef M_ARM_NO_FIRST_LOOK
		settle();
#endif
#if EDGE || defined(M_READ_AFTER_ARM)
		skip
	};
#else
#ifdef STRAY
		quiet = (owed == 0 -> (quiet + 1) % QUIET_ARMS : quiet);
#ifdef M_ARM_NEVER_READS_UNASKED
		quiet = 1;
#endif
#endif
		if
#ifdef STRAY
		:: owed == 0 && quiet != 0 -> goto swap
#else
		:: owed == 0 -> goto swap
#endif
		:: else
		fi
	};
	atomic { SYSCALL(ME); taken = counter; counter = 0 };
#endif

swap: /* step 2 */
#ifdef M_ARM_NOT_ATOMIC
	atomic { f = position == head && !armed && !hole && !closed };
	atomic {
		RMW_TAIL(ME);
		if
		:: f ->
			f = 0;
#else
	atomic {
		RMW_TAIL(ME); /* A1 */
		if
#ifdef M_ARM_NO_RECHECK
		:: !armed && !hole && !closed ->
#else
#ifdef M_ARM_HEEDS_NO_CLOSE
		:: position == head && !armed && !hole ->
#else
		:: position == head && !armed && !hole && !closed ->
#endif
#endif
#endif
#ifdef M_ARM_NO_SECOND_LOOK
			mine = 0;
#else
			settle();
#endif
			armed = 1;
			subtract_taken();
			taken = 0;
			announced();
			silence_kick();
			assert(!early);
#ifdef M_READ_AFTER_ARM
			goto silence
#else
			will_wake();
			goto wait
#endif
		:: else ->
#ifndef M_ARM_NO_SECOND_LOOK
			settle();
#endif
			subtract_taken();
			if
#ifndef M_ARM_NO_STEP_3
			:: mine -> taken = 0; silence_kick(); assert(!early); will_wake(); goto wait /* step 3 */
#endif
			:: else
			fi;
			if
			:: position == head && closed -> skip
			:: else -> goto look
			fi
		fi
	};

#ifndef M_CLOSE_NO_SCAN
scan: /* closed and drained: is a flag up? */
	atomic {
		LOAD(ME, FLAG(i), f);
		i++;
		if
		:: f -> f = 0; i = 0; goto arm_closed
		:: else
		fi;
		if
		:: i < TOKENS -> goto scan
		:: else -> i = 0
		fi
	};
#endif
	atomic {
#ifndef M_CLOSE_KEEPS_BELL
		if
		:: taken > 0 -> taken = 0; kick()
		:: else
		fi
#endif
		skip
	};
#if LOOP == DISPATCH
	if
	:: done > 0 ->
		done = 0;
		idle = 0;
#if EDGE && !defined(M_EDGE_ENDS_SILENTLY)
		atomic { kick() };
#endif
		atomic { will_wake(); goto wait }
	:: else
	fi;
#endif
	goto finished;

#ifndef M_CLOSE_NO_SCAN
arm_closed:
	atomic {
#ifdef M_CLOSE_SLEEPS_UNARMED
		taken = 0;
		goto wait;
#endif
		RMW_TAIL(ME); /* A1 */
		if
#ifdef M_CLOSE_ARMS_BLINDLY
		:: true ->
#else
		:: position == head && !armed && !hole ->
#endif
			armed = 1;
			announced();
			taken = 0;
			assert(!early);
			will_wake();
			goto wait
		:: else
		fi
	};
#endif

look:
	atomic {
		LOAD(ME, SLOT(head), s); /* S1 */
		if
		:: PUBLISHED(s, head) -> s = 0; goto give_back
		:: else -> s = 0
		fi
#ifdef M_NO_HOLE
		;
		taken = 0;
		goto wait
#endif
	};
	/* step 5 */
	atomic { RMW_TAIL(ME); hole = 1; announced() }; /* A2 */
#ifdef REFUSED
	goto take_back;
#endif
#ifdef SHARED
	atomic { FENCE(ME) }; /* A3 */
#endif
#if MEMORY != 0 && !defined(M_NO_MEMBARRIER) && !defined(SHARED)
	do /* every processor passes a full fence, one after the other */
	:: atomic { i < CPUS && DRAINED(i) -> i++ }
	:: i == CPUS -> i = 0; break
	od;
#endif
	atomic {
#ifndef M_HOLE_NO_RECHECK
		LOAD(ME, SLOT(head), s); /* A2 */
		if
		:: PUBLISHED(s, head) -> s = 0; goto take_back
		:: else -> s = 0
		fi;
#endif
		taken = 0;
		silence_kick();
		assert(!early);
		will_wake();
		goto wait
	};

take_back:
	atomic {
		RMW_TAIL(ME); /* A2 */
#ifdef M_HOLE_LEFT
		skip
#else
#ifdef M_HOLE_BACK_UNCOUNTED
		mine = 0;
#else
		mine = !hole;
#endif
		hole = 0
#endif
	};

give_back: /* step 4 */
	atomic {
		assert(!armed && !hole);
		if
#ifndef M_NO_GIVE_BACK
		:: taken > 0 -> taken = 0; kick()
#endif
		:: else -> taken = 0
		fi
	};

again: /* arm has said 0 */
	atomic {
		early = 0;
		turned();
#if LOOP == FORGETS
		will_wake();
		goto wait
#elif LOOP == DISPATCH
		if
		:: done < BUDGET && idle < 2 -> goto poll
		:: else -> done = 0; idle = 0
		fi
#else
		goto poll
#endif
	};
#if LOOP == DISPATCH
#if EDGE && !defined(M_EDGE_STOPS_SILENTLY)
	atomic { kick() };
#endif
	atomic { will_wake(); goto wait };
#endif

#ifdef M_READ_AFTER_ARM
silence:
	atomic {
		SYSCALL(ME);
		if
		:: owed > 0 ->
			taken = counter;
			counter = 0;
			subtract_taken();
			taken = 0
		:: else
		fi;
		goto wait
	};
#endif

finished: /* arm has said -ESHUTDOWN */
	atomic {
		assert(closed);
		assert(CLOSE);
#if CLOSE
		i = 0;
		do
		:: i < PRODUCERS -> assert(seen[i] >= promised[i]); i++
		:: else -> break
		od;
#endif
		goto through
	};

asleep: /* nothing moves any more */
	atomic {
		assert(!CLOSE);
		assert(head == position);
		i = 0;
		do
		:: i < PRODUCERS -> assert(seen[i] == NOTIFIES); i++
		:: else -> break
		od
	};
through:
	skip
}

#ifdef STRAY
proctype stranger()
{
	atomic { MOVED; ring() }
}
#endif

init {
	byte i;

	atomic {
#if BATCH
		do
		:: i < BATCH * TOKENS -> run batch(i); i = i + TOKENS
		:: else -> break
		od;
#endif
		do
		:: i < PRODUCERS -> run producer(i); i++
		:: else -> break
		od;
#if MEMORY != 0
		i = 0;
		do
		:: i < CPUS -> run buffer(i); i++
		:: else -> break
		od;
#endif
#if CLOSE
		run closer();
#endif
#ifdef STRAY
		run stranger();
#endif
		run receiver();
		i = 0
	}
}
