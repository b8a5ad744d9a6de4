/* SPDX-License-Identifier: MIT */
#include <doorbell/base.h>

#define TEXT_(x) #x
#define TEXT(x)	 TEXT_(x)

const char *bell_version(void)
{
	return TEXT(BELL_VERSION_MAJOR) "." TEXT(BELL_VERSION_MINOR) "." TEXT(BELL_VERSION_PATCH);
}
