/* SPDX-License-Identifier: MIT
 *
 * inject.h: included before everything else, it makes each injection point of the library a call.
 */
#ifndef STRESS_INJECT_H
#define STRESS_INJECT_H

void inject_point(const char *point);

#define BELL_INJECT(point) inject_point(#point)

#endif
