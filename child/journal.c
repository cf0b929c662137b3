/*
 * journal.c - see journal.h.
 *
 * room: executor. Writes the file "journal" in the state directory.
 * distrusts: the file: any byte of it may be torn, old or damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor.h"
#include "journal.h"
#include "log.h"
#include "text.h"

#define NAME     "journal"
#define ASIDE    "journal.damaged"
#define SUM_HEX  16
#define PINS_MAX 100000u

enum kind { NUMBER, TEXT };

struct field {
	const char *name;
	enum kind kind;
	size_t offset, size;
};

#define FIELD_ROW(field, kind, size) {#field, kind, offsetof(struct journal_state, field), size},
static const struct field fields[] = {JOURNAL_FIELDS(FIELD_ROW)};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* A file being written anew. */
struct buffer {
	char *data;
	size_t len, size;
};

const char *
journal_phase_name(uint64_t phase)
{
#define PHASE_NAME(name, meaning) #name,
	static const char *const names[] = {JOURNAL_PHASES(PHASE_NAME)};

	return phase < PHASE_END ? names[phase] : "?";
}

static void
line_sum(const char *rest, size_t len, char sum[SUM_HEX + 1])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)rest, len);
	SHA256Final(digest, &ctx);
	text_hex(sum, digest, SUM_HEX / 2);
}

/* Puts "SUM NUMBER body\n" into line. Returns its length. */
static size_t
line_make(char line[JOURNAL_LINE_MAX], uint64_t number, const char *body)
{
	char rest[JOURNAL_LINE_MAX - SUM_HEX - 2], sum[SUM_HEX + 1];
	int n;

	n = snprintf(rest, sizeof(rest), "%" PRIu64 " %s", number, body);
	if (n < 0 || (size_t)n >= sizeof(rest))
		bug("journal: a record of %d bytes does not fit", n);
	line_sum(rest, (size_t)n, sum);
	n = snprintf(line, JOURNAL_LINE_MAX, "%s %s\n", sum, rest);
	if (n < 0 || n >= JOURNAL_LINE_MAX)
		bug("journal: a line of %d bytes does not fit", n);
	return (size_t)n;
}

static void
state_write(const struct journal_state *s, char body[JOURNAL_LINE_MAX - 64])
{
	size_t size = JOURNAL_LINE_MAX - 64, used = (size_t)snprintf(body, size, "state");

	for (size_t i = 0; i < FIELDS; i++) {
		const char *at = (const char *)s + fields[i].offset;
		int n;

		if (fields[i].kind == NUMBER) {
			uint64_t number;

			memcpy(&number, at, sizeof(number));
			n = snprintf(
			    body + used, size - used, " %s=%" PRIu64, fields[i].name, number);
		} else
			n = snprintf(body + used, size - used, " %s=%s", fields[i].name, at);
		if (n < 0 || (size_t)n >= size - used)
			bug("journal: the state does not fit its line");
		used += (size_t)n;
	}
}

