/*
 * test_conf.c - shared/conf.c: what is read, and every complaint with its line.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <strings.h>

#include "check.h"
#include "conf.h"
#include "file.h"

#define SAID_MAX 16384
#define BASE     "[deploy]\nrepo = /srv/app\nremote = /srv/app.git\nsignal = /run/app/update.json\n"

struct world {
	char dir[PATH_MAX];
	int fd;
	char path[PATH_MAX + 16];
	struct conf c;
	char said[SAID_MAX]; /* "LINE: text\n" for each complaint */
};

static int
setup(void **state)
{
	static struct world w;

	check_dir_make(w.dir, &w.fd);
	snprintf(w.path, sizeof(w.path), "%s/moult.conf", w.dir);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	check_dir_remove(w->dir, w->fd);
	return 0;
}

static void
note(void *arg, const char *file, int line, const char *text)
{
	struct world *w = arg;
	size_t used = strlen(w->said);

	assert_string_equal(file, w->path);
	snprintf(w->said + used, sizeof(w->said) - used, "%d: %s\n", line, text);
}

static int
load_bytes(struct world *w, const void *bytes, size_t len)
{
	int fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
	w->said[0] = '\0';
	memset(&w->c, '#', sizeof(w->c));
	return conf_load(&w->c, w->path, note, w);
}

static int
load(struct world *w, const char *text)
{
	return load_bytes(w, text, strlen(text));
}

static void
assert_loads(struct world *w, const char *text)
{
	if (load(w, text) != 0)
		fail_msg("%s", w->said);
}

/* One complaint, which begins with the line's number and holds words. */
static void
assert_says(struct world *w, const char *text, int line, const char *words)
{
	char head[32];
	int n = load(w, text);

	snprintf(head, sizeof(head), "%d: ", line);
	if (n != 1 || strncmp(w->said, head, strlen(head)) != 0 || strstr(w->said, words) == NULL)
		fail_msg("%d complaints, where one of line %d about \"%s\" is due:\n%s", n, line,
		    words, w->said);
}

static void
defaults(void **state)
{
	struct world *w = *state;
	char host[CONF_TEXT_MAX] = "";

	assert_loads(w, BASE);
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	assert_string_equal(w->c.computer, host);
	assert_string_equal(w->c.repo, "/srv/app");
	assert_string_equal(w->c.remote, "/srv/app.git");
	assert_string_equal(w->c.signal, "/run/app/update.json");
	assert_string_equal(w->c.branch, "main");
	assert_int_equal(w->c.fetch, CONF_FETCH_TAGS);
	assert_string_equal(w->c.signal_owner, "");
	assert_string_equal(w->c.state_dir, "/var/lib/moult");
	assert_int_equal(w->c.version, CONF_VERSION_SIGNAL);
	assert_string_equal(w->c.migrations, "migrations");
	assert_string_equal(w->c.migrate_command, "");
	assert_string_equal(w->c.install_command, "make install");
	assert_string_equal(w->c.ssh_key, "");
	assert_int_equal(w->c.redis, CONF_REDIS_NONE);
	assert_int_equal(w->c.mode, CONF_REQUIRE);
	assert_int_equal(w->c.verify, CONF_VERIFY_NONE);
	assert_string_equal(w->c.monitor_user, "");
	assert_string_equal(w->c.write_paths, "");
	assert_false(w->c.migrate_network);
	assert_int_equal(w->c.fetch_s, 300);
	assert_int_equal(w->c.checkout_s, 120);
	assert_int_equal(w->c.migration_s, 3600);
	assert_int_equal(w->c.install_s, 900);
	assert_int_equal(w->c.silence_s, 60);
}

