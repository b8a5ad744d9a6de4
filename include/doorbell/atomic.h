/* SPDX-License-Identifier: MIT
 *
 * atomic.h: the only file that names memory orders. Elsewhere the order is part of the operation's
 * name, there is no default order, and what is not relaxed carries the label of an edge of
 * docs/ORDERING.md beside it.
 *
 * Compiler builtins on plain integers instead of <stdatomic.h>: the same structure then compiles as
 * C and as C++, and can lie in memory that two processes share.
 */
#ifndef DOORBELL_ATOMIC_H
#define DOORBELL_ATOMIC_H

#include <doorbell/base.h>

#define bell_load_relaxed(p)	  __atomic_load_n((p), __ATOMIC_RELAXED)
#define bell_load_acquire(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define bell_store_relaxed(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define bell_store_release(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-writes: each returns the value before. */
#define bell_exchange_acq_rel(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define bell_fetch_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define bell_fetch_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define bell_fetch_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define bell_fetch_and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define bell_fetch_or_acq_rel(p, v)  __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)

/* True if *p was *expected and is now v; else *expected is what was found. */
#define bell_cas_acq_rel(p, expected, v)                                                           \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Orders nothing in the processor: it only stops the compiler from moving accesses across. It is
 * one end of an edge whose other end is a membarrier(2), which makes it a full fence over there. */
#define bell_fence_compiler() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Nothing before it sinks below the stores after it; nothing after it rises above the loads before it.
 * For a copy by relaxed words whose reader asks afterwards whether it was overwritten. */
#define bell_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define bell_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/* Orders everything before against everything after, stores against later loads included: a
 * sequentially consistent fence of C11. */
static inline void bell_fence_full(void)
{
#if defined(BELL_PORTABLE_FENCE) /* for checkers that read C and no assembler */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#elif defined(__x86_64__)
	/* Any locked instruction is a full fence for ordinary memory, and cheaper than the mfence that
	 * some compilers emit here. It adds nothing to a word of the stack that nobody shares. */
	__asm__ __volatile__("lock; addl $0,-4(%%rsp)" ::: "memory", "cc");
#elif defined(__i386__)
	__asm__ __volatile__("lock; addl $0,-4(%%esp)" ::: "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* One turn of a spin loop: tells the processor so. */
static inline void bell_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ __volatile__("yield" ::: "memory");
#else
	bell_fence_compiler();
#endif
}

#endif
