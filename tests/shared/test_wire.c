/*
 * test_wire.c - shared/wire.c: what each door lets through, and what ends the receiver.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "check.h"
#include "wire.h"

#define OID   "0123456789012345678901234567890123456789"
#define OID64 "0123456789012345678901234567890123456789012345678901234567890123"

static struct wire_run
good_run(void)
{
	return (struct wire_run){
	    .channel = CHANNEL_ALPHA, .current = "1.0.0", .available = "1.1.0"};
}

static struct wire_plain
good_stop(void)
{
	return (struct wire_plain){0};
}

static struct wire_hello
good_hello(void)
{
	return (struct wire_hello){.version = WIRE_VERSION, .build = "0.1.0-abc"};
}

static struct wire_ready
good_ready(void)
{
	return (struct wire_ready){0};
}

static struct wire_update
good_update(void)
{
	return (struct wire_update){.channel = CHANNEL_BETA,
	    .attempt = 1,
	    .run = "20261123T150000Z-0001",
	    .from = "1.0.0",
	    .to = "1.1.0",
	    .commit = OID,
	    .previous = OID64,
	    .key = "SHA256:uNiVztksCsDhcc0u9e8BrvcgmK00000000000000000"};
}

static struct wire_progress
good_progress(void)
{
	return (struct wire_progress){.update = good_update(), .step = STEP_FETCH, .percent = 100};
}

static struct wire_failure
good_failure(void)
{
	return (struct wire_failure){.update = good_update(),
	    .step = STEP_INSTALL,
	    .reason = REASON_INSTALL_FAILED,
	    .retry_ms = WIRE_RETRY_MS_MAX,
	    .detail = "make ended with status 2",
	    .tail = "cc: no input files\\n"};
}

/* A right message of any type, from the lists themselves. */
#define FILL_REQUEST(symbol, name, payload) FILL(REQ_##symbol, payload)
#define FILL_REPORT(symbol, name, payload)  FILL(REP_##symbol, payload)
#define FILL(number, payload)                           \
	if (type == (number)) {                         \
		struct payload body = good_##payload(); \
		memcpy(&m.body, &body, sizeof(body));   \
	}
#define good_wire_run      good_run
#define good_wire_plain    good_stop
#define good_wire_hello    good_hello
#define good_wire_ready    good_ready
#define good_wire_update   good_update
#define good_wire_progress good_progress
#define good_wire_failure  good_failure

static struct wire_message
good(uint32_t type)
{
	struct wire_message m;

	memset(&m, 0, sizeof(m));
	m.header.type = (uint16_t)type;
	m.header.size = (uint16_t)wire_body_size(type);
	m.header.sequence = 1;
	WIRE_REQUESTS(FILL_REQUEST)
	WIRE_REPORTS(FILL_REPORT)
	return m;
}

static bool
is_type(uint32_t type)
{
	return type > WIRE_NONE && type < WIRE_TYPE_END && type != WIRE_REPORTS_FROM;
}

static enum wire_door
door_of(uint32_t type)
{
	return type < WIRE_REPORTS_FROM ? DOOR_REQUESTS : DOOR_REPORTS;
}

static const char *
check(const struct wire_message *m)
{
	return wire_check(
	    door_of(m->header.type), m, sizeof(m->header) + wire_body_size(m->header.type));
}

static void
assert_right(const struct wire_message *m)
{
	const char *wrong = check(m);

	if (wrong != NULL)
		fail_msg("%s: %s", wire_type_name(m->header.type), wrong);
}

static void
assert_wrong(const struct wire_message *m, const char *why)
{
	const char *wrong = check(m);

	assert_non_null(wrong);
	assert_non_null(strstr(wrong, why));
}

/* ---- wire_check() ------------------------------------------------------------------------- */

static void
doors(void **state)
{
	uint32_t type;
	size_t len;

	(void)state;
	for (type = 0; type < WIRE_TYPE_END + 3u; type++) {
		struct wire_message m = good(type);

		len = sizeof(m.header) + wire_body_size(type);
		if (is_type(type)) {
			assert_null(wire_check(door_of(type), &m, len));
			assert_non_null(
			    strstr(wire_check(door_of(type) == DOOR_REQUESTS ? DOOR_REPORTS
									     : DOOR_REQUESTS,
				       &m, len),
				"wrong door"));
		} else {
			assert_non_null(wire_check(DOOR_REQUESTS, &m, len));
			assert_non_null(wire_check(DOOR_REPORTS, &m, len));
			assert_string_equal(wire_type_name(type), "?");
			assert_int_equal(wire_body_size(type), 0);
		}
	}
}

