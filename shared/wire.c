/*
 * wire.c - what crosses the socketpair: sending, receiving, and all validation of both doors.
 *
 * room: both processes; the one door between them.
 * distrusts: every message, also our own: it is checked before it is sent.
 */
#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "log.h"
#include "text.h"

/*
 * Sizes are written out, so that a changed struct does not go unnoticed (raise WIRE_VERSION), and
 * once more as the sum of their fields, so that no padding carries stray memory across.
 */
static_assert(LAYER_END < 32, "a set of layers fits a field");
static_assert(sizeof(struct wire_header) == 8, "header");
static_assert(sizeof(struct file_identity) == 88, "identity");
static_assert(sizeof(struct wire_run) == 352, "run");
static_assert(sizeof(struct wire_plain) == 4, "stop");
static_assert(sizeof(struct wire_hello) == 160, "hello");
static_assert(sizeof(struct wire_ready) == 4, "ready");
static_assert(sizeof(struct wire_update) == 488, "update");
static_assert(sizeof(struct wire_progress) == 496, "progress");
static_assert(sizeof(struct wire_failure) == 3072, "failure");

#define FIELD(type, field) sizeof(((struct type *)0)->field)
static_assert(2 + 2 + 4 == sizeof(struct wire_header), "no padding");
static_assert(
    4 + 4 + FIELD(wire_run, current) + FIELD(wire_run, available) + FIELD(wire_run, signal) ==
	sizeof(struct wire_run),
    "no padding");
static_assert(
    4 + FIELD(wire_hello, build) + FIELD(wire_hello, installed) + 4 == sizeof(struct wire_hello),
    "no padding");
static_assert(4 + 4 + FIELD(wire_update, run) + FIELD(wire_update, from) + FIELD(wire_update, to) +
		      FIELD(wire_update, commit) + FIELD(wire_update, previous) +
		      FIELD(wire_update, key) ==
		  sizeof(struct wire_update),
    "no padding");
static_assert(FIELD(wire_progress, update) + 4 + 4 == sizeof(struct wire_progress), "no padding");
static_assert(FIELD(wire_failure, update) + 4 + 4 + 4 + 4 + FIELD(wire_failure, detail) +
		      FIELD(wire_failure, tail) ==
		  sizeof(struct wire_failure),
    "no padding");
static_assert(offsetof(struct wire_message, body) == sizeof(struct wire_header),
    "header and payload are one run of bytes");

#define IS_FIELD(s)          text_is_field((s), sizeof(s))
#define IS_FIELD_OR_EMPTY(s) text_is_field_or_empty((s), sizeof(s))

#define NANOSECONDS 1000000000

static bool
is_version(const char *s)
{
	struct version v;

	return s[0] != 'v' && version_parse(&v, s) == 0;
}

