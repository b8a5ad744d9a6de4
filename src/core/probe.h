/* SPDX-License-Identifier: MIT
 *
 * probe.h: places that bpftrace, perf and SystemTap can watch in a running program: each is one nop and a
 * note in the library. Only with -Dprobes=enabled, which needs <sys/sdt.h>.
 *
 *	doorbell:ring		fd			a bell is written
 *	doorbell:arm		fd			the receiver announces that it may sleep
 *	doorbell:notify		index, generation,	a handle that somebody listens to is notified
 *				value, reached
 *	doorbell:drop		index, generation, id	a value did not fit in, or pushed out another
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#ifdef BELL_PROBES
#include <sys/sdt.h>

#ifdef __clang__ /* of what those macros expand to */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

#define BELL_PROBE1(name, a)	      DTRACE_PROBE1(doorbell, name, a)
#define BELL_PROBE3(name, a, b, c)    DTRACE_PROBE3(doorbell, name, a, b, c)
#define BELL_PROBE4(name, a, b, c, d) DTRACE_PROBE4(doorbell, name, a, b, c, d)
#else
#define BELL_PROBE1(name, a)	      ((void)0)
#define BELL_PROBE3(name, a, b, c)    ((void)0)
#define BELL_PROBE4(name, a, b, c, d) ((void)0)
#endif

#endif
