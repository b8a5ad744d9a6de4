/* SPDX-License-Identifier: MIT
 *
 * edges.c: for each edge of the queue in docs/ORDERING.md but M1, the smallest meeting of threads that
 * needs it, on the real queue.h, queue.c and single.c. Natively: a few thousand rounds each. In GenMC, a
 * model checker that knows neither assembly nor system calls (edges.py, -DGENMC -DONLY=<edge>): every
 * execution, with the bell a plain counter and A2's membarrier a full fence at both of its ends.
 *
 * This file includes .c files because the checker wants one translation unit, and because the bell has
 * to be replaced below the functions that ring it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doorbell/queue.h>

static uint64_t bell; /* the eventfd's counter */

static long read_bell(uint64_t *ret_count)
{
	*ret_count = bell_exchange_acq_rel(&bell, 0);
	return *ret_count ? (long)sizeof(bell) : -1;
}

static long write_bell(const uint64_t *count)
{
	(void)bell_fetch_add_acq_rel(&bell, *count);
	return sizeof(bell);
}

/* queue.c makes its system calls by number. */
#define syscall(number, ...)	      CALL_##number(__VA_ARGS__)
#define CALL_SYS_read(fd, to, size)   ((void)(fd), read_bell(to))
#define CALL_SYS_write(fd, from, size) ((void)(fd), write_bell(from))
#define CALL_SYS_close(fd)	      ((void)(fd), 0L)
#ifdef GENMC
#define CALL_SYS_membarrier(...) (bell_fence_full(), 0L)
#undef bell_fence_compiler
#define bell_fence_compiler() bell_fence_full()
#else
#define CALL_SYS_membarrier(...) (syscall)(SYS_membarrier, __VA_ARGS__)
#endif
#include "core/queue.c"
#include "core/single.c"
#include "core/many.c"

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			fail(#x);                                                                  \
	} while (0)

