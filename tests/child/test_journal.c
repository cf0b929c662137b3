/*
 * test_journal.c - child/journal.c: what survives, and what is never believed.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <inttypes.h>
#include <sha2.h>
#include <signal.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "fixture.h"
#include "text.h"

#define NAME          "journal"
#define ASIDE         "journal.damaged"
#define OID           "0123456789abcdef0123456789abcdef01234567"
#define OTHER_OID     "89abcdef0123456789abcdef0123456789abcdef"
#define LINES_MAX     16
#define APPENDS       10000
#define APPENDS_PART  1000
#define IO_BYTES      1024
#define SUM_DIGITS    16
#define HALF_A_RECORD 10

static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

static int
reopen(struct exe *e)
{
	int said = quiet_begin(), rc, error;

	journal_close(&e->journal);
	rc = journal_open(&e->journal, e->state_fd);
	error = errno;
	quiet_end(said);
	errno = error;
	return rc;
}

static void
save_phase(struct exe *e, enum journal_phase phase)
{
	struct journal_state *s = &e->journal.state;

	s->phase = phase;
	s->channel = CHANNEL_STABLE;
	s->attempt = 1;
	s->step = STEP_INSTALL;
	s->reason = REASON_INSTALL_FAILED;
	snprintf(s->run, sizeof(s->run), "a-run");
	assert_int_equal(journal_save(&e->journal), 0);
}

/* A value that the reader takes, another one for each field. */
#define FILL_NUMBER(field, size) s->field = ++n;
#define FILL_TEXT(field, size)   snprintf(s->field, sizeof(s->field), "%s-%d", #field, (int)++n);
#define FILL(field, kind, size)  FILL_##kind(field, size)

/* Of the texts the reader takes versions and object ids alone: different ones, of a length. */
static void
make_proper(struct journal_state *s, size_t version_len)
{
	char *const versions[] = {s->from, s->available, s->to, s->base, s->installed};
	char *const ids[] = {s->commit, s->previous, s->base_commit, s->base_target, s->halfway,
	    s->installed_commit};

	for (size_t i = 0; i < COUNT(versions); i++) {
		memset(versions[i], 0, VERSION_MAX);
		memset(versions[i], 'x', version_len);
		memcpy(versions[i], "1.0.0-", 6);
		versions[i][4] = (char)('0' + i);
	}
	for (size_t i = 0; i < COUNT(ids); i++) {
		memset(ids[i], 0, WIRE_OID_MAX);
		memset(ids[i], 'a', WIRE_OID_MAX - 2);
		ids[i][0] = (char)('0' + i);
	}
}

static void
fill(struct journal_state *s)
{
	uint64_t n = 0;

	memset(s, 0, sizeof(*s));
	JOURNAL_FIELDS(FILL)
	make_proper(s, 7);
	snprintf(s->run, sizeof(s->run), "a-run");
	s->phase = PHASE_FAILED;
	s->channel = CHANNEL_BETA;
	s->step = STEP_MIGRATE;
	s->reason = REASON_MIGRATION_FAILED;
	s->signal_size = UINT64_MAX;
	snprintf(s->detail, sizeof(s->detail), "blanks = equals = 1 phase=4");
}

static void
round_trip(void **state)
{
	struct exe *e = exe_of(state);
	struct journal_state was;

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	fill(&was);
	e->journal.state = was;
	assert_int_equal(journal_save(&e->journal), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reopen(e), 0);
		assert_memory_equal(&e->journal.state, &was, sizeof(was));
	}
}

