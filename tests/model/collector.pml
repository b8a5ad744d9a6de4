/* SPDX-License-Identifier: MIT
 *
 * collector.pml: a producer of the collector, its consumer and who closes, for SPIN, in the order of
 * src/stream/producer.c and collector.c.
 *
 * One atomic block is one load, store, read-modify-write or system call, and what its thread then works out
 * for itself. The queue below is taken as queue.pml shows it: a token is notified and polled in one step
 * each, orders as F1 and S1 say, and a close parts what is accepted from what is refused. The macros:
 *
 *   RECORDS  to be submitted, through a ring of RING
 *   BOUND    the producer has a token of another queue notified, instead of sleeping on its futex
 *   CLOSE    somebody closes meanwhile
 *   IDLE     the consumer drains nothing, and gives up
 *   LEAVE    the producer is freed at its end, and its place is free once all is drained
 *
 * Checked: every record that was accepted is handed out once, in order and as it was written, none that was
 * refused; nobody sleeps for ever; a place is free, once.
 */
#define HEAD	 0
#define TAIL	 1
#define WAITING	 2
#define CLOSED	 3
#define PLACE	 4 /* 1: left */
#define SLOT(p)	 (5 + (p) % RING)
#define PLACES	 (5 + RING)
#define PRODUCER 0
#define ME	 1 /* the consumer's processor */
#define CLOSER	 2
#define CPUS	 (2 + CLOSE)
#define UNSEALED 255

#define OK	 0
#define AGAIN	 1
#define SHUTDOWN 2

/* the queue's one token, and its close */
bit token, shut;

/* only read-modify-writes change it */
byte seal = UNSEALED;

bit sleeping; /* on the futex */
bit told;     /* the bound token is queued */
bit leaving;     /* under the lock; PLACE is what is looked at without */
byte all;     /* the last head, of one who left */

/* ghosts: for the properties only */
byte accepted, handed;
bit vacant;
byte live = 1 + CLOSE;

#include "memory.pml"

#ifdef M_PUBLISH_RELAXED
#define PUBLISH(p) STORE(PRODUCER, HEAD, p)
#else
#define PUBLISH(p) RELEASE(PRODUCER, HEAD, p)
#endif

/* Who sees that the producer waits takes that back, and wakes it. w, c: of the caller. */
inline wake(cpu, w, c)
{
	if
	:: w ->
		atomic {
			RMW(cpu, WAITING); /* C3 */
			c = mem[WAITING];
#ifndef M_WAKE_LEAVES_WORD
			mem[WAITING] = 0;
#endif
			w = 0
		};
		if
		:: c ->
			atomic {
				SYSCALL(cpu);
				c = 0;
#ifdef BOUND
				told = 1
#else
				sleeping = 0
#endif
			}
		:: else
		fi
	:: else
	fi
}

/* The lock is held: one step. */
#define LEAVE_IF_DRAINED(tail)                           \
	if                                               \
	:: leaving && (tail) == all ->                      \
		assert(!vacant);                           \
		leaving = 0;                                \
		vacant = 1                                 \
	:: else                                          \
	fi

proctype producer()
{
	byte position, n, v, r;
	bit announced;

push:
	atomic {
		LOAD(PRODUCER, CLOSED, v);
#ifdef M_SUBMIT_IGNORES_CLOSED
		v = 0;
#endif
		if
		:: v -> v = 0; r = SHUTDOWN; goto pushed
		:: else
		fi
	};
	atomic {
		LOAD(PRODUCER, TAIL, v); /* C2 */
		if
		:: position - v >= RING -> v = 0; r = AGAIN; goto pushed
		:: else -> v = 0
		fi
	};
#ifdef M_PUBLISH_FIRST
	atomic { ROOM(PRODUCER); PUBLISH(position + 1) };
	atomic { ROOM(PRODUCER); STORE(PRODUCER, SLOT(position), position + 1) };
#else
	atomic { ROOM(PRODUCER); STORE(PRODUCER, SLOT(position), position + 1) };
	atomic { ROOM(PRODUCER); PUBLISH(position + 1) }; /* C1 */
#endif
	atomic { /* notify */
		FENCE(PRODUCER);
		position++;
		if
		:: !shut -> token = 1; accepted++; r = OK; goto pushed
		:: else
		fi
	};
	atomic { /* C5 */
		r = SHUTDOWN;
		if
#ifndef M_REFUSED_SEALS_NOTHING
		:: seal == UNSEALED -> seal = position; accepted++; r = OK
#endif
#ifndef M_REFUSED_ALWAYS
		:: seal != UNSEALED && position <= seal -> accepted++; r = OK
#endif
		:: else
#ifdef M_REFUSED_NEVER
			-> accepted++; r = OK
#endif
		fi
	};
#ifndef M_REFUSED_FORGETS
	atomic { ROOM(PRODUCER); STORE(PRODUCER, CLOSED, 1) };
#endif

pushed:
	if
	:: r == AGAIN && !announced ->
#ifdef M_NO_ANNOUNCEMENT
		goto block;
#endif
		/* C3; an exchange, but its store may be as late as any. */
		atomic { ROOM(PRODUCER); STORE(PRODUCER, WAITING, 1); announced = 1 };
#ifndef M_ANNOUNCE_NO_FENCE
		FENCE(PRODUCER); /* C3 */
#endif
#ifdef M_NO_RECHECK
		goto block;
#endif
		goto push
	:: r == AGAIN && announced -> goto block
	:: else
	fi;
	if
	:: announced -> atomic { RMW(PRODUCER, WAITING); mem[WAITING] = 0; announced = 0 }
	:: else
	fi;
	n++;
	if
	:: r == OK && n < RECORDS -> goto push
	:: else -> goto through
	fi;

block:
	announced = 0;
#ifdef BOUND
	atomic { told -> told = 0 };
#else
	atomic {
		SYSCALL(PRODUCER);
		sleeping = mem[WAITING]
	};
	!sleeping;
#endif
	goto push;

through:
#ifdef LEAVE
	atomic { ROOM(PRODUCER); STORE(PRODUCER, PLACE, 1); leaving = 1; all = position };
	atomic { /* C4 */
#ifndef M_LEAVE_NO_FENCE
		FENCE(PRODUCER);
#endif
		LOAD(PRODUCER, TAIL, v)
	};
	atomic { LEAVE_IF_DRAINED(v) };
#endif
	live--
}

