/*
 * commands.c - see commands.h.
 *
 * room: executor. The only file with command lines.
 * distrusts: the repository, the remote, the environment it was started in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "migrate_py.h"
#include "remote.h"

#define PATH_OF_STEPS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PATH_BYTES    4096
#define CONFIG_BYTES  8192

/* The keys of a repository's own configuration that tell of its kind are among these. */
#define FORMAT_KEYS "^(core|extensions|remote)\\."

static char *
arena_add(struct command *c, const char *text)
{
	size_t len = strlen(text) + 1;
	char *at = c->arena + c->used;

	if (len > sizeof(c->arena) - c->used)
		bug("command: %zu bytes do not fit", len);
	memcpy(at, text, len);
	c->used += len;
	return at;
}

static void
arg(struct command *c, const char *text)
{
	if (c->argc + 1 >= COMMAND_ARGV_MAX)
		bug("command: too many arguments");
	c->argv[c->argc++] = arena_add(c, text);
	c->argv[c->argc] = NULL;
}

static void
args(struct command *c, const char *const *list)
{
	for (; *list != NULL; list++)
		arg(c, *list);
}

static void __attribute__((format(printf, 2, 3))) argf(struct command *c, const char *fmt, ...)
{
	char text[PATH_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		bug("command: an argument of %d bytes", n);
	arg(c, text);
}

static void __attribute__((format(printf, 2, 3))) env(struct command *c, const char *fmt, ...)
{
	char text[PATH_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text) || c->envc + 1 >= COMMAND_ENV_MAX)
		bug("command: the environment does not fit");
	c->envp[c->envc++] = arena_add(c, text);
	c->envp[c->envc] = NULL;
}

/* Searches a PATH of ours. What is not found keeps its name. */
static void
find_program(const char *name, char path[PATH_BYTES])
{
	const char *dir = PATH_OF_STEPS;

	while (*dir != '\0') {
		int len = (int)strcspn(dir, ":");

		snprintf(path, PATH_BYTES, "%.*s/%s", len, dir, name);
		if (access(path, X_OK) == 0)
			return;
		dir += len;
		dir += *dir == ':';
	}
	snprintf(path, PATH_BYTES, "%s", name);
}

/*
 * execve(2) wants a path, and searching is not async-signal-safe: it is done here. Of a name that
 * was not found execve(2) says ENOENT.
 */
static void
program(struct command *c, const char *name)
{
	char path[PATH_BYTES];

	if (strchr(name, '/') != NULL) {
		arg(c, name);
		return;
	}
	find_program(name, path);
	arg(c, path);
}

static void
begin(struct exe *e, enum profile profile, uint32_t limit_s)
{
	struct command *c = &e->command;
	const struct journal_state *s = &e->journal.state;

	memset(c, 0, sizeof(*c));
	c->profile = profile;
	c->network = NETWORK_NONE;
	c->limit_s = limit_s;
	env(c, "PATH=%s", PATH_OF_STEPS);
	env(c, "HOME=%s/tmp/home", e->conf.state_dir);
	env(c, "TMPDIR=%s/tmp", e->conf.state_dir);
	env(c, COMMAND_MARK, e->conf.state_dir);
	env(c, "MOULT_RUN=%s", s->run);
	env(c, "MOULT_CHANNEL=%s", wire_channel_name((uint32_t)s->channel));
	env(c, "MOULT_FROM=%s", s->from);
	env(c, "MOULT_TO=%s", s->to);
}

/* Steps of the project's own code speak UTF-8; git must speak the C locale, which we read. */
static void
begin_project(struct exe *e, enum profile profile, uint32_t limit_s)
{
	begin(e, profile, limit_s);
	env(&e->command, "LANG=C.UTF-8");
	env(&e->command, "MOULT_COMMIT=%s", e->journal.state.commit);
	env(&e->command, "MOULT_ATTEMPT=%u", (unsigned int)e->journal.state.attempt);
}

