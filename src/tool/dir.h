/* SPDX-License-Identifier: MIT
 *
 * dir.h: the directory of names that a command uses if it is given none.
 */
#ifndef TOOL_DIR_H
#define TOOL_DIR_H

#include <stddef.h>

/* The directory: given, or, if that is NULL, doorbell in $XDG_RUNTIME_DIR, or /run/doorbell. 0, or an exit
 * status after a complaint: it is too long. */
int tool_dir(const char *given, char *ret, size_t size);

/* Make it, for this user alone, if it is missing. 0, or an exit status after a complaint. */
int tool_dir_make(const char *dir);

#endif
