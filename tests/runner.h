/* SPDX-License-Identifier: MIT
 *
 * runner.h: what every libcheck program here shares: TAP on standard output, one process a test, and
 * a test that leaves a descriptor or a thread behind fails.
 */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <stdint.h>

#include <check.h>

/* A test case whose tests are watched for leaks of descriptors and threads. timeout: seconds. */
TCase *runner_case(Suite *s, const char *name, double timeout);

/* Runs the suite; the value to return from main. */
int runner_run(Suite *s);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t runner_now(void);

#endif
