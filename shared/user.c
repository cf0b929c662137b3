/*
 * user.c - becoming another user for good, and looking whether it held.
 *
 * room: both processes, before they are sealed; the mechanism.
 * distrusts: the kernel's word: what was given up is looked at again.
 *
 * Capabilities go by raw system calls: two calls are no reason for a library.
 */
#include "user.h"

#include <bsd/string.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64 /* bits of a set; the kernel knows fewer, and says so */
#define WORD_BITS        32 /* the kernel takes a set in two words */

/* Every bit has a lock beside it, one place higher. */
#define LOCKED(bits) ((bits) | (bits) << 1)

/* From here on nothing can be gained by becoming root, nor kept by leaving it. */
#define SECUREBITS_LOCKED                                                                 \
	(SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
	    LOCKED(SECBIT_NO_CAP_AMBIENT_RAISE))

/*
 * For root the first one stays open: a program that root executes then gets what the bounding set
 * has left, as an install command needs it.
 */
static unsigned long
securebits_of(const struct user *u)
{
	return u->uid == 0 ? SECUREBITS_LOCKED : SECUREBITS_LOCKED | SECBIT_NOROOT;
}

/* ---- who ---------------------------------------------------------------------------------- */

static int
fill(struct user *u, const struct passwd *pw)
{
	int count = USER_GROUPS_MAX;

	memset(u, 0, sizeof(*u));
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	(void)strlcpy(u->name, pw->pw_name, sizeof(u->name)); /* cut: for people */
	if (getgrouplist(pw->pw_name, pw->pw_gid, u->groups, &count) == -1) {
		errno = E2BIG;
		return -1;
	}
	u->group_count = count;
	return 0;
}

int
user_by_name(struct user *u, const char *name)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw != NULL)
		return fill(u, pw);
	/* Some databases tell of an absent entry by an error of their own, most by none. */
	errno = ENOENT;
	return -1;
}

int
user_by_uid(struct user *u, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		return fill(u, pw);
	memset(u, 0, sizeof(*u));
	u->uid = uid;
	u->gid = gid;
	u->groups[0] = gid;
	u->group_count = 1;
	(void)snprintf(u->name, sizeof(u->name), "%lu", (unsigned long)uid); /* fits */
	return 0;
}

/* Only root may be somebody else. */
static int
user_self_or(struct user *u, const char *name)
{
	if (name[0] == '\0')
		return user_by_uid(u, geteuid(), getegid());
	if (user_by_name(u, name) == -1)
		return -1;
	if (u->uid == geteuid())
		return 0;
	errno = EPERM;
	return -1;
}

int
user_monitor(struct user *u, const struct conf *c)
{
	if (geteuid() != 0)
		return user_self_or(u, c->monitor_user);
	if (c->monitor_user[0] != '\0')
		return user_by_name(u, c->monitor_user);
	if (user_by_name(u, USER_MONITOR) == 0)
		return 0;
	return errno == ENOENT ? user_by_name(u, USER_MONITOR_ELSE) : -1;
}

int
user_deploy(struct user *u, const struct conf *c)
{
	struct stat st;

	if (geteuid() != 0)
		return user_self_or(u, c->deploy_user);
	if (c->deploy_user[0] != '\0')
		return user_by_name(u, c->deploy_user);
	if (stat(c->repo, &st) == -1)
		return -1;
	if (st.st_uid == 0) {
		errno = EINVAL;
		return -1;
	}
	return user_by_uid(u, st.st_uid, st.st_gid);
}

int
user_refusal(int error, const char **words)
{
	switch (error) {
	case EPERM:
		*words = "only root may run as another user, and root did not start moult";
		return EX_NOPERM;
	case EINVAL:
		*words = "is not set, and the checkout belongs to root: name a user, or, if "
			 "migrations and the install command are to run as root, write root";
		return EX_CONFIG;
	case E2BIG:
		*words = "the user is in too many groups";
		return EX_CONFIG;
	default:
		*words = strerrordesc_np(error);
		return EX_CONFIG;
	}
}

/* ---- becoming ----------------------------------------------------------------------------- */

static uint64_t
join(uint32_t low, uint32_t high)
{
	return (uint64_t)high << WORD_BITS | low;
}

