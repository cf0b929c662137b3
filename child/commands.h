/*
 * commands.h - the only command lines of moult, each with its whole environment.
 *
 * room: executor.
 * distrusts: the repository: git gets a common directory of ours, so that its own configuration,
 *	hooks and attributes are never read; object ids, not names, wherever one is known.
 *
 * Each function fills e->command from nothing. Texts come from moult.conf and from values that
 * passed the version grammar or the object id grammar; none comes from the monitor otherwise.
 */
#ifndef MOULT_COMMANDS_H
#define MOULT_COMMANDS_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include "executor.h"

/* In the environment of every step: whose it is. With the state directory. */
#define COMMAND_MARK "MOULT_STATE_DIR=%s"

/* gpg's directory, in the state directory. */
#define COMMAND_GNUPGHOME "tmp/gnupg"

/* Prints extensions.* and the like of the repository's own configuration, NUL-separated. */
void command_git_format(struct exe *e);
/* Prints HEAD's id and the tracked files that differ, NUL-separated. */
void command_git_status(struct exe *e);
/* Writes the differences of tracked files to the run's log. */
void command_git_diff(struct exe *e);
/* Fetches what the channel and `fetch` in the configuration say. */
void command_git_fetch(struct exe *e);
/* Prints the id of the wanted tag in the remote; exits 2 when it has none. */
void command_git_ask_tag(struct exe *e);
/* Prints the branch and all v* tags of the remote, with their ids. */
void command_git_ask_all(struct exe *e, uint32_t limit_s);
/* Prints the names of the v* tags that are here, about newest first. */
void command_git_tags(struct exe *e);
/* Prints git's version. */
void command_git_version(struct exe *e);
/* Prints ids: of the wanted tag object or branch, and of its commit. */
void command_git_resolve(struct exe *e);
/* Prints ".gitmodules" when the commit has submodules. */
void command_git_submodules(struct exe *e, const char *commit);
/* Exits 0 when ancestor is one of descendant, 1 when not. */
void command_git_is_ancestor(struct exe *e, const char *ancestor, const char *descendant);
/* Brings the checkout to the target. recovering: whatever stands in the way is ours. */
void command_git_checkout(struct exe *e, const char *commit, bool recovering);
/* Prints a tag or commit object as it is stored; type is "tag" or "commit". */
void command_git_object(struct exe *e, const char *type, const char *id);
/* Asks whether its signature is good; what is said of it is captured. */
void command_git_verify(struct exe *e, const char *type, const char *id);
/* Takes the OpenPGP keys that may sign into tmp/gnupg/ in the state directory. */
void command_gpg_import(struct exe *e);
/* Prints the content of a file in a commit. */
void command_git_show(struct exe *e, const char *commit, const char *path);
/* Prints the nearest v* tag of a commit. */
void command_git_describe(struct exe *e, const char *commit);

/* Gives every right to tmp/ in the state directory and what is below it to the user, and no other.
 */
void command_loosen(struct exe *e);
/* Removes what is in tmp/ in the state directory. */
void command_sweep(struct exe *e);

/* The interpreter that runs all Python migrations of a gap, one at a time. */
void command_python(struct exe *e);
/* One executable migration; verb is "check" or "migrate". */
void command_migration(struct exe *e, const char *name, const char *verb);
/* The external runner of the configuration, for the whole gap. */
void command_migrate_gap(struct exe *e);
void command_install(struct exe *e);

/* Writes the private common directory git/ in the state directory. 0, or -1 and errno. */
int command_write_git_config(struct exe *e);

/* "refs/tags/v1.1.0" or "refs/remotes/origin/main" of the present run. */
void command_target_ref(const struct exe *e, char *ref, size_t size);

#endif