/* What is reported from it would be refused by wire_check(): a bug of ours, at each start. */
static void
impossible(void **state)
{
	static const struct {
		size_t offset;
		const char *text;
	} wrong[] = {
	    {offsetof(struct journal_state, run), "a.run"},
	    {offsetof(struct journal_state, from), "1.0"},
	    {offsetof(struct journal_state, from), "v1.0.0"},
	    {offsetof(struct journal_state, installed), "new"},
	    {offsetof(struct journal_state, to), "0123456789abcdef"},
	    {offsetof(struct journal_state, commit), "main"},
	    {offsetof(struct journal_state, previous), "HEAD~1"},
	    {offsetof(struct journal_state, key), "k\xff"},
	    {offsetof(struct journal_state, detail), "a\tb"},
	};
	struct exe *e = exe_of(state);

	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
		fill(&e->journal.state);
		assert_int_equal(journal_save(&e->journal), 0);
		assert_int_equal(reopen(e), 0);
		strcpy((char *)&e->journal.state + wrong[i].offset, wrong[i].text);
		assert_int_equal(journal_save(&e->journal), 0);
		if (reopen(e) != 1)
			fail_msg("%s was believed", wrong[i].text);
		assert_int_equal(e->journal.state.phase, PHASE_IDLE);
		journal_close(&e->journal);
		assert_int_equal(unlinkat(e->state_fd, NAME, 0), 0);
	}
}

#define LONGEST_NUMBER(field, size) s->field = UINT64_MAX;
#define LONGEST_TEXT(field, size)                    \
	memset(s->field, 'x', sizeof(s->field) - 1); \
	s->field[sizeof(s->field) - 1] = '\0';
#define LONGEST(field, kind, size) LONGEST_##kind(field, size)

static void
longest(void **state)
{
	struct exe *e = exe_of(state);
	struct journal_state was, *s = &was;

	memset(s, 0, sizeof(*s));
	JOURNAL_FIELDS(LONGEST)
	make_proper(s, VERSION_MAX - 1);
	s->phase = PHASE_OWED;
	s->attempt = s->interruptions = s->restarts = UINT32_MAX;
	s->channel = CHANNEL_ALPHA;
	s->step = STEP_FINISH;
	s->reason = REASON_SYSTEM;
	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	e->journal.state = was;
	assert_int_equal(journal_save(&e->journal), 0);
	assert_int_equal(reopen(e), 0);
	assert_memory_equal(&e->journal.state, &was, sizeof(was));
}

static void
signal_round_trip(void **state)
{
	struct exe *e = exe_of(state);
	struct file_identity was, is;

	memset(&was, 0, sizeof(was));
	was.dev = 1;
	was.ino = UINT64_MAX;
	was.btime_s = -1; /* before 1970 */
	was.btime_ns = 999999999;
	was.mtime_s = INT64_MIN;
	was.mtime_ns = 1;
	was.size_bytes = 4096;
	for (size_t i = 0; i < sizeof(was.sha256); i++)
		was.sha256[i] = (uint8_t)(i * 8 + 7);
	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	journal_set_signal(&e->journal.state, &was);
	assert_int_equal(journal_save(&e->journal), 0);
	assert_int_equal(reopen(e), 0);
	journal_get_signal(&e->journal.state, &is);
	assert_int_equal(file_identity_compare(&was, &is), 0);
}

/* ---- damage ---- */

/* A journal of several kinds of lines; the last state is OWED when owed_last, else DEPLOYED. */
struct sample {
	char *data;
	size_t len;
	size_t begin[LINES_MAX + 1]; /* of each line; the header is line 0 */
	size_t lines;
	uint64_t phase[LINES_MAX]; /* when the lines up to this one are read */
};

static void
sample_make(struct exe *e, struct sample *s, bool owed_last)
{
	static const uint64_t before[] = {PHASE_IDLE, PHASE_IDLE, PHASE_IDLE, PHASE_RUNNING,
	    PHASE_RUNNING, PHASE_RUNNING, PHASE_OWED, PHASE_DEPLOYED};

	memset(s, 0, sizeof(*s));
	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OID), 0);
	save_phase(e, PHASE_RUNNING);
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_one.py"), 0);
	assert_int_equal(journal_saved(&e->journal), 0);
	save_phase(e, PHASE_OWED);
	if (!owed_last)
		save_phase(e, PHASE_DEPLOYED);
	journal_close(&e->journal);
	s->data = get_bytes(e->state_fd, NAME, &s->len);
	for (size_t i = 0; i < s->len; i++)
		if (s->data[i] == '\n')
			s->begin[++s->lines] = i + 1;
	assert_int_equal(s->lines, COUNT(before) - (owed_last ? 1 : 0));
	memcpy(s->phase, before, sizeof(before));
}

