/*
 * applied.c - migration_state.json: which migrations were applied, shared with other runners.
 *
 * room: executor.
 * distrusts: the file: another program writes it too. What is not exactly {"applied":[...]} is
 *	damage, and no migration runs before a person has looked.
 *
 * The file is rewritten once in a step; each migration of the step is recorded at once in the
 * journal, which costs the same for the first and the ten-thousandth.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"

#define NAME      "migration_state.json"
#define BYTES_MAX (16u << 20)

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The whole object, with an array of strings in "applied"; NULL and errno. */
static json_t *
load(struct exe *e)
{
	json_t *root, *list, *name;
	char *data;
	size_t len, i;

	if (file_slurp(e->state_fd, NAME, BYTES_MAX, &data, &len) == -1) {
		if (errno == ENOENT)
			return json_pack("{s:[]}", "applied");
		if (errno == ELOOP || errno == EFBIG)
			errno = EINVAL;
		return NULL;
	}
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	free(data);
	list = json_object_get(root, "applied");
	errno = EINVAL;
	if (!json_is_array(list)) {
		json_decref(root);
		return NULL;
	}
	json_array_foreach(list, i, name)
	{
		if (!json_is_string(name)) {
			json_decref(root);
			return NULL;
		}
	}
	return root;
}

/* The names of the file and of the journal, sorted; BORROWED from both. NULL and errno. */
static const char **
names(const struct exe *e, json_t *root, size_t *count)
{
	json_t *list = json_object_get(root, "applied"), *name;
	const char **all;
	size_t i, n = 0;

	all = calloc(json_array_size(list) + e->journal.applied_count + 1, sizeof(*all));
	if (all == NULL)
		return NULL;
	json_array_foreach(list, i, name) all[n++] = json_string_value(name);
	for (i = 0; i < e->journal.applied_count; i++)
		all[n++] = e->journal.applied[i];
	qsort(all, n, sizeof(*all), by_name);
	*count = n;
	return all;
}

int
applied_subtract(struct exe *e)
{
	struct run *run = &e->run;
	json_t *root = load(e);
	const char **all;
	size_t count, kept = 0;

	if (root == NULL)
		return -1;
	if ((all = names(e, root, &count)) == NULL) {
		json_decref(root);
		return -1;
	}
	for (size_t i = 0; i < run->gap_count; i++) {
		if (bsearch(&run->gap[i], all, count, sizeof(*all), by_name) == NULL)
			run->gap[kept++] = run->gap[i];
		else
			free(run->gap[i]);
	}
	run->gap_count = kept;
	free(all);
	json_decref(root);
	return 0;
}

/* Puts the sorted names, each once, in the place of the file's. */
static int
replace_names(struct exe *e, json_t *root)
{
	json_t *list = json_array();
	size_t count;
	int rc = 0;
	const char **all = names(e, root, &count);

	if (all == NULL || list == NULL) {
		free(all);
		json_decref(list);
		return -1;
	}
	/* A name that is left out would be forgotten by the journal next, and run again. */
	for (size_t i = 0; i < count && rc == 0; i++)
		if (i == 0 || strcmp(all[i], all[i - 1]) != 0)
			rc = json_array_append_new(list, json_string(all[i]));
	free(all);
	if (rc == 0)
		return json_object_set_new(root, "applied", list);
	json_decref(list);
	errno = ENOMEM;
	return -1;
}

int
applied_save(struct exe *e)
{
	const char *where;
	json_t *root;
	char *text;
	int rc = -1;

	if (e->journal.applied_count == 0)
		return 0;
	/* The file outlives a power cut, so what it tells of must as well. */
	if (sync_all(e, &where) == -1)
		return -1;
	if ((root = load(e)) == NULL)
		return -1;
	if (replace_names(e, root) == 0 && (text = json_dumps(root, JSON_INDENT(2))) != NULL) {
		rc = file_replace(e->state_fd, NAME, text, strlen(text), 0644);
		free(text);
	}
	json_decref(root);
	return rc == 0 ? journal_saved(&e->journal) : -1;
}
