/* SPDX-License-Identifier: MIT
 *
 * collector.h: what collector.c (the consumer's half) and producer.c share and nobody else sees.
 */
#ifndef STREAM_COLLECTOR_H
#define STREAM_COLLECTOR_H

#include <pthread.h>
#include <stdbool.h>

#include <doorbell/collector.h>

/* What a producer waits for: in its word waiting. */
enum {
	BELL__WAITS_NOT = 0,
	BELL__WAITS_FUTEX = 1, /* asleep on that word, or about to be */
	BELL__WAITS_BOUND = 2, /* for its token to be notified */
};

/* Whose a producer's place is. Changed under the collector's lock. */
enum {
	BELL__PLACE_FREE,  /* nobody's */
	BELL__PLACE_TAKEN, /* a producer's */
	BELL__PLACE_LEFT,  /* its producer was freed, and there may be records left */
};

#define BELL__UNSEALED UINT64_MAX

/* A place for a producer, and the producer while it is taken. Positions are free-running; they go on when
 * the place is taken again. */
struct bell_producer {
	/* Written when the place is first taken, bound and bound_token by the producer. */
	struct bell_collector *collector;
	struct bell_queue *queue; /* the collector's */
	unsigned char *records;	  /* the ring */
	size_t record_size;
	uint32_t mask, capacity; /* of positions; how many records there may be */
	uint32_t token;
	uint32_t bound_token;
	struct bell_queue *bound;

	/* Written by the producer. */
	BELL_ALIGNED uint64_t head; /* records below are published */
	uint64_t seen;		    /* tail, when it was last looked at */
	uint64_t full, waits;
	bool announced; /* waiting may be other than NOT */

	/* Written by the consumer. */
	BELL_ALIGNED uint64_t tail; /* records below are handed out, and their places free */
	uint64_t end;		    /* the seal, once it is sealed */
	uint64_t looked;	    /* tail, when it was last looked whether it waits */
	uint64_t mark;		    /* a flush waits for the records below */
	struct bell_producer *next; /* of those that are ready */
	struct bell_producer *next_served;
	bool ready, due, served;

	/* Written rarely. */
	BELL_ALIGNED uint64_t
		seal;	  /* closed: records below are accepted, all others refused. Set once */
	uint32_t waiting; /* the futex */
	uint32_t claims;  /* how many are at notifying the bound token, and AWAITED */
	uint32_t place;
	struct bell_producer *next_free;
};

struct bell_collector {
	/* Written when made, and closed once by close. */
	struct bell_queue *queue;
	struct bell_producer *producers; /* [max_producers] */
	unsigned char *rings;
	size_t ring_bytes, record_size;
	uint64_t total; /* records in all rings */
	uint32_t mask, capacity, max_producers, batch;
	uint32_t closed;
	void *memory;

	/* Written by the consumer. */
	BELL_ALIGNED struct bell_producer *first; /* those that may have records, in turn */
	struct bell_producer *last;
	struct bell_producer *served; /* those from which something was taken in this drain */
	uint32_t turn;		      /* records that the first was served in its turn */
	uint32_t since;		      /* records handed out since the queue was polled */
	uint32_t due;		      /* producers that the flush still waits for */
	bool flushing, flush_again;
	bool draining, freed, sealed;
	uint64_t flushes;

	/* Written rarely, by anyone. */
	BELL_ALIGNED pthread_mutex_t lock; /* of place, next_free, free, used, refused */
	struct bell_producer *free;
	uint32_t used; /* places below were taken once */
	uint32_t refs;
	uint64_t refused, in_use, wakes;
};

static inline void *bell__record_at(const struct bell_producer *p, uint64_t position)
{
	return p->records + (position & p->mask) * p->record_size;
}

/* A counter with one writer: others read it for the statistics. */
static inline void bell__count(uint64_t *counter)
{
	bell_store_relaxed(counter, *counter + 1); /* a statistic */
}

/* producer.c: wake the producer, or notify its token, if it waits; behind a full fence. Any thread;
 * signal-safe. */
void bell__producer_wake(struct bell_producer *p);
/* If its producer has gone and all is drained: the place is free. The lock is held. */
void bell__place_leave(struct bell_producer *p);
void bell__collector_unref(struct bell_collector *c);

#endif
