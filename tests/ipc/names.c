/* SPDX-License-Identifier: MIT
 *
 * What a share may be called, where it may be, and whose a name is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shares.h"

START_TEST(a_name_is_short_and_plain_and_no_path)
{
	static const char *const bad[] = {"", ".", "..", ".x", "a/b", "../a", "/a", "a\nb", "a\177",
		"\1", "12345678901234567890123456789012345678901234567890123456789012345"};
	struct bell_share *s = NULL;
	struct bell_peer *p = NULL;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(bell_share_new(&s, shares_dir, bad[i], NULL), -EINVAL);
		ck_assert_int_eq(bell_peer_connect(&p, shares_dir, bad[i], 0), -EINVAL);
	}
	ck_assert_ptr_null(s);
	ck_assert_ptr_null(p);
	bell_share_free(share_of("a b-c.d_e,\xc3\xa4", NULL));
	bell_share_free(
		share_of("1234567890123456789012345678901234567890123456789012345678901234", NULL));
	ck_assert_int_eq(shares_names(), 0);
}

START_TEST(options_are_checked_and_nothing_is_left_of_a_refusal)
{
	const struct bell_share_options bad[] = {{.capacity = BELL_SHARE_CAPACITY_MAX + 1},
		{.max_peers = BELL_SHARE_PEERS_MAX + 1}, {.who = BELL_SHARE_ANYBODY + 1},
		{.mode = 01000},
		{.max_observers = BELL_SHARE_OBSERVERS_MAX + 1}, {.reserved = {0, 1}}};
	struct bell_share *s = NULL;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(bell_share_new(&s, shares_dir, "x", &bad[i]), -EINVAL);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(shares_names(), 0);
}

START_TEST(a_directory_that_strangers_may_write_to_is_refused_unless_it_is_sticky)
{
	struct bell_share *s = NULL;
	struct bell_peer *p = NULL;
	char missing[128];

	ck_assert_int_eq(chmod(shares_dir, 0777), 0);
	ck_assert_int_eq(bell_share_new(&s, shares_dir, "x", NULL), -EPERM);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", 0), -EPERM);
	ck_assert_int_eq(chmod(shares_dir, 0770), 0);
	ck_assert_int_eq(bell_share_new(&s, shares_dir, "x", NULL), -EPERM);
	ck_assert_int_eq(chmod(shares_dir, 01777), 0);
	s = share_of("x", NULL);
	bell_share_free(s);
	snprintf(missing, sizeof(missing), "%s/no", shares_dir);
	ck_assert_int_eq(bell_share_new(&s, missing, "x", NULL), -ENOENT);
	ck_assert_int_eq(bell_peer_connect(&p, missing, "x", 0), -ENOENT);
	ck_assert_ptr_null(p);
}

START_TEST(a_name_has_one_living_owner_and_goes_with_it)
{
	struct bell_share *s = share_of("x", NULL), *second = NULL;
	struct bell_share_event event;

	ck_assert_int_eq(shares_names(), 1);
	ck_assert_int_eq(bell_share_new(&second, shares_dir, "x", NULL), -EADDRINUSE);
	ck_assert_int_eq(bell_share_poll(s, &event, 1), 0); /* and the first has not been disturbed */
	ck_assert_uint_eq(share_stats_of(s).joined, 0);
	bell_share_free(s);
	ck_assert_int_eq(shares_names(), 0);
	bell_share_free(share_of("x", NULL));
}

static int offer_and_die(void *arg)
{
	struct bell_share *s;

	(void)arg;
	if (bell_share_new(&s, shares_dir, "x", NULL) < 0)
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

START_TEST(a_name_that_a_dead_receiver_left_is_nobody_and_is_taken_over)
{
	struct bell_peer *p = NULL;
	struct bell_share *s;

	ck_assert_int_eq(child_end(child_of(offer_and_die, NULL)), 128 + SIGKILL);
	ck_assert_int_eq(shares_names(), 1);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", 0), -ENOENT);
	s = share_of("x", NULL);
	bell_peer_free(peer_of(s, "x", NULL));
	bell_share_free(s);
	ck_assert_int_eq(shares_names(), 0);
}

START_TEST(somebodys_file_is_not_taken_for_a_name)
{
	char path[128], text[8] = "";
	struct bell_share *s = NULL;
	struct bell_peer *p = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/x", shares_dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, "mine", 4), 4);
	ck_assert_int_eq(bell_share_new(&s, shares_dir, "x", NULL), -EADDRINUSE);
	ck_assert_int_eq(bell_peer_connect(&p, shares_dir, "x", 0), -ENOENT);
	ck_assert_int_eq(pread(fd, text, sizeof(text), 0), 4);
	ck_assert_str_eq(text, "mine");
	close(fd);
}

START_TEST(a_share_that_lost_its_name_leaves_that_of_its_successor_alone)
{
	struct bell_share *s = share_of("x", NULL), *second;
	char path[128];

	snprintf(path, sizeof(path), "%s/x", shares_dir);
	ck_assert_int_eq(unlink(path), 0);
	second = share_of("x", NULL);
	bell_share_free(s);
	ck_assert_int_eq(shares_names(), 1);
	bell_peer_free(peer_of(second, "x", NULL));
	bell_share_free(second);
	ck_assert_int_eq(shares_names(), 0);
}

START_TEST(a_path_may_be_longer_than_a_sockets_address)
{
	char path[400], *end;
	struct bell_share *s = NULL;
	struct bell_peer *p = NULL;
	int i;

	end = path + snprintf(path, sizeof(path), "%s", shares_dir);
	for (i = 0; i < 4; i++) {
		end += snprintf(end, (size_t)(path + sizeof(path) - end), "/%060d", i);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	ck_assert_int_eq(bell_share_new(&s, path, "x", NULL), 0);
	ck_assert_int_eq(bell_peer_connect(&p, path, "x", SECOND / 100), -ETIMEDOUT); /* nobody polls */
	bell_share_free(s);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(rmdir(path), 0);
		*strrchr(path, '/') = '\0';
	}
}

int main(void)
{
	Suite *s = suite_create("ipc names");
	TCase *tc = shares_case(s, "names", 60);

	tcase_add_test(tc, a_name_is_short_and_plain_and_no_path);
	tcase_add_test(tc, options_are_checked_and_nothing_is_left_of_a_refusal);
	tcase_add_test(tc, a_directory_that_strangers_may_write_to_is_refused_unless_it_is_sticky);
	tcase_add_test(tc, a_name_has_one_living_owner_and_goes_with_it);
	tcase_add_test(tc, a_name_that_a_dead_receiver_left_is_nobody_and_is_taken_over);
	tcase_add_test(tc, somebodys_file_is_not_taken_for_a_name);
	tcase_add_test(tc, a_share_that_lost_its_name_leaves_that_of_its_successor_alone);
	tcase_add_test(tc, a_path_may_be_longer_than_a_sockets_address);
	return runner_run(s);
}
