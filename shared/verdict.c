/*
 * verdict.c - see verdict.h.
 *
 * room: every process; no power beyond writing to descriptor 1.
 * distrusts: a line that another process has printed.
 */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "text.h"

static const char *const words[] = {
#define WORD(symbol, word) word,
    VERDICTS(WORD)
#undef WORD
};

static const struct {
	const char *name;
	int status;
} topics[] = {
#define TOPIC(symbol, name, status) {name, status},
    VERDICT_TOPICS(TOPIC)
#undef TOPIC
};

const char *
verdict_word(enum verdict verdict)
{
	return words[verdict];
}

const char *
verdict_topic_name(enum topic topic)
{
	return topics[topic].name;
}

int
verdict_topic_status(enum topic topic)
{
	return topics[topic].status;
}

void
verdict_say(enum verdict verdict, enum topic topic, const char *fmt, ...)
{
	char text[VERDICT_TEXT_MAX], escaped[VERDICT_TEXT_MAX], line[VERDICT_LINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap); /* cut where it is too long */
	va_end(ap);
	text_escape(escaped, sizeof(escaped), text, strlen(text));
	n = snprintf(line, sizeof(line), "%s %s %s\n", words[verdict], topics[topic].name, escaped);
	if (file_write_all(STDOUT_FILENO, line, (size_t)n) == -1)
		exit(EX_IOERR);
}

/* The length of word when line begins with it and a blank; else 0. */
static size_t
begins(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 && line[len] == ' ' ? len + 1 : 0;
}

bool
verdict_read(const char *line, enum verdict *verdict, enum topic *topic, const char **text)
{
	size_t len = 0, i;

	for (i = 0; i < VERDICT_END && len == 0; i++)
		len = begins(line, words[i]);
	if (len == 0)
		return false;
	*verdict = (enum verdict)(i - 1);
	line += len;
	for (i = 0, len = 0; i < TOPIC_END && len == 0; i++)
		len = begins(line, topics[i].name);
	if (len == 0)
		return false;
	*topic = (enum topic)(i - 1);
	*text = line + len;
	len = strlen(*text);
	return len < VERDICT_TEXT_MAX && text_is_field(*text, len + 1);
}
