/*
 * redis.c - fuzzer of parent/redis.c: what a server, or whoever stands in its place, may say.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * A real connection of hiredis to a socket of ours. The first byte says how the monitor is set up;
 * then the input is cut at each byte 0xfe: the piece is sent, the monitor reads it, and a status
 * is published in between. Whatever comes, the connection is up or down, and nothing is kept that
 * grows.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <hiredis/hiredis.h>

#include "fuzz.h"
#include "monitor.h"

#define CUT        '\xfe'
#define PIECES_MAX 48
#define PASSWORD   1
#define DATABASE   2
#define ALONE      4
#define UNASKED    8
#define WRITES     0x70 /* status objects at once, in sixteenths */

static void
check(const struct mon *m)
{
	const struct mon_redis *r = &m->redis;

	HOLDS((r->context == NULL) == (r->link == LINK_DOWN));
	HOLDS(r->flights.count <= REDIS_FLIGHTS_MAX);
	HOLDS(r->unread <= REDIS_REPLY_MAX);
	HOLDS(r->due <= 5);
	HOLDS(fuzz_is_printable(r->key) && r->address_next == 0);
	if (r->link == LINK_DOWN) {
		HOLDS(r->flights.count == 0 && r->unsent == (r->latest[0] != '\0'));
		HOLDS(r->error[0] != '\0' && m->due_ms[TIMER_REDIS] != MON_NEVER);
	} else if (r->link == LINK_UP && r->flights.count > 0) {
		HOLDS(m->due_ms[TIMER_REDIS] != MON_NEVER && r->due > 0);
	} else if (r->link == LINK_UP) {
		HOLDS(mon_redis_idle(m) && r->due == 0);
	}
}

static void
set_up(struct mon *m, uint8_t how)
{
	static char path[FUZZ_PATH_MAX + 8];

	memset(m, 0, sizeof(*m));
	(void)signal(SIGPIPE, SIG_IGN); /* as the monitor does */
	mon_timers_clear(m);
	m->conf.redis = CONF_REDIS_UNIX;
	if (path[0] == '\0') {
		(void)fuzz_dir(path);
		strcat(path, "/redis");
	}
	strcpy(m->conf.redis_host, path);
	strcpy(m->redis.key, "system_status:box:deploy");
	strcpy(m->redis.log_key, "{system_status:box:deploy}:log");
	strcpy(m->redis.password, how & PASSWORD ? "sesame" : "");
	m->conf.redis_db = how & DATABASE ? 7 : 0;
	m->redis.set_alone = (how & ALONE) != 0;
	m->redis.link = LINK_DOWN;
}

/* The server's end of a fresh connection. */
static int
serve(struct mon *m)
{
	static int listener = -1;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (listener == -1) {
		strcpy(sun.sun_path, m->conf.redis_host);
		listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		HOLDS(listener != -1);
		HOLDS(bind(listener, (const struct sockaddr *)&sun, sizeof(sun)) == 0);
		HOLDS(listen(listener, 5) == 0);
	}
	mon_redis_open(m);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	HOLDS(fd != -1 && m->redis.link == LINK_CONNECTING);
	return fd;
}

/* What the loop does with what is ready. */
static void
turn(struct mon *m)
{
	struct pollfd slot;

	for (;;) {
		slot.fd = mon_redis_fd(m, &slot.events);
		if (slot.fd == -1 || poll(&slot, 1, 0) != 1)
			return;
		(void)mon_redis_ready(m, slot.revents);
		check(m);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {(const char *)data, size};
	static struct mon m;
	uint8_t how = fuzz_byte(&f);
	int fd, i, writes = how >> 4;

	set_up(&m, how);
	fd = serve(&m);
	for (i = 0; i < writes; i++)
		mon_redis_write(&m, "{\"status\":\"early\"}");
	for (i = 0; i < PIECES_MAX && f.left > 0 && m.redis.link != LINK_DOWN; i++) {
		const char *cut = memchr(f.at, CUT, f.left);
		size_t len = cut != NULL ? (size_t)(cut - f.at) : f.left;

		turn(&m);
		fuzz_drain(fd);
		(void)!send(fd, f.at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn(&m);
		fuzz_drain(fd);
		mon_redis_write(&m, "{\"status\":\"checking\"}");
		f.at += len + (cut != NULL);
		f.left -= len + (cut != NULL);
	}
	close(fd);
	turn(&m);
	HOLDS(m.redis.link == LINK_DOWN);
	HOLDS(mon_redis_idle(&m));
	return 0;
}
