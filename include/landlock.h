/*
 * landlock.h - Landlock domains (landlock(7)), by raw system calls: no library is packaged.
 *
 * room: both processes; the mechanism. The tables, with a reason in each row, are each room's own.
 * distrusts: what the kernel says of itself: each feature is tried before it is counted on.
 *
 * A domain is made in the parent as a ruleset, a descriptor; entering it is two raw system calls,
 * so that it can be done between fork(2) and execve(2). Domains nest and are never left.
 */
#ifndef MOULT_LANDLOCK_H
#define MOULT_LANDLOCK_H

#include <stdint.h>

/* Rights on files, one bit each; the numbers are the kernel's. X(symbol, bit, since ABI, word) */
#define LANDLOCK_FILE_RIGHTS(X)              \
	X(EXECUTE, 0, 1, "execute")          \
	X(WRITE_FILE, 1, 1, "write")         \
	X(READ_FILE, 2, 1, "read")           \
	X(READ_DIR, 3, 1, "list")            \
	X(REMOVE_DIR, 4, 1, "remove-dir")    \
	X(REMOVE_FILE, 5, 1, "remove-file")  \
	X(MAKE_CHAR, 6, 1, "make-char")      \
	X(MAKE_DIR, 7, 1, "make-dir")        \
	X(MAKE_REG, 8, 1, "make-file")       \
	X(MAKE_SOCK, 9, 1, "make-socket")    \
	X(MAKE_FIFO, 10, 1, "make-fifo")     \
	X(MAKE_BLOCK, 11, 1, "make-block")   \
	X(MAKE_SYM, 12, 1, "make-link")      \
	X(REFER, 13, 2, "move-between-dirs") \
	X(TRUNCATE, 14, 3, "truncate")       \
	X(IOCTL_DEV, 15, 5, "device-ioctl")

/* Rights on TCP ports. */
#define LANDLOCK_PORT_RIGHTS(X) \
	X(BIND, 0, 4, "bind")   \
	X(CONNECT, 1, 4, "connect")

/* What does not cross the domain's border to the outside. */
#define LANDLOCK_SCOPES(X)                        \
	X(ABSTRACT, 0, 6, "abstract Unix socket") \
	X(SIGNAL, 1, 6, "signal")

#define LANDLOCK_ENUM_FILE(symbol, bit, abi, word)  FILE_##symbol = 1 << (bit),
#define LANDLOCK_ENUM_PORT(symbol, bit, abi, word)  PORT_##symbol = 1 << (bit),
#define LANDLOCK_ENUM_SCOPE(symbol, bit, abi, word) SCOPE_##symbol = 1 << (bit),
enum landlock_file { LANDLOCK_FILE_RIGHTS(LANDLOCK_ENUM_FILE) FILE_ALL = (1 << 16) - 1 };
enum landlock_port { LANDLOCK_PORT_RIGHTS(LANDLOCK_ENUM_PORT) PORT_ALL = (1 << 2) - 1 };
enum landlock_scope { LANDLOCK_SCOPES(LANDLOCK_ENUM_SCOPE) SCOPE_ALL = (1 << 2) - 1 };

/* What tables of places are written in. */
#define FILE_READ (FILE_READ_FILE | FILE_READ_DIR)
#define FILE_RUN  (FILE_READ | FILE_EXECUTE)
#define FILE_CHANGE                                                                           \
	(FILE_READ | FILE_WRITE_FILE | FILE_TRUNCATE | FILE_REMOVE_DIR | FILE_REMOVE_FILE |   \
	    FILE_MAKE_DIR | FILE_MAKE_REG | FILE_MAKE_SOCK | FILE_MAKE_FIFO | FILE_MAKE_SYM | \
	    FILE_REFER)
#define FILE_BUILD (FILE_CHANGE | FILE_EXECUTE)
#define FILE_USE   (FILE_READ_FILE | FILE_WRITE_FILE | FILE_IOCTL_DEV) /* a device like /dev/null */

/* What this kernel keeps. A field is 0 where it keeps nothing of that kind. */
struct landlock_features {
	int abi;         /* as it says; 0: no Landlock */
	uint32_t errata; /* the set of corrected errors, as it says */
	uint32_t files;  /* enum landlock_file */
	uint32_t ports;  /* enum landlock_port */
	uint32_t scopes; /* enum landlock_scope */
};

/*
 * Asks the kernel, and makes rulesets to see what it takes: a kernel has been sold that claimed an
 * ABI and lacked part of it. abi_max bounds what is asked for (a test's view of an older kernel);
 * LANDLOCK_ABI_KNOWN asks for all that is known here.
 */
#define LANDLOCK_ABI_KNOWN 7
void landlock_probe(struct landlock_features *f, int abi_max);

/* The layers (wire.h) that are missing for full confinement: a set of 1 << LAYER_x. */
uint32_t landlock_missing(const struct landlock_features *f);

/*
 * Makes a ruleset that forbids these rights and scopes where no rule allows them; what the kernel
 * does not keep is left out. Returns a descriptor (OWNED by the caller, close-on-exec), or -1 and
 * errno; ENOTSUP when nothing of it is kept.
 */
int landlock_ruleset(
    const struct landlock_features *f, uint32_t files, uint32_t ports, uint32_t scopes);

/* Allows rights at and below what path_fd (O_PATH will do; BORROWED) is: 0, or -1 and errno. For
 * what is no directory, rights of directories are left out. */
int landlock_allow(const struct landlock_features *f, int ruleset_fd, int path_fd, uint32_t files);

/* Allows rights on one TCP port. 0, or -1 and errno. */
int landlock_allow_port(
    const struct landlock_features *f, int ruleset_fd, uint16_t port, uint32_t ports);

/* Sets no_new_privs and enters, for good. Async-signal-safe. 0, or -1 and errno. */
int landlock_enter(int ruleset_fd);

/* "read list execute": the rights in words, for the tables that are printed. */
#define LANDLOCK_WORDS_MAX 256
void landlock_words(uint32_t files, char words[LANDLOCK_WORDS_MAX]);

#endif
