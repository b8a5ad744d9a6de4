/* SPDX-License-Identifier: MIT
 *
 * single.pml: the protocol of a queue with a single producer, for SPIN, in the order of
 * src/core/single.c; poll and the loops are those of queue.pml.
 *
 * As there, one atomic block is one load, store, read-modify-write or system call, and what its thread
 * then works out for itself. The macros are those of queue.pml, but that there is one producer:
 *
 *   NOTIFIES of it, the first of token 0, the next of token 1 ..., and round again
 *   REFUSED  membarrier(2) is refused, but was not when the queue was made
 *
 * What is checked is the same, and more: a notify that said 1 comes before -ESHUTDOWN, also if it ran
 * while the queue was closed. With REFUSED that holds only for those before the close. */
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
#define DATUM(t) (TOKENS + SIZE + (t))
#define PLACES	 (2 * TOKENS + SIZE)
#define PRODUCER 0
#define ME	 1 /* the receiver's processor */
#define CLOSER	 2
#define CPUS	 (2 + CLOSE)
#define TOKEN(n) (((n) - 1) % TOKENS)

/* A slot is token and lap bit: 1 on even laps. */
#ifdef M_NO_LAP
#define LAP(p) 1
#else
#define LAP(p) (1 - ((p) / SIZE) % 2)
#endif
#define PUBLISHED(slot, p) ((slot) % 2 == LAP(p))

/* the producer's own */
byte position;

/* state; only read-modify-writes change it, so no buffer holds it */
bit armed = 1, closed;

/* the eventfd, and what an edge-triggered epoll keeps of it */
byte counter;
bit edge;

/* ghosts: for the properties only */
byte read_to;	 /* slots below have been read */
byte ringing;	 /* claimed, and not yet written */
bit answered;	 /* the last announcement was claimed */
byte live = 1 + CLOSE; /* of them, those that are not through */
bit closing;
byte told;	 /* positions below were told 1 */
byte promised[TOKENS]; /* the notify of each token that was last told 0 or 1 */

#include "memory.pml"

/* -- the bell -------------------------------------------------------------------------------- */

#if EDGE
#define READABLE edge
#else
#define READABLE (counter > 0)
#endif

/* A thread other than the receiver moved. */
#define MOVED turns = 0

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

