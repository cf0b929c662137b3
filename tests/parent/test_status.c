/*
 * test_status.c - parent/status.c: what the status object holds, and what it never holds.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <time.h>

/* The object that stands in status.json. */
static json_t *
stored(struct fixture *f)
{
	json_t *object;
	char *data;
	size_t len;

	assert_int_equal(
	    file_slurp(f->m.status_dir_fd, "status.json", STATUS_TEXT_MAX, &data, &len), 0);
	object = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	free(data);
	assert_non_null(object);
	return object;
}

static void
expect_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (value == NULL || strcmp(value, text) != 0)
		fail_msg("%s is %s, not %s", key, value != NULL ? value : "no string", text);
}

static void
expect_keys(const json_t *object, const char *const keys[])
{
	size_t count = 0;

	for (; keys[count] != NULL; count++)
		if (json_object_get(object, keys[count]) == NULL)
			fail_msg("%s is missing", keys[count]);
	assert_int_equal(json_object_size(object), count);
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct wire_failure
failure(void)
{
	return (struct wire_failure){.update = fixture_update(),
	    .step = STEP_MIGRATE,
	    .reason = REASON_MIGRATION_FAILED,
	    .detail = "1.1.0/001_x.py: exit 1",
	    .tail = "line\\n\"quoted\""};
}

static void
running(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	struct timespec now;
	json_t *object;
	double timestamp;

	mon_status_step(&f->m, &u, STEP_FETCH, 42);
	object = stored(f);
	expect_keys(object, KEYS("status", "timestamp", "computer", "channel", "from", "to",
				"commit", "previous_commit", "run", "attempt", "step", "percent",
				"pid", "pid_start", "moult"));
	expect_text(object, "status", "updating");
	expect_text(object, "computer", "box");
	expect_text(object, "channel", "stable");
	expect_text(object, "step", "fetch");
	assert_int_equal(json_integer_value(json_object_get(object, "percent")), 42);
	assert_int_equal(json_integer_value(json_object_get(object, "attempt")), 2);
	assert_int_equal(json_integer_value(json_object_get(object, "pid")), 4711);
	assert_true(json_is_real(json_object_get(object, "timestamp")));
	timestamp = json_real_value(json_object_get(object, "timestamp"));
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(fabs(timestamp - (double)now.tv_sec) < 5);
	json_decref(object);
}

static void
words(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	json_t *object;
	uint32_t i;

	for (i = STEP_CHECK; i < STEP_END; i++) {
		mon_status_step(&f->m, &u, i, 0);
		object = stored(f);
		expect_text(object, "status", wire_step_word(i));
		json_decref(object);
	}
}

static void
held(void **state)
{
	struct fixture *f = *state;
	struct wire_failure w = failure();
	json_t *object;

	mon_status_failed(&f->m, &w);
	object = stored(f);
	expect_text(object, "status", "update_failed");
	expect_text(object, "error", "migrate: a migration failed: 1.1.0/001_x.py: exit 1");
	expect_text(object, "reason", "migration_failed");
	expect_text(object, "rollback",
	    "git -C /srv/app checkout --detach bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	expect_text(object, "output", "line\\n\"quoted\"");
	assert_true(json_is_true(json_object_get(object, "held")));
	assert_null(json_object_get(object, "retry_at"));
	assert_null(json_object_get(object, "version"));
	json_decref(object);
}

static void
retried(void **state)
{
	struct fixture *f = *state;
	struct wire_failure w = failure();
	json_t *object;

	w.retry_ms = 90000;
	w.detail[0] = w.tail[0] = w.update.previous[0] = '\0';
	mon_status_failed(&f->m, &w);
	object = stored(f);
	expect_text(object, "error", "migrate: a migration failed");
	assert_true(fabs(json_real_value(json_object_get(object, "retry_at")) -
			 json_real_value(json_object_get(object, "timestamp")) - 90) < 0.01);
	assert_null(json_object_get(object, "held"));
	assert_null(json_object_get(object, "rollback"));
	assert_null(json_object_get(object, "output"));
	json_decref(object);
}

static void
deployed(void **state)
{
	struct fixture *f = *state;
	struct wire_failure w = failure();
	struct wire_update u = fixture_update();
	json_t *object;

	mon_status_failed(&f->m, &w);
	mon_status_deployed(&f->m, &u);
	object = stored(f);
	expect_keys(object,
	    KEYS("status", "timestamp", "computer", "channel", "from", "to", "commit",
		"previous_commit", "run", "attempt", "version", "pid", "pid_start", "moult"));
	expect_text(object, "status", "deployed");
	expect_text(object, "version", "1.1.0");
	json_decref(object);
}

static void
degraded(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	json_t *object, *names;

	f->m.status.missing = 1u << LAYER_NETWORK;
	memset(&f->m.message, 0, sizeof(f->m.message));
	strcpy(f->m.message.body.hello.build, MOULT_BUILD);
	f->m.message.body.hello.missing = 1u << LAYER_SECCOMP | 1u << LAYER_NETWORK;
	mon_on_hello(&f->m);
	mon_status_deployed(&f->m, &u);
	object = stored(f);
	expect_text(object, "status", "deployed");
	names = json_object_get(object, "degraded");
	assert_int_equal(json_array_size(names), 2);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "seccomp");
	assert_string_equal(json_string_value(json_array_get(names, 1)), "landlock-network");
	json_decref(object);
}

