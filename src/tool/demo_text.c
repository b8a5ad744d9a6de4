/* SPDX-License-Identifier: MIT
 *
 * demo_text.c: lines of files. The files are mapped and never copied, and no index of lines is kept,
 * so memory does not grow with them. A line is bytes, ended by a newline or the end of its file; one
 * longer than LINE_MAX_SIZE counts as several.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

/* Somebody made a mapped file shorter, and there is no way back into the thread that read it; or it is
 * Ctrl-C before the loop is there to hear of it, when nothing needs to be undone. */
static void on_signal(int signal)
{
	static const char shorter[] = "doorbell: a file became shorter while it was read.\n";
	static const char early[] = "doorbell: interrupted before the first line was sent.\n";

	if (signal == SIGBUS) {
		(void)!write(STDERR_FILENO, shorter, sizeof(shorter) - 1);
		_exit(TOOL_FAILED);
	}
	(void)!write(STDERR_FILENO, early, sizeof(early) - 1);
	_exit(128 + signal);
}

static int map(struct text_file *file, const char *name, int fd)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) < 0)
		return tool_complain("'%s': %s.", name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return tool_complain(
			"'%s' is a directory, and the demo wants regular files.", name);
	if (!S_ISREG(st.st_mode))
		return tool_complain("'%s' is not a regular file.", name);
	if (st.st_size == 0)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return tool_complain("'%s' cannot be mapped: %s.", name, strerror(errno));
	file->data = data;
	file->size = (size_t)st.st_size;
	return 0;
}

static int open_and_map(struct text_file *file, const char *name)
{
	/* O_NONBLOCK: a FIFO that nobody writes to is to be refused, not waited for. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), status;

	if (fd < 0)
		return tool_complain("'%s' cannot be opened: %s.", name, strerror(errno));
	status = map(file, name, fd);
	close(fd);
	return status;
}

int text_open(struct text *text, char *const *names, size_t n)
{
	struct cursor cursor = {.text = text};
	struct line line;
	size_t i;
	int status = 0;

	signal(SIGBUS, on_signal);
	signal(SIGINT, on_signal);
	*text = (struct text){.files = calloc(n, sizeof(*text->files)), .n_files = n};
	if (!text->files)
		return tool_complain("there is not enough memory.");
	for (i = 0; i < n && status == 0; i++)
		status = open_and_map(&text->files[i], names[i]);
	while (status == 0 && text_next(&cursor, &line))
		text->n_lines++;
	if (status == 0 && text->n_lines == 0)
		status = tool_complain("'%s' %s empty: there is no line to send.", names[0],
			n == 1 ? "is" : "and the other files are");
	if (status != 0)
		text_close(text);
	return status;
}

void text_close(struct text *text)
{
	size_t i;

	for (i = 0; i < text->n_files; i++)
		if (text->files[i].size)
			munmap((void *)(uintptr_t)text->files[i].data, text->files[i].size);
	free(text->files);
}

bool text_next(struct cursor *cursor, struct line *ret_line)
{
	const struct text_file *file;
	const char *start, *newline;
	size_t left, size;

	while (cursor->file < cursor->text->n_files &&
		cursor->offset == cursor->text->files[cursor->file].size) {
		cursor->file++;
		cursor->offset = 0;
	}
	if (cursor->file == cursor->text->n_files)
		return false;
	file = &cursor->text->files[cursor->file];
	start = file->data + cursor->offset;
	left = file->size - cursor->offset;
	size = left < LINE_MAX_SIZE ? left : LINE_MAX_SIZE;
	newline = memchr(start, '\n', left < LINE_MAX_SIZE + 1 ? left : LINE_MAX_SIZE + 1);
	if (newline)
		size = (size_t)(newline - start);
	cursor->offset += size + (newline != NULL);
	*ret_line = (struct line){.data = start, .size = (uint32_t)size};
	return true;
}