static void
lengths(void **state)
{
	uint32_t type;
	size_t len;

	(void)state;
	for (type = 0; type < WIRE_TYPE_END; type++) {
		struct wire_message m = good(type);

		for (len = 0; is_type(type) && len <= sizeof(m); len++)
			assert_int_equal(wire_check(door_of(type), &m, len) == NULL,
			    len == sizeof(m.header) + wire_body_size(type));
		m.header.size++;
		assert_non_null(wire_check(door_of(type), &m, sizeof(m.header) + m.header.size));
		assert_non_null(check(&m));
	}
}

/* How a text may be wrong, whatever it says. */
static void
assert_text(struct wire_message *m, char *text, size_t size, bool may_be_empty)
{
	char saved[WIRE_TAIL_MAX + 8];

	memcpy(saved, text, size);
	memset(text, '1', size);
	assert_non_null(check(m)); /* no NUL */
	memcpy(text, saved, size);
	text[size - 1] = 'x';
	assert_non_null(check(m)); /* something behind the NUL */
	memcpy(text, saved, size);
	text[0] = '\n';
	assert_non_null(check(m));
	text[0] = '\x80';
	assert_non_null(check(m));
	memset(text, 0, size);
	assert_int_equal(check(m) == NULL, may_be_empty);
	memcpy(text, saved, size);
	assert_right(m);
}

#define TEXT(m, field, may_be_empty) \
	assert_text(&(m), (m).body.field, sizeof((m).body.field), may_be_empty)

static void
texts(void **state)
{
	struct wire_message m;

	(void)state;
	m = good(REQ_RUN);
	TEXT(m, run.current, false);
	TEXT(m, run.available, false);
	m = good(REP_HELLO);
	TEXT(m, hello.build, false);
	m = good(REP_FAILED);
	TEXT(m, failure.detail, true);
	TEXT(m, failure.tail, true);
	TEXT(m, failure.update.run, true);
	TEXT(m, failure.update.from, true);
	TEXT(m, failure.update.to, true);
	TEXT(m, failure.update.commit, true);
	TEXT(m, failure.update.previous, true);
	TEXT(m, failure.update.key, true);
}

static void
numbers(void **state)
{
	struct wire_message m;
	uint32_t i;

	(void)state;
	for (i = 0; i < 32; i++) {
		m = good(REP_HELLO);
		m.body.hello.missing = UINT32_C(1) << i;
		assert_int_equal(check(&m) == NULL, i < LAYER_END);
		m.body.hello.missing = UINT32_MAX >> i;
		assert_int_equal(check(&m) == NULL, 32 - i <= LAYER_END);
	}
	for (i = 0; i < 40; i++) {
		m = good(REQ_RUN);
		m.body.run.channel = i;
		assert_int_equal(check(&m) == NULL, i >= CHANNEL_ALPHA && i <= CHANNEL_STABLE);
		m = good(REP_STEP);
		m.body.progress.step = i;
		assert_int_equal(check(&m) == NULL, i >= STEP_CHECK && i <= STEP_RESTART);
		m = good(REP_FAILED);
		m.body.failure.step = i;
		assert_int_equal(check(&m) == NULL, i >= STEP_CHECK && i <= STEP_RESTART);
		m = good(REP_FAILED);
		m.body.failure.reason = i;
		assert_int_equal(
		    check(&m) == NULL, i >= REASON_SIGNAL_INVALID && i <= REASON_EXECUTOR_LOST);
	}
}

static void
limits(void **state)
{
	struct wire_message m;

	(void)state;
	m = good(REQ_RUN);
	m.body.run.retry = 2;
	assert_wrong(&m, "retry");
	m.body.run.retry = 1;
	assert_right(&m);
	m.body.run.signal.mtime_ns = 1000000000;
	assert_wrong(&m, "nanoseconds");
	m.body.run.signal.mtime_ns = -1;
	assert_wrong(&m, "nanoseconds");
	m = good(REQ_STOP);
	m.body.stop.reserved = 1;
	assert_wrong(&m, "reserved");
	m = good(REP_HELLO);
	m.body.hello.version = WIRE_VERSION + 1;
	assert_wrong(&m, "version");
	m = good(REP_READY);
	m.body.ready.journal_damaged = 2;
	assert_wrong(&m, "journal");
	m = good(REP_STEP);
	m.body.progress.percent = 101;
	assert_wrong(&m, "percent");
	m = good(REP_DONE);
	m.body.update.attempt = 0;
	assert_wrong(&m, "attempt");
	m = good(REP_HELD);
	m.body.failure.retry_ms = WIRE_RETRY_MS_MAX + 1;
	assert_wrong(&m, "retry_ms");
	m = good(REP_HELD);
	m.body.failure.reserved = 1;
	assert_wrong(&m, "reserved");
}

