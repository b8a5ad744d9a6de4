/* SPDX-License-Identifier: MIT
 *
 * pipe.pml: the protocol of the broadcast pipe with BELL_PIPE_BLOCK, for SPIN, in the order of src/stream: a
 * ring of SIZE bytes, one writer, two readers, on the memory of memory.pml. One atomic block is one load,
 * store or read-modify-write, and what its thread then works out for itself. A bell is a token that is
 * there or not: that it wakes is shown by queue.pml. tail is raised by a store here, which is weaker than
 * the exchange of the code. The macros are:
 *
 *   WRITES  bytes, then the end
 *   LEAVE   the second reader leaves after so many bytes, 0: it stays
 *   JOIN    the second reader comes late
 *
 * What is checked: each byte read is the one of its position; the end comes behind the last byte; and
 * nobody sleeps for ever: then SPIN finds a state that is no end. */
#define READERS 2
#define WRITER	2 /* its processor, and its bell */
#define CPUS	3
#define NOBODY	100

#define TAIL	    0
#define WAITING	    1
#define WANTED	    2
#define BEGIN	    3
#define POSITION(r) (4 + (r))
#define ASLEEP(r)   (6 + (r))
#define DATUM(p)    (8 + (p) % SIZE)
#define PLACES	    (8 + SIZE)

/* Unsigned, as in the code: below 0 is much. */
#define ROOM_LEFT ((SIZE - (n - floor)) & 255)

bit token[CPUS];
#include "memory.pml"

/* The least position, as seen by a processor. */
inline look_over(cpu, i, p, least)
{
	least = NOBODY;
	i = 0;
	do
	:: i < READERS ->
		atomic {
			LOAD(cpu, POSITION(i), p); /* B2 */
			if
			:: p < least -> least = p
			:: else
			fi;
			i++
		}
	:: else -> break
	od;
	i = 0;
	p = 0
}

/* Take an announcement back and notify. */
inline take_back(cpu, place, whose)
{
	atomic {
		RMW(cpu, place);
		if
		:: mem[place] -> mem[place] = 0; token[whose] = 1
		:: else
		fi
	}
}

