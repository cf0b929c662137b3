/*
 * version.h - Semantic Versioning 2.0.0 (https://semver.org/spec/v2.0.0.html), in full.
 *
 * room: every process; pure.
 * distrusts: every byte: ASCII only, exact syntax, no overflow (numbers stay digit strings).
 */
#ifndef MOULT_VERSION_H
#define MOULT_VERSION_H

#include <stddef.h>

/* Room for a version's text without the leading v, with its NUL. */
#define VERSION_MAX 128

struct version {
	char text[VERSION_MAX]; /* without the leading v; the tag's name is "v" and this */
};

/*
 * Parses all of text, with or without one leading "v". Returns 0, or -1 and leaves v zeroed: not
 * exactly a semantic version, or 128 bytes or longer.
 */
int version_parse(struct version *v, const char *text);

/* Precedence by clause 11: negative, 0 or positive. Build metadata does not count. */
int version_compare(const struct version *a, const struct version *b);

#endif
