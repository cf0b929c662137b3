/*
 * look.c - what the signal file means now: nothing, a question to the executor, or a refusal.
 *
 * room: monitor.
 * distrusts: the signal file; whoever may write its directory, for how often they may trouble us.
 *
 * Everything is told and asked once for each identity of the file: a look costs nothing twice.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static bool
is_same(bool has, const struct file_identity *a, const struct file_identity *b)
{
	return has && file_identity_compare(a, b) == 0;
}

/* A wish for a retry counts once, also when its file cannot be taken away. */
static void
look_for_retry(struct mon *m, int dirfd)
{
	struct mon_memory *mem = &m->memory;
	struct file_identity id;
	const char *unsafe;
	struct stat st;
	char text[64];
	size_t len;
	int fd;

	fd = file_open_wary(dirfd, m->watch.retry_name);
	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && file_identify(fd, text, sizeof(text), &len, &id) == 0 &&
	    !is_same(mem->has_retried, &mem->retried, &id)) {
		unsafe = mon_signal_unsafe(&m->owners, &st);
		mem->retried = id;
		mem->has_retried = true;
		mem->retry = unsafe == NULL;
		if (unsafe != NULL)
			log_warnx("%s: the file %s; ignored", m->watch.retry_name, unsafe);
	}
	(void)close(fd); /* only read from */
}

static void
forget_asked(struct mon *m)
{
	m->memory.has_asked = false;
	m->due_ms[TIMER_RETRY] = MON_NEVER;
}

static enum mon_event
look_absent(struct mon *m)
{
	struct mon_memory *mem = &m->memory;

	forget_asked(m);
	mem->has_half = mem->has_refused = false;
	if (mem->retry)
		log_warnx("a retry is asked for, and there is no signal");
	mem->retry = false;
	return ON_NONE;
}

static enum mon_event
look_bad(struct mon *m, const struct mon_signal *s)
{
	struct mon_memory *mem = &m->memory;

	forget_asked(m);
	mem->retry = false;
	if (is_same(mem->has_refused, &mem->refused, &s->id))
		return ON_NONE;
	mem->refused = s->id;
	mem->has_refused = true;
	log_warnx("%s: the signal is refused: %s", m->conf.signal, s->why);
	m->request = (struct mon_request){0};
	mon_status_broke(m, STEP_CHECK, REASON_SIGNAL_INVALID, s->why);
	return ON_NONE;
}

/* Perhaps its writer is not done. */
static enum mon_event
look_half(struct mon *m, const struct mon_signal *s)
{
	struct mon_memory *mem = &m->memory;
	int64_t now_ms = clock_monotonic_ms();

	if (!is_same(mem->has_half, &mem->half, &s->id)) {
		mem->half = s->id;
		mem->has_half = true;
		mem->half_ms = now_ms;
	}
	if (now_ms - mem->half_ms >= MON_HALF_MS)
		return look_bad(m, s);
	m->due_ms[TIMER_HALF] = mem->half_ms + MON_HALF_MS;
	return ON_NONE;
}

/* Nothing will change that says so: we look again by ourselves. */
static enum mon_event
look_again(struct mon *m, const char *why)
{
	log_warnx("%s: %s; looking again", m->conf.signal, why);
	m->due_ms[TIMER_HALF] = clock_monotonic_ms() + MON_AGAIN_MS;
	return ON_NONE;
}

static enum mon_event
look_good(struct mon *m, const struct mon_signal *s)
{
	struct mon_memory *mem = &m->memory;

	mem->has_half = mem->has_refused = false;
	if (s->unknown[0] != '\0' && !is_same(mem->has_named, &mem->named, &s->id)) {
		mem->named = s->id;
		mem->has_named = true;
		log_info("%s: unknown keys are ignored: %s", m->conf.signal, s->unknown);
	}
	/* Asked already: wait for the timer, a change, or a person. */
	if (is_same(mem->has_asked, &mem->asked, &s->id) && !mem->retry)
		return ON_NONE;
	forget_asked(m);
	m->request = (struct mon_request){.signal = *s};
	return ON_SIGNAL;
}

enum mon_event
mon_look(struct mon *m)
{
	struct mon_signal s;
	enum mon_verdict verdict;
	int dirfd;

	m->due_ms[TIMER_HALF] = MON_NEVER;
	if (mon_domain_shuts_out(m))
		return ON_REPLACED;
	dirfd = file_open_dir(AT_FDCWD, m->watch.dir);
	if (dirfd == -1 && mon_signal_is_passing(errno))
		return look_again(m, strerrordesc_np(errno));
	if (dirfd == -1)
		return look_absent(m); /* why is the watch's to tell */
	look_for_retry(m, dirfd);
	verdict = mon_signal_judge(&m->owners, dirfd, m->watch.name, &s);
	(void)close(dirfd); /* only read from */
	switch (verdict) {
	case SIGNAL_ABSENT:
		return look_absent(m);
	case SIGNAL_GOOD:
		return look_good(m, &s);
	case SIGNAL_HALF:
		return look_half(m, &s);
	case SIGNAL_BAD:
		return look_bad(m, &s);
	case SIGNAL_UNREAD:
		return look_again(m, s.why);
	}
	bug("no verdict: %d", (int)verdict);
}

void
mon_look_hold(struct mon *m, uint32_t retry_ms)
{
	m->memory.asked = m->request.signal.id;
	m->memory.has_asked = true;
	m->due_ms[TIMER_RETRY] = retry_ms > 0 ? clock_monotonic_ms() + retry_ms : MON_NEVER;
}