static size_t
line_of(const struct sample *s, size_t offset)
{
	size_t line = 0;

	while (offset >= s->begin[line + 1])
		line++;
	return line;
}

static void
torn_end(void **state)
{
	struct exe *e = exe_of(state);
	struct sample s;

	sample_make(e, &s, true);
	for (size_t len = s.begin[1]; len <= s.len; len++) {
		size_t whole = len == s.len ? s.lines : line_of(&s, len);

		put_bytes(e->state_fd, NAME, s.data, len);
		assert_int_equal(reopen(e), 0);
		assert_int_equal(e->journal.state.phase, s.phase[whole - 1]);
		assert_false(exists(e->state_fd, ASIDE));
		save_phase(e, PHASE_FAILED);
		assert_int_equal(reopen(e), 0);
		assert_int_equal(e->journal.state.phase, PHASE_FAILED);
	}
	free(s.data);
}

/* What a journal with one changed byte may be taken for, and nothing else. */
static void
assert_flip(struct exe *e, const struct sample *s, size_t at)
{
	size_t line = line_of(s, at), last = s->lines - 1;
	bool joins = at + 1 == s->begin[line + 1] && line != last; /* two lines become one */
	int rc = reopen(e);

	if (line == 0) {
		assert_true(rc == 1 || (rc == -1 && errno == EPROTO));
		assert_true(rc == -1 || e->journal.state.phase == PHASE_IDLE);
		return;
	}
	if (line == last || (joins && line + 1 == last)) {
		assert_int_equal(rc, 0);
		assert_int_equal(e->journal.state.phase, s->phase[line - 1]);
		return;
	}
	assert_int_equal(rc, 1);
	assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	assert_true(exists(e->state_fd, ASIDE));
}

static void
flips(struct exe *e, bool owed_last)
{
	struct sample s;

	sample_make(e, &s, owed_last);
	for (size_t at = 0; at < s.len; at++) {
		char was = s.data[at];

		s.data[at] = (char)(was ^ (char)(1u << at % CHAR_BIT));
		put_bytes(e->state_fd, NAME, s.data, s.len);
		s.data[at] = was;
		assert_flip(e, &s, at);
		(void)unlinkat(e->state_fd, ASIDE, 0); /* there or not */
	}
	free(s.data);
}

static void
flips_owed_last(void **state)
{
	flips(exe_of(state), true);
}

static void
flips_owed_before(void **state)
{
	flips(exe_of(state), false);
}

static void
damaged_middle(void **state)
{
	struct exe *e = exe_of(state);
	struct sample s;
	char *aside;
	size_t len;

	sample_make(e, &s, true);
	s.data[s.begin[3] + SUM_DIGITS + 4] ^= 1; /* the first state behind the pin */
	put_bytes(e->state_fd, NAME, s.data, s.len);
	assert_int_equal(reopen(e), 1);
	aside = get_bytes(e->state_fd, ASIDE, &len);
	assert_int_equal(len, s.len);
	assert_memory_equal(aside, s.data, len);
	free(aside);
	assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	/* What guards against a moved tag is kept. */
	assert_string_equal(journal_pinned(&e->journal, "1.1.0"), OID);
	save_phase(e, PHASE_RUNNING);
	assert_int_equal(reopen(e), 0);
	assert_int_equal(e->journal.state.phase, PHASE_RUNNING);
	free(s.data);
}

/* Appends a line of the test's own, with a right sum. */
static void
append_line(struct exe *e, uint64_t number, const char *body)
{
	char rest[JOURNAL_LINE_MAX], line[JOURNAL_LINE_MAX + SUM_DIGITS + 2];
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char sum[SUM_DIGITS + 1];
	SHA2_CTX sha;
	int n, fd = openat(e->state_fd, NAME, O_WRONLY | O_APPEND | O_CLOEXEC);

	n = snprintf(rest, sizeof(rest), "%" PRIu64 " %s", number, body);
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)rest, (size_t)n);
	SHA256Final(digest, &sha);
	text_hex(sum, digest, SUM_DIGITS / 2);
	n = snprintf(line, sizeof(line), "%s %s\n", sum, rest);
	assert_int_equal(file_write_all(fd, line, (size_t)n), 0);
	close(fd);
}