static bool
number_read(const char *text, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool
field_read(struct journal_state *s, const struct field *f, const char *value)
{
	char *at = (char *)s + f->offset;
	uint64_t number;

	if (f->kind == NUMBER) {
		if (!number_read(value, &number))
			return false;
		memcpy(at, &number, sizeof(number));
		return true;
	}
	if (strlen(value) >= f->size)
		return false;
	memcpy(at, value, strlen(value) + 1);
	return true;
}

static bool
is_version_or_empty(const char *s)
{
	struct version v;

	return s[0] == '\0' || (s[0] != 'v' && version_parse(&v, s) == 0);
}

static bool
is_id_or_empty(const char *s)
{
	return s[0] == '\0' || text_is_object_id(s);
}

static bool
texts_are_possible(const struct journal_state *s)
{
	const char *const versions[] = {s->from, s->base, s->installed};
	const char *const either[] = {s->available, s->to};
	const char *const ids[] = {s->commit, s->previous, s->base_commit, s->base_target,
	    s->halfway, s->installed_commit};
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (!is_version_or_empty(versions[i]))
			return false;
	for (i = 0; i < sizeof(either) / sizeof(either[0]); i++)
		if (!is_version_or_empty(either[i]) && !text_is_object_id(either[i]))
			return false;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (!is_id_or_empty(ids[i]))
			return false;
	return (s->run[0] == '\0' || text_is_name(s->run)) &&
	       s->run[strcspn(s->run, "._")] == '\0' &&
	       text_is_field_or_empty(s->key, sizeof(s->key)) &&
	       text_is_field_or_empty(s->detail, sizeof(s->detail));
}

/* What is reported from it must pass wire_check(), so nothing else is believed. */
static bool
state_is_possible(const struct journal_state *s)
{
	if (s->phase >= PHASE_END || s->step >= STEP_END || s->reason >= REASON_END ||
	    s->channel >= CHANNEL_END || s->attempt > UINT32_MAX || s->interruptions > UINT32_MAX ||
	    s->restarts > UINT32_MAX || !texts_are_possible(s))
		return false;
	if (s->phase == PHASE_IDLE)
		return true;
	if (s->channel == CHANNEL_NONE || s->attempt == 0 || s->run[0] == '\0')
		return false;
	return s->phase != PHASE_FAILED || (s->step != STEP_NONE && s->reason != REASON_NONE);
}

/* Reads " key=value..." with every key once and in its order: it is our own line. */
static bool
state_read(struct journal_state *s, char *text)
{
	struct journal_state fresh;

	memset(&fresh, 0, sizeof(fresh));
	for (size_t i = 0; i < FIELDS; i++) {
		size_t len = strlen(fields[i].name);
		char *value, *end;

		if (*text != ' ' || strncmp(text + 1, fields[i].name, len) != 0 ||
		    text[1 + len] != '=')
			return false;
		value = text + len + 2;
		end = i + 1 == FIELDS ? value + strlen(value) : strchr(value, ' ');
		if (end == NULL)
			return false;
		char keep = *end;
		*end = '\0';
		if (!field_read(&fresh, &fields[i], value))
			return false;
		*end = keep;
		text = end;
	}
	if (!state_is_possible(&fresh))
		return false;
	*s = fresh;
	return true;
}

static int
pin_add(struct journal *j, const char *version, const char *commit)
{
	struct journal_pin *pins;

	if (j->pins_count >= PINS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	pins = reallocarray(j->pins, j->pins_count + 1, sizeof(*pins));
	if (pins == NULL)
		return -1;
	j->pins = pins;
	memset(&pins[j->pins_count], 0, sizeof(*pins));
	snprintf(pins[j->pins_count].version, VERSION_MAX, "%s", version);
	snprintf(pins[j->pins_count].commit, WIRE_OID_MAX, "%s", commit);
	j->pins_count++;
	return 0;
}

static int
applied_add(struct journal *j, const char *name)
{
	char **list = reallocarray(j->applied, j->applied_count + 1, sizeof(*list));

	if (list == NULL)
		return -1;
	j->applied = list;
	if ((list[j->applied_count] = strdup(name)) == NULL)
		return -1;
	j->applied_count++;
	return 0;
}

static void
applied_clear(struct journal *j)
{
	for (size_t i = 0; i < j->applied_count; i++)
		free(j->applied[i]);
	free(j->applied);
	j->applied = NULL;
	j->applied_count = 0;
}

/* Takes one record's body into j. False: it is not one of ours. */
static bool
record_read(struct journal *j, char *body)
{
	struct version v;

	if (strncmp(body, "state ", 6) == 0)
		return state_read(&j->state, body + 5);
	if (strcmp(body, "saved") == 0) {
		applied_clear(j);
		return true;
	}
	if (strncmp(body, "applied ", 8) == 0)
		return applied_add(j, body + 8) == 0;
	if (strncmp(body, "pin ", 4) == 0) {
		char *commit = strchr(body + 4, ' ');

		if (commit == NULL)
			return false;
		*commit++ = '\0';
		return version_parse(&v, body + 4) == 0 && text_is_object_id(commit) &&
		       pin_add(j, v.text, commit) == 0;
	}
	return false;
}

/* Checks one line, without its newline, and cuts it into number and body. */
static bool
line_check(char *line, size_t len, uint64_t *number, char **body)
{
	char sum[SUM_HEX + 1], *space;

	if (len <= SUM_HEX + 1 || len >= JOURNAL_LINE_MAX || line[SUM_HEX] != ' ' ||
	    memchr(line, '\0', len) != NULL)
		return false;
	line_sum(line + SUM_HEX + 1, len - SUM_HEX - 1, sum);
	if (memcmp(sum, line, SUM_HEX) != 0)
		return false;
	line[len] = '\0';
	if ((space = strchr(line + SUM_HEX + 1, ' ')) == NULL)
		return false;
	*space = '\0';
	*body = space + 1;
	return number_read(line + SUM_HEX + 1, number);
}

/*
 * Folds all lines. Returns 0, also when the last line is torn; 1 when a readable line stands
 * behind an unreadable one, or a number is missing: then only what came before it was taken.
 */
static int
fold(struct journal *j, char *data, size_t len)
{
	char *at = data, *end = data + len;
	bool torn = false;

	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at)), *body;
		uint64_t number;

		if (newline == NULL)
			break;
		if (!line_check(at, (size_t)(newline - at), &number, &body))
			torn = true;
		else if (torn || (j->number != 0 && number != j->number + 1))
			return 1;
		else if (!record_read(j, body))
			return 1;
		else
			j->number = number;
		at = newline + 1;
	}
	return 0;
}

