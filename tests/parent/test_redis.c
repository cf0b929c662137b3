/*
 * test_redis.c - parent/redis.c: delays, the queue of writes, and a server that is not one.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <poll.h>
#include <sys/un.h>

#define TURNS_MAX 200

static void
delays(void **state)
{
	static const int64_t expected_ms[] = {
	    500, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(expected_ms); i++)
		assert_int_equal(mon_redis_delay_ms((unsigned int)i), expected_ms[i]);
	assert_int_equal(mon_redis_delay_ms(UINT_MAX), 60000);
}

static void
flights(void **state)
{
	struct mon_flights f = {0};
	int round, i;

	(void)state;
	assert_true(mon_flights_due_ms(&f) == MON_NEVER);
	assert_false(mon_flights_end(&f));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < REDIS_FLIGHTS_MAX; i++)
			assert_true(mon_flights_add(&f, 1000 * round + i));
		assert_false(mon_flights_add(&f, 9999));
		for (i = 0; i < REDIS_FLIGHTS_MAX; i++) {
			assert_int_equal(mon_flights_due_ms(&f), 1000 * round + i + REDIS_REPLY_MS);
			assert_true(mon_flights_end(&f));
		}
		assert_true(mon_flights_due_ms(&f) == MON_NEVER);
	}
}

/* A listening socket in the fixture's directory, and a monitor that knows it. */
static int
serve(struct fixture *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.90s/redis", f->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 5), 0);
	f->m.conf.redis = CONF_REDIS_UNIX;
	snprintf(f->m.conf.redis_host, sizeof(f->m.conf.redis_host), "%.90s/redis", f->path);
	strcpy(f->m.redis.key, "system_status:box:deploy");
	strcpy(f->m.redis.log_key, "{system_status:box:deploy}:log");
	f->m.redis.link = LINK_DOWN;
	return fd;
}

/* Does what the loop would, until nothing is ready. Returns the last event. */
static enum mon_event
turns(struct mon *m)
{
	enum mon_event event = ON_NONE, last = ON_NONE;
	struct pollfd p;
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		p.fd = mon_redis_fd(m, &p.events);
		if (p.fd == -1 || poll(&p, 1, 20) != 1)
			break;
		event = mon_redis_ready(m, p.revents);
		if (event != ON_NONE)
			last = event;
	}
	return last;
}

