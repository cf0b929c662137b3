/*
 * test_verdict.c - shared/verdict.c: lines that `moult check` hears from processes.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <limits.h>

#include "check.h"
#include "verdict.h"

static void
a_line_is_a_verdict_a_topic_and_a_text(void **state)
{
	enum verdict verdict;
	enum topic topic;
	const char *text;

	(void)state;
	assert_true(verdict_read("failed remote it is silent", &verdict, &topic, &text));
	assert_int_equal(verdict, VERDICT_FAILED);
	assert_int_equal(topic, TOPIC_REMOTE);
	assert_string_equal(text, "it is silent");
}

static void
what_is_no_verdict_is_refused(void **state)
{
	static const char *const lines[] = {"", "ok", "ok ", "ok sandbox", "ok sandbox ",
	    "OK sandbox x", "okay sandbox x", "ok sandboxes x", "ok nothing x", " ok sandbox x",
	    "ok  sandbox x", "ok sandbox \033[2J", "ok sandbox x\n", "ok sandbox \xc3\xa4",
	    "sandbox ok x"};
	char line[VERDICT_LINE_MAX + 1] = "ok sandbox ";
	enum verdict verdict;
	enum topic topic;
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (verdict_read(lines[i], &verdict, &topic, &text))
			fail_msg("taken: %s", lines[i]);
	memset(line + strlen(line), 'x', VERDICT_TEXT_MAX - 1);
	assert_true(verdict_read(line, &verdict, &topic, &text));
	line[strlen(line)] = 'x';
	assert_false(verdict_read(line, &verdict, &topic, &text));
}

static void
what_is_said_is_read_again_and_fits_a_line(void **state)
{
	char line[2 * VERDICT_LINE_MAX], longest[2 * VERDICT_TEXT_MAX];
	int ends[2], out = dup(STDOUT_FILENO);
	enum verdict verdict;
	enum topic topic;
	const char *text;
	ssize_t n;

	(void)state;
	memset(longest, '\033', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(pipe(ends), 0);
	for (int v = 0; v < VERDICT_END; v++)
		for (int t = 0; t < TOPIC_END; t++) {
			fflush(stdout);
			assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
			verdict_say((enum verdict)v, (enum topic)t, "%s", longest);
			assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
			n = read(ends[0], line, sizeof(line));
			assert_true(n > 1 && n <= VERDICT_LINE_MAX && line[n - 1] == '\n');
			line[n - 1] = '\0';
			assert_true(verdict_read(line, &verdict, &topic, &text));
			assert_true((int)verdict == v && (int)topic == t);
		}
	close(ends[0]);
	close(ends[1]);
	close(out);
}

static void
each_topic_has_a_status_and_a_name_of_its_own(void **state)
{
	(void)state;
	for (int t = 0; t < TOPIC_END; t++) {
		assert_int_not_equal(verdict_topic_status((enum topic)t), 0);
		for (int u = 0; u < t; u++)
			assert_string_not_equal(
			    verdict_topic_name((enum topic)t), verdict_topic_name((enum topic)u));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST("a line is a verdict a topic and a text", a_line_is_a_verdict_a_topic_and_a_text),
	    TEST("what is no verdict is refused", what_is_no_verdict_is_refused),
	    TEST("what is said is read again and fits a line",
		what_is_said_is_read_again_and_fits_a_line),
	    TEST("each topic has a status and a name of its own",
		each_topic_has_a_status_and_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
