/*
 * text.h - text that came from somewhere else, made safe to keep, print and compare.
 *
 * room: every process; pure.
 * distrusts: every byte.
 */
#ifndef MOULT_TEXT_H
#define MOULT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes src as printable ASCII: bytes outside 0x20..0x7e, and the backslash, become vis(3)
 * escapes; the result always ends in NUL, is cut between escapes when dst is full, and its
 * length is returned. size counts the NUL and is at least 1.
 */
size_t text_escape(char *dst, size_t size, const void *src, size_t len);

/* As text_escape(), but when src does not fit its *end* is kept: the tail of a log. */
size_t text_escape_tail(char *dst, size_t size, const void *src, size_t len);

/* True when s holds 1 to size - 1 bytes of printable ASCII and a NUL within size bytes,
 * and every byte after that NUL is NUL too: a field that crossed the socket. */
bool text_is_field(const char *s, size_t size);
/* As text_is_field(), and may be empty. */
bool text_is_field_or_empty(const char *s, size_t size);

/* 40 or 64 lower-case hexadecimal digits and nothing else: a full git object id. */
bool text_is_object_id(const char *s);

/* 1 to 64 of A-Z a-z 0-9 . _ - and not beginning with '.' or '-': a host or service name. */
bool text_is_name(const char *s);

/* 2 * len + 1 bytes are written to dst. */
void text_hex(char *dst, const uint8_t *src, size_t len);

#endif
