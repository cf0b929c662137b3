/*
 * executor.h - the executor's map: its one struct, its states and events, and who does what.
 *
 * room: executor. Owner of the checkout: runs git, migrations and the install command, and keeps
 *	the only durable state. No network of its own, no hiredis, no JSON from outside.
 * distrusts: the monitor (each request), the repository, the output of every step.
 */
#ifndef MOULT_EXECUTOR_H
#define MOULT_EXECUTOR_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "conf.h"
#include "file.h"
#include "journal.h"
#include "landlock.h"
#include "spawn.h"
#include "user.h"
#include "version.h"
#include "wire.h"

/* X(state, what it waits for) */
#define EXE_STATES(X)                                     \
	X(IDLE, "a request")                              \
	X(STEPPING, "the next task of the plan to begin") \
	X(RUNNING, "the step's program to end")           \
	X(CLEARING, "the step's last process to end")     \
	X(ABORTING, "the last process to end, to leave")  \
	X(OWED, "the monitor to exit 42")

/* X(event, who causes it: P the monitor, O the executor itself) */
#define EXE_EVENTS(X)                                                           \
	X(RUN, P)       /* request: bring the checkout to a version */          \
	X(STOP, P)      /* request: end what is under way and leave */          \
	X(EOF, O)       /* the monitor is gone */                               \
	X(TERM, O)      /* SIGTERM: a service manager ends the whole service */ \
	X(ACCEPTED, O)  /* the request begins a run */                          \
	X(REFUSED, O)   /* the request was answered without a run */            \
	X(PASSED, O)    /* a task of the plan is done */                        \
	X(AGAIN, O)     /* a task wants to begin once more */                   \
	X(SPAWNED, O)   /* a task has started a program */                      \
	X(BROKE, O)     /* a task failed: the run fails */                      \
	X(COMMITTED, O) /* the last task is done */                             \
	X(LINE, O)      /* the migration runner has answered */                 \
	X(EXIT, O)      /* the step's program has ended */                      \
	X(DEADLINE, O)  /* a limit of time, of silence, or of grace is over */  \
	X(EMPTY, O)     /* no process of the step lives any more */

#define EXE_ENUM_STATE(name, waits) EXE_##name,
#define EXE_ENUM_EVENT(name, by)    ON_##name,

enum exe_state { EXE_STATES(EXE_ENUM_STATE) EXE_STATE_END };
enum exe_event { ON_NONE, EXE_EVENTS(EXE_ENUM_EVENT) EXE_EVENT_END };

#define EXE_FREE_BYTES_MIN    (64u << 20) /* on each file system a step writes */
#define EXE_FREE_INODES_MIN   1024u
#define EXE_NAMES_MAX         10    /* edited files that a text names */
#define EXE_SIGNER_MAX        128   /* who signed, as the log names them, escaped */
#define EXE_GRACE_MS          10000 /* between TERM and KILL */
#define EXE_LOCK_WAIT_MS      5000  /* a dying predecessor needs some ms to see end of file */
#define EXE_INTERRUPTIONS_MAX 3u    /* of one target, then it is held */
#define EXE_RESTARTS_MAX      3u    /* exits 42 for one debt */
#define RUN_TAIL_MAX          4096  /* before it is escaped */
#define EXE_LIMIT_SHORT_S     120   /* preflight, verify and finish commands */

/* The kind of a signature, by how it begins. */
enum signature { SIGNATURE_NONE, SIGNATURE_SSH, SIGNATURE_OPENPGP, SIGNATURE_OTHER };

#define EXE_DENIALS_MAX 12 /* kinds of calls refused to one step that are told apart */

struct filter_row;

/* Calls that were refused to the present step. */
struct denial {
	const struct filter_row *row;
	uint32_t count;
};

