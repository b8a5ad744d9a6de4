/* SPDX-License-Identifier: MIT
 *
 * board.c: what a receiver shows to its observers. The counters that it keeps for itself are copied to the
 * board when it looks at its descriptors and before it sleeps, and only while somebody observes. No step
 * waits for an observer: one message goes out, and none is ever read.
 *
 * A row changes only while its peer is awake, so a copy costs no more than the polls before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/ipc.h"

int bell__board_init(struct bell_share *s)
{
	struct bell__observers *o = &s->observers;
	uint32_t i;

	o->memory = -1;
	o->fds = calloc(s->options.max_observers, sizeof(*o->fds));
	if (!o->fds)
		return -ENOMEM;
	for (i = 0; i < s->options.max_observers; i++)
		o->fds[i] = -1;
	return 0;
}

void bell__board_fini(struct bell_share *s, bool ours)
{
	struct bell__observers *o = &s->observers;
	uint32_t i;

	for (i = 0; o->fds && i < s->options.max_observers; i++) {
		if (o->fds[i] < 0)
			continue;
		if (ours)
			shutdown(o->fds[i], SHUT_RDWR); /* a forked child may have a copy */
		close(o->fds[i]);
	}
	free(o->fds);
	if (o->memory < 0)
		return;
	munmap(o->board, o->size);
	close(o->memory);
}

/* Mapped before it is sealed, so that there is no other way to write to it. */
static int furnish(struct bell__observers *o, uint32_t max_peers)
{
	const struct bell__board header = bell__board_of(max_peers);
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int error, fd = memfd_create("doorbell-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory = MAP_FAILED;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bell__board_room(&header)) == 0)
		memory = mmap(NULL, (size_t)bell__board_room(&header), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		error = -errno;
		if (memory != MAP_FAILED)
			munmap(memory, (size_t)bell__board_room(&header));
		close(fd);
		return error;
	}
	memcpy(memory, &header, sizeof(header));
	o->board = memory;
	o->size = (size_t)bell__board_room(&header);
	o->memory = fd;
	return 0;
}

static struct bell__block *row_of(struct bell_share *s, uint32_t index)
{
	return &s->observers.board->blocks[1 + index];
}

/* The sums follow what the row says; nobody else writes to it. */
static void put_row(struct bell_share *s, uint32_t index, const uint64_t *words)
{
	struct bell__block *row = row_of(s, index);
	size_t i;

	for (i = BELL__ROW_NOTIFIED; i < BELL__ROW_WORDS; i++)
		s->observers.sums[i] += words[i] - row->words[i];
	bell__block_write(row, words, BELL__ROW_WORDS);
}

static void show_row(struct bell_share *s, const struct bell__link *l)
{
	const uint64_t words[BELL__ROW_WORDS] = {
		[BELL__ROW_PEER] = l->id,
		[BELL__ROW_PID] = (uint64_t)l->pid,
		[BELL__ROW_UID] = l->uid,
		[BELL__ROW_NOTIFIED] = bell__link_notified(l),
		[BELL__ROW_CONFLATED] = bell__link_conflated(l),
		[BELL__ROW_DELIVERED] = l->queue.delivered,
		[BELL__ROW_ARMS] = l->queue.arms,
		[BELL__ROW_RINGS] = l->rings,
		[BELL__ROW_STRAYS] = l->strays,
		[BELL__ROW_HOLES] = l->queue.holes,
	};

	put_row(s, l->index, words);
}

void bell__board_clear(struct bell_share *s, const struct bell__link *l)
{
	static const uint64_t none[BELL__ROW_WORDS];

	if (s->observers.n)
		put_row(s, l->index, none);
}

/* Rings and strays are counted for all as they happen; the rest where the link has it. */
static void show_totals(struct bell_share *s)
{
	const uint64_t *sums = s->observers.sums;
	struct bell_share_stats totals = s->stats;

	totals.delivered += sums[BELL__ROW_DELIVERED];
	totals.arms += sums[BELL__ROW_ARMS];
	totals.holes += sums[BELL__ROW_HOLES];
	totals.notified += sums[BELL__ROW_NOTIFIED];
	totals.conflated += sums[BELL__ROW_CONFLATED];
	bell__block_write(
		s->observers.board->blocks, (const uint64_t *)&totals, BELL__BOARD_TOTALS);
}

void bell__board_show(struct bell_share *s)
{
	uint32_t i;

	for (i = 0; i < s->n_awake; i++)
		show_row(s, s->awake[i]);
	show_totals(s);
}

/* For the first observer after a time without. */
static void show_all(struct bell_share *s)
{
	static const uint64_t none[BELL__ROW_WORDS];
	uint32_t i;

	for (i = 0; i < s->options.max_peers; i++) {
		if (s->links[i].state != BELL__LINK_FREE)
			show_row(s, &s->links[i]);
		else if (row_of(s, i)->words
				 [BELL__ROW_PEER]) /* what was never used is left untouched */
			put_row(s, i, none);
	}
	show_totals(s);
}

int bell__board_admit(struct bell_share *s, int fd)
{
	struct bell__observers *o = &s->observers;
	uint32_t index = 0;
	int error = 0;

	while (index < s->options.max_observers && o->fds[index] >= 0)
		index++;
	if (index == s->options.max_observers)
		return -EUSERS;
	if (o->memory < 0)
		error = furnish(o, s->options.max_peers);
	if (!error)
		error = bell__share_watch(s, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP,
			(uint64_t)index * BELL__WATCH_KINDS + BELL__WATCH_OBSERVER);
	if (error)
		return error;
	if (o->n == 0)
		show_all(s);
	else
		bell__board_show(s);
	error = bell__share_say(fd, 0, &o->memory, 1);
	if (error)
		return error;
	o->fds[index] = fd;
	o->n++;
	s->stats.observers++;
	return 0;
}

void bell__board_hear(struct bell_share *s, uint32_t index)
{
	struct bell__observers *o = &s->observers;
	char byte;

	if (o->fds[index] < 0 || (recv(o->fds[index], &byte, sizeof(byte), MSG_DONTWAIT) < 0 &&
					 (errno == EAGAIN || errno == EINTR)))
		return;
	shutdown(o->fds[index], SHUT_RDWR); /* a forked child may have a copy */
	close(o->fds[index]);
	o->fds[index] = -1;
	o->n--;
	s->stats.observers--;
}
