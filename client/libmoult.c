/*
 * libmoult.c - keeps one moult-monitor running for a daemon and turns its lines into events.
 *
 * room: the daemon that embeds it; no power but spawning moult-monitor as the same user.
 * distrusts: every byte that the monitor writes, and that the daemon leaves SIGCHLD alone.
 *
 * The monitor writes lines to a pipe: "status WORD PERCENT VERSION", and "end CODE" before it
 * exits. A monitor that writes anything else, too long a line or too many of them is killed and
 * counts as one that ended with 76. The exit status decides; where somebody else took it (SIGCHLD
 * is ignored, or the daemon waits for every child) the code of the "end" line stands in for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "moult.h"

#define MOULT_LINE_MAX     256  /* longest line of the monitor, with its newline */
#define MOULT_LINES_MAX    1000 /* in MOULT_WINDOW_MS; an honest monitor writes a few */
#define MOULT_WINDOW_MS    1000
#define MOULT_EVENT_FD     3    /* where the monitor finds its end of the pipe */
#define MOULT_ABOVE_FD     10   /* our end stays clear of what the spawn renumbers */
#define MOULT_DELAY_MS     1000 /* before the first start anew, doubling */
#define MOULT_DELAY_MAX_MS 60000
#define MOULT_STEADY_MS    60000 /* lived so long: the delay begins at the bottom again */
#define MOULT_ENDING_MS    5000  /* from the "end" line or the closed pipe to the exit */
#define MOULT_TICK_MS      10    /* between two looks where the kernel has no pidfd */
#define MOULT_STOP_MS      13000 /* moult_stop(): from SIGTERM to SIGKILL */
#define MOULT_KILL_MS      2000  /* moult_stop(): from SIGKILL to giving up */

#define STATUS_NONE    (-2) /* the monitor has not ended, as far as is known */
#define STATUS_UNKNOWN (-1) /* it has ended, and somebody else took its status */

#define EXIT_USAGE      64
#define EXIT_SYSTEM     71
#define EXIT_LIAR       76
#define EXIT_PERMISSION 77
#define EXIT_CONFIG     78

/* ENDING: said so, closed its pipe or lied; its end is awaited. RESTING: the next start is. */
enum moult_phase { PHASE_RUNNING, PHASE_ENDING, PHASE_RESTING, PHASE_OVER };

struct moult {
	pid_t owner; /* getpid() at the start: any other makes this a forked copy, dead */
	enum moult_phase phase;
	char *config;
	char *monitor;
	int log_fd;   /* OWNED copy; -1: the daemon's stderr as it is at each start */
	int epoll_fd; /* holds the three below */
	int timer_fd;
	int pipe_fd; /* -1: at its end, or no monitor */
	int pid_fd;  /* -1: this kernel has none, or no monitor */
	pid_t pid;   /* 0: no monitor */
	int status;  /* of the wait: STATUS_NONE, STATUS_UNKNOWN, a status, or 128 + a signal */
	int said;    /* the code of the "end" line; STATUS_UNKNOWN: none came */
	bool lied;
	bool killed; /* by us, past its time */
	int64_t started_ms;
	int64_t deadline_ms; /* of ENDING and RESTING */
	int64_t window_ms;   /* lines are counted since then */
	unsigned int window_lines;
	int delay_ms;
	size_t have; /* bytes in line */
	char line[MOULT_LINE_MAX];
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static int
watch(struct moult *m, int fd)
{
	struct epoll_event ee = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &ee);
}

/* Takes it out by name: close(2) alone does not while a forked copy of the daemon has it open. */
static void
unwatch(struct moult *m, int *fd)
{
	if (*fd != -1)
		epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	close_fd(fd);
}

