/*
 * test_text.c - shared/text.c.
 *
 * room: tests.
 * distrusts: nothing.
 */
#define LIBBSD_OPENBSD_VIS
#include <bsd/vis.h>
#include <limits.h>
#include <locale.h>

#include "check.h"
#include "text.h"

static void
assert_printable(const char *s)
{
	for (; *s != '\0'; s++)
		assert_in_range((unsigned char)*s, 0x20, 0x7e);
}

/* unvis(3) reverses vis(3), so what it gives back proves that nothing was lost. */
static void
assert_reversible(const unsigned char *src, size_t len)
{
	char escaped[64], back[64];
	size_t n = text_escape(escaped, sizeof(escaped), src, len);

	assert_int_equal(strlen(escaped), n);
	assert_printable(escaped);
	assert_int_equal(strunvis(back, escaped), (int)len);
	assert_memory_equal(back, src, len);
}

static void
every_pair(void **state)
{
	unsigned char src[2];
	int a, b;

	(void)state;
	for (a = 0; a < 256; a++)
		for (b = 0; b < 256; b++) {
			src[0] = (unsigned char)a;
			src[1] = (unsigned char)b;
			assert_reversible(src, 1);
			assert_reversible(src, 2);
		}
}

static void
every_locale(void **state)
{
	static const char *const locales[] = {"C.UTF-8", "en_US.UTF-8", "en_US.ISO-8859-1"};
	char plain[8], other[8];
	size_t i;
	int c;

	(void)state;
	for (i = 0; i < COUNT(locales); i++)
		for (c = 0; c < 256; c++) {
			unsigned char byte = (unsigned char)c;

			setlocale(LC_ALL, "C");
			text_escape(plain, sizeof(plain), &byte, 1);
			setlocale(LC_ALL, locales[i]); /* not every host has each */
			text_escape(other, sizeof(other), &byte, 1);
			assert_string_equal(plain, other);
		}
	setlocale(LC_ALL, "C");
}

static void
known_escapes(void **state)
{
	char out[64];

	(void)state;
	text_escape(out, sizeof(out), "a\nb\tc\\d\033[1m\xc3\xa9", 13);
	assert_string_equal(out, "a\\nb\\tc\\\\d\\033[1m\\303\\251");
}

static void
cut_between(void **state)
{
	static const char src[] = "ab\n\xff\\c";
	static const char full[] = "ab\\n\\377\\\\c";
	/* The longest length at each size that does not cut an escape. */
	static const size_t want[] = {0, 1, 2, 2, 4, 4, 4, 4, 8, 8, 10, 11};
	char out[32];
	size_t size;

	(void)state;
	for (size = 1; size <= COUNT(want); size++) {
		memset(out, '#', sizeof(out));
		assert_int_equal(text_escape(out, size, src, sizeof(src) - 1), want[size - 1]);
		assert_memory_equal(out, full, want[size - 1]);
		assert_int_equal(out[want[size - 1]], '\0');
		assert_int_equal(out[size], '#');
	}
}

static void
tail_keeps_end(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(text_escape_tail(out, 6, "first\nlast", 10), 4);
	assert_string_equal(out, "last");
	assert_int_equal(text_escape_tail(out, 7, "first\nlast", 10), 6);
	assert_string_equal(out, "\\nlast");
	assert_int_equal(text_escape_tail(out, sizeof(out), "all", 3), 3);
	assert_string_equal(out, "all");
	assert_int_equal(text_escape_tail(out, 1, "none", 4), 0);
	assert_string_equal(out, "");
	assert_int_equal(text_escape_tail(out, sizeof(out), "", 0), 0);
}

static void
fields(void **state)
{
	static const char good[8] = "abc", empty[8] = "", full[8] = "abcdefg";
	static const char dirty[8] = "abc\0x", control[8] = "a\nb", high[8] = "a\x80";
	static const char late[8] = "abc\0\0\0\0x";
	static const char unended[8] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};

	(void)state;
	assert_true(text_is_field(good, 8));
	assert_true(text_is_field(full, 8));
	assert_false(text_is_field(empty, 8));
	assert_true(text_is_field_or_empty(empty, 8));
	assert_false(text_is_field_or_empty(dirty, 8));
	assert_false(text_is_field_or_empty(late, 8));
	assert_false(text_is_field_or_empty(control, 8));
	assert_false(text_is_field_or_empty(high, 8));
	assert_false(text_is_field_or_empty(unended, 8));
	assert_false(text_is_field(good, 0));
}

#define TEN "0123456789"

static void
object_ids(void **state)
{
	(void)state;
	assert_true(text_is_object_id("abcdef" TEN TEN TEN "aaaa"));
	assert_true(text_is_object_id("abcd" TEN TEN TEN TEN TEN TEN));
	assert_false(text_is_object_id(""));
	assert_false(text_is_object_id("abcdef" TEN TEN TEN "aaa"));
	assert_false(text_is_object_id("abcdef" TEN TEN TEN "aaaaa"));
	assert_false(text_is_object_id("ABCDEF" TEN TEN TEN "aaaa"));
	assert_false(text_is_object_id("abcdef" TEN TEN TEN "aaa\n"));
	assert_false(text_is_object_id("abcdef" TEN TEN TEN "aaaa\n"));
}

static void
names(void **state)
{
	static const char *const good[] = {
	    "a", "A-1", "host.example", "_x", "9", TEN TEN TEN TEN TEN TEN "abcd"};
	static const char *const bad[] = {"", ".", "-a", ".a", "a b", "a/b", "a:b", "{a}", "a\n",
	    "\xc3\xa9", "*", TEN TEN TEN TEN TEN TEN "abcde"};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_true(text_is_name(good[i]));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(text_is_name(bad[i]));
}

static void
hex(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x0f, 0xf0, 0xff, 0x5a};
	char out[2 * sizeof(bytes) + 2] = "###########";

	(void)state;
	text_hex(out, bytes, sizeof(bytes));
	assert_string_equal(out, "000ff0ff5a");
	assert_int_equal(out[sizeof(out) - 1], '\0');
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("escapes are printable and lose nothing, for each pair of bytes", every_pair),
	    TEST("escapes do not depend on the locale", every_locale),
	    TEST(
		"a line feed, a tab, a backslash and an escape character are shown", known_escapes),
	    TEST("a full buffer is cut between escapes and never overrun", cut_between),
	    TEST("the tail keeps the end", tail_keeps_end),
	    TEST("a field is printable, ends in NUL, and is NUL to its end", fields),
	    TEST("an object id is 40 or 64 lower-case hexadecimal digits", object_ids),
	    TEST("a name is short, plain, and no option or hidden file", names),
	    TEST("hexadecimal digits are lower-case and end in NUL", hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
