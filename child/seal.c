/*
 * seal.c - the executor gives its power away, before it reads one byte from the monitor.
 *
 * room: executor.
 * distrusts: itself, later on.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "domain.h"
#include "executor.h"
#include "log.h"
#include "profile.h"
#include "remote.h"

/* What no step exceeds, so that the executor need not either. */
static enum network
widest(const struct conf *conf)
{
	if (conf->migrate_network || conf->install_network)
		return NETWORK_OPEN;
	return remote_is_local(conf) ? NETWORK_NONE : NETWORK_REMOTE;
}

void
seal_user(struct exe *e)
{
	const char *what;

	if (user_deploy(&e->user, &e->conf) == -1)
		fatal("[deploy] deploy_user"); /* the monitor has looked, with better words */
	if (geteuid() != 0)
		return;
	if (user_become(&e->user, 1, e->user.uid == 0 ? USER_ROOT_KEEPS : 0, &what) == -1)
		fatal("[deploy] deploy_user: becoming %s: %s", e->user.name, what);
}

void
seal_look(struct exe *e)
{
	landlock_probe(&e->landlock, LANDLOCK_ABI_KNOWN);
	e->missing = landlock_missing(&e->landlock);
	if (!filter_available())
		e->missing |= 1u << LAYER_SECCOMP;
}

static void
refuse_missing(struct exe *e)
{
	for (uint32_t layer = 0; layer < LAYER_END; layer++)
		if ((e->missing & 1u << layer) != 0)
			log_warnx("%s%s is missing: %s, of steps and of the executor",
			    e->conf.mode == CONF_REQUIRE ? "" : "DEGRADED: ",
			    wire_layer_name(layer), wire_layer_words(layer));
	if (e->missing != 0 && e->conf.mode == CONF_REQUIRE)
		log_exit(EX_OSERR, "refusing to run: this kernel does not confine what moult runs "
				   "(Linux 6.12 or later does); [sandbox] mode = degrade runs "
				   "without what is missing");
}

void
seal_filters(struct exe *e)
{
	if ((e->missing & 1u << LAYER_SECCOMP) == 0)
		profile_build(&e->filters, widest(&e->conf));
}

void
seal_build(struct exe *e)
{
	seal_look(e);
	refuse_missing(e);
	seal_filters(e);
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

/*
 * kill(-1) reaches every process of this user unless our domain keeps it in. So it is used only
 * where a process of ours that stayed outside has been out of reach.
 */
static void
enter_domain(struct exe *e)
{
	int release_fd;
	pid_t stranger = spawn_stranger(&release_fd);

	if (stranger == -1)
		fatal("fork");
	if (domain_own(e) == -1)
		fatal("landlock");
	e->scope_kill = kill(stranger, 0) == -1 && errno == EPERM;
	close(release_fd);
	while (waitpid(stranger, NULL, 0) == -1)
		if (errno != EINTR)
			fatal("waitpid");
	if (!e->scope_kill && (e->missing & 1u << LAYER_SCOPE) == 0)
		log_exit(EX_OSERR,
		    "this kernel claims that signals do not leave a Landlock domain, "
		    "and they do");
}

void
seal(struct exe *e)
{
	limits();
	enter_domain(e);
	if (e->filters.calls.code != NULL && profile_load_own(&e->filters) == -1)
		fatal("seccomp");
}
