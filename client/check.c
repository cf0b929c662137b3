/*
 * check.c - `moult check`: the configuration, and whether the machine fits it.
 *
 * room: client: a person's shell; looks and changes nothing. Run it as whoever starts moult. What
 *	only the two processes can show they show by themselves, started with --check.
 * distrusts: the configuration's syntax; what it names on the disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "client.h"
#include "file.h"
#include "text.h"
#include "user.h"

#define UNIT_FILE_MAX 65536

enum verdict
check_say(enum verdict verdict, char text[VERDICT_TEXT_MAX], const char *fmt, ...)
{
	char line[VERDICT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap); /* cut where it is too long */
	va_end(ap);
	text_escape(text, VERDICT_TEXT_MAX, line, strlen(line));
	return verdict;
}

/* What has been said so far: the first topic with a failure decides. */
struct outcome {
	bool failed[TOPIC_END];
};

static void
tell(void *arg, enum verdict verdict, enum topic topic, const char *text)
{
	static const char *const words[] = {"ok", "warning", "FAILED"};
	static const enum cli_color colors[] = {CLI_GREEN, CLI_YELLOW, CLI_RED};
	struct outcome *o = arg;

	printf("%s%-7s%s  %-13s  %s\n", cli_color(colors[verdict]), words[verdict],
	    cli_color(CLI_PLAIN), verdict_topic_name(topic), text);
	if (verdict == VERDICT_FAILED)
		o->failed[topic] = true;
}

static int
status_of(const struct outcome *o)
{
	int topic = 0;

	while (topic < TOPIC_END && !o->failed[topic])
		topic++;
	return topic < TOPIC_END ? verdict_topic_status((enum topic)topic) : EX_OK;
}

/* ---- programs ---- */

/* Looks along the search path that the steps will have, not along the caller's. */
static bool
find_program(const char *name, char path[PATH_MAX])
{
	char list[] = CLIENT_SEARCH, *rest = list;
	const char *dir;

	while ((dir = strsep(&rest, ":")) != NULL)
		if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

static enum verdict
check_program(const char *name, char text[VERDICT_TEXT_MAX])
{
	char path[PATH_MAX];

	if (!find_program(name, path))
		return check_say(VERDICT_FAILED, text, "%s is not in " CLIENT_SEARCH, name);
	return check_say(VERDICT_OK, text, "%s", path);
}

static enum verdict
check_moult(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	static const char *const names[] = {CLIENT_MONITOR, CLIENT_EXECUTOR};
	char path[PATH_MAX];
	size_t i;

	(void)c;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		spawn_find(names[i], path);
		if (access(path, X_OK) == -1)
			return check_say(VERDICT_FAILED, text, "%s: %s", path, strerror(errno));
	}
	return check_say(VERDICT_OK, text, "monitor and executor are in place");
}

static enum verdict
check_git(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	(void)c;
	return check_program("git", text);
}

