/*
 * test_applied.c - child/applied.c: migration_state.json, shared with other runners.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#define NAME "migration_state.json"

static struct exe *
exe_of(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;

	if (e->journal.fd == -1)
		assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	return e;
}

static void
add_gap(struct exe *e, const char *name)
{
	struct run *run = &e->run;

	run->gap = reallocarray(run->gap, run->gap_count + 1, sizeof(*run->gap));
	assert_non_null(run->gap);
	run->gap[run->gap_count] = strdup(name);
	assert_non_null(run->gap[run->gap_count++]);
}

static void
assert_damaged(struct exe *e, const char *text)
{
	put_text(e->state_fd, NAME, text);
	errno = 0;
	assert_int_equal(applied_subtract(e), -1);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(applied_save(e), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(file_holds(e->state_fd, NAME, text));
	assert_int_equal(e->journal.applied_count, 1);
}

static void
absent(void **state)
{
	struct exe *e = exe_of(state);

	add_gap(e, "1.1.0/001_a.py");
	assert_int_equal(applied_subtract(e), 0);
	assert_int_equal(e->run.gap_count, 1);
	assert_int_equal(applied_save(e), 0);
	assert_false(exists(e->state_fd, NAME)); /* nothing to tell */
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	assert_int_equal(applied_save(e), 0);
	assert_true(
	    file_holds(e->state_fd, NAME, "{\n  \"applied\": [\n    \"1.1.0/001_a.py\"\n  ]\n}"));
}

static void
subtracts(void **state)
{
	struct exe *e = exe_of(state);

	put_text(e->state_fd, NAME, "{\"applied\":[\"1.2.0/001_c.py\",\"1.1.0/001_a.py\"]}");
	assert_int_equal(journal_applied(&e->journal, "1.1.0/002_b"), 0);
	add_gap(e, "1.1.0/001_a.py");
	add_gap(e, "1.1.0/002_b");
	add_gap(e, "1.1.0/003_d.py");
	add_gap(e, "1.2.0/001_c.py");
	add_gap(e, "1.2.0/001_c");
	assert_int_equal(applied_subtract(e), 0);
	assert_int_equal(e->run.gap_count, 2);
	assert_string_equal(e->run.gap[0], "1.1.0/003_d.py");
	assert_string_equal(e->run.gap[1], "1.2.0/001_c");
}

static void
subtracts_all(void **state)
{
	struct exe *e = exe_of(state);

	put_text(e->state_fd, NAME, "{\"applied\":[\"1.1.0/001_a.py\"]}");
	add_gap(e, "1.1.0/001_a.py");
	assert_int_equal(applied_subtract(e), 0);
	assert_int_equal(e->run.gap_count, 0);
}

static void
union_sorted(void **state)
{
	struct exe *e = exe_of(state);

	put_text(e->state_fd, NAME, "{\"applied\":[\"b\",\"d\",\"a\",\"b\"]}");
	assert_int_equal(journal_applied(&e->journal, "c"), 0);
	assert_int_equal(journal_applied(&e->journal, "a"), 0);
	assert_int_equal(applied_save(e), 0);
	assert_true(file_holds(e->state_fd, NAME,
	    "{\n  \"applied\": [\n    \"a\",\n    \"b\",\n    \"c\",\n    \"d\"\n  ]\n}"));
	assert_int_equal(e->journal.applied_count, 0);
	assert_int_equal(applied_save(e), 0);
}

static void
other_keys(void **state)
{
	struct exe *e = exe_of(state);
	char *text;
	size_t len;

	put_text(e->state_fd, NAME,
	    "{\"format\": 3, \"applied\": [], \"by\": {\"name\": \"h\\u00e9\"}, \"at\": null}");
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	assert_int_equal(applied_save(e), 0);
	text = get_bytes(e->state_fd, NAME, &len);
	assert_non_null(strstr(text, "\"format\": 3"));
	assert_non_null(strstr(text, "\"name\": \"h\303\251\""));
	assert_non_null(strstr(text, "\"at\": null"));
	assert_non_null(strstr(text, "\"1.1.0/001_a.py\""));
	free(text);
}

