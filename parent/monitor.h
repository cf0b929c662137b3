/*
 * monitor.h - the monitor's map: its one struct, its states and events, and who does what.
 *
 * room: monitor. Reads the signal file, talks to Redis, decides exit 42. After the start it cannot
 *	fork, exec, or write anything but its status file.
 * distrusts: the signal file, Redis, and the executor, which builds code from elsewhere.
 */
#ifndef MOULT_MONITOR_H
#define MOULT_MONITOR_H

#ifndef MOULT_ROOM_PARENT
#error "this header belongs to the monitor alone"
#endif

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "conf.h"
#include "file.h"
#include "landlock.h"
#include "user.h"
#include "wire.h"

/* The limit of a state that has none, and of the one whose limit is the step's. */
#define MON_FOREVER   (-1)
#define MON_STEP_LONG (-2)

/* X(state, how long it may last in ms, what it waits for) */
#define MON_STATES(X)                                                         \
	X(STARTING, 15000, "the executor's hello")                            \
	X(GREETED, 60000, "what the executor found")                          \
	X(WAITING, MON_FOREVER, "a signal")                                   \
	X(ASKED, 60000, "the executor to begin, or to refuse")                \
	X(RUNNING, MON_STEP_LONG, "the update to end")                        \
	X(RESTARTING, 300, "Redis to have the last status; then exit 42")     \
	X(LEAVING, 300, "Redis to have the last status; then exit otherwise") \
	X(STOPPING, 30000, "the executor to stop")

/* The executor's reports are events of the same name (WIRE_REPORTS). These are our own. X(event,
 * cause) */
#define MON_OWN_EVENTS(X)                                                        \
	X(GONE, "the executor has ended, or closed its end")                     \
	X(LOOK, "the signal's directory changed, or it is time to look again")   \
	X(SIGNAL, "the look found a signal to act on")                           \
	X(REPLACED, "the look found another directory than the one we may read") \
	X(DEADLINE, "the state has lasted too long")                             \
	X(TERM, "we are asked to stop, or the daemon that started us has ended") \
	X(FLUSHED, "Redis has the last status, or is not connected")

#define MON_ENUM_STATE(symbol, limit_ms, waits) MON_##symbol,
#define MON_ENUM_PEER(symbol, name, payload)    ON_##symbol,
#define MON_ENUM_OWN(symbol, cause)             ON_##symbol,

enum mon_state { MON_STATES(MON_ENUM_STATE) MON_STATE_END };
enum mon_event {
	ON_NONE,
	WIRE_REPORTS(MON_ENUM_PEER) ON_OWN_FROM,
	MON_OWN_EVENTS(MON_ENUM_OWN) ON_END
};

/* Absolute times of CLOCK_MONOTONIC. X(timer, function that says which event it is, purpose) */
#define MON_TIMERS(X)                                                                  \
	X(STATE, mon_timer_state, "the state's limit")                                 \
	X(GONE, mon_timer_gone, "an executor that closed its end has still not ended") \
	X(RETRY, mon_timer_look, "a failed signal may be tried again")                 \
	X(HALF, mon_timer_look,                                                        \
	    "a half-written signal has had its time, an unread one may be read")       \
	X(WATCH, mon_timer_watch, "without a watch: look by the clock")                \
	X(PUBLISH, mon_timer_publish, "a held-back percentage")                        \
	X(REDIS, mon_redis_timer, "reconnecting, or a reply that is due")

#define MON_ENUM_TIMER(symbol, over, purpose) TIMER_##symbol,
enum mon_timer { MON_TIMERS(MON_ENUM_TIMER) TIMER_END };

#define MON_NEVER INT64_MAX

#define MON_GONE_MS       1000  /* between the end of file and the end of the process */
#define MON_HALF_MS       2000  /* a syntax error this old is no half-written file any more */
#define MON_AGAIN_MS      1000  /* until a look that led to nothing is taken again */
#define MON_WATCH_MS      30000 /* between two looks by the clock */
#define MON_PUBLISH_MS    200   /* between two reports that differ in the percentage alone */
#define MON_STEP_GRACE_MS 60000 /* beyond the executor's own limit of a step */
#define MON_STEP_SHORT_S  300   /* the limit of steps that the configuration does not name */

