/* SPDX-License-Identifier: MIT
 *
 * work.h: two threads do JOBS pieces of work, and a libuv loop adds up their results, in four ways.
 */
#ifndef SIDE_BY_SIDE_WORK_H
#define SIDE_BY_SIDE_WORK_H

#include <stdint.h>

enum { WORKERS = 2, JOBS = 8000 };

/* One piece. Whoever knows of it by its number may receive it. */
void work_on(uint32_t job);
/* By the loop: adds its result to the sum, and the time since it was done to the delay. */
void receive(uint32_t job);
/* System calls that main.c does not see, for libdoorbell makes them without libc's functions. */
void count_calls(uint64_t writes, uint64_t reads);

/* Each does all the jobs, and receives them in the loop. */
void async_per_worker(void); /* each thread has a list, a mutex and a uv_async_t */
void thread_pool(void);	     /* uv_queue_work() */
void bell(void);	     /* each thread notifies the number of the job */
void bell_on_a_tick(void);   /* the same, and the loop does not watch the bell: it polls each millisecond */

#endif
