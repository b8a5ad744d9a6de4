/* SPDX-License-Identifier: MIT
 *
 * report.c: what the hub tells about itself. Each slot is copied under its lock and printed without, so
 * that a slow terminal holds up nobody.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hub.h"

static void add_slot(struct bell_hub_stats *stats, const struct slot *slot)
{
	const struct bell__counts *c = &slot->counts;

	/* Counters that others write under the slot's lock: each is a moment old. */
	stats->waiters += bell_load_relaxed(&slot->n_waiters);		    /* the same */
	stats->subscriptions += bell_load_relaxed(&slot->n_subscriptions);  /* the same */
	stats->notifies += bell_load_relaxed(&c->notifies);		    /* the same */
	stats->reached += bell_load_relaxed(&c->reached);		    /* the same */
	stats->dropped += bell_load_relaxed(&c->dropped);		    /* the same */
	stats->canceled += bell_load_relaxed(&c->canceled);		    /* the same */
	stats->no_waiters += bell_load_relaxed(&c->no_waiters);		    /* the same */
	stats->no_subscriptions += bell_load_relaxed(&c->no_subscriptions); /* the same */
}

void bell_hub_stats(struct bell_hub *hub, struct bell_hub_stats *ret_stats)
{
	struct bell_hub_stats stats;
	uint32_t i;

	pthread_mutex_lock(&hub->lock);
	stats = (struct bell_hub_stats){.clients = hub->clients,
		.retired = hub->retired,
		.no_handles = hub->no_handles,
		.no_subscriptions = hub->no_subscriptions,
		.handles = hub->limits.handles - hub->retired - (uint32_t)(hub->last - hub->first)};
	pthread_mutex_unlock(&hub->lock);
	for (i = 0; i < hub->limits.handles; i++)
		add_slot(&stats, &hub->slots[i]);
	*ret_stats = stats;
}

/* -- one handle ------------------------------------------------------------------------------ */

struct subscription_copy {
	uint32_t client, id, depth, policy;
	uint64_t queued, told, dropped;
	char hint[BELL_HINT_SIZE];
};

struct handle_copy {
	struct bell_handle handle;
	struct bell_handle_stats stats;
	char hint[BELL_HINT_SIZE];
};

/* The slot is locked. */
static void copy_subscription(struct subscription_copy *to, const struct subscription *s)
{
	to->client = s->client->number;
	to->id = subscription_id(s);
	to->depth = s->depth;
	to->policy = s->policy;
	to->queued = bell__ring_count(s);
	to->told = s->told;
	to->dropped = s->dropped;
	memcpy(to->hint, s->hint, sizeof(to->hint));
}

/* The slot is locked. subscriptions: room for all, or NULL. */
static void copy_slot(struct handle_copy *to, struct slot *slot, uint32_t index,
	struct subscription_copy *subscriptions)
{
	struct bell__hub_link *l;

	*to = (struct handle_copy){.handle = {index, slot->generation},
		.stats = {.notifies = slot->counts.notifies - slot->before.notifies,
			.reached = slot->counts.reached - slot->before.reached,
			.dropped = slot->counts.dropped - slot->before.dropped,
			.waiters = slot->n_waiters,
			.subscriptions = slot->n_subscriptions}};
	memcpy(to->hint, slot->hint, sizeof(to->hint));
	for (l = slot->subscriptions.next; l != &slot->subscriptions; l = l->next) {
		to->stats.queued += bell__ring_count(subscription_of(l));
		if (subscriptions)
			copy_subscription(subscriptions++, subscription_of(l));
	}
}

int bell_hub_handle_stats(
	struct bell_hub *hub, struct bell_handle handle, struct bell_handle_stats *ret_stats)
{
	struct slot *slot = bell__slot_lock(hub, handle);
	struct handle_copy copy;

	if (!slot)
		return -ESTALE;
	copy_slot(&copy, slot, handle.index, NULL);
	pthread_mutex_unlock(&slot->lock);
	*ret_stats = copy.stats;
	return 0;
}

/* -- the dump -------------------------------------------------------------------------------- */

/* A field of a line: its name stands in the readable form only. */
struct field {
	const char *name, *text; /* text, or NULL: the number */
	uint64_t number;
};

