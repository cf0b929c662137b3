/*
 * git.c - fuzzer of how git's answers are read: status, object ids, tag and commit objects.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * Each answer is read twice, with other bytes behind its end, and has to mean the same.
 */
#include "executor.h"
#include "fuzz.h"
#include "text.h"

#define NAMES_MAX 256

struct meaning {
	bool has_status, has_id, has_tag;
	char head[WIRE_OID_MAX], id[WIRE_OID_MAX], names[NAMES_MAX];
	size_t dirty;
	struct signed_tag tag;
	enum signature of_tag, of_commit;
};

static void
read_all(struct exe *e, const uint8_t *data, size_t size, int rest, struct meaning *m)
{
	char *names = malloc(NAMES_MAX), *object = fuzz_copy(data, size);

	HOLDS(names != NULL);
	memset(m, 0, sizeof(*m));
	memset(e->child.out, rest, sizeof(e->child.out));
	memcpy(e->child.out, data, size);
	e->child.out_len = size;
	m->has_status = run_read_status(e, m->head, names, NAMES_MAX);
	HOLDS(strnlen(names, NAMES_MAX) < NAMES_MAX);
	memcpy(m->names, names, strlen(names));
	m->dirty = e->run.dirty;
	m->has_id = run_read_id(&e->child, m->id);
	m->has_tag = signature_read_tag(object, size, &m->tag);
	m->of_tag = signature_of_tag(object, size);
	m->of_commit = signature_of_commit(object, size);
	free(object);
	free(names);
}

/* What is behind the NUL of a text may differ. */
static bool
is_same(const struct meaning *a, const struct meaning *b)
{
	return a->has_status == b->has_status && strcmp(a->head, b->head) == 0 &&
	       strcmp(a->names, b->names) == 0 && a->dirty == b->dirty && a->has_id == b->has_id &&
	       strcmp(a->id, b->id) == 0 && a->has_tag == b->has_tag &&
	       strcmp(a->tag.object, b->tag.object) == 0 && strcmp(a->tag.type, b->tag.type) == 0 &&
	       strcmp(a->tag.name, b->tag.name) == 0 && a->of_tag == b->of_tag &&
	       a->of_commit == b->of_commit;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exe e;
	struct meaning m, again;

	if (size > CHILD_OUT_MAX)
		size = CHILD_OUT_MAX;
	read_all(&e, data, size, '\0', &m);
	read_all(&e, data, size, '0', &again);
	HOLDS(is_same(&m, &again));
	HOLDS(m.has_status == text_is_object_id(m.head) && m.has_id == text_is_object_id(m.id));
	HOLDS(!m.has_id || memcmp(m.id, data, strlen(m.id)) == 0);
	HOLDS((m.dirty == 0) == (m.names[0] == '\0') || m.dirty > 0);
	HOLDS(!m.has_tag || (size > 7 && memcmp(data, "object ", 7) == 0 &&
				text_is_object_id(m.tag.object) && m.tag.name[0] != '\0'));
	return 0;
}