static void
signed_by(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	json_t *object;

	strcpy(u.key, "SHA256:abc");
	mon_status_step(&f->m, &u, STEP_CHECKOUT, 0);
	object = stored(f);
	expect_text(object, "key", "SHA256:abc");
	json_decref(object);
}

static void
fill(char *text, size_t size, char c)
{
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

static void
largest(void **state)
{
	struct fixture *f = *state;
	struct mon_status *s = &f->m.status;
	struct wire_failure w = failure();
	json_t *object;

	/* Each byte that JSON makes two of. */
	fill(w.detail, sizeof(w.detail), '\\');
	fill(w.tail, sizeof(w.tail), '"');
	fill(w.update.from, sizeof(w.update.from), '1');
	fill(w.update.to, sizeof(w.update.to), '1');
	fill(w.update.commit, sizeof(w.update.commit), 'a');
	fill(w.update.previous, sizeof(w.update.previous), 'a');
	fill(w.update.key, sizeof(w.update.key), '\\');
	fill(w.update.run, sizeof(w.update.run), '0');
	fill(f->m.conf.repo, sizeof(f->m.conf.repo), '\'');
	fill(f->m.conf.computer, 65, 'c');
	w.update.attempt = UINT32_MAX;
	w.retry_ms = WIRE_RETRY_MS_MAX;
	s->missing = (1u << LAYER_END) - 1;
	mon_status_failed(&f->m, &w);
	object = stored(f);
	assert_int_equal(
	    strlen(json_string_value(json_object_get(object, "output"))), sizeof(w.tail) - 1);
	assert_non_null(
	    strstr(json_string_value(json_object_get(object, "rollback")), "--detach aaaa"));
	json_decref(object);
}

static void
quoted(void **state)
{
	struct fixture *f = *state;
	struct wire_failure w = failure();
	json_t *object;

	strcpy(f->m.conf.repo, "/srv/it's mine");
	mon_status_failed(&f->m, &w);
	object = stored(f);
	expect_text(object, "rollback",
	    "git -C '/srv/it'\\''s mine' checkout --detach "
	    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	json_decref(object);
}

static void
percentages(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	json_t *object;

	mon_status_step(&f->m, &u, STEP_FETCH, 1);
	mon_status_step(&f->m, &u, STEP_FETCH, 2);
	object = stored(f);
	assert_int_equal(json_integer_value(json_object_get(object, "percent")), 1);
	json_decref(object);
	assert_true(f->m.due_ms[TIMER_PUBLISH] != MON_NEVER);
	mon_timer_publish(&f->m);
	assert_true(f->m.due_ms[TIMER_PUBLISH] == MON_NEVER);
	object = stored(f);
	assert_int_equal(json_integer_value(json_object_get(object, "percent")), 2);
	json_decref(object);
	mon_status_step(&f->m, &u, STEP_VERIFY, 0); /* another step is told at once */
	object = stored(f);
	expect_text(object, "step", "verify");
	json_decref(object);
}

static void
restored(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	json_t *object;

	f->m.status.missing = 1u << LAYER_SECCOMP;
	mon_status_deployed(&f->m, &u);
	f->m.status.word = NULL;
	f->m.status.missing = 0;
	f->m.status.pid = 4712;
	mon_status_restore(&f->m);
	object = stored(f);
	expect_text(object, "status", "deployed");
	expect_text(object, "version", "1.1.0");
	assert_int_equal(json_integer_value(json_object_get(object, "pid")), 4712);
	assert_null(json_object_get(object, "degraded"));
	json_decref(object);
}

static void
not_restored(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "[]",
	    "{}",
	    "{\"status\":\"deployed\"}",
	    "{\"status\":\"deployed\",\"computer\":\"other\"}",
	    "{\"status\":\"installing\",\"computer\":\"box\"}",
	    "{\"status\":1,\"computer\":\"box\"}",
	};
	struct fixture *f = *state;
	json_t *object;
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		fixture_put(f, "status/status.json", texts[i], strlen(texts[i]));
		mon_status_restore(&f->m);
		object = stored(f);
		expect_keys(
		    object, KEYS("status", "timestamp", "computer", "pid", "pid_start", "moult"));
		expect_text(object, "status", "checking");
		json_decref(object);
	}
}

