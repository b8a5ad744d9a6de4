/* SPDX-License-Identifier: MIT
 *
 * hub.c: a dashboard. A thousand sensors, each a handle; a loop that subscribes to all of them, through one
 * descriptor, and shows their last readings. No sensor waits for it, and what it missed is counted.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <doorbell.h>

enum { SENSORS = 1000, THREADS = 4, READINGS = 50 };

static struct bell_hub *hub;
static struct bell_handle sensors[SENSORS];

/* Measures with every fourth sensor, and takes them down in the end. */
static void *measure(void *first)
{
	int64_t reading;
	uintptr_t i;

	for (reading = 1; reading <= READINGS; reading++)
		for (i = (uintptr_t)first; i < SENSORS; i += THREADS)
			bell_hub_notify(hub, sensors[i], reading);
	for (i = (uintptr_t)first; i < SENSORS; i += THREADS)
		bell_hub_unregister(hub, sensors[i]);
	return NULL;
}

int main(void)
{
	struct bell_subscription_options latest = {.policy = BELL_KEEP_LATEST};
	struct bell_client_event event;
	struct bell_client *dashboard;
	struct epoll_event ready = {.events = EPOLLIN};
	pthread_t threads[THREADS];
	int64_t shown[SENSORS] = {0};
	uint64_t seen = 0, missed = 0;
	int ep = epoll_create1(EPOLL_CLOEXEC), alive = SENSORS, last = 0;
	uint32_t id;
	uintptr_t i;

	if (bell_hub_new(&hub, NULL) < 0 || bell_client_new(&dashboard, hub, SENSORS, 0) < 0)
		return 1;
	for (i = 0; i < SENSORS; i++) {
		latest.userdata = &shown[i];
		if (bell_hub_register(hub, "sensor", &sensors[i]) < 0 ||
			bell_client_subscribe(dashboard, sensors[i], &latest, &id) < 0)
			return 1;
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, bell_client_fd(dashboard), &ready);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, measure, (void *)i) != 0)
			return 1;
	while (alive > 0 && epoll_wait(ep, &ready, 1, -1) == 1) {
		do {
			while (bell_client_next(dashboard, &event) == 1) {
				missed += event.dropped;
				alive -= (int)event.closed;
				seen += !event.closed;
				if (!event.closed)
					*(int64_t *)event.userdata = event.value;
			}
		} while (bell_client_arm(dashboard) == 0);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < SENSORS; i++)
		last += shown[i] == READINGS;
	printf("readings: %" PRIu64 " shown, %" PRIu64 " skipped\n", seen, missed);
	bell_client_free(dashboard);
	bell_hub_unref(hub);
	close(ep);
	return last == SENSORS && seen + missed == SENSORS * READINGS ? 0 : 1;
}
