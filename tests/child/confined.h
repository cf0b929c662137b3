/*
 * confined.h - what the tests of domains, of what is refused and of ending it have in common: a
 * configuration whose places are there, and a program of a step from its start to its end.
 *
 * room: tests, linked with the executor's own objects.
 * distrusts: nothing.
 */
#ifndef CONFINED_H
#define CONFINED_H

#include "fixture.h"

#include "domain.h"
#include "profile.h"

#define ROUND_MS 20
#define SHELL    "/bin/sh"

/* The directories of a test, and in each a file of this name that anybody may use. */
#define FILE_NAME "file"

UNUSED static struct exe *
exe_of(void **state)
{
	return &((struct fixture *)*state)->e;
}

UNUSED static void
make_place(const struct fixture *f, const char *dir)
{
	char path[TEST_PATH_MAX];

	assert_true(mkdirat(f->root_fd, dir, 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%.200s/" FILE_NAME, dir);
	put_text(f->root_fd, path, "neither a script nor a binary\n");
	assert_int_equal(fchmodat(f->root_fd, path, 0777, 0), 0);
}

/* "ROOT/name", as a value of the configuration. */
UNUSED static void
set_place(const struct fixture *f, char value[CONF_TEXT_MAX], const char *name)
{
	assert_true(snprintf(value, CONF_TEXT_MAX, "%.200s/%s", f->root, name) < CONF_TEXT_MAX);
}

UNUSED static int
confined_make(void **state)
{
	static const char *const dirs[] = {"repo", "repo/.git", "repo/.git/objects",
	    "repo/.git/refs", "repo/.git/logs", "repo/src", "state", "state/git", "state/tmp",
	    "state/log", "signal", "write", "read", "remote", "ssh", "keys", "tools", "outside"};
	struct fixture *f;
	struct exe *e;

	fixture_make(state);
	f = *state;
	e = &f->e;
	for (size_t i = 0; i < COUNT(dirs); i++)
		make_place(f, dirs[i]);
	set_place(f, e->conf.remote, "remote");
	set_place(f, e->conf.write_paths, "write");
	set_place(f, e->conf.read_paths, "read");
	set_place(f, e->conf.allowed_signers, "keys/" FILE_NAME);
	set_place(f, e->conf.migrate_command, "tools/" FILE_NAME);
	set_place(f, e->conf.install_command, "tools/" FILE_NAME);
	put_text(f->root_fd, "lock", "");
	e->lock_fd = openat(f->root_fd, "lock", O_RDWR | O_CLOEXEC);
	e->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(e->lock_fd >= 0 && e->root_fd >= 0);
	landlock_probe(&e->landlock, LANDLOCK_ABI_KNOWN);
	tree_adopt();
	return 0;
}

UNUSED static void
clear_filters(struct filters *f)
{
	filter_clear(&f->calls);
	for (size_t i = 0; i < NETWORK_END; i++) {
		filter_clear(&f->told[i]);
		filter_clear(&f->plain[i]);
	}
}

/* A failed test leaves no process either. */
UNUSED static int
confined_end(void **state)
{
	struct exe *e = exe_of(state);

	tree_end(false);
	spawn_release(&e->child);
	clear_filters(&e->filters);
	close(e->lock_fd);
	close(e->root_fd);
	return fixture_end(state);
}

#define CONFINED_TEST(title, function)                             \
	{                                                          \
		title, function, confined_make, confined_end, NULL \
	}

UNUSED static void
need_landlock(const struct exe *e)
{
	if (landlock_missing(&e->landlock) == 0)
		return;
	print_message("this kernel lacks part of Landlock: ABI %d\n", e->landlock.abi);
	skip();
}

/* Sanitizers' own programs cannot live in a step's domain; those of the system can. */
UNUSED static void
give_command(struct exe *e, enum profile profile, enum network network, const char *const *argv)
{
	static char path[] = "PATH=/usr/bin:/bin", tmp[DOMAIN_PATH_MAX];
	struct command *c = &e->command;

	memset(c, 0, sizeof(*c));
	c->profile = profile;
	c->network = network;
	for (; *argv != NULL; argv++) {
		size_t len = strlen(*argv) + 1;

		assert_true(c->used + len <= sizeof(c->arena));
		c->argv[c->argc++] = memcpy(c->arena + c->used, *argv, len);
		c->used += len;
	}
	snprintf(tmp, sizeof(tmp), "TMPDIR=%s/tmp", e->conf.state_dir);
	c->envp[c->envc++] = path;
	c->envp[c->envc++] = tmp;
}

UNUSED static void
give_shell(struct exe *e, enum profile profile, enum network network, const char *script)
{
	const char *const argv[] = {SHELL, "-c", script, NULL};

	give_command(e, profile, network, argv);
}

/* Starts e->command as run_spawn() does; domain: false leaves its domain out. */
UNUSED static void
start_command(struct exe *e, bool domain)
{
	struct ground ground = {&e->filters, -1, e->repo_fd, e->lock_fd};
	char where[DOMAIN_PATH_MAX];
	const char *stage = "none";

	if (domain &&
	    domain_step(e, e->command.profile, e->command.network, &ground.ruleset_fd, where) == -1)
		fail_msg("%s: %s", where, strerror(errno));
	if (spawn(&e->child, &e->command, &ground, &stage) == -1)
		fail_msg("%s: %s: %s", e->command.argv[0], stage, strerror(errno));
	if (ground.ruleset_fd != -1)
		close(ground.ruleset_fd);
}

/* Hears it as the loop does, until nothing of it is left. */
UNUSED static void
finish_command(struct exe *e)
{
	int64_t end_ms = clock_monotonic_ms() + TEST_WAIT_MS;

	while (tree_reap(&e->child)) {
		struct pollfd slots[] = {{e->child.notify_fd, POLLIN, 0},
		    {e->child.log_fd, POLLIN, 0}, {e->child.out_fd, POLLIN, 0}};

		assert_true(clock_monotonic_ms() < end_ms);
		assert_true(poll(slots, COUNT(slots), ROUND_MS) != -1 || errno == EINTR);
		if (slots[0].revents != 0)
			denial_hear(e, slots[0].revents);
		(void)output_read(e);
	}
	(void)output_read(e);
	spawn_release(&e->child);
	assert_true(e->child.exited);
}

UNUSED static int
run_command(struct exe *e, bool domain)
{
	start_command(e, domain);
	finish_command(e);
	return e->child.status;
}

/* What the program has printed. */
UNUSED static bool
printed(const struct exe *e, const char *text)
{
	return memmem(e->run.tail, e->run.tail_len, text, strlen(text)) != NULL;
}

#endif
