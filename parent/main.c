/*
 * main.c - the monitor's start, as an ordered ritual: open, start the executor, seal, only then
 * read.
 *
 * room: monitor.
 * distrusts: its arguments.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "log.h"

#define EVENTS_FD_MIN 3
#define EVENTS_FD_MAX 65535

static const char help[] =
    "usage: moult-monitor [-f FILE] [-e FD]\n"
    "       moult-monitor [-f FILE] --check\n"
    "\n"
    "Watches a signal file, has the executor bring a checkout to the announced version,\n"
    "reports each step, and exits 42 when the daemon that started it is to restart.\n"
    "It is started by `moult run` or by libmoult, not by hand.\n"
    "\n"
    "  -f, --config=FILE  the configuration (default: " MOULT_SYSCONFDIR "/moult.conf)\n"
    "  -e, --events FD    write events to this open descriptor, one a line:\n"
    "                     \"status WORD PERCENT VERSION\" and \"end EXIT-STATUS\"\n"
    "  -c, --check        for `moult check': try whether it could work here, change nothing,\n"
    "                     and print a line for each finding\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop the pair in order. SIGHUP is ignored.\n"
    "It also stops when the process that started it ends.\n"
    "\n"
    "Exit status: 0 stopped as asked, 42 restart the daemon, 64 usage, 70 a bug of moult,\n"
    "71 the system refused something, 75 another instance is at work, 76 the executor broke\n"
    "the protocol or was silent, 77 permission, 78 configuration.\n"
    "\n"
    "Files: the signal file and STATE_DIR/monitor/status.json, as configured; moult-executor\n"
    "beside this program.\n";

static void __attribute__((noreturn)) usage(void)
{
	(void)fputs(
	    "usage: moult-monitor [-f FILE] [-e FD]; see --help\n", stderr); /* no other place */
	exit(EX_USAGE);
}

/* Text that was asked for: an output that cannot be written is a failure. */
static void __attribute__((noreturn)) print(const char *text)
{
	exit(fputs(text, stdout) == EOF || fflush(stdout) == EOF ? EX_IOERR : EX_OK);
}

static int
parse_events_fd(const char *text)
{
	const char *wrong;
	int fd = (int)strtonum(text, EVENTS_FD_MIN, EVENTS_FD_MAX, &wrong);
	int flags;

	if (wrong != NULL)
		log_exit(EX_USAGE, "-e %s: %s", text, wrong);
	/* Never to the executor, and never to wait on. */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || (flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		log_exit(EX_USAGE, "-e %d: %s", fd, strerrordesc_np(errno));
	return fd;
}

static void
read_arguments(struct mon *m, int argc, char *argv[], bool *checking)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'f'},
	    {"events", required_argument, NULL, 'e'},
	    {"check", no_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	m->conf_path = MOULT_SYSCONFDIR "/moult.conf";
	m->events_fd = -1;
	while ((c = getopt_long(argc, argv, "f:e:chV", longs, NULL)) != -1)
		switch (c) {
		case 'f':
			m->conf_path = optarg;
			break;
		case 'e':
			m->events_fd = parse_events_fd(optarg);
			break;
		case 'c':
			*checking = true;
			break;
		case 'h':
			print(help);
		case 'V':
			print("moult-monitor " MOULT_VERSION " (" MOULT_BUILD ")\n");
		default:
			usage();
		}
	if (optind != argc)
		usage();
}

/* Descriptors 0 to 2 must be open, or the next file would become the log. */
static void
sanitize(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1)
		exit(EX_OSERR);
	(void)close(fd); /* the one too many */
	(void)umask(022);
}

static void
load_configuration(struct mon *m)
{
	int wrong = conf_load(&m->conf, m->conf_path, conf_complain_to_log, NULL);

	if (wrong != 0)
		log_exit(EX_CONFIG, "%s: %d error%s; not started", m->conf_path, wrong,
		    wrong == 1 ? "" : "s");
}

static void
open_signals(struct mon *m)
{
	/* A closed pipe or terminal and a full log are told by their errors. */
	static const int ignored[] = {SIGHUP, SIGPIPE, SIGXFSZ};
	static const int taken[] = {SIGTERM, SIGINT, SIGCHLD};
	sigset_t mask;
	size_t i;

	(void)sigemptyset(&mask); /* cannot fail */
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			fatal("signal");
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		(void)sigaddset(&mask, taken[i]); /* a valid number */
		/* A daemon may have left it ignored; then a dead child would leave no status. */
		if (signal(taken[i], SIG_DFL) == SIG_ERR)
			fatal("signal");
	}
	if (sigprocmask(SIG_SETMASK, &mask, NULL) == -1)
		fatal("sigprocmask");
	m->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd == -1)
		fatal("signalfd");
}

/* After the executor has its start: the path of the configuration may be a relative one. */
static void
leave_directory(void)
{
	if (chdir("/") == -1)
		fatal("chdir /");
}

int
main(int argc, char *argv[])
{
	struct mon m = {0};
	bool checking = false;

	sanitize();
	log_init("moult-monitor");
	mon_timers_clear(&m);
	read_arguments(&m, argc, argv, &checking);
	load_configuration(&m);
	if (checking)
		mon_check(&m);
	open_signals(&m);
	mon_domain_probe(&m);
	mon_prepare(&m);
	mon_watch_open(&m);
	mon_start_executor(&m);
	leave_directory();
	if (on_exit(mon_last_words, &m) != 0)
		fatal("on_exit");
	mon_seal(&m);
	mon_loop(&m);
}
