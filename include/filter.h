/*
 * filter.h - seccomp(2) filters from tables of rows.
 *
 * room: both processes; the mechanism. The tables, with a reason in each row, are each room's own.
 * distrusts: nothing; it runs before any input is read.
 *
 * A program is built once by libseccomp and kept; loading it is two raw system calls, so that it
 * can be done between fork(2) and execve(2).
 */
#ifndef MOULT_FILTER_H
#define MOULT_FILTER_H

#include <stddef.h>
#include <stdint.h>

enum filter_verdict {
	FILTER_ALLOW,
	FILTER_REFUSE, /* the call fails with the row's error */
	FILTER_TELL,   /* the listener answers; without one the call fails with ENOSYS */
	FILTER_KILL    /* the process dies by SIGSYS */
};

enum filter_test {
	FILTER_ALWAYS,
	FILTER_EQ,       /* argument == value */
	FILTER_NE,       /* argument != value */
	FILTER_LT,       /* argument <  value */
	FILTER_GT,       /* argument >  value */
	FILTER_MASKED_EQ /* (argument & mask) == value */
};

struct filter_row {
	const char *call; /* a name unknown to this libseccomp is skipped */
	enum filter_verdict verdict;
	int error; /* errno for FILTER_REFUSE */
	enum filter_test test;
	unsigned int argument; /* 0 to 5 */
	uint64_t mask;
	uint64_t value;
	const char *why;
	/* And also, when also_mask is not 0: (also_argument & also_mask) == also_mask. */
	unsigned int also_argument;
	uint64_t also_mask;
};

struct filter_program {
	struct sock_filter *code; /* OWNED; filter_clear() frees */
	unsigned short length;    /* instructions */
};

/*
 * Builds a program: rows in any order, otherwise (with otherwise_error when it is FILTER_REFUSE)
 * for calls that no row names. A call with a FILTER_ALWAYS row has no other row; of one call, rows
 * with different verdicts are never true together. A row that says what otherwise says changes
 * nothing. The call number -1, which a tracer sets to skip
 * a call, always gets ENOSYS. A foreign architecture is killed. Returns 0, or -1 and errno; a row
 * that libseccomp rejects, or would drop without a word, is a bug().
 */
int filter_build(struct filter_program *p, const struct filter_row *rows, size_t count,
    enum filter_verdict otherwise, int otherwise_error);

/* Sets no_new_privs and loads. Async-signal-safe. Returns 0, or -1 and errno. */
int filter_load(const struct filter_program *p);

/*
 * As filter_load(), and returns the descriptor (OWNED by the caller, close-on-exec) at which calls
 * of FILTER_TELL rows wait for an answer (seccomp_unotify(2)). EBUSY: this process or one above it
 * has such a listener already. Async-signal-safe.
 */
int filter_load_told(const struct filter_program *p);

void filter_clear(struct filter_program *p);

/* The row that a call with these arguments meets; NULL: none. number: of this architecture. */
const struct filter_row *filter_find(
    const struct filter_row *rows, size_t count, int number, const uint64_t arguments[6]);

/* 1 when this kernel filters system calls and kills processes by filter; 0 when not. */
int filter_available(void);
/* 1 when it also knows FILTER_TELL; a kernel that does not would kill. */
int filter_can_tell(void);

#endif
