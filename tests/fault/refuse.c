/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "helpers.h"
#include "refuse.h"

bool refuse_probe(void)
{
	/* Without a program: EFAULT where filters are known. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno == EFAULT)
		return true;
	printf("1..0 # SKIP no seccomp filters here: %s\n", strerror(errno));
	return false;
}

static int install(long number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0;
}

void refuse(long number, int error)
{
	ck_assert_int_eq(install(number, error), 0);
}

struct refused {
	long number;
	int error, failed;
	void (*fn)(void *);
	void *userdata;
};

static void *run(void *userdata)
{
	struct refused *r = userdata;

	r->failed = install(r->number, r->error);
	if (!r->failed)
		r->fn(r->userdata);
	return NULL;
}

void refuse_during(long number, int error, void (*fn)(void *), void *userdata)
{
	struct refused r = {.number = number, .error = error, .fn = fn, .userdata = userdata};

	join(spawn(run, &r));
	ck_assert_int_eq(r.failed, 0);
}