static void
right_sum_wrong_content(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const bodies[] = {"", "nonsense", "state ", "state phase=4",
	    "state phase=1 run=", "saved ", "pin", "pin 1.1.0", "pin x " OID, "pin 1.1.0 " OID "0",
	    "pin 1.1.0 HEAD"};

	for (size_t i = 0; i < COUNT(bodies); i++) {
		assert_int_equal(reopen(e), 0);
		save_phase(e, PHASE_OWED);
		append_line(e, e->journal.number + 1, bodies[i]);
		assert_int_equal(reopen(e), 1);
		assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	}
}

/* A state line as the writer makes it, with one field's value exchanged. */
static void
state_body(struct exe *e, const char *field, const char *value, char body[JOURNAL_LINE_MAX])
{
	char *data = NULL, *line, *at, *end;
	size_t len, key = strlen(field);

	assert_int_equal(file_slurp(e->state_fd, NAME, JOURNAL_FILE_MAX, &data, &len), 0);
	data[len - 1] = '\0';
	line = strrchr(data, '\n');
	line = strstr(line, "state ");
	at = strstr(line, field) + key;
	end = at + strcspn(at, " ");
	snprintf(body, JOURNAL_LINE_MAX, "%.*s%s%s", (int)(at - line), line, value, end);
	free(data);
}

static void
impossible_values(void **state)
{
	struct exe *e = exe_of(state);
	static const struct {
		const char *field, *value;
	} wrong[] = {{" phase=", "6"}, {" phase=", "18446744073709551616"}, {" phase=", "-1"},
	    {" phase=", " 4"}, {" phase=", ""}, {" phase=", "4x"}, {" channel=", "4"},
	    {" step=", "10"}, {" reason=", "99"}, {" run=", "0123456789012345678901234"},
	    {" held=", "0x1"}, {" attempt=", "4294967296"}, {" attempt=", "0"},
	    {" restarts=", "4294967296"}, {" interruptions=", "4294967296"}, {" channel=", "0"}};
	char body[JOURNAL_LINE_MAX];

	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(reopen(e), 0);
		save_phase(e, PHASE_OWED);
		state_body(e, wrong[i].field, wrong[i].value, body);
		append_line(e, e->journal.number + 1, body);
		assert_int_equal(reopen(e), 1);
		assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	}
}

static void
numbers(void **state)
{
	struct exe *e = exe_of(state);
	static const int64_t wrong[] = {-1, 0, 2, 1000};
	char body[JOURNAL_LINE_MAX];

	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(reopen(e), 0);
		save_phase(e, PHASE_OWED);
		state_body(e, " phase=", "4", body);
		append_line(e, (uint64_t)((int64_t)e->journal.number + wrong[i]), body);
		assert_int_equal(reopen(e), 1);
		assert_int_equal(e->journal.state.phase, PHASE_IDLE);
	}
}

static void
newer_format(void **state)
{
	struct exe *e = exe_of(state);
	static const char newer[] = "moult-journal 2\nwhat we cannot know\n";

	put_text(e->state_fd, NAME, newer);
	errno = 0;
	assert_int_equal(journal_open(&e->journal, e->state_fd), -1);
	assert_int_equal(errno, EPROTO);
	assert_true(file_holds(e->state_fd, NAME, newer));
	assert_false(exists(e->state_fd, ASIDE));
}

static void
no_journal(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const texts[] = {"", "\n", "moult-journal", "moult-journal 0\n",
	    "moult-journal 1", "moult-journal one\n", "moult-journal 1 \n", "MOULT-JOURNAL 1\n",
	    "{\"format\":1}\n"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		put_text(e->state_fd, NAME, texts[i]);
		assert_int_equal(reopen(e), 1);
		assert_true(file_holds(e->state_fd, ASIDE, texts[i]));
		assert_int_equal(e->journal.state.phase, PHASE_IDLE);
		assert_int_equal(e->journal.pins_count, 0);
		save_phase(e, PHASE_RUNNING);
		assert_int_equal(reopen(e), 0);
		assert_int_equal(e->journal.state.phase, PHASE_RUNNING);
	}
}

