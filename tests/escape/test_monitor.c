/*
 * test_monitor.c - attempts out of the monitor: its own preparation, domain and filter.
 *
 * room: tests, linked with the monitor's own objects.
 * distrusts: nothing: it holds the monitor to its word.
 *
 * Each attempt has a monitor of its own, sealed as its main() seals it: a call outside of its list
 * ends it. There is no executor; a process of the deploy user stands for it.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor.h"

#define ATTEMPT_S 30

static void
configure(struct conf *c, const struct stage *s)
{
	snprintf(c->computer, sizeof(c->computer), "box");
	snprintf(c->repo, sizeof(c->repo), "%.190s", s->path[SPOT_REPO]);
	snprintf(c->state_dir, sizeof(c->state_dir), "%.190s", s->path[SPOT_STATE]);
	snprintf(c->signal, sizeof(c->signal), "%.190s", s->path[SPOT_SIGNAL]);
	snprintf(c->password_file, sizeof(c->password_file), "%.190s", s->path[SPOT_PASSWORD]);
	snprintf(c->redis_host, sizeof(c->redis_host), "127.0.0.1");
	if (s->deploy_uid == 0 && s->monitor_uid != 0)
		snprintf(c->deploy_user, sizeof(c->deploy_user), "root");
	c->redis = CONF_REDIS_TCP;
	c->redis_port = s->redis_port;
	c->mode = CONF_DEGRADE; /* some layers are off on purpose */
}

/* In the order of its main(); then whoever has taken it over. */
static void __attribute__((noreturn)) be_monitor(const struct stage *outside, const struct row *r)
{
	static struct mon m; /* large */
	struct stage s = *outside;

	(void)alarm(ATTEMPT_S);
	mon_timers_clear(&m);
	m.conf_path = s.path[SPOT_CONF];
	m.events_fd = -1;
	configure(&m.conf, &s);
	mon_domain_probe(&m);
	mon_prepare(&m);
	mon_watch_open(&m);
	mon_seal(&m);
	layers_done();
	s.watch_fd = m.watch.fd;
	_exit(exit_of_came(r->try(&s, r)));
}

static int
try_row(const struct set *set, struct stage *s, const struct row *r)
{
	int status;
	pid_t pid;

	stage_set_who(s, r->who);
	if ((pid = fork()) == -1)
		return CAME_BROKEN;
	if (pid == 0) {
		layers_off(set->on);
		be_monitor(s, r);
	}
	if (waitpid(pid, &status, 0) == -1)
		return CAME_BROKEN;
	status = came_of_exit(
	    WIFEXITED(status), WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (r->happened != NULL && (status == 0 || status == CAME_NOTHING))
		status = r->happened(s) ? 0 : CAME_NOTHING;
	return status;
}

static void
run_set(const struct set *set, int came[])
{
	struct stage *s = stage_open(set);

	for (size_t row = 0; row < rows_count(); row++) {
		if (rows[row].who != WHO_MONITOR)
			continue;
		came[row] = try_row(set, s, &rows[row]);
		stage_mend(s);
	}
	stage_close(s);
}

static bool
is_ours(const struct row *r)
{
	return r->who == WHO_MONITOR;
}

int
main(int argc, char *argv[])
{
	return escape_main(argc, argv, is_ours, run_set);
}