static void
events(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	char text[256];
	int ends[2], i;
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	f->m.events_fd = ends[1];
	mon_status_step(&f->m, &u, STEP_FETCH, 7);
	mon_events_end(&f->m, 42);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "status updating 7 1.1.0\nend 42\n");
	for (i = 0; i < 10000; i++) /* nobody reads: nothing waits */
		mon_events_end(&f->m, 0);
	close(ends[0]);
	close(ends[1]);
}

static void
unwritable(void **state)
{
	struct fixture *f = *state;
	struct wire_update u = fixture_update();
	int good = f->m.status_dir_fd;

	f->m.status_dir_fd = -1;
	mon_status_step(&f->m, &u, STEP_FETCH, 7);
	assert_int_equal(f->m.status.write_error, EBADF);
	mon_status_step(&f->m, &u, STEP_VERIFY, 7);
	f->m.status_dir_fd = good;
	mon_status_step(&f->m, &u, STEP_CHECKOUT, 7);
	assert_int_equal(f->m.status.write_error, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    MON_TEST("a run under way tells all that is known of it, and no empty field", running),
	    MON_TEST("each step has its public word", words),
	    MON_TEST("a held failure tells why, what was printed, and the way back", held),
	    MON_TEST("a failure that is tried again tells when", retried),
	    MON_TEST("a deployed version leaves nothing of an earlier failure", deployed),
	    MON_TEST("what confinement either process lacks is told", degraded),
	    MON_TEST("the key that signed it is told", signed_by),
	    MON_TEST("the largest possible object fits", largest),
	    MON_TEST("the way back can be pasted into a shell", quoted),
	    MON_TEST("percentages are not told in a flood, and the last one is told", percentages),
	    MON_TEST("an outcome survives the process that told it", restored),
	    MON_TEST("anything else in the file is replaced", not_restored),
	    MON_TEST("libmoult gets lines, and nobody waits for it", events),
	    MON_TEST("a file that cannot be written is no failure", unwritable),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
