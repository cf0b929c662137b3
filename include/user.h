/*
 * user.h - becoming another user for good.
 *
 * room: both processes, before they are sealed; the mechanism.
 * distrusts: the kernel's word: what was given up is looked at again.
 */
#ifndef MOULT_USER_H
#define MOULT_USER_H

#include <stdint.h>
#include <sys/types.h>

#include "conf.h"

#define USER_NAME_MAX   64
#define USER_GROUPS_MAX 64

struct user {
	uid_t uid;
	gid_t gid;
	char name[USER_NAME_MAX];      /* its uid in digits where it has no name */
	gid_t groups[USER_GROUPS_MAX]; /* of the user database, gid among them */
	int group_count;
};

/* Looks a user up, with its groups. 0; or -1 and errno, ENOENT when there is none, E2BIG when it
 * has more groups than we hold. */
int user_by_name(struct user *u, const char *name);
/* A uid without an entry has no groups but gid. */
int user_by_uid(struct user *u, uid_t uid, gid_t gid);

/* Whom the monitor becomes where the configuration names nobody. */
#define USER_MONITOR      "_moult"
#define USER_MONITOR_ELSE "nobody"

/*
 * Whom the monitor, and whom the executor with its steps become: what the configuration says, or
 * the defaults; started by another than root, the one who started. 0, or -1 and errno: EPERM it
 * names another user and we are not root; EINVAL the checkout belongs to root and nobody has
 * written deploy_user; ENOENT no such user or checkout; or as user_by_name() and stat(2).
 */
int user_monitor(struct user *u, const struct conf *c);
int user_deploy(struct user *u, const struct conf *c);

/* Such an error in words that follow the key's name, and the exit status that it has. */
int user_refusal(int error, const char **words);

/*
 * Becomes u for good: bounding and ambient sets, securebits (locked), groups, group ids, user ids
 * and capabilities, in this order; then looks whether it holds, and tries to come back. keep is
 * the set of capabilities (1 << CAP_x) that stay when u is root, and must be 0 for others.
 * groups: whether u's groups of the user database come along. Needs root. Returns 0; or -1 with
 * errno and *what naming what failed: then the process is neither the one nor the other, and must
 * end.
 */
int user_become(const struct user *u, int groups, uint64_t keep, const char **what);

/* What installing files as root takes, and no more. */
#define USER_ROOT_KEEPS                                                                   \
	((UINT64_C(1) << 0) /* CAP_CHOWN */ | (UINT64_C(1) << 1) /* CAP_DAC_OVERRIDE */ | \
	    (UINT64_C(1) << 3) /* CAP_FOWNER */ | (UINT64_C(1) << 4) /* CAP_FSETID */)

#endif