static void
no_file(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(mkdirat(e->state_fd, NAME, 0755), 0);
	assert_int_equal(reopen(e), 1);
	assert_int_equal(unlinkat(e->state_fd, ASIDE, AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(e->state_fd, NAME, 0), 0);
	assert_int_equal(mkfifoat(e->state_fd, NAME, 0644), 0);
	assert_int_equal(reopen(e), 1);
	assert_int_equal(unlinkat(e->state_fd, NAME, 0), 0);
	put_text(e->state_fd, "elsewhere", "moult-journal 1\n");
	assert_int_equal(symlinkat("elsewhere", e->state_fd, NAME), 0);
	assert_int_equal(reopen(e), 1);
	assert_true(file_holds(e->state_fd, "elsewhere", "moult-journal 1\n"));
	assert_int_equal(reopen(e), 0);
}

/* ---- pins and migrations ---- */

static void
pins(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_null(journal_pinned(&e->journal, "1.1.0"));
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OID), 0);
	assert_int_equal(journal_pin(&e->journal, "1.1.0-rc.1", OTHER_OID), 0);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(journal_pinned(&e->journal, "1.1.0"), OID);
		assert_string_equal(journal_pinned(&e->journal, "1.1.0-rc.1"), OTHER_OID);
		assert_null(journal_pinned(&e->journal, "1.1"));
		assert_int_equal(reopen(e), 0);
	}
}

static void
pin_again_in_child(void *arg)
{
	struct exe *e = arg;

	(void)journal_pin(&e->journal, "1.1.0", OTHER_OID); /* does not return */
}

static void
pin_again(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OID), 0);
	assert_int_equal(end_of_child(pin_again_in_child, e), EX_SOFTWARE);
	assert_int_equal(reopen(e), 0);
	assert_string_equal(journal_pinned(&e->journal, "1.1.0"), OID);
}

static void
applied(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_one.py"), 0);
	assert_int_equal(journal_applied(&e->journal, "1.1.0/002_two"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(e->journal.applied_count, 2);
		assert_string_equal(e->journal.applied[0], "1.1.0/001_one.py");
		assert_string_equal(e->journal.applied[1], "1.1.0/002_two");
		assert_int_equal(reopen(e), 0);
	}
	assert_int_equal(journal_saved(&e->journal), 0);
	assert_int_equal(e->journal.applied_count, 0);
	assert_int_equal(journal_applied(&e->journal, "1.2.0/001_three"), 0);
	assert_int_equal(reopen(e), 0);
	assert_int_equal(e->journal.applied_count, 1);
	assert_string_equal(e->journal.applied[0], "1.2.0/001_three");
}

/* Bytes that this process has handed to write(2). */
static uint64_t
written(void)
{
	char text[IO_BYTES], *at;
	int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n > 0);
	close(fd);
	text[n] = '\0';
	at = strstr(text, "wchar: ");
	assert_non_null(at);
	return strtoull(at + strlen("wchar: "), NULL, 10);
}

static void
flat(void **state)
{
	struct exe *e = exe_of(state);
	char name[] = "1.1.0/001_migration_00000.py";
	uint64_t first = 0, part = 0;

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	for (int i = 0; i < APPENDS; i++) {
		if (i % APPENDS_PART == 0)
			part = written();
		snprintf(name, sizeof(name), "1.1.0/001_migration_%05d.py", i);
		assert_int_equal(journal_applied(&e->journal, name), 0);
		if (i == APPENDS_PART - 1)
			first = written() - part;
	}
	/* The record's number has grown by at most four digits. */
	assert_in_range(written() - part, first, first + 4 * APPENDS_PART);
	assert_true(first < APPENDS_PART * 80);
	assert_int_equal(reopen(e), 0);
	assert_int_equal(e->journal.applied_count, APPENDS);
	assert_string_equal(e->journal.applied[APPENDS - 1], name);
}