static bool
is_run_id_or_empty(const char *s)
{
	return s[strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")] ==
	       '\0';
}

static bool
is_object_id_or_empty(const char *s)
{
	return s[0] == '\0' || text_is_object_id(s);
}

static bool
is_channel(uint32_t channel)
{
	return channel > CHANNEL_NONE && channel < CHANNEL_END;
}

static bool
is_step(uint32_t step)
{
	return step > STEP_NONE && step < STEP_END;
}

static bool
is_reason(uint32_t reason)
{
	return reason > REASON_NONE && reason < REASON_END;
}

/* One function for each payload; NULL, or what is wrong. */

static const char *
check_wire_run(const void *body)
{
	const struct wire_run *r = body;

	if (!is_channel(r->channel))
		return "no such channel";
	if (r->retry > 1)
		return "retry is neither 0 nor 1";
	if (!IS_FIELD(r->current) || !IS_FIELD(r->available))
		return "a version is not text";
	if (!is_version(r->current))
		return "the current version is none";
	if (!is_version(r->available) &&
	    !(r->channel == CHANNEL_ALPHA && text_is_object_id(r->available)))
		return "the available version is none";
	if (r->signal.btime_ns < 0 || r->signal.btime_ns >= NANOSECONDS || r->signal.mtime_ns < 0 ||
	    r->signal.mtime_ns >= NANOSECONDS)
		return "nanoseconds out of range";
	return NULL;
}

static const char *
check_wire_plain(const void *body)
{
	const struct wire_plain *s = body;

	return s->reserved == 0 ? NULL : "reserved is not 0";
}

static const char *
check_wire_hello(const void *body)
{
	const struct wire_hello *h = body;

	if (h->version != WIRE_VERSION)
		return "another version of the protocol";
	if (!IS_FIELD(h->build))
		return "the build is not text";
	if (!IS_FIELD_OR_EMPTY(h->installed) ||
	    (h->installed[0] != '\0' && !is_version(h->installed)))
		return "the installed version is none";
	if (h->missing >> LAYER_END != 0)
		return "a missing layer is none";
	return NULL;
}

static const char *
check_wire_ready(const void *body)
{
	const struct wire_ready *r = body;

	return r->journal_damaged <= 1 ? NULL : "journal_damaged is neither 0 nor 1";
}

static const char *
check_wire_update(const void *body)
{
	const struct wire_update *u = body;

	if (!is_channel(u->channel))
		return "no such channel";
	if (u->attempt < 1)
		return "attempt is 0";
	if (!IS_FIELD_OR_EMPTY(u->run) || !is_run_id_or_empty(u->run))
		return "the run is no run id";
	if (!IS_FIELD_OR_EMPTY(u->from) || (u->from[0] != '\0' && !is_version(u->from)))
		return "from is no version";
	if (!IS_FIELD_OR_EMPTY(u->to) || (!is_object_id_or_empty(u->to) && !is_version(u->to)))
		return "to is no version and no object id";
	if (!IS_FIELD_OR_EMPTY(u->commit) || !is_object_id_or_empty(u->commit))
		return "the commit is no object id";
	if (!IS_FIELD_OR_EMPTY(u->previous) || !is_object_id_or_empty(u->previous))
		return "the previous commit is no object id";
	if (!IS_FIELD_OR_EMPTY(u->key))
		return "the key is not text";
	return NULL;
}

static const char *
check_wire_progress(const void *body)
{
	const struct wire_progress *p = body;

	if (!is_step(p->step))
		return "no such step";
	if (p->percent > 100)
		return "more than 100 percent";
	return check_wire_update(&p->update);
}

static const char *
check_wire_failure(const void *body)
{
	const struct wire_failure *f = body;

	if (!is_step(f->step))
		return "no such step";
	if (!is_reason(f->reason))
		return "no such reason";
	if (f->retry_ms > WIRE_RETRY_MS_MAX)
		return "retry_ms out of range";
	if (f->reserved != 0)
		return "reserved is not 0";
	if (!IS_FIELD_OR_EMPTY(f->detail))
		return "the detail is not text";
	if (!IS_FIELD_OR_EMPTY(f->tail))
		return "the tail is not text";
	return check_wire_update(&f->update);
}

#define ROW_REQUEST(symbol, name, payload) \
	[REQ_##symbol] = {name, DOOR_REQUESTS, sizeof(struct payload), check_##payload},
#define ROW_REPORT(symbol, name, payload) \
	[REP_##symbol] = {name, DOOR_REPORTS, sizeof(struct payload), check_##payload},

/* A type that is none has an empty row: no name. */
static const struct row {
	const char *name;
	enum wire_door door;
	size_t size;
	const char *(*check)(const void *body);
} rows[WIRE_TYPE_END] = {WIRE_REQUESTS(ROW_REQUEST) WIRE_REPORTS(ROW_REPORT)};

static const struct row *
row_of(uint32_t type)
{
	return type < WIRE_TYPE_END && rows[type].name != NULL ? &rows[type] : NULL;
}

const char *
wire_check(enum wire_door door, const struct wire_message *m, size_t len)
{
	const struct row *row;

	if (len < sizeof(m->header))
		return "shorter than a header";
	row = row_of(m->header.type);
	if (row == NULL)
		return "no such type";
	if (row->door != door)
		return "came by the wrong door";
	if (m->header.size != row->size)
		return "the header names another size";
	if (len != sizeof(m->header) + row->size)
		return "not as long as its header says";
	return row->check(&m->body);
}

void
wire_init(struct wire *w, int fd, enum wire_door door)
{
	*w = (struct wire){.fd = fd, .door = door};
}

int
wire_send(struct wire *w, enum wire_type type, const void *body)
{
	enum wire_door door = w->door == DOOR_REQUESTS ? DOOR_REPORTS : DOOR_REQUESTS;
	size_t size = wire_body_size(type);
	struct wire_message m;
	const char *wrong;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.header.type = (uint16_t)type;
	m.header.size = (uint16_t)size;
	m.header.sequence = w->sent + 1;
	if (size > 0)
		memcpy(&m.body, body, size);
	wrong = wire_check(door, &m, sizeof(m.header) + size);
	if (wrong != NULL)
		bug("a message of ours, %s: %s", wire_type_name(type), wrong);
	do {
		n = send(w->fd, &m, sizeof(m.header) + size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	w->sent++;
	return 0;
}

/*
 * When the peer dies with something of ours unread, the kernel says ECONNRESET once, ahead of what
 * the peer had still sent. The next call delivers that, so it is made.
 */
static ssize_t
receive(int fd, struct msghdr *h)
{
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(fd, h, MSG_DONTWAIT);
		if (n != -1)
			return n;
		if (errno == ECONNRESET && !reset)
			reset = true;
		else if (errno != EINTR)
			return -1;
	}
}

int
wire_receive(struct wire *w, struct wire_message *m)
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	/* Without room for control data the kernel drops what is passed, and says so. */
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	const char *wrong;
	ssize_t n;

	memset(m, 0, sizeof(*m));
	n = receive(w->fd, &h);
	if (n == -1)
		return -1;
	if (h.msg_flags & MSG_CTRUNC)
		fatalx("the peer sent a descriptor");
	if (n == 0) /* end of file; an empty packet cannot be told from it, and means the same */
		return 0;
	if (h.msg_flags & MSG_TRUNC)
		fatalx("the peer sent a message that is too long");
	wrong = wire_check(w->door, m, (size_t)n);
	if (wrong != NULL)
		fatalx(
		    "the peer sent a bad message, %s: %s", wire_type_name(m->header.type), wrong);
	if (m->header.sequence != w->received + 1)
		fatalx("the peer sent message %u where %u is due", m->header.sequence,
		    w->received + 1);
	w->received++;
	return 1;
}

#define NAME_CHANNEL(symbol, name)       [CHANNEL_##symbol] = name,
#define NAME_LAYER(symbol, name, words)  [LAYER_##symbol] = name,
#define WORD_LAYER(symbol, name, words)  [LAYER_##symbol] = words,
#define NAME_STEP(symbol, name, word)    [STEP_##symbol] = name,
#define WORD_STEP(symbol, name, word)    [STEP_##symbol] = word,
#define NAME_REASON(symbol, name, words) [REASON_##symbol] = name,
#define WORD_REASON(symbol, name, words) [REASON_##symbol] = words,

static const char *const channel_names[CHANNEL_END] = {WIRE_CHANNELS(NAME_CHANNEL)};
static const char *const layer_names[LAYER_END] = {WIRE_LAYERS(NAME_LAYER)};
static const char *const layer_words[LAYER_END] = {WIRE_LAYERS(WORD_LAYER)};
static const char *const step_names[STEP_END] = {WIRE_STEPS(NAME_STEP)};
static const char *const step_words[STEP_END] = {WIRE_STEPS(WORD_STEP)};
static const char *const reason_names[REASON_END] = {WIRE_REASONS(NAME_REASON)};
static const char *const reason_words[REASON_END] = {WIRE_REASONS(WORD_REASON)};

const char *
wire_type_name(uint32_t type)
{
	const struct row *row = row_of(type);

	return row != NULL ? row->name : "?";
}

const char *
wire_channel_name(uint32_t channel)
{
	return is_channel(channel) ? channel_names[channel] : "?";
}

const char *
wire_layer_name(uint32_t layer)
{
	return layer < LAYER_END ? layer_names[layer] : "?";
}

const char *
wire_layer_words(uint32_t layer)
{
	return layer < LAYER_END ? layer_words[layer] : "?";
}

const char *
wire_step_name(uint32_t step)
{
	return is_step(step) ? step_names[step] : "?";
}

const char *
wire_step_word(uint32_t step)
{
	return is_step(step) ? step_words[step] : "?";
}

const char *
wire_reason_name(uint32_t reason)
{
	return is_reason(reason) ? reason_names[reason] : "?";
}

const char *
wire_reason_words(uint32_t reason)
{
	return is_reason(reason) ? reason_words[reason] : "?";
}

enum wire_channel
wire_channel_from_name(const char *name)
{
	uint32_t i;

	for (i = CHANNEL_NONE + 1; i < CHANNEL_END; i++)
		if (strcmp(name, channel_names[i]) == 0)
			return (enum wire_channel)i;
	return CHANNEL_NONE;
}

size_t
wire_body_size(uint32_t type)
{
	const struct row *row = row_of(type);

	return row != NULL ? row->size : 0;
}