static void
everything(void **state)
{
	struct world *w = *state;

	assert_loads(w,
	    "# a comment\n; another, with \xc3\xa9\n\n  \t\n   # one that is indented\n" BASE
	    "computer=shop-7\nbranch = release/2\nfetch = tag ; a comment behind a value\n"
	    "signal_owner = root\nstate_dir = /var/lib/app\nversion = file a/VERSION\n"
	    "migrations = db/steps\nmigrate_command = ./run  all\ninstall_command = make -s "
	    "install\n"
	    "monitor_user = nobody\ndeploy_user = root\n"
	    "ssh_key = /etc/app/key\nssh_known_hosts = /etc/app/hosts\nca_file = /etc/app/ca.pem\n"
	    "[redis] # comment\nurl = redis://me@cache.example:6380/3\npassword_file = "
	    "/etc/app/pw\n"
	    "[verify]\nmode = commit\nallowed_signers = /etc/app/signers\n"
	    "openpgp_keys = /etc/app/keys.asc\n"
	    "[sandbox]\nmode = degrade\nwrite_paths = /srv/a /srv/b\nread_paths = /opt/x\n"
	    "migrate_network = yes\ninstall_network = no\n"
	    "[limits]\nfetch_s = 1\ncheckout_s = 86400\nmigration_s = 3\ninstall_s = 4\n"
	    "silence_s = 5");
	assert_string_equal(w->c.computer, "shop-7");
	assert_string_equal(w->c.branch, "release/2");
	assert_int_equal(w->c.fetch, CONF_FETCH_TAG);
	assert_string_equal(w->c.signal_owner, "root");
	assert_int_equal(w->c.version, CONF_VERSION_FILE);
	assert_string_equal(w->c.version_file, "a/VERSION");
	assert_string_equal(w->c.migrations, "db/steps");
	assert_string_equal(w->c.migrate_command, "./run  all");
	assert_int_equal(w->c.redis, CONF_REDIS_TCP);
	assert_string_equal(w->c.url, "redis://me@cache.example:6380/3");
	assert_string_equal(w->c.redis_user, "me");
	assert_string_equal(w->c.redis_host, "cache.example");
	assert_int_equal(w->c.redis_port, 6380);
	assert_int_equal(w->c.redis_db, 3);
	assert_string_equal(w->c.password_file, "/etc/app/pw");
	assert_string_equal(w->c.monitor_user, "nobody");
	assert_string_equal(w->c.deploy_user, "root");
	assert_int_equal(w->c.verify, CONF_VERIFY_COMMIT);
	assert_string_equal(w->c.allowed_signers, "/etc/app/signers");
	assert_string_equal(w->c.openpgp_keys, "/etc/app/keys.asc");
	assert_int_equal(w->c.mode, CONF_DEGRADE);
	assert_string_equal(w->c.write_paths, "/srv/a /srv/b");
	assert_string_equal(w->c.read_paths, "/opt/x");
	assert_true(w->c.migrate_network);
	assert_int_equal(w->c.fetch_s, 1);
	assert_int_equal(w->c.checkout_s, 86400);
	assert_int_equal(w->c.silence_s, 5);
}

static void
structure(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} wrong[] = {
	    {BASE "colour = red\n", 5, "unknown key \"colour\" in [deploy]"},
	    {BASE "url = unix:///x\n", 5, "belongs to [redis], not to [deploy]"},
	    {BASE "repo = /srv/other\n", 5, "second time, after line 2"},
	    {BASE "branch = a\nbranch = a\n", 6, "second time, after line 5"},
	    {BASE "[colours]\nred = 1\nblue\n", 5, "unknown section [colours]"},
	    {BASE "[redis]\n[deploy]\nbranch = x\n", 6, "second time, after line 1"},
	    {BASE "[redis\nurl = unix:///x\n", 5, "alone on its line"},
	    {BASE "[redis] url = unix:///x\n", 5, "alone on its line"},
	    {BASE "[]\n", 5, "unknown section"},
	    {BASE "[ redis ]\n", 5, "unknown section"},
	    {"branch = x\n" BASE, 1, "before the first [section]"},
	    {BASE "just words\n", 5, "neither key = value"},
	    {BASE "branch ; = x\n", 5, "neither key = value"},
	    {BASE "= x\n", 5, "unknown key \"\""},
	    {BASE " branch = x\n", 5, "begins with a blank"},
	    {BASE "\tmore\n", 5, "begins with a blank"},
	    {BASE "branch = a\rb\n", 5, "control character"},
	    {BASE "# \033[2J\n", 5, "control character"},
	    {"\xef\xbb\xbf" BASE, 1, "byte order mark"},
	    {BASE "branch =\n", 5, "branch: \"\" is empty"},
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(wrong); i++)
		if (strncmp(wrong[i].text, "\xef", 1) != 0)
			assert_says(w, wrong[i].text, wrong[i].line, wrong[i].words);
		else if (load(w, wrong[i].text) == 0 || strstr(w->said, wrong[i].words) == NULL)
			fail_msg("%s", w->said);
}

