/*
 * verdict.h - what `moult check` and the processes it starts have found: one line for each finding.
 *
 * room: every process.
 * distrusts: a line that another process has printed: its form, its words, its length.
 *
 * A line reads "ok sandbox seccomp: ...": a verdict, a topic, and a text of printable ASCII.
 */
#ifndef MOULT_VERDICT_H
#define MOULT_VERDICT_H

#include <stdbool.h>
#include <sysexits.h>

#define VERDICT_TEXT_MAX 512 /* of a text, with its NUL */
#define VERDICT_LINE_MAX (VERDICT_TEXT_MAX + 64)

/* X(symbol, word) */
#define VERDICTS(X)           \
	X(OK, "ok")           \
	X(WARNING, "warning") \
	X(FAILED, "failed")

/*
 * In the order in which they decide about the exit status: the first topic with a failure does.
 * X(symbol, name, exit status)
 */
#define VERDICT_TOPICS(X)                            \
	X(CONFIGURATION, "configuration", EX_CONFIG) \
	X(PROGRAMS, "programs", EX_UNAVAILABLE)      \
	X(GIT, "git", EX_UNAVAILABLE)                \
	X(INSTALL, "install", EX_UNAVAILABLE)        \
	X(MIGRATE, "migrate", EX_UNAVAILABLE)        \
	X(PYTHON, "python", EX_UNAVAILABLE)          \
	X(PLACES, "places", EX_NOPERM)               \
	X(CHECKOUT, "checkout", EX_NOPERM)           \
	X(SIGNAL, "signal", EX_NOPERM)               \
	X(STATE, "state", EX_NOPERM)                 \
	X(SANDBOX, "sandbox", EX_OSERR)              \
	X(SYSTEM, "system", EX_OSERR)                \
	X(SUPERVISOR, "supervisor", EX_OSERR)        \
	X(REMOTE, "remote", EX_NOHOST)               \
	X(VERIFY, "verify", EX_DATAERR)              \
	X(REDIS, "redis", EX_IOERR)

#define VERDICT_ENUM(symbol, word)               VERDICT_##symbol,
#define VERDICT_ENUM_TOPIC(symbol, name, status) TOPIC_##symbol,

enum verdict { VERDICTS(VERDICT_ENUM) VERDICT_END };
enum topic { VERDICT_TOPICS(VERDICT_ENUM_TOPIC) TOPIC_END };

const char *verdict_word(enum verdict verdict);
const char *verdict_topic_name(enum topic topic);
int verdict_topic_status(enum topic topic);

/* Prints one line to standard output; longer text is cut. Nobody listens: ends the process (74). */
void verdict_say(enum verdict verdict, enum topic topic, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads such a line, without its newline. False when it is none; *text BORROWS line. */
bool verdict_read(const char *line, enum verdict *verdict, enum topic *topic, const char **text);

#endif
