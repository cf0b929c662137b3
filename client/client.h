/*
 * client.h - what the modules of the command `moult` share.
 *
 * room: client: a person's shell or a daemon's process, with that user's rights and no more.
 * distrusts: the command line, the configuration's syntax, and what status.json holds.
 */
#ifndef MOULT_ROOM_CLIENT
#error "client.h belongs to client/"
#endif
#ifndef MOULT_CLIENT_H
#define MOULT_CLIENT_H

#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "conf.h"
#include "verdict.h"

#define CLIENT_CONFIG   MOULT_SYSCONFDIR "/moult.conf"
#define CLIENT_MONITOR  "moult-monitor"
#define CLIENT_EXECUTOR "moult-executor"
/* The search path of the monitor and of every step, whatever the caller's is. */
#define CLIENT_SEARCH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Beside sysexits(3). */
#define EXIT_UPDATE_FAILED 1
#define EXIT_NOT_RUNNING   3

/* ---- cli.c: options, help, colors ---- */

struct cli_command {
	const char *name;
	int (*run)(const struct cli_command *self, int argc, char *argv[]);
	const char *letters;  /* of its own options, see cli.c; '+': none behind an operand */
	const char *synopsis; /* behind the name */
	const char *brief;    /* one line */
	const char *help;     /* its options and exit status */
};

struct cli_options {
	const char *config; /* never NULL */
	const char *channel;
	const char *current;
	bool json;
};

#define CLI_GO_ON (-1)

/*
 * Parses a command's options; optind is the first operand after it. Returns CLI_GO_ON, or the
 * status to exit with: help was asked for and given, or the usage is wrong and was told.
 */
int cli_parse(const struct cli_command *self, int argc, char *argv[], struct cli_options *o);

/* One line about wrong usage, and the right one. Returns EX_USAGE. */
int cli_usage(const struct cli_command *self, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads the configuration, every complaint on stderr. Returns 0, or EX_CONFIG. */
int cli_config(const char *path, struct conf *c);

/* The escape sequence, or "" when stdout is no terminal or NO_COLOR is set. */
enum cli_color { CLI_PLAIN, CLI_GREEN, CLI_YELLOW, CLI_RED };
const char *cli_color(enum cli_color color);

/* ---- spawn.c: the only fork(2) and execve(2) of the command ---- */

/* Where moult-monitor is: beside this program, else where it was installed. */
void spawn_find(const char *name, char path[PATH_MAX]);

/* Becomes the monitor. Returns only when that fails: the status to exit with. */
int spawn_become_monitor(const char *config);

/* Becomes one of the pair's programs with --check. Returns only when that fails, as above. */
int spawn_become_checker(const char *name, const char *config);

struct checker {
	pid_t pid;
	int out_fd, err_fd; /* OWNED: what it prints */
};

/* Runs fn in a child, which ends with what it returns. Ends the process when it cannot. */
void spawn_checker(struct checker *c, int (*fn)(const void *arg), const void *arg);

/*
 * Starts a program found by PATH as our child, with mask as its signal mask; it gets SIGTERM when
 * we die. Returns its pid, or -1 and errno when it could not be executed.
 */
pid_t spawn_daemon(char *const argv[], const sigset_t *mask);

/* ---- supervise.c ---- */

/* Runs a daemon and its monitor until one of them asks for the end. Returns the exit status. */
int supervise(const char *config, char *const argv[]);

/* ---- report.c: the monitor's status.json ---- */

struct report {
	json_t *json; /* OWNED; NULL: nothing was reported yet */
	bool running; /* the monitor that wrote it still runs */
};

/* Returns 0, or -1 with the reason on stderr. report_clear() in both cases. */
int report_load(const struct conf *c, struct report *r);
void report_clear(struct report *r);

/* A field; "" or 0 when it is absent or of another type. BORROWS from r. */
const char *report_text(const struct report *r, const char *key);
double report_number(const struct report *r, const char *key);

/* ---- check*.c ---- */

/* One check: its verdict, and a line that says why. Changes nothing. */
typedef enum verdict check(const struct conf *c, char text[VERDICT_TEXT_MAX]);

/* Puts the line into text, escaped, and returns verdict. */
enum verdict check_say(enum verdict verdict, char text[VERDICT_TEXT_MAX], const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

check check_repo, check_signal_dir, check_state_dir;

/* Asks the configured Redis whether it takes a status, and says so: in a process of its own,
 * because a host's name may take long to find. conf: struct conf. Returns 0. */
int check_redis(const void *conf);

/* A process that says verdicts, and where they go. */
struct relay {
	const char *name; /* of the process, for a person */
	enum topic topic; /* of its silence */
	int limit_s;
	void (*tell)(void *arg, enum verdict verdict, enum topic topic, const char *text);
	void *arg;
};

/* Runs fn in a child, and passes on what it says until it ends. What else it does is a failure. */
void check_relay(const struct relay *r, int (*fn)(const void *arg), const void *arg);

/* ---- the commands ---- */

int run_command(const struct cli_command *self, int argc, char *argv[]);
int status_command(const struct cli_command *self, int argc, char *argv[]);
int retry_command(const struct cli_command *self, int argc, char *argv[]);
int signal_command(const struct cli_command *self, int argc, char *argv[]);
int check_command(const struct cli_command *self, int argc, char *argv[]);

#endif