/* Only the lines' ends are told of, and besides them what is wrong without them. */
static void
cr_lf(void **state)
{
	static const char text[] = "[deploy]\r\nrepo = /srv/app\r\nremote = /srv/app.git\r\n"
				   "; remark\r\n\r\nsignal = /run/app/update.json\r\n";
	char wrong[sizeof(text) + 64];
	struct world *w = *state;

	assert_int_equal(load(w, text), 1);
	assert_string_equal(w->said, "1: the lines end in CR LF; write them with LF alone\n");
	snprintf(wrong, sizeof(wrong), "%sbranch = -x\r\n", text);
	assert_int_equal(load(w, wrong), 2);
	assert_non_null(strstr(w->said, "\n7: branch: \"-x\" is not a branch name\n"));
	assert_says(w, BASE "branch = main\r\n", 5, "end in CR LF");
	assert_says(w, BASE "branch = main\r", 5, "control character");
}

static void
all_at_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(
	    load(w, "junk one\n[deploy]\njunk two\nrepo = srv\nbranch = -x\njunk three\n"
		    "[limits]\nfetch_s = never\n[more]\n"),
	    9);
	assert_string_equal(w->said,
	    "1: the line is neither key = value, nor [section], nor a comment\n"
	    "3: the line is neither key = value, nor [section], nor a comment\n"
	    "4: repo: \"srv\" is not an absolute path without empty, . or .. parts\n"
	    "5: branch: \"-x\" is not a branch name\n"
	    "6: the line is neither key = value, nor [section], nor a comment\n"
	    "8: fetch_s: \"never\" is not a number of seconds from 1 to 86400\n"
	    "9: unknown section [more]\n"
	    "0: [deploy] remote is missing: URL of the repository to fetch from\n"
	    "0: [deploy] signal is missing: the signal file of the version watcher\n");
}

static void
required(void **state)
{
	struct world *w = *state;

	assert_int_equal(load(w, ""), 3);
	assert_non_null(strstr(w->said, "0: [deploy] repo is missing"));
	assert_non_null(strstr(w->said, "0: [deploy] remote is missing"));
	assert_non_null(strstr(w->said, "0: [deploy] signal is missing"));
}

static void
line_lengths(void **state)
{
	struct world *w = *state;
	char text[1024];
	size_t len, head = strlen(BASE "migrate_command = ");

	for (len = 190; len < 420; len++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, BASE "migrate_command = ", head);
		strcpy(text + strlen(BASE) + len, "\n[redis]\nurl = junk\n");
		assert_int_equal(load(w, text), len > 199 ? 2 : 1);
		assert_int_equal(strstr(w->said, "5: the line is longer") != NULL, len > 199);
		assert_non_null(strstr(w->said, "7: url: \"junk\""));
		if (len <= 199)
			assert_int_equal(strlen(w->c.migrate_command), len - 18);
	}
}

static void
nul_bytes(void **state)
{
	static const char text[] = BASE "branch = ma\0in\nfetch = tag\n";
	struct world *w = *state;

	assert_int_equal(load_bytes(w, text, sizeof(text) - 1), 1);
	assert_non_null(strstr(w->said, "5: the line holds a control character"));
	assert_int_equal(w->c.fetch, CONF_FETCH_TAG);
}

/* Whether "key = value" is taken; section NULL: deploy. */
static bool
takes(struct world *w, const char *section, const char *key, const char *value)
{
	static const char *const needed[][2] = {
	    {"repo", "/r"}, {"remote", "/m"}, {"signal", "/q/s"}};
	char text[2048] = "[deploy]\n";
	size_t i, n = strlen(text);
	int complaints;

	for (i = 0; i < COUNT(needed); i++)
		if (strcmp(needed[i][0], key) != 0)
			n += (size_t)snprintf(
			    text + n, sizeof(text) - n, "%s = %s\n", needed[i][0], needed[i][1]);
	if (section != NULL)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[%s]\n", section);
	snprintf(text + n, sizeof(text) - n, "%s = %s\n", key, value);
	complaints = load(w, text);
	if (complaints == 1 && strstr(w->said, key) == NULL)
		fail_msg("%s does not name %s", w->said, key);
	assert_in_range(complaints, 0, 1);
	return complaints == 0;
}

