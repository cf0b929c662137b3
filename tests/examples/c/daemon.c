/*
 * daemon.c - a small daemon that updates itself, with libmoult inside.
 *
 * room: tests: an example of a user's own program.
 * distrusts: the clients of its socket: it reads nothing from them.
 *
 * Whoever connects to its Unix socket gets its version and a newline. It ends in order: with 0 at
 * SIGTERM or SIGINT, with 42 when an update is installed.
 *
 *	daemon [-f moult.conf] [-m moult-monitor] SOCKET
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <moult.h>

static int
listen_at(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		err(1, "socket");
	if (strlen(path) >= sizeof(sun.sun_path))
		errx(1, "%s: longer than a socket's path may be", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	unlink(path); /* of an earlier life that did not end in order */
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1 || listen(fd, 16) == -1)
		err(1, "%s", path);
	return fd;
}

static int
take_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if ((fd = signalfd(-1, &set, SFD_CLOEXEC)) == -1)
		err(1, "signalfd");
	return fd;
}

static void
answer(int listener)
{
	static const char version[] = DAEMON_VERSION "\n";
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd == -1)
		return;
	send(fd, version, sizeof(version) - 1, MSG_NOSIGNAL);
	close(fd);
}

/* True when it is time to end with 42. */
static bool
look_at_updates(struct moult *m)
{
	struct moult_event ev;

	while (moult_next(m, &ev) == 1) {
		if (ev.type == MOULT_RESTART)
			return true;
		if (ev.type == MOULT_STATUS)
			printf("update: %s %d %% %s\n", ev.text, ev.percent, ev.version);
		else
			printf("update: the monitor ended with %d\n", ev.status);
	}
	return false;
}

/* Serves until it is to end; returns the exit status. */
static int
serve(int listener, int signals, struct moult *m)
{
	struct pollfd pfd[] = {
	    {.fd = listener, .events = POLLIN},
	    {.fd = signals, .events = POLLIN},
	    {.fd = moult_fd(m), .events = POLLIN},
	};

	for (;;) {
		if (poll(pfd, 3, -1) == -1 && errno != EINTR)
			err(1, "poll");
		if (pfd[0].revents != 0)
			answer(listener);
		if (pfd[1].revents != 0)
			return 0;
		if (pfd[2].revents != 0 && look_at_updates(m))
			return MOULT_EXIT_RESTART;
	}
}

int
main(int argc, char *argv[])
{
	struct moult_options options = {.size = sizeof(options)};
	struct moult *m;
	int opt, listener, signals, status;

	while ((opt = getopt(argc, argv, "f:m:")) != -1) {
		if (opt == 'f')
			options.config = optarg;
		else if (opt == 'm')
			options.monitor = optarg;
		else
			return 64;
	}
	if (optind + 1 != argc)
		errx(64, "usage: daemon [-f moult.conf] [-m moult-monitor] SOCKET");
	setvbuf(stdout, NULL, _IOLBF, 0);
	signals = take_signals();
	listener = listen_at(argv[optind]);
	if (moult_start(&m, &options) == -1) {
		warn("no updates: moult-monitor");
		m = NULL; /* moult_fd(NULL) is -1, which poll(2) passes over */
	}
	printf("daemon %s: serving\n", DAEMON_VERSION);
	status = serve(listener, signals, m);
	unlink(argv[optind]);
	moult_stop(m);
	printf("daemon %s: ends with %d\n", DAEMON_VERSION, status);
	return status;
}
