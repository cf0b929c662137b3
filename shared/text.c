/*
 * text.c - text that came from somewhere else, made safe to keep, print and compare.
 *
 * room: every process; pure.
 * distrusts: every byte.
 *
 * Nothing here asks the locale: a byte means the same in every process and on every host.
 */
#include "text.h"

#define LIBBSD_OPENBSD_VIS /* which strnvis(3) we mean; we use neither */
#include <bsd/vis.h>
#include <string.h>

/* The longest escape of one byte is \ooo; vis(3) adds a NUL. */
#define ESCAPE_MAX 5

static bool
is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* The escape of src[at] into out; the byte behind it decides whether \0 is unambiguous. */
static size_t
escape_byte(char out[ESCAPE_MAX], const char *src, size_t len, size_t at)
{
	int next = at + 1 < len ? (unsigned char)src[at + 1] : '\0';

	if (is_printable(src[at]) && src[at] != '\\') {
		out[0] = src[at];
		return 1;
	}
	if (vis(out, (unsigned char)src[at],
		VIS_CSTYLE | VIS_OCTAL | VIS_TAB | VIS_NL | VIS_NOLOCALE, next) == NULL) {
		out[0] = '?'; /* vis(3) found no memory: the byte is lost, the line is not */
		return 1;
	}
	return strlen(out);
}

size_t
text_escape(char *dst, size_t size, const void *src, size_t len)
{
	char one[ESCAPE_MAX];
	size_t used = 0, n, i;

	for (i = 0; i < len; i++) {
		n = escape_byte(one, src, len, i);
		if (n > size - 1 - used)
			break;
		memcpy(dst + used, one, n);
		used += n;
	}
	dst[used] = '\0';
	return used;
}

size_t
text_escape_tail(char *dst, size_t size, const void *src, size_t len)
{
	char one[ESCAPE_MAX];
	size_t room = size - 1, start = len, n;

	while (start > 0) {
		n = escape_byte(one, src, len, start - 1);
		if (n > room)
			break;
		room -= n;
		start--;
	}
	return text_escape(dst, size, (const char *)src + start, len - start);
}

bool
text_is_field_or_empty(const char *s, size_t size)
{
	size_t i = 0;

	while (i < size && is_printable(s[i]))
		i++;
	if (i == size)
		return false;
	while (i < size && s[i] == '\0')
		i++;
	return i == size;
}

bool
text_is_field(const char *s, size_t size)
{
	return size > 0 && s[0] != '\0' && text_is_field_or_empty(s, size);
}

bool
text_is_object_id(const char *s)
{
	size_t len = strspn(s, "0123456789abcdef");

	return s[len] == '\0' && (len == 40 || len == 64);
}

bool
text_is_name(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return s[len] == '\0' && len >= 1 && len <= 64 && s[0] != '.' && s[0] != '-';
}

void
text_hex(char *dst, const uint8_t *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		dst[2 * i] = digits[src[i] >> 4];
		dst[2 * i + 1] = digits[src[i] & 0x0f];
	}
	dst[2 * len] = '\0';
}
