/* SPDX-License-Identifier: MIT
 *
 * symbols.c: every inline call once more, as a symbol that other languages can bind.
 */
#define BELL_INLINE __attribute__((visibility("default")))

#include <doorbell.h>