/* The run under way; what must survive a crash is in the journal's state instead. */
struct run {
	int signal_fd; /* the announcement, held open so that its inode is not used again */
	int log_fd;    /* log/RUN.log */
	uint64_t log_bytes;
	size_t task; /* index into the plan */
	enum wire_step step;
	int64_t began_ms, step_ms; /* CLOCK_MONOTONIC */
	int64_t took_ms[STEP_END];
	uint32_t percent;
	bool recovering;   /* the tree holds an unfinished update of ours: make it whole by force */
	bool fetch_failed; /* some ref was refused: the wanted tag alone decides */
	bool sha256;       /* the repository's object format */
	char remote_tag[WIRE_OID_MAX]; /* the wanted tag's object in the remote */
	char object[WIRE_OID_MAX];     /* what the wanted ref names here: a tag, or the commit */
	enum signature signature;      /* on what has to be signed */
	bool imported;                 /* openpgp_keys have been, once */
	char head[WIRE_OID_MAX];       /* where HEAD was at the beginning */
	size_t dirty;                  /* tracked files that differ from HEAD */
	/* the gap of migrations */
	char **gap; /* OWNED: names like 1.1.0/001_name.py, in their order */
	size_t gap_count, gap_next;
	bool asked_check; /* the present one has been asked check, not yet migrate */
	/* why it failed */
	enum wire_reason reason;
	char detail[WIRE_DETAIL_MAX];
	int ruleset_fd[PROFILE_END]; /* OWNED: domains made so far; -1 */
	struct denial denials[EXE_DENIALS_MAX];
	size_t denial_count;
	size_t tail_len;
	char tail[RUN_TAIL_MAX]; /* the end of what the present step has printed */
};

struct exe {
	struct conf conf;
	struct wire wire;
	struct journal journal;
	enum exe_state state;
	int root_fd, repo_fd, gitdir_fd, state_fd, signal_dir_fd, log_dir_fd, signalfd;
	int lock_fd, state_lock_fd;
	char signal_name[CONF_TEXT_MAX];
	char signal_dir[CONF_TEXT_MAX];
	char boot_id[JOURNAL_BOOT_MAX];
	uint32_t daemon_pid;
	uint64_t daemon_start;
	bool damaged;            /* the journal was unreadable and begins anew */
	struct wire_run request; /* the last one */
	enum exe_event event;    /* the one being handled */
	enum exe_event cause;    /* why we are leaving */
	bool monitor_gone;       /* end of file has been seen: it is not to be waited for again */
	bool dialog_broke;       /* the run has failed by an answer, not by how the program ended */
	int ending;              /* the signal that the step's tree is being ended with; 0 */
	int64_t heard_ms;        /* the program began, or last printed something */
	int64_t asked_ms;        /* its limit of time counts from here */
	int64_t grace_ms;        /* when ending goes on to the next signal */
	struct command command;  /* of the program under way */
	struct child child;      /* the program under way */
	struct filters filters;
	struct landlock_features landlock;
	struct user user; /* whom we have become, or are */
	uint32_t missing; /* layers, as in wire_hello */
	bool scope_kill;  /* shown: our signals do not leave our domain */
	struct run run;
};

/* rules.c */
struct exe_rule {
	enum exe_event (*action)(struct exe *);
	enum exe_state next;
};
const char *exe_state_name(enum exe_state state);
const char *exe_event_name(enum exe_event event);
/* NULL: the cell is empty. */
const struct exe_rule *exe_rule(enum exe_state state, enum exe_event event);
const char *exe_rule_action_name(enum exe_state state, enum exe_event event);
bool exe_event_is_peer(enum exe_event event);
/* Applies the table until no event follows. */
void exe_dispatch(struct exe *e, enum exe_event event);

/* actions.c: one for each filled cell of the table */
enum exe_event exe_weigh(struct exe *e);
enum exe_event exe_begin(struct exe *e);
enum exe_event exe_advance(struct exe *e);
enum exe_event exe_repeat(struct exe *e);
enum exe_event exe_watch(struct exe *e);
enum exe_event exe_hear(struct exe *e);
enum exe_event exe_clear(struct exe *e);
enum exe_event exe_cut(struct exe *e);
enum exe_event exe_kill(struct exe *e);
enum exe_event exe_judge(struct exe *e);
enum exe_event exe_fail(struct exe *e);
enum exe_event exe_done(struct exe *e);
enum exe_event exe_abort(struct exe *e);
enum exe_event exe_leave(struct exe *e);

/* found.c: what an earlier life left, settled before the first request */
/* Ends what a killed executor's steps have left. Before the seal: they are not in our domain. */
void found_end_strays(struct exe *e);
void exe_report_found(struct exe *e);

/* plan.c: the update, as a list of tasks */
struct task {
	enum wire_step step;
	const char *name;
	enum exe_event (*begin)(struct exe *);
	enum exe_event (*end)(struct exe *); /* after its program; NULL where none is started */
};
const struct task *plan_task(size_t index); /* NULL behind the last */

