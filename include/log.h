/*
 * log.h - one line per event on stderr, and the four ways to die.
 *
 * room: every process; no power beyond writing to descriptor 2.
 * distrusts: every argument: text is escaped before it is written.
 *
 * A line reads "2026-11-23T15:00:00Z moult-monitor[123]: text". Errors are of four kinds, and
 * each has its own way out: a bug of ours (bug, 70), the system failing at start (fatal, 71),
 * a peer that broke the protocol (fatalx, 76), and the expected ones, which are values.
 */
#ifndef MOULT_LOG_H
#define MOULT_LOG_H

/* Longest line, in bytes, with its newline; longer text is cut and ends in "...". */
#define LOG_LINE_MAX 4096

/* Names the process in each line. BORROWS process for ever: pass a literal. */
void log_init(const char *process);

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Appends ": " and strerror(errno). */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* An invariant of ours is broken. Exits 70 (EX_SOFTWARE). */
void bug(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The system refuses what we need. Appends strerror(errno). Exits 71 (EX_OSERR). */
void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The other side of the socketpair broke the protocol. Exits 76 (EX_PROTOCOL). */
void fatalx(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Every other reason to end, with a status of sysexits(3). */
void log_exit(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
