/* SPDX-License-Identifier: MIT
 *
 * permit_state.c [ROUNDS]: wait for a state. A service starts; others wait until it is ready, or
 * has failed to be. The state is under a mutex, the permit says that it has changed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <doorbell.h>

enum { WAITERS = 3 };
enum state { STARTING, READY, FAILED };

struct service {
	pthread_mutex_t lock;
	enum state state;
	struct bell_permit changed;
};

static enum state state_of(struct service *s)
{
	enum state state;

	pthread_mutex_lock(&s->lock);
	state = s->state;
	pthread_mutex_unlock(&s->lock);
	return state;
}

static void set_state(struct service *s, enum state state)
{
	pthread_mutex_lock(&s->lock);
	s->state = state;
	pthread_mutex_unlock(&s->lock);
	bell_permit_notify_all(&s->changed); /* after the change; the mutex need not be held */
}

static void *wait_until_ready(void *arg)
{
	struct service *s = arg;
	struct bell_waiter w;
	enum state state;

	for (;;) {
		bell_permit_prepare(
			&s->changed, &w); /* before the look, or a change between is lost */
		state = state_of(s);
		if (state != STARTING)
			return state == READY ? s : NULL;
		bell_permit_wait(&s->changed, &w, -1);
	}
}

static int start_service(enum state outcome)
{
	struct service s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t waiters[WAITERS];
	void *result;
	int i, right = 0;

	for (i = 0; i < WAITERS; i++)
		if (pthread_create(&waiters[i], NULL, wait_until_ready, &s) != 0)
			exit(EXIT_FAILURE);
	set_state(&s, outcome);
	for (i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i], &result);
		right += (result != NULL) == (outcome == READY);
	}
	return right == WAITERS;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, good = 0, i;

	for (i = 0; i < rounds; i++)
		good += start_service(i % 4 == 3 ? FAILED : READY);
	printf("%d of %d services told all who waited what became of them\n", good, rounds);
	return good == rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}
