/*
 * lies.h - every way of breaking the protocol, for the puppets on both sides of the socketpair.
 *
 * room: tests. Built on wire.h alone: a liar does not use the honest side's code.
 * distrusts: nothing.
 *
 * A lie is told in the place of a message that would be right at that moment; so it is the lie
 * that the victim dies of, and not the moment. Two forms have an argument: "send:NAME" sends a
 * right message of that type, whatever the moment, and "field:NAME" one with a wrong field.
 */
#ifndef LIES_H
#define LIES_H

#include <err.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "wire.h"

#define UNUSED       __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FLOOD        20000 /* messages */
#define LIE_MAX      128
#define OID_TEXT     "0123456789abcdef0123456789abcdef01234567"
#define RUN_TEXT     "20261123T150000Z-0001"

struct liar {
	int fd;
	uint32_t sent;
	enum wire_door says; /* the door that the victim reads */
};

/* ---- right messages ---- */

UNUSED static void
fill_update(struct wire_update *u)
{
	u->channel = CHANNEL_STABLE;
	u->attempt = 1;
	snprintf(u->run, sizeof(u->run), RUN_TEXT);
	snprintf(u->from, sizeof(u->from), "1.0.0");
	snprintf(u->to, sizeof(u->to), "1.1.0");
	snprintf(u->commit, sizeof(u->commit), OID_TEXT);
	snprintf(u->previous, sizeof(u->previous), OID_TEXT);
}

UNUSED static void
fill_wire_run(struct wire_run *r)
{
	r->channel = CHANNEL_STABLE;
	snprintf(r->current, sizeof(r->current), "1.0.0");
	snprintf(r->available, sizeof(r->available), "1.1.0");
}

UNUSED static void
fill_wire_plain(struct wire_plain *s)
{
	s->reserved = 0;
}

UNUSED static void
fill_wire_hello(struct wire_hello *h)
{
	h->version = WIRE_VERSION;
	snprintf(h->build, sizeof(h->build), "%s", MOULT_BUILD);
}

UNUSED static void
fill_wire_ready(struct wire_ready *r)
{
	r->journal_damaged = 0;
}

UNUSED static void
fill_wire_update(struct wire_update *u)
{
	fill_update(u);
}

UNUSED static void
fill_wire_progress(struct wire_progress *p)
{
	fill_update(&p->update);
	p->step = STEP_PREFLIGHT;
	p->percent = 0;
}

UNUSED static void
fill_wire_failure(struct wire_failure *f)
{
	fill_update(&f->update);
	f->step = STEP_FETCH;
	f->reason = REASON_FETCH_FAILED;
	f->retry_ms = 60000;
	snprintf(f->detail, sizeof(f->detail), "a detail");
	snprintf(f->tail, sizeof(f->tail), "a tail");
}

#define FILL_CASE(door, symbol, payload)          \
	case door##_##symbol:                     \
		fill_##payload((void *)&m->body); \
		return sizeof(struct payload);
#define FILL_REQUEST(symbol, name, payload) FILL_CASE(REQ, symbol, payload)
#define FILL_REPORT(symbol, name, payload)  FILL_CASE(REP, symbol, payload)

/* Fills the body of a type; returns its size. */
UNUSED static size_t
fill_body(struct wire_message *m, enum wire_type type)
{
	memset(m, 0, sizeof(*m));
	switch (type) {
		WIRE_REQUESTS(FILL_REQUEST)
		WIRE_REPORTS(FILL_REPORT)
	case WIRE_NONE:
	case WIRE_REPORTS_FROM:
	case WIRE_TYPE_END:
		break;
	}
	errx(EX_SOFTWARE, "no type: %d", (int)type);
}

UNUSED static struct wire_message
message(const struct liar *l, enum wire_type type)
{
	struct wire_message m;
	size_t size = fill_body(&m, type);

	m.header.type = (uint16_t)type;
	m.header.size = (uint16_t)size;
	m.header.sequence = l->sent + 1;
	return m;
}

