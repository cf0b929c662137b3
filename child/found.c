/*
 * found.c - what an earlier life left, settled before the first request.
 *
 * room: executor.
 * distrusts: the journal's claim that a restart is owed: only to the daemon instance of that time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"

#define STRAY_ROUNDS 20

static void
save(struct exe *e)
{
	if (journal_save(&e->journal) == -1)
		fatal("journal");
}

/* Without its signal nobody would ask for it again. */
static bool
signal_is_there(struct exe *e)
{
	struct file_identity signal;
	int fd;

	journal_get_signal(&e->journal.state, &signal);
	if ((fd = announcement_hold(e, &signal)) == -1)
		return false;
	close(fd);
	return true;
}

void
found_end_strays(struct exe *e)
{
	char mark[CONF_TEXT_MAX + 32];
	int strays = 1;

	snprintf(mark, sizeof(mark), COMMAND_MARK, e->conf.state_dir);
	/* They may have started more meanwhile. */
	for (int round = 0; round < STRAY_ROUNDS && strays > 0; round++)
		strays = tree_end_strays(mark);
	if (strays != 0)
		log_exit(EX_TEMPFAIL, "a process of the interrupted run does not end");
}

/* A crash, a kill or a power cut came between begin and commit. model: found_unfinished */
static void
found_unfinished(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	bool again;

	s->interruptions++;
	s->phase = PHASE_FAILED;
	s->reason = REASON_INTERRUPTED;
	s->held = s->interruptions >= EXE_INTERRUPTIONS_MAX;
	s->due_ms = 0;
	s->due_boot[0] = '\0';
	again = !s->held && signal_is_there(e);
	snprintf(s->detail, sizeof(s->detail), "interruption %u of %u before it is held%s",
	    (unsigned int)s->interruptions, EXE_INTERRUPTIONS_MAX,
	    again || s->held ? "" : "; its signal is gone: announce it again");
	save(e);
	log_warnx("run=%s to %s was interrupted in step %s: %s", s->run, s->to,
	    wire_step_name((uint32_t)s->step), s->detail);
	history_append(e, "interrupted");
	/* 1 ms, not 0: it begins again at once, and 0 means held. */
	report_failure(e, REP_INTERRUPTED, again ? 1 : 0);
}

/*
 * The debt is paid by a daemon that has started behind the commit, and by no other: one may have
 * come in between while the old pair still worked. Start times are in whole ticks; an instance of
 * the commit's own tick that is not the one of that time has come behind it.
 */
static bool
is_paid(const struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	if (strcmp(s->daemon_boot, e->boot_id) != 0)
		return true;
	if (s->daemon_pid == e->daemon_pid && s->daemon_start == e->daemon_start)
		return false;
	return e->daemon_start >= s->committed_ms * ticks / 1000;
}

/* model: found_owed, debt_paid, debt_unconfirmed, debt_open */
static void
found_owed(struct exe *e)
{
	struct journal_state *s = &e->journal.state;
	struct file_identity signal;

	journal_get_signal(s, &signal);
	if (announcement_take(e, &signal) == -1)
		log_warn("run=%s: the signal file could not be removed", s->run);
	announcement_restore(e);
	if (is_paid(e)) {
		s->phase = PHASE_DEPLOYED;
		save(e);
		log_info("run=%s: the daemon has restarted; %s is deployed", s->run, s->to);
		history_append(e, "deployed");
		report_update(e, REP_DEPLOYED);
		return;
	}
	if (s->restarts >= EXE_RESTARTS_MAX) {
		s->step = STEP_RESTART;
		s->reason = REASON_RESTART_UNCONFIRMED;
		snprintf(s->detail, sizeof(s->detail), "daemon pid %u still runs after %u exits 42",
		    (unsigned int)s->daemon_pid, (unsigned int)s->restarts + 1);
		report_failure(e, REP_UNCONFIRMED, 0);
		return;
	}
	s->restarts++;
	save(e);
	report_update(e, REP_OWED);
	e->state = EXE_OWED;
}

void
exe_report_found(struct exe *e)
{
	switch ((enum journal_phase)e->journal.state.phase) {
	case PHASE_RUNNING:
		announcement_restore(e);
		found_unfinished(e);
		break;
	case PHASE_OWED:
		found_owed(e);
		break;
	case PHASE_DEPLOYED:
		announcement_restore(e);
		report_update(e, REP_DEPLOYED);
		break;
	case PHASE_IDLE:
	case PHASE_FAILED:
	case PHASE_STOPPED:
	case PHASE_END:
		announcement_restore(e);
		report_ready(e);
		break;
	}
}
