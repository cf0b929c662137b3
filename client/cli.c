/*
 * cli.c - options, help and colors of every command, in one place.
 *
 * room: client: a person's shell; no power beyond the user's own.
 * distrusts: the command line.
 */
#include "client.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* A long option's value is its letter, whether or not the letter can be typed. */
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},
    {"channel", required_argument, NULL, 'c'},
    {"current", required_argument, NULL, 'C'},
    {NULL, 0, NULL, 0},
};

static void
print_help(const struct cli_command *self)
{
	printf("usage: moult %s %s\n\n%s.\n\n"
	       "  -f, --config=FILE   configuration (default: " CLIENT_CONFIG ")\n"
	       "  -h, --help          this text\n%s"
	       "Any command: 64 usage; 74 output lost; 78 the configuration is wrong.\n",
	    self->name, self->synopsis, self->brief, self->help);
}

int
cli_usage(const struct cli_command *self, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "moult %s: ", self->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: moult %s %s\n", self->name, self->synopsis);
	return EX_USAGE;
}

/* letter is what getopt_long(3) made of it: ':' or '?', or an option of another command. */
static int
refuse_option(const struct cli_command *self, int letter, char *argv[])
{
	const char *word = argv[optind - 1];
	const struct option *option = long_options;

	if (letter == ':')
		return cli_usage(self, "option %s lacks its argument", word);
	if (letter == '?' && optopt == 0) /* a long one; nothing like it, or too much */
		return cli_usage(self, "unknown option %s", word);
	if (letter == '?' && strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL)
		return cli_usage(self, "option %s takes no argument", word);
	if (letter == '?')
		return cli_usage(self, "unknown option -%c", optopt);
	while (option->val != letter)
		option++;
	if (option->has_arg == required_argument) /* the word may be its argument */
		return cli_usage(self, "unknown option --%s", option->name);
	return cli_usage(self, "unknown option %s", word);
}

int
cli_parse(const struct cli_command *self, int argc, char *argv[], struct cli_options *o)
{
	int letter;
	const char *letters = self->letters[0] == '+' ? "+:f:hj" : ":f:hj";

	*o = (struct cli_options){.config = CLIENT_CONFIG};
	opterr = 0; /* told below, in the same words for all */
	while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (letter == 'h') {
			print_help(self);
			return EX_OK;
		}
		if (letter != 'f' && strchr(self->letters, letter) == NULL)
			return refuse_option(self, letter, argv);
		if (letter == 'f')
			o->config = optarg;
		else if (letter == 'j')
			o->json = true;
		else if (letter == 'c')
			o->channel = optarg;
		else if (letter == 'C')
			o->current = optarg;
	}
	return CLI_GO_ON;
}

static void
print_complaint(void *arg, const char *file, int line, const char *text)
{
	(void)arg;
	if (line > 0)
		fprintf(stderr, "moult: %s:%d: %s\n", file, line, text);
	else
		fprintf(stderr, "moult: %s: %s\n", file, text);
}

int
cli_config(const char *path, struct conf *c)
{
	return conf_load(c, path, print_complaint, NULL) == 0 ? 0 : EX_CONFIG;
}

const char *
cli_color(enum cli_color color)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no_color != NULL && no_color[0] != '\0') || !isatty(STDOUT_FILENO) || term == NULL ||
	    strcmp(term, "dumb") == 0)
		return "";
	switch (color) {
	case CLI_PLAIN:
		return "\033[0m";
	case CLI_GREEN:
		return "\033[32m";
	case CLI_YELLOW:
		return "\033[33m";
	case CLI_RED:
		return "\033[31m";
	}
	return "";
}
