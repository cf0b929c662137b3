/*
 * loop.c - waits, and turns what is ready into events. Nothing is decided here.
 *
 * room: monitor.
 * distrusts: nobody by itself; each slot's owner judges what it reads.
 */
#include "monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* X(slot, functions' name, what it is). The wire is read before a death is acted on. */
#define LOOP_SLOTS(X)                                              \
	X(WIRE, wire, "the executor's reports")                    \
	X(SIGNALS, signals, "SIGTERM, SIGINT, SIGCHLD")            \
	X(DAEMON, daemon, "the end of the daemon that started us") \
	X(WATCH, mon_watch, "the signal's directory")              \
	X(REDIS, mon_redis, "Redis")

#define ENUM_SLOT(symbol, name, purpose) SLOT_##symbol,
enum slot { LOOP_SLOTS(ENUM_SLOT) SLOT_END };

static int
wire_fd(const struct mon *m, short *events)
{
	*events = POLLIN;
	return m->wire.fd;
}

/* One message a turn: its action may end the conversation. */
static enum mon_event
wire_ready(struct mon *m, short revents)
{
	int rc = wire_receive(&m->wire, &m->message);

	(void)revents;
	if (rc == 1)
		return mon_event_of(m->message.header.type);
	if (rc == -1 && errno == EAGAIN)
		return ON_NONE;
	(void)close(m->wire.fd); /* at its end of file */
	m->wire.fd = -1;
	m->due_ms[TIMER_GONE] = clock_monotonic_ms() + MON_GONE_MS;
	return ON_NONE;
}

static int
signals_fd(const struct mon *m, short *events)
{
	*events = POLLIN;
	return m->signal_fd;
}

static enum mon_event
signals_ready(struct mon *m, short revents)
{
	struct signalfd_siginfo info;

	(void)revents;
	if (read(m->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return ON_NONE;
	if (info.ssi_signo != SIGCHLD)
		return ON_TERM;
	mon_reap_executor(m);
	return ON_NONE;
}

static int
daemon_fd(const struct mon *m, short *events)
{
	*events = POLLIN;
	return m->daemon_fd;
}

static enum mon_event
daemon_ready(struct mon *m, short revents)
{
	(void)revents;
	(void)close(m->daemon_fd); /* a pidfd: told once */
	m->daemon_fd = -1;
	log_info("the daemon that started us has ended");
	return ON_TERM;
}

#define SLOT_FD(symbol, name, purpose)    [SLOT_##symbol] = {name##_fd, name##_ready},
#define TIMER_OVER(symbol, over, purpose) [TIMER_##symbol] = over,

static const struct {
	int (*fd)(const struct mon *m, short *events); /* -1: not now */
	enum mon_event (*ready)(struct mon *m, short revents);
} slots[SLOT_END] = {LOOP_SLOTS(SLOT_FD)};

static enum mon_event (*const over[TIMER_END])(struct mon *m) = {MON_TIMERS(TIMER_OVER)};

enum mon_event
mon_timer_state(struct mon *m)
{
	(void)m;
	return ON_DEADLINE;
}

enum mon_event
mon_timer_gone(struct mon *m)
{
	if (m->gone_told)
		return ON_NONE;
	m->gone_told = true;
	return ON_GONE;
}

enum mon_event
mon_timer_look(struct mon *m)
{
	/* With no timer for it, what has failed before may be asked about again. */
	if (m->due_ms[TIMER_RETRY] <= clock_monotonic_ms())
		m->memory.has_asked = false;
	return ON_LOOK;
}

void
mon_timers_clear(struct mon *m)
{
	size_t i;

	for (i = 0; i < TIMER_END; i++)
		m->due_ms[i] = MON_NEVER;
}

/* The earliest deadline as a ppoll(2) timeout; NULL: none. */
static const struct timespec *
next_timeout(const struct mon *m, struct timespec *ts)
{
	int64_t first_ms = MON_NEVER, wait_ms;
	size_t i;

	for (i = 0; i < TIMER_END; i++)
		if (m->due_ms[i] < first_ms)
			first_ms = m->due_ms[i];
	if (first_ms == MON_NEVER)
		return NULL;
	wait_ms = first_ms - clock_monotonic_ms();
	if (wait_ms < 0)
		wait_ms = 0;
	ts->tv_sec = (time_t)(wait_ms / 1000);
	ts->tv_nsec = (long)(wait_ms % 1000) * 1000000;
	return ts;
}

static void
run_timers(struct mon *m)
{
	int64_t now_ms = clock_monotonic_ms();
	enum mon_event event;
	size_t i;

	for (i = 0; i < TIMER_END; i++) {
		if (m->due_ms[i] > now_ms)
			continue;
		/* Cleared by the owner or here; a retry is still asked for its time by its owner.
		 */
		event = over[i](m);
		if (m->due_ms[i] <= now_ms)
			m->due_ms[i] = MON_NEVER;
		mon_dispatch(m, event);
	}
}

/*
 * A dead executor may have left reports in the socket, and the poll that told its death may have
 * looked at the socket before they came. So its end counts from the next turn that finds none.
 */
static void
turn(struct mon *m)
{
	const struct timespec now = {0}, *timeout;
	bool was_ended = m->executor_ended && !m->gone_told;
	struct pollfd fds[SLOT_END];
	struct timespec ts;
	size_t i;
	int n;

	for (i = 0; i < SLOT_END; i++) {
		fds[i].revents = 0;
		fds[i].fd = slots[i].fd(m, &fds[i].events);
	}
	timeout = was_ended ? &now : next_timeout(m, &ts);
	n = ppoll(fds, SLOT_END, timeout, NULL);
	if (n == -1 && errno != EINTR)
		bug("ppoll: %s", strerrordesc_np(errno));
	for (i = 0; n > 0 && i < SLOT_END; i++)
		/* An earlier slot's action may have closed this one's descriptor. */
		if (fds[i].revents != 0 && slots[i].fd(m, &fds[i].events) == fds[i].fd)
			mon_dispatch(m, slots[i].ready(m, fds[i].revents));
	if (was_ended && fds[SLOT_WIRE].revents == 0)
		mon_dispatch(m, mon_timer_gone(m));
	run_timers(m);
}

void
mon_loop(struct mon *m)
{
	m->due_ms[TIMER_STATE] = clock_monotonic_ms() + mon_state_limit_ms(m);
	mon_redis_open(m);
	for (;;)
		turn(m);
}