/* Makes moult_fd() readable at a time, and every interval_ms after it; 0 for at_ms: never. */
static void
set_timer(struct moult *m, int64_t at_ms, int interval_ms)
{
	struct itimerspec its = {
	    .it_value = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000},
	    .it_interval = {
		.tv_sec = interval_ms / 1000, .tv_nsec = interval_ms % 1000 * 1000000L}};

	timerfd_settime(m->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void
clear_timer(struct moult *m)
{
	uint64_t ticks;

	if (read(m->timer_fd, &ticks, sizeof(ticks)) == -1)
		return; /* EAGAIN: it has not run out */
}

/* ---- the monitor's process ---- */

static int
raw_pidfd_open(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	errno = ENOSYS;
	return -1;
#endif
}

/* Asks the kernel whether the monitor has ended and, if so, keeps its status. Does not wait. */
static bool
has_ended(struct moult *m)
{
	struct pollfd pfd = {.fd = m->pid_fd, .events = POLLIN};
	siginfo_t si;
	int r;

	if (m->status != STATUS_NONE)
		return true;
	memset(&si, 0, sizeof(si));
#ifdef SYS_pidfd_open
	if (m->pid_fd != -1)
		r = waitid(P_PIDFD, (id_t)m->pid_fd, &si, WEXITED | WNOHANG);
	else
#endif
		r = waitid(P_PID, (id_t)m->pid, &si, WEXITED | WNOHANG);
	if (r == 0 && si.si_pid == 0)
		return false;
	if (r == 0) {
		m->status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
		return true;
	}
	/* ECHILD: not ours to wait for. It has ended when the pidfd or the pipe says so. */
	if (m->pid_fd != -1 ? poll(&pfd, 1, 0) != 1 : m->pipe_fd != -1)
		return false;
	m->status = STATUS_UNKNOWN;
	return true;
}

/* Never reaches a stranger: a number is used only while the monitor is known to hold it. */
static void
send_signal(struct moult *m, int sig)
{
	if (has_ended(m))
		return;
#ifdef SYS_pidfd_send_signal
	if (m->pid_fd != -1) {
		syscall(SYS_pidfd_send_signal, m->pid_fd, sig, NULL, 0);
		return;
	}
#endif
	kill(m->pid, sig);
}

/* The descriptors of the monitor: nothing, its log twice, the pipe, and no others. */
static int
fill_actions(const struct moult *m, posix_spawn_file_actions_t *fa, int pipe_end)
{
	int log_fd = m->log_fd != -1 ? m->log_fd : STDERR_FILENO;
	int err;

	err = posix_spawn_file_actions_addopen(fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (err == 0 && fcntl(log_fd, F_GETFD) == -1) /* a daemon without stderr */
		err = posix_spawn_file_actions_addopen(fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	else if (err == 0)
		err = posix_spawn_file_actions_adddup2(fa, log_fd, STDERR_FILENO);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(fa, STDERR_FILENO, STDOUT_FILENO);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(fa, pipe_end, MOULT_EVENT_FD);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
	if (err == 0) /* elsewhere close-on-exec has to do */
		err = posix_spawn_file_actions_addclosefrom_np(fa, MOULT_EVENT_FD + 1);
#endif
	return err;
}

/* No signal blocked or ignored, and a process group of its own: ^C is for the daemon. */
static int
fill_attributes(posix_spawnattr_t *at)
{
	sigset_t set;
	int err;

	sigemptyset(&set);
	err = posix_spawnattr_setsigmask(at, &set);
	sigfillset(&set);
	sigdelset(&set, SIGKILL);
	sigdelset(&set, SIGSTOP);
	if (err == 0)
		err = posix_spawnattr_setsigdefault(at, &set);
	if (err == 0)
		err = posix_spawnattr_setpgroup(at, 0);
	if (err == 0)
		err = posix_spawnattr_setflags(
		    at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return err;
}

/* Returns 0 with m->pid set, or an errno. */
static int
spawn(struct moult *m, int pipe_end)
{
	char name[] = "moult-monitor", flag_f[] = "-f", flag_e[] = "-e", fd_text[12];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char lang[] = "LANG=C.UTF-8";
	char *argv[] = {name, flag_f, m->config, flag_e, fd_text, NULL};
	char *envp[] = {path, lang, NULL};
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int err;

	snprintf(fd_text, sizeof(fd_text), "%d", MOULT_EVENT_FD);
	if ((err = posix_spawn_file_actions_init(&fa)) != 0)
		return err;
	if ((err = posix_spawnattr_init(&at)) != 0)
		goto out;
	err = fill_actions(m, &fa, pipe_end);
	if (err == 0)
		err = fill_attributes(&at);
	if (err == 0)
		err = posix_spawn(&m->pid, m->monitor, &fa, &at, argv, envp);
	posix_spawnattr_destroy(&at);
out:
	posix_spawn_file_actions_destroy(&fa);
	if (err != 0)
		m->pid = 0;
	return err;
}

/* Starts a monitor. Returns 0, or -1 and errno with nothing left behind. */
static int
start_monitor(struct moult *m)
{
	int ends[2], pipe_end, err;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	m->pipe_fd = ends[0];
	pipe_end = fcntl(ends[1], F_DUPFD_CLOEXEC, MOULT_ABOVE_FD);
	err = pipe_end == -1 ? errno : 0;
	close(ends[1]);
	if (err == 0 && watch(m, m->pipe_fd) == -1)
		err = errno;
	if (err == 0)
		err = spawn(m, pipe_end);
	close_fd(&pipe_end);
	if (err != 0) {
		unwatch(m, &m->pipe_fd);
		errno = err;
		return -1;
	}
	m->pid_fd = raw_pidfd_open(m->pid);
	if (m->pid_fd != -1 && watch(m, m->pid_fd) == -1)
		close_fd(&m->pid_fd); /* the pipe and the tick do as well */
	m->phase = PHASE_RUNNING;
	m->status = STATUS_NONE;
	m->said = STATUS_UNKNOWN;
	m->lied = m->killed = false;
	m->have = 0;
	m->window_lines = 0;
	m->started_ms = m->window_ms = now_ms();
	set_timer(m, 0, 0);
	return 0;
}

/* The monitor is on its way out: it has this long, then it is killed. */
static void
await_end(struct moult *m, int limit_ms)
{
	int64_t now = now_ms();

	m->phase = PHASE_ENDING;
	m->deadline_ms = now + limit_ms;
	if (m->pid_fd != -1)
		set_timer(m, m->deadline_ms, MOULT_ENDING_MS);
	else
		set_timer(m, now + MOULT_TICK_MS, MOULT_TICK_MS);
}

static void
throw_out_liar(struct moult *m)
{
	m->lied = true;
	send_signal(m, SIGKILL);
	unwatch(m, &m->pipe_fd);
	m->have = 0;
	await_end(m, MOULT_ENDING_MS);
}

/* The monitor has ended: waits for the time of the next start. */
static void
rest(struct moult *m)
{
	int64_t now = now_ms();

	if (now - m->started_ms >= MOULT_STEADY_MS)
		m->delay_ms = MOULT_DELAY_MS;
	m->phase = PHASE_RESTING;
	m->deadline_ms = now + m->delay_ms;
	set_timer(m, m->deadline_ms, 0);
	m->delay_ms *= 2;
	if (m->delay_ms > MOULT_DELAY_MAX_MS)
		m->delay_ms = MOULT_DELAY_MAX_MS;
}

/* ---- its lines ---- */

/* A decimal number of one to three digits, at most max; else -1. */
static int
parse_number(const char *s, int max)
{
	int value = 0, digits = 0;

	if (s == NULL)
		return -1;
	for (; s[digits] >= '0' && s[digits] <= '9'; digits++) {
		if (digits == 3)
			return -1;
		value = value * 10 + (s[digits] - '0');
	}
	return digits == 0 || s[digits] != '\0' || value > max ? -1 : value;
}

static bool
is_status_word(const char *s)
{
	static const char *const words[] = {"checking", "updating", "migrating", "installing",
	    "restarting", "deployed", "update_failed"};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

/* 1 with *ev filled, 0 for the "end" line, -1 when it is no line of a monitor. */
static int
parse_line(struct moult *m, char *line, struct moult_event *ev)
{
	char *rest_of_line = line;
	char *verb = strsep(&rest_of_line, " ");
	char *word = strsep(&rest_of_line, " ");
	char *percent = strsep(&rest_of_line, " ");
	char *version = rest_of_line;

	if (m->said != STATUS_UNKNOWN || word == NULL)
		return -1;
	if (strcmp(verb, "end") == 0) {
		m->said = percent == NULL ? parse_number(word, 255) : -1;
		if (m->said == -1)
			return -1;
		await_end(m, MOULT_ENDING_MS);
		return 0;
	}
	if (strcmp(verb, "status") != 0 || !is_status_word(word) || version == NULL)
		return -1;
	if (version[0] == '\0' || strchr(version, ' ') != NULL ||
	    strlen(version) >= sizeof(ev->version))
		return -1;
	ev->percent = parse_number(percent, 100);
	if (ev->percent == -1)
		return -1;
	ev->type = MOULT_STATUS;
	memcpy(ev->text, word, strlen(word) + 1);
	if (strcmp(version, "-") != 0)
		memcpy(ev->version, version, strlen(version) + 1);
	return 1;
}

static bool
is_flood(struct moult *m)
{
	int64_t now = now_ms();

	if (now - m->window_ms >= MOULT_WINDOW_MS) {
		m->window_ms = now;
		m->window_lines = 0;
	}
	return ++m->window_lines > MOULT_LINES_MAX;
}

/* Takes the first line out of the buffer: as parse_line(), and 2 when there is no whole line. */
static int
take_line(struct moult *m, struct moult_event *ev)
{
	char line[MOULT_LINE_MAX];
	char *newline = memchr(m->line, '\n', m->have);
	size_t i, len;

	if (newline == NULL)
		return m->have == sizeof(m->line) ? -1 : 2;
	len = (size_t)(newline - m->line);
	memcpy(line, m->line, len);
	line[len] = '\0';
	m->have -= len + 1;
	memmove(m->line, newline + 1, m->have);
	for (i = 0; i < len; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			return -1;
	return is_flood(m) ? -1 : parse_line(m, line, ev);
}

/* Reads what there is room for. False: nothing there now, or the end of the pipe. */
static bool
fill_line(struct moult *m)
{
	ssize_t n;

	if (m->pipe_fd == -1)
		return false;
	do
		n = read(m->pipe_fd, m->line + m->have, sizeof(m->line) - m->have);
	while (n == -1 && errno == EINTR);
	if (n > 0) {
		m->have += (size_t)n;
		return true;
	}
	if (n == -1 && errno == EAGAIN)
		return false;
	unwatch(m, &m->pipe_fd);
	if (m->phase == PHASE_RUNNING)
		await_end(m, MOULT_ENDING_MS);
	return false;
}

/* ---- events ---- */

/* The monitor has ended and all it wrote has been read. */
static int
take_end(struct moult *m, struct moult_event *ev)
{
	int status = m->status;

	if (m->lied)
		status = EXIT_LIAR;
	else if (status == STATUS_UNKNOWN || (m->killed && m->said != STATUS_UNKNOWN))
		status = m->said;
	unwatch(m, &m->pipe_fd);
	unwatch(m, &m->pid_fd);
	m->pid = 0;
	if (status == MOULT_EXIT_RESTART || status == EXIT_USAGE || status == EXIT_PERMISSION ||
	    status == EXIT_CONFIG) {
		m->phase = PHASE_OVER;
		set_timer(m, 0, 0);
	} else {
		rest(m);
	}
	ev->type = status == MOULT_EXIT_RESTART ? MOULT_RESTART : MOULT_DOWN;
	ev->status = status;
	return 1;
}

static int
next_of_monitor(struct moult *m, struct moult_event *ev)
{
	/* Asked before the last read, so that nothing it wrote in between is lost. */
	bool ended = has_ended(m);
	int r;

	do {
		while ((r = take_line(m, ev)) == 0)
			;
		if (r == 1)
			return 1;
		if (r == -1)
			throw_out_liar(m);
	} while (fill_line(m));

	if (ended)
		return take_end(m, ev);
	if (m->phase == PHASE_ENDING && now_ms() >= m->deadline_ms) {
		m->killed = true;
		send_signal(m, SIGKILL);
		await_end(m, MOULT_ENDING_MS);
	}
	return 0;
}

static int
next_of_rest(struct moult *m, struct moult_event *ev)
{
	if (now_ms() < m->deadline_ms || start_monitor(m) == 0)
		return 0;
	m->started_ms = now_ms(); /* one that did not start did not live long */
	rest(m);
	ev->type = MOULT_DOWN;
	ev->status = EXIT_SYSTEM;
	return 1;
}

int
moult_next(struct moult *m, struct moult_event *ev)
{
	if (m == NULL || ev == NULL) {
		errno = EINVAL;
		return -1;
	}
	memset(ev, 0, sizeof(*ev));
	if (m->owner != getpid()) {
		errno = ECHILD;
		return -1;
	}
	clear_timer(m);
	switch (m->phase) {
	case PHASE_RUNNING:
	case PHASE_ENDING:
		return next_of_monitor(m, ev);
	case PHASE_RESTING:
		return next_of_rest(m, ev);
	case PHASE_OVER:
		break;
	}
	return 0;
}

int
moult_fd(const struct moult *m)
{
	return m == NULL || m->owner != getpid() ? -1 : m->epoll_fd;
}

/* ---- start and stop ---- */

/* A copy that still means the same file when the daemon has changed its directory. */
static char *
absolute_path(const char *path)
{
	char *cwd, *joined;

	if (path[0] == '/')
		return strdup(path);
	if ((cwd = getcwd(NULL, 0)) == NULL)
		return NULL;
	if (asprintf(&joined, "%s/%s", cwd, path) == -1)
		joined = NULL;
	free(cwd);
	return joined;
}

/* Copies what this library knows of the caller's struct; what it does not know must be zero. */
static int
copy_options(struct moult_options *to, const struct moult_options *from)
{
	const unsigned char *byte = (const unsigned char *)from;
	size_t i;

	memset(to, 0, sizeof(*to));
	if (from == NULL)
		return 0;
	if (from->size < sizeof(from->size)) {
		errno = EINVAL;
		return -1;
	}
	for (i = sizeof(*to); i < from->size; i++) {
		if (byte[i] != 0) {
			errno = E2BIG;
			return -1;
		}
	}
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	return 0;
}

/* Closes and frees. In a forked copy it must not touch what it shares with the daemon. */
static void
release(struct moult *m)
{
	close_fd(&m->pipe_fd);
	close_fd(&m->pid_fd);
	close_fd(&m->timer_fd);
	close_fd(&m->epoll_fd);
	close_fd(&m->log_fd);
	free(m->monitor);
	free(m->config);
	free(m);
}

/* Everything but the monitor. Returns 0, or -1 and errno. */
static int
prepare(struct moult *m, const struct moult_options *o)
{
	m->config = absolute_path(o->config ? o->config : MOULT_SYSCONFDIR "/moult.conf");
	m->monitor = absolute_path(o->monitor ? o->monitor : MOULT_LIBEXECDIR "/moult-monitor");
	if (m->config == NULL || m->monitor == NULL)
		return -1;
	if (o->log_fd != 0) {
		m->log_fd = fcntl(o->log_fd, F_DUPFD_CLOEXEC, MOULT_ABOVE_FD);
		if (m->log_fd == -1)
			return -1;
	}
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->epoll_fd == -1 || m->timer_fd == -1)
		return -1;
	return watch(m, m->timer_fd);
}

int
moult_start(struct moult **m, const struct moult_options *options)
{
	struct moult_options o;
	struct moult *made;
	int err;

	if (m == NULL) {
		errno = EINVAL;
		return -1;
	}
	*m = NULL;
	if (copy_options(&o, options) == -1)
		return -1;
	if ((made = calloc(1, sizeof(*made))) == NULL)
		return -1;
	made->owner = getpid();
	made->log_fd = made->epoll_fd = made->timer_fd = made->pipe_fd = made->pid_fd = -1;
	made->delay_ms = MOULT_DELAY_MS;
	if (prepare(made, &o) == -1 || start_monitor(made) == -1) {
		err = errno;
		release(made);
		errno = err;
		return -1;
	}
	*m = made;
	return 0;
}

/* Waits for the monitor's end, at most so long. Signals to the daemon do not cut it short. */
static void
wait_for_end(struct moult *m, int limit_ms)
{
	struct pollfd pfd = {.fd = m->pid_fd, .events = POLLIN};
	int64_t left, deadline = now_ms() + limit_ms;

	while (!has_ended(m) && (left = deadline - now_ms()) > 0) {
		if (m->pid_fd != -1)
			poll(&pfd, 1, (int)left);
		else
			poll(NULL, 0, left < MOULT_TICK_MS ? (int)left : MOULT_TICK_MS);
		/* Without a pidfd and without a child to wait for, only the pipe tells. */
		while (m->pid_fd == -1 && fill_line(m))
			m->have = 0;
	}
}

void
moult_stop(struct moult *m)
{
	int err = errno;

	if (m == NULL)
		return;
	if (m->owner == getpid() && m->pid != 0) {
		send_signal(m, SIGTERM);
		wait_for_end(m, MOULT_STOP_MS);
		send_signal(m, SIGKILL);
		wait_for_end(m, MOULT_KILL_MS);
	}
	release(m);
	errno = err;
}
