/* SPDX-License-Identifier: MIT
 *
 * pipe_readers.c: the readers of doorbell pipe. Each puts chunks together, byte for byte the same however
 * the stream was cut on its way, and writes whole lines: when many have gathered, and before it sleeps.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipe.h"

#define OUT_SIZE  65536
#define READ_SIZE 65536
#define NAME_SIZE 64 /* of a line, what is not the chunk */

static void flush(struct printer *p, int sleeping)
{
	if (p->failure == 0 && p->size > 0 && fwrite(p->out, 1, p->size, stdout) != p->size)
		p->failure = errno;
	if (p->failure == 0 && sleeping && fflush(stdout) != 0)
		p->failure = errno;
	p->size = 0;
}

static void print_chunk(struct printer *p)
{
	if (p->room - p->size < p->chunk + NAME_SIZE)
		flush(p, 0);
	p->size += (size_t)snprintf(p->out + p->size, NAME_SIZE, "r%u: ", p->number);
	memcpy(p->out + p->size, p->line, p->length);
	p->size += p->length;
	p->out[p->size++] = '\n';
	p->length = 0;
}

/* What is no data has no colon behind its name. */
__attribute__((format(printf, 2, 3))) static void print_note(
	struct printer *p, const char *format, ...)
{
	char note[NAME_SIZE];
	va_list args;

	if (p->length > 0)
		print_chunk(p);
	if (p->room - p->size < 2 * NAME_SIZE)
		flush(p, 0);
	va_start(args, format);
	vsnprintf(note, sizeof(note), format, args);
	va_end(args);
	p->size += (size_t)snprintf(p->out + p->size, 2 * NAME_SIZE, "r%u %s\n", p->number, note);
}

/* A newline ends a chunk and is not shown; nor does one behind a full chunk make an empty one. */
static void take(struct printer *p, const char *bytes, size_t n)
{
	const char *end = bytes + n, *newline;
	size_t some;

	p->read += n;
	while (bytes < end) {
		some = (size_t)(end - bytes);
		if (some > p->chunk - p->length)
			some = p->chunk - p->length;
		newline = memchr(bytes, '\n', some);
		if (newline)
			some = (size_t)(newline - bytes);
		memcpy(p->line + p->length, bytes, some);
		p->length += (uint32_t)some;
		bytes += some + (newline != NULL);
		if ((newline && !(p->full && p->length == 0)) || p->length == p->chunk)
			print_chunk(p);
		p->full = !newline && p->length == 0;
	}
}

static void *print(void *userdata)
{
	struct printer *p = userdata;
	char *bytes = malloc(READ_SIZE);
	uint64_t lost = 0;
	ssize_t n = bytes ? -EAGAIN : -ENOMEM;

	while (bytes && p->failure == 0) {
		n = bell_reader_read(p->reader, bytes, READ_SIZE);
		if (n == -EAGAIN) {
			flush(p, 1);
			n = bell_reader_wait(p->reader, bytes, READ_SIZE, -1);
		}
		if (n > 0)
			take(p, bytes, (size_t)n);
		if (n == -EOVERFLOW)
			print_note(p, "lost %llu bytes",
				(unsigned long long)(bell_reader_lost(p->reader) - lost));
		lost = bell_reader_lost(p->reader);
		if (n <= 0 && n != -EOVERFLOW && n != -EINTR)
			break;
	}
	if (n == 0)
		print_note(p, "end of file, %llu bytes", (unsigned long long)p->read);
	else if (p->failure == 0)
		print_note(p, "error: %s", strerror((int)-n));
	flush(p, 1);
	free(bytes);
	(void)bell_queue_notify(p->queue, TOKEN_READER + p->number - 1);
	return NULL;
}

int printer_start(struct printer *p)
{
	int r = bell_reader_new(&p->reader, p->pipe);

	p->room = OUT_SIZE + p->chunk + 2 * NAME_SIZE;
	p->out = malloc(p->room);
	p->line = malloc(p->chunk);
	if (r == 0 && (!p->out || !p->line))
		r = -ENOMEM;
	if (r == 0)
		r = -pthread_create(&p->thread, NULL, print, p);
	if (r < 0)
		printer_fini(p);
	return r;
}

void printer_fini(struct printer *p)
{
	p->reader = bell_reader_free(p->reader);
	free(p->line);
	free(p->out);
	p->line = p->out = NULL;
}
