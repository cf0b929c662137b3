/*
 * loop.c - waits, and turns readiness into events; decides nothing.
 *
 * room: executor.
 * distrusts: the monitor's messages, which wire_receive() checks.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"

enum slot { SLOT_WIRE, SLOT_SIGNAL, SLOT_LOG, SLOT_OUT, SLOT_NOTIFY, SLOT_END };

static void
set_slot(struct pollfd *slot, int fd)
{
	slot->fd = fd; /* poll(2) skips -1 */
	slot->events = POLLIN;
	slot->revents = 0;
}

/* CLOCK_MONOTONIC, in ms; INT64_MAX: none. */
static int64_t
next_deadline(const struct exe *e)
{
	int64_t limit, silence;

	if (e->state == EXE_CLEARING || e->state == EXE_ABORTING)
		return e->grace_ms;
	if (e->state != EXE_RUNNING)
		return INT64_MAX;
	limit = e->asked_ms + (int64_t)e->command.limit_s * 1000;
	silence = e->heard_ms + (int64_t)e->command.silence_s * 1000;
	return e->command.silence_s != 0 && silence < limit ? silence : limit;
}

static void
wait_for(struct exe *e, struct pollfd slots[SLOT_END])
{
	int64_t deadline = next_deadline(e), left;
	struct timespec timeout;

	set_slot(&slots[SLOT_WIRE], e->monitor_gone ? -1 : e->wire.fd);
	set_slot(&slots[SLOT_SIGNAL], e->signalfd);
	set_slot(&slots[SLOT_LOG], e->child.log_fd);
	set_slot(&slots[SLOT_OUT], e->child.out_fd);
	set_slot(&slots[SLOT_NOTIFY], e->child.notify_fd);
	left = deadline == INT64_MAX ? 0 : deadline - clock_monotonic_ms();
	if (left < 0)
		left = 0;
	timeout.tv_sec = left / 1000;
	timeout.tv_nsec = left % 1000 * 1000000;
	if (ppoll(slots, SLOT_END, deadline == INT64_MAX ? NULL : &timeout, NULL) == -1 &&
	    errno != EINTR)
		fatal("ppoll");
}

/* Signals: TERM before CHLD, because the same hand may have ended the step a moment earlier. */
static void
on_signals(struct exe *e)
{
	struct signalfd_siginfo info;
	bool term = false, any_left;

	while (read(e->signalfd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		term |= info.ssi_signo == SIGTERM;
	if (term)
		exe_dispatch(e, ON_TERM);
	any_left = tree_reap(&e->child);
	if (e->state == EXE_RUNNING && e->child.exited)
		exe_dispatch(e, ON_EXIT);
	else if (e->state == EXE_CLEARING || e->state == EXE_ABORTING) {
		if (!any_left)
			exe_dispatch(e, ON_EMPTY);
		else
			tree_signal(
			    e->ending, e->scope_kill); /* orphans that have come to us since */
	}
}

static void
on_wire(struct exe *e)
{
	struct wire_message m;
	int rc = wire_receive(&e->wire, &m);

	if (rc == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (rc <= 0) {
		e->monitor_gone = true;
		exe_dispatch(e, ON_EOF);
		return;
	}
	if (m.header.type == REQ_STOP) {
		exe_dispatch(e, ON_STOP);
		return;
	}
	if (e->state == EXE_IDLE)
		e->request = m.body.run;
	exe_dispatch(e, ON_RUN);
}

static void
on_output(struct exe *e)
{
	if (output_read(e))
		exe_dispatch(e, ON_LINE);
}

void
exe_loop(struct exe *e)
{
	struct pollfd slots[SLOT_END];

	for (;;) {
		wait_for(e, slots);
		if ((slots[SLOT_LOG].revents | slots[SLOT_OUT].revents) != 0)
			on_output(e);
		if (slots[SLOT_NOTIFY].revents != 0)
			denial_hear(e, slots[SLOT_NOTIFY].revents);
		if (slots[SLOT_SIGNAL].revents != 0)
			on_signals(e);
		if (slots[SLOT_WIRE].revents != 0)
			on_wire(e);
		if (clock_monotonic_ms() >= next_deadline(e))
			exe_dispatch(e, ON_DEADLINE);
	}
}
