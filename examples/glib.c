/* SPDX-License-Identifier: MIT
 *
 * glib.c: progress bars, as a GTK program would have them. Threads copy data and report each block; the
 * main loop draws when it gets round to it, always the newest: reports in between conflate. The last
 * thread closes the queue, and that ends the program.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <doorbell.h>
#include <doorbell/adapt/glib.h>

enum { COPIES = 3, BLOCKS = 50000, BAR = 20 };

static struct copy {
	struct bell_queue *q;
	pthread_t thread;
	char to[4096];
	atomic_uint done; /* written again while its token is queued: so atomic */
	int drawn;	  /* the loop's */
} copies[COPIES];
static atomic_int running = COPIES;
static GMainLoop *loop;

static void *copy_all(void *arg)
{
	struct copy *c = arg;
	unsigned block;

	for (block = 1; block <= BLOCKS; block++) {
		memset(c->to, (int)block, sizeof(c->to)); /* the data */
		atomic_store(&c->done, block);
		bell_queue_notify(c->q, (uint32_t)(c - copies));
	}
	if (atomic_fetch_sub(&running, 1) == 1)
		bell_queue_close(c->q); /* what was notified is still delivered */
	return bell_queue_unref(c->q);
}

static void on_token(void *userdata, uint32_t token)
{
	struct copy *c = (struct copy *)userdata + token;
	int length = (int)(atomic_load(&c->done) / (BLOCKS / BAR));

	if (length > c->drawn)
		printf("copy %u |%-*.*s|\n", token, BAR, c->drawn = length, "####################");
}

static void on_end(void *userdata, int error)
{
	(void)userdata, (void)error; /* -ESHUTDOWN: all is delivered, and the bell is detached */
	g_main_loop_quit(loop);
}

int main(void)
{
	struct bell_queue *q;
	struct bell_glib bell;
	int i;

	loop = g_main_loop_new(NULL, FALSE);
	if (bell_queue_new(&q, COPIES, 0) < 0 ||
		bell_glib_attach(&bell, NULL, q, 64, on_token, copies) < 0)
		return 1;
	bell.on_end = on_end;
	for (i = 0; i < COPIES; i++) {
		copies[i].q = bell_queue_ref(q); /* each thread holds one */
		if (pthread_create(&copies[i].thread, NULL, copy_all, &copies[i]) != 0)
			return 1;
	}
	g_main_loop_run(loop);
	for (i = 0; i < COPIES; i++)
		pthread_join(copies[i].thread, NULL);
	g_main_loop_unref(loop);
	bell_queue_unref(q);
	return copies[0].drawn == BAR && copies[1].drawn == BAR && copies[2].drawn == BAR ? 0 : 1;
}
