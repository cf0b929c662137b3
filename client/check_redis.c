/*
 * check_redis.c - one PING, to see whether the configured Redis would take the status.
 *
 * room: client: a person's shell; the only file of the command that opens a network socket.
 * distrusts: the server's answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "client.h"
#include "file.h"

#define CHECK_REDIS_LIMIT_S 2
#define PASSWORD_FILE_MAX   1024

/* Redis is optional: without it updates go on, and the status stands in status.json. */
static enum check_verdict
warn(char text[CHECK_TEXT_MAX], const char *what, const char *why)
{
	return check_say(CHECK_WARNING, text,
	    "%s: %s; until it answers, the status goes to status.json alone", what, why);
}

/* Sends one command made of words, "" for the end, and frees the answer. */
static enum check_verdict
ask(redisContext *redis, const char *words[], int count, char text[CHECK_TEXT_MAX])
{
	enum check_verdict verdict = CHECK_OK;
	redisReply *reply = redisCommandArgv(redis, count, words, NULL);

	if (reply == NULL)
		return warn(text, words[0], redis->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		verdict = warn(text, words[0], reply->str);
	freeReplyObject(reply);
	return verdict;
}

static enum check_verdict
authenticate(
    redisContext *redis, const struct conf *c, const char *password, char text[CHECK_TEXT_MAX])
{
	const char *words[] = {"AUTH", c->redis_user, password};

	if (c->redis_user[0] != '\0')
		return ask(redis, words, 3, text);
	words[1] = password;
	return ask(redis, words, 2, text);
}

static enum check_verdict
talk(redisContext *redis, const struct conf *c, const char *password, char text[CHECK_TEXT_MAX])
{
	const char *ping[] = {"PING"}, *select[] = {"SELECT", NULL};
	enum check_verdict verdict = CHECK_OK;
	char db[8];

	if (password != NULL)
		verdict = authenticate(redis, c, password, text);
	snprintf(db, sizeof(db), "%u", (unsigned int)c->redis_db);
	select[1] = db;
	if (verdict == CHECK_OK && c->redis_db != 0)
		verdict = ask(redis, select, 2, text);
	if (verdict == CHECK_OK)
		verdict = ask(redis, ping, 1, text);
	return verdict;
}

static enum check_verdict
connect_and_talk(const struct conf *c, const char *password, char text[CHECK_TEXT_MAX])
{
	struct timeval limit = {.tv_sec = CHECK_REDIS_LIMIT_S};
	enum check_verdict verdict;
	redisContext *redis;

	if (c->redis == CONF_REDIS_UNIX)
		redis = redisConnectUnixWithTimeout(c->redis_host, limit);
	else
		redis = redisConnectWithTimeout(c->redis_host, c->redis_port, limit);
	if (redis == NULL || redis->err != 0) {
		verdict = warn(text, c->redis_host, redis != NULL ? redis->errstr : "no memory");
	} else {
		redisSetTimeout(redis, limit);
		verdict = talk(redis, c, password, text);
		if (verdict == CHECK_OK)
			check_say(CHECK_OK, text, "answers at %s", c->redis_host);
	}
	redisFree(redis);
	return verdict;
}

/* A monitor ends over a password file that it cannot read, so that is no warning. */
enum check_verdict
check_redis(const struct conf *c, char text[CHECK_TEXT_MAX])
{
	enum check_verdict verdict;
	char *password;
	size_t len;

	if (c->redis == CONF_REDIS_NONE)
		return check_say(
		    CHECK_OK, text, "not configured; the status goes to status.json alone");
	if (c->password_file[0] == '\0')
		return connect_and_talk(c, NULL, text);
	if (file_slurp(AT_FDCWD, c->password_file, PASSWORD_FILE_MAX, &password, &len) == -1)
		return check_say(CHECK_FAILED, text, "[redis] password_file: %s: %s",
		    c->password_file, strerror(errno));
	password[strcspn(password, "\r\n")] = '\0';
	verdict = connect_and_talk(c, password, text);
	explicit_bzero(password, len);
	free(password);
	return verdict;
}
