/*
 * log.c - one line per event on stderr, and the four ways to die.
 *
 * room: every process; no power beyond writing to descriptor 2.
 * distrusts: every argument: text is escaped before it is written.
 *
 * After log_init() a line costs no system call but write(2) and, where the vDSO lacks them, the
 * clock: it works behind the strictest filter.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define LOG_PATIENCE_MS 100
#define LOG_CUT         "..."
#define LOG_HEAD_MAX    256

/* Set once, before anything else runs: a name for every line, not state. */
static const char *log_process = "moult";

void
log_init(const char *process)
{
	log_process = process;
	/* gmtime_r(3) opens the time zone's file at its first call: now, while it may. */
	tzset();
}

/* "2026-11-23T15:00:00Z moult-monitor[123]: " */
static size_t
put_head(char *line, size_t size)
{
	struct timespec now = {0};
	struct tm tm = {0};
	size_t used;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
	if (gmtime_r(&now.tv_sec, &tm) == NULL)
		tm = (struct tm){.tm_mday = 1};
	used = strftime(line, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
	n = snprintf(line + used, size - used, " %.64s[%ld]: ", log_process, (long)getpid());
	return used + (size_t)n;
}

static void
put_line(const char *text, size_t len)
{
	char line[LOG_LINE_MAX];
	size_t used = put_head(line, LOG_HEAD_MAX), cut = sizeof(line) - sizeof(LOG_CUT), whole;
	char escaped[4 * LOG_LINE_MAX + 1];
	struct pollfd slot = {.fd = STDERR_FILENO, .events = POLLOUT};
	const struct timespec patience = {0, LOG_PATIENCE_MS * 1000000L};

	whole = text_escape(escaped, sizeof(escaped), text, len);
	if (used + whole < sizeof(line)) {
		memcpy(line + used, escaped, whole);
		used += whole;
	} else {
		used += text_escape(line + used, cut - used + 1, text, len);
		memcpy(line + used, LOG_CUT, sizeof(LOG_CUT) - 1);
		used += sizeof(LOG_CUT) - 1;
	}
	line[used++] = '\n';
	/* A reader that has stopped must not stop us: after a moment the line is lost. */
	if (ppoll(&slot, 1, &patience, NULL) != 1)
		return;
	(void)!write(STDERR_FILENO, line, used); /* there is no other place to complain to */
}

static void put(const char *fmt, va_list ap, int error) __attribute__((format(printf, 1, 0)));

/* error is an errno to append, or -1. */
static void
put(const char *fmt, va_list ap, int error)
{
	char text[LOG_LINE_MAX];
	const char *words;
	size_t len;
	int n, saved = errno;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	len = n < 0 ? 0 : (size_t)n;
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	/* strerror(3) opens a message catalog when a locale is set; this one never does. */
	if (error != -1 && (words = strerrordesc_np(error)) != NULL) {
		n = snprintf(text + len, sizeof(text) - len, ": %s", words);
		len += (size_t)n < sizeof(text) - len ? (size_t)n : sizeof(text) - len - 1;
	}
	put_line(text, len);
	errno = saved;
}

#define PUT(error)                   \
	do {                         \
		va_list ap;          \
		va_start(ap, fmt);   \
		put(fmt, ap, error); \
		va_end(ap);          \
	} while (0)

void
log_info(const char *fmt, ...)
{
	PUT(-1);
}

void
log_warn(const char *fmt, ...)
{
	PUT(errno);
}

void
log_warnx(const char *fmt, ...)
{
	PUT(-1);
}

void
bug(const char *fmt, ...)
{
	PUT(-1);
	exit(EX_SOFTWARE);
}

void
fatal(const char *fmt, ...)
{
	PUT(errno);
	exit(EX_OSERR);
}

void
fatalx(const char *fmt, ...)
{
	PUT(-1);
	exit(EX_PROTOCOL);
}

void
log_exit(int status, const char *fmt, ...)
{
	PUT(-1);
	exit(status);
}