static void
set(char *field, size_t size, const char *text)
{
	memset(field, 0, size);
	memcpy(field, text, strlen(text));
}

#define SET(field, text) set(field, sizeof(field), text)

static void
versions(void **state)
{
	struct wire_message m = good(REQ_RUN);
	struct wire_run *r = &m.body.run;

	(void)state;
	SET(r->current, "v1.0.0");
	assert_wrong(&m, "current");
	SET(r->current, OID);
	assert_wrong(&m, "current");
	SET(r->current, "1.0.0");
	SET(r->available, "--upload-pack=x");
	assert_wrong(&m, "available");
	SET(r->available, "v1.1.0");
	assert_wrong(&m, "available");
	SET(r->available, OID);
	assert_right(&m);
	SET(r->available, OID64);
	assert_right(&m);
	r->channel = CHANNEL_BETA;
	assert_wrong(&m, "available");
	r->channel = CHANNEL_STABLE;
	assert_wrong(&m, "available");
}

static void
updates(void **state)
{
	struct wire_message m = good(REP_DEPLOYED);
	struct wire_update *u = &m.body.update;

	(void)state;
	SET(u->to, OID64);
	assert_right(&m);
	SET(u->to, "main");
	assert_wrong(&m, "to is");
	SET(u->to, "1.1.0");
	SET(u->from, OID);
	assert_wrong(&m, "from");
	SET(u->from, "1.0.0");
	SET(u->commit, "1.1.0");
	assert_wrong(&m, "commit");
	SET(u->commit, OID);
	SET(u->previous, "HEAD");
	assert_wrong(&m, "previous");
	SET(u->previous, OID);
	SET(u->run, "../../etc/x");
	assert_wrong(&m, "run");
	SET(u->run, "a.b");
	assert_wrong(&m, "run");
	SET(u->run, "Run-1");
	assert_right(&m);
}

/* Above all that it returns: the sanitizers watch. */
static void
every_bit(void **state)
{
	size_t at, wrong = 0, all = 0;
	uint32_t type;
	int bit;

	(void)state;
	for (type = 0; type < WIRE_TYPE_END; type++) {
		struct wire_message m = good(type);
		unsigned char *bytes = (unsigned char *)&m;

		for (at = 0; is_type(type) && at < 8 + wire_body_size(type); at++)
			for (bit = 0; bit < 8; bit++, all++) {
				bytes[at] ^= (unsigned char)(1u << bit);
				wrong +=
				    wire_check(door_of(type), &m, 8 + wire_body_size(type)) != NULL;
				bytes[at] ^= (unsigned char)(1u << bit);
			}
	}
	assert_true(wrong > all / 2); /* most bits of a message are checked */
}

static void
names(void **state)
{
	uint32_t i, j;

	(void)state;
	for (i = 0; i < 40; i++) {
		assert_int_equal(
		    strcmp(wire_channel_name(i), "?") != 0, i > CHANNEL_NONE && i < CHANNEL_END);
		assert_int_equal(
		    strcmp(wire_step_name(i), "?") != 0, i > STEP_NONE && i < STEP_END);
		assert_int_equal(
		    strcmp(wire_step_word(i), "?") != 0, i > STEP_NONE && i < STEP_END);
		assert_int_equal(
		    strcmp(wire_reason_name(i), "?") != 0, i > REASON_NONE && i < REASON_END);
		assert_int_equal(
		    strcmp(wire_reason_words(i), "?") != 0, i > REASON_NONE && i < REASON_END);
		assert_int_equal(strcmp(wire_layer_name(i), "?") != 0, i < LAYER_END);
		assert_int_equal(strcmp(wire_layer_words(i), "?") != 0, i < LAYER_END);
		assert_int_equal(strcmp(wire_type_name(i), "?") != 0, is_type(i));
		for (j = 1; j < i && i < REASON_END; j++)
			assert_string_not_equal(wire_reason_name(i), wire_reason_name(j));
	}
	for (i = CHANNEL_NONE + 1; i < CHANNEL_END; i++)
		assert_int_equal(wire_channel_from_name(wire_channel_name(i)), i);
	assert_int_equal(wire_channel_from_name("gamma"), CHANNEL_NONE);
	assert_int_equal(wire_channel_from_name(""), CHANNEL_NONE);
	assert_int_equal(wire_channel_from_name("?"), CHANNEL_NONE);
	assert_int_equal(wire_channel_from_name("Alpha"), CHANNEL_NONE);
}

