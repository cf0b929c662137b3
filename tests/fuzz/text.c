/*
 * text.c - fuzzer of shared/text.c: what is escaped is read back by strunvis(3).
 *
 * room: tests.
 * distrusts: nothing.
 */
#define LIBBSD_OPENBSD_VIS /* which strnunvis(3) we mean; we use neither */
#include <bsd/vis.h>

#include "fuzz.h"
#include "text.h"

#define OUT_MAX 600

/* An escape, read back, is a piece of what it was made from: its beginning, or its end. */
static void
check_escape(const char *src, size_t len, size_t size, bool tail)
{
	char *dst = malloc(size), *back = malloc(size), *field = calloc(1, size + 1);
	size_t used;
	int n;

	HOLDS(dst != NULL && back != NULL && field != NULL);
	used = (tail ? text_escape_tail : text_escape)(dst, size, src, len);
	HOLDS(used < size && strlen(dst) == used && fuzz_is_printable(dst));
	n = strunvis(back, dst);
	HOLDS(n >= 0 && (size_t)n <= len);
	HOLDS(memcmp(back, tail ? src + (len - (size_t)n) : src, (size_t)n) == 0);
	HOLDS((size_t)n == len || used + 4 >= size); /* cut only where no escape fits */
	memcpy(field, dst, used);
	HOLDS(text_is_field_or_empty(field, size) && text_is_field(field, size) == (used > 0));
	field[size - 1] = 'x';
	HOLDS(!text_is_field_or_empty(field, size));
	free(dst);
	free(back);
	free(field);
}

static void
check_words(const char *text)
{
	size_t len = strlen(text), i;
	bool id = len == 40 || len == 64, name = len >= 1 && len <= 64;

	for (i = 0; i < len; i++) {
		char c = text[i];
		bool digit = c >= '0' && c <= '9', low = c >= 'a' && c <= 'z';

		id = id && (digit || (low && c <= 'f'));
		name = name && (digit || low || (c >= 'A' && c <= 'Z') || c == '_' ||
				   (i > 0 && (c == '.' || c == '-')));
	}
	for (i = 1; i < len; i++)
		name = name && text[0] != '.' && text[0] != '-';
	HOLDS(text_is_object_id(text) == id);
	HOLDS(text_is_name(text) == (name && text[0] != '.' && text[0] != '-'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {(const char *)data, size};
	size_t room = 1 + ((size_t)fuzz_byte(&f) << 1) + fuzz_byte(&f) % 2;
	char *src = fuzz_copy(f.at, f.left), hex[2 * OUT_MAX + 1], *word;
	size_t len = f.left < OUT_MAX ? f.left : OUT_MAX, i;

	check_escape(src, f.left, room, false);
	check_escape(src, f.left, room, true);
	text_hex(hex, (const uint8_t *)src, len);
	HOLDS(strlen(hex) == 2 * len);
	for (i = 0; i < len; i++) {
		unsigned int byte;

		HOLDS(sscanf(hex + 2 * i, "%2x", &byte) == 1 && byte == (uint8_t)src[i]);
	}
	word = fuzz_string(&f, '\n');
	check_words(word);
	free(word);
	free(src);
	return 0;
}