/* The program that a command of the configuration begins with; it is run in the checkout. */
static enum verdict
check_words(const struct conf *c, const char *key, const char *value, char text[VERDICT_TEXT_MAX])
{
	char words[CONF_TEXT_MAX], *argv[CONF_WORDS_MAX], path[PATH_MAX];
	struct stat st;

	conf_words(value, words, argv);
	if (strchr(argv[0], '/') == NULL) {
		if (find_program(argv[0], path))
			return check_say(VERDICT_OK, text, "%s", path);
		return check_say(
		    VERDICT_FAILED, text, "[deploy] %s: %s is not in " CLIENT_SEARCH, key, argv[0]);
	}
	if (argv[0][0] == '/')
		snprintf(path, sizeof(path), "%s", argv[0]);
	else
		snprintf(path, sizeof(path), "%s/%s", c->repo, argv[0]);
	if (access(path, X_OK) == -1 || stat(path, &st) == -1)
		return check_say(
		    VERDICT_FAILED, text, "[deploy] %s: %s: %s", key, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return check_say(VERDICT_FAILED, text, "[deploy] %s: %s is no program", key, path);
	return check_say(VERDICT_OK, text, "%s", path);
}

static enum verdict
check_install(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	return check_words(c, "install_command", c->install_command, text);
}

static enum verdict
check_migrate(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	if (c->migrate_command[0] == '\0')
		return check_say(VERDICT_OK, text, "migrate_command is not set: moult runs them");
	return check_words(c, "migrate_command", c->migrate_command, text);
}

static bool
ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* Whether an entry's name ends so; dir is a path. */
static bool
holds(const char *dir, const char *end)
{
	struct dirent *entry;
	bool found = false;
	DIR *list = opendir(dir);

	if (list == NULL)
		return false;
	while (!found && (entry = readdir(list)) != NULL)
		found = ends_with(entry->d_name, end);
	closedir(list);
	return found;
}

static bool
has_python_migrations(const struct conf *c)
{
	char top[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	bool found = false;
	DIR *list;

	snprintf(top, sizeof(top), "%s/%s", c->repo, c->migrations);
	if ((list = opendir(top)) == NULL)
		return false;
	while (!found && (entry = readdir(list)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", top, entry->d_name);
		found = entry->d_name[0] == 'v' && holds(path, ".py");
	}
	closedir(list);
	return found;
}

static enum verdict
check_python(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	char path[PATH_MAX];

	if (c->migrate_command[0] != '\0')
		return check_say(VERDICT_OK, text, "not needed: migrate_command is set");
	if (!find_program("python3", path) && !has_python_migrations(c))
		return check_say(VERDICT_WARNING, text,
		    "python3 is not in " CLIENT_SEARCH ": no Python migration could run");
	return check_program("python3", text);
}

/* ---- the system ---- */

/* Whether a line "RestartForceExitStatus=" lists 42. */
static bool
restarts_on_42(char *unit)
{
	static const char key[] = "RestartForceExitStatus=";
	char *line, *word;

	while ((line = strsep(&unit, "\n")) != NULL) {
		if (strncmp(line, key, sizeof(key) - 1) != 0)
			continue;
		line += sizeof(key) - 1;
		while ((word = strsep(&line, " \t")) != NULL)
			if (strcmp(word, "42") == 0)
				return true;
	}
	return false;
}

static bool
file_restarts_on_42(int dir, const char *name)
{
	bool found = false;
	char *text;
	size_t len;

	if (file_slurp(dir, name, UNIT_FILE_MAX, &text, &len) == -1)
		return false; /* a link to /dev/null, among others: a masked unit */
	found = restarts_on_42(text);
	free(text);
	return found;
}

/* Units in path, and the *.conf files in directories named like one with ".d" behind. */
static bool
unit_restarts_on_42(const char *path, int depth, char name[NAME_MAX + 1])
{
	char below[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	bool found = false;
	DIR *list = opendir(path);

	if (list == NULL)
		return false;
	while (!found && (entry = readdir(list)) != NULL) {
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (depth == 0 && ends_with(entry->d_name, ".service.d"))
			found = unit_restarts_on_42(below, 1, name);
		else if (ends_with(entry->d_name, depth == 0 ? ".service" : ".conf"))
			found = file_restarts_on_42(dirfd(list), entry->d_name);
		if (found && name[0] == '\0')
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(list);
	return found;
}

static enum verdict
check_supervisor(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	static const char *const dirs[] = {"/etc/systemd/system", "/run/systemd/system",
	    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};
	char name[NAME_MAX + 1] = "";
	size_t i;

	(void)c;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (unit_restarts_on_42(dirs[i], 0, name))
			return check_say(VERDICT_OK, text, "%s/%s restarts on 42", dirs[i], name);
	return check_say(VERDICT_WARNING, text,
	    "no systemd unit has RestartForceExitStatus=42: see that yours restarts on 42");
}

/* ---- the users ---- */

static enum verdict
refuse_user(char text[VERDICT_TEXT_MAX], const char *key, const char *name)
{
	const char *words;

	(void)user_refusal(errno, &words);
	return check_say(VERDICT_FAILED, text, "[deploy] %s%s%s: %s", key,
	    name[0] != '\0' ? " = " : "", name, words);
}

/* Whom the two processes would become. */
static enum verdict
check_users(const struct conf *c, char text[VERDICT_TEXT_MAX])
{
	struct user monitor, deploy;
	struct stat st;

	if (stat(c->repo, &st) == -1)
		return check_say(
		    VERDICT_FAILED, text, "[deploy] repo: %s: %s", c->repo, strerror(errno));
	if (user_monitor(&monitor, c) == -1)
		return refuse_user(text, "monitor_user", c->monitor_user);
	if (user_deploy(&deploy, c) == -1)
		return refuse_user(text, "deploy_user", c->deploy_user);
	if (geteuid() == 0 && monitor.uid == deploy.uid)
		return check_say(VERDICT_FAILED, text,
		    "[deploy] monitor_user and deploy_user are both %s: name two users",
		    deploy.name);
	return check_say(
	    VERDICT_OK, text, "monitor: %s, executor and steps: %s", monitor.name, deploy.name);
}

/* ---- the command ---- */

#define EXECUTOR_LIMIT_S 120 /* its own limits of git come to less */
#define MONITOR_LIMIT_S  60
#define REDIS_LIMIT_S    6

static const struct {
	check *run;
	enum topic topic;
	bool is_needed; /* what comes behind would only fail over the same */
} checks[] = {
    {check_moult, TOPIC_PROGRAMS, true},
    {check_users, TOPIC_CONFIGURATION, true},
    {check_git, TOPIC_GIT, true},
    {check_install, TOPIC_INSTALL, false},
    {check_migrate, TOPIC_MIGRATE, false},
    {check_python, TOPIC_PYTHON, false},
    {check_repo, TOPIC_CHECKOUT, true},
    {check_signal_dir, TOPIC_SIGNAL, false},
    {check_state_dir, TOPIC_STATE, false},
    {check_supervisor, TOPIC_SUPERVISOR, false},
};

static void
print_complaint(void *arg, const char *file, int line, const char *complaint)
{
	char text[VERDICT_TEXT_MAX];

	if (line > 0)
		snprintf(text, sizeof(text), "%s:%d: %s", file, line, complaint);
	else
		snprintf(text, sizeof(text), "%s: %s", file, complaint);
	tell(arg, VERDICT_FAILED, TOPIC_CONFIGURATION, text);
}

static int
become_executor(const void *config)
{
	return spawn_become_checker(CLIENT_EXECUTOR, config);
}

static int
become_monitor(const void *config)
{
	return spawn_become_checker(CLIENT_MONITOR, config);
}

/* True when the processes can be asked. */
static bool
look_by_itself(const struct conf *c, struct outcome *o)
{
	char text[VERDICT_TEXT_MAX];
	enum verdict verdict;
	bool fit = true;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		text[0] = '\0';
		verdict = checks[i].run(c, text);
		tell(o, verdict, checks[i].topic, text);
		if (verdict == VERDICT_FAILED && checks[i].is_needed)
			fit = false;
	}
	return fit;
}

int
check_command(const struct cli_command *self, int argc, char *argv[])
{
	struct outcome outcome = {{false}};
	const struct relay executor = {
	    CLIENT_EXECUTOR, TOPIC_SYSTEM, EXECUTOR_LIMIT_S, tell, &outcome};
	const struct relay monitor = {
	    CLIENT_MONITOR, TOPIC_SYSTEM, MONITOR_LIMIT_S, tell, &outcome};
	const struct relay redis = {"Redis", TOPIC_REDIS, REDIS_LIMIT_S, tell, &outcome};
	struct cli_options o;
	struct conf c;
	int status = cli_parse(self, argc, argv, &o);

	if (status != CLI_GO_ON)
		return status;
	if (optind != argc)
		return cli_usage(self, "takes no operands");
	signal(SIGPIPE, SIG_IGN); /* a Redis that hangs up is a finding, not our end */
	if (conf_load(&c, o.config, print_complaint, &outcome) != 0)
		return EX_CONFIG;
	tell(&outcome, VERDICT_OK, TOPIC_CONFIGURATION, o.config);
	if (look_by_itself(&c, &outcome)) {
		check_relay(&executor, become_executor, o.config);
		check_relay(&monitor, become_monitor, o.config);
	}
	check_relay(&redis, check_redis, &c);
	return status_of(&outcome);
}
