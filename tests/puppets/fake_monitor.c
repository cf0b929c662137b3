/*
 * fake_monitor.c - stands where moult-monitor should be and does what a script tells it.
 *
 * room: tests; started by libmoult or by `moult run` as if it were the real one.
 * distrusts: nothing; the script is the test's own.
 *
 * The script is the file given with -f, because a monitor's environment is not the test's. One
 * command a line:
 *	say TEXT      TEXT and a newline to the event pipe
 *	bytes N       N bytes without a newline
 *	binary        a line that is not text
 *	flood         good lines for ever, as fast as they are read
 *	note FILE     its pid, appended to FILE as a line
 *	facts FILE    what it was started with
 *	deaf          ignore SIGTERM
 *	polite CODE   exit with CODE at SIGTERM
 *	close         close the event pipe
 *	sleep MS, pause, exit CODE, die SIGNAL
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_LINE_MAX 512

extern char **environ;

static volatile sig_atomic_t term_code; /* what a signal handler can reach */

static void
on_term(int sig)
{
	(void)sig;
	_exit(term_code);
}

static void
write_all(int fd, const char *data, size_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	while (fd != -1 && len > 0) { /* plain `moult run` gives no pipe */
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EAGAIN) {
			poll(&pfd, 1, -1);
			continue;
		}
		if (n == -1)
			exit(0); /* the daemon's end is closed */
		data += n;
		len -= (size_t)n;
	}
}

static void
say(int fd, const char *text)
{
	char line[SCRIPT_LINE_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	write_all(fd, line, (size_t)n);
}

static void
say_bytes(int fd, int count)
{
	while (count-- > 0)
		write_all(fd, "x", 1);
}

static void
note(const char *path)
{
	FILE *fp = fopen(path, "ae");

	if (fp == NULL)
		err(71, "%s", path);
	fprintf(fp, "%ld\n", (long)getpid());
	fclose(fp);
}

static void
list_fds(FILE *fp)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (dir == NULL)
		err(71, "/proc/self/fd");
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir) &&
		    atoi(entry->d_name) != fileno(fp))
			fprintf(fp, "fd %s\n", entry->d_name);
	closedir(dir);
}

static void
facts(const char *path, int argc, char *argv[])
{
	FILE *fp = fopen(path, "we");
	sigset_t mask;
	int i;

	if (fp == NULL)
		err(71, "%s", path);
	for (i = 0; i < argc; i++)
		fprintf(fp, "arg %s\n", argv[i]);
	for (i = 0; environ[i] != NULL; i++)
		fprintf(fp, "env %s\n", environ[i]);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (i = 1; i < NSIG; i++) {
		struct sigaction sa;

		if (sigismember(&mask, i) == 1)
			fprintf(fp, "blocked %d\n", i);
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			fprintf(fp, "ignored %d\n", i);
	}
	fprintf(fp, "leader %s\n", getpgrp() == getpid() ? "yes" : "no");
	list_fds(fp);
	fclose(fp);
}

static void
at_term(void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sigaction(SIGTERM, &sa, NULL);
}

static void
obey(char *line, int fd, int argc, char *argv[])
{
	char *rest = line;
	char *verb = strsep(&rest, " ");
	int number = rest != NULL ? atoi(rest) : 0;

	if (strcmp(verb, "say") == 0)
		say(fd, rest);
	else if (strcmp(verb, "bytes") == 0)
		say_bytes(fd, number);
	else if (strcmp(verb, "binary") == 0)
		say(fd, "status checking \001\377 -");
	else if (strcmp(verb, "flood") == 0)
		for (;;)
			say(fd, "status checking 0 -");
	else if (strcmp(verb, "note") == 0)
		note(rest);
	else if (strcmp(verb, "facts") == 0)
		facts(rest, argc, argv);
	else if (strcmp(verb, "deaf") == 0)
		at_term(SIG_IGN);
	else if (strcmp(verb, "polite") == 0) {
		term_code = number;
		at_term(on_term);
	} else if (strcmp(verb, "close") == 0)
		close(fd);
	else if (strcmp(verb, "sleep") == 0)
		poll(NULL, 0, number);
	else if (strcmp(verb, "pause") == 0)
		for (;;)
			pause();
	else if (strcmp(verb, "exit") == 0)
		_exit(number);
	else if (strcmp(verb, "die") == 0)
		kill(getpid(), number);
	else
		errx(70, "unknown command in the script: %s", verb);
}

int
main(int argc, char *argv[])
{
	char line[SCRIPT_LINE_MAX];
	const char *script = NULL;
	FILE *fp;
	int opt, fd = -1;

	while ((opt = getopt(argc, argv, "f:e:")) != -1) {
		if (opt == 'f')
			script = optarg;
		else if (opt == 'e')
			fd = atoi(optarg);
		else
			return 64;
	}
	if (script == NULL || (fp = fopen(script, "re")) == NULL)
		err(78, "%s", script != NULL ? script : "-f");
	while (fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0')
			obey(line, fd, argc, argv);
	}
	fclose(fp);
	return 0;
}
