/*
 * fuzz.h - what the fuzzers have in common: what must hold, and pieces of an input.
 *
 * room: tests. A fuzzer links one room's real objects; it is run by replay.c, or by libFuzzer.
 * distrusts: nothing.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUZZ_PATH_MAX 128

/* One input. What is wrong with how it is treated ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(                                                                   \
			    stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#define UNUSED __attribute__((unused))

/* What is left of the input. */
struct fuzz {
	const char *at;
	size_t left;
};

UNUSED static uint8_t
fuzz_byte(struct fuzz *f)
{
	if (f->left == 0)
		return 0;
	f->left--;
	return (uint8_t)*f->at++;
}

/* Everything up to the next byte end, or to the end: a fresh string, to be freed. */
UNUSED static char *
fuzz_string(struct fuzz *f, char end)
{
	const char *stop = f->left > 0 ? memchr(f->at, end, f->left) : NULL;
	size_t len = stop != NULL ? (size_t)(stop - f->at) : f->left;
	char *text = malloc(len + 1);

	HOLDS(text != NULL);
	memcpy(text, f->at, len);
	text[len] = '\0';
	f->at += len + (stop != NULL);
	f->left -= len + (stop != NULL);
	return text;
}

/* Exactly len bytes of its own, so that a sanitizer sees the first byte read behind them. */
UNUSED static void *
fuzz_copy(const void *data, size_t len)
{
	void *copy = malloc(len > 0 ? len : 1);

	HOLDS(copy != NULL);
	memcpy(copy, data, len);
	return copy;
}

UNUSED static bool
fuzz_is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* A directory in memory; whoever started us removes what is below TMPDIR. */
UNUSED static int
fuzz_dir(char path[FUZZ_PATH_MAX])
{
	const char *base = getenv("TMPDIR");
	int fd;

	HOLDS(snprintf(path, FUZZ_PATH_MAX, "%s/fuzz.XXXXXX", base != NULL ? base : "/dev/shm") <
	      FUZZ_PATH_MAX);
	HOLDS(mkdtemp(path) != NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	HOLDS(fd != -1);
	return fd;
}

UNUSED static void
fuzz_put(int dir_fd, const char *name, const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	HOLDS(fd != -1 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* Takes all that waits in a socket or pipe, which does not block. */
UNUSED static void
fuzz_drain(int fd)
{
	char sink[65536];

	while (read(fd, sink, sizeof(sink)) > 0)
		continue;
}

#endif
