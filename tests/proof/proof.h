/*
 * proof.h - what the proofs have in common: inputs that may be anything, and the string functions
 * of the C library as the standard describes them.
 *
 * room: tests. Frama-C's Eva reads a proof together with the source that it is about; it follows
 * every execution at once and reports each operation that it cannot show to be defined.
 * distrusts: nothing.
 *
 * Which of two equal buffers an input stands in is left open where its content is not to be told
 * apart byte by byte: so executions that differ in it alone are followed as one.
 */
#ifndef PROOF_H
#define PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "__fc_builtin.h"

#define ANY_OF(a, b) (((char *[]){(a), (b)})[Frama_C_interval(0, 1)])

/* len bytes of which nothing is known. */
static void
fill(char *at, size_t len)
{
	Frama_C_make_unknown(at, len);
}

#ifdef PROOF_BY_LENGTH
/* Somewhere in the text: the string has to end inside its buffer, or strlen(3) is an alarm. */
size_t
strspn(const char *s, const char *accept)
{
	(void)accept;
	return (size_t)Frama_C_interval(0, (int)strlen(s));
}

size_t
strcspn(const char *s, const char *reject)
{
	(void)reject;
	return (size_t)Frama_C_interval(0, (int)strlen(s));
}
#else
/* Exact for the sets that version.c names; anything but a NUL may be in another one. */
static bool
is_in(char c, const char *set)
{
	if (c == '\0')
		return false;
	if (set[0] == '0' && set[10] == '\0') /* the digits alone */
		return c >= '0' && c <= '9';
	return Frama_C_nondet(0, 1) != 0;
}

size_t
strspn(const char *s, const char *accept)
{
	size_t len = 0;

	while (is_in(s[len], accept))
		len++;
	return len;
}

size_t
strcspn(const char *s, const char *reject)
{
	size_t len = 0;

	while (s[len] != '\0' && !is_in(s[len], reject))
		len++;
	return len;
}
#endif

#endif
