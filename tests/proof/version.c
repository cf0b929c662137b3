/*
 * version.c - proof of shared/version.c: parsing of any string, and comparing of what was parsed.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "proof.h"

#include "../../shared/version.c"

/* ANY_MAX, the bytes of a string of which nothing is known, comes from proof.sh. */
#ifndef ANY_MAX
#define ANY_MAX 1
#endif
#define TAIL_MIN 124
#define TAIL_MAX 131 /* and of one whose last part is long: past VERSION_MAX */
#define PAIR_MAX 3   /* bytes behind the core of two versions that are compared */

/* A string of up to max bytes, and the NUL at the end of its memory. */
static char any_a[ANY_MAX + 1], any_b[ANY_MAX + 1];

static void
parse_any(void)
{
	struct version v;

	fill(any_a, ANY_MAX);
	fill(any_b, ANY_MAX);
	any_a[ANY_MAX] = any_b[ANY_MAX] = '\0';
	(void)version_parse(&v, ANY_OF(any_a, any_b));
}

static char long_a[TAIL_MAX + 1], long_b[TAIL_MAX + 1];

/* "1.2.3-" or "1.2.3+" and then one identifier of any bytes, of each length. */
static void
parse_long(size_t len, char mark)
{
	char *from_a = long_a + TAIL_MAX - len, *from_b = long_b + TAIL_MAX - len;
	struct version v;

	memcpy(from_a, "1.2.3", 5);
	memcpy(from_b, "1.2.3", 5);
	from_a[5] = from_b[5] = mark;
	for (size_t i = 6; i < len; i++) /* a letter first: else it may be a number, and is */
		from_a[i] = from_b[i] = (char)Frama_C_interval(i == 6 ? 'A' : '0', 'z');
	from_a[len] = from_b[len] = '\0';
	if (version_parse(&v, ANY_OF(from_a, from_b)) == 0) {
		//@ assert len < 128; // VERSION_MAX
	}
}

/* Digits, a dot, and so on; behind them up to max bytes of a pre-release or build, of any kind. */
static void
make_version(char *at, size_t digits, char mark)
{
	for (int part = 0; part < 3; part++) {
		for (size_t i = 0; i < digits; i++)
			*at++ = (char)Frama_C_interval('0', '9');
		*at++ = part < 2 ? '.' : mark;
	}
	if (mark == '\0')
		return;
	fill(at, PAIR_MAX);
	at[PAIR_MAX] = '\0';
}

static void
compare(size_t a_digits, char a_mark, size_t b_digits, char b_mark)
{
	struct version a[2], b[2];

	make_version(a[0].text, a_digits, a_mark);
	make_version(a[1].text, a_digits, a_mark);
	make_version(b[0].text, b_digits, b_mark);
	make_version(b[1].text, b_digits, b_mark);
	(void)version_compare(ANY_OF(&a[0], &a[1]), ANY_OF(&b[0], &b[1]));
}

void
any(void)
{
	parse_any();
}

void
tail(void)
{
	for (size_t len = TAIL_MIN; len <= TAIL_MAX; len++) {
		//@ slevel merge;
		parse_long(len, '-');
		//@ slevel merge;
		parse_long(len, '+');
	}
}

void
pair(void)
{
	static const char marks[] = {'\0', '-', '+'};

	for (size_t i = 0; i < sizeof(marks); i++)
		for (size_t j = 0; j < sizeof(marks); j++)
			for (size_t digits = 1; digits <= 3; digits++) {
				//@ slevel merge;
				compare(digits, marks[i], 2, marks[j]);
			}
}
