/*
 * test_gap.c - child/gap.c: which migrations lie between two versions, and in which order.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#define LONG_NAME_BYTES 200

static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

/* A file of the checkout's migrations, e.g. "v1.1.0/001_one.py"; its directory is made too. */
static void
put_migration(struct exe *e, const char *path, mode_t mode)
{
	char full[TEST_PATH_MAX], *slash;

	snprintf(full, sizeof(full), "migrations/%s", path);
	for (slash = strchr(full, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdirat(e->repo_fd, full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	put_text(e->repo_fd, full, "");
	assert_int_equal(fchmodat(e->repo_fd, full, mode, 0), 0);
}

static void
assert_gap(struct exe *e, const char *from, const char *to, const char *const *names)
{
	assert_int_equal(gap_list(e, from, to), 0);
	for (size_t i = 0; i < e->run.gap_count; i++) {
		assert_non_null(names[i]);
		assert_string_equal(e->run.gap[i], names[i]);
	}
	assert_null(names[e->run.gap_count]);
}

static void
assert_invalid(struct exe *e, const char *mentions)
{
	assert_int_equal(gap_list(e, "1.0.0", "2.0.0"), -1);
	assert_int_equal(e->run.reason, REASON_MIGRATION_INVALID);
	assert_non_null(strstr(e->run.detail, mentions));
}

static void
by_version(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const versions[] = {"1.1.0-alpha", "1.1.0-alpha.1", "1.1.0-alpha.beta",
	    "1.1.0-beta", "1.1.0-beta.2", "1.1.0-beta.11", "1.1.0-rc.1", "1.1.0", "1.2.0", "1.10.0",
	    "1.10.1", "2.0.0-0", "2.0.0", "10.0.0", "99999999999999999999999999.0.0",
	    "99999999999999999999999999.0.1"};
	char path[TEST_PATH_MAX];

	for (size_t i = 0; i < COUNT(versions); i++) { /* made in no order at all */
		size_t j = i * 7 % COUNT(versions);

		snprintf(path, sizeof(path), "v%s/001_one.py", versions[j]);
		put_migration(e, path, 0644);
	}
	assert_int_equal(gap_list(e, "1.0.0", "99999999999999999999999999.0.1"), 0);
	assert_int_equal(e->run.gap_count, COUNT(versions));
	for (size_t i = 0; i < COUNT(versions); i++) {
		snprintf(path, sizeof(path), "%s/001_one.py", versions[i]);
		assert_string_equal(e->run.gap[i], path);
	}
}

static void
by_number_and_name(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const names[] = {"1.1.0/001_b", "1.1.0/002_a.py", "1.1.0/002_b.sh",
	    "1.1.0/002_b_b", "1.1.0/010_a.py", "1.1.0/100_a", "1.1.0/999_z", "1.2.0/000_a.py",
	    NULL};
	char path[TEST_PATH_MAX];

	for (size_t i = 0; names[i] != NULL; i++) {
		snprintf(path, sizeof(path), "v%s", names[i * 3 % 8]);
		put_migration(e, path, 0755);
	}
	assert_gap(e, "1.0.0", "1.2.0", names);
}

static void
bounds(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const none[] = {NULL};
	static const char *const middle[] = {"1.1.0/001_a.py", NULL};
	static const char *const upper[] = {"1.2.0-rc.1/001_a.py", "1.2.0/001_a.py", NULL};
	static const char *const candidate[] = {"1.2.0-rc.1/001_a.py", NULL};

	put_migration(e, "v1.0.0/001_a.py", 0644);
	put_migration(e, "v1.1.0/001_a.py", 0644);
	put_migration(e, "v1.2.0-rc.1/001_a.py", 0644);
	put_migration(e, "v1.2.0/001_a.py", 0644);
	put_migration(e, "v1.3.0/001_a.py", 0644);
	assert_gap(e, "1.0.0", "1.1.0", middle);
	assert_gap(e, "1.1.0", "1.2.0", upper);
	assert_gap(e, "1.1.0", "1.2.0-rc.1", candidate);
	assert_gap(e, "1.1.0", "1.2.0-beta", none);
	assert_gap(e, "1.2.0-rc.1", "1.2.0", (const char *const[]){"1.2.0/001_a.py", NULL});
	assert_gap(e, "1.1.0", "1.1.0", none);
	assert_gap(e, "1.3.0", "1.0.0", none); /* backwards there is nothing to do */
	assert_gap(e, "v1.0.0", "v1.1.0", middle);
}

static void
build_metadata(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const both[] = {"1.1.0/001_a.py", "1.1.0+b/001_a.py", NULL};
	static const char *const none[] = {NULL};

	put_migration(e, "v1.1.0+b/001_a.py", 0644);
	put_migration(e, "v1.1.0/001_a.py", 0644);
	assert_gap(e, "1.0.0", "1.1.0", both);
	assert_gap(e, "1.1.0+a", "1.1.0+c", none); /* of equal precedence: no gap */
}

static void
nothing(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const none[] = {NULL};

	assert_gap(e, "1.0.0", "2.0.0", none); /* no directory at all */
	assert_int_equal(mkdirat(e->repo_fd, "migrations", 0755), 0);
	assert_gap(e, "1.0.0", "2.0.0", none);
	assert_int_equal(mkdirat(e->repo_fd, "migrations/v1.1.0", 0755), 0);
	assert_gap(e, "1.0.0", "2.0.0", none);
}

static void
ignored(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const only[] = {"1.1.0/001_a.py", NULL};
	static const char *const others[] = {"README.md", "__init__.py", "v1.1.0/README",
	    "v1.1.0/__init__.py", "v1.1.0/__pycache__/001_a.cpython-311.pyc",
	    "v1.1.0/helpers/001_b.py", "v1.1.0/.001_a.py.swp", "v1.1.0/_001.py", "1.1.0/001_c.py",
	    "versions/001_d.py", "next/001_e.py", "v/001_f.py"};

	for (size_t i = 0; i < COUNT(others); i++)
		put_migration(e, others[i], 0644);
	put_migration(e, "v1.1.0/001_a.py", 0644);
	assert_gap(e, "1.0.0", "2.0.0", only);
}

static void
bad_names(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const names[] = {"1_a.py", "01_a.py", "0001_a.py", "001-a.py", "001a.py",
	    "001.py", "001", "001_", "00x_a.py", "001_a b.py", "001_a\n.py", "001_$(id).py",
	    "001_a;b", "001_\303\244.py", "001_a~", "1.0.0", "001_'a'"};
	char path[TEST_PATH_MAX];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "v1.1.0/%s", names[i]);
		put_migration(e, path, 0755);
		assert_invalid(e, "v1.1.0/");
		snprintf(path, sizeof(path), "migrations/v1.1.0/%s", names[i]);
		assert_int_equal(unlinkat(e->repo_fd, path, 0), 0);
	}
	assert_int_equal(gap_list(e, "1.0.0", "2.0.0"), 0);
}

static void
long_name(void **state)
{
	struct exe *e = exe_of(state);
	char path[TEST_PATH_MAX] = "v1.1.0/001_";

	memset(path + strlen(path), 'a', LONG_NAME_BYTES);
	put_migration(e, path, 0755);
	assert_invalid(e, "001_aaa");
}

static void
bad_versions(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const names[] = {"v1", "v1.1", "v1.1.0.0", "v01.1.0", "v1.1.0-",
	    "v1.1.0-01", "v1.1.0 ", "v1.x.0", "v1.1.0~"};
	char path[TEST_PATH_MAX];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "migrations/%s", names[i]);
		put_migration(e, "README", 0644);
		assert_int_equal(mkdirat(e->repo_fd, path, 0755), 0);
		assert_invalid(e, "not a version");
		assert_int_equal(unlinkat(e->repo_fd, path, AT_REMOVEDIR), 0);
	}
}