#define SIGNAL_FILE_MAX   4096 /* bytes of a signal file */
#define SIGNAL_WHY_MAX    256
#define SIGNAL_KEYS_MAX   8 /* unknown keys that are named in the log */
#define SIGNAL_NAME_EXTRA 8 /* ".retry", and a NUL */

/* UNREAD: the system was short of something; nothing is known of the file. */
enum mon_verdict { SIGNAL_ABSENT, SIGNAL_GOOD, SIGNAL_HALF, SIGNAL_BAD, SIGNAL_UNREAD };

/* A signal file, judged. */
struct mon_signal {
	struct file_identity id; /* without a digest when it was refused unread */
	enum wire_channel channel;
	char current[VERSION_MAX];
	char available[VERSION_MAX];
	char unknown[SIGNAL_WHY_MAX]; /* unknown keys, escaped, for the log; "" none */
	char why[SIGNAL_WHY_MAX];     /* HALF, BAD, UNREAD: what is wrong */
};

/* Who may own the signal file, beside root. */
struct mon_owners {
	uid_t self, other;
	bool has_other;
};

/* What has been seen of the signal, so that nothing is asked or told twice. */
struct mon_memory {
	struct file_identity asked;   /* failed or held: not asked about again... */
	struct file_identity refused; /* bad: told */
	struct file_identity half;    /* perhaps being written, since half_ms */
	struct file_identity named;   /* its unknown keys are in the log */
	struct file_identity retried; /* this wish for a retry has been acted on */
	bool has_asked, has_refused, has_half, has_named, has_retried;
	bool retry; /* a person asked */
	int64_t half_ms;
};

/* The run that the executor was asked for and has not ended. */
struct mon_request {
	bool open;
	struct mon_signal signal;
	char run[WIRE_RUN_MAX];
	uint32_t step; /* STEP_NONE until the first report */
};

#define WATCH_TEXT_MAX  512
#define WATCH_NODES_MAX 64 /* parts of a path of CONF_TEXT_MAX bytes that we watch */

struct mon_watch {
	int fd; /* inotify */
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX], retry_name[CONF_TEXT_MAX + SIGNAL_NAME_EXTRA];
	int dir_wd;                    /* -1: no watch on the directory itself */
	int above_wd[WATCH_NODES_MAX]; /* what lies above it, to see it return */
	size_t above_count;
	char complaint[WATCH_TEXT_MAX]; /* the last one logged; "" all is well */
};

#define STATUS_TEXT_MAX 16384 /* the object as JSON; its parts bound it */

/* What the status object is made of. Empty parts are left out of it. */
struct mon_status {
	const char *word;            /* NULL: nothing is known yet */
	char installed[VERSION_MAX]; /* what runs, as the executor knows it; may be empty */
	struct wire_update update;
	uint32_t step, percent;
	uint32_t reason; /* REASON_NONE unless it failed */
	char detail[WIRE_DETAIL_MAX];
	char tail[WIRE_TAIL_MAX + 7];
	double timestamp, retry_at;
	bool held;
	uint32_t missing; /* layers of WIRE_LAYERS, of both processes: 1 << LAYER_x */
	pid_t pid;
	uint64_t pid_start;
	int64_t published_ms;
	int write_error; /* the last one logged */
};

#define REDIS_ADDRESSES_MAX 4
#define REDIS_ADDRESS_MAX   46 /* INET6_ADDRSTRLEN */
#define REDIS_PASSWORD_MAX  512
#define REDIS_KEY_MAX       (CONF_TEXT_MAX + 32)
#define REDIS_FLIGHTS_MAX   32    /* writes without their reply; then only the latest is kept */
#define REDIS_REPLY_MAX     65536 /* bytes of one reply */
#define REDIS_REPLY_MS      2000
#define REDIS_DELAY_MIN_MS  500
#define REDIS_DELAY_MAX_MS  60000

enum mon_link { LINK_OFF, LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_UP };

/* Writes in flight, oldest first: when each was handed over. */
struct mon_flights {
	int64_t sent_ms[REDIS_FLIGHTS_MAX];
	size_t first, count;
};

struct redisContext;

