/* SPDX-License-Identifier: MIT
 *
 * share_pipe.c: the life of a pipe between processes. Its readers are the peers of a share, which admits
 * them, watches them, and lets them go; this file gives each the memory of the stream and a seat, and
 * keeps the live ones side by side, so that a write is one pass over them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/share_pipe.h"

#define AT_ONCE 64 /* events of the share that are taken in one go */

/* -- readers come and go --------------------------------------------------------------------- */

static void come(struct bell__guest *g, struct bell__link *l)
{
	struct bell_share_pipe *p = (struct bell_share_pipe *)g;
	struct bell__stream_seat *seat = bell__seat_in(l->memory);

	bell_store_relaxed(&seat->position, p->floor); /* nobody has it: sent with the memory */
	bell_store_relaxed(&seat->wanted, BELL__NOTHING_WANTED); /* the same */
	p->attached[p->readers++] =
		(struct bell__attached){.seat = seat, .link = l, .position = p->floor};
}

static void go(struct bell__guest *g, struct bell__link *l)
{
	struct bell_share_pipe *p = (struct bell_share_pipe *)g;
	uint32_t i;

	for (i = 0; i < p->readers; i++) {
		if (p->attached[i].link != l)
			continue;
		/* Not one that came for something else, or died on the way. */
		p->had |= bell_load_relaxed(&p->attached[i].seat->seated) != 0; /* no data with it */
		p->attached[i] = p->attached[--p->readers];
		return;
	}
}

void bell__share_pipe_attend(struct bell_share_pipe *p, bool look)
{
	struct bell_share_event events[AT_ONCE];
	ssize_t n, i;

	p->share->fresh |= look;
	n = bell_share_poll(p->share, events, AT_ONCE);
	for (i = 0; i < n; i++) {
		if (events[i].kind == BELL_SHARE_TOKEN)
			p->resumes++;
		else
			p->news = true;
	}
}

int bell_share_pipe_serve(struct bell_share_pipe *p)
{
	bell__share_pipe_attend(p, true);
	p->news = false;
	return (int)p->readers;
}

/* -- life ------------------------------------------------------------------------------------ */

/* The options with their defaults. */
static int options_of(const struct bell_pipe_options *given, struct bell_pipe_options *ret)
{
	struct bell_pipe_options o = {0};

	if (given)
		o = *given;
	o.capacity = o.capacity ? o.capacity : BELL_PIPE_CAPACITY_DEFAULT;
	o.max_readers = o.max_readers ? o.max_readers : BELL_PIPE_MAX_READERS_DEFAULT;
	if (o.policy > BELL_PIPE_LAP || o.max_readers > BELL_PIPE_MAX_READERS ||
		o.capacity > BELL_PIPE_SIZE_MAX)
		return -EINVAL;
	*ret = o;
	return 0;
}

/* Memory that we alone can write to: mapped first, then sealed for all who come later. */
static int furnish(struct bell_share_pipe *p, const struct bell__stream *header)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE;
	void *memory;

	p->guest.fd = memfd_create("doorbell-pipe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (p->guest.fd < 0 || ftruncate(p->guest.fd, (off_t)bell__stream_room(header)) < 0)
		return -errno;
	memory = mmap(NULL, (size_t)bell__stream_room(header), PROT_READ | PROT_WRITE, MAP_SHARED,
		p->guest.fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	p->stream = memory;
	p->size = (size_t)bell__stream_room(header);
	p->data = (uint8_t *)memory + header->data_at;
	memcpy(memory, header, sizeof(*header));
	return fcntl(p->guest.fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

static void dispose(struct bell_share_pipe *p)
{
	bell_share_free(p->share);
	if (p->stream)
		munmap(p->stream, p->size);
	if (p->guest.fd >= 0)
		close(p->guest.fd);
	free(p->attached);
	free(p);
}

int bell_share_pipe_new(struct bell_share_pipe **ret_p, const char *dir, const char *name,
	const struct bell_pipe_options *pipe, const struct bell_share_options *share)
{
	struct bell_share_options s = {0};
	struct bell_pipe_options o;
	struct bell__stream header;
	struct bell_share_pipe *p;
	int error = options_of(pipe, &o);

	if (!error && share)
		s = *share;
	if (error || s.capacity || s.max_peers)
		return -EINVAL;
	s.capacity = 1;
	s.max_peers = o.max_readers;
	header = bell__stream_of(o.capacity, o.policy);
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->guest = (struct bell__guest){.fd = -1, .come = come, .go = go};
	p->capacity = o.capacity;
	p->ring_size = header.ring_size;
	p->low_water = o.capacity / 4 ? o.capacity / 4 : 1;
	p->policy = o.policy;
	p->attached = calloc(o.max_readers, sizeof(*p->attached));
	error = p->attached ? furnish(p, &header) : -ENOMEM;
	if (!error)
		error = bell_share_new(&p->share, dir, name, &s);
	if (error) {
		dispose(p);
		return error;
	}
	p->share->guest = &p->guest; /* nobody is admitted before we poll */
	*ret_p = p;
	return 0;
}

struct bell_share_pipe *bell_share_pipe_free(struct bell_share_pipe *p)
{
	if (!p)
		return NULL;
	if (p->share->pid == getpid()) /* the stream of a forked child is the parent's */
		bell_share_pipe_close(p);
	dispose(p);
	return NULL;
}

int bell_share_pipe_fd(const struct bell_share_pipe *p)
{
	return bell_share_fd(p->share);
}

void bell_share_pipe_stats(const struct bell_share_pipe *p, struct bell_share_pipe_stats *ret_stats)
{
	*ret_stats = (struct bell_share_pipe_stats){
		.written = p->end,
		.refused = p->refused,
		.wakes = p->wakes,
		.resumes = p->resumes,
		.readers = p->readers,
		.memory = p->ring_size,
	};
	bell_share_stats(p->share, &ret_stats->share);
}