static void
names_of_others(void **state)
{
	struct exe *e = exe_of(state);

	/* Names that we would never give, an empty one among them, are kept. */
	put_text(e->state_fd, NAME, "{\"applied\":[\"\",\"h\\u00e9 \\\"x\\\"\"]}");
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	assert_int_equal(applied_save(e), 0);
	assert_true(file_holds(e->state_fd, NAME,
	    "{\n  \"applied\": [\n    \"\",\n    \"1.1.0/001_a.py\",\n"
	    "    \"h\303\251 \\\"x\\\"\"\n  ]\n}"));
}

static void
damage(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const texts[] = {"", " ", "{", "{}", "[]", "null", "\"applied\"",
	    "{\"applied\":null}", "{\"applied\":{}}", "{\"applied\":\"a\"}", "{\"applied\":[1]}",
	    "{\"applied\":[\"a\",null]}", "{\"applied\":[[\"a\"]]}", "{\"applied\":[\"a\"]",
	    "{\"applied\":[\"a\"]} x", "{\"applied\":[\"a\",]}", "{\"applied\":[],\"applied\":[]}",
	    "{\"applied\":[\"\377\"]}", "{\"applied\":[\"a\\u0000b\"]}", "{\"Applied\":[]}",
	    "{'applied':[]}"};

	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_damaged(e, texts[i]);
}

static void
deep(void **state)
{
	struct exe *e = exe_of(state);
	size_t depth = 100000;
	char *text = malloc(depth + 1);

	assert_non_null(text);
	memset(text, '[', depth);
	text[depth] = '\0';
	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	assert_damaged(e, text);
	free(text);
}

static void
no_regular_file(void **state)
{
	struct exe *e = exe_of(state);

	put_text(e->state_fd, "elsewhere", "{\"applied\":[]}");
	assert_int_equal(symlinkat("elsewhere", e->state_fd, NAME), 0);
	assert_int_equal(applied_subtract(e), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(unlinkat(e->state_fd, NAME, 0), 0);
	assert_int_equal(mkfifoat(e->state_fd, NAME, 0644), 0);
	assert_int_equal(applied_subtract(e), -1);
	assert_int_equal(errno, EINVAL);
}

static void
unsaved_is_kept(void **state)
{
	struct exe *e = exe_of(state);

	assert_int_equal(journal_applied(&e->journal, "1.1.0/001_a.py"), 0);
	assert_int_equal(mkdirat(e->state_fd, "." NAME ".tmp", 0755), 0); /* in the way */
	assert_int_equal(applied_save(e), -1);
	assert_int_equal(e->journal.applied_count, 1);
	journal_close(&e->journal);
	assert_int_equal(journal_open(&e->journal, e->state_fd), 0);
	assert_int_equal(e->journal.applied_count, 1);
	assert_int_equal(unlinkat(e->state_fd, "." NAME ".tmp", AT_REMOVEDIR), 0);
	assert_int_equal(applied_save(e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("without the file nothing is applied, and it is made when needed", absent),
	    EXE_TEST("what file and journal say is applied leaves the gap", subtracts),
	    EXE_TEST("a gap may become empty", subtracts_all),
	    EXE_TEST("the file becomes the sorted union, each name once", union_sorted),
	    EXE_TEST("other keys of the object are kept", other_keys),
	    EXE_TEST("names that others gave are kept", names_of_others),
	    EXE_TEST("what is not exactly right is damage, and is not touched", damage),
	    EXE_TEST("a deep nest is damage, not a crash", deep),
	    EXE_TEST("what is no regular file is damage", no_regular_file),
	    EXE_TEST("what could not be saved stays in the journal", unsaved_is_kept),
	};

	return cmocka_run_group_tests_name("applied", tests, NULL, NULL);
}