struct capabilities {
	uint64_t effective, permitted, inheritable;
};

static int
get_capabilities(struct capabilities *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) == -1)
		return -1;
	c->effective = join(data[0].effective, data[1].effective);
	c->permitted = join(data[0].permitted, data[1].permitted);
	c->inheritable = join(data[0].inheritable, data[1].inheritable);
	return 0;
}

/* Effective and permitted; none is inherited. */
static int
set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	size_t i;

	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].effective = data[i].permitted = (uint32_t)(set >> (i * WORD_BITS));
	return (int)syscall(SYS_capset, &header, data);
}

/* Drops what is there of the bounding set, but for keep. */
static int
drop_bounding(uint64_t keep)
{
	unsigned long cap;
	int has;

	for (cap = 0; cap < CAPABILITIES_MAX; cap++) {
		has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (has == -1) /* the kernel knows no more of them */
			return 0;
		if (has == 1 && !(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			return -1;
	}
	return 0;
}

static bool
is_uid(uid_t want)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) == 0 && real == want && effective == want &&
	       saved == want;
}

static bool
is_gid(gid_t want)
{
	gid_t real, effective, saved;

	return getresgid(&real, &effective, &saved) == 0 && real == want && effective == want &&
	       saved == want;
}

/* The kernel keeps them in an order of its own. */
static bool
is_in_groups(const gid_t want[], int count)
{
	gid_t have[USER_GROUPS_MAX];
	int n = getgroups(USER_GROUPS_MAX, have), i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < count && have[i] != want[j]; j++)
			continue;
		if (j == count)
			return false;
	}
	return n == count;
}

static bool
has_capabilities(uint64_t want)
{
	struct capabilities c;
	unsigned long cap;

	for (cap = 0; cap < CAPABILITIES_MAX; cap++)
		if ((prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && !(want >> cap & 1)) ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return false;
	return get_capabilities(&c) == 0 && c.effective == want && c.permitted == want &&
	       c.inheritable == 0;
}

/* True when some way back is open. What is tried would undo all, so the process then ends. */
static bool
can_return(const struct user *u)
{
	return (u->uid != 0 && (setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0)) ||
	       (u->uid != 0 && u->gid != 0 && (setresgid(0, 0, 0) == 0 || setgid(0) == 0)) ||
	       (u->uid != 0 && setgroups(0, NULL) == 0);
}

/* NULL, or what does not hold. */
static const char *
find_leftover(const struct user *u, const gid_t groups[], int group_count, uint64_t keep)
{
	if (!is_uid(u->uid))
		return "the user ids did not change";
	if (!is_gid(u->gid))
		return "the group ids did not change";
	if (!is_in_groups(groups, group_count))
		return "other groups are left";
	if (!has_capabilities(keep))
		return "other capabilities are left";
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != (int)securebits_of(u))
		return "the securebits are not locked";
	if (can_return(u))
		return "there is a way back";
	return NULL;
}

int
user_become(const struct user *u, int groups, uint64_t keep, const char **what)
{
	const gid_t *list = groups ? u->groups : NULL;
	size_t count = groups ? (size_t)u->group_count : 0;
	struct capabilities now;

	*what = "capabilities are for root alone";
	if (u->uid != 0 && keep != 0) {
		errno = EINVAL;
		return -1;
	}
	*what = "capget";
	if (get_capabilities(&now) == -1)
		return -1;
	keep &= now.permitted; /* a container's root may lack some */
	*what = "the capability bounding set";
	if (drop_bounding(keep) == -1)
		return -1;
	*what = "the ambient capabilities";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return -1;
	*what = "the securebits";
	if (prctl(PR_SET_SECUREBITS, securebits_of(u), 0, 0, 0) == -1)
		return -1;
	*what = "the groups";
	if (setgroups(count, list) == -1)
		return -1;
	*what = "the group id";
	if (setresgid(u->gid, u->gid, u->gid) == -1)
		return -1;
	*what = "the user id";
	if (setresuid(u->uid, u->uid, u->uid) == -1)
		return -1;
	*what = "capset";
	if (set_capabilities(keep) == -1)
		return -1;
	*what = find_leftover(u, list, (int)count, keep);
	errno = EPERM;
	return *what == NULL ? 0 : -1;
}
