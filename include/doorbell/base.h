/* SPDX-License-Identifier: MIT
 *
 * base.h: what every other header stands on: the platform, the version, attributes, limits.
 * Includes nothing of doorbell's own.
 */
#ifndef DOORBELL_BASE_H
#define DOORBELL_BASE_H

#ifndef __linux__
#error "doorbell is for Linux only: it stands on eventfd, epoll, io_uring and membarrier"
#endif
#ifndef __GNUC__
#error "doorbell needs gcc or clang"
#endif

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELL_VERSION_MAJOR 0
#define BELL_VERSION_MINOR 1
#define BELL_VERSION_PATCH 0

/* An exported symbol: everything else in the shared library is hidden. */
#define BELL_PUBLIC __attribute__((visibility("default")))

/* The hot half of a call, inlined into the caller, whatever the compiler thinks of its size: as calls they
 * are a third longer (tests/fastpath). src/core/symbols.c defines BELL_INLINE as BELL_PUBLIC before it
 * includes the headers, so each inline call is also a symbol that other languages can bind. */
#define BELL_ALWAYS_INLINE inline __attribute__((always_inline))
#ifndef BELL_INLINE
#define BELL_INLINE static BELL_ALWAYS_INLINE
#endif

#define BELL_NODISCARD	  __attribute__((warn_unused_result))
#define BELL_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define BELL_COLD	  __attribute__((cold, noinline))
#define BELL_OUTLINE	  __attribute__((noinline, unused)) /* of a static function in a header */
#define BELL_LIKELY(x)	  __builtin_expect(!!(x), 1)
#define BELL_UNLIKELY(x)  __builtin_expect(!!(x), 0)

/* Two 64-byte lines: x86 fetches lines in pairs, and some arm64 machines have lines of 128. */
#define BELL_CACHE_LINE 128
#define BELL_ALIGNED	__attribute__((aligned(BELL_CACHE_LINE)))

/* A place where a test build stops, delays or signals the thread. Nothing in any other build. */
#ifndef BELL_INJECT
#define BELL_INJECT(point) ((void)0)
#endif

/* ThreadSanitizer does not understand fences: built under it, the flags are changed by
 * read-modify-writes only, which it does understand and which order at least as much. */
#if defined(__SANITIZE_THREAD__)
#define BELL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BELL_TSAN 1
#endif
#endif
#ifndef BELL_TSAN
#define BELL_TSAN 0
#endif

/**
 * bell_version(): the version of the library that is linked, such as "0.1.0".
 * Any thread; wait-free; signal-safe. The string is static.
 */
BELL_PUBLIC const char *bell_version(void);

#ifdef __cplusplus
}
#endif
#endif