#if CLOSE
proctype closer()
{
	bit w, c;

	atomic { ROOM(CLOSER); STORE(CLOSER, CLOSED, 1) };
	shut = 1;
	atomic {
#ifndef M_CLOSE_NO_FENCE
		FENCE(CLOSER); /* C3 */
#endif
#ifndef M_CLOSE_WAKES_NOBODY
		LOAD(CLOSER, WAITING, w)
#endif
	};
	wake(CLOSER, w, c);
	live--
}
#endif

proctype consumer()
{
	byte head, tail, v, end = UNSEALED;
	bit w, c;

#ifdef IDLE
	goto idle;
#endif
poll:
	atomic {
		if
		:: token -> FENCE(ME); token = 0 /* F1 */
		:: !token && shut && end == UNSEALED -> goto last
		:: !token && shut && end != UNSEALED -> goto over
		:: !token && !shut && live == 0 && ALL_DRAINED -> goto over
		fi
	};

serve: /* until the ring was seen empty */
	atomic {
		LOAD(ME, HEAD, head); /* C1 */
		if
		:: end != UNSEALED -> head = end
		:: else
		fi;
		if
		:: head == tail -> goto poll
		:: else
		fi
	};
#ifdef M_LOOKS_BEFORE_IT_FREES
	atomic { FENCE(ME); LOAD(ME, WAITING, w) };
	wake(ME, w, c);
#endif
#ifdef M_FREES_BEFORE_IT_READS
	atomic { ROOM(ME); RELEASE(ME, TAIL, head) };
#endif
hand:
	atomic {
		LOAD(ME, SLOT(tail), v);
		tail++;
		assert(v == tail);
		v = 0;
		handed++;
		if
		:: tail < head -> goto hand
		:: else -> head = 0
		fi
	};
	atomic { ROOM(ME); RELEASE(ME, TAIL, tail) }; /* C2 */
#ifndef M_LOOKS_BEFORE_IT_FREES
	atomic {
#ifndef M_DRAIN_NO_FENCE
		FENCE(ME); /* C3, C4 */
#endif
#ifndef M_DRAIN_WAKES_NOBODY
		LOAD(ME, WAITING, w)
#endif
	};
	wake(ME, w, c);
#endif
#ifdef LEAVE
	atomic { LOAD(ME, PLACE, v) }; /* C4 */
	if
#ifndef M_DRAIN_LEAVES_PLACE
	:: v -> atomic { v = 0; LEAVE_IF_DRAINED(tail) }
#endif
	:: else -> v = 0
	fi;
#endif
	goto serve;

last:
	atomic { LOAD(ME, HEAD, head) }; /* C1 */
	atomic { /* C5 */
#ifdef M_CONSUMER_SEALS_NOTHING
		end = head;
#else
		if
		:: seal == UNSEALED -> seal = head
		:: else
		fi;
		end = seal;
#endif
		head = 0
	};
	assert(tail <= end);
	goto serve;

over: /* nothing will come: let the others get through */
	atomic {
		live == 0 && ALL_DRAINED ->
		assert(handed == accepted);
#ifdef LEAVE
		assert(vacant);
#endif
		tail = 0;
		goto through
	};
idle:
	live == 0;
through:
	skip
}

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
		run consumer();
		i = 0
	}
}