static void
assert_values(struct world *w, const char *section, const char *key, const char *const *good,
    const char *const *bad)
{
	for (; *good != NULL; good++)
		if (!takes(w, section, key, *good))
			fail_msg("refused: %s", w->said);
	for (; *bad != NULL; bad++)
		if (takes(w, section, key, *bad))
			fail_msg("taken: %s = %s", key, *bad);
}

#define LIST(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static void
plain_values(void **state)
{
	struct world *w = *state;

	assert_values(w, NULL, "computer", LIST("a", "a.b-c_9"),
	    LIST("", "a b", "{x}", "a:b", "-a", ".a", "\xc3\xa9"));
	assert_values(w, NULL, "repo", LIST("/a", "/a b/c", "/\xc3\xa9/x", "/.a/..b"),
	    LIST("", "a", "./a", "/", "//a", "/a/", "/a/../b", "/a/./b", "/a//b", "~/a"));
	assert_values(w, NULL, "signal", LIST("/a", "/a b/update_available.json"),
	    LIST("a", "/a/.hidden", "/a/-x", "/a/b c", "/a/\xc3\xa9", "/a/"));
	assert_values(w, NULL, "migrations", LIST("m", "a/b", ".m/c"),
	    LIST("", "/m", "../m", "m/..", "./m", "m/", "a//b"));
	assert_values(
	    w, NULL, "fetch", LIST("tag", "tags"), LIST("", "ta", "tagss", "Tags", "tags tag"));
	assert_values(w, "sandbox", "mode", LIST("require", "degrade"), LIST("", "off", "yes"));
	assert_values(w, "sandbox", "install_network", LIST("yes", "no"),
	    LIST("", "true", "1", "YES", "yesno"));
	assert_values(w, "limits", "install_s", LIST("1", "086400", "60"),
	    LIST("", "0", "86401", "-1", "+5", "1s", "1.5", "0x10", "4294967297",
		"99999999999999999999"));
	assert_values(w, NULL, "signal_owner", LIST("root", ""), LIST("no-such-user-here", "a b"));
	assert_values(
	    w, NULL, "monitor_user", LIST("nobody", ""), LIST("no-such-user-here", "a b", "root"));
	assert_values(w, NULL, "deploy_user", LIST("root", ""), LIST("no-such-user-here", "a b"));
	assert_values(w, "verify", "mode", LIST("none"), LIST("", "tag", "yes"));
	assert_values(w, "sandbox", "write_paths", LIST("", "/a", "/a /b/c", "/a \t /b", "/.a/..b"),
	    LIST("/", "/a /", "a", "/a b", "/a/", "/a/../b", "/a//b", "~/a"));
	assert_values(w, "sandbox", "read_paths", LIST("", "/a", "/a /b/c", "/var/lib"),
	    LIST("/", "/a /", "a", "/a/", "/a/../b"));
	assert_values(w, NULL, "version", LIST("signal", "describe", "file V", "file\ta/V"),
	    LIST("", "file", "file /V", "file ../V", "fileV", "tag"));
	assert_values(w, NULL, "install_command", LIST("make", "make  -C x install"),
	    LIST("", "sh -c 'x'", "a \"b\"", "a\\ b", "a `b`"));
	assert_values(w, NULL, "branch", LIST("main", "a/b", "v1.x", "a@b", "feature-1"),
	    LIST("", "-a", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/",
		"a//b", "a.", ".a", "a/.b", "a.lock", "a.lock/b", "@", "a@{1}", "HEAD",
		"refs/heads/main"));
}