/* The header, or -1 with EPROTO for a newer format; *skip is its length. */
static int
header_check(const char *data, size_t len, size_t *skip)
{
	static const char name[] = "moult-journal ";
	const char *newline = memchr(data, '\n', len);
	char *end;
	unsigned long format;

	*skip = 0;
	if (newline == NULL || strncmp(data, name, sizeof(name) - 1) != 0)
		return 1;
	format = strtoul(data + sizeof(name) - 1, &end, 10);
	if (end != newline || format == 0)
		return 1;
	if (format > JOURNAL_FORMAT) {
		errno = EPROTO;
		return -1;
	}
	*skip = (size_t)(newline - data) + 1;
	return 0;
}

static int
buffer_add(struct buffer *b, const char *data, size_t len)
{
	if (b->data == NULL || b->size - b->len < len) {
		size_t size = (b->size + len) * 2;
		char *grown = realloc(b->data, size);

		if (grown == NULL)
			return -1;
		b->data = grown;
		b->size = size;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

static int
buffer_record(struct buffer *b, uint64_t *number, const char *body)
{
	char line[JOURNAL_LINE_MAX];

	size_t len = line_make(line, ++*number, body);

	return buffer_add(b, line, len);
}

static int
snapshot(const struct journal *j, struct buffer *b, uint64_t *number)
{
	char body[JOURNAL_LINE_MAX - 64];
	int n = snprintf(body, sizeof(body), "moult-journal %d\n", JOURNAL_FORMAT);

	if (buffer_add(b, body, (size_t)n) == -1)
		return -1;
	for (size_t i = 0; i < j->pins_count; i++) {
		snprintf(body, sizeof(body), "pin %s %s", j->pins[i].version, j->pins[i].commit);
		if (buffer_record(b, number, body) == -1)
			return -1;
	}
	for (size_t i = 0; i < j->applied_count; i++) {
		snprintf(body, sizeof(body), "applied %s", j->applied[i]);
		if (buffer_record(b, number, body) == -1)
			return -1;
	}
	state_write(&j->state, body);
	return buffer_record(b, number, body);
}

/* Writes the whole journal short and opens it for appending. */
static int
rewrite(struct journal *j)
{
	struct buffer b = {0};
	uint64_t number = j->number;
	size_t len;
	int fd = -1, error;

	if (snapshot(j, &b, &number) == 0 &&
	    file_replace(j->dir_fd, NAME, b.data, b.len, 0600) == 0)
		fd = openat(j->dir_fd, NAME, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	error = errno;
	len = b.len;
	free(b.data);
	if (fd == -1) {
		errno = error;
		return -1;
	}
	if (j->fd != -1)
		close(j->fd);
	j->fd = fd;
	j->number = number;
	j->bytes = len;
	j->broken = false;
	return 0;
}

/* A fault before the end: what may be owed is not trusted, what guards the next run is kept. */
static void
set_aside(struct journal *j)
{
	/* A second name, so that until it is replaced a crash finds it damaged; what is no file has
	 * to give way. */
	if ((unlinkat(j->dir_fd, ASIDE, 0) == -1 && errno != ENOENT) ||
	    (linkat(j->dir_fd, NAME, j->dir_fd, ASIDE, 0) == -1 &&
		renameat(j->dir_fd, NAME, j->dir_fd, ASIDE) == -1))
		log_warn("journal: the damaged file cannot be kept as " ASIDE);
	log_warnx("journal: it is damaged and was set aside as %s; nothing counts as owed", ASIDE);
	j->state.phase = PHASE_IDLE;
}

int
journal_open(struct journal *j, int dir_fd)
{
	char *data = NULL;
	size_t len = 0, skip = 0;
	int verdict = 0;

	memset(j, 0, sizeof(*j));
	j->dir_fd = dir_fd;
	j->fd = -1;
	if (file_slurp(dir_fd, NAME, JOURNAL_FILE_MAX, &data, &len) == -1) {
		if (errno == EINVAL || errno == EFBIG || errno == ELOOP)
			verdict = 1;
		else if (errno != ENOENT)
			return -1;
	} else if ((verdict = header_check(data, len, &skip)) == 0)
		verdict = fold(j, data + skip, len - skip);
	free(data);
	if (verdict == -1)
		return -1;
	if (verdict == 1)
		set_aside(j);
	return rewrite(j) == -1 ? -1 : verdict;
}

void
journal_close(struct journal *j)
{
	if (j->fd != -1)
		close(j->fd);
	j->fd = -1;
	free(j->pins);
	j->pins = NULL;
	j->pins_count = 0;
	applied_clear(j);
}

/*
 * A failed write may have left half a line, and after a failed sync the kernel holds the pages
 * for clean: never continue such a file, write a new one.
 */
static int
append(struct journal *j, const char *body)
{
	char line[JOURNAL_LINE_MAX];
	size_t len = line_make(line, j->number + 1, body);

	if (j->broken || j->bytes > JOURNAL_COMPACT)
		return rewrite(j);
	if (file_write_all(j->fd, line, len) == -1 || fdatasync(j->fd) == -1) {
		j->broken = true;
		return -1;
	}
	j->number++;
	j->bytes += len;
	return 0;
}

int
journal_save(struct journal *j)
{
	char body[JOURNAL_LINE_MAX - 64];

	state_write(&j->state, body);
	return append(j, body);
}

const char *
journal_pinned(const struct journal *j, const char *version)
{
	for (size_t i = 0; i < j->pins_count; i++)
		if (strcmp(j->pins[i].version, version) == 0)
			return j->pins[i].commit;
	return NULL;
}

int
journal_pin(struct journal *j, const char *version, const char *commit)
{
	char body[JOURNAL_LINE_MAX - 64];

	if (journal_pinned(j, version) != NULL)
		bug("journal: %s is pinned already", version);
	if (pin_add(j, version, commit) == -1)
		return -1;
	snprintf(body, sizeof(body), "pin %s %s", version, commit);
	if (append(j, body) == 0)
		return 0;
	j->pins_count--;
	return -1;
}

int
journal_applied(struct journal *j, const char *name)
{
	char body[JOURNAL_LINE_MAX - 64];

	if (applied_add(j, name) == -1)
		return -1;
	snprintf(body, sizeof(body), "applied %s", name);
	return append(j, body);
}

int
journal_doubt(struct journal *j)
{
	applied_clear(j);
	return rewrite(j);
}

int
journal_saved(struct journal *j)
{
	applied_clear(j);
	return append(j, "saved");
}

void
journal_set_signal(struct journal_state *s, const struct file_identity *id)
{
	s->signal_dev = id->dev;
	s->signal_ino = id->ino;
	s->signal_btime_s = (uint64_t)id->btime_s;
	s->signal_btime_ns = (uint64_t)id->btime_ns;
	s->signal_mtime_s = (uint64_t)id->mtime_s;
	s->signal_mtime_ns = (uint64_t)id->mtime_ns;
	s->signal_size = id->size_bytes;
	text_hex(s->signal_sha256, id->sha256, FILE_SHA256_BYTES);
}

void
journal_get_signal(const struct journal_state *s, struct file_identity *id)
{
	memset(id, 0, sizeof(*id));
	id->dev = s->signal_dev;
	id->ino = s->signal_ino;
	id->btime_s = (int64_t)s->signal_btime_s;
	id->btime_ns = (int64_t)s->signal_btime_ns;
	id->mtime_s = (int64_t)s->signal_mtime_s;
	id->mtime_ns = (int64_t)s->signal_mtime_ns;
	id->size_bytes = s->signal_size;
	for (size_t i = 0; i < FILE_SHA256_BYTES; i++) {
		unsigned int byte = 0;

		if (sscanf(s->signal_sha256 + 2 * i, "%2x", &byte) != 1)
			return;
		id->sha256[i] = (uint8_t)byte;
	}
}
