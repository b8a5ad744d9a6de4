/* SPDX-License-Identifier: MIT
 *
 * dir.c: see dir.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dir.h"
#include "tool.h"

int tool_dir(const char *given, char *ret, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (given)
		n = snprintf(ret, size, "%s", given);
	else if (runtime && runtime[0] == '/')
		n = snprintf(ret, size, "%s/doorbell", runtime);
	else
		n = snprintf(ret, size, "/run/doorbell");
	if (n < 0 || (size_t)n >= size)
		return tool_complain("the name of the directory is too long.");
	return 0;
}

int tool_dir_make(const char *dir)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return tool_complain("cannot make the directory %s: %s.", dir, strerror(errno));
	return 0;
}