static void
remotes(void **state)
{
	struct world *w = *state;

	assert_values(w, NULL, "remote",
	    LIST("/srv/a.git", "file:///srv/a.git", "http://h/a.git",
		"https://h.example:8443/a.git", "https://[::1]:8443/a", "ssh://h/a",
		"ssh://git@h:22/~me/a.git", "git://h/a", "git://127.0.0.1:9418/a",
		"git@h.example:a/b.git", "git@[::1]:a/b.git", "https://h/a?b=c"),
	    LIST("", "origin", "upstream/main", "a.git", "./a", "../a", "/a/../b", "file://a",
		"file://h/a", "file:///a/../b", "ext::sh -c x", "ext::sh", "fd::3", "https::x",
		"https://h", "https://h/", "https:///a", "https://u@h/a", "https://u:p@h/a",
		"ssh://u:p@h/a", "ssh://-oProxyCommand=x/a", "ssh://-x@h/a", "ssh://h:0/a",
		"ssh://h:65536/a", "ssh://h:x/a", "https://h:/a", "https://[::1/a", "https://[x]/a",
		"https://[::1]x/a", "git://u@h/a", "ftp://h/a", "rsync://h/a", "HTTPS://h/a",
		"https://h/a b", "-u@h:a", "--upload-pack=x", "u@-h:a", "u@h:-a", "u@h:", "u@h::a",
		"@h:a", "h:a", "u@h", "u@:a", "u:p@h:a"));
	assert_false(takes(w, NULL, "remote", "origin"));
	assert_non_null(strstr(w->said, "`git remote get-url origin` prints it"));
	assert_false(takes(w, NULL, "remote", "https://me:secret@h/a"));
	assert_non_null(strstr(w->said, "names a user"));
	assert_false(takes(w, NULL, "remote", "ext::sh -c x"));
	assert_false(takes(w, NULL, "remote", "ext::x"));
	assert_non_null(strstr(w->said, "transport helper"));
}

static void
redis_urls(void **state)
{
	struct world *w = *state;

	assert_values(w, "redis", "url",
	    LIST("", "redis://h", "redis://h/", "redis://h:1", "redis://h/15",
		"redis://u@h:65535/0", "redis://[::1]:6379/1", "unix:///run/redis.sock",
		"unix:///r?db=2"),
	    LIST("h", "h:6379", "redis://", "redis://:pw@h", "redis://u:pw@h", "redis://h:0",
		"redis://h:65536", "redis://h/x", "redis://h/1/2", "redis://h/-1",
		"redis://h/65536", "redis://a b", "rediss://h", "unix://r", "unix:///",
		"unix:///r?db=", "unix:///r?x=1", "unix:///a/../b", "http://h"));
	assert_true(takes(w, "redis", "url", "redis://[::1]/2"));
	assert_string_equal(w->c.redis_host, "::1");
	assert_int_equal(w->c.redis_port, 6379);
	assert_int_equal(w->c.redis_db, 2);
	assert_string_equal(w->c.redis_user, "");
	assert_true(takes(w, "redis", "url", "unix:///run/r.sock?db=7"));
	assert_int_equal(w->c.redis, CONF_REDIS_UNIX);
	assert_string_equal(w->c.redis_host, "/run/r.sock");
	assert_int_equal(w->c.redis_db, 7);
}

static void
permissions(void **state)
{
	struct world *w = *state;

	assert_loads(w, BASE);
	assert_int_equal(chmod(w->path, 0644), 0);
	assert_int_equal(conf_load(&w->c, w->path, note, w), 0);
	assert_int_equal(chmod(w->path, 0664), 0);
	assert_says(w, BASE, 0, "may be written by others");
	assert_int_equal(chmod(w->path, 0602), 0);
	assert_says(w, BASE, 0, "may be written by others");
}

static void
foreign_owner(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	assert_loads(w, BASE);
	assert_int_equal(chown(w->path, 12345, (gid_t)-1), 0);
	assert_says(w, BASE, 0, "belongs to user 12345, not to root or");
	assert_int_equal(chown(w->path, 65534, (gid_t)-1), 0);
	assert_says(w, BASE, 0, "belongs to user 65534 (nobody)");
	assert_says(w, BASE, 0, "chown it to root, or run as that user");
}

static void
kinds_of_file(void **state)
{
	struct world *w = *state;
	char text[70000];

	w->said[0] = '\0';
	assert_int_equal(conf_load(&w->c, w->path, note, w), 1);
	assert_string_equal(w->said, "0: cannot be opened: No such file or directory\n");
	assert_int_equal(mkfifo(w->path, 0600), 0);
	w->said[0] = '\0';
	assert_int_equal(conf_load(&w->c, w->path, note, w), 1);
	assert_string_equal(w->said, "0: is not a regular file\n");
	assert_int_equal(unlink(w->path), 0);
	memset(text, '\n', sizeof(text));
	assert_int_equal(load_bytes(w, text, sizeof(text)), 1);
	assert_string_equal(w->said, "0: is larger than 65536 bytes\n");
}