#define TYPE_OF_REQUEST(symbol, name, payload) {name, REQ_##symbol},
#define TYPE_OF_REPORT(symbol, name, payload)  {name, REP_##symbol},

UNUSED static enum wire_type
type_named(const char *name)
{
	static const struct {
		const char *name;
		enum wire_type type;
	} types[] = {WIRE_REQUESTS(TYPE_OF_REQUEST) WIRE_REPORTS(TYPE_OF_REPORT)};

	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	errx(EX_USAGE, "no message: %s", name);
}

/* ---- sending ---- */

/* False: the victim is gone. */
UNUSED static int
put(struct liar *l, const void *data, size_t len)
{
	if (send(l->fd, data, len, MSG_NOSIGNAL) == -1) {
		if (errno != EPIPE && errno != ECONNRESET)
			err(EX_OSERR, "send");
		return 0;
	}
	l->sent++;
	return 1;
}

UNUSED static size_t
length(const struct wire_message *m)
{
	return sizeof(m->header) + m->header.size;
}

UNUSED static int
put_message(struct liar *l, const struct wire_message *m)
{
	return put(l, m, length(m));
}

/* An honest message. */
UNUSED static void
say(struct liar *l, enum wire_type type)
{
	struct wire_message m = message(l, type);

	put_message(l, &m);
}

/* With a descriptor of ours in its hand. */
UNUSED static void
put_with_descriptor(struct liar *l, const void *data, size_t len)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr h = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c;
	int fd = STDERR_FILENO;
	char copy[sizeof(struct wire_message)];

	memset(&control, 0, sizeof(control));
	memcpy(copy, data, len);
	iov.iov_base = copy;
	iov.iov_len = len;
	c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(l->fd, &h, MSG_NOSIGNAL) == -1 && errno != EPIPE && errno != ECONNRESET)
		err(EX_OSERR, "sendmsg");
}

/* ---- wrong fields ---- */

struct wrong {
	const char *name;
	enum wire_type type;
	size_t offset, size;
	const void *value; /* NULL: full to its end, so that no NUL ends it */
	size_t len;        /* what of it is given; the rest is NUL */
};

#define MEMBER(payload, member) \
	offsetof(struct payload, member), sizeof(((struct payload *)0)->member)
#define NUMBER(name, type, payload, member, value)                                                \
	{                                                                                         \
		name, type, MEMBER(payload, member), &(const int64_t){value}, /* little-endian */ \
		    sizeof(((struct payload *)0)->member)                                         \
	}
#define TEXT(name, type, payload, member, text)                         \
	{                                                               \
		name, type, MEMBER(payload, member), text, sizeof(text) \
	}
#define ENDLESS(name, type, payload, member)                 \
	{                                                    \
		name, type, MEMBER(payload, member), NULL, 0 \
	}