static void
not_executable(void **state)
{
	struct exe *e = exe_of(state);

	put_migration(e, "v1.1.0/001_a.sh", 0644);
	assert_invalid(e, "v1.1.0/001_a.sh: not executable");
	assert_int_equal(fchmodat(e->repo_fd, "migrations/v1.1.0/001_a.sh", 0755, 0), 0);
	assert_int_equal(gap_list(e, "1.0.0", "2.0.0"), 0);
	assert_int_equal(e->run.gap_count, 1);
}

static void
not_regular(void **state)
{
	struct exe *e = exe_of(state);

	put_migration(e, "v1.1.0/README", 0644);
	assert_int_equal(symlinkat("README", e->repo_fd, "migrations/v1.1.0/001_a.py"), 0);
	assert_invalid(e, "not a regular file");
	assert_int_equal(unlinkat(e->repo_fd, "migrations/v1.1.0/001_a.py", 0), 0);
	assert_int_equal(mkfifoat(e->repo_fd, "migrations/v1.1.0/001_a.py", 0755), 0);
	assert_invalid(e, "not a regular file");
	assert_int_equal(unlinkat(e->repo_fd, "migrations/v1.1.0/001_a.py", 0), 0);
	assert_int_equal(mkdirat(e->repo_fd, "migrations/v1.1.0/001_a", 0755), 0);
	assert_invalid(e, "not a regular file");
}