/* ---- a disk that refuses ---- */

/* No file of this process may grow past len bytes. */
static void
limit_files(rlim_t len)
{
	struct rlimit limit = {len, RLIM_INFINITY};

	assert_int_not_equal((intptr_t)signal(SIGXFSZ, SIG_IGN), (intptr_t)SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static rlim_t
size_of(struct exe *e)
{
	struct stat st;

	assert_int_equal(fstatat(e->state_fd, NAME, &st, 0), 0);
	return (rlim_t)st.st_size;
}

static void
broken_append(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OID), 0);
	save_phase(e, PHASE_RUNNING);
	limit_files(size_of(e) + HALF_A_RECORD);
	e->journal.state.phase = PHASE_OWED;
	assert_int_equal(journal_save(&e->journal), -1);
	assert_true(e->journal.broken);
	limit_files(HALF_A_RECORD);
	assert_int_equal(journal_save(&e->journal), -1); /* nor can it be rewritten */
	assert_true(e->journal.broken);
	limit_files(RLIM_INFINITY);
	e->journal.state.phase = PHASE_FAILED;
	assert_int_equal(journal_save(&e->journal), 0);
	assert_false(e->journal.broken);
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_one.py"), 0);
	assert_int_equal(reopen(e), 0);
	assert_int_equal(e->journal.state.phase, PHASE_FAILED);
	assert_string_equal(journal_pinned(&e->journal, "1.1.0"), OID);
	assert_int_equal(e->journal.applied_count, 1);
}

static void
broken_owed(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	save_phase(e, PHASE_RUNNING);
	limit_files(size_of(e) + HALF_A_RECORD);
	e->journal.state.phase = PHASE_OWED;
	assert_int_equal(journal_save(&e->journal), -1);
	limit_files(RLIM_INFINITY);
	/* A crash here: what could not be written is not there. */
	assert_int_equal(reopen(e), 0);
	assert_int_equal(e->journal.state.phase, PHASE_RUNNING);
}

static void
broken_pin(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	limit_files(size_of(e) + HALF_A_RECORD);
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OID), -1);
	assert_null(journal_pinned(&e->journal, "1.1.0"));
	limit_files(RLIM_INFINITY);
	assert_int_equal(journal_pin(&e->journal, "1.1.0", OTHER_OID), 0);
	assert_int_equal(reopen(e), 0);
	assert_string_equal(journal_pinned(&e->journal, "1.1.0"), OTHER_OID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("every field is read as it was written", round_trip),
	    EXE_TEST("a text that could not be reported is damage", impossible),
	    EXE_TEST("the longest state fits its line", longest),
	    EXE_TEST("the signal's identity is read as it was written", signal_round_trip),
	    EXE_TEST("a torn end is dropped, at whatever byte it is torn", torn_end),
	    EXE_TEST("a changed byte anywhere never makes a restart owed", flips_owed_last),
	    EXE_TEST("a changed byte never undoes more than its line", flips_owed_before),
	    EXE_TEST(
		"a journal damaged before its end is set aside, its pins kept", damaged_middle),
	    EXE_TEST("a right sum does not make a wrong record right", right_sum_wrong_content),
	    EXE_TEST("values out of range are damage", impossible_values),
	    EXE_TEST("a missing or repeated record is damage", numbers),
	    EXE_TEST("a newer moult's journal is refused and not touched", newer_format),
	    EXE_TEST("an empty or foreign file is set aside", no_journal),
	    EXE_TEST("what is no regular file is set aside, a link not followed", no_file),
	    EXE_TEST("a pin stays", pins),
	    EXE_TEST("a second pin for a version is a bug", pin_again),
	    EXE_TEST("applied migrations are kept until they are saved", applied),
	    EXE_TEST("the ten-thousandth append writes no more than the first", flat),
	    EXE_TEST("after a failed append the journal is written anew", broken_append),
	    EXE_TEST("a restart whose record could not be written is not owed", broken_owed),
	    EXE_TEST("a pin that could not be written is no pin", broken_pin),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
