/* SPDX-License-Identifier: MIT
 *
 * append.c: one process blocks in a read, another appends, and the reader wakes.
 *
 *	append read DIR			in one shell, or in several: prints what is appended, waits for more
 *	append write DIR one two	in another: waits for a reader, and appends its words
 *
 * Without arguments it is both, in a directory of its own: the child blocks, the parent appends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

/* Returns how many bytes came before the end of file, or what went wrong. */
static ssize_t read_all(const char *dir)
{
	struct bell_share_reader *r;
	char buf[4096];
	ssize_t total = 0, n = bell_share_reader_connect(&r, dir, "lines", -1); /* waits for a writer */

	if (n < 0)
		return n;
	while ((n = bell_share_reader_wait(r, buf, sizeof(buf), -1)) > 0) { /* blocks */
		fwrite(buf, 1, (size_t)n, stdout);
		fflush(stdout);
		total += n;
	}
	bell_share_reader_free(r);
	return n < 0 ? n : total;
}

static ssize_t write_all(const char *dir, int argc, char **argv)
{
	struct bell_share_pipe *p;
	ssize_t n = bell_share_pipe_new(&p, dir, "lines", NULL, NULL), total = 0;
	int i;

	if (n < 0)
		return n;
	while (bell_share_pipe_serve(p) == 0) { /* nobody has come yet */
		struct pollfd news = {.fd = bell_share_pipe_fd(p), .events = POLLIN};

		if (bell_share_pipe_arm(p, 0) == 1)
			poll(&news, 1, -1);
	}
	for (i = 0; i < argc && n >= 0; i++) {
		n = bell_share_pipe_write(p, argv[i], strlen(argv[i]), -1); /* who sleeps, wakes */
		total += n;
	}
	bell_share_pipe_free(p); /* the end of the file, after all data */
	return n < 0 ? n : total;
}

int main(int argc, char **argv)
{
	char own[] = "append.XXXXXX", *words[] = {"hello\n", "world\n"}; /* in this directory */
	const char *dir = argc > 2 ? argv[2] : mkdtemp(own);
	int reads = argc > 2 && strcmp(argv[1], "read") == 0, status = 0;
	ssize_t n;

	if (argc < 3 && fork() == 0)
		return read_all(dir) != 12;
	n = reads ? read_all(dir) : argc > 2 ? write_all(dir, argc - 3, argv + 3)
					     : write_all(dir, 2, words);
	if (n < 0)
		fprintf(stderr, "%s\n", strerror((int)-n));
	if (argc < 3)
		n = wait(&status) < 0 || status || rmdir(own) < 0 ? -1 : n;
	return n < 0;
}