static void
words(void **state)
{
	char buf[CONF_TEXT_MAX], value[CONF_TEXT_MAX], *argv[CONF_WORDS_MAX];
	struct world *w = *state;
	size_t i;

	conf_words("make  -C\tx install", buf, argv);
	assert_string_equal(argv[0], "make");
	assert_string_equal(argv[1], "-C");
	assert_string_equal(argv[2], "x");
	assert_string_equal(argv[3], "install");
	assert_null(argv[4]);
	conf_words("", buf, argv);
	assert_null(argv[0]);
	for (i = 0; i < CONF_WORDS_MAX; i++)
		memcpy(value + 2 * i, "w ", 3);
	assert_false(takes(w, NULL, "install_command", value));
	value[2 * CONF_WORDS_MAX - 2] = '\0';
	assert_true(takes(w, NULL, "install_command", value));
	conf_words(w->c.install_command, buf, argv);
	assert_string_equal(argv[CONF_WORDS_MAX - 2], "w");
	assert_null(argv[CONF_WORDS_MAX - 1]);
}

static void
path_lists(void **state)
{
	char buf[CONF_TEXT_MAX], value[CONF_TEXT_MAX], *argv[CONF_WORDS_MAX];
	struct world *w = *state;
	size_t i;

	assert_true(takes(w, "sandbox", "write_paths", "/a  /b\t/c/d"));
	conf_words(w->c.write_paths, buf, argv);
	assert_string_equal(argv[0], "/a");
	assert_string_equal(argv[1], "/b");
	assert_string_equal(argv[2], "/c/d");
	assert_null(argv[3]);
	for (i = 0; i < CONF_WORDS_MAX; i++)
		memcpy(value + 3 * i, "/p ", 4);
	assert_false(takes(w, "sandbox", "read_paths", value));
	assert_non_null(strstr(w->said, "has too many paths"));
	value[3 * CONF_WORDS_MAX - 3] = '\0';
	assert_true(takes(w, "sandbox", "read_paths", value));
	assert_false(takes(w, "sandbox", "write_paths", "/a /"));
	assert_non_null(strstr(w->said, "the whole file system"));
}

/* What the steps may write, and what must never be in it. */
static void
precious(void **state)
{
	static const char keys[] =
	    BASE "state_dir = /var/lib/app\nssh_key = /etc/app/key\nssh_known_hosts = "
		 "/etc/app/hosts\nca_file = /etc/ssl/ca.pem\n[redis]\npassword_file = /etc/app/pw\n"
		 "[verify]\nallowed_signers = /etc/sign/ssh\nopenpgp_keys = /etc/sign/pgp\n"
		 "[sandbox]\n";
	static const char *const bad[][2] = {
	    {"/var/lib/app", "/var/lib/app is state_dir"},
	    {"/var/lib", "/var/lib holds state_dir, /var/lib/app"},
	    {"/var/lib/app/tmp", "/var/lib/app/tmp is inside state_dir"},
	    {"/run/app", "/run/app is the directory of signal"},
	    {"/run", "/run holds the directory of signal, /run/app"},
	    {"/run/app/sub", "/run/app/sub is inside the directory of signal"},
	    {"/run/app/update.json", "is inside the directory of signal"},
	    {"/etc/app/key", "/etc/app/key is ssh_key"},
	    {"/etc/app", "/etc/app holds ssh_key, /etc/app/key"},
	    {"/etc/app/hosts", "is ssh_known_hosts"},
	    {"/etc/ssl", "holds ca_file"},
	    {"/etc/app/pw", "is password_file"},
	    {"/etc/sign/ssh", "is allowed_signers"},
	    {"/etc/sign/pgp", "is openpgp_keys"},
	    {"/srv/data /var", "/var holds state_dir"},
	};
	static const char *const good[] = {"/var/lib/app2", "/var/lib/ap", "/run/app.d", "/srv/app",
	    "/srv", "/srv/app/var", "/etc/app/keys", "/etc/ssl/certs", "/opt /var/lib/appx"};
	struct world *w = *state;
	char text[2048];
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof(text), "%swrite_paths = %s\n", keys, bad[i][0]);
		assert_says(w, text, 15, bad[i][1]);
		assert_says(w, text, 15, "write_paths: ");
	}
	for (i = 0; i < COUNT(good); i++) {
		snprintf(text, sizeof(text), "%swrite_paths = %s\n", keys, good[i]);
		assert_loads(w, text);
	}
}

