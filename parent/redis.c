/*
 * redis.c - the status in Redis: a mirror that may be late or missing, and never holds us up.
 *
 * room: monitor; the one file that speaks hiredis, and the one that reaches the network.
 * distrusts: whatever answers at the configured address: for how long, how much, and what.
 *
 * hiredis's contexts that do not block, driven by our own loop. Not its asynchronous interface:
 * that one asserts that each reply was asked for, so a server that speaks unasked would end us.
 * Here any failure ends the connection, which is opened again after a growing delay and is then
 * given the latest status. A write is one MULTI .. EXEC, so that a reader of the channel or of the
 * log finds the key already set.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"

/* How many replies are still due when that of a command comes: MULTI SET PUBLISH XADD EXEC. */
enum { DUE_EXEC = 1, DUE_XADD, DUE_PUBLISH, DUE_SET, DUE_MULTI };

#define LOG_LENGTH    "1000"
#define ARGUMENTS_MAX 8

int64_t
mon_redis_delay_ms(unsigned int failures)
{
	int64_t delay_ms = REDIS_DELAY_MIN_MS;

	for (; failures > 1 && delay_ms < REDIS_DELAY_MAX_MS; failures--)
		delay_ms *= 2;
	return delay_ms < REDIS_DELAY_MAX_MS ? delay_ms : REDIS_DELAY_MAX_MS;
}

bool
mon_flights_add(struct mon_flights *f, int64_t now_ms)
{
	if (f->count == REDIS_FLIGHTS_MAX)
		return false;
	f->sent_ms[(f->first + f->count++) % REDIS_FLIGHTS_MAX] = now_ms;
	return true;
}

bool
mon_flights_end(struct mon_flights *f)
{
	if (f->count == 0)
		return false;
	f->first = (f->first + 1) % REDIS_FLIGHTS_MAX;
	f->count--;
	return true;
}

int64_t
mon_flights_due_ms(const struct mon_flights *f)
{
	return f->count == 0 ? MON_NEVER : f->sent_ms[f->first] + REDIS_REPLY_MS;
}

static const char *
address(const struct mon *m)
{
	const struct mon_redis *r = &m->redis;

	return m->conf.redis == CONF_REDIS_UNIX ? m->conf.redis_host
						: r->addresses[r->address_next];
}

bool
mon_redis_idle(const struct mon *m)
{
	const struct mon_redis *r = &m->redis;

	switch (r->link) {
	case LINK_OFF:
	case LINK_DOWN:
		return true;
	case LINK_CONNECTING:
	case LINK_GREETING:
		return !r->unsent;
	case LINK_UP:
		return !r->unsent && r->flights.count == 0;
	}
	bug("redis: no link: %d", (int)r->link);
}

/* What the timer waits for follows from the link alone. */
static void
set_timer(struct mon *m)
{
	struct mon_redis *r = &m->redis;

	if (r->link == LINK_CONNECTING || r->link == LINK_GREETING)
		m->due_ms[TIMER_REDIS] = r->since_ms + REDIS_REPLY_MS;
	else if (r->link == LINK_UP)
		m->due_ms[TIMER_REDIS] = mon_flights_due_ms(&r->flights);
}