static const struct wrong wrongs[] = {
    NUMBER("run.channel.0", REQ_RUN, wire_run, channel, 0),
    NUMBER("run.channel.end", REQ_RUN, wire_run, channel, CHANNEL_END),
    NUMBER("run.channel.max", REQ_RUN, wire_run, channel, UINT32_MAX),
    NUMBER("run.retry", REQ_RUN, wire_run, retry, 2),
    NUMBER("run.btime", REQ_RUN, wire_run, signal.btime_ns, 1000000000),
    NUMBER("run.mtime", REQ_RUN, wire_run, signal.mtime_ns, -1),
    NUMBER("stop.reserved", REQ_STOP, wire_plain, reserved, 1),
    NUMBER("hello.version.0", REP_HELLO, wire_hello, version, 0),
    NUMBER("hello.version.next", REP_HELLO, wire_hello, version, WIRE_VERSION + 1),
    NUMBER("hello.missing.end", REP_HELLO, wire_hello, missing, 1u << LAYER_END),
    NUMBER("hello.missing.max", REP_HELLO, wire_hello, missing, UINT32_MAX),
    NUMBER("ready.damaged", REP_READY, wire_ready, journal_damaged, 2),
    NUMBER("owed.channel", REP_OWED, wire_update, channel, CHANNEL_END),
    NUMBER("owed.attempt", REP_OWED, wire_update, attempt, 0),
    NUMBER("step.step.0", REP_STEP, wire_progress, step, 0),
    NUMBER("step.step.end", REP_STEP, wire_progress, step, STEP_END),
    NUMBER("step.percent", REP_STEP, wire_progress, percent, 101),
    NUMBER("step.percent.max", REP_STEP, wire_progress, percent, UINT32_MAX),
    NUMBER("step.channel", REP_STEP, wire_progress, update.channel, 0),
    NUMBER("failed.step", REP_FAILED, wire_failure, step, STEP_END),
    NUMBER("failed.reason.0", REP_FAILED, wire_failure, reason, 0),
    NUMBER("failed.reason.end", REP_FAILED, wire_failure, reason, REASON_END),
    NUMBER("failed.retry", REP_FAILED, wire_failure, retry_ms, WIRE_RETRY_MS_MAX + 1),
    NUMBER("failed.retry.max", REP_FAILED, wire_failure, retry_ms, UINT32_MAX),
    NUMBER("failed.reserved", REP_FAILED, wire_failure, reserved, 1),
    NUMBER("done.attempt", REP_DONE, wire_update, attempt, 0),
    NUMBER("stopped.reserved", REP_STOPPED, wire_plain, reserved, UINT32_MAX),
    TEXT("run.current.empty", REQ_RUN, wire_run, current, ""),
    TEXT("run.current.v", REQ_RUN, wire_run, current, "v1.0.0"),
    TEXT("run.current.line", REQ_RUN, wire_run, current, "1.0.0\n"),
    TEXT("run.current.byte", REQ_RUN, wire_run, current, "1.0.0\377"),
    TEXT("run.available.bad", REQ_RUN, wire_run, available, "1.1"),
    TEXT("run.available.oid", REQ_RUN, wire_run, available, OID_TEXT), /* not on stable */
    TEXT("run.available.path", REQ_RUN, wire_run, available, "../../../etc/passwd"),
    TEXT("run.available.option", REQ_RUN, wire_run, available, "--upload-pack=id"),
    TEXT("run.available.format", REQ_RUN, wire_run, available, "1.1.0-%n%n%s"),
    TEXT("run.available.behind", REQ_RUN, wire_run, available, "1.1.0\0x"),
    TEXT("hello.build.empty", REP_HELLO, wire_hello, build, ""),
    TEXT("hello.build.escape", REP_HELLO, wire_hello, build, "\033[2J"),
    TEXT("step.run.path", REP_STEP, wire_progress, update.run, "../../x"),
    TEXT("step.run.blank", REP_STEP, wire_progress, update.run, "a b"),
    TEXT("step.run.behind", REP_STEP, wire_progress, update.run, "a\0b"),
    TEXT("step.from.bad", REP_STEP, wire_progress, update.from, "1.0"),
    TEXT("step.to.bad", REP_STEP, wire_progress, update.to, "main"),
    TEXT("step.commit.short", REP_STEP, wire_progress, update.commit, "0123abc"),
    TEXT("step.previous.bad", REP_STEP, wire_progress, update.previous, "HEAD"),
    TEXT("step.key.line", REP_STEP, wire_progress, update.key, "SHA256:x\n"),
    TEXT("owed.to.line", REP_OWED, wire_update, to, "1.1.0\n"),
    TEXT("done.commit.upper", REP_DONE, wire_update, commit,
	"0123456789ABCDEF0123456789ABCDEF01234567"),
    TEXT("failed.detail.line", REP_FAILED, wire_failure, detail, "one\ntwo"),
    TEXT("failed.detail.behind", REP_FAILED, wire_failure, detail, "one\0two"),
    TEXT("failed.tail.byte", REP_FAILED, wire_failure, tail, "\200"),
    TEXT("failed.tail.escape", REP_FAILED, wire_failure, tail, "\033]0;x\007"),
    ENDLESS("run.current.endless", REQ_RUN, wire_run, current),
    ENDLESS("run.available.endless", REQ_RUN, wire_run, available),
    ENDLESS("hello.build.endless", REP_HELLO, wire_hello, build),
    ENDLESS("step.run.endless", REP_STEP, wire_progress, update.run),
    ENDLESS("step.to.endless", REP_STEP, wire_progress, update.to),
    ENDLESS("step.commit.endless", REP_STEP, wire_progress, update.commit),
    ENDLESS("step.key.endless", REP_STEP, wire_progress, update.key),
    ENDLESS("failed.detail.endless", REP_FAILED, wire_failure, detail),
    ENDLESS("failed.tail.endless", REP_FAILED, wire_failure, tail),
    ENDLESS("done.to.endless", REP_DONE, wire_update, to),
};

