/*
 * journal.h - the executor's durable memory: the truth that Redis and status.json only mirror.
 *
 * room: executor.
 * distrusts: its own file: each line has a checksum and a number; a torn end is dropped, damage
 *	before the end sets the file aside.
 *
 * The file is text, appended and synced before the action that a line announces:
 *
 *	moult-journal 1
 *	SUM NUMBER pin VERSION COMMIT           the commit first seen for a version
 *	SUM NUMBER applied NAME                 a migration, not yet in migration_state.json
 *	SUM NUMBER saved                        migration_state.json holds all of those
 *	SUM NUMBER state KEY=VALUE...           everything else; the last one counts
 *
 * SUM is the first 16 hexadecimal digits of the SHA-256 of the rest of the line. An append costs
 * the same for the first line and the ten-thousandth; the file is rewritten short at each start,
 * and when it has grown long.
 */
#ifndef MOULT_JOURNAL_H
#define MOULT_JOURNAL_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "version.h"
#include "wire.h"

#define JOURNAL_FORMAT   1
#define JOURNAL_BOOT_MAX 40 /* /proc/sys/kernel/random/boot_id */
#define JOURNAL_LINE_MAX 4096
#define JOURNAL_FILE_MAX (64u << 20)
#define JOURNAL_COMPACT  (1u << 20)

/* X(phase, what it means) */
#define JOURNAL_PHASES(X)                                                             \
	X(IDLE, "nothing is under way or owed")                                       \
	X(RUNNING, "a run has begun and its end is not recorded")                     \
	X(FAILED, "the last run failed; it waits for its time, a change or a person") \
	X(STOPPED, "the last run was ended on request; it begins again when asked")   \
	X(OWED, "committed; the daemon of that time has yet to restart")              \
	X(DEPLOYED, "committed, and another daemon instance has come since")

#define JOURNAL_ENUM_PHASE(name, meaning) PHASE_##name,
enum journal_phase { JOURNAL_PHASES(JOURNAL_ENUM_PHASE) PHASE_END };

/*
 * One list: the struct, the writer and the reader. X(field, kind, size of a text)
 * detail stands last, because it may hold blanks.
 */
#define JOURNAL_FIELDS(X)                                                                          \
	X(phase, NUMBER, 0)                                                                        \
	X(run, TEXT, WIRE_RUN_MAX)                                                                 \
	X(channel, NUMBER, 0)                                                                      \
	X(attempt, NUMBER, 0)       /* of this signal's content */                                 \
	X(interruptions, NUMBER, 0) /* of this target */                                           \
	X(restarts, NUMBER, 0)      /* exits 42 for this debt */                                   \
	X(step, NUMBER, 0)                                                                         \
	X(reason, NUMBER, 0)                                                                       \
	X(held, NUMBER, 0)                                                                         \
	X(from, TEXT, VERSION_MAX)      /* where the gap begins */                                 \
	X(available, TEXT, VERSION_MAX) /* as announced */                                         \
	X(to, TEXT, VERSION_MAX)                                                                   \
	X(commit, TEXT, WIRE_OID_MAX)                                                              \
	X(previous, TEXT, WIRE_OID_MAX)                                                            \
	X(key, TEXT, WIRE_KEY_MAX) /* the fingerprint of what signed commit */                     \
	X(base, TEXT, VERSION_MAX) /* from, once an unfinished update has touched the tree */      \
	X(base_commit, TEXT, WIRE_OID_MAX) /* HEAD of that time: the way back */                   \
	X(base_target, TEXT, WIRE_OID_MAX) /* what was to become HEAD */                           \
	X(halfway, TEXT, WIRE_OID_MAX)  /* HEAD before a checkout that is not known to be whole */ \
	X(boot, TEXT, JOURNAL_BOOT_MAX) /* of the run: what it wrote may be lost in another one */ \
	X(installed, TEXT, VERSION_MAX) /* what the last commit brought, */                        \
	X(installed_commit, TEXT, WIRE_OID_MAX) /* and where HEAD was then */                      \
	X(due_ms, NUMBER, 0) /* CLOCK_BOOTTIME of the next attempt, in due_boot */                 \
	X(due_boot, TEXT, JOURNAL_BOOT_MAX)                                                        \
	X(committed_ms, NUMBER, 0) /* CLOCK_BOOTTIME of the commit, in daemon_boot */              \
	X(daemon_pid, NUMBER, 0)                                                                   \
	X(daemon_start, NUMBER, 0)                                                                 \
	X(daemon_boot, TEXT, JOURNAL_BOOT_MAX)                                                     \
	X(signal_dev, NUMBER, 0)                                                                   \
	X(signal_ino, NUMBER, 0)                                                                   \
	X(signal_btime_s, NUMBER, 0)                                                               \
	X(signal_btime_ns, NUMBER, 0)                                                              \
	X(signal_mtime_s, NUMBER, 0)                                                               \
	X(signal_mtime_ns, NUMBER, 0)                                                              \
	X(signal_size, NUMBER, 0)                                                                  \
	X(signal_sha256, TEXT, 2 * FILE_SHA256_BYTES + 1)                                          \
	X(detail, TEXT, WIRE_DETAIL_MAX)

#define JOURNAL_MEMBER_NUMBER(field, size) uint64_t field;
#define JOURNAL_MEMBER_TEXT(field, size)   char field[size];
#define JOURNAL_MEMBER(field, kind, size)  JOURNAL_MEMBER_##kind(field, size)

struct journal_state {
	JOURNAL_FIELDS(JOURNAL_MEMBER)
};

struct journal_pin {
	char version[VERSION_MAX];
	char commit[WIRE_OID_MAX];
};

struct journal {
	int dir_fd; /* BORROWED: the state directory */
	int fd;     /* OWNED: the file, for appending */
	uint64_t number;
	uint64_t bytes; /* of the file: past JOURNAL_COMPACT it is rewritten short */
	bool broken;    /* an append failed: the file is rewritten before the next one */
	struct journal_state state;
	struct journal_pin *pins; /* OWNED */
	size_t pins_count;
	char **applied; /* OWNED, each name too: recorded since migration_state.json was written */
	size_t applied_count;
};

/*
 * Reads the journal of dir_fd, or begins one, and rewrites it short. Returns 0; 1 when it was
 * damaged: set aside as "journal.damaged", its readable beginning kept, but nothing owed; -1 and
 * errno, EPROTO when a newer moult wrote it.
 */
int journal_open(struct journal *j, int dir_fd);
void journal_close(struct journal *j);

/* Makes j->state durable. 0, or -1 and errno: it may or may not be on disk. */
int journal_save(struct journal *j);

/* The commit pinned for a version, or NULL. */
const char *journal_pinned(const struct journal *j, const char *version);
/* Pins it, durably. A second pin for a version is a bug(). 0, or -1 and errno. */
int journal_pin(struct journal *j, const char *version, const char *commit);

/* Records a migration as applied, durably. 0, or -1 and errno. */
int journal_applied(struct journal *j, const char *name);
/* Forgets those records, because what they stand for may be lost: each is asked for anew. */
int journal_doubt(struct journal *j);
/* Forgets those records: migration_state.json holds them now. 0, or -1 and errno. */
int journal_saved(struct journal *j);

void journal_set_signal(struct journal_state *s, const struct file_identity *id);
void journal_get_signal(const struct journal_state *s, struct file_identity *id);

const char *journal_phase_name(uint64_t phase);

#endif
