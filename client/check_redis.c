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
#include "text.h"

#define CHECK_REDIS_LIMIT_S 2
#define PASSWORD_FILE_MAX   1024

static enum check_verdict
fail(char text[CHECK_TEXT_MAX], const char *what, const char *why)
{
	char escaped[CHECK_TEXT_MAX / 2 - 8]; /* what is a path or a command */

	text_escape(escaped, sizeof(escaped), why, strlen(why));
	snprintf(text, CHECK_TEXT_MAX, "%s: %s", what, escaped);
	return CHECK_FAILED;
}

/* Sends one command made of words, "" for the end, and frees the answer. */
static enum check_verdict
ask(redisContext *redis, const char *words[], int count, char text[CHECK_TEXT_MAX])
{
	enum check_verdict verdict = CHECK_OK;
	redisReply *reply = redisCommandArgv(redis, count, words, NULL);

	if (reply == NULL)
		return fail(text, words[0], redis->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		verdict = fail(text, words[0], reply->str);
	freeReplyObject(reply);
	return verdict;
}

static enum check_verdict
authenticate(redisContext *redis, const struct conf *c, char text[CHECK_TEXT_MAX])
{
	const char *words[] = {"AUTH", c->redis_user, NULL};
	enum check_verdict verdict;
	char *password;
	size_t len;

	if (file_slurp(AT_FDCWD, c->password_file, PASSWORD_FILE_MAX, &password, &len) == -1)
		return fail(text, c->password_file, strerror(errno));
	password[strcspn(password, "\r\n")] = '\0';
	if (c->redis_user[0] != '\0') {
		words[2] = password;
		verdict = ask(redis, words, 3, text);
	} else {
		words[1] = password;
		verdict = ask(redis, words, 2, text);
	}
	explicit_bzero(password, len);
	free(password);
	return verdict;
}

static enum check_verdict
talk(redisContext *redis, const struct conf *c, char text[CHECK_TEXT_MAX])
{
	const char *ping[] = {"PING"}, *select[] = {"SELECT", NULL};
	enum check_verdict verdict = CHECK_OK;
	char db[8];

	if (c->password_file[0] != '\0')
		verdict = authenticate(redis, c, text);
	snprintf(db, sizeof(db), "%u", (unsigned int)c->redis_db);
	select[1] = db;
	if (verdict == CHECK_OK && c->redis_db != 0)
		verdict = ask(redis, select, 2, text);
	if (verdict == CHECK_OK)
		verdict = ask(redis, ping, 1, text);
	return verdict;
}

enum check_verdict
check_redis(const struct conf *c, char text[CHECK_TEXT_MAX])
{
	struct timeval limit = {.tv_sec = CHECK_REDIS_LIMIT_S};
	enum check_verdict verdict;
	redisContext *redis;

	if (c->redis == CONF_REDIS_NONE) {
		snprintf(text, CHECK_TEXT_MAX, "not configured; status goes to status.json alone");
		return CHECK_OK;
	}
	if (c->redis == CONF_REDIS_UNIX)
		redis = redisConnectUnixWithTimeout(c->redis_host, limit);
	else
		redis = redisConnectWithTimeout(c->redis_host, c->redis_port, limit);
	if (redis == NULL || redis->err != 0) {
		verdict = fail(text, c->redis_host, redis != NULL ? redis->errstr : "no memory");
	} else {
		redisSetTimeout(redis, limit);
		verdict = talk(redis, c, text);
		if (verdict == CHECK_OK)
			snprintf(text, CHECK_TEXT_MAX, "answers at %s", c->redis_host);
	}
	redisFree(redis);
	return verdict;
}
