/*
 * seal.c - the executor gives its power away, before it reads one byte from the monitor.
 *
 * room: executor.
 * distrusts: itself, later on.
 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"
#include "profile.h"

/* What no step exceeds, so that the executor need not either. */
static enum profile
widest(const struct conf *conf)
{
	if (conf->migrate_network || conf->install_network)
		return PROFILE_OPEN;
	return conf->remote[0] == '/' || strncmp(conf->remote, "file://", 7) == 0 ? PROFILE_LOCAL
										  : PROFILE_FETCH;
}

void
seal_build(struct exe *e)
{
	if (filter_available()) {
		profile_build(&e->filters, widest(&e->conf));
		return;
	}
	if (e->conf.mode == CONF_REQUIRE)
		log_exit(EX_OSERR, "this kernel does not filter system calls; [sandbox] mode = "
				   "degrade runs without");
	log_warnx("DEGRADED: system calls are not filtered, in the executor and in steps");
}

static void
limits(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		fatal("setrlimit");
	/* No core file, and no ptrace(2) by other processes of this user. */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		fatal("prctl(PR_SET_DUMPABLE)");
	/* Also where there is no filter to load, which sets it as well. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("prctl(PR_SET_NO_NEW_PRIVS)");
}

void
seal(struct exe *e)
{
	limits();
	if (e->filters.calls.code == NULL)
		return;
	/* Arguments first: the table of names would let the second load pass either way. */
	if (filter_load(&e->filters.profile[e->filters.widest]) == -1 ||
	    filter_load(&e->filters.calls) == -1)
		fatal("seccomp");
}
