/*
 * denial.c - fuzzer of child/denial.c: the words of a step that failed, searched for what was
 * refused to it.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The first byte chooses the step, the second how much the text has in front of it already.
 */
#include "executor.h"
#include "fuzz.h"

static const struct {
	enum wire_step step;
	enum profile profile;
} steps[] = {
    {STEP_FETCH, PROFILE_FETCH},
    {STEP_CHECKOUT, PROFILE_CHECKOUT},
    {STEP_MIGRATE, PROFILE_MIGRATE},
    {STEP_INSTALL, PROFILE_INSTALL},
};

static void
set_up(struct exe *e)
{
	static char path[FUZZ_PATH_MAX];

	e->landlock.files = UINT32_MAX;
	e->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	e->repo_fd = fuzz_dir(path);
	strcpy(e->conf.repo, path);
	e->state_fd = fuzz_dir(path);
	strcpy(e->conf.state_dir, path);
	strcpy(e->conf.remote, "https://example.org/app.git");
	strcpy(e->conf.write_paths, "/dev/shm /srv/data");
	strcpy(e->conf.read_paths, "/var");
	strcpy(e->conf.install_command, "/usr/bin/make install");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exe e;
	struct fuzz f = {(const char *)data, size};
	size_t which = fuzz_byte(&f) % (sizeof(steps) / sizeof(steps[0])), detail;

	if (e.repo_fd == 0)
		set_up(&e);
	e.run.step = steps[which].step;
	e.command.profile = steps[which].profile;
	detail = (size_t)fuzz_byte(&f) * 2;
	memset(e.run.detail, 'x', detail);
	e.run.detail[detail] = '\0';
	e.run.tail_len = f.left < sizeof(e.run.tail) ? f.left : sizeof(e.run.tail);
	memset(e.run.tail, '/', sizeof(e.run.tail));
	memcpy(e.run.tail, f.at, e.run.tail_len);
	denial_explain(&e);
	HOLDS(strnlen(e.run.detail, sizeof(e.run.detail)) < sizeof(e.run.detail));
	HOLDS(strlen(e.run.detail) >= detail && fuzz_is_printable(e.run.detail));
	return 0;
}
