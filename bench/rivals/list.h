/* SPDX-License-Identifier: MIT
 *
 * list.h: what people put beside one wake-up of a library that cannot say which tokens fired: a list
 * under a mutex, and a flag for each token, so that a token stands in it once.
 *
 * Conflation: an exchange on the flag, before the lock. Which fired: the list, taken as a whole.
 */
#ifndef BENCH_LIST_H
#define BENCH_LIST_H

#include <pthread.h>

#include "rival.h"

struct list {
	pthread_mutex_t mutex;
	uint8_t *flags;	 /* 1: in the list, or about to be */
	uint32_t *ready; /* under the mutex, as n */
	uint32_t *taken; /* the receiver's; swapped with ready */
	size_t n;
};

enum list_push { LIST_CONFLATED, LIST_ADDED, LIST_FIRST };

static inline int list_init(struct list *l, uint32_t tokens)
{
	pthread_mutex_init(&l->mutex, NULL);
	l->flags = calloc(tokens, 1);
	l->ready = calloc(tokens, sizeof(uint32_t));
	l->taken = calloc(tokens, sizeof(uint32_t));
	l->n = 0;
	return l->flags && l->ready && l->taken ? 0 : -ENOMEM;
}

static inline void list_fini(struct list *l)
{
	pthread_mutex_destroy(&l->mutex);
	free(l->flags);
	free(l->ready);
	free(l->taken);
}

/* LIST_FIRST: the list was empty. */
static inline enum list_push list_push(struct list *l, uint32_t token)
{
	bool first;

	if (bell_exchange_acq_rel(&l->flags[token], 1))
		return LIST_CONFLATED;
	pthread_mutex_lock(&l->mutex);
	first = l->n == 0;
	l->ready[l->n++] = token;
	pthread_mutex_unlock(&l->mutex);
	return first ? LIST_FIRST : LIST_ADDED;
}

/* The flag goes down before the caller's data is read, so a notify after that queues again. */
static inline void list_deliver(struct list *l, const struct receiver *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		(void)bell_exchange_acq_rel(&l->flags[l->taken[i]], 0);
		r->deliver(r->userdata, l->taken[i]);
	}
}

/* With the mutex held: what is ready becomes what is taken. */
static inline size_t list_swap(struct list *l)
{
	uint32_t *ready = l->ready;
	size_t n = l->n;

	l->ready = l->taken;
	l->taken = ready;
	l->n = 0;
	return n;
}

static inline void list_drain(struct list *l, const struct receiver *r)
{
	size_t n;

	pthread_mutex_lock(&l->mutex);
	n = list_swap(l);
	pthread_mutex_unlock(&l->mutex);
	list_deliver(l, r, n);
}

#endif
