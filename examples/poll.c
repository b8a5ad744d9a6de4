/* SPDX-License-Identifier: MIT
 *
 * poll.c: signals in a poll(2) loop, without the self-pipe trick. A handler says which signal came, the
 * loop does the work: a notify is signal-safe. Here an alarm ticks, a child ends, and at last SIGTERM
 * comes. Level-triggered and without an adapter: the three calls are fd, poll and arm.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doorbell.h>

enum { SIGNALS = 64 };

static struct bell_queue *signals; /* the token is the signal */
static int ticks, child_status = -1, done;

static void on_signal(int number)
{
	bell_queue_notify(signals, (uint32_t)number); /* twice before the loop looks is once */
}

static void handle(uint32_t number)
{
	int status;

	switch (number) {
	case SIGALRM:
		printf("tick %d\n", ++ticks);
		if (ticks == 5)
			kill(getpid(), SIGTERM);
		break;
	case SIGCHLD:
		while (waitpid(-1, &status, WNOHANG) > 0)
			child_status = WEXITSTATUS(status);
		printf("the child said %d\n", child_status);
		break;
	case SIGTERM:
		printf("good bye\n");
		done = 1;
	}
}

int main(void)
{
	const struct itimerval every = {{0, 20000}, {0, 20000}};
	struct sigaction action = {.sa_handler = on_signal};
	struct pollfd fds[1]; /* and your sockets */
	uint32_t tokens[8];
	size_t n, i;

	if (bell_queue_new(&signals, SIGNALS, 0) < 0)
		return 1;
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (fork() == 0)
		_exit(42);
	setitimer(ITIMER_REAL, &every, NULL);

	fds[0] = (struct pollfd){.fd = bell_queue_fd(signals), .events = POLLIN};
	while (!done) {
		if (poll(fds, 1, -1) <= 0)
			continue; /* EINTR: the bell has rung */
		do {
			while ((n = bell_queue_poll(signals, tokens, 8)) > 0)
				for (i = 0; i < n; i++)
					handle(tokens[i]);
		} while (bell_queue_arm(signals) == 0); /* 1: asleep until the next */
	}
	/* No unref while a handler may still notify: the process ends here. */
	return ticks >= 5 && child_status == 42 ? 0 : 1;
}
