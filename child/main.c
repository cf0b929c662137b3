/*
 * main.c - the executor's start, as an ordered ritual: open, lock, seal, and only then listen.
 *
 * room: executor.
 * distrusts: its command line and configuration are the monitor's from before its seal, and
 *	trusted; nothing that comes later is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "check.h"
#include "executor.h"
#include "log.h"

static const char usage_text[] =
    "usage: moult-executor -f FILE -g PID:START\n"
    "       moult-executor -f FILE --check\n"
    "\n"
    "The half of moult that runs git, migrations and the install command. It is started by\n"
    "moult-monitor, with their socketpair at descriptor 3, and is of no use without it.\n"
    "With --check it tries whether it could work here, changes nothing, and prints a line for\n"
    "each finding: `ok', `warning' or `failed', a word for what it is about, and a text.\n"
    "\n"
    "  -f, --config=FILE       the configuration\n"
    "  -g, --daemon=PID:START  the daemon: its pid, and its start time in clock ticks\n"
    "  -c, --check             for `moult check': no monitor, no lock, no journal\n"
    "  -h, --help              this text\n"
    "  -V, --version           the version\n";

static void __attribute__((noreturn)) usage(const char *what)
{
	fprintf(stderr, "moult-executor: %s\n%s", what, usage_text);
	exit(EX_USAGE);
}

static void
read_daemon(struct exe *e, const char *text)
{
	if (sscanf(text, "%" SCNu32 ":%" SCNu64, &e->daemon_pid, &e->daemon_start) != 2)
		usage("the daemon is not PID:START");
}

static const char *
read_options(struct exe *e, int argc, char *argv[], bool *checking)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'f'},
	    {"daemon", required_argument, NULL, 'g'}, {"check", no_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0}};
	const char *config = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "f:g:chV", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			config = optarg;
			break;
		case 'g':
			read_daemon(e, optarg);
			break;
		case 'c':
			*checking = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		case 'V':
			puts("moult-executor " MOULT_VERSION);
			exit(0);
		default:
			usage("unknown option");
		}
	}
	if (config == NULL || (e->daemon_pid == 0) != *checking || optind != argc)
		usage("-f and one of -g and --check are needed, and nothing else");
	return config;
}

static void
check_wire(void)
{
	struct stat st;

	if (fstat(WIRE_FD, &st) == -1 || !S_ISSOCK(st.st_mode))
		usage("descriptor 3 is not a socketpair: moult-monitor starts this program");
	if (fcntl(WIRE_FD, F_SETFD, FD_CLOEXEC) == -1)
		fatal("descriptor 3");
}

static int
open_own_dir(int parent_fd, const char *path, mode_t mode, const char *state_dir)
{
	struct stat st;
	int fd = -1;

	if (mkdirat(parent_fd, path, mode) == 0 || errno == EEXIST)
		fd = file_open_dir(parent_fd, path);
	if (fd != -1 && (fstat(fd, &st) == -1 || (st.st_uid != geteuid() && st.st_uid != 0) ||
			    (st.st_mode & S_IWOTH) != 0))
		log_exit(EX_NOPERM,
		    "[deploy] state_dir: %s%s%s: it must belong to user %u, and not everybody may "
		    "write it",
		    state_dir, path[0] == '/' ? "" : "/", path[0] == '/' ? "" : path,
		    (unsigned int)geteuid());
	if (fd == -1)
		log_exit(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR,
		    "[deploy] state_dir: %s%s%s: %s", state_dir, path[0] == '/' ? "" : "/",
		    path[0] == '/' ? "" : path, strerror(errno));
	return fd;
}

/*
 * For the steps, so that their domains can name them. What a step has made of them is not looked at
 * here: the preflight puts it right.
 */
static void
make_step_dirs(const struct exe *e)
{
	static const char *const dirs[] = {"git", "tmp"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdirat(e->state_fd, dirs[i], 0700) == -1 && errno != EEXIST)
			fatal("[deploy] state_dir: %s/%s", e->conf.state_dir, dirs[i]);
}

