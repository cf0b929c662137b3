/*
 * wire.h - everything that may cross the socketpair between monitor and executor.
 *
 * room: both processes; the one door between them.
 * distrusts: every message: the receiver validates what the sender did, by wire_check().
 *
 * One SOCK_SEQPACKET message is one packet: a wire_header and the payload of its type, both of
 * fixed size. There are no empty packets, no pointers, no paths, no arguments, no environment and
 * no format strings. Text is printable ASCII, ends in NUL, and is NUL to its field's end.
 */
#ifndef MOULT_WIRE_H
#define MOULT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "version.h"

/* Raised whenever a number, a size or a meaning below changes. */
#define WIRE_VERSION 2

/* The executor finds its end of the socketpair here. */
#define WIRE_FD 3

#define WIRE_OID_MAX    66   /* 64 hexadecimal digits; even, so that no struct has padding */
#define WIRE_RUN_MAX    24   /* a run's id: 20261123T150000Z-0001 */
#define WIRE_DETAIL_MAX 512  /* one line for a person: what failed */
#define WIRE_TAIL_MAX   2049 /* the end of the step's output, 2 KiB of it, escaped */
#define WIRE_BUILD_MAX  24
#define WIRE_KEY_MAX    68 /* a key's fingerprint: SHA256:..., or 40 or 64 hexadecimal digits */

/* The channels of the signal file. X(symbol, name) */
#define WIRE_CHANNELS(X)  \
	X(ALPHA, "alpha") \
	X(BETA, "beta")   \
	X(STABLE, "stable")

/*
 * The steps of an update in their order, and the public status word of each.
 * X(symbol, name, status word)
 */
#define WIRE_STEPS(X)                         \
	X(CHECK, "check", "checking")         \
	X(PREFLIGHT, "preflight", "checking") \
	X(FETCH, "fetch", "updating")         \
	X(VERIFY, "verify", "updating")       \
	X(CHECKOUT, "checkout", "updating")   \
	X(MIGRATE, "migrate", "migrating")    \
	X(INSTALL, "install", "installing")   \
	X(FINISH, "finish", "installing")     \
	X(RESTART, "restart", "restarting")

/* Why an update failed. X(symbol, name, what it says to a person) */
#define WIRE_REASONS(X)                                                                          \
	X(SIGNAL_INVALID, "signal_invalid", "the signal file is refused")                        \
	X(NOT_NEWER, "not_newer", "the announced version is not newer")                          \
	X(NO_SPACE, "no_space", "too little free space")                                         \
	X(REPO_UNFIT, "repo_unfit", "the checkout is of a kind that is not supported")           \
	X(TREE_DIRTY, "tree_dirty", "tracked files were edited by hand")                         \
	X(BUSY, "busy", "another program holds a lock of the repository")                        \
	X(FETCH_FAILED, "fetch_failed", "git could not fetch from the remote")                   \
	X(TAG_MISSING, "tag_missing", "the remote has no such tag")                              \
	X(TAG_MOVED, "tag_moved", "the tag names another commit than before")                    \
	X(SIGNATURE_MISSING, "signature_missing", "the version is not signed")                   \
	X(SIGNATURE_BAD, "signature_bad",                                                        \
	    "the signature is not a good one by a key that may sign")                            \
	X(DIVERGED, "diverged", "the branch does not fast-forward")                              \
	X(COMMIT_ABSENT, "commit_absent", "the announced commit is not on the branch")           \
	X(CHECKOUT_FAILED, "checkout_failed", "git could not check the version out")             \
	X(HEAD_CHANGED, "head_changed", "the checkout is not at the verified commit")            \
	X(VERSION_UNKNOWN, "version_unknown", "the new tree does not say its version")           \
	X(MIGRATION_INVALID, "migration_invalid", "a migration cannot be run as it stands")      \
	X(MIGRATION_FAILED, "migration_failed", "a migration failed")                            \
	X(STATE_DAMAGED, "state_damaged", "the record of applied migrations cannot be read")     \
	X(INSTALL_FAILED, "install_failed", "the install command failed")                        \
	X(SYNC_FAILED, "sync_failed", "what was written could not be made durable")              \
	X(TIME_LIMIT, "time_limit", "the step ran past its limit of time")                       \
	X(SILENCE_LIMIT, "silence_limit", "the step was silent past its limit")                  \
	X(POLICY, "policy", "the step was ended by the system call filter")                      \
	X(SYSTEM, "system", "the system refused what moult needs")                               \
	X(INTERRUPTED, "interrupted", "moult was ended in the middle of the update")             \
	X(STOPPED, "stopped", "moult was asked to stop in the middle of the update")             \
	X(RESTART_UNCONFIRMED, "restart_unconfirmed", "the daemon was not restarted by exit 42") \
	X(EXECUTOR_LOST, "executor_lost", "the executor ended unexpectedly")

