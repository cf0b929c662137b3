/*
 * check_relay.c - hears a process that checks: one verdict a line, within a limit of time.
 *
 * room: client: a person's shell.
 * distrusts: what the process prints, and that it ends: anything but verdicts is a failure.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "text.h"

#define GRACE_MS      5000 /* between TERM and KILL: it removes its scratch directory */
#define PAUSE_MS      20
#define COMPLAINT_MAX 1024  /* of a line on standard error; more is dropped */
#define QUOTED_MAX    128   /* of what is no verdict */
#define LINES_MAX     1000  /* then it is called mad */
#define PROCESS_MARK  "]: " /* behind the name of the process in a line of its log */

struct hearing {
	const struct relay *relay;
	struct checker checker;
	char line[VERDICT_LINE_MAX], complaint[COMPLAINT_MAX];
	size_t used, complained, lines;
	bool complete; /* the next byte of standard error begins another complaint */
	bool mad;      /* it has said something else than a verdict */
};

static void
on_line(struct hearing *h)
{
	const struct relay *r = h->relay;
	enum verdict verdict;
	enum topic topic;
	const char *text;
	char quoted[QUOTED_MAX], words[VERDICT_TEXT_MAX];

	h->line[h->used] = '\0';
	if (strlen(h->line) == h->used && h->lines < LINES_MAX &&
	    verdict_read(h->line, &verdict, &topic, &text)) {
		h->lines++;
		r->tell(r->arg, verdict, topic, text);
		return;
	}
	h->mad = true;
	text_escape(quoted, sizeof(quoted), h->line, h->used);
	snprintf(words, sizeof(words), "%s says what is no verdict: %s", r->name, quoted);
	r->tell(r->arg, VERDICT_FAILED, TOPIC_SYSTEM, words);
}

static void
on_output(struct hearing *h, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !h->mad; i++)
		if (data[i] == '\n') {
			on_line(h);
			h->used = 0;
		} else if (h->used == sizeof(h->line) - 1)
			on_line(h); /* too long: no verdict either way */
		else
			h->line[h->used++] = data[i];
}

/* The last line of its log explains an end that is none in order. */
static void
on_complaint(struct hearing *h, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (h->complete)
			h->complained = 0;
		h->complete = data[i] == '\n';
		if (!h->complete && h->complained < sizeof(h->complaint) - 1)
			h->complaint[h->complained++] = data[i];
	}
}

/* Closes the descriptor at its end. */
static void
hear(struct hearing *h, int *fd, void (*on)(struct hearing *h, const char *data, size_t len))
{
	char data[4096];
	ssize_t n = read(*fd, data, sizeof(data));

	if (n > 0)
		on(h, data, (size_t)n);
	else if (n == 0 || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
}

/* False when it is not over at that time. */
static bool
hear_until(struct hearing *h, int64_t until_ms)
{
	struct checker *c = &h->checker;

	while ((c->out_fd != -1 || c->err_fd != -1) && !h->mad) {
		struct pollfd slots[] = {
		    {.fd = c->out_fd, .events = POLLIN}, {.fd = c->err_fd, .events = POLLIN}};
		int64_t left_ms = until_ms - clock_monotonic_ms();

		if (left_ms <= 0 || (poll(slots, 2, (int)left_ms) == -1 && errno != EINTR))
			return false;
		if (slots[0].revents != 0)
			hear(h, &c->out_fd, on_output);
		if (slots[1].revents != 0)
			hear(h, &c->err_fd, on_complaint);
	}
	return !h->mad;
}

/* What an exit status is about, when no verdict says so. */
static enum topic
topic_of(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
		return TOPIC_CONFIGURATION;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_NOPERM)
		return TOPIC_PLACES;
	return TOPIC_SYSTEM;
}

static void
tell_end(struct hearing *h, int status)
{
	const struct relay *r = h->relay;
	char quoted[VERDICT_TEXT_MAX], words[VERDICT_TEXT_MAX];
	const char *text = h->complaint, *mark;

	h->complaint[h->complained] = '\0';
	mark = strstr(text, PROCESS_MARK);
	if (mark != NULL)
		text = mark + sizeof(PROCESS_MARK) - 1;
	text_escape(quoted, sizeof(quoted), text, strlen(text));
	if (WIFSIGNALED(status))
		snprintf(
		    words, sizeof(words), "%s was killed by signal %d", r->name, WTERMSIG(status));
	else if (quoted[0] != '\0')
		snprintf(words, sizeof(words), "%s", quoted);
	else
		snprintf(words, sizeof(words), "%s ended with status %d and %zu verdicts", r->name,
		    WEXITSTATUS(status), h->lines);
	r->tell(r->arg, VERDICT_FAILED, topic_of(status), words);
}

static void
close_both(struct checker *c)
{
	if (c->out_fd != -1)
		close(c->out_fd);
	if (c->err_fd != -1)
		close(c->err_fd);
	c->out_fd = c->err_fd = -1;
}

/* Nobody hears it any more. It is ours, and not waited for yet, so the pid is still its own. */
static void
end_checker(struct checker *c)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	siginfo_t info = {.si_pid = 0};

	close_both(c);
	kill(c->pid, SIGTERM);
	for (int ms = 0; ms < GRACE_MS && info.si_pid == 0; ms += PAUSE_MS) {
		nanosleep(&pause, NULL);
		waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	}
	kill(c->pid, SIGKILL);
}

void
check_relay(const struct relay *r, int (*fn)(const void *arg), const void *arg)
{
	struct hearing h = {.relay = r};
	char words[VERDICT_TEXT_MAX];
	bool over;
	int status;

	fflush(stdout); /* or the child would print it once more */
	spawn_checker(&h.checker, fn, arg);
	over = hear_until(&h, clock_monotonic_ms() + (int64_t)r->limit_s * 1000);
	if (!over && !h.mad) {
		snprintf(words, sizeof(words), "%s: no end within %d s", r->name, r->limit_s);
		r->tell(r->arg, VERDICT_FAILED, r->topic, words);
	}
	if (!over)
		end_checker(&h.checker);
	while (waitpid(h.checker.pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (over && (status != 0 || h.used != 0 || h.lines == 0))
		tell_end(&h, status);
	close_both(&h.checker);
}