static void
open_places(struct exe *e)
{
	if ((e->root_fd = file_open_dir(AT_FDCWD, "/")) == -1)
		fatal("/");
	if ((e->repo_fd = file_open_dir(AT_FDCWD, e->conf.repo)) == -1)
		log_exit(EX_CONFIG, "[deploy] repo: %s: %s", e->conf.repo, strerror(errno));
	e->gitdir_fd = openat(e->repo_fd, ".git", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (e->gitdir_fd == -1)
		log_exit(EX_CONFIG, "[deploy] repo: %s/.git: %s", e->conf.repo, strerror(errno));
	e->state_fd = open_own_dir(AT_FDCWD, e->conf.state_dir, 0755, e->conf.state_dir);
	e->log_dir_fd = open_own_dir(e->state_fd, "log", 0750, e->conf.state_dir);
	make_step_dirs(e);
	conf_split_path(e->conf.signal, e->signal_dir, e->signal_name);
	e->signal_dir_fd = -1;
	announcement_open(e);
}

/* A signal that cannot be taken away would be announced again and again. */
static void
need_signal_dir(const struct exe *e)
{
	if (e->signal_dir_fd != -1 &&
	    faccessat(e->signal_dir_fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		log_exit(EX_NOPERM,
		    "[deploy] signal: %s: user %s must be able to write this directory, "
		    "to take the signal away",
		    e->signal_dir, e->user.name);
}

static void
read_boot_id(struct exe *e)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, e->boot_id, sizeof(e->boot_id) - 1);

	if (n <= 0)
		fatal("/proc/sys/kernel/random/boot_id");
	close(fd);
	e->boot_id[strcspn(e->boot_id, "\n")] = '\0';
}

/* A migration is recorded at once and what it wrote is not synced: a power cut may have lost it.
 * model: open_journal */
static void
doubt_lost(struct exe *e)
{
	if (e->journal.applied_count == 0 || strcmp(e->journal.state.boot, e->boot_id) == 0)
		return;
	log_warnx("%zu migrations were applied before the machine went down; each is checked again",
	    e->journal.applied_count);
	if (journal_doubt(&e->journal) == -1)
		fatal("%s/journal", e->conf.state_dir);
}

static void
open_journal(struct exe *e)
{
	switch (journal_open(&e->journal, e->state_fd)) {
	case 0:
		doubt_lost(e);
		return;
	case 1:
		e->damaged = true;
		doubt_lost(e);
		return;
	default:
		if (errno == EPROTO)
			log_exit(
			    EX_CONFIG, "%s/journal: a newer moult wrote it", e->conf.state_dir);
		fatal("%s/journal", e->conf.state_dir);
	}
}

/* TERM and CHLD are read as events; INT is for the monitor, which tells us. */
static void
open_signals(struct exe *e)
{
	sigset_t set;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR)
		fatal("signal");
	/* The monitor's end is seen as end of file; but a process that was stopped sees nothing. */
	if (prctl(PR_SET_PDEATHSIG, SIGCONT) == -1)
		fatal("prctl(PR_SET_PDEATHSIG)");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) == -1)
		fatal("sigprocmask");
	if ((e->signalfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
		fatal("signalfd");
}

/* Whatever ends us, nothing of a step outlives us. */
static void
end_steps(int status, void *arg)
{
	const struct exe *e = arg;

	(void)status;
	tree_end(e->scope_kill);
}

static void
make_ready(struct exe *e)
{
	open_places(e);
	read_boot_id(e);
	tree_adopt();
	if (on_exit(end_steps, e) != 0)
		fatal("on_exit");
}

int
main(int argc, char *argv[])
{
	static struct exe executor; /* large; nothing else refers to it by name */
	struct exe *e = &executor;
	const char *config;
	bool checking = false;

	log_init("moult-executor");
	config = read_options(e, argc, argv, &checking);
	if (!checking)
		check_wire();
	if (close_range(checking ? WIRE_FD : WIRE_FD + 1, ~0u, 0) == -1)
		fatal("close_range");
	umask(022);
	if (conf_load(&e->conf, config, conf_complain_to_log, NULL) != 0)
		exit(EX_CONFIG);
	run_clear(&e->run);
	e->child.log_fd = e->child.out_fd = e->child.ask_fd = e->child.notify_fd = -1;
	json_object_seed(0);
	seal_user(e); /* before the signals: it clears what we ask to be sent at the parent's end */
	open_signals(e);
	if (checking)
		check(e, make_ready);
	make_ready(e);
	need_signal_dir(e);
	seal_build(e);
	lock_take(e);
	found_end_strays(e);
	/* Here it is still seen where a git works. What cannot be removed now is met by the next
	 * run. */
	if (lock_clear_stale(e) == -1 && errno != EBUSY)
		log_warn("stale locks in %s/.git", e->conf.repo);
	seal(e);
	open_journal(e);
	wire_init(&e->wire, WIRE_FD, DOOR_REQUESTS);
	report_hello(e);
	exe_report_found(e);
	exe_loop(e);
}