/*
 * What confines a process and may be missing on a kernel. The bits of a set: 1 << LAYER_x.
 * X(symbol, name, what it means that it is missing)
 */
#define WIRE_LAYERS(X)                                                               \
	X(SECCOMP, "seccomp", "system calls are not filtered")                       \
	X(FILES, "landlock", "files are not confined")                               \
	X(TRUNCATE, "landlock-truncate", "a step may truncate what it cannot write") \
	X(NETWORK, "landlock-network", "ports are not confined")                     \
	X(DEVICES, "landlock-devices", "device ioctls are not confined")             \
	X(SCOPE, "landlock-scope", "signals and abstract sockets cross the processes")

#define WIRE_ENUM_LAYER(symbol, name, words) LAYER_##symbol,
enum wire_layer { WIRE_LAYERS(WIRE_ENUM_LAYER) LAYER_END };

#define WIRE_ENUM_CHANNEL(symbol, name)       CHANNEL_##symbol,
#define WIRE_ENUM_STEP(symbol, name, word)    STEP_##symbol,
#define WIRE_ENUM_REASON(symbol, name, words) REASON_##symbol,

/* Zero is no value of any of these, so that a forgotten field fails the check. */
enum wire_channel { CHANNEL_NONE, WIRE_CHANNELS(WIRE_ENUM_CHANNEL) CHANNEL_END };
enum wire_step { STEP_NONE, WIRE_STEPS(WIRE_ENUM_STEP) STEP_END };
enum wire_reason { REASON_NONE, WIRE_REASONS(WIRE_ENUM_REASON) REASON_END };

struct wire_header {
	uint16_t type;     /* enum wire_type */
	uint16_t size;     /* of the payload, in bytes */
	uint32_t sequence; /* counts up by one from 1, for each direction apart */
};

/* Please bring the checkout to this version. */
struct wire_run {
	uint32_t channel; /* enum wire_channel */
	uint32_t retry;   /* 1: a person asked, so a hold or a delay does not count; else 0 */
	char current[VERSION_MAX];
	char available[VERSION_MAX]; /* a version; on alpha it may be a full object id */
	struct file_identity signal;
};

/* A message whose type says all. */
struct wire_plain {
	uint32_t reserved; /* 0 */
};

struct wire_hello {
	uint32_t version; /* WIRE_VERSION */
	char build[WIRE_BUILD_MAX];
	char installed[VERSION_MAX]; /* what runs, as far as is known; may be empty */
	uint32_t missing;            /* layers that do not confine the executor's side: a set */
};

/* What every report about an update carries. Fields not known yet are empty. */
struct wire_update {
	uint32_t channel;
	uint32_t attempt; /* 1 for the first */
	char run[WIRE_RUN_MAX];
	char from[VERSION_MAX];
	char to[VERSION_MAX]; /* an object id until alpha's version is known */
	char commit[WIRE_OID_MAX];
	char previous[WIRE_OID_MAX]; /* what HEAD was before: the way back by hand */
	char key[WIRE_KEY_MAX];      /* the fingerprint of what signed it */
};

struct wire_ready {
	uint32_t journal_damaged; /* 1: it was unreadable, has been set aside, and begins anew */
};

struct wire_progress {
	struct wire_update update;
	uint32_t step; /* enum wire_step */
	uint32_t percent;
};

