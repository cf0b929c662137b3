/*
 * test_version.c - shared/version.c against https://semver.org/spec/v2.0.0.html.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <limits.h>

#include "check.h"
#include "version.h"

#define TEN  "1234567890"
#define HUGE TEN TEN TEN TEN

static const char *const good[] = {
    "0.0.0",
    "0.0.4",
    "1.2.3",
    "10.20.30",
    "1.1.2-prerelease+meta",
    "1.1.2+meta",
    "1.1.2+meta-valid",
    "1.0.0-alpha",
    "1.0.0-beta",
    "1.0.0-alpha.beta",
    "1.0.0-alpha.beta.1",
    "1.0.0-alpha.1",
    "1.0.0-alpha0.valid",
    "1.0.0-alpha.0valid",
    "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
    "1.0.0-rc.1+build.1",
    "2.0.0-rc.1+build.123",
    "1.2.3-beta",
    "10.2.3-DEV-SNAPSHOT",
    "1.2.3-SNAPSHOT-123",
    "2.0.1-alpha.1227",
    "1.0.0-alpha+beta",
    "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
    "1.2.3----R-S.12.9.1--.12+meta",
    "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
    "99999999999999999999999.999999999999999999.99999999999999999",
    "1.0.0-0A.is.legal",
    "1.0.0--",
    "1.0.0-0",
    "1.0.0-0-0",
    "1.0.0+001",
    "1.0.0+-",
    "0.0.0-0+0",
    "1.0.0-00a",
    "1.0.0--1",
};

static const char *const bad[] = {
    "",
    "v",
    "1",
    "1.2",
    "1.2.3-0123",
    "1.2.3-0123.0123",
    "1.1.2+.123",
    "+invalid",
    "-invalid",
    "-invalid+invalid",
    "alpha",
    "alpha.beta",
    "1.0.0-alpha_beta",
    "1.0.0-alpha..",
    "1.0.0-alpha..1",
    "1.0.0-.",
    "1.0.0-",
    "1.0.0+",
    "1.0.0-+b",
    "1.0.0-a+",
    "01.1.1",
    "1.01.1",
    "1.1.01",
    "1.2.3.DEV",
    "1.2-SNAPSHOT",
    "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
    "1.2-RC-SNAPSHOT",
    "-1.0.3-gamma+b7718",
    "+justmeta",
    "9.8.7+meta+meta",
    "9.8.7-whatever+meta+meta",
    "1.2.3 ",
    " 1.2.3",
    "1.2.3\n",
    "1.2.3\r",
    "1. 2.3",
    "1.2.3-\xc3\xa9",
    "\xef\xbc\x91.0.0",
    "vv1.0.0",
    "V1.0.0",
    "-v1.0.0",
    "1.2.3/x",
    "../1.2.3",
    "1.2.3;x",
    "1.2.3-$(x)",
    "1.2.3~1",
    "1..3",
    ".1.2",
    "1.2.",
    "00.0.0",
    "+1.0.0",
    "1.-2.3",
    "1.2.3-01",
    "1.2.3-a.00",
    "0x1.0.0",
    "1e1.0.0",
    "1.*.0",
    "@{u}",
    "HEAD",
    "--upload-pack=x",
};

/* Each is lower than the next; names that share a line rank the same. */
static const char *const order[][2] = {
    {"0.0.0-0", "v0.0.0-0+x"},
    {"0.0.0", NULL},
    {"0.0.9", NULL},
    {"0.0.10", NULL},
    {"0.9.0", NULL},
    {"0.10.0", NULL},
    {"1.0.0-1", "1.0.0-1+z"},
    {"1.0.0-2", NULL},
    {"1.0.0-10", NULL},
    {"1.0.0-" HUGE "0", NULL},
    {"1.0.0--", NULL},
    {"1.0.0--1", NULL},
    {"1.0.0-A", NULL},
    {"1.0.0-alpha", "v1.0.0-alpha"},
    {"1.0.0-alpha.1", NULL},
    {"1.0.0-alpha.1.0", NULL},
    {"1.0.0-alpha.beta", NULL},
    {"1.0.0-alpha-", NULL},
    {"1.0.0-alpha0", NULL},
    {"1.0.0-beta", NULL},
    {"1.0.0-beta.2", NULL},
    {"1.0.0-beta.11", NULL},
    {"1.0.0-rc.1", NULL},
    {"1.0.0", "1.0.0+20130313144700"},
    {"2.0.0", NULL},
    {"2.1.0", NULL},
    {"2.1.1", NULL},
    {"10.0.0-a", NULL},
    {"10.0.0", NULL},
    {"9223372036854775808.0.0", NULL},
    {"18446744073709551616.0.0", NULL},
    {HUGE ".0.0", NULL},
};

static struct version
parsed(const char *text)
{
	struct version v;

	if (version_parse(&v, text) != 0)
		fail_msg("refused: %s", text);
	return v;
}

static void
accepts(void **state)
{
	char tag[VERSION_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		assert_string_equal(parsed(good[i]).text, good[i]);
		snprintf(tag, sizeof(tag), "v%s", good[i]);
		assert_string_equal(parsed(tag).text, good[i]);
	}
}

static void
refuses(void **state)
{
	static const struct version zero;
	struct version v;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		memset(&v, '#', sizeof(v));
		if (version_parse(&v, bad[i]) != -1)
			fail_msg("accepted: %s", bad[i]);
		assert_memory_equal(&v, &zero, sizeof(v));
	}
}

static void
length_limit(void **state)
{
	char text[VERSION_MAX + 8];
	struct version v;
	size_t len;

	(void)state;
	for (len = VERSION_MAX - 3; len < VERSION_MAX + 3; len++) {
		memset(text, 'a', sizeof(text));
		memcpy(text, "1.0.0-", 6);
		text[len] = '\0';
		assert_int_equal(version_parse(&v, text), len < VERSION_MAX ? 0 : -1);
	}
}

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

static void
precedence(void **state)
{
	size_t i, j, k, l;
	struct version a, b;

	(void)state;
	for (i = 0; i < COUNT(order); i++)
		for (j = 0; j < COUNT(order); j++)
			for (k = 0; k < 2 && order[i][k] != NULL; k++)
				for (l = 0; l < 2 && order[j][l] != NULL; l++) {
					a = parsed(order[i][k]);
					b = parsed(order[j][l]);
					if (sign(version_compare(&a, &b)) != (i > j) - (i < j))
						fail_msg("%s and %s", a.text, b.text);
				}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("each valid version is taken whole, with and without its v", accepts),
	    TEST("anything but exactly a version is refused and leaves nothing", refuses),
	    TEST("a version has less than 128 bytes", length_limit),
	    TEST("precedence follows clause 11, without overflow, both ways round", precedence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
