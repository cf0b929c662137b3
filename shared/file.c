/*
 * file.c - reading what others wrote, and writing so that a power cut leaves old or new.
 *
 * room: every process.
 * distrusts: every file it is pointed at: kind, owner, size, and that it stays the same.
 */
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static_assert(SHA256_DIGEST_LENGTH == FILE_SHA256_BYTES, "the digest fits its field");
static_assert(sizeof(struct file_identity) == 7 * 8 + FILE_SHA256_BYTES, "no padding");

/* All of the identity but the digest. */
static int
look(int fd, struct file_identity *id)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx) == -1)
		return -1;
	if (!S_ISREG(sx.stx_mode)) {
		errno = EINVAL;
		return -1;
	}
	memset(id, 0, sizeof(*id));
	id->dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	id->ino = sx.stx_ino;
	id->mtime_s = sx.stx_mtime.tv_sec;
	id->mtime_ns = sx.stx_mtime.tv_nsec;
	id->size_bytes = sx.stx_size;
	if (sx.stx_mask & STATX_BTIME) {
		id->btime_s = sx.stx_btime.tv_sec;
		id->btime_ns = sx.stx_btime.tv_nsec;
	}
	return 0;
}

/* Up to size bytes from where fd stands. */
static int
read_all(int fd, char *buf, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size) {
		n = read(fd, buf + *len, size - *len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

int
file_open_wary(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int
file_identify(int fd, void *buf, size_t size, size_t *len, struct file_identity *id)
{
	struct file_identity after;
	SHA2_CTX sha;

	if (look(fd, id) == -1)
		return -1;
	if (id->size_bytes > size) {
		errno = EFBIG;
		return -1;
	}
	if (lseek(fd, 0, SEEK_SET) == -1 || read_all(fd, buf, size, len) == -1 ||
	    look(fd, &after) == -1)
		return -1;
	if (*len != id->size_bytes || file_identity_compare(id, &after) != 0) {
		errno = EAGAIN;
		return -1;
	}
	SHA256Init(&sha);
	SHA256Update(&sha, buf, *len);
	SHA256Final(id->sha256, &sha);
	return 0;
}

int
file_identity_compare(const struct file_identity *a, const struct file_identity *b)
{
	return memcmp(a, b, sizeof(*a)); /* without padding, and zeroed before it is filled */
}

int
file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The aside, written and closed. After a failed fsync(2) its pages count as clean: never again. */
static int
write_aside(int dirfd, const char *aside, const void *data, size_t len, mode_t mode, bool sync)
{
	int fd, error = 0;

	/* A crash may have left one; made anew, so that no link of it is written through. */
	if (unlinkat(dirfd, aside, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd == -1)
		return -1;
	if (file_write_all(fd, data, len) == -1 || (sync && fsync(fd) == -1))
		error = errno;
	if (close(fd) == -1 && error == 0)
		error = errno;
	errno = error;
	return error == 0 ? 0 : -1;
}

static int
replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode, bool sync)
{
	char aside[NAME_MAX + 1];
	int n, error;

	n = snprintf(aside, sizeof(aside), ".%s.tmp", name);
	if (n < 0 || (size_t)n >= sizeof(aside) || strchr(name, '/') != NULL || name[0] == '\0') {
		errno = n >= (int)sizeof(aside) ? ENAMETOOLONG : EINVAL;
		return -1;
	}
	if (write_aside(dirfd, aside, data, len, mode, sync) == -1 ||
	    renameat(dirfd, aside, dirfd, name) == -1) {
		error = errno;
		(void)unlinkat(dirfd, aside, 0); /* the next write removes what stays */
		errno = error;
		return -1;
	}
	return sync ? fsync(dirfd) : 0;
}

int
file_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	return replace(dirfd, name, data, len, mode, true);
}

int
file_replace_volatile(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	return replace(dirfd, name, data, len, mode, false);
}

int
file_slurp(int dirfd, const char *name, size_t max, char **data, size_t *len)
{
	struct file_identity id;
	char *buf = NULL;
	int fd, error;

	fd = file_open_wary(dirfd, name);
	if (fd == -1)
		return -1;
	if (look(fd, &id) == -1)
		goto fail;
	if (id.size_bytes > max) {
		errno = EFBIG;
		goto fail;
	}
	buf = malloc((size_t)id.size_bytes + 1);
	if (buf == NULL)
		goto fail;
	if (file_identify(fd, buf, (size_t)id.size_bytes, len, &id) == -1) {
		if (errno == EFBIG)
			errno = EAGAIN; /* it grew between the two looks */
		goto fail;
	}
	buf[*len] = '\0';
	*data = buf;
	(void)close(fd); /* only read from: nothing can be lost */
	return 0;
fail:
	error = errno;
	free(buf);
	(void)close(fd); /* only read from */
	errno = error;
	return -1;
}

int
file_open_dir(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
