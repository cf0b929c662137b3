/*
 * report.c - the executor's half of the reports.
 *
 * room: executor.
 * distrusts: its own texts, which may hold what a step printed: escaped here.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "executor.h"
#include "log.h"
#include "text.h"

#define REPORT_WAIT_MS 10000

/*
 * A monitor that is gone is learned of by end of file, in its turn. One that does not read for so
 * long has stopped serving.
 */
static void
send_report(struct exe *e, enum wire_type type, const void *body)
{
	struct pollfd slot = {.fd = e->wire.fd, .events = POLLOUT};
	int rc = wire_send(&e->wire, type, body);

	if (rc == -1 && errno == EAGAIN && poll(&slot, 1, REPORT_WAIT_MS) == 1)
		rc = wire_send(&e->wire, type, body);
	if (rc == -1 && errno != EPIPE && errno != ECONNRESET)
		fatalx("cannot report %s: %s", wire_type_name(type), strerror(errno));
}

static void
update_fill(const struct exe *e, struct wire_update *u)
{
	const struct journal_state *s = &e->journal.state;

	u->channel = (uint32_t)s->channel;
	u->attempt = (uint32_t)s->attempt;
	snprintf(u->run, sizeof(u->run), "%s", s->run);
	snprintf(u->from, sizeof(u->from), "%s", s->from);
	snprintf(u->to, sizeof(u->to), "%s", s->to);
	snprintf(u->commit, sizeof(u->commit), "%s", s->commit);
	snprintf(u->previous, sizeof(u->previous), "%s", s->previous);
	snprintf(u->key, sizeof(u->key), "%s", s->key);
}

void
report_hello(struct exe *e)
{
	struct wire_hello body;

	memset(&body, 0, sizeof(body));
	body.version = WIRE_VERSION;
	body.missing = e->missing;
	snprintf(body.build, sizeof(body.build), "%s", MOULT_BUILD);
	/* While a restart is owed, what was installed is not what runs. */
	if (e->journal.state.phase != PHASE_OWED)
		snprintf(body.installed, sizeof(body.installed), "%s", e->journal.state.installed);
	send_report(e, REP_HELLO, &body);
}

void
report_ready(struct exe *e)
{
	struct wire_ready body;

	memset(&body, 0, sizeof(body));
	body.journal_damaged = e->damaged;
	send_report(e, REP_READY, &body);
}

void
report_update(struct exe *e, enum wire_type type)
{
	struct wire_update body;

	memset(&body, 0, sizeof(body));
	update_fill(e, &body);
	send_report(e, type, &body);
}

/* False when a report that may be dropped would have to wait. */
static bool
has_room(const struct exe *e)
{
	struct pollfd slot = {.fd = e->wire.fd, .events = POLLOUT};

	return poll(&slot, 1, 0) == 1;
}

void
report_step(struct exe *e, bool must)
{
	struct wire_progress body;

	if (!must && !has_room(e))
		return; /* the next one says more */

	memset(&body, 0, sizeof(body));
	update_fill(e, &body.update);
	body.step = e->run.step;
	body.percent = e->run.percent;
	send_report(e, REP_STEP, &body);
}

void
report_failure(struct exe *e, enum wire_type type, uint32_t retry_ms)
{
	const struct journal_state *s = &e->journal.state;
	struct wire_failure body;

	memset(&body, 0, sizeof(body));
	update_fill(e, &body.update);
	body.step = (uint32_t)s->step;
	body.reason = (uint32_t)s->reason;
	body.retry_ms = retry_ms;
	snprintf(body.detail, sizeof(body.detail), "%s", s->detail);
	text_escape_tail(body.tail, WIRE_TAIL_MAX, e->run.tail, e->run.tail_len);
	send_report(e, type, &body);
}

void
report_plain(struct exe *e, enum wire_type type)
{
	struct wire_plain body;

	memset(&body, 0, sizeof(body));
	send_report(e, type, &body);
}
