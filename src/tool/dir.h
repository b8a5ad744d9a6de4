/* SPDX-License-Identifier: MIT
 *
 * dir.h: the directory of names that commands use when they are not given one.
 */
#ifndef TOOL_DIR_H
#define TOOL_DIR_H

#include <stddef.h>

/* given, or $XDG_RUNTIME_DIR/doorbell, or /run/doorbell. 0, or an exit status after a complaint. */
int tool_dir(const char *given, char *ret, size_t size);

/* Make its last component, for nobody but this user, if it is missing. 0, or an exit status. */
int tool_dir_make(const char *dir);

#endif