/* step_*.c: the tasks. begin: PASSED, SPAWNED, BROKE; end: PASSED, AGAIN, BROKE. */
enum exe_event preflight_ground(struct exe *e);
enum exe_event preflight_loosen(struct exe *e);
enum exe_event preflight_loosened(struct exe *e);
enum exe_event preflight_sweep(struct exe *e);
enum exe_event preflight_swept(struct exe *e);
enum exe_event preflight_format(struct exe *e);
enum exe_event preflight_format_read(struct exe *e);
enum exe_event preflight_tree(struct exe *e);
enum exe_event preflight_tree_read(struct exe *e);
enum exe_event preflight_keep(struct exe *e);
enum exe_event preflight_kept(struct exe *e);
/* Parts of the first one, which change nothing: PASSED or BROKE. */
enum exe_event preflight_layout(struct exe *e);
enum exe_event preflight_space(struct exe *e, int fd, const char *path);
enum exe_event preflight_write_paths(struct exe *e);
enum exe_event fetch_begin(struct exe *e);
enum exe_event fetch_end(struct exe *e);
enum exe_event fetch_ask(struct exe *e);
enum exe_event fetch_asked(struct exe *e);
enum exe_event fetch_look(struct exe *e);
enum exe_event fetch_looked(struct exe *e);
enum exe_event verify_resolve(struct exe *e);
enum exe_event verify_resolved(struct exe *e);
enum exe_event verify_object(struct exe *e);
enum exe_event verify_object_read(struct exe *e);
enum exe_event verify_keys(struct exe *e);
enum exe_event verify_keys_read(struct exe *e);
enum exe_event verify_signature(struct exe *e);
enum exe_event verify_signature_read(struct exe *e);
enum exe_event verify_sweep(struct exe *e);
enum exe_event verify_verdict(struct exe *e);
enum exe_event verify_content(struct exe *e);
enum exe_event verify_content_read(struct exe *e);
enum exe_event verify_forward(struct exe *e);
enum exe_event verify_forwarded(struct exe *e);
enum exe_event verify_announced(struct exe *e);
enum exe_event verify_announced_end(struct exe *e);
enum exe_event checkout_begin(struct exe *e);
enum exe_event checkout_end(struct exe *e);
enum exe_event checkout_look(struct exe *e);
enum exe_event checkout_looked(struct exe *e);
enum exe_event version_begin(struct exe *e);
enum exe_event version_end(struct exe *e);
enum exe_event head_begin(struct exe *e);
enum exe_event head_end(struct exe *e);
enum exe_event migrate_gap(struct exe *e);
enum exe_event migrate_next(struct exe *e);
enum exe_event migrate_heard(struct exe *e);
enum exe_event migrate_ended(struct exe *e);
enum exe_event migrate_save(struct exe *e);
enum exe_event install_begin(struct exe *e);
enum exe_event install_end(struct exe *e);
enum exe_event finish_sync(struct exe *e);
enum exe_event finish_tree(struct exe *e);
enum exe_event finish_tree_read(struct exe *e);
enum exe_event finish_commit(struct exe *e);