struct mon_redis {
	struct redisContext *context; /* OWNED; NULL when down */
	enum mon_link link;
	bool want_write;
	char addresses[REDIS_ADDRESSES_MAX][REDIS_ADDRESS_MAX];
	size_t address_count, address_next;
	char user[CONF_TEXT_MAX], password[REDIS_PASSWORD_MAX]; /* password "": no AUTH */
	char key[REDIS_KEY_MAX], log_key[REDIS_KEY_MAX + 8];
	char latest[STATUS_TEXT_MAX];
	bool set_alone;        /* channel and log are refused */
	bool unsent;           /* latest is not handed over yet */
	unsigned int due;      /* replies of the greeting or the present write that are to come */
	unsigned int failures; /* in a row */
	size_t unread;         /* bytes since the last whole reply */
	int64_t since_ms;      /* connecting and greeting began */
	struct mon_flights flights;
	char error[SIGNAL_WHY_MAX]; /* the last one logged; "" all is well */
	bool told_up;
};

#define DOMAIN_TEXT_MAX 256

/* What Landlock lets us do, once it is entered. */
struct mon_domain {
	struct landlock_features features;
	bool confines_files;
	bool granted; /* the signal's directory: this one */
	dev_t dev;
	ino_t ino;
};

struct mon {
	struct conf conf;
	const char *conf_path;
	struct user user; /* whom we become, or are */
	enum mon_state state;
	int exit_status; /* what LEAVING ends with */
	int64_t due_ms[TIMER_END];

	struct wire wire;
	struct wire_message message; /* the report being handled */
	pid_t executor;
	int executor_status; /* of waitpid(2) */
	bool executor_ended, gone_told;

	int signal_fd; /* signalfd */
	int daemon_fd; /* pidfd of the daemon that started us; -1: none to be had */
	int events_fd; /* -e; -1: nobody listens */
	int status_dir_fd;

	struct mon_domain domain;
	struct mon_owners owners;
	struct mon_memory memory;
	struct mon_request request;
	struct mon_watch watch;
	struct mon_status status;
	struct mon_redis redis;
};

/* rules.c */
typedef enum mon_event mon_action(struct mon *);

struct mon_rule {
	mon_action *action; /* NULL: the cell is empty */
	enum mon_state next;
	const char *name; /* of the action */
};
const struct mon_rule *mon_rule(enum mon_state state, enum mon_event event);
const char *mon_state_name(enum mon_state state);
/* What it waits for, in words. */
const char *mon_state_waits(enum mon_state state);
const char *mon_event_name(enum mon_event event);
bool mon_event_is_peer(enum mon_event event);
/* The event that a report is. */
enum mon_event mon_event_of(uint32_t wire_type);
/* Calls see() for each filled cell, in the order of the lists. */
void mon_rules_walk(
    void (*see)(void *arg, enum mon_state, enum mon_event, const struct mon_rule *), void *arg);
/* Applies the table until no event follows. An empty cell of the peer's ends the process (76). */
void mon_dispatch(struct mon *m, enum mon_event event);
/* How long the present state may last, or MON_FOREVER. */
int64_t mon_state_limit_ms(const struct mon *m);

/* For on_exit(3): when we end in the middle of a run by fatalx() or the like, the status says so.
 */
void mon_last_words(int status, void *mon);

/* actions.c: one for each kind of cell; they return the event that follows, or ON_NONE */
mon_action mon_on_nothing, mon_on_hello, mon_on_ready, mon_on_found, mon_on_owed, mon_on_deployed,
    mon_on_look, mon_on_signal, mon_on_replaced, mon_on_step, mon_on_failed, mon_on_held,
    mon_on_changed, mon_on_done, mon_on_stop, mon_on_quit, mon_on_stopped, mon_on_gone,
    mon_on_gone_stopping, mon_on_silent, mon_on_restart, mon_on_leave;

/* look.c: what the signal file means now */
enum mon_event mon_look(struct mon *m);
/* The signal asked about failed: asks again after retry_ms, or, when 0, after a change. */
void mon_look_hold(struct mon *m, uint32_t retry_ms);

/* signal.c */
enum mon_verdict mon_signal_judge(
    const struct mon_owners *o, int dirfd, const char *name, struct mon_signal *s);
/* Whether an error is of the moment, and says nothing of the file it was met at. */
bool mon_signal_is_passing(int error);
/* The content alone. GOOD, HALF or BAD; pure. */
enum mon_verdict mon_signal_parse(const char *text, size_t len, struct mon_signal *s);
/* What makes a file unsafe to believe, whatever it holds; NULL: nothing. */
struct stat;
const char *mon_signal_unsafe(const struct mon_owners *o, const struct stat *st);

