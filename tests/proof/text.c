/*
 * text.c - proof of shared/text.c: escaping of any bytes into any room, and what text may be.
 *
 * room: tests.
 * distrusts: nothing.
 */
#define PROOF_BY_LENGTH
#include "text.h"
#include "proof.h"

/* From proof.sh, but for the entries that do not need them. */
#ifndef SOURCE_MAX
#define SOURCE_MAX 1 /* bytes to escape */
#endif
#ifndef FIELD_MAX
#define FIELD_MAX 1
#endif
#define ROOM_MAX   (2 * SOURCE_MAX + 2) /* for their escapes: too little, and enough */
#define STRING_MAX 100
#define HEX_MAX    32

/* vis(3) writes one to four bytes and a NUL, or has no memory. How many is told by strlen(3), which
 * is asked of nothing else there. */
char *
vis(char *dst, int c, int flag, int next)
{
	(void)c, (void)flag, (void)next;
	if (Frama_C_nondet(0, 1))
		return NULL;
	fill(dst, 5);
	return dst + Frama_C_interval(1, 4);
}

static size_t
escape_length(const char *dst)
{
	(void)dst;
	for (size_t len = 1; len < 4; len++)
		if (Frama_C_nondet(0, 1))
			return len;
	return 4;
}

#define strlen(s) escape_length(s)
#include "../../shared/text.c"
#undef strlen

/* Twice, with the end of the memory at the end of each. */
static char source_a[SOURCE_MAX], source_b[SOURCE_MAX];
static char room_a[ROOM_MAX], room_b[ROOM_MAX];

static void
escape(size_t len, size_t size)
{
	const char *src = ANY_OF(source_a, source_b) + SOURCE_MAX - len;
	char *dst = ANY_OF(room_a, room_b) + ROOM_MAX - size;
	size_t used = text_escape(dst, size, src, len);

	//@ assert used < size;
	//@ slevel merge;
	used = text_escape_tail(dst, size, src, len);
	//@ assert used < size;
}

static void
field(size_t size)
{
	char memory[FIELD_MAX], *s = memory + FIELD_MAX - size;

	fill(memory, sizeof(memory));
	if (text_is_field_or_empty(s, size)) {
		//@ assert s[size - 1] == 0;
	}
	//@ slevel merge;
	fill(memory, sizeof(memory));
	(void)text_is_field(s, size);
}

static void
string(size_t len)
{
	char memory[STRING_MAX + 1], *s = memory + STRING_MAX - len;

	fill(memory, sizeof(memory));
	memory[STRING_MAX] = '\0';
	(void)text_is_object_id(s);
	(void)text_is_name(s);
}

static void
hex(size_t len)
{
	char dst[2 * HEX_MAX + 1];
	uint8_t src[HEX_MAX];

	fill((char *)src, sizeof(src));
	text_hex(dst + 2 * (HEX_MAX - len), src + (HEX_MAX - len), len);
}

void
escaping(void)
{
	fill(source_a, sizeof(source_a));
	fill(source_b, sizeof(source_b));
	fill(room_a, sizeof(room_a));
	fill(room_b, sizeof(room_b));
	for (size_t len = 0; len <= SOURCE_MAX; len++)
		for (size_t size = 1; size <= ROOM_MAX; size++) {
			//@ slevel merge;
			escape(len, size);
		}
}

void
fields(void)
{
	for (size_t size = 1; size <= FIELD_MAX; size++) {
		//@ slevel merge;
		field(size);
	}
}

void
strings(void)
{
	for (size_t len = 0; len <= STRING_MAX; len++) {
		//@ slevel merge;
		string(len);
	}
	for (size_t len = 0; len <= HEX_MAX; len++) {
		//@ slevel merge;
		hex(len);
	}
}
