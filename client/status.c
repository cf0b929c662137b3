/*
 * status.c - `moult status`: the last report, in a few lines for a person or as JSON for a program.
 *
 * room: client: a person's shell; reads, nothing else.
 * distrusts: every text of the status: it is escaped before a terminal sees it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "text.h"

#define ROW_TEXT_MAX  2048
#define TIME_TEXT_MAX 96
#define TAIL_LINES    8 /* of the failed step's output; all of it is in --json */

static void __attribute__((format(printf, 2, 3))) row(const char *label, const char *fmt, ...)
{
	char text[ROW_TEXT_MAX], escaped[2 * ROW_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_escape(escaped, sizeof(escaped), text, strlen(text));
	printf("%-10s %s\n", label, escaped);
}

/* A field as its own row, when there is one. */
static void
row_of(const struct report *r, const char *label, const char *key)
{
	const char *text = report_text(r, key);

	if (text[0] != '\0')
		row(label, "%s", text);
}

/* "42 s", "3 min", "5 h", "9 d" */
static void
format_span(double seconds, char text[TIME_TEXT_MAX])
{
	if (seconds < 100)
		snprintf(text, TIME_TEXT_MAX, "%.0f s", seconds < 0 ? 0 : seconds);
	else if (seconds < 100 * 60.)
		snprintf(text, TIME_TEXT_MAX, "%.0f min", seconds / 60);
	else if (seconds < 48 * 3600.)
		snprintf(text, TIME_TEXT_MAX, "%.0f h", seconds / 3600);
	else
		snprintf(text, TIME_TEXT_MAX, "%.0f d", seconds / 86400);
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
row_of_time(const char *label, double at)
{
	char clock[TIME_TEXT_MAX] = "?", span[TIME_TEXT_MAX];
	double away = now_s() - at;
	time_t seconds;
	struct tm tm;

	if (at < 0 || at > 253402300799.) /* the year 9999: beyond is no time */
		return;
	seconds = (time_t)at;
	if (localtime_r(&seconds, &tm) != NULL)
		strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S %z", &tm);
	format_span(away < 0 ? -away : away, span);
	if (away < 0)
		row(label, "%s (in %s)", clock, span);
	else
		row(label, "%s (%s ago)", clock, span);
}

static void
row_of_status(const struct report *r)
{
	const char *word = report_text(r, "status");
	char escaped[ROW_TEXT_MAX];
	enum cli_color color = CLI_YELLOW;

	if (strcmp(word, "deployed") == 0)
		color = CLI_GREEN;
	else if (strcmp(word, "update_failed") == 0)
		color = CLI_RED;
	text_escape(escaped, sizeof(escaped), word, strlen(word));
	printf("%-10s %s%s%s\n", "status", cli_color(color), escaped, cli_color(CLI_PLAIN));
}

static void
row_of_monitor(const struct report *r)
{
	long pid = (long)report_number(r, "pid");

	if (r->running)
		row("monitor", "running, pid %ld", pid);
	else
		printf("%-10s %snot running%s: pid %ld, which wrote this, has ended\n", "monitor",
		    cli_color(CLI_RED), cli_color(CLI_PLAIN), pid);
}

static void
rows_of_update(const struct report *r)
{
	const char *from = report_text(r, "from"), *to = report_text(r, "to");
	double attempt = report_number(r, "attempt");

	row_of(r, "version", "version");
	if (to[0] != '\0' && attempt > 1)
		row("update", "%s -> %s, attempt %.0f", from, to, attempt);
	else if (to[0] != '\0')
		row("update", "%s -> %s", from, to);
	if (report_text(r, "step")[0] != '\0')
		row("step", "%s, %.0f %%", report_text(r, "step"), report_number(r, "percent"));
	row_of(r, "channel", "channel");
	row_of(r, "commit", "commit");
	row_of(r, "signed by", "key");
	row_of(r, "run", "run");
}

/* The tail came escaped, with "\n" for each new line; its last lines are shown as lines. */
static void
rows_of_output(const struct report *r)
{
	const char *text = report_text(r, "output"), *from = text + strlen(text), *p;
	int lines = 0;

	if (text[0] == '\0')
		return;
	while (from > text && lines < TAIL_LINES) {
		from--;
		if (from[0] == '\\' && from[1] == 'n' && from[2] != '\0')
			lines++;
	}
	if (lines == TAIL_LINES)
		from += strlen("\\n");
	printf("%-10s ", "output");
	for (p = from; *p != '\0'; p++) {
		if (p[0] == '\\' && p[1] == 'n') {
			if (p[2] != '\0')
				printf("\n%-10s ", "");
			p++;
		} else if (p[0] == '\\' && p[1] == '\\') {
			putchar(*p++);
		} else if (*p >= 0x20 && *p <= 0x7e) {
			putchar(*p);
		}
	}
	putchar('\n');
}

static void
rows_of_failure(const struct conf *c, const struct report *r)
{
	double retry_at = report_number(r, "retry_at");

	row_of(r, "error", "error");
	if (strcmp(report_text(r, "status"), "update_failed") == 0)
		row_of(r, "log", "log");
	rows_of_output(r);
	if (report_text(r, "rollback")[0] != '\0') {
		row("go back", "%s", report_text(r, "rollback"));
		row("", "then there: %s; then restart the daemon", c->install_command);
	}
	if (retry_at > 0)
		row_of_time("next try", retry_at);
	else if (strcmp(report_text(r, "reason"), "signal_invalid") == 0)
		row("next try", "held: at a new signal");
	else if (json_is_true(json_object_get(r->json, "held")))
		row("next try", "held: at a new signal, or by `moult retry`");
}

static void
row_of_degraded(const struct report *r)
{
	const json_t *list = json_object_get(r->json, "degraded"), *word;
	char text[ROW_TEXT_MAX] = "";
	size_t i, used = 0;

	json_array_foreach(list, i, word)
	{
		const char *s = json_string_value(word);

		if (s != NULL && used + strlen(s) + 2 < sizeof(text))
			used += (size_t)snprintf(
			    text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "", s);
	}
	if (used > 0)
		row("degraded", "%s", text);
}

static void
print_text(const struct conf *c, const struct report *r)
{
	if (r->json == NULL) {
		printf("Nothing was reported yet: no monitor has run with this configuration.\n");
		return;
	}
	row_of_status(r);
	row_of_time("since", report_number(r, "timestamp"));
	row_of_monitor(r);
	row_of(r, "computer", "computer");
	rows_of_update(r);
	rows_of_failure(c, r);
	row_of_degraded(r);
}

static int
print_json(const struct report *r)
{
	json_t *all = r->json != NULL ? json_copy(r->json) : json_object();
	int status = EX_OK;

	if (all == NULL || json_object_set_new(all, "running", json_boolean(r->running)) == -1 ||
	    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == -1 ||
	    putchar('\n') == EOF)
		status = EX_IOERR;
	json_decref(all);
	return status;
}

int
status_command(const struct cli_command *self, int argc, char *argv[])
{
	struct cli_options o;
	struct report r;
	struct conf c;
	int status = cli_parse(self, argc, argv, &o);

	if (status != CLI_GO_ON)
		return status;
	if (optind != argc)
		return cli_usage(self, "takes no operands");
	if ((status = cli_config(o.config, &c)) != 0)
		return status;
	if (report_load(&c, &r) == -1) {
		report_clear(&r);
		return EX_NOINPUT;
	}
	if (o.json)
		status = print_json(&r);
	else
		print_text(&c, &r);
	if (status == EX_OK && strcmp(report_text(&r, "status"), "update_failed") == 0)
		status = EXIT_UPDATE_FAILED;
	else if (status == EX_OK && !r.running)
		status = EXIT_NOT_RUNNING;
	report_clear(&r);
	return status;
}