/* Ends the connection and says why, unless that was said last. Always ON_FLUSHED. */
static enum mon_event __attribute__((format(printf, 2, 3)))
drop(struct mon *m, const char *fmt, ...)
{
	struct mon_redis *r = &m->redis;
	char text[SIGNAL_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut: for people */
	va_end(ap);
	if (strcmp(text, r->error) != 0)
		log_warnx("redis %s: %s; updates go on without it", address(m), text);
	(void)strlcpy(r->error, text, sizeof(r->error)); /* the same size */
	r->told_up = false;
	if (r->context != NULL)
		redisFree(r->context);
	r->context = NULL;
	r->link = LINK_DOWN;
	r->flights = (struct mon_flights){0};
	r->unsent = r->latest[0] != '\0';
	/* Each address of the host is tried before the delay grows. */
	r->address_next = r->address_count > 0 ? (r->address_next + 1) % r->address_count : 0;
	if (r->address_next == 0)
		r->failures++;
	m->due_ms[TIMER_REDIS] =
	    clock_monotonic_ms() + (r->address_next == 0 ? mon_redis_delay_ms(r->failures) : 1);
	return ON_FLUSHED;
}

/* Adds a command, its words ending in NULL, to what is to be sent. */
static bool
say(struct mon_redis *r, const char *const words[])
{
	const char *argv[ARGUMENTS_MAX + 1];
	size_t lengths[ARGUMENTS_MAX];
	int argc = 0;

	for (; argc < ARGUMENTS_MAX && words[argc] != NULL; argc++) {
		argv[argc] = words[argc];
		lengths[argc] = strlen(words[argc]);
	}
	r->want_write = true;
	return redisAppendCommandArgv(r->context, argc, argv, lengths) == REDIS_OK;
}

#define SAY(r, ...) say((r), (const char *const[]){__VA_ARGS__, NULL})

static unsigned int
replies_of_write(const struct mon_redis *r)
{
	return r->set_alone ? 1 : DUE_MULTI;
}

/* Hands the latest status to the connection when there is room for one more. */
static enum mon_event
send_latest(struct mon *m)
{
	struct mon_redis *r = &m->redis;

	if (r->link != LINK_UP || !r->unsent || !mon_flights_add(&r->flights, clock_monotonic_ms()))
		return ON_NONE;
	r->unsent = false;
	if (r->due == 0)
		r->due = replies_of_write(r);
	set_timer(m);
	if (r->set_alone && !SAY(r, "SET", r->key, r->latest))
		return drop(m, "%s", r->context->errstr);
	if (r->set_alone)
		return ON_NONE;
	if (!SAY(r, "MULTI") || !SAY(r, "SET", r->key, r->latest) ||
	    !SAY(r, "PUBLISH", r->key, r->latest) ||
	    !SAY(r, "XADD", r->log_key, "MAXLEN", "~", LOG_LENGTH, "*", "status", r->latest) ||
	    !SAY(r, "EXEC"))
		return drop(m, "%s", r->context->errstr);
	return ON_NONE;
}

/* The greeting ends in PING, so that there is an answer to wait for. */
static enum mon_event
greet(struct mon *m)
{
	struct mon_redis *r = &m->redis;
	char db[8];
	bool said = true;

	r->link = LINK_GREETING;
	r->due = 1;
	(void)snprintf(db, sizeof(db), "%u", m->conf.redis_db); /* fits */
	if (r->password[0] != '\0') {
		r->due++;
		said = r->user[0] != '\0' ? SAY(r, "AUTH", r->user, r->password)
					  : SAY(r, "AUTH", r->password);
	}
	if (said && m->conf.redis_db != 0) {
		r->due++;
		said = SAY(r, "SELECT", db);
	}
	if (!said || !SAY(r, "PING"))
		return drop(m, "%s", r->context->errstr);
	return ON_NONE;
}

static enum mon_event
connect_now(struct mon *m)
{
	struct mon_redis *r = &m->redis;

	r->context = m->conf.redis == CONF_REDIS_UNIX
			 ? redisConnectUnixNonBlock(address(m))
			 : redisConnectNonBlock(address(m), m->conf.redis_port);
	if (r->context == NULL)
		return drop(m, "no memory");
	if (r->context->err != 0)
		return drop(m, "%s", r->context->errstr);
	(void)fcntl(r->context->fd, F_SETFD, FD_CLOEXEC); /* hiredis does not; no exec is left us */
	r->link = LINK_CONNECTING;
	r->want_write = true; /* a socket that is connected can be written */
	r->unread = 0;
	r->since_ms = clock_monotonic_ms();
	set_timer(m);
	return ON_NONE;
}

void
mon_redis_open(struct mon *m)
{
	if (m->redis.link == LINK_DOWN)
		(void)connect_now(m); /* nothing to flush yet */
}

void
mon_redis_write(struct mon *m, const char *text)
{
	struct mon_redis *r = &m->redis;

	if (r->link == LINK_OFF)
		return;
	(void)strlcpy(r->latest, text, sizeof(r->latest)); /* STATUS_TEXT_MAX bounds both */
	r->unsent = true;
	(void)send_latest(m); /* who waits for it asks mon_redis_idle() */
}

int
mon_redis_fd(const struct mon *m, short *events)
{
	const struct mon_redis *r = &m->redis;

	*events = 0;
	if (r->context == NULL)
		return -1;
	if (r->link != LINK_CONNECTING)
		*events |= POLLIN;
	if (r->want_write)
		*events |= POLLOUT;
	return r->context->fd;
}

/* A whole greeting or write has been answered. */
static enum mon_event
end_exchange(struct mon *m)
{
	struct mon_redis *r = &m->redis;

	if (r->link == LINK_GREETING)
		r->link = LINK_UP;
	else
		(void)mon_flights_end(&r->flights); /* due counts no reply without a flight */
	r->due = r->flights.count > 0 ? replies_of_write(r) : 0;
	if (r->flights.count == 0 && !r->told_up && !r->unsent) {
		log_info("redis %s: connected", address(m));
		r->told_up = true;
	}
	if (r->flights.count == 0 && !r->unsent) {
		r->error[0] = '\0';
		r->failures = 0;
	}
	(void)send_latest(m); /* when it drops, the event is the same */
	set_timer(m);
	return mon_redis_idle(m) ? ON_FLUSHED : ON_NONE;
}

/*
 * A server may be too old for a stream, or its rules may forbid us the channel or the log. The key
 * is what others depend on, so from now on it is written alone.
 */
static void
judge_refusal(struct mon_redis *r)
{
	if (r->link == LINK_UP && !r->set_alone && (r->due == DUE_XADD || r->due == DUE_PUBLISH)) {
		log_warnx("redis: without channel and log from now on: they are refused");
		r->set_alone = true;
	}
}

/* One reply: only that it is no error matters. EXEC answers nil when nothing was done. */
static enum mon_event
take_reply(struct mon *m, const redisReply *reply)
{
	struct mon_redis *r = &m->redis;

	if (reply->type == REDIS_REPLY_ERROR) {
		judge_refusal(r);
		return drop(m, "%s", reply->str[0] != '\0' ? reply->str : "an error without words");
	}
	if (r->due == 0)
		return drop(m, "it speaks unasked");
	r->unread = 0;
	if (--r->due > 0)
		return ON_NONE;
	if (r->link == LINK_UP && !r->set_alone && reply->type != REDIS_REPLY_ARRAY)
		return drop(m, "it did not carry a status out");
	return end_exchange(m);
}

static enum mon_event
read_replies(struct mon *m)
{
	struct mon_redis *r = &m->redis;
	redisReader *reader = r->context->reader;
	size_t before = reader->len;
	enum mon_event event = ON_NONE;
	void *reply;

	if (redisBufferRead(r->context) != REDIS_OK)
		return drop(m, "%s", r->context->errstr);
	r->unread += reader->len > before ? reader->len - before : 0;
	while (r->context != NULL) {
		if (redisGetReplyFromReader(r->context, &reply) != REDIS_OK)
			return drop(m, "%s", r->context->errstr);
		if (reply == NULL)
			break;
		event = take_reply(m, reply);
		freeReplyObject(reply);
	}
	/* Replies of ours are short. One without an end would be kept until it had one. */
	if (r->context != NULL && r->unread > REDIS_REPLY_MAX)
		return drop(m, "its reply is too long");
	return event;
}

static enum mon_event
write_commands(struct mon *m)
{
	struct mon_redis *r = &m->redis;
	int done = 0;

	if (redisBufferWrite(r->context, &done) != REDIS_OK)
		return drop(m, "%s", r->context->errstr);
	r->want_write = done == 0;
	return ON_NONE;
}

void
mon_redis_push(struct mon *m)
{
	if (m->redis.link == LINK_UP && m->redis.want_write)
		(void)write_commands(m); /* what is left is lost, as we are */
}

static enum mon_event
end_connecting(struct mon *m)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(m->redis.context->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		return drop(m, "%s", strerrordesc_np(error));
	return greet(m);
}

enum mon_event
mon_redis_ready(struct mon *m, short revents)
{
	struct mon_redis *r = &m->redis;
	enum mon_event event;

	if (r->link == LINK_CONNECTING)
		return end_connecting(m);
	if (revents & POLLOUT) {
		event = write_commands(m);
		if (event != ON_NONE)
			return event;
	}
	if (revents & (POLLIN | POLLHUP | POLLERR))
		return read_replies(m);
	return ON_NONE;
}

enum mon_event
mon_redis_timer(struct mon *m)
{
	switch (m->redis.link) {
	case LINK_OFF:
		return ON_NONE;
	case LINK_DOWN:
		return connect_now(m);
	case LINK_CONNECTING:
	case LINK_GREETING:
		return drop(m, "no connection within 2 s");
	case LINK_UP:
		return drop(m, "no reply within 2 s");
	}
	bug("redis: no link: %d", (int)m->redis.link);
}