UNUSED static void
say_wrong(struct liar *l, const char *name)
{
	struct wire_message m;

	for (size_t i = 0; i < COUNT(wrongs); i++) {
		const struct wrong *w = &wrongs[i];
		char *field = (char *)&m.body + w->offset;

		if (strcmp(w->name, name) != 0)
			continue;
		m = message(l, w->type);
		memset(field, w->value == NULL ? 'a' : 0, w->size);
		if (w->value != NULL)
			memcpy(field, w->value, w->len);
		put_message(l, &m);
		return;
	}
	errx(EX_USAGE, "no wrong field: %s", name);
}

/* ---- lies about any message ---- */

static void
lie_cut_header(struct liar *l, const struct wire_message *m)
{
	put(l, m, sizeof(m->header) - 1);
}

static void
lie_one_byte(struct liar *l, const struct wire_message *m)
{
	put(l, m, 1);
}

static void
lie_header_alone(struct liar *l, const struct wire_message *m)
{
	put(l, m, sizeof(m->header));
}

static void
lie_cut_body(struct liar *l, const struct wire_message *m)
{
	put(l, m, length(m) - 1);
}

static void
lie_long(struct liar *l, const struct wire_message *m)
{
	char longer[sizeof(*m) + 1] = {0};

	memcpy(longer, m, length(m));
	put(l, longer, length(m) + 1);
}

/* Longer than the receiver's buffer: what it sees of it is right in itself. */
static void
lie_huge(struct liar *l, const struct wire_message *m)
{
	char huge[2 * sizeof(*m)] = {0};

	memcpy(huge, m, length(m));
	put(l, huge, sizeof(huge));
}

static void
lie_size_more(struct liar *l, const struct wire_message *m)
{
	struct wire_message lie = *m;

	lie.header.size++;
	put(l, &lie, length(m));
}

static void
lie_size_0(struct liar *l, const struct wire_message *m)
{
	struct wire_message lie = *m;

	lie.header.size = 0;
	put(l, &lie, length(m));
}

static void
put_type(struct liar *l, const struct wire_message *m, uint16_t type)
{
	struct wire_message lie = *m;

	lie.header.type = type;
	put_message(l, &lie);
}

static void
lie_type_0(struct liar *l, const struct wire_message *m)
{
	put_type(l, m, WIRE_NONE);
}

static void
lie_type_between(struct liar *l, const struct wire_message *m)
{
	put_type(l, m, WIRE_REPORTS_FROM);
}

static void
lie_type_end(struct liar *l, const struct wire_message *m)
{
	put_type(l, m, WIRE_TYPE_END);
}

static void
lie_type_max(struct liar *l, const struct wire_message *m)
{
	put_type(l, m, UINT16_MAX);
}