/* ---- the socket --------------------------------------------------------------------------- */

struct pair {
	struct wire monitor, executor;
};

static int
setup(void **state)
{
	static struct pair p;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	wire_init(&p.monitor, ends[0], DOOR_REPORTS);
	wire_init(&p.executor, ends[1], DOOR_REQUESTS);
	*state = &p;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *p = *state;

	close(p->monitor.fd);
	close(p->executor.fd);
	return 0;
}

static void
crosses(void **state)
{
	struct pair *p = *state;
	struct wire_message m, want;
	struct wire *from, *to;
	uint32_t type, sequence[2] = {0, 0};
	int round;

	for (round = 0; round < 3; round++)
		for (type = 0; type < WIRE_TYPE_END; type++) {
			if (!is_type(type))
				continue;
			want = good(type);
			want.header.sequence = ++sequence[door_of(type)];
			from = door_of(type) == DOOR_REQUESTS ? &p->monitor : &p->executor;
			to = from == &p->monitor ? &p->executor : &p->monitor;
			assert_int_equal(wire_send(from, (enum wire_type)type, &want.body), 0);
			assert_int_equal(wire_receive(to, &m), 1);
			assert_memory_equal(&m, &want, sizeof(m));
		}
}

static void
nothing_there(void **state)
{
	struct pair *p = *state;
	struct wire_message m;

	assert_int_equal(wire_receive(&p->monitor, &m), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
peer_gone(void **state)
{
	struct pair *p = *state;
	struct wire_plain stop = good_stop();
	struct wire_message m;

	close(p->executor.fd);
	assert_int_equal(wire_receive(&p->monitor, &m), 0);
	assert_int_equal(wire_receive(&p->monitor, &m), 0);
	assert_int_equal(wire_send(&p->monitor, REQ_STOP, &stop), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(p->monitor.sent, 0);
	p->executor.fd = dup(p->monitor.fd); /* for teardown */
}

static void
last_words(void **state)
{
	struct pair *p = *state;
	struct wire_plain stop = good_stop();
	struct wire_update update = good_update();
	struct wire_message m;

	assert_int_equal(wire_send(&p->monitor, REQ_STOP, &stop), 0);
	assert_int_equal(wire_send(&p->executor, REP_DONE, &update), 0);
	close(p->executor.fd); /* with the request unread: the kernel says ECONNRESET first */
	assert_int_equal(wire_receive(&p->monitor, &m), 1);
	assert_int_equal(m.header.type, REP_DONE);
	assert_int_equal(wire_receive(&p->monitor, &m), 0);
	p->executor.fd = dup(p->monitor.fd); /* for teardown */
}

static void
full_socket(void **state)
{
	struct pair *p = *state;
	struct wire_failure failure = good_failure();
	struct wire_message m;
	uint32_t sent = 0;

	while (wire_send(&p->executor, REP_FAILED, &failure) == 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 1);
	assert_int_equal(p->executor.sent, sent);
	for (; sent > 0; sent--)
		assert_int_equal(wire_receive(&p->monitor, &m), 1);
	assert_int_equal(wire_send(&p->executor, REP_FAILED, &failure), 0);
	assert_int_equal(wire_receive(&p->monitor, &m), 1);
}

static void
receive_in_child(void *arg)
{
	struct pair *p = arg;
	struct wire_message m;

	while (wire_receive(&p->monitor, &m) == 1)
		continue;
}

static void
assert_fatal(struct pair *p, const char *words)
{
	char said[4096];
	int status = check_in_child(receive_in_child, p, said, sizeof(said));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 76);
	if (strstr(said, words) == NULL)
		fail_msg("\"%s\" says nothing of: %s", said, words);
}

static void
put(struct pair *p, const void *bytes, size_t len)
{
	assert_int_equal(send(p->executor.fd, bytes, len, 0), (ssize_t)len);
}

static void
liar_short(void **state)
{
	struct wire_message m = good(REP_READY);

	put(*state, &m, 3);
	assert_fatal(*state, "shorter than a header");
}

static void
liar_long(void **state)
{
	char bytes[sizeof(struct wire_message) + 1] = {0};
	struct wire_message m = good(REP_FAILED);

	memcpy(bytes, &m, sizeof(m));
	put(*state, bytes, sizeof(bytes));
	assert_fatal(*state, "too long");
}

static void
liar_unknown(void **state)
{
	struct wire_message m = good(REP_READY);

	m.header.type = WIRE_TYPE_END;
	put(*state, &m, sizeof(m.header) + m.header.size);
	assert_fatal(*state, "no such type");
}

static void
liar_door(void **state)
{
	struct wire_message m = good(REQ_STOP);

	put(*state, &m, sizeof(m.header) + m.header.size);
	assert_fatal(*state, "wrong door");
}

static void
liar_sequence(void **state)
{
	static const uint32_t second[] = {0, 1, 3, UINT32_MAX};
	struct wire_message m = good(REP_READY);
	struct pair *p;
	size_t i;

	for (i = 0; i < COUNT(second); i++) {
		teardown(state);
		setup(state);
		p = *state;
		m.header.sequence = 1;
		put(p, &m, sizeof(m.header) + m.header.size);
		m.header.sequence = second[i];
		put(p, &m, sizeof(m.header) + m.header.size);
		assert_fatal(p, "where 2 is due");
	}
}

static void
liar_descriptor(void **state)
{
	struct pair *p = *state;
	struct wire_message m = good(REP_READY);
	struct iovec iov = {&m, sizeof(m.header) + m.header.size};
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
	int fd = STDIN_FILENO;

	memset(&control, 0, sizeof(control));
	h.msg_controllen = sizeof(control);
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
	assert_true(sendmsg(p->executor.fd, &h, 0) > 0);
	assert_fatal(p, "descriptor");
}

static void
empty_packet(void **state)
{
	struct pair *p = *state;
	struct wire_message m;

	assert_int_equal(send(p->executor.fd, "", 0, 0), 0);
	assert_int_equal(wire_receive(&p->monitor, &m), 0);
}

static void
send_wrong(void *arg)
{
	struct pair *p = arg;
	struct wire_progress progress = good_progress();

	progress.percent = 101;
	(void)wire_send(&p->executor, REP_STEP, &progress);
}

static void
send_wrong_door(void *arg)
{
	struct pair *p = arg;
	struct wire_plain stop = good_stop();

	(void)wire_send(&p->executor, REQ_STOP, &stop);
}

static void
own_bugs(void **state)
{
	char said[4096];
	int status;

	status = check_in_child(send_wrong, *state, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_non_null(strstr(said, "percent"));
	status = check_in_child(send_wrong_door, *state, said, sizeof(said));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_non_null(strstr(said, "door"));
}

#define PAIR_TEST(title, function)                     \
	{                                              \
		title, function, setup, teardown, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest check_tests[] = {
	    TEST("each message goes through its own door and no other", doors),
	    TEST("each message has exactly one length", lengths),
	    TEST("each text is printable, ended, and clean behind its end", texts),
	    TEST("each number of a list is in that list", numbers),
	    TEST("each range has its limit, and reserved is 0", limits),
	    TEST("a request names versions, and an object id on alpha alone", versions),
	    TEST("an update names versions, object ids and a run, or nothing", updates),
	    TEST("one flipped bit is mostly found and never does harm", every_bit),
	    TEST("every name is known, and no other number has one", names),
	};
	static const struct CMUnitTest socket_tests[] = {
	    PAIR_TEST("what is sent arrives unchanged, of every type, again and again", crosses),
	    PAIR_TEST("nothing to receive is not waited for", nothing_there),
	    PAIR_TEST("a peer that is gone is end of file, and sending to it an error", peer_gone),
	    PAIR_TEST("the last words of a peer that died are heard", last_words),
	    PAIR_TEST("a full socket is an error and skips no number", full_socket),
	    PAIR_TEST("a short message ends the receiver", liar_short),
	    PAIR_TEST("a long message ends the receiver", liar_long),
	    PAIR_TEST("an unknown message ends the receiver", liar_unknown),
	    PAIR_TEST("a message of the other door ends the receiver", liar_door),
	    PAIR_TEST("a repeated or skipped number ends the receiver", liar_sequence),
	    PAIR_TEST("a passed descriptor ends the receiver", liar_descriptor),
	    PAIR_TEST("an empty packet is the end", empty_packet),
	    PAIR_TEST("a wrong message of our own is a bug, and is not sent", own_bugs),
	};
	int failed = cmocka_run_group_tests_name("wire_check", check_tests, NULL, NULL);

	return failed + cmocka_run_group_tests_name("socket", socket_tests, NULL, NULL);
}
