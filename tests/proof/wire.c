/*
 * wire.c - proof of shared/wire.c: wire_check() on any message, of any length, by either door.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * A message of the right length lies in memory that ends with it, and one of another length in
 * memory that ends with its header, so that a read behind it is an alarm. Two functions of other
 * files are replaced by what is proved of them there: version_parse(), which takes any string that
 * ends within VERSION_MAX bytes, and text_is_field_or_empty(), after which the field's last byte is
 * a NUL.
 */
#define PROOF_BY_LENGTH
#include "wire.h"
#include "proof.h"
#include "text.h"
#include "version.h"

#define LONGEST (sizeof(struct wire_message) + 8)

int
version_parse(struct version *v, const char *text)
{
	size_t len = strlen(text);

	//@ assert len < 128; // VERSION_MAX
	fill((char *)v, sizeof(*v));
	return Frama_C_interval(-1, 0);
}

bool
text_is_field_or_empty(const char *s, size_t size)
{
	return s[size - 1] == '\0' && Frama_C_nondet(0, 1) != 0;
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

#include "../../shared/wire.c"

/* Only the last bytes of it are the message's: what is read behind them is an alarm. */
static char memory[LONGEST];

/* A message of a type, by either door; bytes of it may be read at all. */
static void
check(uint16_t type, size_t bytes, size_t len)
{
	struct wire_message *m = (struct wire_message *)(memory + LONGEST - bytes);

	fill(memory, sizeof(memory));
	if (bytes >= sizeof(m->header))
		m->header.type = type;
	(void)wire_check((enum wire_door)Frama_C_unsigned_int_interval(0, UINT32_MAX), m, len);
}

/* Of every length: the one that is right, those around it, those without a whole header. */
static void
check_lengths(uint16_t type)
{
	size_t right = sizeof(struct wire_header) + wire_body_size(type);
	size_t more = Frama_C_size_t_interval(right + 1, LONGEST);

	check(type, 0, Frama_C_size_t_interval(0, sizeof(struct wire_header) - 1));
	check(type, right, right);
	if (right > sizeof(struct wire_header))
		check(type, sizeof(struct wire_header),
		    Frama_C_size_t_interval(sizeof(struct wire_header), right - 1));
	check(type, sizeof(struct wire_header), more);
}

static void
name(uint32_t number)
{
	(void)wire_type_name(number);
	(void)wire_channel_name(number);
	(void)wire_layer_name(number);
	(void)wire_layer_words(number);
	(void)wire_step_name(number);
	(void)wire_step_word(number);
	(void)wire_reason_name(number);
	(void)wire_reason_words(number);
	(void)wire_body_size(number);
}

#define BEYOND 64 /* every enum ends before it */

void
everything(void)
{
	char text[33];

	for (uint32_t number = 0; number < BEYOND; number++) {
		check_lengths((uint16_t)number);
		name(number);
	}
	check_lengths((uint16_t)Frama_C_unsigned_int_interval(BEYOND, UINT16_MAX));
	name(Frama_C_unsigned_int_interval(BEYOND, UINT32_MAX));
	fill(text, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)wire_channel_from_name(text);
}
