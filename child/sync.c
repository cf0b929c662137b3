/*
 * sync.c - making durable what steps have written, wherever that was.
 *
 * room: executor.
 * distrusts: the mounts: one that hangs is another machine's, and is left out.
 *
 * Where a step may write is not known, so every local file system that can be written is synced,
 * one by one, because syncfs(2) tells of errors and sync(2) does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBBSD_OPENBSD_VIS /* which strnunvis(3) we mean; we use neither */
#include <bsd/vis.h>

#include "executor.h"
#include "log.h"

/* Those that keep nothing, and those whose server may never answer. */
static const char *const left_out[] = {"9p", "afs", "autofs", "binfmt_misc", "bpf", "ceph",
    "cgroup", "cgroup2", "cifs", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl",
    "hugetlbfs", "mqueue", "nfs", "nfs4", "nfsd", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs",
    "securityfs", "selinuxfs", "smb3", "sysfs", "tmpfs", "tracefs", NULL};

static bool
is_left_out(const char *type)
{
	for (size_t i = 0; left_out[i] != NULL; i++)
		if (strcmp(type, left_out[i]) == 0)
			return true;
	return strncmp(type, "fuse.", 5) == 0;
}

static int
sync_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK), rc, error;

	if (fd == -1) {
		/* What may not be listed may still have been written below: without its errors. */
		if (errno == EACCES || errno == EPERM)
			sync();
		return 0;
	}
	rc = syncfs(fd);
	error = errno;
	close(fd);
	errno = error;
	return rc;
}

/* A line of mountinfo (proc(5)): "36 35 98:0 /mnt1 /mnt2 rw,noatime ... - ext3 /dev/root rw". */
static int
sync_line(char *line)
{
	char *fields[6], *save = NULL, *dash = strstr(line, " - ");
	char path[PATH_MAX], type[64];

	if (dash == NULL || sscanf(dash, " - %63s", type) != 1)
		return 0;
	for (size_t i = 0; i < 6; i++)
		if ((fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save)) == NULL)
			return 0;
	if (is_left_out(type) || strncmp(fields[5], "ro", 2) == 0 ||
	    strlen(fields[4]) >= sizeof(path) || strunvis(path, fields[4]) == -1)
		return 0;
	return sync_one(path);
}

static int
sync_mounts(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (mounts == NULL)
		return -1;
	while (rc == 0 && getline(&line, &size, mounts) != -1)
		rc = sync_line(line);
	free(line);
	(void)fclose(mounts); /* only read from */
	return rc;
}

int
sync_all(const struct exe *e, const char **where)
{
	*where = e->conf.repo; /* whatever its kind: it is the one that counts */
	if (syncfs(e->repo_fd) == -1)
		return -1;
	*where = e->conf.state_dir;
	if (syncfs(e->state_fd) == -1)
		return -1;
	*where = "a mounted file system";
	return sync_mounts();
}