static void fail(const char *what)
{
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static struct bell_queue queue, *q = &queue;
static uint8_t flags[2];
static uint32_t slots[2];
static unsigned data;	    /* the caller's; atomic where notifies are conflated */
static unsigned news;	    /* notifies that said 1 */
static unsigned deliveries; /* and tokens polled */
static unsigned seen;	    /* data after the last poll */
static int leave;	    /* what arm said last */

/* A new queue, without its allocation and fd. */
static void setup(uint32_t capacity)
{
	memset(q, 0, sizeof(*q));
	memset(flags, 0, sizeof(flags));
	memset(slots, 0, sizeof(slots));
	q->flags = flags;
	q->slots = slots;
	q->mask = capacity - 1;
	q->limit = q->capacity = capacity;
	q->tail = BELL__ARMED;
	q->armed = 1;
	bell = data = news = deliveries = seen = 0;
	leave = 1;
}

/* The same, for a single producer. */
static void setup_single(uint32_t capacity)
{
	setup(capacity);
	q->mode = BELL_QUEUE_SINGLE_PRODUCER;
	q->limit = 0;
	q->single = capacity;
	q->tail = 0;
	q->state = BELL__ARMED;
}

static void notify(uint32_t token)
{
	if (bell_queue_notify(q, token) == 1)
		(void)bell_fetch_add_relaxed(&news, 1);
}

static void poll_once(void)
{
	uint32_t tokens[4];
	size_t n = bell_queue_poll(q, tokens, 4);

	deliveries += (unsigned)n;
	if (n)
		seen = bell_load_relaxed(&data);
}

static void *notifier(void *token)
{
	bell_store_relaxed(&data, 1);
	notify((uint32_t)(uintptr_t)token);
	return NULL;
}

static void *twice(void *token)
{
	notify((uint32_t)(uintptr_t)token);
	notify((uint32_t)(uintptr_t)token);
	return NULL;
}

static void *poller(void *unused)
{
	poll_once();
	return unused;
}

static void *sleeper(void *unused)
{
	poll_once();
	leave = bell_queue_arm(q);
	return unused;
}

static void *closer(void *unused)
{
	bell_queue_close(q);
	return unused;
}

static void together(void *(*a)(void *), void *(*b)(void *), void *(*c)(void *))
{
	pthread_t threads[3];
	int n = c ? 3 : 2, i;
	void *(*const run[])(void *) = {a, b, c};

	for (i = 0; i < n; i++)
		MUST(pthread_create(&threads[i], NULL, run[i], (void *)(uintptr_t)(i == 2)) == 0);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* Everybody is through: what was queued is still there, and the last poll has seen the data. */
static void all_delivered(void)
{
	poll_once();
	poll_once();
	MUST(deliveries == news);
}

/* A receiver that was told to sleep is woken if there is something to poll. */
static void awake(void)
{
	if (leave == 1 && bell__queue_published(q, q->head))
		MUST(bell > 0 && !((q->tail | q->state) & BELL__ASLEEP));
}

static void f1(void) /* a conflated notify: its data is seen by the poll that takes the flag */
{
	setup(1);
	notify(0);
	together(notifier, poller, NULL);
	all_delivered();
	MUST(seen == 1);
}

static void f2(void) /* a flag found down: the slot has been read */
{
	setup(1);
	together(twice, poller, NULL);
	all_delivered();
}

static void t1(void) /* ... which a producer behind it, on the other token, relies on */
{
	setup(2);
	notify(0);
	together(notifier, poller, notifier);
	all_delivered();
}

static void s1(void) /* a new notify: its data is seen with the slot */
{
	setup(1);
	together(notifier, poller, NULL);
	MUST(deliveries == 0 || seen == 1);
}

static void a1(void) /* armed against not empty */
{
	setup(1);
	notify(0);
	together(notifier, sleeper, NULL);
	awake();
}

static void a2(void) /* asleep at a hole against published */
{
	setup(2);
	together(notifier, sleeper, notifier);
	awake();
}

static void single_f1(void)
{
	setup_single(1);
	notify(0);
	together(notifier, poller, NULL);
	all_delivered();
	MUST(seen == 1);
}

static void single_f2(void)
{
	setup_single(1);
	together(twice, poller, NULL);
	all_delivered();
}

static void single_s1(void)
{
	setup_single(1);
	together(notifier, poller, NULL);
	MUST(deliveries == 0 || seen == 1);
}

static void single_a1(void) /* armed against closed */
{
	setup_single(1);
	notify(0);
	together(sleeper, closer, NULL);
	MUST(leave != 1 || (bell > 0 && !(q->state & BELL__ASLEEP)));
}

static void single_a2(void) /* asleep against published, which is A1 elsewhere */
{
	setup_single(1);
	notify(0);
	together(notifier, sleeper, NULL);
	awake();
}

static void single_end(void) /* A2: what was told 1 is there before -ESHUTDOWN */
{
	setup_single(2);
	notify(0);
	together(twice, sleeper, closer);
	awake();
	if (leave == -ESHUTDOWN)
		MUST(deliveries == news);
}

static const struct {
	const char *name;
	void (*run)(void);
} edges[] = {{"F1", f1}, {"F2", f2}, {"T1", t1}, {"S1", s1}, {"A1", a1}, {"A2", a2},
	{"F1, single producer", single_f1}, {"F2, single producer", single_f2},
	{"S1, single producer", single_s1}, {"A1, single producer", single_a1},
	{"A2, single producer", single_a2}, {"A2, single producer, closed", single_end}};

#ifdef GENMC
int main(void)
{
	edges[ONLY].run();
	return 0;
}
#else
void bell__wait_init(struct bell_queue *unused) /* wait.c's, for bell_queue_new, which nobody calls here */
{
	(void)unused;
}

int main(int argc, char **argv)
{
	const int rounds = argc > 1 ? atoi(argv[1]) : 3000;
	int i, n;

	(void)membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	printf("1..%zu\n", sizeof(edges) / sizeof(edges[0]));
	for (i = 0; i < (int)(sizeof(edges) / sizeof(edges[0])); i++) {
		for (n = 0; n < rounds; n++)
			edges[i].run();
		printf("ok %d - %s, %d rounds\n", i + 1, edges[i].name, rounds);
		fflush(stdout);
	}
	return 0;
}
#endif