/* run.c: what all steps share */
void run_release(struct exe *e);
/* The next programs get domains made anew: a place is another directory now. */
void run_forget_domains(struct run *run);
/* No run: nothing open, nothing known. */
void run_clear(struct run *run);
void run_release_gap(struct run *run);
/* Says why the run fails; returns ON_BROKE. What a step changed decides about holding. */
enum exe_event run_broke(struct exe *e, enum wire_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As run_broke() for a program that did not succeed: limits, signals and the filter first. */
enum exe_event run_broke_by_child(struct exe *e, enum wire_reason reason, const char *what);
/* True when the program exited with status 0 and no limit ended it. */
bool run_child_ok(const struct exe *e);
/* Its exit status, or -1 when it did not exit by itself. */
int run_child_status(const struct exe *e);
/* Reads `git status`: HEAD's commit, run.dirty, and the first names of what differs. */
bool run_read_status(struct exe *e, char head[WIRE_OID_MAX], char *names, size_t names_size);
/* The first word of what the program has printed; false when it is no object id. */
bool run_read_id(const struct child *c, char id[WIRE_OID_MAX]);
/* Starts e->command for the present task: SPAWNED or BROKE. */
enum exe_event run_spawn(struct exe *e);

/* signature.c: what is signed, and what git says about it */
struct signed_tag {
	char object[WIRE_OID_MAX];
	char type[16];
	char name[VERSION_MAX + 8];
};
/* The head of a tag object; false when it is none. */
bool signature_read_tag(const char *text, size_t len, struct signed_tag *tag);
/* The signature that git will look at, in a tag or in a commit. */
enum signature signature_of_tag(const char *text, size_t len);
enum signature signature_of_commit(const char *text, size_t len);
/*
 * True when git said of a signature of this kind that it is good, with nothing against it: then key
 * is its fingerprint, and who its owner, escaped.
 */
bool signature_is_good(enum signature kind, const char *text, size_t len, char key[WIRE_KEY_MAX],
    char who[EXE_SIGNER_MAX]);
/* Why it is not, in words for a person; may hold what git said, unescaped. */
void signature_why(enum signature kind, const char *text, size_t len, char *why, size_t why_size);

/* report.c: the executor's half of the reports */
void report_hello(struct exe *e);
void report_ready(struct exe *e);
void report_update(struct exe *e, enum wire_type type);
/* must: the monitor has to see it; else it may be dropped when the socket is full. */
void report_step(struct exe *e, bool must);
void report_failure(struct exe *e, enum wire_type type, uint32_t retry_ms);
void report_plain(struct exe *e, enum wire_type type);

/* retry.c: when a failed signal may be tried again */
void retry_note_failure(struct exe *e);
uint32_t retry_wait_ms(const struct exe *e);

/* announcement.c: the signal file, by identity only */
/* Opens the signal's directory, anew when it is open; it may be missing: signal_dir_fd -1. */
void announcement_open(struct exe *e);
/* Opens the file with this identity and keeps it open: descriptor, or -1 (it is another). */
int announcement_hold(struct exe *e, const struct file_identity *id);
/* Removes the file with this identity, and only that one. 0, or -1 and errno. */
int announcement_take(struct exe *e, const struct file_identity *id);
/* Puts back what a crash left aside. */
void announcement_restore(struct exe *e);
/* Whether a person wishes for a retry: NAME.retry is a file that not everybody may write. */
bool announcement_wants_retry(const struct exe *e);
/* Removes that wish. */
void announcement_clear_retry(struct exe *e);

/* lock.c */
/* Takes the locks of the checkout and of the state directory, or ends the process: 75 and the
 * owner's name, 78 when the state directory is another checkout's. */
void lock_take(struct exe *e);
/* Whether somebody has the checkout's lock, and who. Takes nothing. */
bool lock_is_taken(const struct exe *e, char *owner, size_t size);
/* Removes what a killed git left; names each in the log. 0, or -1 with errno EBUSY. */
int lock_clear_stale(struct exe *e);

/* sync.c */
/* Makes durable what was written to any local file system. 0, or -1 and errno, with *where. */
int sync_all(const struct exe *e, const char **where);

/* history.c: one line of JSON for each run that ended */
void history_append(struct exe *e, const char *result);

/* gap.c: which migrations lie between two versions */
/* 0 with run.gap filled; -1 with the reason said by run_broke(). */
int gap_list(struct exe *e, const char *from, const char *to);
bool gap_is_python(const char *name);

/* applied.c: migration_state.json and the journal's records beside it */
/* Removes from run.gap what is applied already. 0; -1 and errno, EINVAL when the file is damaged.
 */
int applied_subtract(struct exe *e);
/* Adds the journal's records to the file, durably. 0; -1 and errno. */
int applied_save(struct exe *e);

/* seal.c: in this order */
void seal_user(struct exe *e);  /* becomes deploy_user when started as root */
void seal_build(struct exe *e); /* the filters, and what this kernel keeps of them */
void seal(struct exe *e);       /* limits, our own domain, our own filter: not to be undone */
/* The halves of seal_build(), for whoever says by itself what is missing. */
void seal_look(struct exe *e);
void seal_filters(struct exe *e);

/* denial.c: what was refused to the present step */
/* revents: of child.notify_fd. Answers the call that waits there, and counts it. */
void denial_hear(struct exe *e, short revents);
/* Adds to run.detail what was refused, and which key of the configuration allows it. */
void denial_explain(struct exe *e);

/* output.c: what steps print */
int output_open(struct exe *e); /* begins log/RUN.log and removes the oldest; 0, or -1, errno */
/* Reads what the program has printed, until there is no more for now. Returns true when an
 * answer of a dialog is complete. */
bool output_read(struct exe *e);

/* loop.c */
void exe_loop(struct exe *e) __attribute__((noreturn));

#endif
