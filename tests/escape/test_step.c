/*
 * test_step.c - attempts out of a step: the executor's own seal, domains, filters and spawn.
 *
 * room: tests, linked with the executor's own objects.
 * distrusts: nothing: it holds the executor to its word.
 *
 * Migrations and the install command are real programs. Of git's steps, which execute nothing but
 * the system's own programs, the last call is exchanged: where spawn() would execute git, confined
 * as it is, the attempt begins.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain.h"
#include "executor.h"
#include "log.h"

#define ATTEMPT_MS 30000
#define POLL_MS    1000
#define LEAKED_FD  60 /* what a library might have opened */
#define FDS_MAX    1024
#define PLAYED     "/played/"

int __real_execve(const char *path, char *const argv[], char *const envp[]);
int __wrap_execve(const char *path, char *const argv[], char *const envp[]);
int __real_prctl(int option, ...);

/* Of this process: what an attempt finds. */
static struct stage *played;

/* As execve(2) would leave the process. */
static void
as_executed(void)
{
	int flags;

	for (int fd = 0; fd < FDS_MAX; fd++)
		if ((flags = fcntl(fd, F_GETFD)) != -1 && (flags & FD_CLOEXEC) != 0)
			close(fd);
	(void)__real_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* cannot fail */
}

int
__wrap_execve(const char *path, char *const argv[], char *const envp[])
{
	const struct row *r;

	if (strcmp(path, PLAYED) != 0)
		return __real_execve(path, argv, envp);
	as_executed();
	layers_done();
	r = &rows[strtoul(argv[1], NULL, 10)];
	_exit(exit_of_came(r->try(played, r)));
}

/* ---- the executor ---- */

static const enum profile profiles[WHO_END] = {[WHO_MIGRATE] = PROFILE_MIGRATE,
    [WHO_OPEN] = PROFILE_MIGRATE,
    [WHO_INSTALL] = PROFILE_INSTALL,
    [WHO_LOOK] = PROFILE_LOOK,
    [WHO_CHECKOUT] = PROFILE_CHECKOUT,
    [WHO_VERIFY] = PROFILE_VERIFY,
    [WHO_FETCH] = PROFILE_FETCH};

static enum network
network_of(enum who who)
{
	return who == WHO_OPEN ? NETWORK_OPEN : who == WHO_FETCH ? NETWORK_REMOTE : NETWORK_NONE;
}

static void
configure(struct conf *c, const struct stage *s, bool open)
{
	snprintf(c->repo, sizeof(c->repo), "%.190s", s->path[SPOT_REPO]);
	snprintf(c->state_dir, sizeof(c->state_dir), "%.190s", s->path[SPOT_STATE]);
	snprintf(c->signal, sizeof(c->signal), "%.190s", s->path[SPOT_SIGNAL]);
	snprintf(c->ssh_key, sizeof(c->ssh_key), "%.190s", s->path[SPOT_DEPLOY_KEY]);
	snprintf(
	    c->ssh_known_hosts, sizeof(c->ssh_known_hosts), "%.190s", s->path[SPOT_KNOWN_HOSTS]);
	snprintf(c->allowed_signers, sizeof(c->allowed_signers), "%.190s", s->path[SPOT_SIGNERS]);
	snprintf(c->remote, sizeof(c->remote), "ssh://127.0.0.1:%u/x.git", s->remote_port);
	snprintf(c->install_command, sizeof(c->install_command), "make install");
	if (s->deploy_uid == 0 && s->monitor_uid != 0)
		snprintf(c->deploy_user, sizeof(c->deploy_user), "root");
	c->verify = CONF_VERIFY_TAG;
	c->mode = CONF_DEGRADE; /* some layers are off on purpose */
	c->migrate_network = open;
}

/* In the order of its main(). */
static void
become_executor(struct exe *e, const struct stage *s, bool open)
{
	memset(e, 0, sizeof(*e));
	run_clear(&e->run);
	e->child.log_fd = e->child.out_fd = e->child.ask_fd = e->child.notify_fd = -1;
	configure(&e->conf, s, open);
	seal_user(e);
	e->root_fd = file_open_dir(AT_FDCWD, "/");
	e->repo_fd = file_open_dir(AT_FDCWD, e->conf.repo);
	e->gitdir_fd = file_open_dir(e->repo_fd, ".git");
	e->state_fd = file_open_dir(AT_FDCWD, e->conf.state_dir);
	tree_adopt();
	seal_build(e);
	lock_take(e);
	seal(e);
	if (dup2(STDERR_FILENO, LEAKED_FD) == -1)
		fatal("dup2");
}