inline wake_readers(i, p)
{
#ifndef M_WRITE_NO_FENCE
	atomic { FENCE(WRITER) }; /* B3 */
#endif
	i = 0;
	do
	:: i < READERS ->
		atomic { LOAD(WRITER, ASLEEP(i), p) };
		if
		:: p -> take_back(WRITER, ASLEEP(i), i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	p = 0
}

/* Raise floor. */
inline look(i, p, least)
{
	look_over(WRITER, i, p, least);
	if
	:: least == NOBODY -> skip
	:: else ->
#ifndef M_LOOK_ONCE
		if
		:: least > begin ->
			atomic { ROOM(WRITER); begin = least; RELEASE(WRITER, BEGIN, begin) } /* B5 */
		:: else
		fi;
#ifndef M_LOOK_NO_FENCE
		atomic { FENCE(WRITER) }; /* B5 */
#endif
		look_over(WRITER, i, p, least);
		least = (least < begin -> least : begin);
#ifdef M_FLOOR_FALLS
		floor = least;
#else
		floor = (least > floor -> least : floor);
#endif
#else
		floor = (least > floor -> least : floor);
		if
		:: least > begin ->
			atomic { ROOM(WRITER); begin = least; RELEASE(WRITER, BEGIN, begin) }
		:: else
		fi;
#endif
	fi;
	least = 0
}

proctype writer()
{
	byte n, floor, begin, i, p, least;

next:
	if
	:: n == WRITES -> goto end_it
	:: else
	fi;
	if
	:: ROOM_LEFT > 0 -> goto put
	:: else
	fi;
	look(i, p, least);
	if
	:: ROOM_LEFT > 0 -> goto put
	:: else
	fi;
	atomic { ROOM(WRITER); STORE(WRITER, WANTED, n + 1 - SIZE) };
	atomic { ROOM(WRITER); RELEASE(WRITER, WAITING, 1) }; /* B4 */
#ifndef M_WAIT_NO_FENCE
	atomic { FENCE(WRITER) }; /* B4 */
#endif
#ifndef M_WAIT_NO_RECHECK
	look(i, p, least);
	if
	:: ROOM_LEFT > 0 -> goto put
	:: else
	fi;
#endif
	atomic { token[WRITER]; token[WRITER] = 0 };
	goto next;

put:
	atomic { ROOM(WRITER); STORE(WRITER, DATUM(n), n + 1) };
	atomic {
		ROOM(WRITER);
		n++;
#ifdef M_TAIL_RELAXED
		STORE(WRITER, TAIL, 2 * n)
#else
		RELEASE(WRITER, TAIL, 2 * n) /* B1 */
#endif
	};
	wake_readers(i, p);
	goto next;

end_it:
	atomic { ROOM(WRITER); RELEASE(WRITER, TAIL, 2 * n + 1) }; /* B1 */
#ifndef M_CLOSE_SILENT
	wake_readers(i, p)
#endif
}

inline wake_writer(me, i, p, least)
{
#ifndef M_READ_NO_FENCE
	atomic { FENCE(me) }; /* B4 */
#endif
	atomic { LOAD(me, WAITING, p) };
	if
	:: p ->
		atomic { LOAD(me, WANTED, wanted) };
		look_over(me, i, p, least);
		if
		:: least >= wanted -> take_back(me, WAITING, WRITER)
		:: else
		fi;
		least = 0;
		wanted = 0
	:: else
	fi;
	p = 0
}

proctype reader(byte me)
{
	byte at, t, i, p, least, wanted;

#if JOIN
	if
	:: me == 1 ->
		atomic { LOAD(me, BEGIN, at) };
		do
		:: true ->
			atomic { ROOM(me); RELEASE(me, POSITION(me), at) }; /* B2, B5 */
#ifdef M_JOIN_NO_RECHECK
			break
#else
#ifndef M_JOIN_NO_FENCE
			atomic { FENCE(me) }; /* B5 */
#endif
			atomic { LOAD(me, BEGIN, p) };
			if
			:: p == at -> break
			:: else -> at = p
			fi
#endif
		od;
		p = 0;
#ifndef M_JOIN_SILENT
		wake_writer(me, i, p, least)
#endif
	:: else
	fi;
#endif

read:
	atomic { LOAD(me, TAIL, t) }; /* B1 */
	if
	:: t / 2 > at ->
#ifdef M_POSITION_FIRST
		atomic { ROOM(me); RELEASE(me, POSITION(me), at + 1) };
#endif
		atomic { LOAD(me, DATUM(at), p); assert(p == at + 1); at++; p = 0 };
		atomic { ROOM(me); RELEASE(me, POSITION(me), at) }; /* B2 */
		wake_writer(me, i, p, least);
		if
		:: LEAVE && me == 1 && at == LEAVE -> goto leave
		:: else -> goto read
		fi
	:: else
	fi;
#ifdef M_END_APART
	atomic { LOAD(me, TAIL, t) };
#endif
	if
	:: t % 2 -> assert(at == WRITES); goto leave
	:: else
	fi;
#ifdef M_LOOK_FIRST
	atomic { LOAD(me, TAIL, t) };
#endif
	atomic { ROOM(me); RELEASE(me, ASLEEP(me), 1) }; /* B3 */
#ifndef M_SLEEP_NO_FENCE
	atomic { FENCE(me) }; /* B3 */
#endif
#ifndef M_LOOK_FIRST
	atomic { LOAD(me, TAIL, t) };
#endif
#ifndef M_SLEEP_NO_RECHECK
	if
	:: t / 2 > at || t % 2 -> goto read
	:: else
	fi;
#endif
	atomic { token[me]; token[me] = 0 };
	goto read;

leave:
	atomic { ROOM(me); RELEASE(me, POSITION(me), NOBODY) }; /* B2 */
#ifndef M_LEAVE_SILENT
	wake_writer(me, i, p, least)
#endif
}

init {
	byte i;

	atomic {
#if JOIN
		mem[POSITION(1)] = NOBODY;
#endif
#if MEMORY != 0
		i = 0;
		do
		:: i < CPUS -> run buffer(i); i++
		:: else -> break
		od;
#endif
		run writer();
		run reader(0);
		run reader(1);
		i = 0
	}
}
