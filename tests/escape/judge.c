/*
 * judge.c - runs the rows on every set of layers, and compares what came with what the rows say.
 *
 * room: tests.
 * distrusts: the rows: with every layer on the result must be theirs; with one taken off, or left
 *	alone, an attempt must be open where none of its row's layers is on, and nowhere else.
 */
#include "escape.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"
#include "wire.h"

#define AT_ONCE 2 /* sets that run at the same time */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const struct {
	char letter;
	const char *name;
} layers[ESC_END] = {
#define LAYER_ROW(symbol, letter, name) {letter, name},
    ESCAPE_LAYERS(LAYER_ROW)};

/* ---- sets of layers ---- */

/* What goes with a layer, and what comes with it. */
static uint32_t
without(uint32_t on, enum escape_layer layer)
{
	on &= ~ESC_BIT(layer);
	if (layer == ESC_DOMAIN)
		on &= ~(ESC_BIT(ESC_FILES) | ESC_BIT(ESC_PORTS) | ESC_BIT(ESC_SCOPE));
	return on;
}

static uint32_t
alone(enum escape_layer layer)
{
	uint32_t on = ESC_BIT(layer);

	if (layer == ESC_FILES || layer == ESC_PORTS || layer == ESC_SCOPE)
		on |= ESC_BIT(ESC_DOMAIN);
	if ((on & ESC_BIT(ESC_DOMAIN)) != 0 || layer == ESC_CALLS)
		on |= ESC_BIT(ESC_PRIVS); /* the kernel takes neither without it */
	return on;
}

static void
add_set(struct set sets[SETS_MAX], size_t *count, bool two, uint32_t on, const char *before,
    char letter, const char *behind)
{
	struct set *set = &sets[(*count)++];

	set->two = two;
	set->root = false;
	set->on = two ? on | ESC_BIT(ESC_USERS) : on & ~ESC_BIT(ESC_USERS);
	snprintf(set->name, sizeof(set->name), "%s%.1s%s", before, &letter, behind);
}

size_t
sets_make(struct set sets[SETS_MAX], bool whole)
{
	bool root = geteuid() == 0;
	size_t count = 0;

	for (int two = root ? 1 : 0; two >= 0; two--) {
		add_set(sets, &count, two, ESC_ALL, "all", '\0', "");
		if (two) {
			add_set(sets, &count, two, ESC_ALL, "all, as root", '\0', "");
			sets[count - 1].root = true;
		}
		add_set(sets, &count, two, 0, two ? "U alone" : "none", '\0', "");
		/* Users are the layouts themselves, and no_new_privs is a condition of others. */
		for (enum escape_layer layer = ESC_CALLS; (whole || two == root) && layer < ESC_END;
		     layer++)
			add_set(sets, &count, two, without(ESC_ALL, layer), "all but ",
			    layers[layer].letter, "");
		for (enum escape_layer layer = ESC_PRIVS; whole && !two && layer < ESC_END; layer++)
			add_set(
			    sets, &count, false, alone(layer), "", layers[layer].letter, " alone");
	}
	return count;
}

uint32_t
layers_missing(void)
{
	struct landlock_features f;
	uint32_t missing = 0;

	landlock_probe(&f, LANDLOCK_ABI_KNOWN);
	if (!filter_available())
		missing |= ESC_BIT(ESC_CALLS);
	if (f.abi == 0)
		missing |= ESC_BIT(ESC_DOMAIN);
	if ((f.files & FILE_TRUNCATE) == 0)
		missing |= ESC_BIT(ESC_FILES);
	if (f.ports == 0)
		missing |= ESC_BIT(ESC_PORTS);
	if (f.scopes != SCOPE_ALL)
		missing |= ESC_BIT(ESC_SCOPE);
	return missing;
}

static bool
has(const struct row *r, uint32_t on)
{
	for (enum escape_layer layer = 0; layer < ESC_END; layer++)
		if ((on & ESC_BIT(layer)) != 0 && strchr(r->layers, layers[layer].letter) != NULL)
			return true;
	return false;
}

