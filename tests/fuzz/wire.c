/*
 * wire.c - fuzzer of wire_check(), both doors.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The first byte chooses the door, the second whether the header is the input's own or is mended,
 * so that the fields behind it are reached. What passes is clean to its last byte, and crosses.
 */
#include "wire.h"
#include "fuzz.h"
#include "text.h"

#define MESSAGE_MAX (sizeof(struct wire_message) + 8)

static bool
is_clean(const char *field, size_t size)
{
	size_t len = strnlen(field, size), i;

	for (i = len; i < size; i++)
		if (field[i] != '\0')
			return false;
	return len < size && fuzz_is_printable(field);
}

#define CLEAN(field) HOLDS(is_clean(field, sizeof(field)))

static void
check_update(const struct wire_update *u)
{
	CLEAN(u->run);
	CLEAN(u->from);
	CLEAN(u->to);
	CLEAN(u->commit);
	CLEAN(u->previous);
	CLEAN(u->key);
	HOLDS(wire_channel_name(u->channel)[0] != '?' && u->attempt > 0);
	HOLDS(u->commit[0] == '\0' || text_is_object_id(u->commit));
}

static void
check_fields(const struct wire_message *m)
{
	switch (m->header.type) {
	case REQ_RUN:
		CLEAN(m->body.run.current);
		CLEAN(m->body.run.available);
		HOLDS(wire_channel_name(m->body.run.channel)[0] != '?');
		return;
	case REP_HELLO:
		CLEAN(m->body.hello.build);
		CLEAN(m->body.hello.installed);
		HOLDS(m->body.hello.version == WIRE_VERSION);
		return;
	case REP_OWED:
	case REP_DEPLOYED:
	case REP_DONE:
		check_update(&m->body.update);
		return;
	case REP_STEP:
		check_update(&m->body.progress.update);
		HOLDS(m->body.progress.percent <= 100);
		HOLDS(wire_step_name(m->body.progress.step)[0] != '?');
		return;
	case REP_INTERRUPTED:
	case REP_UNCONFIRMED:
	case REP_FAILED:
	case REP_HELD:
		check_update(&m->body.failure.update);
		CLEAN(m->body.failure.detail);
		CLEAN(m->body.failure.tail);
		HOLDS(wire_step_name(m->body.failure.step)[0] != '?');
		HOLDS(wire_reason_name(m->body.failure.reason)[0] != '?');
		HOLDS(m->body.failure.retry_ms <= WIRE_RETRY_MS_MAX);
		return;
	default:
		HOLDS(m->header.size == 4); /* the plain ones */
	}
}

/* What wire_check() lets through is what wire_send() sends and wire_receive() takes. */
static void
cross(enum wire_door door, const struct wire_message *m)
{
	static int pair[2] = {-1, -1};
	struct wire_message got;
	struct wire from, to;

	if (pair[0] == -1)
		HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	wire_init(&from, pair[0], door == DOOR_REQUESTS ? DOOR_REPORTS : DOOR_REQUESTS);
	wire_init(&to, pair[1], door);
	HOLDS(wire_send(&from, m->header.type, &m->body) == 0);
	HOLDS(wire_receive(&to, &got) == 1);
	HOLDS(got.header.type == m->header.type && got.header.size == m->header.size);
	HOLDS(memcmp(&got.body, &m->body, m->header.size) == 0);
}

/* Puts the input's bytes behind a header that fits them. */
static size_t
mend(struct wire_message *m, struct fuzz *f, uint8_t choice)
{
	uint32_t type = 1 + choice % (WIRE_TYPE_END - 1);
	size_t size = wire_body_size(type);

	m->header.type = (uint16_t)type;
	m->header.size = (uint16_t)size;
	memcpy(&m->body, f->at, f->left < size ? f->left : size);
	return sizeof(m->header) + size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {(const char *)data, size};
	enum wire_door door = fuzz_byte(&f) % 2 == 0 ? DOOR_REQUESTS : DOOR_REPORTS;
	enum wire_door other = door == DOOR_REQUESTS ? DOOR_REPORTS : DOOR_REQUESTS;
	uint8_t choice = fuzz_byte(&f);
	struct wire_message whole;
	const char *wrong;
	size_t len;
	void *m;

	memset(&whole, 0, sizeof(whole));
	len = f.left < MESSAGE_MAX ? f.left : MESSAGE_MAX;
	if (choice >= 128)
		len = mend(&whole, &f, choice);
	m = fuzz_copy(choice >= 128 ? (const char *)&whole : f.at, len);
	wrong = wire_check(door, m, len);
	if (wrong != NULL) {
		HOLDS(wrong[0] != '\0' && fuzz_is_printable(wrong));
	} else {
		HOLDS(wire_check(other, m, len) != NULL);
		memcpy(&whole, m, len);
		check_fields(&whole);
		cross(door, &whole);
	}
	free(m);
	return 0;
}