static char *
word(struct command *c, const char *text)
{
	size_t len = strlen(text) + 1;
	char *at = memcpy(c->arena + c->used, text, len);

	c->used += len;
	return at;
}

static void
write_command(struct exe *e, const struct stage *s, const struct row *r)
{
	struct command *c = &e->command;
	bool program = r->who == WHO_MIGRATE || r->who == WHO_INSTALL;
	char text[STAGE_PATH_MAX + 32];

	memset(c, 0, sizeof(*c));
	c->profile = profiles[r->who];
	c->network = network_of(r->who);
	c->argv[c->argc++] = word(c, program ? s->path[SPOT_PROGRAM] : PLAYED);
	if (program) {
		snprintf(text, sizeof(text), "%s/" STAGE_FILE, s->root);
		c->argv[c->argc++] = word(c, text);
	}
	snprintf(text, sizeof(text), "%zu", (size_t)(r - rows));
	c->argv[c->argc++] = word(c, text);
	c->envp[c->envc++] = word(c, s->mark);
}

/* Until its program has ended; what is refused meanwhile is answered. */
static int
attend(struct exe *e)
{
	struct child *c = &e->child;
	int64_t until = clock_monotonic_ms() + ATTEMPT_MS;
	int ended = (int)syscall(SYS_pidfd_open, c->pid, 0);
	char text[4096];

	while (!c->exited && clock_monotonic_ms() < until) {
		struct pollfd slots[] = {
		    {ended, POLLIN, 0}, {c->notify_fd, POLLIN, 0}, {c->log_fd, POLLIN, 0}};

		(void)poll(slots, 3, POLL_MS); /* nothing ready: the loop's own question */
		if (slots[1].revents != 0)
			denial_hear(e, slots[1].revents);
		if ((slots[2].revents & POLLIN) != 0 && read(c->log_fd, text, sizeof(text)) > 0)
			continue;
		if (slots[0].revents != 0)
			(void)tree_reap(c); /* others may live on */
	}
	close(ended);
	if (!c->exited)
		return CAME_BROKEN;
	return came_of_exit(c->status >= 0, c->status >= 0 ? c->status : -c->status);
}

static int
run_step(struct exe *e)
{
	struct ground ground = {&e->filters, -1, e->repo_fd, e->lock_fd};
	char where[DOMAIN_PATH_MAX];
	const char *stage = "domain";
	int rc;

	e->run.denial_count = 0;
	rc = domain_step(e, e->command.profile, e->command.network, &ground.ruleset_fd, where);
	if (rc == 0)
		rc = spawn(&e->child, &e->command, &ground, &stage);
	if (ground.ruleset_fd != -1)
		close(ground.ruleset_fd);
	if (rc == 0)
		return attend(e);
	log_warn("%s", stage);
	return CAME_BROKEN;
}

struct answer {
	int came;
	uint32_t told; /* refusals that were counted */
};

static void
hold_lock(int fd)
{
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = F_WRLCK;
	lock.l_whence = SEEK_SET;
	(void)fcntl(fd, F_OFD_SETLK, &lock); /* in case that the step has let go of it */
}

/* Row by row, as the other end asks; it looks outside between answer and next question. */
static void __attribute__((noreturn))
serve(struct exe *e, const struct stage *s, uint32_t on, int questions)
{
	bool ends_tree = (on & ESC_BIT(ESC_TREE)) != 0;
	size_t row;

	while (read(questions, &row, sizeof(row)) == (ssize_t)sizeof(row)) {
		struct answer answer = {0, 0};

		write_command(e, s, &rows[row]);
		answer.came = run_step(e);
		for (size_t i = 0; i < e->run.denial_count; i++)
			answer.told += e->run.denials[i].count;
		if (ends_tree)
			tree_end(e->scope_kill);
		if (write(questions, &answer, sizeof(answer)) != (ssize_t)sizeof(answer) ||
		    read(questions, &row, sizeof(row)) <= 0)
			break;
		tree_end(e->scope_kill);
		spawn_release(&e->child);
		hold_lock(e->lock_fd);
	}
	tree_end(e->scope_kill);
	_exit(0);
}

static pid_t
start_executor(const struct set *set, struct stage *s, bool open, int *questions)
{
	static struct exe executor; /* large */
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1 ||
	    (pid = fork()) == -1)
		fatal("executor");
	if (pid == 0) {
		close(ends[0]);
		played = s;
		layers_off(set->on);
		become_executor(&executor, s, open);
		serve(&executor, s, set->on, ends[1]);
	}
	close(ends[1]);
	*questions = ends[0];
	s->pid[THE_EXECUTOR] = pid;
	return pid;
}

