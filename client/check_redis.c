/*
 * check_redis.c - whether the configured Redis would take a status: all of the write but its end.
 *
 * room: client: a process of its own beside a person's shell; the only file of the command that
 *	opens a network socket.
 * distrusts: the server's answers.
 *
 * Inside of MULTI a server looks at each command as it is queued: at the user's permissions for
 * command, key and channel, at whether it is a read-only replica, and at its memory. DISCARD then
 * throws the queue away, so that nothing is ever carried out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "client.h"
#include "file.h"
#include "user.h"

#define ANSWER_LIMIT_S    2
#define PASSWORD_FILE_MAX 1024
#define KEY_MAX           (CONF_TEXT_MAX + 48)
#define WORDS_MAX         8

struct talk {
	const struct conf *conf;
	redisContext *redis;
	char key[KEY_MAX], log_key[KEY_MAX];
};

static int
fail(const struct talk *t, const char *what, const char *why)
{
	verdict_say(VERDICT_FAILED, TOPIC_REDIS,
	    "[redis] url: %.150s: %s: %s; updates go on without it, with status.json alone",
	    t->conf->url, what, why);
	return -1;
}

/* Sends one command. Returns the answer, which the caller OWNS; or NULL, and it has been told. */
static redisReply *
ask(const struct talk *t, const char *const words[])
{
	const char *argv[WORDS_MAX + 1];
	redisReply *reply;
	int count = 0;

	for (; count < WORDS_MAX && words[count] != NULL; count++)
		argv[count] = words[count];
	reply = redisCommandArgv(t->redis, count, argv, NULL);
	if (reply == NULL)
		(void)fail(t, words[0], t->redis->errstr);
	return reply;
}

#define ASK(t, ...) ask((t), (const char *const[]){__VA_ARGS__, NULL})

/* 0 when the answer is no error; else it has been told. Frees it. */
static int
accept_reply(const struct talk *t, const char *what, redisReply *reply)
{
	int rc = 0;

	if (reply == NULL)
		return -1;
	if (reply->type == REDIS_REPLY_ERROR)
		rc = fail(t, what, reply->str);
	freeReplyObject(reply);
	return rc;
}

/* What an update goes on without: 0 also when it is refused, and -1 when nothing was answered. */
static int
accept_extra(const struct talk *t, const char *what, redisReply *reply)
{
	if (reply == NULL)
		return -1;
	if (reply->type == REDIS_REPLY_ERROR)
		verdict_say(VERDICT_WARNING, TOPIC_REDIS,
		    "[redis] url: %.150s: %s: %s; only the key would be written, without channel "
		    "and log",
		    t->conf->url, what, reply->str);
	freeReplyObject(reply);
	return 0;
}

static int
greet(const struct talk *t, const char *password)
{
	const struct conf *c = t->conf;
	char db[8];

	if (password != NULL && c->redis_user[0] != '\0' &&
	    accept_reply(t, "AUTH", ASK(t, "AUTH", c->redis_user, password)) == -1)
		return -1;
	if (password != NULL && c->redis_user[0] == '\0' &&
	    accept_reply(t, "AUTH", ASK(t, "AUTH", password)) == -1)
		return -1;
	snprintf(db, sizeof(db), "%u", (unsigned int)c->redis_db);
	if (c->redis_db != 0 && accept_reply(t, "SELECT", ASK(t, "SELECT", db)) == -1)
		return -1;
	return accept_reply(t, "PING", ASK(t, "PING"));
}

/* The monitor's write, word for word, and then thrown away. */
static int
write_nothing(const struct talk *t)
{
	if (accept_reply(t, "MULTI", ASK(t, "MULTI")) == -1 ||
	    accept_reply(t, "SET", ASK(t, "SET", t->key, "{}")) == -1 ||
	    accept_extra(t, "PUBLISH", ASK(t, "PUBLISH", t->key, "{}")) == -1 ||
	    accept_extra(t, "XADD",
		ASK(t, "XADD", t->log_key, "MAXLEN", "~", "1000", "*", "status", "{}")) == -1)
		return -1;
	return accept_reply(t, "DISCARD", ASK(t, "DISCARD"));
}

static void
connect_and_talk(struct talk *t, const char *password)
{
	const struct conf *c = t->conf;
	struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};

	t->redis = c->redis == CONF_REDIS_UNIX
		       ? redisConnectUnixWithTimeout(c->redis_host, limit)
		       : redisConnectWithTimeout(c->redis_host, c->redis_port, limit);
	if (t->redis == NULL || t->redis->err != 0)
		(void)fail(t, "connect", t->redis != NULL ? t->redis->errstr : "no memory");
	else {
		redisSetTimeout(t->redis, limit);
		if (greet(t, password) == 0 && write_nothing(t) == 0)
			verdict_say(
			    VERDICT_OK, TOPIC_REDIS, "%.150s would take %s", c->url, t->key);
	}
	if (t->redis != NULL)
		redisFree(t->redis);
}

/* The monitor's connections are its user's; false: the trial would prove nothing. */
static bool
become_monitor(const struct conf *c)
{
	const char *what = "monitor_user";
	struct user u;

	if (geteuid() != 0)
		return true;
	if (user_monitor(&u, c) == 0 && user_become(&u, 0, 0, &what) == 0)
		return true;
	verdict_say(VERDICT_FAILED, TOPIC_REDIS, "becoming the monitor's user: %s: %s", what,
	    strerror(errno));
	return false;
}

int
check_redis(const void *conf)
{
	struct talk t = {.conf = conf};
	const struct conf *c = conf;
	char *password;
	size_t len;

	snprintf(t.key, sizeof(t.key), "system_status:%s:deploy", c->computer);
	snprintf(t.log_key, sizeof(t.log_key), "{%.*s}:log", KEY_MAX - 8, t.key);
	if (c->redis == CONF_REDIS_NONE) {
		verdict_say(VERDICT_OK, TOPIC_REDIS,
		    "not configured; the status goes to status.json alone");
		return 0;
	}
	if (c->password_file[0] == '\0') {
		if (become_monitor(c))
			connect_and_talk(&t, NULL);
		return 0;
	}
	if (file_slurp(AT_FDCWD, c->password_file, PASSWORD_FILE_MAX, &password, &len) == -1) {
		verdict_say(VERDICT_FAILED, TOPIC_REDIS, "[redis] password_file: %s: %s",
		    c->password_file, strerror(errno));
		return 0;
	}
	password[strcspn(password, "\r\n")] = '\0';
	if (become_monitor(c))
		connect_and_talk(&t, password);
	explicit_bzero(password, len);
	free(password);
	return 0;
}
