/* SPDX-License-Identifier: MIT
 *
 * A pipe between processes at its limits: options, readers, descriptors; and whom it is not for: peers
 * of a share, a forked child, a reader that would write.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "share_pipes.h"

START_TEST(options_that_cannot_be_are_refused)
{
	const struct bell_pipe_options bad[] = {{.policy = BELL_PIPE_GROW}, {.policy = 3},
		{.max_readers = BELL_PIPE_MAX_READERS + 1}, {.capacity = BELL_PIPE_SIZE_MAX + 1}};
	const struct bell_share_options wrong[] = {
		{.capacity = 2}, {.max_peers = 2}, {.mode = 01777}};
	struct bell_share_pipe *p = NULL;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(bell_share_pipe_new(&p, shares_dir, "x", &bad[i], NULL), -EINVAL);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(
			bell_share_pipe_new(&p, shares_dir, "x", NULL, &wrong[i]), -EINVAL);
	ck_assert_int_eq(bell_share_pipe_new(&p, shares_dir, "a/b", NULL, NULL), -EINVAL);
	ck_assert_ptr_null(p);
	ck_assert_int_eq(bell_share_pipe_new(&p, shares_dir, "x", NULL, NULL), 0);
	ck_assert_uint_eq(pipe_stats_of(p).memory, BELL_PIPE_CAPACITY_DEFAULT);
	ck_assert_ptr_null(bell_share_pipe_free(p));
	ck_assert_ptr_null(bell_share_pipe_free(NULL));
	ck_assert_ptr_null(bell_share_reader_free(NULL));
	ck_assert_int_eq(shares_names(), 0);
}

START_TEST(there_are_no_more_readers_than_there_may_be)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r[4];
	int i;

	for (i = 0; i < 4; i++)
		r[i] = reader_of(p);
	ck_assert_int_eq(reader_refused(p), -EUSERS);
	ck_assert_uint_eq(pipe_stats_of(p).share.full, 1);
	bell_share_reader_free(r[0]);
	serve_until(p, 3);
	r[0] = reader_of(p);
	for (i = 0; i < 4; i++)
		bell_share_reader_free(r[i]);
	bell_share_pipe_free(p);
}

/* Each asks for the other's name. 0: it was told -EPROTO. */
static int connect_as_peer(void *arg)
{
	struct bell_peer *p;

	(void)arg;
	return bell_peer_connect(&p, shares_dir, "x", PATIENCE) != -EPROTO;
}

static int connect_as_reader(void *arg)
{
	struct bell_share_reader *r;

	(void)arg;
	return bell_share_reader_connect(&r, shares_dir, "x", PATIENCE) != -EPROTO;
}

START_TEST(a_peer_is_no_reader_and_a_reader_no_peer)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share *s;
	pid_t child = child_of(connect_as_peer, NULL);

	while (pipe_stats_of(p).share.joined == 0)
		bell_share_pipe_serve(p);
	ck_assert_int_eq(child_end(child), 0);
	serve_until(p, 0);
	put(p, "x"); /* that was no reader */
	bell_share_pipe_free(p);
	s = share_of("x", &(struct bell_share_options){.capacity = 1});
	child = child_of(connect_as_reader, NULL);
	ck_assert_uint_eq(next_event(s).kind, BELL_SHARE_JOINED);
	ck_assert_int_eq(child_end(child), 0);
	bell_share_free(s);
}

/* The reader's mapping of the stream, as /proc/self/maps has it. */
static void *mapping_of_reader(size_t *ret_size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long from, to;
	void *found = NULL;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "memfd:doorbell-pipe") || !strstr(line, " r--s "))
			continue;
		ck_assert_int_eq(sscanf(line, "%lx-%lx", &from, &to), 2);
		found = (void *)from;
		*ret_size = to - from;
	}
	fclose(maps);
	return found;
}

START_TEST(a_reader_cannot_write_to_the_stream)
{
	struct bell_share_pipe *p = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r = reader_of(p);
	size_t size = 0;
	void *at = mapping_of_reader(&size);

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(mprotect(at, size, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

static struct bell_share_pipe *its_pipe;
static struct bell_share_reader *its_reader;

static int free_both(void *arg)
{
	(void)arg;
	bell_share_reader_free(its_reader);
	bell_share_pipe_free(its_pipe);
	return 0;
}

START_TEST(a_forked_child_that_frees_leaves_the_parents_alone)
{
	struct bell_share_pipe *p = its_pipe = pipe_of(BELL_PIPE_BLOCK, 8);
	struct bell_share_reader *r = its_reader = reader_of(p);

	put(p, "a");
	ck_assert_int_eq(child_end(child_of(free_both, NULL)), 0);
	ck_assert_int_eq(bell_share_pipe_serve(p), 1);
	expect_read(r, 8, "a");
	lull(r);
	put(p, "b");
	expect_read(r, 8, "b");
	bell_share_reader_free(r);
	bell_share_pipe_free(p);
}

/* Leaves n descriptors below 60 free, and the standard ones; for a child. */
static void leave_descriptors(int n)
{
	const struct rlimit limit = {.rlim_cur = 60, .rlim_max = 60};
	int fd;

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(3);
	for (fd = 3; fd < 60; fd++)
		close(fd);
	while (dup(0) >= 0)
		;
	for (fd = 59; n > 0; n--)
		close(fd--);
}

/* How many descriptors the pipe needed, at the least. */
static int try_with_few(void *arg)
{
	struct bell_share_pipe *p;
	int n, free_now, r = -EMFILE;

	(void)arg;
	for (n = 0; n < 20; n++) {
		leave_descriptors(n);
		r = bell_share_pipe_new(&p, shares_dir, "x", NULL, NULL);
		if (r != -EMFILE)
			break;
		for (free_now = 0; dup(0) >= 0; free_now++)
			;
		if (free_now != n)
			return 100; /* something was kept */
	}
	return r == 0 ? n : 101;
}

START_TEST(without_descriptors_nothing_is_made_and_none_is_kept)
{
	/* Six, and one in passing. */
	ck_assert_int_eq(child_end(child_of(try_with_few, NULL)), 7);
	ck_assert_int_eq(shares_names(), 1); /* of the one that succeeded and ended */
}

int main(void)
{
	Suite *s = suite_create("ipc share pipe limits");
	TCase *tc = shares_case(s, "share pipe limits", 30);

	tcase_add_test(tc, options_that_cannot_be_are_refused);
	tcase_add_test(tc, there_are_no_more_readers_than_there_may_be);
	tcase_add_test(tc, a_peer_is_no_reader_and_a_reader_no_peer);
	tcase_add_test(tc, a_reader_cannot_write_to_the_stream);
	tcase_add_test(tc, a_forked_child_that_frees_leaves_the_parents_alone);
	tcase_add_test(tc, without_descriptors_nothing_is_made_and_none_is_kept);
	return runner_run(s);
}
