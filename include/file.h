/*
 * file.h - reading what others wrote, and writing so that a power cut leaves old or new.
 *
 * room: every process.
 * distrusts: every file it is pointed at: kind, owner, size, and that it stays the same.
 */
#ifndef MOULT_FILE_H
#define MOULT_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FILE_SHA256_BYTES 32

/*
 * What tells one file from another that took its name. Never ctime, which rename(2) changes, and
 * never the inode number alone, which is reused at once. Crosses the socket as it is: fixed
 * widths, no padding.
 */
struct file_identity {
	uint64_t dev;
	uint64_t ino;
	int64_t btime_s; /* birth; 0 where the file system keeps none */
	int64_t btime_ns;
	int64_t mtime_s;
	int64_t mtime_ns;
	uint64_t size_bytes;
	uint8_t sha256[FILE_SHA256_BYTES];
};

/*
 * Opens name in dirfd for reading without following a link, waiting on a FIFO or adopting a
 * terminal. Returns a descriptor (close-on-exec; the caller OWNS it), or -1 and errno; ELOOP is a
 * symbolic link, ENXIO a socket.
 */
int file_open_wary(int dirfd, const char *name);

/*
 * Reads all of a regular file of at most size bytes from its start into buf and identifies it.
 * Returns 0 with *len set; -1 and errno: EINVAL not a regular file, EFBIG larger than size,
 * EAGAIN it changed while it was read.
 */
int file_identify(int fd, void *buf, size_t size, size_t *len, struct file_identity *id);

/* 0 when both describe the same file with the same content. */
int file_identity_compare(const struct file_identity *a, const struct file_identity *b);

/*
 * Makes name in dirfd hold exactly data, durably: written aside as ".NAME.tmp", synced, renamed,
 * the directory synced. mode is subject to the umask. Returns 0, or -1 and errno with the aside
 * removed; after -1 the old or the new content may stand, never a mixture.
 */
int file_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode);

/* As file_replace() without any sync: for what may be lost but never be half there. */
int file_replace_volatile(int dirfd, const char *name, const void *data, size_t len, mode_t mode);

/* Writes all of data: EINTR and short writes are continued. 0, or -1 and errno. */
int file_write_all(int fd, const void *data, size_t len);

/*
 * Reads a regular file of at most max bytes into a fresh buffer with a NUL behind it. Returns 0
 * (the caller OWNS *data, free(3)), or -1 and errno as file_identify().
 */
int file_slurp(int dirfd, const char *name, size_t max, char **data, size_t *len);

/* Opens a directory, close-on-exec, O_PATH-less so that it can be synced and listed. -1, errno. */
int file_open_dir(int dirfd, const char *path);

#endif