/* watch.c */
void mon_watch_open(struct mon *m);
int mon_watch_fd(const struct mon *m, short *events);
enum mon_event mon_watch_ready(struct mon *m, short revents);
enum mon_event mon_timer_watch(struct mon *m);

/* status.c */
void mon_status_step(struct mon *m, const struct wire_update *u, uint32_t step, uint32_t percent);
void mon_status_failed(struct mon *m, const struct wire_failure *f);
void mon_status_deployed(struct mon *m, const struct wire_update *u);
/* The failure is ours to tell: about the open request, or about no run at all. */
void mon_status_broke(
    struct mon *m, enum wire_step step, enum wire_reason reason, const char *detail);
/* What status.json still says from before, when that is an outcome; else that we look. */
void mon_status_restore(struct mon *m);
/* The object as text. Returns its length, or 0 when it does not fit. */
size_t mon_status_text(const struct mon *m, char text[STATUS_TEXT_MAX]);
void mon_status_publish(struct mon *m);
enum mon_event mon_timer_publish(struct mon *m);
/* A line for libmoult, without waiting. */
void mon_events_end(struct mon *m, int status);

/* redis.c */
void mon_redis_open(struct mon *m);
/* Hands over the latest status. */
void mon_redis_write(struct mon *m, const char *text);
/* Writes what is waiting, as far as it goes at once: for an end that waits for nothing. */
void mon_redis_push(struct mon *m);
/* True when nothing is under way that could still confirm a status. */
bool mon_redis_idle(const struct mon *m);
int mon_redis_fd(const struct mon *m, short *events);
enum mon_event mon_redis_ready(struct mon *m, short revents);
enum mon_event mon_redis_timer(struct mon *m);
/* Pure. */
int64_t mon_redis_delay_ms(unsigned int failures);
bool mon_flights_add(struct mon_flights *f, int64_t now_ms);
bool mon_flights_end(struct mon_flights *f);
int64_t mon_flights_due_ms(const struct mon_flights *f);

/* start.c: the one file that forks and execs */
void mon_start_executor(struct mon *m);
/*
 * What would become of fn in the sealed monitor: runs it in a child behind mon_seal(), and waits.
 * Returns what it returned, 0 to 255; or a signal that ended it as a negative number.
 */
int mon_trial(struct mon *m, int (*fn)(struct mon *m));
/* Reaps it when it has ended. */
void mon_reap_executor(struct mon *m);

/* prepare.c: what needs power or files, before the seal */
void mon_prepare(struct mon *m);
/* As far as it goes without making or asking anything; status_dir_fd is -1 when it is yet to be
 * made.
 */
void mon_prepare_check(struct mon *m);
/* Ends the process (77) unless whoever we have become can read the signal's directory and write
 * ours. */
void mon_check_access(const struct mon *m);
/* Field 22 of /proc/PID/stat, the process's start in clock ticks; 0 when there is none. */
uint64_t mon_process_start(pid_t pid);

/* domain.c */
/* Which layers this kernel has: tells what is missing, or ends the process (71) when all is needed.
 */
void mon_domain_probe(struct mon *m);
/* Its first half: status.missing is set, nothing is said. */
void mon_domain_look(struct mon *m);
void mon_domain_enter(struct mon *m);
/* True when the signal's directory is there, and is not the one that the domain opens. */
bool mon_domain_shuts_out(const struct mon *m);
/* Calls see() for each place of the table. */
void mon_domain_walk(
    void (*see)(void *arg, const char *place, const char *rights, const char *why), void *arg);

/* check.c: `moult-monitor --check`. Ends the process, 0 when all has been said. */
void mon_check(struct mon *m) __attribute__((noreturn));

/* seal.c */
void mon_seal(struct mon *m);
/* Calls see() for each row of the filter's tables; table says when the row holds. */
struct filter_row;
void mon_seal_walk(
    void (*see)(void *arg, const char *table, const struct filter_row *row), void *arg);

/* loop.c */
void mon_loop(struct mon *m) __attribute__((noreturn));
enum mon_event mon_timer_state(struct mon *m);
enum mon_event mon_timer_gone(struct mon *m);
enum mon_event mon_timer_look(struct mon *m);
void mon_timers_clear(struct mon *m);

#endif