static void
begin_migration(struct exe *e)
{
	begin_project(e, PROFILE_MIGRATE, e->conf.migration_s);
	if (e->conf.migrate_network)
		e->command.network = NETWORK_OPEN;
}

/* git with nothing of the repository's own configuration, of the user's or of the system's. */
static void
git(struct exe *e, enum profile profile, uint32_t limit_s)
{
	struct command *c = &e->command;

	begin(e, profile, limit_s);
	env(c, "LC_ALL=C");
	env(c, "GIT_CONFIG_NOSYSTEM=1");
	env(c, "GIT_CONFIG_GLOBAL=%s/git/global", e->conf.state_dir);
	env(c, "GIT_ATTR_NOSYSTEM=1");
	env(c, "GIT_TERMINAL_PROMPT=0");
	env(c, "GIT_ASKPASS=/bin/false");
	env(c, "SSH_ASKPASS=/bin/false");
	env(c, "GIT_EDITOR=/bin/false");
	env(c, "GIT_PAGER=cat");
	env(c, "GIT_NO_REPLACE_OBJECTS=1");
	env(c, "GIT_OPTIONAL_LOCKS=0");
	env(c, "GIT_LITERAL_PATHSPECS=1");
	program(c, "git");
}

/* An argument tells where it works, so that it can be seen in /proc by whoever meets its locks. */
static void
git_in_repo(struct exe *e, enum profile profile, uint32_t limit_s)
{
	struct command *c = &e->command;

	git(e, profile, limit_s);
	argf(c, "--git-dir=%s/.git", e->conf.repo);
	env(c, "GIT_COMMON_DIR=%s/git", e->conf.state_dir);
	env(c, "GIT_WORK_TREE=%s", e->conf.repo);
}

/* A word of GIT_SSH_COMMAND, which git hands to sh: quoted so that sh sees it as it is. */
static void
shell_quote(char *dst, size_t size, const char *src)
{
	size_t used = 0;

	dst[used++] = '\'';
	for (; *src != '\0'; src++) {
		if (used + 6 > size)
			bug("command: a quoted path does not fit");
		if (*src == '\'') {
			memcpy(dst + used, "'\\''", 4);
			used += 4;
		} else
			dst[used++] = *src;
	}
	dst[used++] = '\'';
	dst[used] = '\0';
}

static void
git_ssh(struct exe *e)
{
	char key[PATH_BYTES / 2] = "", hosts[PATH_BYTES / 2] = "", quoted[PATH_BYTES / 4];

	if (e->conf.ssh_key[0] != '\0') {
		shell_quote(quoted, sizeof(quoted), e->conf.ssh_key);
		snprintf(key, sizeof(key), " -o IdentitiesOnly=yes -i %s", quoted);
	}
	if (e->conf.ssh_known_hosts[0] != '\0') {
		shell_quote(quoted, sizeof(quoted), e->conf.ssh_known_hosts);
		snprintf(hosts, sizeof(hosts), " -o UserKnownHostsFile=%s", quoted);
	}
	env(&e->command,
	    "GIT_SSH_COMMAND=ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes"
	    " -o ForwardAgent=no -o ClearAllForwardings=yes%s%s",
	    key, hosts);
	env(&e->command, "GIT_SSH_VARIANT=ssh");
}

/* A git that speaks to the remote. Names are asked for over TCP: no UDP is open. */
static void
git_remote(struct exe *e)
{
	git_in_repo(e, PROFILE_FETCH, e->conf.fetch_s);
	if (!remote_is_local(&e->conf)) {
		e->command.network = NETWORK_REMOTE;
		env(&e->command, "RES_OPTIONS=use-vc");
	}
	if (remote_is_ssh(&e->conf))
		git_ssh(e);
	e->command.silence_s = e->conf.silence_s;
}