static void print_line(FILE *file, bool tsv, const char *kind, const struct field *fields, size_t n)
{
	size_t i;

	fputs(kind, file);
	for (i = 0; i < n; i++) {
		const struct field *f = &fields[i];

		if (tsv)
			fputc('\t', file);
		else
			fprintf(file, "%s%s ", i ? ", " : ": ", f->name);
		if (f->text)
			fprintf(file, tsv ? "%s" : "\"%s\"", f->text);
		else
			fprintf(file, "%" PRIu64, f->number);
	}
	fputc('\n', file);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void print_hub(FILE *file, bool tsv, struct bell_hub *hub)
{
	struct bell_hub_stats s;

	bell_hub_stats(hub, &s);
	const struct field fields[] = {
		{"handles", NULL, s.handles},
		{"limit", NULL, hub->limits.handles},
		{"waiters", NULL, s.waiters},
		{"subscriptions", NULL, s.subscriptions},
		{"limit", NULL, hub->limits.subscriptions},
		{"clients", NULL, s.clients},
		{"notifies", NULL, s.notifies},
		{"reached", NULL, s.reached},
		{"dropped", NULL, s.dropped},
		{"canceled", NULL, s.canceled},
		{"no handles", NULL, s.no_handles},
		{"no waiters", NULL, s.no_waiters},
		{"no subscriptions", NULL, s.no_subscriptions},
		{"retired", NULL, s.retired},
	};

	print_line(file, tsv, "hub", fields, COUNT_OF(fields));
}

static void print_handle(FILE *file, bool tsv, const struct handle_copy *h)
{
	const struct field fields[] = {
		{"index", NULL, h->handle.index},
		{"generation", NULL, h->handle.generation},
		{"hint", h->hint, 0},
		{"notifies", NULL, h->stats.notifies},
		{"reached", NULL, h->stats.reached},
		{"dropped", NULL, h->stats.dropped},
		{"waiters", NULL, h->stats.waiters},
		{"subscriptions", NULL, h->stats.subscriptions},
		{"queued", NULL, h->stats.queued},
	};

	print_line(file, tsv, "handle", fields, COUNT_OF(fields));
}

static void print_subscription(
	FILE *file, bool tsv, const struct handle_copy *h, const struct subscription_copy *s)
{
	static const char *const policies[] = {"drop newest", "drop oldest", "keep latest"};
	const struct field fields[] = {
		{"index", NULL, h->handle.index},
		{"generation", NULL, h->handle.generation},
		{"client", NULL, s->client},
		{"id", NULL, s->id},
		{"hint", s->hint, 0},
		{"policy", policies[s->policy], 0},
		{"depth", NULL, s->depth},
		{"queued", NULL, s->queued},
		{"told", NULL, s->told},
		{"dropped", NULL, s->dropped},
	};

	print_line(file, tsv, tsv ? "subscription" : "  subscription", fields, COUNT_OF(fields));
}

static int dump(struct bell_hub *hub, FILE *file, bool tsv)
{
	struct subscription_copy *subscriptions;
	struct handle_copy h;
	uint32_t i, j, most;
	int r = 0;

	/* As many as one handle can have. */
	most = hub->limits.subscriptions < hub->limits.subscriptions_per_handle
		       ? hub->limits.subscriptions
		       : hub->limits.subscriptions_per_handle;
	subscriptions = calloc(most, sizeof(*subscriptions));
	if (!subscriptions)
		return -ENOMEM;
	print_hub(file, tsv, hub);
	for (i = 0; i < hub->limits.handles && r == 0; i++) {
		struct slot *slot = &hub->slots[i];
		bool used;

		pthread_mutex_lock(&slot->lock);
		used = !(slot->word & UNUSED);
		if (used)
			copy_slot(&h, slot, i, subscriptions);
		pthread_mutex_unlock(&slot->lock);
		if (!used)
			continue;
		print_handle(file, tsv, &h);
		for (j = 0; j < h.stats.subscriptions; j++)
			print_subscription(file, tsv, &h, &subscriptions[j]);
		r = ferror(file) ? -EIO : 0;
	}
	if (fflush(file) != 0)
		r = -EIO;
	free(subscriptions);
	return r;
}

int bell_hub_dump(struct bell_hub *hub, FILE *file)
{
	return dump(hub, file, false);
}

int bell_hub_dump_tsv(struct bell_hub *hub, FILE *file)
{
	return dump(hub, file, true);
}