/* What the victim itself would send. */
static void
lie_wrong_door(struct liar *l, const struct wire_message *m)
{
	(void)m;
	say(l, l->says == DOOR_REPORTS ? REQ_STOP : REP_READY);
}

static void
put_sequence(struct liar *l, const struct wire_message *m, uint32_t sequence)
{
	struct wire_message lie = *m;

	lie.header.sequence = sequence;
	put_message(l, &lie);
}

static void
lie_sequence_0(struct liar *l, const struct wire_message *m)
{
	put_sequence(l, m, 0);
}

static void
lie_sequence_again(struct liar *l, const struct wire_message *m)
{
	put_sequence(l, m, l->sent == 0 ? UINT32_MAX : l->sent);
}

static void
lie_sequence_ahead(struct liar *l, const struct wire_message *m)
{
	put_sequence(l, m, l->sent + 2);
}

static void
lie_descriptor(struct liar *l, const struct wire_message *m)
{
	put_with_descriptor(l, m, length(m));
}

static void
lie_descriptor_alone(struct liar *l, const struct wire_message *m)
{
	put_with_descriptor(l, m, 0);
}

static void
lie_garbage(struct liar *l, const struct wire_message *m)
{
	char garbage[sizeof(*m)];

	memset(garbage, 0xa5, sizeof(garbage));
	put(l, garbage, sizeof(garbage));
}

static void
lie_empty(struct liar *l, const struct wire_message *m)
{
	put(l, m, 0);
}

static void
lie_eof(struct liar *l, const struct wire_message *m)
{
	(void)m;
	shutdown(l->fd, SHUT_RDWR);
}

static void
lie_silence(struct liar *l, const struct wire_message *m)
{
	(void)l, (void)m;
}

/* The right message again and again, as long as it is taken. */
static void
lie_flood(struct liar *l, const struct wire_message *m)
{
	struct wire_message copy = *m;

	for (int i = 0; i < FLOOD; i++) {
		copy.header.sequence = l->sent + 1;
		if (!put_message(l, &copy))
			break;
	}
}

#define LIES(X)             \
	X(cut_header)       \
	X(one_byte)         \
	X(header_alone)     \
	X(cut_body)         \
	X(long)             \
	X(huge)             \
	X(size_more)        \
	X(size_0)           \
	X(type_0)           \
	X(type_between)     \
	X(type_end)         \
	X(type_max)         \
	X(wrong_door)       \
	X(sequence_0)       \
	X(sequence_again)   \
	X(sequence_ahead)   \
	X(descriptor)       \
	X(garbage)          \
	X(descriptor_alone) \
	X(empty)            \
	X(eof)              \
	X(silence)          \
	X(flood)

#define LIE_ROW(name) {#name, lie_##name},

/* Tells a lie in the place of m. False: there is none of that name. */
UNUSED static int
tell(struct liar *l, const char *name, const struct wire_message *m)
{
	static const struct {
		const char *name;
		void (*tell)(struct liar *l, const struct wire_message *m);
	} lies[] = {LIES(LIE_ROW)};

	if (strncmp(name, "send:", 5) == 0) {
		say(l, type_named(name + 5));
		return 1;
	}
	if (strncmp(name, "field:", 6) == 0) {
		say_wrong(l, name + 6);
		return 1;
	}
	for (size_t i = 0; i < COUNT(lies); i++) {
		if (strcmp(lies[i].name, name) != 0)
			continue;
		lies[i].tell(l, m);
		return 1;
	}
	return 0;
}

/* Prints the names of all lies that one may tell by a door, one a line. */
UNUSED static void
list_lies(enum wire_door says)
{
#define LIE_NAME(name) puts(#name);
	LIES(LIE_NAME)
	for (size_t i = 0; i < COUNT(wrongs); i++)
		if ((wrongs[i].type > WIRE_REPORTS_FROM) == (says == DOOR_REPORTS))
			printf("field:%s\n", wrongs[i].name);
}

#endif
