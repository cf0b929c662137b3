/*
 * lying_monitor.c - stands where moult-monitor should be, and lies to the real executor.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * usage: lying_monitor EXECUTOR CONFIG STATE LIE PATIENCE_MS; lying_monitor list
 *
 * Starts the executor with the other end of a socketpair, brings it to the state by honest means,
 * prints "ready", waits for a line on standard input, and tells the lie. It prints
 * "said NAME" for each report that comes then; "lives" when the executor has not ended within the
 * patience, which then sees end of file; and "exit N" or "signal N". In the states RUNNING,
 * CLEARING and ABORTING it is "ready" when the executor has begun the first step: when it has come
 * so far as that is the test's to know. ABORTING begins with a second line: then stop is sent.
 *
 * Of its own it has the lies "stale", a run for a signal file that is not there, and
 * "stale_flood", many of them while no answer is read.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "conf.h"
#include "lies.h"

#define STAT_BYTES   1024
#define SIGNAL_BYTES 4096
#define WAIT_MS      30000
#define START_FIELD  22

struct scene {
	struct liar l;
	struct conf conf;
	pid_t executor;
};

static unsigned long long
own_start(void)
{
	char text[STAT_BYTES], *at;
	FILE *fp = fopen("/proc/self/stat", "re");
	size_t n = fp == NULL ? 0 : fread(text, 1, sizeof(text) - 1, fp);

	text[n] = '\0';
	if (fp == NULL || (at = strrchr(text, ')')) == NULL)
		errx(EX_OSERR, "/proc/self/stat");
	fclose(fp);
	for (int field = 2; field < START_FIELD && at != NULL; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static void
start(struct scene *s, const char *executor, const char *config)
{
	char daemon[64];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		err(EX_OSERR, "socketpair");
	snprintf(daemon, sizeof(daemon), "%ld:%llu", (long)getpid(), own_start());
	if ((s->executor = fork()) == -1)
		err(EX_OSERR, "fork");
	if (s->executor == 0) {
		int fd = fcntl(pair[1], F_DUPFD_CLOEXEC, WIRE_FD + 1);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
		    dup2(STDERR_FILENO, STDOUT_FILENO) == -1 || dup2(fd, WIRE_FD) == -1)
			_exit(EX_OSERR);
		execl(executor, "moult-executor", "-f", config, "-g", daemon, (char *)NULL);
		_exit(EX_UNAVAILABLE);
	}
	close(pair[1]);
	s->l = (struct liar){.fd = pair[0], .says = DOOR_REQUESTS};
}

/* The next report. False at its end, or when none comes within wait_ms (*late). */
static int
hear(struct scene *s, struct wire_message *m, int wait_ms, int *late)
{
	struct pollfd pfd = {.fd = s->l.fd, .events = POLLIN};

	*late = poll(&pfd, 1, wait_ms) != 1;
	return !*late && recv(s->l.fd, m, sizeof(*m), 0) > 0;
}

static void
await(struct scene *s, enum wire_type type)
{
	struct wire_message m;
	int late;

	while (hear(s, &m, WAIT_MS, &late)) {
		if (m.header.type == type)
			return;
		if (m.header.type == REP_FAILED || m.header.type == REP_HELD ||
		    m.header.type == REP_CHANGED)
			errx(EX_SOFTWARE, "the executor reports %s: %s",
			    wire_type_name(m.header.type),
			    m.header.type == REP_CHANGED ? "" : m.body.failure.detail);
	}
	errx(EX_SOFTWARE, "the executor does not report %s", wire_type_name(type));
}

/* An honest request for the signal file as it is; the zeroed identity when there is none. */
static struct wire_message
request(struct scene *s)
{
	struct wire_message m = message(&s->l, REQ_RUN);
	char content[SIGNAL_BYTES];
	size_t len;
	int fd = open(s->conf.signal, O_RDONLY | O_CLOEXEC);

	if (fd != -1 && file_identify(fd, content, sizeof(content), &len, &m.body.run.signal) == -1)
		err(EX_OSERR, "%s", s->conf.signal);
	close(fd);
	return m;
}

static void
await_line(void)
{
	char line[LIE_MAX];

	if (fgets(line, sizeof(line), stdin) == NULL)
		errx(EX_NOINPUT, "standard input has ended");
}

static void
reach(struct scene *s, const char *state)
{
	struct wire_message run;
	struct wire_message second;
	int late;

	await(s, REP_HELLO);
	if (!hear(s, &second, WAIT_MS, &late))
		errx(EX_SOFTWARE, "no second report");
	printf("found %s\n", wire_type_name(second.header.type));
	if (strcmp(state, "IDLE") != 0) {
		run = request(s);
		put_message(&s->l, &run);
		await(s, strcmp(state, "OWED") == 0 ? REP_DONE : REP_STEP);
	}
	printf("ready\n");
	await_line();
	if (strcmp(state, "ABORTING") == 0) {
		say(&s->l, REQ_STOP);
		await_line();
	}
}

static void
say_stale(struct scene *s, int times)
{
	struct wire_message m;

	while (times-- > 0) {
		m = message(&s->l, REQ_RUN);
		m.body.run.signal.ino = 1;
		if (!put_message(&s->l, &m))
			return;
	}
}

/* What comes behind the lie, until the executor has ended. */
static void
watch(struct scene *s, int patience_ms)
{
	struct wire_message m;
	int late, status;

	while (hear(s, &m, patience_ms, &late))
		printf("said %s\n", wire_type_name(m.header.type));
	if (late)
		printf("lives\n");
	close(s->l.fd);
	if (waitpid(s->executor, &status, 0) == -1)
		err(EX_OSERR, "waitpid");
	if (WIFEXITED(status))
		printf("exit %d\n", WEXITSTATUS(status));
	else
		printf("signal %d\n", WTERMSIG(status));
}

int
main(int argc, char *argv[])
{
	static struct scene s; /* large */
	struct wire_message right;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list_lies(DOOR_REQUESTS);
		return 0;
	}
	if (argc != 6)
		errx(EX_USAGE, "usage: lying_monitor EXECUTOR CONFIG STATE LIE PATIENCE_MS");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (conf_load(&s.conf, argv[2], conf_complain_to_log, NULL) != 0)
		return EX_CONFIG;
	start(&s, argv[1], argv[2]);
	reach(&s, argv[3]);
	right = request(&s);
	if (strcmp(argv[4], "stale") == 0)
		say_stale(&s, 1);
	else if (strcmp(argv[4], "stale_flood") == 0)
		say_stale(&s, FLOOD);
	else if (!tell(&s.l, argv[4], &right))
		errx(EX_USAGE, "no lie: %s", argv[4]);
	watch(&s, atoi(argv[5]));
	return 0;
}
