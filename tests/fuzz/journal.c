/*
 * journal.c - fuzzer of child/journal.c: whatever the file holds.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The first byte chooses: the input is the file; or (1) it is lines without their sums and numbers,
 * which are put in front, so that what stands behind them is reached; and (2) in a line of the
 * state the fields that are missing are put in, so that the kept inputs outlive a new one. What is
 * accepted can be written, is read back as the same, and can be reported.
 */
#include <sha2.h>

#include "executor.h"
#include "fuzz.h"
#include "text.h"

#define NAME      "journal"
#define ASIDE     "journal.damaged"
#define FILE_MAX  262144
#define SUM_BYTES 8

static size_t
add_line(char *file, size_t used, uint64_t number, const char *body)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char sum[2 * SUM_BYTES + 1], *rest;
	SHA2_CTX sha;
	int n;

	n = asprintf(&rest, "%llu %s", (unsigned long long)number, body);
	HOLDS(n > 0);
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)rest, (size_t)n);
	SHA256Final(digest, &sha);
	text_hex(sum, digest, SUM_BYTES);
	n = snprintf(file + used, FILE_MAX - used, "%s %s\n", sum, rest);
	free(rest);
	return used + (size_t)n < FILE_MAX ? used + (size_t)n : used;
}

/* The text of a field in body, which begins with a blank: to the next blank, or for detail, which
 * stands last, to the end. Without one the field is empty. */
static size_t
add_field(char *line, size_t used, const char *body, const char *name, bool number)
{
	char mark[64];
	const char *at;
	int len;

	snprintf(mark, sizeof(mark), " %s=", name);
	at = strstr(body, mark);
	if (at == NULL)
		return used + (size_t)sprintf(line + used, "%s%s", mark, number ? "0" : "");
	at += strlen(mark);
	len = (int)(strcmp(name, "detail") == 0 ? strlen(at) : strcspn(at, " "));
	return used + (size_t)sprintf(line + used, "%s%.*s", mark, len, at);
}

/* A line of the state with every field in its order. A fresh string. */
static char *
complete(const char *body)
{
	/* A field is there once at most, with its mark, or is as long as its mark and a 0. */
	char *line = malloc(strlen(body) * 2 + sizeof(struct journal_state) + 4096);
	size_t used;

	HOLDS(line != NULL);
	used = (size_t)sprintf(line, "state");
#define ADD_NUMBER             true
#define ADD_TEXT               false
#define ADD(field, kind, size) used = add_field(line, used, body, #field, ADD_##kind);
	JOURNAL_FIELDS(ADD)
	return line;
}

static void
put_file(struct fuzz *f, int dir_fd)
{
	static char file[FILE_MAX];
	uint8_t choice = fuzz_byte(f);
	size_t used = 0, len = f->left;
	const char *data = f->at;

	if (choice % 2 == 1) {
		used = (size_t)snprintf(file, sizeof(file), "moult-journal 1\n");
		for (uint64_t n = choice; f->left > 0; n++) {
			char *body = fuzz_string(f, '\n');

			if ((choice & 2) != 0 && strncmp(body, "state ", 6) == 0) {
				char *whole = complete(body + 5);

				free(body);
				body = whole;
			}
			used = add_line(file, used, n, body);
			free(body);
		}
		data = file;
		len = used;
	}
	fuzz_put(dir_fd, NAME, data, len);
}

/* Everything that found.c may report from it; a report that is wrong is a bug(), and ends us. */
static void
report(struct exe *e)
{
	static int pair[2] = {-1, -1};
	struct wire_message m;
	struct wire peer;

	if (pair[0] == -1)
		HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	wire_init(&e->wire, pair[0], DOOR_REQUESTS);
	wire_init(&peer, pair[1], DOOR_REPORTS);
	report_hello(e);
	HOLDS(wire_receive(&peer, &m) == 1);
	switch (e->journal.state.phase) {
	case PHASE_OWED:
	case PHASE_DEPLOYED:
		report_update(e, REP_OWED);
		break;
	case PHASE_RUNNING:
	case PHASE_FAILED:
		if (e->journal.state.step == STEP_NONE)
			e->journal.state.step = STEP_CHECK;
		if (e->journal.state.reason == REASON_NONE)
			e->journal.state.reason = REASON_INTERRUPTED;
		report_failure(e, REP_INTERRUPTED, retry_wait_ms(e));
		break;
	default:
		return;
	}
	HOLDS(wire_receive(&peer, &m) == 1);
}

static void
check_same(const struct journal *a, const struct journal *b)
{
	HOLDS(memcmp(&a->state, &b->state, sizeof(a->state)) == 0);
	HOLDS(a->pins_count == b->pins_count && a->applied_count == b->applied_count);
	for (size_t i = 0; i < a->pins_count; i++)
		HOLDS(memcmp(&a->pins[i], &b->pins[i], sizeof(a->pins[i])) == 0);
	for (size_t i = 0; i < a->applied_count; i++)
		HOLDS(strcmp(a->applied[i], b->applied[i]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[FUZZ_PATH_MAX];
	static int dir_fd = -1;
	static struct exe e;
	struct fuzz f = {(const char *)data, size};
	struct journal again;
	struct wire_run none;
	int rc;

	if (dir_fd == -1)
		dir_fd = fuzz_dir(path);
	(void)unlinkat(dir_fd, ASIDE, 0); /* of an earlier input, perhaps */
	put_file(&f, dir_fd);
	rc = journal_open(&e.journal, dir_fd);
	HOLDS(rc == 0 || rc == 1 || (rc == -1 && errno == EPROTO));
	HOLDS((faccessat(dir_fd, ASIDE, F_OK, 0) == 0) == (rc == 1));
	if (rc != -1) {
		HOLDS(rc == 0 || e.journal.state.phase == PHASE_IDLE);
		HOLDS(journal_open(&again, dir_fd) == 0);
		check_same(&e.journal, &again);
		journal_close(&e.journal); /* its file has been replaced */
		e.journal = again;
		journal_get_signal(&e.journal.state, &none.signal);
		report(&e);
		HOLDS(journal_save(&e.journal) == 0);
		HOLDS(journal_applied(&e.journal, "1.0.0/001_one.py") == 0);
		HOLDS(journal_open(&again, dir_fd) == 0);
		check_same(&e.journal, &again);
		journal_close(&again);
	}
	journal_close(&e.journal);
	return 0;
}
