/*
 * supervise.c - `moult run -- DAEMON`: a daemon, its monitor, and one exit status for both.
 *
 * room: client: the parent of the user's daemon, as the same user.
 * distrusts: the monitor, through libmoult; nothing it does takes the daemon down but exit 42.
 *
 * Every signal comes through a signalfd, so that there is one place that waits and no handler.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "log.h"
#include "moult.h"

#define SUP_TERM_MS  90000 /* the daemon's time to shut down in its own way */
#define SUP_KILL_MS  10000 /* from SIGKILL to giving up: it hangs in the kernel */
#define SUP_AGAIN_MS 60000 /* to the next try, when the system refused to start a monitor */

#define EXIT_NOT_EXECUTABLE 126 /* as env(1), nohup(1) and timeout(1) do */
#define EXIT_NOT_FOUND      127

static const int forwarded[] = {
    SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

#define FORWARDED (sizeof(forwarded) / sizeof(forwarded[0]))

enum sup_phase { SUP_RUNNING, SUP_TERMINATING, SUP_KILLING, SUP_OVER };

struct sup {
	enum sup_phase phase;
	const char *config;
	pid_t daemon;
	int daemon_status; /* its exit status, or 128 + the signal */
	int signal_fd;
	struct moult *moult; /* NULL: no updates */
	bool restart;        /* every step of an update succeeded */
	int64_t deadline_ms; /* of the phase, or of SUP_AGAIN_MS; 0: none */
	char monitor[PATH_MAX];
};

static void
start_updates(struct sup *s)
{
	struct moult_options o = {.size = sizeof(o), .config = s->config, .monitor = s->monitor};

	s->deadline_ms = 0;
	if (moult_start(&s->moult, &o) == 0)
		return;
	log_warn("cannot start %s; the daemon runs on without updates", s->monitor);
	s->moult = NULL;
	if (errno == EAGAIN || errno == ENOMEM || errno == EMFILE || errno == ENFILE)
		s->deadline_ms = clock_monotonic_ms() + SUP_AGAIN_MS;
}

static void
enter(struct sup *s, enum sup_phase phase, int sig, int limit_ms)
{
	s->phase = phase;
	s->deadline_ms = clock_monotonic_ms() + limit_ms;
	kill(s->daemon, sig); /* not waited for yet, so the pid is still its own */
}

static void
on_down(int status)
{
	if (status == EX_USAGE || status == EX_NOPERM || status == EX_CONFIG)
		log_warnx(
		    "moult-monitor ended with %d, which a person has to mend; the daemon runs "
		    "on without updates",
		    status);
	else
		log_warnx("moult-monitor ended with %d; it is started again", status);
}

static void
on_updates(struct sup *s)
{
	struct moult_event ev;

	while (moult_next(s->moult, &ev) == 1) {
		switch (ev.type) {
		case MOULT_STATUS: /* the monitor logs it itself */
			break;
		case MOULT_DOWN:
			on_down(ev.status);
			break;
		case MOULT_RESTART:
			log_info("restarting: the daemon is asked to shut down");
			s->restart = true;
			if (s->phase == SUP_RUNNING)
				enter(s, SUP_TERMINATING, SIGTERM, SUP_TERM_MS);
			break;
		}
	}
}

static void
on_child(struct sup *s)
{
	int status;

	if (waitpid(s->daemon, &status, WNOHANG) != s->daemon)
		return; /* it was the monitor, or the daemon only stopped */
	s->phase = SUP_OVER;
	s->daemon_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!s->restart || s->daemon_status != 0)
		log_info("the daemon ended with %d", s->daemon_status);
}

static void
on_signals(struct sup *s)
{
	struct signalfd_siginfo si;

	while (s->phase != SUP_OVER && read(s->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			on_child(s);
		else if (si.ssi_code != SI_KERNEL)
			kill(s->daemon, (int)si.ssi_signo);
		/* else: from the terminal, which gave it to the daemon as well. */
	}
}

static void
on_deadline(struct sup *s)
{
	switch (s->phase) {
	case SUP_RUNNING:
		start_updates(s);
		break;
	case SUP_TERMINATING:
		log_warnx(
		    "the daemon did not shut down within %d s; it is killed", SUP_TERM_MS / 1000);
		enter(s, SUP_KILLING, SIGKILL, SUP_KILL_MS);
		break;
	case SUP_KILLING:
		log_warnx("the daemon cannot be killed; leaving it behind");
		s->phase = SUP_OVER;
		break;
	case SUP_OVER:
		break;
	}
}

static void
wait_once(struct sup *s)
{
	struct pollfd pfd[] = {
	    {.fd = s->signal_fd, .events = POLLIN},
	    {.fd = moult_fd(s->moult), .events = POLLIN}, /* -1 is passed over */
	};
	int64_t left = s->deadline_ms == 0 ? -1 : s->deadline_ms - clock_monotonic_ms();

	if (s->deadline_ms != 0 && left <= 0) {
		on_deadline(s);
		return;
	}
	if (poll(pfd, 2, (int)left) == -1) {
		if (errno != EINTR)
			fatal("poll");
		return;
	}
	if (pfd[0].revents != 0)
		on_signals(s);
	if (pfd[1].revents != 0 && s->phase != SUP_OVER)
		on_updates(s);
}

/* Blocks what the signalfd delivers; *old is the mask that the daemon gets back. */
static void
take_signals(struct sup *s, sigset_t *old)
{
	sigset_t set;
	size_t i;

	signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would hide the daemon's status */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (i = 0; i < FORWARDED; i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, old);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd == -1)
		fatal("signalfd");
}

int
supervise(const char *config, char *const argv[])
{
	struct sup s = {.phase = SUP_RUNNING, .config = config};
	sigset_t old;
	int err;

	spawn_find(CLIENT_MONITOR, s.monitor);
	take_signals(&s, &old);
	s.daemon = spawn_daemon(argv, &old);
	if (s.daemon == -1) {
		err = errno;
		log_warn("cannot execute %s", argv[0]);
		return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	start_updates(&s);
	while (s.phase != SUP_OVER)
		wait_once(&s);
	moult_stop(s.moult);
	close(s.signal_fd);
	return s.restart ? MOULT_EXIT_RESTART : s.daemon_status;
}
