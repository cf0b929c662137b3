/*
 * version.c - Semantic Versioning 2.0.0, in full.
 *
 * room: every process; pure.
 * distrusts: every byte: ASCII only, exact syntax, no overflow (numbers stay digit strings).
 */
#include "version.h"

#include <stdbool.h>
#include <string.h>

#define DIGITS         "0123456789"
#define LETTERS_HYPHEN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"

/* Length of the number at s, 0 when there is none: no leading zeros (clause 2). */
static size_t
number_length(const char *s)
{
	size_t len = strspn(s, DIGITS);

	return len > 1 && s[0] == '0' ? 0 : len;
}

/* Length of "1.2.3" at s, or 0. */
static size_t
core_length(const char *s)
{
	size_t at = 0, len;
	int i;

	for (i = 0; i < 3; i++) {
		if (i > 0 && s[at++] != '.')
			return 0;
		len = number_length(s + at);
		if (len == 0)
			return 0;
		at += len;
	}
	return at;
}

/*
 * Length of the identifiers at s, joined by dots; 0 when one of them is wrong. Numbers among them
 * have no leading zeros in a pre-release (clause 9); in build metadata they may (clause 10).
 */
static size_t
identifiers_length(const char *s, bool zeros)
{
	size_t at = 0, len;

	for (;;) {
		len = strspn(s + at, DIGITS LETTERS_HYPHEN);
		if (len == 0)
			return 0;
		if (!zeros && len > 1 && s[at] == '0' && strspn(s + at, DIGITS) == len)
			return 0;
		at += len;
		if (s[at] != '.')
			return at;
		at++;
	}
}

int
version_parse(struct version *v, const char *text)
{
	size_t at, len;

	memset(v, 0, sizeof(*v));
	if (text[0] == 'v')
		text++;
	at = core_length(text);
	if (at == 0)
		return -1;
	if (text[at] == '-') {
		len = identifiers_length(text + at + 1, false);
		if (len == 0)
			return -1;
		at += 1 + len;
	}
	if (text[at] == '+') {
		len = identifiers_length(text + at + 1, true);
		if (len == 0)
			return -1;
		at += 1 + len;
	}
	if (text[at] != '\0' || at >= sizeof(v->text))
		return -1;
	memcpy(v->text, text, at);
	return 0;
}

/* Without leading zeros the longer number is the greater one. */
static int
compare_numbers(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

/* Clause 11.4.1 to 11.4.3. */
static int
compare_identifiers(const char *a, size_t a_len, const char *b, size_t b_len)
{
	bool a_number = strspn(a, DIGITS) >= a_len;
	bool b_number = strspn(b, DIGITS) >= b_len;
	int c;

	if (a_number && b_number)
		return compare_numbers(a, a_len, b, b_len);
	if (a_number != b_number)
		return a_number ? -1 : 1;
	c = memcmp(a, b, a_len < b_len ? a_len : b_len);
	if (c != 0 || a_len == b_len)
		return c;
	return a_len < b_len ? -1 : 1;
}

/* a and b stand behind the core: at '-', '+' or the end. */
static int
compare_prereleases(const char *a, const char *b)
{
	size_t a_len, b_len;
	int c;

	if (*a != '-' || *b != '-')
		return (*a != '-') - (*b != '-');
	do {
		a++;
		b++;
		a_len = strcspn(a, ".+");
		b_len = strcspn(b, ".+");
		c = compare_identifiers(a, a_len, b, b_len);
		if (c != 0)
			return c;
		a += a_len;
		b += b_len;
	} while (*a == '.' && *b == '.');
	return (*a == '.') - (*b == '.'); /* clause 11.4.4: more fields are greater */
}

int
version_compare(const struct version *a, const struct version *b)
{
	const char *s = a->text, *t = b->text;
	size_t s_len, t_len;
	int i, c;

	for (i = 0; i < 3; i++) {
		s_len = strspn(s, DIGITS);
		t_len = strspn(t, DIGITS);
		c = compare_numbers(s, s_len, t, t_len);
		if (c != 0)
			return c;
		s += s_len + (i < 2);
		t += t_len + (i < 2);
	}
	return compare_prereleases(s, t);
}