/* ---- what came ---- */

enum verdict { GOOD, WRONG, SKIPPED };

static void
name_came(int came, char text[32])
{
	if (came == 0)
		snprintf(text, 32, "OPEN");
	else if (came < 0)
		snprintf(text, 32, "SIG%s", sigabbrev_np(-came));
	else if (came == CAME_NOTHING)
		snprintf(text, 32, "no effect");
	else if (came == CAME_ABSENT)
		snprintf(text, 32, "not here");
	else if (came == CAME_UNTRIED)
		snprintf(text, 32, "not tried");
	else if (came >= CAME_BROKEN)
		snprintf(text, 32, "BROKEN");
	else
		snprintf(text, 32, "%s", strerrorname_np(came));
}

struct judging {
	const struct set *set;
	uint32_t on;     /* of it, what this kernel has */
	const int *bare; /* what came without any layer: NULL where that was not run */
};

/* Whether only layers stop it that this kernel does not have. */
static bool
lacks_layer(const struct judging *j, const struct row *r)
{
	return strchr(r->layers, 'K') == NULL && has(r, j->set->on) && !has(r, j->on);
}

static enum verdict
judge(const struct judging *j, const struct row *r, size_t index, int came)
{
	bool kernel = strchr(r->layers, 'K') != NULL;
	int want = j->set->two ? r->two : r->one;

	if (came == CAME_ABSENT || came == CAME_UNTRIED)
		return SKIPPED;
	if (lacks_layer(j, r))
		return SKIPPED;
	if (came >= CAME_BROKEN)
		return WRONG;
	/* The two users are not apart any more, and root's files are its own. */
	if (j->set->root)
		return came == 0 && has(r, j->on & ~ESC_BIT(ESC_USERS)) ? WRONG : GOOD;
	if (strcmp(j->set->name, "all") == 0 && j->on == j->set->on)
		return came == want && (came != 0 || r->open != NULL) ? GOOD : WRONG;
	if (came == 0)
		return kernel || has(r, j->on) ? WRONG : GOOD;
	if (kernel || has(r, j->on))
		return GOOD;
	/* Something else stopped it: fair only where it does so without us. */
	return j->bare != NULL && j->bare[index] != 0 ? GOOD : WRONG;
}

/* ---- running ---- */

/* One user, where we are root: an ordinary one. */
static void
be_ordinary(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) == -1 || setresgid(DEPLOY_UID, DEPLOY_UID, DEPLOY_UID) == -1 ||
	    setresuid(DEPLOY_UID, DEPLOY_UID, DEPLOY_UID) == -1 || prctl(PR_SET_DUMPABLE, 1) == -1)
		exit(EXIT_BROKEN);
}

static void
run_set(const struct set *set, runner *run, int came[])
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (!set->two)
			be_ordinary();
		run(set, came);
		exit(0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
		fprintf(stderr, "escape: %s, %s: ended with status %#x\n",
		    set->two ? "two users" : "one user", set->name, (unsigned int)status);
}

static void
run_all(const struct set sets[], size_t count, runner *run, struct results *results)
{
	pid_t workers[AT_ONCE];

	for (size_t worker = 0; worker < AT_ONCE; worker++) {
		if ((workers[worker] = fork()) != 0)
			continue;
		for (size_t i = worker; i < count; i += AT_ONCE)
			run_set(&sets[i], run, results->came[i]);
		_exit(0);
	}
	for (size_t worker = 0; worker < AT_ONCE; worker++)
		if (workers[worker] != -1)
			(void)waitpid(workers[worker], NULL, 0);
}

/* ---- telling ---- */

struct counts {
	size_t passed, failed, skipped;
};

