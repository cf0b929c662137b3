/*
 * step_finish.c - install, and the one moment from which on the update counts.
 *
 * room: executor.
 * distrusts: the install command: what it left in the tree is looked at again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "executor.h"
#include "log.h"

enum exe_event
install_begin(struct exe *e)
{
	command_install(e);
	return run_spawn(e);
}

enum exe_event
install_end(struct exe *e)
{
	if (run_child_ok(e))
		return ON_PASSED;
	return run_broke_by_child(e, REASON_INSTALL_FAILED, e->conf.install_command);
}

enum exe_event
finish_tree(struct exe *e)
{
	command_git_status(e);
	return run_spawn(e);
}

enum exe_event
finish_tree_read(struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	char head[WIRE_OID_MAX], names[WIRE_DETAIL_MAX];

	if (!run_child_ok(e))
		return run_broke_by_child(e, REASON_HEAD_CHANGED, "git status");
	if (!run_read_status(e, head, names, sizeof(names)) || strcmp(head, s->commit) != 0)
		return run_broke(e, REASON_HEAD_CHANGED, "HEAD is %s, not %s",
		    head[0] != '\0' ? head : "no commit", s->commit);
	if (e->run.dirty > 0)
		log_warnx("run=%s the update has changed %zu tracked files: %s", s->run,
		    e->run.dirty, names);
	return ON_PASSED;
}

/*
 * make does not sync what it installs: without this a power cut after the commit would keep the
 * record and lose the program.
 */
enum exe_event
finish_sync(struct exe *e)
{
	const char *where;

	if (sync_all(e, &where) == -1)
		return run_broke(e, REASON_SYNC_FAILED, "%s: %s", where, strerror(errno));
	return ON_PASSED;
}

/* Before the journal's line the update may fail; behind it, it cannot. model: commit */
enum exe_event
finish_commit(struct exe *e)
{
	struct journal_state *s = &e->journal.state, before = *s;
	struct file_identity signal;

	s->phase = PHASE_OWED;
	s->restarts = 0;
	s->interruptions = 0;
	s->halfway[0] = '\0';
	s->base[0] = s->base_commit[0] = s->base_target[0] = '\0';
	snprintf(s->installed, sizeof(s->installed), "%s", s->to);
	snprintf(s->installed_commit, sizeof(s->installed_commit), "%s", s->commit);
	s->committed_ms = (uint64_t)clock_boottime_ms();
	s->daemon_pid = e->daemon_pid;
	s->daemon_start = e->daemon_start;
	memcpy(s->daemon_boot, e->boot_id, sizeof(s->daemon_boot));
	if (journal_save(&e->journal) == -1) {
		int error = errno;

		*s = before;
		return run_broke(e, REASON_SYNC_FAILED, "journal: %s", strerror(error));
	}
	journal_get_signal(s, &signal);
	if (announcement_take(e, &signal) == -1) /* the next start tries again */
		log_warn("run=%s: the signal file could not be removed", s->run);
	announcement_clear_retry(e);
	return ON_PASSED;
}
