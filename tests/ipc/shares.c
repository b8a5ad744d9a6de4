/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ipc/layout.h"
#include "shares.h"

char shares_dir[64];

/* In a directory of our own, for a watch is woken by deletions beside the one that it watches. */
#define BELOW "/names"

static void make_dir(void)
{
	strcpy(shares_dir, P_tmpdir "/doorbell.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(shares_dir));
	ck_assert_int_eq(chmod(shares_dir, 0755), 0); /* other users pass through */
	strcat(shares_dir, BELOW);
	ck_assert_int_eq(mkdir(shares_dir, 0700), 0);
}

static int each_name(bool remove)
{
	DIR *dir = opendir(shares_dir);
	struct dirent *e;
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (remove)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
	return n;
}

int shares_names(void)
{
	return each_name(false);
}

static void remove_dir(void)
{
	each_name(true);
	rmdir(shares_dir);
	shares_dir[strlen(shares_dir) - strlen(BELOW)] = '\0';
	rmdir(shares_dir);
}

TCase *shares_case(Suite *s, const char *name, double timeout)
{
	TCase *tc = runner_case(s, name, timeout);

	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	return tc;
}

struct bell_share *share_of(const char *name, const struct bell_share_options *options)
{
	struct bell_share *s = NULL;

	ck_assert_int_eq(bell_share_new(&s, shares_dir, name, options), 0);
	return s;
}

struct bell_share_stats share_stats_of(const struct bell_share *s)
{
	struct bell_share_stats stats;

	bell_share_stats(s, &stats);
	return stats;
}

/* -- peers ----------------------------------------------------------------------------------- */

struct connecting {
	const char *name;
	int64_t timeout;
	struct bell_peer *peer;
	int result;
	uint32_t done;
};

static void *connect_thread(void *userdata)
{
	struct connecting *c = userdata;

	c->result = bell_peer_connect(&c->peer, shares_dir, c->name, c->timeout);
	bell_store_release(&c->done, 1);
	return NULL;
}

struct bell_peer *peer_of(struct bell_share *s, const char *name, uint64_t *ret_id)
{
	struct connecting c = {.name = name, .timeout = PATIENCE};
	struct bell_share_event event;
	pthread_t thread = spawn(connect_thread, &c);

	event = next_event(s);
	join(thread);
	ck_assert_int_eq(c.result, 0);
	ck_assert_uint_eq(event.kind, BELL_SHARE_JOINED);
	ck_assert_int_eq(event.pid, getpid());
	ck_assert_uint_eq(event.uid, getuid());
	if (ret_id)
		*ret_id = event.peer;
	return c.peer;
}

int refused(struct bell_share *s, const char *name, int64_t timeout_ns)
{
	struct connecting c = {.name = name, .timeout = timeout_ns};
	pthread_t thread = spawn(connect_thread, &c);
	struct bell_share_event event;

	while (!bell_load_acquire(&c.done))
		ck_assert_int_eq(bell_share_wait(s, &event, 1, SECOND / 1000), -ETIMEDOUT);
	join(thread);
	ck_assert_ptr_null(c.peer);
	return c.result;
}

struct bell_share_event next_event(struct bell_share *s)
{
	struct bell_share_event event;

	ck_assert_int_eq(bell_share_wait(s, &event, 1, PATIENCE), 1);
	return event;
}

void expect_token(struct bell_share *s, uint64_t peer, uint32_t token)
{
	struct bell_share_event event = next_event(s);

	ck_assert_uint_eq(event.kind, BELL_SHARE_TOKEN);
	ck_assert_uint_eq(event.peer, peer);
	ck_assert_uint_eq(event.token, token);
	ck_assert_int_eq(event.reason, 0);
}

struct bell_share_event expect_left(struct bell_share *s, uint64_t peer, int reason)
{
	struct bell_share_event event = next_event(s);

	ck_assert_uint_eq(event.kind, BELL_SHARE_LEFT);
	ck_assert_uint_eq(event.peer, peer);
	ck_assert_int_eq(event.reason, reason);
	return event;
}

void expect_silence(struct bell_share *s)
{
	struct bell_share_event event;
	int turns = 100;

	do {
		ck_assert_int_eq(bell_share_poll(s, &event, 1), 0);
		ck_assert_int_gt(turns--, 0);
	} while (bell_share_arm(s) == 0);
	ck_assert(!fd_readable(bell_share_fd(s)));
}

/* -- processes ------------------------------------------------------------------------------- */

pid_t child_of(int (*fn)(void *arg), void *arg)
{
	const pid_t parent = getpid();
	pid_t child;

	fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(98);
		_exit(fn(arg));
	}
	return child;
}

int child_end(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct bell_peer *child_connect(const char *name)
{
	struct bell_peer *p;

	if (bell_peer_connect(&p, shares_dir, name, PATIENCE) != 0)
		_exit(99);
	return p;
}

/* -- strangers ------------------------------------------------------------------------------- */

static void must(bool condition)
{
	if (!condition)
		abort();
}

int raw_dial(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", shares_dir, name) <
		(int)sizeof(address.sun_path));
	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

struct raw raw_connect(const char *name)
{
	struct raw r = {.fd = raw_dial(name), .memory = -1, .bell = -1};
	struct bell__hello hello;
	struct iovec text = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cmsghdr *c;
	struct stat st;
	int fds[2];

	must(recvmsg(r.fd, &message, MSG_CMSG_CLOEXEC) == sizeof(hello));
	r.error = hello.error;
	if (r.error)
		return r;
	c = CMSG_FIRSTHDR(&message);
	if (!c) /* not by must(), for the compiler */
		abort();
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	r.memory = fds[0];
	r.bell = fds[1];
	must(fstat(r.memory, &st) == 0);
	r.size = (size_t)st.st_size;
	r.map = mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, r.memory, 0);
	must(r.map != MAP_FAILED);
	return r;
}

void raw_close(struct raw *r)
{
	if (r->map)
		munmap(r->map, r->size);
	if (r->memory >= 0)
		close(r->memory);
	if (r->bell >= 0)
		close(r->bell);
	close(r->fd);
}

struct bell_watch *watch_of(void)
{
	struct bell_watch *w = NULL;

	ck_assert_int_eq(bell_watch_new(&w, shares_dir), 0);
	return w;
}

void expect_quiet(struct bell_watch *w)
{
	struct bell_watch_event e;
	int turns = 100;

	do {
		ck_assert_int_eq(bell_watch_next(w, &e), 0);
		ck_assert_int_gt(turns--, 0);
	} while (fd_readable(bell_watch_fd(w)));
}