static void
precious_configuration(void **state)
{
	char text[PATH_MAX + 256], link[PATH_MAX + 32];
	struct world *w = *state;

	snprintf(text, sizeof(text), BASE "[sandbox]\nwrite_paths = %s\n", w->dir);
	assert_says(w, text, 6, "holds this file");
	snprintf(text, sizeof(text), BASE "[sandbox]\nwrite_paths = %s\n", w->path);
	assert_says(w, text, 6, "is this file");
	/* By another name it is still the same file. */
	snprintf(link, sizeof(link), "%s.link", w->path);
	assert_int_equal(rename(w->path, link), 0);
	assert_int_equal(symlink(link, w->path), 0);
	snprintf(text, sizeof(text), BASE "[sandbox]\nwrite_paths = %s\n", link);
	assert_says(w, text, 6, "is this file");
}

static void
inside_repo(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} wrong[] = {
	    {BASE "state_dir = /srv/app/state\n", 5, "state_dir, /srv/app/state, is inside repo"},
	    {BASE "ssh_key = /srv/app/key\n", 5, "ssh_key, /srv/app/key, is inside repo"},
	    {BASE "ca_file = /srv/app/ca\n", 5, "ca_file"},
	    {BASE "ssh_known_hosts = /srv/app/h\n", 5, "ssh_known_hosts"},
	    {BASE "[redis]\npassword_file = /srv/app/p\n", 6, "password_file"},
	    {BASE "[verify]\nallowed_signers = /srv/app/s\n", 6, "allowed_signers"},
	    {BASE "[verify]\nopenpgp_keys = /srv/app/s\n", 6, "openpgp_keys"},
	    {"[deploy]\nrepo = /a\nremote = /m\nsignal = /a/u.json\n", 4,
		"the directory of signal, /a, is inside repo"},
	    {"[deploy]\nrepo = /a\nremote = /m\nsignal = /a/b/u.json\n", 4,
		"the directory of signal, /a/b, is inside repo"},
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(wrong); i++)
		assert_says(w, wrong[i].text, wrong[i].line, wrong[i].words);
	assert_loads(w, BASE "state_dir = /srv/app.state\nssh_key = /srv/key\n");
}

static void
verification(void **state)
{
	struct world *w = *state;

	assert_says(w, BASE "[verify]\nmode = tag\n", 6, "needs allowed_signers or openpgp_keys");
	assert_says(w, BASE "[verify]\n\nmode = commit\n", 7, "[verify] mode");
	assert_loads(w, BASE "[verify]\nmode = tag\nallowed_signers = /etc/s\n");
	assert_int_equal(w->c.verify, CONF_VERIFY_TAG);
	assert_int_equal(w->c.mode, CONF_REQUIRE);
	assert_loads(w, BASE "[verify]\nmode = commit\nopenpgp_keys = /etc/s\n");
	assert_int_equal(w->c.verify, CONF_VERIFY_COMMIT);
	assert_loads(w, BASE "[sandbox]\nmode = degrade\n");
	assert_int_equal(w->c.verify, CONF_VERIFY_NONE);
}

static void
split_paths(void **state)
{
	char dir[CONF_TEXT_MAX], name[CONF_TEXT_MAX];

	(void)state;
	conf_split_path("/run/app/update.json", dir, name);
	assert_string_equal(dir, "/run/app");
	assert_string_equal(name, "update.json");
	conf_split_path("/update.json", dir, name);
	assert_string_equal(dir, "/");
	assert_string_equal(name, "update.json");
}

/* Every default that the list promises is one that its own kind takes. */
static void
own_list(void **state)
{
	const struct conf_key *k, *l;
	struct world *w = *state;

	for (k = conf_keys(); k->key != NULL; k++) {
		assert_true(k->help[0] != '\0');
		for (l = conf_keys(); l != k; l++)
			assert_false(
			    strcmp(l->key, k->key) == 0 && strcmp(l->section, k->section) == 0);
		if (k->fallback != NULL && k->fallback[0] != '@')
			assert_true(takes(w, strcmp(k->section, "deploy") == 0 ? NULL : k->section,
			    k->key, k->fallback));
	}
}