struct wire_failure {
	struct wire_update update;
	uint32_t step;
	uint32_t reason;   /* enum wire_reason */
	uint32_t retry_ms; /* until the next attempt may begin; 0: held until something changes */
	uint32_t reserved; /* 0 */
	char detail[WIRE_DETAIL_MAX];
	char tail[WIRE_TAIL_MAX + 7];
};

#define WIRE_RETRY_MS_MAX 3600000u

/* The doors. X(symbol, name, payload struct) */
#define WIRE_REQUESTS(X)        \
	X(RUN, "run", wire_run) \
	X(STOP, "stop", wire_plain)

#define WIRE_REPORTS(X)                                                                       \
	X(HELLO, "hello", wire_hello) /* first, always */                                     \
	X(READY, "ready", wire_ready) /* second: nothing is left of an earlier run */         \
	X(INTERRUPTED, "interrupted", wire_failure) /* second: a run was cut off */           \
	X(OWED, "owed", wire_update) /* second: committed, this daemon still runs */          \
	X(UNCONFIRMED, "unconfirmed", wire_failure) /* second: owed too often, no more 42 */  \
	X(DEPLOYED, "deployed", wire_update)        /* second: the restart has taken place */ \
	X(STEP, "step", wire_progress)              /* a step began, or came further */       \
	X(FAILED, "failed", wire_failure)           /* the run is over */                     \
	X(HELD, "held", wire_failure)               /* not now: this signal failed before */  \
	X(CHANGED, "changed", wire_plain)           /* the signal is not the one announced */ \
	X(DONE, "done", wire_update)                /* committed: the restart is owed */      \
	X(STOPPED, "stopped", wire_plain)           /* the answer to stop */

#define WIRE_ENUM_REQUEST(symbol, name, payload) REQ_##symbol,
#define WIRE_ENUM_REPORT(symbol, name, payload)  REP_##symbol,

enum wire_type {
	WIRE_NONE,
	WIRE_REQUESTS(WIRE_ENUM_REQUEST) WIRE_REPORTS_FROM,
	WIRE_REPORTS(WIRE_ENUM_REPORT) WIRE_TYPE_END
};

enum wire_door { DOOR_REQUESTS, DOOR_REPORTS }; /* what the receiver accepts */

struct wire_message {
	struct wire_header header;
	union {
		struct wire_run run;
		struct wire_plain stop;
		struct wire_hello hello;
		struct wire_ready ready;
		struct wire_update update;
		struct wire_progress progress;
		struct wire_failure failure;
	} body;
};

/* One end of the pair. The receiver's and the sender's counters are its only state. */
struct wire {
	int fd;              /* OWNED by whoever made it */
	enum wire_door door; /* what this side receives */
	uint32_t sent;
	uint32_t received;
};

void wire_init(struct wire *w, int fd, enum wire_door door);

/*
 * Sends a message of the other door. body is a struct of the type's payload, zeroed before it was
 * filled. Returns 0, or -1 and errno: EPIPE or ECONNRESET when the peer is gone, EAGAIN when it
 * does not read. A body that fails wire_check() is a bug() of ours.
 */
int wire_send(struct wire *w, enum wire_type type, const void *body);

/*
 * Receives one message without waiting. Returns 1 with *m filled; 0 on end of file; -1 and errno,
 * EAGAIN when there is none. A message that is cut, carries a descriptor, or fails wire_check()
 * or the sequence ends this process: fatalx(), 76.
 */
int wire_receive(struct wire *w, struct wire_message *m);

/*
 * All validation of both doors: length, type, door, ranges, texts. len is what the kernel
 * delivered. Returns NULL when the message is right, else what is wrong with it, in a few words.
 */
const char *wire_check(enum wire_door door, const struct wire_message *m, size_t len);

/* The names in the lists above; "?" for what is none. */
const char *wire_type_name(uint32_t type);
const char *wire_channel_name(uint32_t channel);
const char *wire_layer_name(uint32_t layer);
const char *wire_layer_words(uint32_t layer);
const char *wire_step_name(uint32_t step);
const char *wire_step_word(uint32_t step);
const char *wire_reason_name(uint32_t reason);
const char *wire_reason_words(uint32_t reason);
enum wire_channel wire_channel_from_name(const char *name); /* CHANNEL_NONE: no such */
size_t wire_body_size(uint32_t type);

#endif
