/* SPDX-License-Identifier: MIT
 *
 * nothing.c: no notification at all: what the harness itself costs, as a floor for the others. Only the
 * last token, which ends the run, is passed on.
 */
#include <semaphore.h>

#include "rival.h"

struct nothing {
	struct receiver r;
	sem_t last;
};

static int nothing_open(void **ret_state, const struct receiver *r)
{
	struct nothing *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->r = *r;
	sem_init(&s->last, 0, 0);
	*ret_state = s;
	return 0;
}

static void nothing_notify(void *state, uint32_t token)
{
	struct nothing *s = state;

	if (token == s->r.tokens - 1)
		sem_post(&s->last);
}

static void nothing_run(void *state)
{
	struct nothing *s = state;

	while (!s->r.quit) {
		while (sem_wait(&s->last) < 0)
			;
		s->r.deliver(s->r.userdata, s->r.tokens - 1);
	}
}

static void nothing_quit(void *state)
{
	struct nothing *s = state;

	s->r.quit = true;
}

static void nothing_turn(void *state)
{
	(void)state;
}

static void nothing_close(void *state)
{
	struct nothing *s = state;

	sem_destroy(&s->last);
	free(s);
}

const struct rival rival_nothing = {.open = nothing_open,
	.notify = nothing_notify,
	.run = nothing_run,
	.quit = nothing_quit,
	.turn = nothing_turn,
	.close = nothing_close,
	.silent = true};
