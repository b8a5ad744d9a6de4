/* SPDX-License-Identifier: MIT
 *
 * tool.h: what the commands of doorbell(1) share. A command returns the exit status: 0, 1 if it failed,
 * 2 if it was called in a wrong way, 128 + signal if a signal ended it.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdint.h>

enum { TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_TIMEOUT = 124 /* as timeout(1) has it */ };

/* One sentence on stderr, after the name of the program. Returns TOOL_FAILED. */
__attribute__((format(printf, 1, 2))) int tool_complain(const char *format, ...);

/* The value of an option: a number from 1 to max. 0, or an exit status after a complaint. */
int tool_parse_number(const char *option, const char *text, uint32_t max, uint32_t *ret_n);

/* argv[0] is the name of the command. */
int tool_demo(int argc, char **argv);
int tool_pipe(int argc, char **argv);
int tool_offer(int argc, char **argv);
int tool_notify(int argc, char **argv);
int tool_wait(int argc, char **argv);
int tool_ls(int argc, char **argv);
int tool_stat(int argc, char **argv);

#endif
