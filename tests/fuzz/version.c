/*
 * version.c - fuzzer of shared/version.c, beside another reading of the same standard.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * An input is up to three lines: what is a version and what is not is told by the regular
 * expression that semver.org publishes, and the order of any three is the one of a plain rewriting
 * of clause 11.
 */
#include <regex.h>

#include "fuzz.h"
#include "version.h"

#define NUMBER     "(0|[1-9][0-9]*)"
#define PRERELEASE "(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
#define BUILD      "[0-9a-zA-Z-]+"
#define SEMVER                                                                                  \
	"^" NUMBER "\\." NUMBER "\\." NUMBER "(-" PRERELEASE "(\\." PRERELEASE ")*)?(\\+" BUILD \
	"(\\." BUILD ")*)?$"

#define VERSIONS 3
#define LONGEST  300

static bool
is_version(const char *text)
{
	static regex_t regex;
	static bool made;

	if (!made)
		HOLDS(regcomp(&regex, SEMVER, REG_EXTENDED | REG_NOSUB) == 0);
	made = true;
	return regexec(&regex, text, 0, NULL, 0) == 0;
}

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

static int
plain_compare_one(const char *a, const char *b)
{
	bool a_digits = a[strspn(a, "0123456789")] == '\0';
	bool b_digits = b[strspn(b, "0123456789")] == '\0';

	if (a_digits != b_digits)
		return a_digits ? -1 : 1;
	if (a_digits && strlen(a) != strlen(b))
		return strlen(a) < strlen(b) ? -1 : 1;
	return sign(strcmp(a, b));
}

/* Cuts both texts into their parts. What comes behind the core makes it smaller. */
static int
plain_compare(const struct version *a, const struct version *b)
{
	char s[VERSION_MAX], t[VERSION_MAX], *s_rest = s, *t_rest = t, *s_word, *t_word;
	bool s_pre, t_pre;
	int c = 0;

	snprintf(s, sizeof(s), "%.*s", (int)strcspn(a->text, "+"), a->text);
	snprintf(t, sizeof(t), "%.*s", (int)strcspn(b->text, "+"), b->text);
	s_pre = strsep(&s_rest, "-") != NULL && s_rest != NULL;
	t_pre = strsep(&t_rest, "-") != NULL && t_rest != NULL;
	char *s_core = s, *t_core = t;
	while (c == 0 && s_core != NULL && t_core != NULL) {
		s_word = strsep(&s_core, ".");
		t_word = strsep(&t_core, ".");
		c = plain_compare_one(s_word, t_word);
	}
	if (c != 0 || !s_pre || !t_pre)
		return c != 0 ? c : t_pre - s_pre;
	while (c == 0 && s_rest != NULL && t_rest != NULL) {
		s_word = strsep(&s_rest, ".");
		t_word = strsep(&t_rest, ".");
		c = plain_compare_one(s_word, t_word);
	}
	return c != 0 ? c : (s_rest != NULL) - (t_rest != NULL);
}

static bool
parses(struct version *v, const char *text)
{
	const char *bare = text[0] == 'v' ? text + 1 : text;
	static const struct version none;
	struct version again;
	bool good = version_parse(v, text) == 0;

	HOLDS(good == (is_version(bare) && strlen(bare) < VERSION_MAX));
	if (!good) {
		HOLDS(memcmp(v, &none, sizeof(none)) == 0);
		return false;
	}
	HOLDS(strcmp(v->text, bare) == 0);
	HOLDS(version_parse(&again, v->text) == 0 && memcmp(v, &again, sizeof(again)) == 0);
	HOLDS(version_compare(v, v) == 0);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {(const char *)data, size};
	struct version v[VERSIONS];
	size_t count = 0, i, j, k;

	for (i = 0; i < VERSIONS; i++) {
		char *text = fuzz_string(&f, '\n');

		if (strlen(text) <= LONGEST)
			count += parses(&v[count], text);
		free(text);
	}
	for (i = 0; i < count; i++)
		for (j = 0; j < count; j++) {
			int c = sign(version_compare(&v[i], &v[j]));

			HOLDS(c == -sign(version_compare(&v[j], &v[i])));
			HOLDS(c == plain_compare(&v[i], &v[j]));
			for (k = 0; k < count; k++) {
				int d = sign(version_compare(&v[j], &v[k]));

				if (c <= 0 && d <= 0)
					HOLDS(sign(version_compare(&v[i], &v[k])) ==
					      (c < 0 || d < 0 ? -1 : 0));
			}
		}
	return 0;
}
