/*
 * spawn.h - one program of a step: how it is described, started, heard and ended.
 *
 * room: executor. spawn.c is the only file of this room that forks and executes.
 * distrusts: whatever the program prints, and that it ends when asked.
 */
#ifndef MOULT_SPAWN_H
#define MOULT_SPAWN_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "filter.h"
#include "wire.h"

#define COMMAND_ARGV_MAX    48
#define COMMAND_ENV_MAX     40
#define COMMAND_ARENA_BYTES 16384
#define CHILD_OUT_MAX       65536

/* What a step may reach. X(profile, name, what it is for) */
#define SPAWN_PROFILES(X)                                             \
	X(LOCAL, "local", "no socket of any family")                  \
	X(FETCH, "fetch", "TCP and UDP over IPv4 and IPv6, outgoing") \
	X(OPEN, "open",                                               \
	    "as fetch, and Unix sockets, and listening: migrate_network, install_network")

#define SPAWN_ENUM_PROFILE(symbol, name, use) PROFILE_##symbol,
enum profile { SPAWN_PROFILES(SPAWN_ENUM_PROFILE) PROFILE_END };

/* Descriptors a program finds open, beside 0, 1 and 2. */
#define SPAWN_LOCK_FD   3 /* the checkout's lock: held while anything of the step lives */
#define SPAWN_ASK_FD    4 /* dialog only: requests to it */
#define SPAWN_ANSWER_FD 5 /* dialog only: its answers */

enum start { START_REPO, START_STATE, START_ROOT };

struct command {
	enum profile profile;
	uint32_t limit_s;             /* of its whole life; in a dialog, of each answer */
	uint32_t silence_s;           /* without any output; 0: no limit */
	bool capture;                 /* standard output is for us, not for the log */
	bool dialog;                  /* it is fed requests and answers in lines */
	bool progress;                /* its output tells percents */
	enum start start;             /* the directory it begins in */
	char *argv[COMMAND_ARGV_MAX]; /* argv[0] is an absolute path; all BORROW arena */
	char *envp[COMMAND_ENV_MAX];
	size_t argc, envc, used;
	char arena[COMMAND_ARENA_BYTES];
};

struct child {
	pid_t pid;                  /* 0: none; it is ours, and not reaped */
	int log_fd, out_fd, ask_fd; /* OWNED: our ends; -1 */
	bool exited;
	int status; /* of waitid: CLD_EXITED's code, or -signal */
	bool timed_out, silent;
	size_t out_len;
	bool out_cut;
	char out[CHILD_OUT_MAX];
};

/* Built before the seal. The executor loads calls and the widest profile; steps inherit both and
 * add their own profile. Programs without code are not loaded (sandbox mode degrade). */
struct filters {
	struct filter_program calls;
	struct filter_program profile[PROFILE_END];
	enum profile widest;
};

/*
 * Starts cmd in cwd_fd with lock_fd inherited. Returns 0; or -1 with errno and *stage naming what
 * failed. After 0 the program is running: its execve(2) has succeeded.
 */
int spawn(struct child *c, const struct command *cmd, const struct filters *f, int cwd_fd,
    int lock_fd, const char **stage);

/* Closes our ends; the child must have been reaped. */
void spawn_release(struct child *c);

/* tree.c: every process a step has started, however it detached itself */

/* Makes orphans of orphans ours (PR_SET_CHILD_SUBREAPER). Ends the process when it cannot. */
void tree_adopt(void);
/* Signals every child, the adopted ones too. Safe: a child's pid is ours until it is reaped. */
void tree_signal(int sig);
/* Reaps what has ended; fills in c when its program is among them. Returns false when no child is
 * left at all. */
bool tree_reap(struct child *c);
/*
 * Ends what a step of a killed executor has left: processes whose environment holds mark, and so
 * was made by commands.c. Returns how many there were; -1 when one does not end.
 */
int tree_end_strays(const char *mark);
/* Kills and reaps all that is left, for atexit(3): the monitor may have lied in the middle of a
 * step, and the next executor must not find its processes at work. */
void tree_end(void);

#endif
