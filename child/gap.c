/*
 * gap.c - which migrations lie between two versions, and in which order.
 *
 * room: executor.
 * distrusts: the checkout: names are checked before one of them reaches a command line, and a
 *	name that looks like a migration but cannot be one stops the update instead of being
 *skipped.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "log.h"

#define NAME_MAX_BYTES 128 /* of a migration's file */

static int
gap_add(struct run *run, const char *version, const char *name)
{
	char **list = reallocarray(run->gap, run->gap_count + 1, sizeof(*list));

	if (list == NULL)
		return -1;
	run->gap = list;
	if (asprintf(&list[run->gap_count], "%s/%s", version, name) == -1)
		return -1;
	run->gap_count++;
	return 0;
}

/* By version, then by file name, which begins with NNN. */
static int
by_order(const void *a, const void *b)
{
	const char *left = *(char *const *)a, *right = *(char *const *)b;
	const char *left_name = strchr(left, '/'), *right_name = strchr(right, '/');
	struct version lv = {0}, rv = {0};
	int order;

	memcpy(lv.text, left, (size_t)(left_name - left));
	memcpy(rv.text, right, (size_t)(right_name - right));
	order = version_compare(&lv, &rv);
	if (order == 0) /* they differ in build metadata alone */
		order = strcmp(lv.text, rv.text);
	return order != 0 ? order : strcmp(left_name, right_name);
}

/* NNN_name[.ext] of letters, digits, dot, underscore and hyphen. */
static bool
is_migration_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 5 || len >= NAME_MAX_BYTES || name[3] != '_' || !isalnum((unsigned char)name[4]))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (i < 3 ? !isdigit(c) : !(isalnum(c) || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool
gap_is_python(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && strcmp(name + len - 3, ".py") == 0;
}

/* 1 it is one, 0 it is something else, -1 it cannot be run as it stands: said. */
static int
judge(struct exe *e, int dir_fd, const char *version, const char *name)
{
	struct stat st;

	if (!isdigit((unsigned char)name[0]))
		return 0;
	if (!is_migration_name(name)) {
		run_broke(e, REASON_MIGRATION_INVALID,
		    "v%s/%.100s: the name is not NNN_name or NNN_name.ext", version, name);
		return -1;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode)) {
		run_broke(e, REASON_MIGRATION_INVALID, "v%s/%s: not a regular file", version, name);
		return -1;
	}
	if (!gap_is_python(name) && (st.st_mode & 0111) == 0) {
		run_broke(e, REASON_MIGRATION_INVALID, "v%s/%s: not executable", version, name);
		return -1;
	}
	return 1;
}

/* NULL at the end, with errno 0, and after an error: a directory cut short would skip migrations.
 */
static struct dirent *
next_entry(DIR *dir)
{
	errno = 0;
	return readdir(dir);
}

static int
list_version(struct exe *e, int parent_fd, const char *entry, const struct version *v)
{
	int fd = openat(parent_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *file;
	int verdict = 0;

	if (dir == NULL) {
		run_broke(e, REASON_MIGRATION_INVALID, "%s/%s: %s", e->conf.migrations, entry,
		    strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (verdict != -1 && (file = next_entry(dir)) != NULL) {
		verdict = judge(e, fd, v->text, file->d_name);
		if (verdict == 1 && gap_add(&e->run, v->text, file->d_name) == -1) {
			run_broke(e, REASON_SYSTEM, "out of memory");
			verdict = -1;
		}
	}
	if (verdict != -1 && errno != 0) {
		run_broke(
		    e, REASON_SYSTEM, "%s/%s: %s", e->conf.migrations, entry, strerror(errno));
		verdict = -1;
	}
	closedir(dir);
	return verdict == -1 ? -1 : 0;
}

static int
list_all(struct exe *e, DIR *dir, const struct version *from, const struct version *to)
{
	struct dirent *entry;
	struct version v;

	while ((entry = next_entry(dir)) != NULL) {
		if (entry->d_name[0] != 'v' || !isdigit((unsigned char)entry->d_name[1]))
			continue;
		if (version_parse(&v, entry->d_name) == -1) {
			run_broke(e, REASON_MIGRATION_INVALID, "%s/%.100s: not a version",
			    e->conf.migrations, entry->d_name);
			return -1;
		}
		if (version_compare(&v, from) <= 0 || version_compare(&v, to) > 0)
			continue;
		if (list_version(e, dirfd(dir), entry->d_name, &v) == -1)
			return -1;
	}
	if (errno == 0)
		return 0;
	run_broke(e, REASON_SYSTEM, "%s: %s", e->conf.migrations, strerror(errno));
	return -1;
}

int
gap_list(struct exe *e, const char *from, const char *to)
{
	struct version from_version, to_version;
	DIR *dir;
	int fd, rc;

	run_release_gap(&e->run);
	if (version_parse(&from_version, from) == -1 || version_parse(&to_version, to) == -1) {
		run_broke(e, REASON_VERSION_UNKNOWN, "the gap from %s to %s", from, to);
		return -1;
	}
	fd = openat(e->repo_fd, e->conf.migrations, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT) {
		log_info("run=%s step=migrate: the checkout has no directory %s",
		    e->journal.state.run, e->conf.migrations);
		return 0;
	}
	dir = fd == -1 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		run_broke(
		    e, REASON_MIGRATION_INVALID, "%s: %s", e->conf.migrations, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	rc = list_all(e, dir, &from_version, &to_version);
	closedir(dir);
	if (rc == 0 && e->run.gap_count > 1)
		qsort(e->run.gap, e->run.gap_count, sizeof(*e->run.gap), by_order);
	return rc;
}