/* ---- from outside ---- */

static void
write_stage(const struct stage *s)
{
	char path[STAGE_PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/" STAGE_FILE, s->root);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1 || write(fd, s, sizeof(*s)) != (ssize_t)sizeof(*s))
		fatal("%s", path);
	close(fd);
}

static bool
is_unsafe(const struct row *r, uint32_t on)
{
	if (r->unsafe == NULL)
		return false;
	return (r->unsafe[0] == 'C' && (on & ESC_BIT(ESC_SCOPE)) == 0) ||
	       (r->unsafe[0] == 'S' && (on & ESC_BIT(ESC_CALLS)) == 0);
}

static int
try_row(const struct set *set, struct stage *s, size_t row, int questions)
{
	const struct row *r = &rows[row];
	struct answer answer;

	if (is_unsafe(r, set->on & ~layers_missing()))
		return CAME_UNTRIED;
	stage_set_who(s, r->who);
	write_stage(s);
	if (write(questions, &row, sizeof(row)) != (ssize_t)sizeof(row) ||
	    read(questions, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		return CAME_BROKEN;
	if (r->happened != NULL && (answer.came == 0 || answer.came == CAME_NOTHING))
		answer.came = r->happened(s) ? 0 : CAME_NOTHING;
	if (r->try == try_refused_often && (set->on & ESC_BIT(ESC_CALLS)) != 0 &&
	    filter_can_tell() && answer.told != (uint32_t)r->at)
		answer.came = CAME_BROKEN;
	if (write(questions, &row, sizeof(row)) != (ssize_t)sizeof(row))
		return CAME_BROKEN;
	return answer.came;
}

static void
run_rows(const struct set *set, struct stage *s, bool open, int came[])
{
	int questions, status;
	pid_t pid = start_executor(set, s, open, &questions);

	for (size_t row = 0; row < rows_count(); row++) {
		if (rows[row].who == WHO_MONITOR || (rows[row].who == WHO_OPEN) != open)
			continue;
		came[row] = try_row(set, s, row, questions);
		stage_mend(s);
	}
	close(questions);
	if (waitpid(pid, &status, 0) == -1 || status != 0)
		fprintf(stderr, "escape: the executor ended with %#x\n", (unsigned int)status);
}

static void
run_set(const struct set *set, int came[])
{
	struct stage *s;

	log_init("escape");
	(void)signal(SIGPIPE, SIG_IGN);
	s = stage_open(set);
	run_rows(set, s, false, came);
	run_rows(set, s, true, came);
	stage_close(s);
}

static bool
is_ours(const struct row *r)
{
	return r->who != WHO_MONITOR;
}

/* ---- for the same attempts in other sandboxes, which table.py starts ---- */

/* What moult itself hands to a step has no counterpart there. */
static bool
is_moults_own(const struct row *r)
{
	return r->unsafe != NULL || r->try == try_lock_release || r->try == try_lock_write ||
	       r->try == try_log_reread;
}

/* "try ROW": the stage is ready for it; "look ROW": whether it happened, and the stage mended. */
static void
answer_line(struct stage *s, const char *line)
{
	size_t row = rows_count();

	if (sscanf(line, "try %zu", &row) == 1 && row < rows_count()) {
		stage_set_who(s, rows[row].who);
		write_stage(s);
		puts(rows[row].who == WHO_MIGRATE && !is_moults_own(&rows[row]) ? "ready" : "skip");
		return;
	}
	if (sscanf(line, "look %zu", &row) != 1 || row >= rows_count())
		fatalx("%s", line);
	puts(rows[row].happened == NULL ? "unseen" : rows[row].happened(s) ? "yes" : "no");
	stage_mend(s);
}

/* Holds a stage until standard input ends; the process that holds it stands for the executor. */
static int
hold(void)
{
	const struct set one = {.on = ESC_ALL};
	struct stage *s;
	char line[64];

	log_init("escape");
	s = stage_open(&one);
	s->pid[THE_EXECUTOR] = getpid();
	printf("%s\n", s->root);
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		answer_line(s, line);
		(void)fflush(stdout);
	}
	stage_close(s);
	return 0;
}

int
main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "--hold") == 0)
		return hold();
	return escape_main(argc, argv, is_ours, run_set);
}