void
command_target_ref(const struct exe *e, char *ref, size_t size)
{
	if (e->journal.state.channel == CHANNEL_ALPHA)
		snprintf(ref, size, "refs/remotes/origin/%s", e->conf.branch);
	else
		snprintf(ref, size, "refs/tags/v%s", e->journal.state.to);
}

void
command_git_format(struct exe *e)
{
	static const char *const list[] = {
	    "--no-includes", "-z", "--get-regexp", FORMAT_KEYS, NULL};

	git(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.start = START_ROOT; /* no repository there, so git looks at the file alone */
	e->command.capture = true;
	arg(&e->command, "config");
	argf(&e->command, "--file=%s/.git/config", e->conf.repo);
	args(&e->command, list);
}

void
command_git_status(struct exe *e)
{
	static const char *const list[] = {"status", "--porcelain=v2", "--branch", "-z",
	    "--untracked-files=no", "--no-ahead-behind", "--no-renames", "--ignore-submodules=all",
	    NULL};

	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	args(&e->command, list);
}

void
command_git_diff(struct exe *e)
{
	static const char *const list[] = {"diff", "--no-ext-diff", "--no-textconv", "--no-color",
	    "--ignore-submodules=all", "HEAD", NULL};

	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	args(&e->command, list);
}

void
command_git_fetch(struct exe *e)
{
	static const char *const list[] = {"fetch", "--progress", "--no-write-fetch-head",
	    "--no-auto-maintenance", "--no-recurse-submodules", "--upload-pack=git-upload-pack",
	    NULL};
	struct command *c = &e->command;

	git_remote(e);
	c->progress = true;
	args(c, list);
	/* With a branch come the tags on it, as with git pull; else what is named and no more. */
	if (e->journal.state.channel != CHANNEL_ALPHA)
		arg(c, "--no-tags");
	argf(c, "%s", e->conf.remote);
	if (e->journal.state.channel == CHANNEL_ALPHA)
		argf(c, "+refs/heads/%s:refs/remotes/origin/%s", e->conf.branch, e->conf.branch);
	else if (e->conf.fetch == CONF_FETCH_TAG)
		argf(c, "refs/tags/v%s:refs/tags/v%s", e->journal.state.to, e->journal.state.to);
	else {
		arg(c, "refs/tags/*:refs/tags/*"); /* as fetch --tags: what moved is refused */
		/* By name as well: a tag that was withdrawn must not be taken from here. */
		argf(c, "refs/tags/v%s:refs/tags/v%s", e->journal.state.to, e->journal.state.to);
	}
}

void
command_git_ask_tag(struct exe *e)
{
	static const char *const list[] = {
	    "ls-remote", "--exit-code", "--refs", "--upload-pack=git-upload-pack", NULL};

	git_remote(e);
	e->command.capture = true;
	args(&e->command, list);
	argf(&e->command, "%s", e->conf.remote);
	argf(&e->command, "refs/tags/v%s", e->journal.state.to);
}

void
command_git_ask_all(struct exe *e, uint32_t limit_s)
{
	git_remote(e);
	e->command.capture = true;
	e->command.limit_s = limit_s;
	e->command.silence_s = 0;
	arg(&e->command, "ls-remote");
	arg(&e->command, "--refs");
	arg(&e->command, "--upload-pack=git-upload-pack");
	argf(&e->command, "%s", e->conf.remote);
	argf(&e->command, "refs/heads/%s", e->conf.branch);
	arg(&e->command, "refs/tags/v*");
}

void
command_git_tags(struct exe *e)
{
	static const char *const list[] = {"for-each-ref", "--sort=-version:refname",
	    "--format=%(refname:strip=2)", "refs/tags/v*", NULL};

	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	args(&e->command, list);
}

void
command_git_version(struct exe *e)
{
	git(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.start = START_ROOT;
	e->command.capture = true;
	arg(&e->command, "--version");
}

void
command_git_resolve(struct exe *e)
{
	char ref[CONF_TEXT_MAX + 64];

	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	command_target_ref(e, ref, sizeof(ref));
	arg(&e->command, "rev-parse");
	argf(&e->command, "%s", ref);
	argf(&e->command, "%s^{commit}", ref);
}

void
command_git_submodules(struct exe *e, const char *commit)
{
	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	arg(&e->command, "ls-tree");
	arg(&e->command, "--name-only");
	arg(&e->command, commit);
	arg(&e->command, ".gitmodules");
}

void
command_git_is_ancestor(struct exe *e, const char *ancestor, const char *descendant)
{
	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	arg(&e->command, "merge-base");
	arg(&e->command, "--is-ancestor");
	arg(&e->command, ancestor);
	arg(&e->command, descendant);
}

void
command_git_checkout(struct exe *e, const char *commit, bool recovering)
{
	static const char *const merge[] = {"merge", "--ff-only", "--quiet", "--no-stat", NULL};
	static const char *const reset[] = {
	    "reset", "--hard", "--quiet", "--no-recurse-submodules", NULL};
	static const char *const checkout[] = {
	    "checkout", "--quiet", "--detach", "--no-recurse-submodules", NULL};
	struct command *c = &e->command;
	bool alpha = e->journal.state.channel == CHANNEL_ALPHA;

	git_in_repo(e, PROFILE_CHECKOUT, e->conf.checkout_s);
	/* After an interruption a half-written tree stands in the way of a merge; the target is
	 * a descendant of HEAD, so that a reset moves the branch forward only, as a merge would. */
	args(c, !alpha ? checkout : recovering ? reset : merge);
	if (!alpha && recovering)
		arg(c, "--force");
	arg(c, commit);
	if (!alpha)
		arg(c, "--");
}

void
command_git_object(struct exe *e, const char *type, const char *id)
{
	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	arg(&e->command, "cat-file");
	arg(&e->command, type);
	arg(&e->command, id);
}

void
command_git_verify(struct exe *e, const char *type, const char *id)
{
	git_in_repo(e, PROFILE_VERIFY, EXE_LIMIT_SHORT_S);
	env(&e->command, "GNUPGHOME=%s/" COMMAND_GNUPGHOME, e->conf.state_dir);
	e->command.capture = e->command.capture_errors = true;
	argf(&e->command, "verify-%s", type);
	arg(&e->command, "--raw");
	arg(&e->command, id);
}

void
command_gpg_import(struct exe *e)
{
	static const char *const list[] = {"--batch", "--no-autostart", "--import", NULL};

	begin(e, PROFILE_VERIFY, EXE_LIMIT_SHORT_S);
	env(&e->command, "LC_ALL=C");
	env(&e->command, "GNUPGHOME=%s/" COMMAND_GNUPGHOME, e->conf.state_dir);
	e->command.start = START_STATE;
	program(&e->command, "gpg");
	args(&e->command, list);
	arg(&e->command, e->conf.openpgp_keys);
}

void
command_git_show(struct exe *e, const char *commit, const char *path)
{
	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	arg(&e->command, "cat-file");
	arg(&e->command, "blob");
	argf(&e->command, "%s:%s", commit, path);
}

void
command_git_describe(struct exe *e, const char *commit)
{
	git_in_repo(e, PROFILE_LOOK, EXE_LIMIT_SHORT_S);
	e->command.capture = true;
	arg(&e->command, "describe");
	arg(&e->command, "--tags");
	arg(&e->command, "--abbrev=0");
	arg(&e->command, "--match=v[0-9]*");
	arg(&e->command, commit);
}

void
command_loosen(struct exe *e)
{
	static const char *const list[] = {"-R", "--silent", "u+rwx,go=", "--", "tmp", NULL};

	begin(e, PROFILE_SWEEP, EXE_LIMIT_SHORT_S);
	e->command.start = START_STATE;
	program(&e->command, "chmod");
	args(&e->command, list);
}

void
command_sweep(struct exe *e)
{
	static const char *const list[] = {"tmp", "-mindepth", "1", "-xdev", "-delete", NULL};

	begin(e, PROFILE_SWEEP, EXE_LIMIT_SHORT_S);
	e->command.start = START_STATE;
	program(&e->command, "find");
	args(&e->command, list);
}

void
command_python(struct exe *e)
{
	begin_migration(e);
	e->command.dialog = true;
	program(&e->command, "python3");
	arg(&e->command, "-I"); /* no PYTHON* variables, no user site, no current directory */
	arg(&e->command, "-B"); /* no __pycache__ in the checkout */
	arg(&e->command, "-u");
	arg(&e->command, "-c");
	arg(&e->command, migrate_py);
	arg(&e->command, e->conf.repo);
	argf(&e->command, "%s/%s", e->conf.repo, e->conf.migrations);
}

void
command_migration(struct exe *e, const char *name, const char *verb)
{
	begin_migration(e);
	argf(&e->command, "%s/%s/v%s", e->conf.repo, e->conf.migrations, name);
	arg(&e->command, verb);
}

/* The configuration's words, then nothing else: no shell is involved. */
static void
configured(struct command *c, const char *value)
{
	char buf[CONF_TEXT_MAX], *words[CONF_WORDS_MAX];

	conf_words(value, buf, words);
	program(c, words[0]);
	for (size_t i = 1; words[i] != NULL; i++)
		arg(c, words[i]);
}

void
command_migrate_gap(struct exe *e)
{
	begin_migration(e);
	configured(&e->command, e->conf.migrate_command);
	arg(&e->command, "--from");
	arg(&e->command, e->journal.state.from);
	arg(&e->command, "--to");
	arg(&e->command, e->journal.state.to);
}

void
command_install(struct exe *e)
{
	begin_project(e, PROFILE_INSTALL, e->conf.install_s);
	if (e->conf.install_network)
		e->command.network = NETWORK_OPEN;
	configured(&e->command, e->conf.install_command);
}

/* A value of git's configuration, between double quotes (git-config(1), "Syntax"). */
static void
config_quote(char *dst, size_t size, const char *src)
{
	size_t used = 0;

	for (; *src != '\0' && used + 3 < size; src++) {
		if (*src == '"' || *src == '\\')
			dst[used++] = '\\';
		dst[used++] = *src;
	}
	dst[used] = '\0';
}

static int
link_into_git(int dir_fd, const char *repo, const char *name)
{
	char target[PATH_BYTES], present[PATH_BYTES];
	ssize_t n;

	snprintf(target, sizeof(target), "%s/.git/%s", repo, name);
	n = readlinkat(dir_fd, name, present, sizeof(present) - 1);
	if (n >= 0) {
		present[n] = '\0';
		if (strcmp(present, target) == 0)
			return 0;
	}
	if (n >= 0 && unlinkat(dir_fd, name, 0) == -1)
		return -1;
	return symlinkat(target, dir_fd, name);
}

/*
 * The keys that may sign, and the programs that know them; of a kind without keys nothing is good.
 * git calls an ssh signature by an unlisted key good but not trusted: trust is what is asked for.
 * gpg says nothing about trust, because each key of openpgp_keys may sign: see step_verify.c.
 */
static void
signing_config(const struct exe *e, char *text, size_t size)
{
	char ssh[PATH_BYTES] = "/bin/false", gpg[PATH_BYTES] = "/bin/false";
	char signers[PATH_BYTES / 2];
	int n;

	if (e->conf.allowed_signers[0] != '\0')
		find_program("ssh-keygen", ssh);
	if (e->conf.openpgp_keys[0] != '\0')
		find_program("gpg", gpg);
	config_quote(signers, sizeof(signers), e->conf.allowed_signers);
	n = snprintf(text, size,
	    "[gpg]\n\tprogram = %s\n\tminTrustLevel = fully\n"
	    "[gpg \"openpgp\"]\n\tprogram = %s\n[gpg \"x509\"]\n\tprogram = /bin/false\n"
	    "[gpg \"ssh\"]\n\tprogram = %s\n%s%s%s",
	    gpg, gpg, ssh, signers[0] != '\0' ? "\tallowedSignersFile = \"" : "", signers,
	    signers[0] != '\0' ? "\"\n" : "");
	if (n < 0 || (size_t)n >= size)
		bug("command: the git configuration does not fit");
}

static int
write_configs(struct exe *e, int dir_fd)
{
	char text[CONFIG_BYTES], quoted[PATH_BYTES / 2], signing[CONFIG_BYTES / 2];
	int n;

	signing_config(e, signing, sizeof(signing));
	config_quote(quoted, sizeof(quoted), e->conf.ca_file);
	n = snprintf(text, sizeof(text),
	    "[core]\n\trepositoryformatversion = %d\n\tbare = false\n\thooksPath = /dev/null\n"
	    "\tfsmonitor = false\n\tattributesFile = /dev/null\n\texcludesFile = /dev/null\n"
	    "\tlogAllRefUpdates = true\n\tfsync = all\n\tcommitGraph = false\n"
	    "[user]\n\tname = moult\n\temail = moult@localhost\n"
	    "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[submodule]\n\trecurse = false\n"
	    "[fetch]\n\trecurseSubmodules = false\n\twriteCommitGraph = false\n"
	    "[transfer]\n\tfsckObjects = true\n"
	    "[protocol]\n\tallow = never\n[protocol \"%s\"]\n\tallow = always\n"
	    "[credential]\n\thelper =\n[advice]\n\tdetachedHead = false\n"
	    "[diff]\n\texternal =\n[http]\n\tfollowRedirects = initial\n%s%s%s%s%s",
	    e->run.sha256 ? 1 : 0, remote_transport(&e->conf),
	    e->conf.ca_file[0] != '\0' ? "\tsslCAInfo = \"" : "", quoted,
	    e->conf.ca_file[0] != '\0' ? "\"\n" : "",
	    e->run.sha256 ? "[extensions]\n\tobjectFormat = sha256\n" : "", signing);
	if (n < 0 || (size_t)n >= sizeof(text))
		bug("command: the git configuration does not fit");
	if (file_replace_volatile(dir_fd, "config", text, (size_t)n, 0600) == -1)
		return -1;
	/* A local remote is served by git-upload-pack, which asks the global file alone whether
	 * a repository of another owner may be read. Nothing but that stands in it. */
	config_quote(quoted, sizeof(quoted), remote_path(&e->conf));
	n = remote_is_local(&e->conf)
		? snprintf(text, sizeof(text),
		      "[safe]\n\tdirectory = \"%s\"\n\tdirectory = \"%s/.git\"\n", quoted, quoted)
		: snprintf(text, sizeof(text), "\n");
	return file_replace_volatile(dir_fd, "global", text, (size_t)n, 0600);
}

int
command_write_git_config(struct exe *e)
{
	static const char *const links[] = {
	    "objects", "refs", "logs", "packed-refs", "shallow", NULL};
	int dir_fd, rc = 0, error;

	if (mkdirat(e->state_fd, "git", 0700) == -1 && errno != EEXIST)
		return -1;
	if ((dir_fd = file_open_dir(e->state_fd, "git")) == -1)
		return -1;
	/* git makes logs/ itself, but not through a link that leads nowhere. */
	if (mkdirat(e->gitdir_fd, "logs", 0755) == -1 && errno != EEXIST)
		rc = -1;
	for (size_t i = 0; rc == 0 && links[i] != NULL; i++)
		rc = link_into_git(dir_fd, e->conf.repo, links[i]);
	if (rc == 0)
		rc = write_configs(e, dir_fd);
	error = errno;
	close(dir_fd);
	errno = error;
	return rc;
}