static void
tell(const struct judging *j, const struct row *r, size_t index, int came, enum verdict verdict)
{
	char text[32], want[32];

	if (verdict != WRONG)
		return;
	name_came(came, text);
	name_came(j->set->two ? r->two : r->one, want);
	printf("[ WRONG    ] %zu: %s, %s: %s %s: %s (with all layers %s; layers \"%s\")\n", index,
	    j->set->two ? "two users" : "one user", j->set->name, who_name(r->who), r->does, text,
	    want, r->layers);
}

/* With all layers on each attempt is a test; any other set is one. */
static void
count_set(
    const struct judging *j, bool (*chosen)(const struct row *), const int came[], struct counts *c)
{
	bool every = strcmp(j->set->name, "all") == 0, wrong = false;

	for (size_t i = 0; i < rows_count(); i++) {
		enum verdict verdict;

		if (!chosen(&rows[i]))
			continue;
		verdict = judge(j, &rows[i], i, came[i]);
		tell(j, &rows[i], i, came[i], verdict);
		wrong = wrong || verdict == WRONG;
		if (!every)
			continue;
		if (verdict == SKIPPED)
			printf("[ SKIPPED  ] %s: %s %s: this %s\n",
			    j->set->two ? "two users" : "one user", who_name(rows[i].who),
			    rows[i].does,
			    lacks_layer(j, &rows[i]) ? "kernel lacks the layer that stops it"
						     : "machine has nothing to try it on");
		*(verdict == GOOD ? &c->passed : verdict == WRONG ? &c->failed : &c->skipped) += 1;
	}
	if (!every)
		*(wrong ? &c->failed : &c->passed) += 1;
}

static void
print_rows(const struct set sets[], size_t count, bool (*chosen)(const struct row *),
    const struct results *results)
{
	char text[32];

	printf("#\twho\tattempt\tlayers\twhy open");
	for (size_t set = 0; set < count; set++)
		printf("\t%s: %s", sets[set].two ? "two" : "one", sets[set].name);
	printf("\n");
	for (size_t i = 0; i < rows_count(); i++) {
		if (!chosen(&rows[i]))
			continue;
		printf("%zu\t%s\t%s\t%s\t%s", i, who_name(rows[i].who), rows[i].does,
		    rows[i].layers, rows[i].open != NULL ? rows[i].open : "");
		for (size_t set = 0; set < count; set++) {
			name_came(results->came[set][i], text);
			printf("\t%s", text);
		}
		printf("\n");
	}
}

static const int *
bare_of(const struct set sets[], size_t count, const struct results *results)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(sets[i].name, "none") == 0)
			return results->came[i];
	return NULL;
}

int
escape_main(int argc, char *argv[], bool (*chosen)(const struct row *), runner *run)
{
	struct set sets[SETS_MAX];
	bool whole = argc == 2 && strcmp(argv[1], "--table") == 0;
	size_t count = sets_make(sets, whole);
	uint32_t missing = layers_missing();
	struct counts c = {0, 0, 0};
	struct results *results =
	    mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (results == MAP_FAILED)
		return 1;
	if (SANITIZED) {
		printf("[ SKIPPED  ] all: sanitizers make calls of their own\n"
		       "[  SKIPPED ] 1 test(s).\n");
		return 0;
	}
	for (size_t set = 0; set < count; set++)
		for (size_t i = 0; i < rows_count(); i++)
			results->came[set][i] = CAME_UNKNOWN;
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* or children would print it once more */
	run_all(sets, count, run, results);
	if (whole)
		print_rows(sets, count, chosen, results);
	for (size_t i = 0; i < count; i++) {
		struct judging j = {&sets[i], sets[i].on & ~missing, bare_of(sets, count, results)};

		count_set(&j, chosen, results->came[i], &c);
	}
	printf("[  PASSED  ] %zu test(s).\n", c.passed);
	if (c.skipped != 0)
		printf("[  SKIPPED ] %zu test(s).\n", c.skipped);
	if (c.failed != 0)
		printf("[  FAILED  ] %zu test(s).\n", c.failed);
	return c.failed == 0 ? 0 : 1;
}
