/* SPDX-License-Identifier: MIT
 *
 * backpressure.c: a fast producer behind a slow consumer, with room for two. The producer has other things
 * to do, so it does not sleep in submit: it waits in its own queue for a token that says "there is room".
 *
 * The loop that is often written, "try; no room? then wait to be told", sleeps for ever if all is drained
 * between the try and the wait. Here the try that fails has announced that it waits, so it is told.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <doorbell.h>

enum { ROOM = 2, ITEMS = 20000, THERE_IS_ROOM = 0 };

static void *produce(void *producer)
{
	struct bell_producer *p = producer;
	struct bell_queue *mine; /* would stand in an epoll set, beside sockets */
	uint32_t item, token;
	int r = 0;

	if (bell_queue_new(&mine, 1, 0) < 0 || bell_producer_bind(p, mine, THERE_IS_ROOM) < 0)
		return NULL;
	for (item = 0; item < ITEMS && r == 0; item++)
		while ((r = bell_producer_try_submit(p, &item)) == -EAGAIN)
			if (bell_queue_wait(mine, &token, 1, -1) < 0)
				break;
	bell_producer_free(p);
	bell_queue_unref(mine);
	return NULL;
}

static void consume(void *userdata, const void *record)
{
	uint32_t *next = userdata;

	if (record && *(const uint32_t *)record == *next) /* in order, none lost */
		++*next;
}

int main(void)
{
	struct bell_collector_options options = {
		.record_size = sizeof(uint32_t), .records_per_producer = ROOM, .max_producers = 1};
	struct bell_collector_stats stats;
	struct bell_collector *c;
	struct bell_producer *p;
	pthread_t thread;
	uint32_t next = 0;

	if (bell_collector_new(&c, &options) < 0 || bell_producer_new(&p, c) < 0)
		return 1;
	if (pthread_create(&thread, NULL, produce, p) != 0)
		return 1;
	while (next < ITEMS && bell_collector_wait(c, ROOM, consume, &next, -1) > 0)
		;
	pthread_join(thread, NULL);
	bell_collector_stats(c, &stats);
	bell_collector_free(c);
	printf("%u items through room for %d; it waited %llu times\n", next, ROOM,
		(unsigned long long)stats.waits);
	return next == ITEMS ? 0 : 1;
}
