/*
 * applied.c - fuzzer of child/applied.c: another program's migration_state.json.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The first line names migrations of the gap, the second ones that the journal has recorded, with
 * blanks between them; the rest is the file. What is saved holds each name of both once, in order,
 * and the file's other keys.
 */
#include <jansson.h>

#include "executor.h"
#include "fuzz.h"

#define NAME         "migration_state.json"
#define NAME_LONGEST 511 /* a directory and a file */

/* The mounts of whoever tests are not synced some thousand times a second. */
int __wrap_sync_all(const struct exe *e, const char **where);
int
__wrap_sync_all(const struct exe *e, const char **where)
{
	(void)e, (void)where;
	return 0;
}

static char **
words(char *text, size_t *count)
{
	char **list = NULL, *word, *save = NULL;

	*count = 0;
	for (word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (strlen(word) > NAME_LONGEST)
			continue;
		list = reallocarray(list, *count + 1, sizeof(*list));
		HOLDS(list != NULL && (list[(*count)++] = strdup(word)) != NULL);
	}
	return list;
}

static json_t *
load(int dir_fd)
{
	json_t *root;
	char *data;
	size_t len;

	HOLDS(file_slurp(dir_fd, NAME, SIZE_MAX, &data, &len) == 0);
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	free(data);
	return root;
}

static bool
holds_name(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) if (strcmp(json_string_value(one), name) == 0) return true;
	return false;
}

static void
check_saved(const json_t *before, const json_t *after, char *const *recorded, size_t count)
{
	const json_t *list = json_object_get(after, "applied"), *one;
	json_t *was = json_copy((json_t *)(uintptr_t)before);
	json_t *is = json_copy((json_t *)(uintptr_t)after);
	size_t i;

	json_array_foreach(json_object_get(before, "applied"), i, one)
	    HOLDS(holds_name(list, json_string_value(one)));
	for (i = 0; i < count; i++)
		HOLDS(holds_name(list, recorded[i]));
	for (i = 1; count > 0 && i < json_array_size(list); i++) /* else it was not written */
		HOLDS(strcmp(json_string_value(json_array_get(list, i - 1)),
			  json_string_value(json_array_get(list, i))) < 0);
	json_object_del(was, "applied");
	json_object_del(is, "applied");
	HOLDS(json_equal(was, is));
	json_decref(was);
	json_decref(is);
}

/* Records names as applied, takes them off the gap, and saves. */
static void
settle(struct exe *e, const json_t *before, char *const *names, size_t count)
{
	json_t *after;
	size_t i;
	int rc;

	for (i = 0; i < count; i++)
		HOLDS(journal_applied(&e->journal, names[i]) == 0);
	rc = applied_subtract(e);
	HOLDS(rc == 0 || (rc == -1 && errno == EINVAL));
	if (rc == -1)
		return;
	for (i = 0; i < e->run.gap_count; i++)
		HOLDS(!holds_name(json_object_get(before, "applied"), e->run.gap[i]));
	/* What no JSON can hold, the journal does not forget. */
	if (applied_save(e) == -1) {
		HOLDS(e->journal.applied_count == count);
		return;
	}
	HOLDS(e->journal.applied_count == 0);
	after = load(e->state_fd);
	HOLDS(json_is_object(after));
	check_saved(before, after, names, count);
	json_decref(after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[FUZZ_PATH_MAX];
	static int dir_fd = -1;
	static struct exe e;
	struct fuzz f = {(const char *)data, size};
	char *gap = fuzz_string(&f, '\n'), *recorded = fuzz_string(&f, '\n'), **names;
	json_t *before;
	size_t count;

	if (dir_fd == -1)
		dir_fd = fuzz_dir(path);
	(void)unlinkat(dir_fd, "journal", 0); /* the first time there is none */
	e.state_fd = e.repo_fd = dir_fd;
	HOLDS(journal_open(&e.journal, dir_fd) == 0);
	e.run.gap = words(gap, &e.run.gap_count);
	names = words(recorded, &count);
	fuzz_put(dir_fd, NAME, f.at, f.left);
	before = load(dir_fd);
	settle(&e, before, names, count);
	json_decref(before);
	while (count > 0)
		free(names[--count]);
	free(names);
	run_release_gap(&e.run);
	journal_close(&e.journal);
	free(gap);
	free(recorded);
	return 0;
}