static void
answer(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static size_t
heard(int fd, char *text, size_t size)
{
	ssize_t n = recv(fd, text, size - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Connected and greeted; returns the server's end. */
static int
greeted(struct fixture *f, int listener)
{
	char text[4096];
	int fd;

	mon_redis_open(&f->m);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	turns(&f->m);
	assert_int_equal(f->m.redis.link, LINK_GREETING);
	assert_true(heard(fd, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "PING"));
	answer(fd, "+PONG\r\n");
	turns(&f->m);
	return fd;
}

#define WRITE_DONE "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:0\r\n$3\r\n1-0\r\n"

static void
writes(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd = greeted(f, listener);
	char text[8192];

	assert_int_equal(f->m.redis.link, LINK_UP);
	mon_redis_write(&f->m, "{\"a\":1}");
	assert_false(mon_redis_idle(&f->m));
	assert_true(f->m.due_ms[TIMER_REDIS] != MON_NEVER);
	turns(&f->m);
	heard(fd, text, sizeof(text));
	assert_string_equal(text,
	    "*1\r\n$5\r\nMULTI\r\n"
	    "*3\r\n$3\r\nSET\r\n$24\r\nsystem_status:box:deploy\r\n$7\r\n{\"a\":1}\r\n"
	    "*3\r\n$7\r\nPUBLISH\r\n$24\r\nsystem_status:box:deploy\r\n$7\r\n{\"a\":1}\r\n"
	    "*8\r\n$4\r\nXADD\r\n$30\r\n{system_status:box:deploy}:log\r\n$6\r\nMAXLEN\r\n$1\r\n~"
	    "\r\n"
	    "$4\r\n1000\r\n$1\r\n*\r\n$6\r\nstatus\r\n$7\r\n{\"a\":1}\r\n"
	    "*1\r\n$4\r\nEXEC\r\n");
	answer(fd, WRITE_DONE);
	assert_int_equal(turns(&f->m), ON_FLUSHED);
	assert_true(mon_redis_idle(&f->m));
	assert_true(f->m.due_ms[TIMER_REDIS] == MON_NEVER);
	close(fd);
	close(listener);
}

static void
keeps_latest(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd = greeted(f, listener), i;
	char text[65536], status[64];

	for (i = 0; i < REDIS_FLIGHTS_MAX + 10; i++) {
		snprintf(status, sizeof(status), "{\"n\":%d}", i);
		mon_redis_write(&f->m, status);
	}
	assert_int_equal(f->m.redis.flights.count, REDIS_FLIGHTS_MAX);
	assert_true(f->m.redis.unsent);
	turns(&f->m);
	while (heard(fd, text, sizeof(text)) > 0)
		assert_null(strstr(text, "{\"n\":41}"));
	for (i = 0; i < REDIS_FLIGHTS_MAX; i++)
		answer(fd, WRITE_DONE);
	turns(&f->m);
	heard(fd, text, sizeof(text));
	assert_non_null(strstr(text, "{\"n\":41}"));
	assert_null(strstr(text, "{\"n\":40}"));
	answer(fd, WRITE_DONE);
	assert_int_equal(turns(&f->m), ON_FLUSHED);
	assert_true(mon_redis_idle(&f->m));
	close(fd);
	close(listener);
}

static void
tells_latest_after_reconnect(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd = greeted(f, listener);
	char text[4096];

	mon_redis_write(&f->m, "{\"n\":1}");
	turns(&f->m);
	close(fd);
	assert_int_equal(turns(&f->m), ON_FLUSHED);
	assert_int_equal(f->m.redis.link, LINK_DOWN);
	mon_redis_write(&f->m, "{\"n\":2}");
	assert_int_equal(mon_redis_timer(&f->m), ON_NONE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	turns(&f->m);
	answer(fd, "+PONG\r\n");
	turns(&f->m);
	text[0] = '\0';
	heard(fd, text, sizeof(text));
	assert_non_null(strstr(text, "{\"n\":2}"));
	assert_null(strstr(text, "{\"n\":1}"));
	close(fd);
	close(listener);
}

static void
late(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd = greeted(f, listener);

	mon_redis_write(&f->m, "{}");
	turns(&f->m);
	assert_int_equal(mon_redis_timer(&f->m), ON_FLUSHED); /* as the loop does after 2 s */
	assert_int_equal(f->m.redis.link, LINK_DOWN);
	assert_true(f->m.redis.unsent);
	assert_true(mon_redis_idle(&f->m));
	close(fd);
	close(listener);
}

static void
refuses_channel_and_log(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd = greeted(f, listener);
	char text[4096];

	mon_redis_write(&f->m, "{}");
	turns(&f->m);
	answer(fd, "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR unknown command 'XADD'\r\n-EXECABORT\r\n");
	turns(&f->m);
	assert_true(f->m.redis.set_alone);
	close(fd);
	mon_redis_timer(&f->m);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	turns(&f->m);
	heard(fd, text, sizeof(text));
	answer(fd, "+PONG\r\n");
	turns(&f->m);
	heard(fd, text, sizeof(text));
	assert_string_equal(
	    text, "*3\r\n$3\r\nSET\r\n$24\r\nsystem_status:box:deploy\r\n$2\r\n{}\r\n");
	answer(fd, "+OK\r\n");
	assert_int_equal(turns(&f->m), ON_FLUSHED);
	close(fd);
	close(listener);
}

/* Each ends the connection and nothing else. What comes in the greeting's place, and after a write.
 */
static const char *const rubbish[] = {
    "HTTP/1.1 200 OK\r\n",
    "\r\n",
    "+PONG\r\n+PONG\r\n",
    "-NOAUTH Authentication required.\r\n",
    "-ERR max number of clients reached\r\n",
    "-\x1b[31m\xff\r\n",
    "*-2\r\n",
    "$-2\r\n",
    "$99999999999999999999\r\n",
    "*99999999999999999999\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    ":x\r\n",
};

static void
speaks_rubbish(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd;
	size_t i;

	for (i = 0; i < COUNT(rubbish); i++) {
		f->m.redis.link = LINK_DOWN;
		mon_redis_open(&f->m);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		turns(&f->m);
		answer(fd, rubbish[i]);
		turns(&f->m);
		if (f->m.redis.link != LINK_DOWN)
			fail_msg("%zu: %s", i, rubbish[i]);
		assert_null(f->m.redis.context);
		assert_true(f->m.due_ms[TIMER_REDIS] != MON_NEVER);
		close(fd);
	}
	close(listener);
}

static void
speaks_without_end(void **state)
{
	static const char *const begins[] = {"+", "$1000000\r\n", "*100000\r\n"};
	struct fixture *f = *state;
	int listener = serve(f), fd;
	char text[4001];
	size_t i, sent;

	for (i = 0; i < COUNT(begins); i++) {
		for (sent = 0; sent < sizeof(text) - 1; sent += 4)
			memcpy(text + sent, ":1\r\n", 5);
		if (i == 0)
			memset(text, 'x', sizeof(text) - 1);
		f->m.redis.link = LINK_DOWN;
		mon_redis_open(&f->m);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		turns(&f->m);
		answer(fd, begins[i]);
		for (sent = 0; sent < 2 * REDIS_REPLY_MAX && f->m.redis.link != LINK_DOWN;
		     sent += sizeof(text) - 1) {
			answer(fd, text);
			turns(&f->m);
		}
		assert_int_equal(f->m.redis.link, LINK_DOWN);
		assert_in_range(sent, REDIS_REPLY_MAX / 2, REDIS_REPLY_MAX + 8192);
		close(fd);
	}
	close(listener);
}

static void
greeting(void **state)
{
	struct fixture *f = *state;
	int listener = serve(f), fd;
	char text[4096];

	strcpy(f->m.redis.password, "sesame");
	strcpy(f->m.redis.user, "moult");
	f->m.conf.redis_db = 7;
	mon_redis_open(&f->m);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	turns(&f->m);
	heard(fd, text, sizeof(text));
	assert_string_equal(text, "*3\r\n$4\r\nAUTH\r\n$5\r\nmoult\r\n$6\r\nsesame\r\n"
				  "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n*1\r\n$4\r\nPING\r\n");
	answer(fd, "+OK\r\n+OK\r\n");
	turns(&f->m);
	assert_int_equal(f->m.redis.link, LINK_GREETING);
	answer(fd, "+PONG\r\n");
	turns(&f->m);
	assert_int_equal(f->m.redis.link, LINK_UP);
	close(fd);
	close(listener);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST("the delay doubles from half a second to a minute", delays),
	    TEST("32 writes may be in flight, and each has its own time", flights),
	    MON_TEST("the greeting has the user, the password and the database", greeting),
	    MON_TEST("a status is one transaction, and its reply is waited for", writes),
	    MON_TEST("beyond 32 writes only the latest is kept", keeps_latest),
	    MON_TEST(
		"after a lost connection the latest status is told", tells_latest_after_reconnect),
	    MON_TEST("a reply that does not come ends the connection", late),
	    MON_TEST("where channel and log are refused the key is written alone",
		refuses_channel_and_log),
	    MON_TEST("rubbish ends the connection, not us", speaks_rubbish),
	    MON_TEST("a reply without an end is not kept", speaks_without_end),
	};

	return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