static void
version_not_directory(void **state)
{
	struct exe *e = exe_of(state);

	put_migration(e, "v1.1.0", 0755);
	assert_invalid(e, "v1.1.0");
	assert_int_equal(unlinkat(e->repo_fd, "migrations/v1.1.0", 0), 0);
	assert_int_equal(symlinkat("/", e->repo_fd, "migrations/v1.1.0"), 0);
	assert_invalid(e, "v1.1.0");
}

static void
outside_the_gap(void **state)
{
	struct exe *e = exe_of(state);
	static const char *const none[] = {NULL};

	put_migration(e, "v0.9.0/1_old.py", 0644);
	put_migration(e, "v3.0.0/1_later.py", 0644);
	assert_gap(e, "1.0.0", "2.0.0", none);
}

static void
no_versions(void **state)
{
	struct exe *e = exe_of(state);

	put_migration(e, "v1.1.0/001_a.py", 0644);
	assert_int_equal(gap_list(e, "", "1.1.0"), -1);
	assert_int_equal(e->run.reason, REASON_VERSION_UNKNOWN);
	assert_int_equal(gap_list(e, "1.0.0", "main"), -1);
	assert_int_equal(e->run.reason, REASON_VERSION_UNKNOWN);
}

static void
python(void **state)
{
	(void)state;
	assert_true(gap_is_python("1.1.0/001_a.py"));
	assert_false(gap_is_python("1.1.0/001_a.sh"));
	assert_false(gap_is_python("1.1.0/001_py"));
	assert_false(gap_is_python("1.1.0/001_a.pyc"));
	assert_false(gap_is_python(".py"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("versions come in their precedence, prereleases first", by_version),
	    EXE_TEST("within a version the number decides, then the name", by_number_and_name),
	    EXE_TEST("the gap begins behind from and ends with to", bounds),
	    EXE_TEST("build metadata makes no gap", build_metadata),
	    EXE_TEST("without migrations the gap is empty", nothing),
	    EXE_TEST("other files are not migrations", ignored),
	    EXE_TEST("a name that is nearly a migration's is refused", bad_names),
	    EXE_TEST("a name too long is refused", long_name),
	    EXE_TEST("a directory that is nearly a version is refused", bad_versions),
	    EXE_TEST("a program must be executable", not_executable),
	    EXE_TEST("links, pipes and directories are refused", not_regular),
	    EXE_TEST(
		"a version must be a directory, a link is not followed", version_not_directory),
	    EXE_TEST("what lies outside the gap is not looked at", outside_the_gap),
	    EXE_TEST("without two versions there is no gap", no_versions),
	    EXE_TEST("Python is known by its ending", python),
	};

	return cmocka_run_group_tests_name("gap", tests, NULL, NULL);
}
