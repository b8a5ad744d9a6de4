/* SPDX-License-Identifier: MIT
 *
 * collector.c: a span exporter. Four threads submit a span for each piece of work; one writes them to a
 * file in batches: when a batch is full, when nothing came for 20 ms, and when somebody flushes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <doorbell.h>

enum { THREADS = 4, SPANS = 1000, BATCH = 256, QUIET = 20000000 /* ns */ };
static struct bell_collector *collector;
static uint32_t working = THREADS;
static struct timespec batch[BATCH]; /* a span is when it was, here */
static size_t n, written, by_size, by_time, by_flush;
static FILE *file;

static void *work(void *producer)
{
	struct timespec span;
	int i;

	for (i = 0; i < SPANS; i++) {
		clock_gettime(CLOCK_MONOTONIC, &span);
		(void)!bell_producer_submit(producer, &span, -1); /* waits for room */
		if (i == SPANS / 2)
			nanosleep(&(struct timespec){.tv_nsec = 3 * QUIET}, NULL);
	}
	bell_collector_flush(collector);
	bell_producer_free(producer); /* what it submitted is still handed out */
	if (bell_fetch_sub_acq_rel(&working, 1) == 1)
		bell_collector_close(collector);
	return NULL;
}

static void export_batch(size_t *reason)
{
	*reason += n > 0;
	written += fwrite(batch, sizeof(*batch), n, file);
	n = 0;
}

static void on_span(void *userdata, const void *record)
{
	if (record)
		batch[n++] = *(const struct timespec *)record;
	if (!record) /* a flush: all that was submitted before it is in the batch */
		export_batch(&by_flush);
	else if (n == BATCH)
		export_batch(userdata);
}

int main(void)
{
	struct bell_collector_options options = {.record_size = sizeof(struct timespec)};
	pthread_t threads[THREADS];
	struct bell_producer *p;
	int i, r;

	if (!(file = tmpfile()) || bell_collector_new(&collector, &options) < 0)
		return 1;
	for (i = 0; i < THREADS; i++)
		if (bell_producer_new(&p, collector) < 0 ||
			pthread_create(&threads[i], NULL, work, p) != 0)
			return 1;
	do {
		r = (int)bell_collector_wait(collector, BATCH, on_span, &by_size, n ? QUIET : -1);
		if (r == -ETIMEDOUT)
			export_batch(&by_time);
	} while (r != -ESHUTDOWN);
	export_batch(&by_flush);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	bell_collector_free(collector);
	printf("batches by size %zu, by time %zu, by flush %zu\n", by_size, by_time, by_flush);
	return fclose(file) != 0 || written != THREADS * SPANS;
}
