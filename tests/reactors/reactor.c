/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "reactor.h"
#include "runner.h"

void *reactor_attach(const struct reactor *r, void *loop, struct bell_queue *q, size_t budget,
	bell_token_fn fn, void *userdata)
{
	void *bell = r->size ? malloc(r->size) : NULL;

	ck_assert(bell || !r->size);
	ck_assert_int_eq(r->attach(loop, bell, q, budget, fn, userdata), 0);
	return bell;
}

void reactor_detach(const struct reactor *r, void *loop, void *bell)
{
	ck_assert_int_eq(r->detach(loop, bell), 0);
	(r->let_go ? r->let_go : free)(bell);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "scenario";
	struct reactor r;

	memset(&r, 0, sizeof(r));
	reactor_of(mode, &r);
	if (r.more && strcmp(what, "more") == 0)
		return r.more(mode);
	if (strcmp(what, "contract") == 0)
		return contract_main(&r, mode);
	return scenario_main(&r, mode, strcmp(what, "latency") == 0);
}
