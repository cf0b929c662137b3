/*
 * signal.c - fuzzer of parent/signal.c: the content of a signal file.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * A good signal is one that the executor's door takes. Jansson reads it a second time, so that what
 * is called good is known to be the object of the contract, and nothing behind it.
 */
#include <jansson.h>

#include "fuzz.h"
#include "monitor.h"
#include "text.h"

static bool
is_value(const json_t *object, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text != NULL && text[0] == 'v')
		text++;
	return text != NULL && strcmp(text, value) == 0;
}

static void
check_good(const char *text, size_t len, const struct mon_signal *s)
{
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct wire_message m;

	HOLDS(json_is_object(object) && is_value(object, "current", s->current) &&
	      is_value(object, "available", s->available) &&
	      is_value(object, "channel", wire_channel_name(s->channel)));
	HOLDS(s->unknown[0] == '\0' || json_object_size(object) > 3);
	json_decref(object);
	memset(&m, 0, sizeof(m));
	m.header.type = REQ_RUN;
	m.header.size = sizeof(m.body.run);
	m.body.run.channel = s->channel;
	memcpy(m.body.run.current, s->current, sizeof(s->current));
	memcpy(m.body.run.available, s->available, sizeof(s->available));
	HOLDS(wire_check(DOOR_REQUESTS, &m, sizeof(m.header) + sizeof(m.body.run)) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct mon_signal s;
	enum mon_verdict verdict;

	memset(&s, 0, sizeof(s));
	verdict = mon_signal_parse(text, size, &s);
	HOLDS(verdict == SIGNAL_GOOD || verdict == SIGNAL_HALF || verdict == SIGNAL_BAD);
	HOLDS((verdict == SIGNAL_GOOD) == (s.why[0] == '\0'));
	HOLDS(strnlen(s.why, sizeof(s.why)) < sizeof(s.why) && fuzz_is_printable(s.why));
	HOLDS(strnlen(s.unknown, sizeof(s.unknown)) < sizeof(s.unknown) &&
	      fuzz_is_printable(s.unknown));
	if (verdict == SIGNAL_GOOD)
		check_good(text, size, &s);
	free(text);
	return 0;
}
