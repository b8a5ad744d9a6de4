/* SPDX-License-Identifier: MIT
 *
 * pipe.c: a log that several listeners follow. The service writes its lines once; a file keeps all of
 * them, so the service waits for it; the alarm wants only the errors, and reads the same stream.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <doorbell.h>

enum { LINES = 1000 };

struct listener {
	struct bell_reader *reader;
	const char *word; /* lines that hold it are counted */
	FILE *copy;	  /* or NULL */
	unsigned count;
};

static void hear(struct listener *l, const char *line)
{
	l->count += strstr(line, l->word) != NULL;
	if (l->copy)
		fprintf(l->copy, "%s\n", line);
}

/* A stream has no lines: put them together from what comes. */
static void *listen_to(void *arg)
{
	struct listener *l = arg;
	char bytes[256], line[256];
	size_t length = 0;
	ssize_t n, i;

	while ((n = bell_reader_wait(l->reader, bytes, sizeof(bytes), -1)) > 0) {
		for (i = 0; i < n; i++) {
			if (bytes[i] != '\n') {
				line[length++] = bytes[i];
				continue;
			}
			line[length] = '\0';
			length = 0;
			hear(l, line);
		}
	}
	bell_reader_free(l->reader);
	return NULL;
}

int main(void)
{
	const struct bell_pipe_options options = {.capacity = 4096, .policy = BELL_PIPE_BLOCK};
	struct listener listeners[2] = {{.word = "request", .copy = tmpfile()}, {.word = "error"}};
	pthread_t threads[2];
	struct bell_pipe *log;
	char line[64];
	int i, n;

	if (bell_pipe_new(&log, &options) < 0 || !listeners[0].copy)
		return 1;
	for (i = 0; i < 2; i++)
		if (bell_reader_new(&listeners[i].reader, log) < 0 ||
			pthread_create(&threads[i], NULL, listen_to, &listeners[i]) != 0)
			return 1;
	for (i = 0; i < LINES; i++) {
		n = snprintf(line, 64, "request %d%s\n", i, i % 100 == 7 ? ": error" : "");
		if (bell_pipe_write(log, line, (size_t)n, -1) != n) /* -1: waits for the slowest */
			return 1;
	}
	bell_pipe_free(log); /* the end; what was written is still read */
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%u lines kept, %u errors\n", listeners[0].count, listeners[1].count);
	fclose(listeners[0].copy);
	return listeners[0].count == LINES && listeners[1].count == LINES / 100 ? 0 : 1;
}
