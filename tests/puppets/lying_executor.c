/*
 * lying_executor.c - stands where moult-executor should be, and lies to the real monitor.
 *
 * room: tests; started by moult-monitor as if it were the real one.
 * distrusts: nothing; what it does is in the file "lie" beside its own binary: STATE LIE, the
 *	monitor's state that it brings about by honest means, and the lie it tells there.
 *
 * "moult-executor list" prints the lies that lies.h has for this door. More of its own:
 *	exit:N, die:N           ends, by a status or a signal, without a word
 *	other_build             a hello of another build
 *	other_channel, other_run, no_run, step_check, step_restart, step_back, done_early
 *	                        right messages that do not fit what was asked and said before
 */
#include <libgen.h>
#include <limits.h>
#include <signal.h>

#include "lies.h"

static void
read_lie(char state[LIE_MAX], char lie[LIE_MAX])
{
	char path[PATH_MAX], *name;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/lie"));
	FILE *fp;

	if (n <= 0)
		err(EX_OSERR, "/proc/self/exe");
	path[n] = '\0';
	name = dirname(path);
	memcpy(name + strlen(name), "/lie", sizeof("/lie"));
	if ((fp = fopen(path, "re")) == NULL || fscanf(fp, "%127s %127s", state, lie) != 2)
		errx(EX_NOINPUT, "%s is not STATE LIE", path);
	fclose(fp);
}

/* The next request; ends this process with the monitor. */
static void
await(const struct liar *l, enum wire_type type)
{
	struct wire_message m;

	if (recv(l->fd, &m, sizeof(m), 0) <= 0)
		exit(0);
	if (m.header.type != type)
		errx(EX_PROTOCOL, "the monitor sent %s", wire_type_name(m.header.type));
}

static void
say_step(struct liar *l, enum wire_step step)
{
	struct wire_message m = message(l, REP_STEP);

	m.body.progress.step = step;
	put_message(l, &m);
}

/* Brings the monitor to a state; returns what would be right to say there. */
static enum wire_type
reach(struct liar *l, const char *state)
{
	if (strcmp(state, "STARTING") == 0)
		return REP_HELLO;
	say(l, REP_HELLO);
	if (strcmp(state, "GREETED") == 0)
		return REP_READY;
	say(l, REP_READY);
	if (strcmp(state, "WAITING") == 0)
		return REP_STEP; /* nothing is right there; this is what may come soon */
	await(l, REQ_RUN);
	if (strcmp(state, "ASKED") == 0)
		return REP_STEP;
	say_step(l, STEP_PREFLIGHT);
	if (strcmp(state, "RUNNING") == 0)
		return REP_STEP;
	if (strcmp(state, "STOPPING") == 0) {
		kill(getppid(), SIGTERM);
		await(l, REQ_STOP);
		return REP_STEP;
	}
	if (strcmp(state, "RESTARTING") != 0)
		errx(EX_USAGE, "no state: %s", state);
	for (int step = STEP_FETCH; step <= STEP_FINISH; step++)
		say_step(l, (enum wire_step)step);
	say(l, REP_DONE);
	return REP_DONE;
}

/* A right message that does not fit what was said before it. */
static void
say_unfit(struct liar *l, const char *lie)
{
	struct wire_message m = message(l, REP_STEP);
	struct wire_progress *p = &m.body.progress;

	if (strcmp(lie, "other_build") == 0) {
		m = message(l, REP_HELLO);
		snprintf(m.body.hello.build, sizeof(m.body.hello.build), "0.0.0-elsewhere");
	} else if (strcmp(lie, "other_channel") == 0) {
		p->update.channel = CHANNEL_BETA;
	} else if (strcmp(lie, "other_run") == 0) {
		p->update.run[0] = '3';
	} else if (strcmp(lie, "no_run") == 0) {
		memset(p->update.run, 0, sizeof(p->update.run));
	} else if (strcmp(lie, "step_check") == 0) {
		p->step = STEP_CHECK;
	} else if (strcmp(lie, "step_restart") == 0) {
		p->step = STEP_RESTART;
	} else if (strcmp(lie, "step_back") == 0) {
		say_step(l, STEP_INSTALL);
		m = message(l, REP_STEP);
	} else if (strcmp(lie, "done_early") == 0) {
		say_step(l, STEP_INSTALL);
		m = message(l, REP_DONE);
	} else {
		errx(EX_USAGE, "no lie: %s", lie);
	}
	put_message(l, &m);
}

static void
end_as_told(const char *lie)
{
	if (strncmp(lie, "exit:", 5) == 0)
		_exit(atoi(lie + 5));
	if (strncmp(lie, "die:", 4) == 0)
		kill(getpid(), atoi(lie + 4));
}

int
main(int argc, char *argv[])
{
	struct liar l = {.fd = WIRE_FD, .says = DOOR_REPORTS};
	char state[LIE_MAX], lie[LIE_MAX];
	struct wire_message right;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list_lies(DOOR_REPORTS);
		return 0;
	}
	read_lie(state, lie);
	right = message(&l, reach(&l, state));
	right.header.sequence = l.sent + 1;
	end_as_told(lie);
	if (!tell(&l, lie, &right))
		say_unfit(&l, lie);
	/* As a frozen peer, or, where that was the lie, as one that closed its end: until it is
	 * over. */
	while (recv(l.fd, &right, sizeof(right), 0) > 0)
		;
	return 0;
}