/* Claim and ring: of all who see ARMED one clears it and writes. was: a bit of the caller. */
inline claim_and_ring(cpu, was)
{
#ifdef M_CLAIM_NOT_ATOMIC
	atomic { RMW_TAIL(cpu); MOVED; was = armed };
	atomic {
#else
	atomic {
		RMW_TAIL(cpu);
		MOVED;
		was = armed;
#endif
#ifdef M_CLAIM_RINGS_ALWAYS
		was = 1;
#endif
#ifndef M_CLAIM_LEAVES_ARMED
		armed = 0;
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

/* -- notify ---------------------------------------------------------------------------------- */

proctype producer()
{
	byte n;
	bit f, asleep, refused;

next:
	atomic {
		ROOM(PRODUCER);
		MOVED;
		n++;
		STORE(PRODUCER, DATUM(TOKEN(n)), n) /* the caller's data */
	};
#if CLOSE && !defined(M_NOTIFY_LOOKS_ONCE)
	atomic {
		MOVED;
		if
		:: closed -> goto through
		:: else
		fi
	};
#endif

	atomic {
		MOVED;
		LOAD(PRODUCER, FLAG(TOKEN(n)), f); /* F2 */
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
		FENCE(PRODUCER); /* F1 */
#endif
		MOVED;
		LOAD(PRODUCER, FLAG(TOKEN(n)), f); /* F1, F2 */
		if
		:: f -> f = 0; goto accepted
		:: else
		fi
	};

raise:
#ifdef M_LOOK_FIRST
	atomic { MOVED; asleep = armed; refused = closed };
#endif
#if !defined(M_NO_FLAG) && !defined(M_RAISE_LATE)
	atomic { ROOM(PRODUCER); MOVED; STORE(PRODUCER, FLAG(TOKEN(n)), 1) };
#endif
	atomic {
		ROOM(PRODUCER);
		MOVED;
		assert(position - read_to < SIZE);
#ifdef M_PUBLISH_RELAXED
		STORE(PRODUCER, SLOT(position), 2 * TOKEN(n) + LAP(position));
#else
		RELEASE(PRODUCER, SLOT(position), 2 * TOKEN(n) + LAP(position)); /* S1 */
#endif
		position++
	};
#ifdef M_RAISE_LATE
	atomic { ROOM(PRODUCER); MOVED; STORE(PRODUCER, FLAG(TOKEN(n)), 1) };
#endif
	atomic {
		MOVED;
#ifndef M_LOOK_FIRST
		asleep = armed; /* A2: the fence is the receiver's membarrier */
		refused = closed;
#endif
#ifdef M_NOTIFY_DOES_NOT_LOOK
		asleep = 0;
#endif
#ifdef M_NOTIFY_UNTOLD_OF_CLOSE
		refused = 0;
#endif
		if
		:: !asleep && !refused -> told = position; goto accepted
		:: else -> asleep = 0
		fi
	};
	claim_and_ring(PRODUCER, f);
	atomic {
		if
		:: refused -> goto through
		:: else -> told = position
		fi
	};

accepted:
	atomic {
#ifdef REFUSED
		if
		:: !closing -> promised[TOKEN(n)] = n
		:: else
		fi;
#else
		promised[TOKEN(n)] = n;
#endif
		if
		:: n < NOTIFIES -> goto next
		:: else
		fi
	};
through:
	atomic { n = 0; f = 0; asleep = 0; refused = 0; live-- }
}

#if CLOSE
proctype closer()
{
	bit was;

	atomic { RMW_TAIL(CLOSER); MOVED; closing = 1; closed = 1 }; /* A1 */
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

/* state was seen: somebody cleared what I had set, so one ring has come or will come. */
inline settle()
{
	if
	:: mine && !armed -> mine = 0; owe()
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

/* My own bell. */
inline kick()
{
	SYSCALL(ME);
#ifndef M_KICK_NOT_OWED
	owe();
#endif
#if EDGE
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
	assert(armed || ringing > 0 || READABLE)
}

#define POLLED(t) ((n > 0 && out[0] == (t)) || (n > 1 && out[1] == (t)))

proctype receiver()
{
	byte head, n, i, s, owed, taken, done, idle, quiet, wakes;
	byte out[SIZE], seen[TOKENS];
	bit mine = 1, early, was_armed, was_closed, none;

wait:
	atomic {
#if LOOP == DISPATCH
		done = 0;
		idle = 0;
#endif
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
		:: i < TOKENS && !POLLED(i) -> i++
		:: else -> break
		od;
		if
		:: i < TOKENS -> goto caller
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
		settle();
#if EDGE || defined(M_READ_LATE)
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
		:: owed == 0 && quiet != 0 -> goto announce
#else
		:: owed == 0 -> goto announce
#endif
		:: else
		fi
	};
	atomic { SYSCALL(ME); taken = counter; counter = 0 };
#endif

announce: /* step 2 */
#ifdef M_ANNOUNCE_NOT_ATOMIC
	atomic { was_armed = armed; was_closed = closed };
	atomic {
		RMW_TAIL(ME);
		closed = was_closed;
#else
	atomic {
		RMW_TAIL(ME); /* A1, A2 */
		was_armed = armed;
		was_closed = closed;
#endif
#ifdef M_ARM_NO_SECOND_LOOK
		if
		:: !was_armed -> mine = 0
		:: else
		fi;
#else
		settle();
#endif
		armed = 1;
		subtract_taken();
		if
		:: was_armed ->
			taken = 0;
			was_armed = 0;
			was_closed = 0;
			assert(!early);
			will_wake();
			goto wait
		:: else -> mine = 1; answered = 0
		fi
	};
#ifdef M_LOOK_BEFORE_MEMBARRIER
	atomic { LOAD(ME, SLOT(head), s); none = !PUBLISHED(s, head); s = 0 };
#endif
#if MEMORY != 0 && !defined(REFUSED) && !defined(M_NO_MEMBARRIER)
#ifdef M_CLOSED_NO_MEMBARRIER
	if
	:: was_closed -> goto look
	:: else
	fi;
#endif
	do /* every processor passes a full fence, one after the other */
	:: atomic { i < CPUS && DRAINED(i) -> i++ }
	:: i == CPUS -> i = 0; break
	od;
#endif
look:
	atomic {
#ifdef M_NO_RECHECK
		none = 1;
#else
#ifndef M_LOOK_BEFORE_MEMBARRIER
		LOAD(ME, SLOT(head), s); /* A2 */
		none = !PUBLISHED(s, head);
		s = 0;
#endif
#endif
		if
#if defined(REFUSED) && !defined(M_REFUSED_SLEEPS)
		:: false -> skip
#else
#ifdef M_CLOSED_SLEEPS
		:: none ->
#else
		:: none && !was_closed ->
#endif
			taken = 0;
			none = 0;
			was_closed = 0;
			assert(!early);
			will_wake();
#ifdef M_READ_LATE
			goto silence
#else
			goto wait
#endif
#endif
		:: else
		fi
	};

	/* take it back */
	atomic {
		RMW_TAIL(ME); /* A2 */
#ifndef M_ANNOUNCEMENT_LEFT
#ifdef M_BACK_UNCOUNTED
		mine = 0;
#else
		mine = !armed;
#endif
		armed = 0
#endif
	};
	atomic { /* step 4: give back */
		assert(!armed);
		if
#ifndef M_NO_GIVE_BACK
		:: taken > 0 -> taken = 0; kick()
#endif
		:: else -> taken = 0
		fi;
		if
#ifdef M_END_UNSEEN
		:: was_closed -> none = 0; was_closed = 0; goto ended
#else
		:: was_closed && none -> none = 0; was_closed = 0; goto ended
#endif
#ifdef REFUSED
		:: !was_closed && none -> /* bell_queue_arm() sends the loop back to its fd */
			none = 0;
#if EDGE && !defined(M_REFUSED_NO_EDGE)
			kick();
#endif
			will_wake();
			if
			:: live == 0 && ALL_DRAINED && !closed && !PUBLISHED(mem[SLOT(head)], head) ->
				goto asleep /* it goes round like this for ever */
			:: else -> goto wait
			fi
#endif
		:: else -> none = 0; was_closed = 0
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

#ifdef M_READ_LATE
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

ended: /* arm has said -ESHUTDOWN */
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
	atomic {
		assert(closed);
		assert(CLOSE);
#if CLOSE
#ifndef REFUSED
		assert(head >= told);
#endif
		i = 0;
		do
		:: i < TOKENS -> assert(seen[i] >= promised[i]); i++
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
		:: i < TOKENS -> assert(seen[i] == promised[i]); i++
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
		run producer();
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
