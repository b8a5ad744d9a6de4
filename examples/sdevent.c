/* SPDX-License-Identifier: MIT
 *
 * sdevent.c: a service on sd-event. Each datagram on its socket is a number; a thread looks for the
 * greatest prime factor, and the loop sends the answer when it is told by the bell.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doorbell.h>
#include <doorbell/adapt/sdevent.h>

enum { JOBS = 8 };

static struct job {
	uint64_t number, factor;
	pthread_t thread;
} jobs[JOBS]; /* the token is its index */
static struct bell_queue *q;
static int server, asked, answered;

static void *find_factor(void *arg)
{
	struct job *job = arg;
	uint64_t d = 2;

	for (job->factor = job->number; d * d <= job->factor; d++)
		while (job->factor % d == 0 && job->factor > d)
			job->factor /= d;
	bell_queue_notify(q, (uint32_t)(job - jobs)); /* whoever is told also sees job->factor */
	return NULL;
}

static int on_request(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct job *job = &jobs[asked];
	(void)s, (void)events, (void)userdata;
	if (asked++ == JOBS || recv(fd, &job->number, 8, 0) < 8)
		return -EBADMSG; /* ends this source */
	return -pthread_create(&job->thread, NULL, find_factor, job);
}

static void on_token(void *event, uint32_t i)
{
	pthread_join(jobs[i].thread, NULL); /* so it needs no reference to the queue */
	(void)!send(server, &jobs[i], 16, 0);
	if (++answered == JOBS)
		sd_event_exit(event, 0);
}

int main(void)
{
	struct bell_sdevent bell;
	sd_event *event;
	uint64_t answer[2];
	int ends[2], i, right = 0;

	if (sd_event_new(&event) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return 1;
	server = ends[0];
	if (sd_event_add_io(event, NULL, server, EPOLLIN, on_request, NULL) < 0)
		return 1;
	if (bell_queue_new(&q, JOBS, 0) < 0 ||
		bell_sdevent_attach(&bell, event, q, 64, on_token, event) < 0)
		return 1;
	for (i = 0; i < JOBS; i++) { /* the client */
		answer[0] = UINT64_C(1000000007) * (i + 2);
		(void)!write(ends[1], answer, 8);
	}
	sd_event_loop(event);
	for (i = 0; i < JOBS && read(ends[1], answer, 16) == 16; i++) {
		printf("%ju: %ju\n", (uintmax_t)answer[0], (uintmax_t)answer[1]);
		right += answer[1] == 1000000007;
	}
	bell_sdevent_detach(&bell);
	bell_queue_unref(q);
	sd_event_unref(event);
	return right == JOBS ? 0 : 1;
}
