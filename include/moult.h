/*
 * moult.h - libmoult: an updater inside your daemon.
 *
 * room: the daemon that embeds it; no power but spawning moult-monitor as the same user.
 * distrusts: the bytes that the monitor writes.
 *
 * The library needs libc alone. It keeps no globals, starts no threads, installs no signal
 * handlers, waits for no child but its own, and every descriptor it makes is close-on-exec. After
 * a fork(2) of the daemon the handle in the child is dead: calls on it do nothing but release it.
 *
 *	struct moult *m;
 *	struct moult_event ev;
 *	struct moult_options options = {.size = sizeof(options), .config = "/etc/moult.conf"};
 *
 *	if (moult_start(&m, &options) == -1)
 *		err(1, "moult");
 *	... poll(2) moult_fd(m) for POLLIN with your other descriptors; when it is readable:
 *	while (moult_next(m, &ev) == 1)
 *		if (ev.type == MOULT_RESTART) {
 *			... finish your work in your own way ...
 *			moult_stop(m);
 *			exit(MOULT_EXIT_RESTART);
 *		}
 *
 * A monitor that dies is started again by the library, after 1 s, doubling to 60 s; the timer is
 * behind moult_fd() too, so that a poll loop needs nothing more. One that breaks the protocol is
 * killed and counts as ended with 76. A handle is for one thread at a time.
 */
#ifndef MOULT_H
#define MOULT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The daemon's exit status that asks its service manager for a restart. */
#define MOULT_EXIT_RESTART 42

#define MOULT_TEXT_MAX 160

struct moult; /* opaque; OWNED by the caller of moult_start() until moult_stop() */

struct moult_options {
	size_t size;         /* sizeof(struct moult_options): lets the struct grow */
	const char *config;  /* path of moult.conf; NULL: the installed default */
	const char *monitor; /* path of moult-monitor; NULL: where it was installed */
	int log_fd;          /* where the pair logs, copied; 0: the daemon's own stderr */
};

enum moult_event_type {
	MOULT_STATUS = 1, /* the state of an update changed: text, percent, version */
	MOULT_RESTART,    /* every step succeeded: shut down in order and exit 42 */
	/* The monitor ended with status. It is started again, unless that is 64, 77 or 78, which a
	 * person has to mend first. */
	MOULT_DOWN
};

struct moult_event {
	enum moult_event_type type;
	int percent;                  /* of the present step, 0 to 100 */
	int status;                   /* MOULT_DOWN: exit status, 128 + signal, or -1: unknown */
	char text[MOULT_TEXT_MAX];    /* the status word, as in Redis */
	char version[MOULT_TEXT_MAX]; /* the version being deployed; may be empty */
};

/*
 * Starts the pair. Returns 0 with *m set, or -1 and errno: ENOENT or EACCES when moult-monitor
 * cannot be started, EINVAL for a size of 0, E2BIG for options that this library is too old for.
 * That the configuration is wrong comes later, as MOULT_DOWN with status 78.
 */
int moult_start(struct moult **m, const struct moult_options *options);

/* A descriptor to poll(2) for POLLIN. BORROWED: it stays the library's. */
int moult_fd(const struct moult *m);

/*
 * The next event, without waiting: 1 with *ev filled, 0 none now, -1 and errno: ECHILD in a
 * forked copy of the daemon. Starts the monitor again when it is time for that.
 */
int moult_next(struct moult *m, struct moult_event *ev);

/* Asks the pair to stop (SIGTERM), waits for its end up to 15 s, releases m. NULL is allowed. */
void moult_stop(struct moult *m);

#ifdef __cplusplus
}
#endif
#endif