/* The next line of page that begins with head; *page moves behind it. */
static const char *
next_line(const char **page, const char *head)
{
	const char *line = *page, *end;

	for (; *line != '\0'; line = end + (*end != '\0')) {
		end = line + strcspn(line, "\n");
		*page = end;
		if (strncmp(line, head, strlen(head)) == 0)
			return line + strlen(head);
	}
	return "";
}

static bool
begins(const char *text, const char *with, const char *then)
{
	size_t len = strlen(with);

	return strncmp(text, with, len) == 0 && strchr(then, text[len]) != NULL;
}

/* Keys in the order of the list, each under its section, each with its default. */
static void
manual_page(void **state)
{
	const char *section = "", *page, *line, *at;
	const struct conf_key *k;
	char *data, heading[64];
	size_t len;

	(void)state;
	assert_int_equal(file_slurp(AT_FDCWD, "shared/moult.conf.5", 1 << 20, &data, &len), 0);
	page = data;
	for (k = conf_keys(); k->key != NULL; k++) {
		if (strcmp(section, k->section) != 0) {
			section = k->section;
			snprintf(heading, sizeof(heading), "[%s]", section);
			line = next_line(&page, ".Ss ");
			assert_true(begins(line, heading, "\n"));
		}
		line = next_line(&page, ".It Cm ");
		if (!begins(line, k->key, " \n"))
			fail_msg("%s is not where it belongs", k->key);
		at = page;
		if (k->fallback == NULL)
			assert_true(begins(next_line(&at, "Required"), ".", "\n"));
		else if (k->fallback[0] == '\0')
			assert_true(next_line(&at, "Not set by default")[0] != '\0');
		else if (k->fallback[0] != '@') {
			(void)next_line(&at, "The default is");
			if (!begins(next_line(&at, ".Ql "), k->fallback, " "))
				fail_msg("%s: another default", k->key);
		}
	}
	assert_string_equal(next_line(&page, ".It Cm "), "");
	free(data);
}

static void
log_words(void *arg)
{
	(void)arg;
	conf_complain_to_log(NULL, "moult.conf", 12, "twelve");
	conf_complain_to_log(NULL, "moult.conf", 0, "all");
}

static void
to_log(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(check_in_child(log_words, NULL, said, sizeof(said)), 0);
	assert_non_null(strstr(said, ": moult.conf:12: twelve\n"));
	assert_non_null(strstr(said, ": moult.conf: all\n"));
}

#define CONF_TEST(title, function)                     \
	{                                              \
		title, function, setup, teardown, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    CONF_TEST("what is not set has its default", defaults),
	    CONF_TEST("each key is read into its place", everything),
	    CONF_TEST("each break of the syntax is told once, with its line", structure),
	    CONF_TEST("lines that end in CR LF are one complaint, and are read", cr_lf),
	    CONF_TEST("all complaints are made in one reading", all_at_once),
	    CONF_TEST("a required key that is missing is told", required),
	    CONF_TEST("a line that is too long is refused whole, the next one read", line_lengths),
	    CONF_TEST("a NUL byte is refused, the next line read", nul_bytes),
	    CONF_TEST("each kind takes its values and no other", plain_values),
	    CONF_TEST("a remote is a URL of a known form, without secrets or options", remotes),
	    CONF_TEST("the URL of Redis falls into its parts", redis_urls),
	    CONF_TEST("a file that others may write is refused", permissions),
	    CONF_TEST("a file of another user is refused", foreign_owner),
	    CONF_TEST("a file that is absent, no file, or huge is refused", kinds_of_file),
	    CONF_TEST("a command is split at blanks and has its limit", words),
	    CONF_TEST("a list of paths is split at blanks and has its limit", path_lists),
	    CONF_TEST("no step may write what confines it or is believed", precious),
	    CONF_TEST("no step may write the configuration, by any name", precious_configuration),
	    CONF_TEST("nothing that confines or is believed lies inside repo", inside_repo),
	    CONF_TEST("a signature is wanted only where somebody may sign", verification),
	    CONF_TEST("a path falls into directory and name", split_paths),
	    CONF_TEST("the list of keys has no key twice, and its defaults are valid", own_list),
	    CONF_TEST("the manual page has each key, in order, with its default", manual_page),
	    CONF_TEST("a complaint in the log begins with file and line", to_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
