/* SPDX-License-Identifier: MIT
 *
 * memory.pml: what the models of the queue run on: PLACES places, and CPUS processors in front of them.
 * MEMORY is
 *
 *   0  sequential consistency
 *   1  store buffers, in order (TSO)
 *   2  store buffers in which stores to different places pass each other unless they are releases, and
 *      which neither a read-modify-write nor a system call drains (weaker than any machine, but loads
 *      are never late)
 */
byte mem[PLACES];
byte turns; /* a ghost: for the properties only */

#if MEMORY == 0

#define ROOM(cpu)	       true
#define DRAINED(cpu)	       true
#define LOAD(cpu, place, to)   to = mem[place]
#define STORE(cpu, place, v)   mem[place] = (v)
#define RELEASE(cpu, place, v) mem[place] = (v)
#define MINE(cpu, place)       true
#define LOCKED(cpu)	       true
#define SYSCALL(cpu)	       true
#define ALL_DRAINED	       true

#else

#define DEPTH 3
byte count[CPUS], place_of[CPUS * DEPTH], value_of[CPUS * DEPTH];
bit release_of[CPUS * DEPTH];
byte k_;

#define ENTRY(cpu, k)	   ((cpu) * DEPTH + (k))
#define ROOM(cpu)	   (count[cpu] < DEPTH)
#define DRAINED(cpu)	   (count[cpu] == 0)
#define AT_(cpu, k, place) (count[cpu] > (k) && place_of[ENTRY(cpu, k)] == (place))
#define HOLDS_(cpu, place) (AT_(cpu, 0, place) || AT_(cpu, 1, place) || AT_(cpu, 2, place))

/* The processor's own last store to the place, or else what everybody sees. */
inline LOAD(cpu, place, to)
{
	if
	:: AT_(cpu, 2, place) -> to = value_of[ENTRY(cpu, 2)]
	:: else ->
		if
		:: AT_(cpu, 1, place) -> to = value_of[ENTRY(cpu, 1)]
		:: else ->
			if
			:: AT_(cpu, 0, place) -> to = value_of[ENTRY(cpu, 0)]
			:: else -> to = mem[place]
			fi
		fi
	fi
}

inline store_(cpu, place, v, is_release)
{
	place_of[ENTRY(cpu, count[cpu])] = place;
	value_of[ENTRY(cpu, count[cpu])] = v;
	release_of[ENTRY(cpu, count[cpu])] = is_release;
	count[cpu]++
}

/* Entry k of a buffer becomes visible, and the gap closes. */
inline commit_(cpu, k)
{
	mem[place_of[ENTRY(cpu, k)]] = value_of[ENTRY(cpu, k)];
	k_ = k;
	do
	:: k_ + 1 < count[cpu] ->
		place_of[ENTRY(cpu, k_)] = place_of[ENTRY(cpu, k_ + 1)];
		value_of[ENTRY(cpu, k_)] = value_of[ENTRY(cpu, k_ + 1)];
		release_of[ENTRY(cpu, k_)] = release_of[ENTRY(cpu, k_ + 1)];
		k_++
	:: else -> break
	od;
	count[cpu]--;
	place_of[ENTRY(cpu, count[cpu])] = 0;
	value_of[ENTRY(cpu, count[cpu])] = 0;
	release_of[ENTRY(cpu, count[cpu])] = 0;
	k_ = 0;
	turns = 0
}

/* May entry k go before those ahead of it? Not a release, and not to the same place. */
#define OTHER_(cpu, k, j) (place_of[ENTRY(cpu, k)] != place_of[ENTRY(cpu, j)])
#define PASSES_1(cpu)	  (count[cpu] > 1 && !release_of[ENTRY(cpu, 1)] && OTHER_(cpu, 1, 0))
#define PASSES_2(cpu)                                                                              \
	(count[cpu] > 2 && !release_of[ENTRY(cpu, 2)] && OTHER_(cpu, 2, 0) && OTHER_(cpu, 2, 1))

proctype buffer(byte cpu)
{
end:
	do
	:: d_step { count[cpu] > 0 -> commit_(cpu, 0) }
#if MEMORY == 2
	:: d_step { PASSES_1(cpu) -> commit_(cpu, 1) }
	:: d_step { PASSES_2(cpu) -> commit_(cpu, 2) }
#endif
	od
}

#define STORE(cpu, place, v) store_(cpu, place, v, 0)
#if MEMORY == 1
#define RELEASE(cpu, place, v) store_(cpu, place, v, 0)
#define MINE(cpu, place)       DRAINED(cpu)
#define LOCKED(cpu)	       DRAINED(cpu)
#define SYSCALL(cpu)	       DRAINED(cpu)
#else
#define RELEASE(cpu, place, v) store_(cpu, place, v, 1)
#define MINE(cpu, place)       (!HOLDS_(cpu, place))
#define LOCKED(cpu)	       true
#define SYSCALL(cpu)	       true
#endif

#if CPUS == 2
#define ALL_DRAINED (DRAINED(0) && DRAINED(1))
#elif CPUS == 3
#define ALL_DRAINED (DRAINED(0) && DRAINED(1) && DRAINED(2))
#elif CPUS == 4
#define ALL_DRAINED (DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3))
#else
#define ALL_DRAINED (DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3) && DRAINED(4))
#endif

#endif

/* Guards, each at the head of a step: a read-modify-write of a place, one of tail, a full fence. */
#define RMW(cpu, place) MINE(cpu, place)
#define RMW_TAIL(cpu)	LOCKED(cpu)
#define FENCE(cpu)	DRAINED(cpu)
