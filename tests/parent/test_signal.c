/*
 * test_signal.c - parent/signal.c: which files are believed, and what is said of the others.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <sys/sysmacros.h>
#include <sys/un.h>

#include "text.h"

#define OID   "0123456789abcdef0123456789abcdef01234567"
#define OID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define SIGNAL(current, available, channel)                                                        \
	"{\"current\":\"" current "\",\"available\":\"" available "\",\"channel\":\"" channel "\"" \
	"}"
#define GOOD SIGNAL("1.0.0", "1.1.0", "stable")

/* A literal with its own length, so that a NUL in it counts. */
#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t len;
	enum mon_verdict verdict;
	const char *why; /* a part of what is said */
} hostile[] = {
    {BYTES(""), SIGNAL_HALF, "empty"},
    {BYTES(" "), SIGNAL_HALF, "bad JSON"},
    {BYTES("{"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"current\":\"1.0.0\",\"avail"), SIGNAL_HALF, "bad JSON"},
    {BYTES(GOOD "x"), SIGNAL_HALF, "bad JSON"},
    {BYTES(GOOD GOOD), SIGNAL_HALF, "bad JSON"},
    {BYTES(GOOD "\0"), SIGNAL_HALF, "bad JSON"},
    {BYTES("\xef\xbb\xbf" GOOD), SIGNAL_HALF, "bad JSON"},
    {BYTES("\xff\xfe"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"current\":\"1.0.0\\u0000\"}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"current\":\"\xc0\x80\"}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"current\":\"\xed\xa0\x80\"}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{'current':'1.0.0'}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"a\":1e999}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"a\":99999999999999999999}"), SIGNAL_HALF, "bad JSON"},
    {BYTES("{\"channel\":\"beta\",\"channel\":\"stable\"}"), SIGNAL_BAD, "duplicate"},
    {BYTES("[]"), SIGNAL_BAD, "not a JSON object"},
    {BYTES("[" GOOD "]"), SIGNAL_BAD, "not a JSON object"},
    {BYTES("{}"), SIGNAL_BAD, "\"current\" is missing"},
    {BYTES("{\"current\":\"1.0.0\"}"), SIGNAL_BAD, "\"available\" is missing"},
    {BYTES("{\"current\":\"1.0.0\",\"available\":\"1.1.0\"}"), SIGNAL_BAD,
	"\"channel\" is missing"},
    {BYTES("{\"current\":1,\"available\":\"1.1.0\",\"channel\":\"beta\"}"), SIGNAL_BAD,
	"not a string"},
    {BYTES("{\"current\":null,\"available\":\"1.1.0\",\"channel\":\"beta\"}"), SIGNAL_BAD,
	"not a string"},
    {BYTES("{\"current\":\"1.0.0\",\"available\":[\"1.1.0\"],\"channel\":\"beta\"}"), SIGNAL_BAD,
	"not a string"},
    {BYTES("{\"Current\":\"1.0.0\",\"available\":\"1.1.0\",\"channel\":\"beta\"}"), SIGNAL_BAD,
	"missing"},
    {BYTES(SIGNAL("1.0.0", "1.1.0", "nightly")), SIGNAL_BAD, "no such channel"},
    {BYTES(SIGNAL("1.0.0", "1.1.0", "Stable")), SIGNAL_BAD, "no such channel"},
    {BYTES(SIGNAL("1.0.0", "1.1.0", "")), SIGNAL_BAD, "no such channel"},
    {BYTES(SIGNAL("1.0.0", "1.1.0", "\\u001b[31m")), SIGNAL_BAD, "no such channel: \"\\033[31m\""},
    {BYTES(SIGNAL("", "1.1.0", "stable")), SIGNAL_BAD, "\"current\" is not"},
    {BYTES(SIGNAL("1.0.0", "", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0", "1.1.0", "stable")), SIGNAL_BAD, "\"current\" is not"},
    {BYTES(SIGNAL("1.0.0", "01.1.0", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "1.1.0 ", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "1.1.0\\n", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "vv1.1.0", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "--upload-pack=x", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "../../etc/passwd", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "1.1.0;reboot", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "1.1.0-", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "1.1.0-01", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", "\\u0661.1.0", "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", OID, "stable")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL("1.0.0", OID, "beta")), SIGNAL_BAD, "\"available\" is not"},
    {BYTES(SIGNAL(OID, "1.1.0", "alpha")), SIGNAL_BAD, "\"current\" is not"},
    {BYTES(SIGNAL("1.0.0", OID "0", "alpha")), SIGNAL_BAD, "full commit id"},
    {BYTES(SIGNAL("1.0.0", "HEAD", "alpha")), SIGNAL_BAD, "full commit id"},
    {BYTES(SIGNAL("1.0.0", "0123456789ABCDEF0123456789ABCDEF01234567", "alpha")), SIGNAL_BAD,
	"full commit id"},
};

static enum mon_verdict
parse(const char *text, size_t len, struct mon_signal *s)
{
	memset(s, 0, sizeof(*s));
	return mon_signal_parse(text, len, s);
}

static void
refused(void **state)
{
	struct mon_signal s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(hostile); i++) {
		if (parse(hostile[i].text, hostile[i].len, &s) != hostile[i].verdict ||
		    strstr(s.why, hostile[i].why) == NULL)
			fail_msg("%zu: %s: \"%s\"", i, hostile[i].text, s.why);
		assert_true(text_is_field(s.why, strlen(s.why) + 1));
	}
}

static void
bombs(void **state)
{
	static const char *const openers[] = {"[", "{\"a\":", "\"\\u", "[[[[0],", "-", "9"};
	char text[SIGNAL_FILE_MAX];
	struct mon_signal s;
	size_t i, used;

	(void)state;
	for (i = 0; i < COUNT(openers); i++) {
		for (used = 0; used + strlen(openers[i]) <= sizeof(text);
		     used += strlen(openers[i]))
			memcpy(text + used, openers[i], strlen(openers[i]));
		assert_int_equal(parse(text, used, &s), SIGNAL_HALF);
	}
}

static void
long_values(void **state)
{
	char text[SIGNAL_FILE_MAX], digits[1024];
	struct mon_signal s;
	int n;

	(void)state;
	memset(digits, '1', sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	n = snprintf(text, sizeof(text),
	    "{\"current\":\"1.0.0\",\"available\":\"1.%s.0\",\"channel\":\"beta\"}", digits);
	assert_int_equal(parse(text, (size_t)n, &s), SIGNAL_BAD);
	digits[VERSION_MAX - 5] = '\0'; /* with "1." and ".0" and a NUL the longest that fits */
	n = snprintf(text, sizeof(text),
	    "{\"current\":\"1.0.0\",\"available\":\"1.%s.0\",\"channel\":\"beta\"}", digits);
	assert_int_equal(parse(text, (size_t)n, &s), SIGNAL_GOOD);
	assert_int_equal(strlen(s.available), VERSION_MAX - 1);
}

static void
accepted(void **state)
{
	struct mon_signal s;

	(void)state;
	assert_int_equal(parse(BYTES(GOOD "\n"), &s), SIGNAL_GOOD);
	assert_int_equal(s.channel, CHANNEL_STABLE);
	assert_int_equal(parse(BYTES(SIGNAL("v1.0.0-rc.1+b", "v2.0.0", "beta")), &s), SIGNAL_GOOD);
	assert_string_equal(s.current, "1.0.0-rc.1+b");
	assert_string_equal(s.available, "2.0.0");
	assert_int_equal(parse(BYTES(SIGNAL("1.0.0", OID, "alpha")), &s), SIGNAL_GOOD);
	assert_string_equal(s.available, OID);
	assert_int_equal(parse(BYTES(SIGNAL("1.0.0", OID64, "alpha")), &s), SIGNAL_GOOD);
	assert_string_equal(s.available, OID64);
	/* Whether it is newer is the executor's to judge. */
	assert_int_equal(parse(BYTES(SIGNAL("2.0.0", "1.0.0", "stable")), &s), SIGNAL_GOOD);
}

static void
unknown_keys(void **state)
{
	static const char many[] =
	    "{\"current\":\"1.0.0\",\"available\":\"1.1.0\",\"channel\":\"beta\",\"a\\u001b\":{"
	    "\"b\":[]},"
	    "\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}";
	struct mon_signal s;

	(void)state;
	assert_int_equal(parse(BYTES(many), &s), SIGNAL_GOOD);
	assert_string_equal(s.unknown, "a\\033, c, d, e, f, g, h, i, ...");
}

static void
expect(struct fixture *f, const char *name, enum mon_verdict verdict, const char *why)
{
	struct mon_signal s;

	assert_int_equal(mon_signal_judge(&f->m.owners, f->dirfd, name, &s), verdict);
	if (strstr(s.why, why) == NULL)
		fail_msg("%s: \"%s\"", name, s.why);
}

static void
kinds(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(f, "absent", SIGNAL_ABSENT, "");
	fixture_put(f, "good", GOOD, sizeof(GOOD) - 1);
	expect(f, "good", SIGNAL_GOOD, "");
	assert_int_equal(symlinkat("good", f->dirfd, "link"), 0);
	expect(f, "link", SIGNAL_BAD, "symbolic link");
	assert_int_equal(symlinkat("nothing", f->dirfd, "dangling"), 0);
	expect(f, "dangling", SIGNAL_BAD, "symbolic link");
	expect(f, "sig", SIGNAL_BAD, "directory");
	assert_int_equal(mkfifoat(f->dirfd, "fifo", 0644), 0);
	expect(f, "fifo", SIGNAL_BAD, "FIFO");
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.90s/socket", f->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	expect(f, "socket", SIGNAL_BAD, "socket");
	assert_int_equal(linkat(f->dirfd, "good", f->dirfd, "second", 0), 0);
	expect(f, "good", SIGNAL_BAD, "more than one name");
	if (mknodat(f->dirfd, "device", S_IFCHR | 0644, makedev(1, 3)) == 0)
		expect(f, "device", SIGNAL_BAD, "device");
}

static void
sizes(void **state)
{
	struct fixture *f = *state;
	char text[SIGNAL_FILE_MAX + 1];

	memset(text, ' ', sizeof(text));
	memcpy(text, GOOD, sizeof(GOOD) - 1);
	fixture_put(f, "u.json", text, SIGNAL_FILE_MAX);
	expect(f, "u.json", SIGNAL_GOOD, "");
	fixture_put(f, "u.json", text, SIGNAL_FILE_MAX + 1);
	expect(f, "u.json", SIGNAL_BAD, "larger than 4096");
}

static void
owners(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 0644, .st_nlink = 1, .st_uid = 1000};
	struct mon_owners o = {.self = 1000};

	(void)state;
	assert_null(mon_signal_unsafe(&o, &st));
	st.st_uid = 0;
	assert_null(mon_signal_unsafe(&o, &st));
	st.st_uid = 1001;
	assert_non_null(mon_signal_unsafe(&o, &st));
	o.other = 1001;
	assert_non_null(mon_signal_unsafe(&o, &st));
	o.has_other = true;
	assert_null(mon_signal_unsafe(&o, &st));
	st.st_mode |= S_IWGRP;
	assert_null(mon_signal_unsafe(&o, &st));
	st.st_mode |= S_IWOTH;
	assert_non_null(mon_signal_unsafe(&o, &st));
}

static void
identities(void **state)
{
	struct fixture *f = *state;
	struct mon_signal one, two;

	fixture_put(f, "u.json", GOOD, sizeof(GOOD) - 1);
	mon_signal_judge(&f->m.owners, f->dirfd, "u.json", &one);
	mon_signal_judge(&f->m.owners, f->dirfd, "u.json", &two);
	assert_int_equal(file_identity_compare(&one.id, &two.id), 0);
	assert_int_equal(mkfifoat(f->dirfd, "fifo", 0644), 0);
	mon_signal_judge(&f->m.owners, f->dirfd, "fifo", &one);
	mon_signal_judge(&f->m.owners, f->dirfd, "fifo", &two);
	assert_int_equal(file_identity_compare(&one.id, &two.id), 0);
	assert_int_equal(fchmodat(f->dirfd, "fifo", 0600, 0), 0);
	mon_signal_judge(&f->m.owners, f->dirfd, "fifo", &two);
	assert_int_not_equal(file_identity_compare(&one.id, &two.id), 0);
}

/* mon_look(): what is told and asked, and how often. */

static void
put_signal(struct fixture *f, const char *text)
{
	fixture_put(f, "sig/u.json", text, strlen(text));
}

static void
looks_once(void **state)
{
	struct fixture *f = *state;
	struct mon *m = &f->m;

	assert_int_equal(mon_look(m), ON_NONE);
	assert_null(m->status.word);
	put_signal(f, "[]");
	assert_int_equal(mon_look(m), ON_NONE);
	assert_int_equal(m->status.reason, REASON_SIGNAL_INVALID);
	assert_true(m->status.held);
	m->status.reason = REASON_NONE; /* to see whether it is told again */
	assert_int_equal(mon_look(m), ON_NONE);
	assert_int_equal(m->status.reason, REASON_NONE);
	put_signal(f, "[1]");
	assert_int_equal(mon_look(m), ON_NONE);
	assert_int_equal(m->status.reason, REASON_SIGNAL_INVALID);
	put_signal(f, GOOD);
	assert_int_equal(mon_look(m), ON_SIGNAL);
	assert_string_equal(m->request.signal.available, "1.1.0");
}

static void
looks_half(void **state)
{
	struct fixture *f = *state;
	struct mon *m = &f->m;

	put_signal(f, "{\"cur");
	assert_int_equal(mon_look(m), ON_NONE);
	assert_null(m->status.word);
	assert_true(m->due_ms[TIMER_HALF] != MON_NEVER);
	m->memory.half_ms -= MON_HALF_MS;
	assert_int_equal(mon_look(m), ON_NONE);
	assert_int_equal(m->status.reason, REASON_SIGNAL_INVALID);
	assert_true(m->due_ms[TIMER_HALF] == MON_NEVER);
	put_signal(f, "{\"curr");
	m->status.reason = REASON_NONE;
	assert_int_equal(mon_look(m), ON_NONE);
	assert_int_equal(m->status.reason, REASON_NONE); /* another content has its own time */
	put_signal(f, GOOD);
	assert_int_equal(mon_look(m), ON_SIGNAL);
}

static void
looks_held(void **state)
{
	struct fixture *f = *state;
	struct mon *m = &f->m;

	put_signal(f, GOOD);
	assert_int_equal(mon_look(m), ON_SIGNAL);
	mon_look_hold(m, 0);
	assert_int_equal(mon_look(m), ON_NONE);
	assert_true(m->due_ms[TIMER_RETRY] == MON_NEVER);
	fixture_put(f, "sig/u.json.retry", "", 0);
	assert_int_equal(mon_look(m), ON_SIGNAL);
	assert_true(m->memory.retry);
	m->memory.retry = false;
	mon_look_hold(m, 0);
	assert_int_equal(mon_look(m), ON_NONE); /* the same wish counts once */
	put_signal(f, SIGNAL("1.0.0", "1.2.0", "stable"));
	assert_int_equal(mon_look(m), ON_SIGNAL);
	mon_look_hold(m, 1000);
	assert_true(m->due_ms[TIMER_RETRY] != MON_NEVER);
	assert_int_equal(mon_look(m), ON_NONE);
	m->due_ms[TIMER_RETRY] = clock_monotonic_ms();
	assert_int_equal(mon_timer_look(m), ON_LOOK);
	assert_int_equal(mon_look(m), ON_SIGNAL);
}

static void
looks_after_removal(void **state)
{
	struct fixture *f = *state;
	struct mon *m = &f->m;

	put_signal(f, GOOD);
	assert_int_equal(mon_look(m), ON_SIGNAL);
	mon_look_hold(m, 5000);
	assert_int_equal(renameat(f->dirfd, "sig/u.json", f->dirfd, "aside"), 0);
	assert_int_equal(mon_look(m), ON_NONE);
	assert_true(m->due_ms[TIMER_RETRY] == MON_NEVER);
	assert_int_equal(renameat(f->dirfd, "aside", f->dirfd, "sig/u.json"), 0);
	assert_int_equal(mon_look(m), ON_SIGNAL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("each hostile content is refused, or waited for, in clear words", refused),
	    TEST("nesting and number bombs are no more than bad JSON", bombs),
	    TEST("a version fits or is refused, never cut", long_values),
	    TEST("every form of the contract is accepted", accepted),
	    TEST("unknown keys are named, escaped and bounded", unknown_keys),
	    TEST("only root, ourselves and the configured owner are believed", owners),
	    {"only a regular file with one name is believed", kinds, set_up, tear_down, NULL},
	    {"4096 bytes are read and 4097 are not", sizes, set_up, tear_down, NULL},
	    {"a file that is not read has an identity too", identities, set_up, tear_down, NULL},
	    {"a bad signal is told once, and the next good one works", looks_once, set_up,
		tear_down, NULL},
	    {"a half-written signal has two seconds", looks_half, set_up, tear_down, NULL},
	    {"a held signal waits for its time, a change or a person", looks_held, set_up,
		tear_down, NULL},
	    {"a signal that was taken away and put back is asked about again", looks_after_removal,
		set_up, tear_down, NULL},
	};

	return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}
