/*
 * test_remote.c - child/remote.c: what a value of remote leads to.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"
#include "remote.h"

static const struct {
	const char *remote, *transport, *path; /* path: of a local one */
	bool local, ssh;
	uint16_t port;
} due[] = {
    {"/srv/project.git", "file", "/srv/project.git", true, false, 0},
    {"/srv/with:colon@22.git", "file", "/srv/with:colon@22.git", true, false, 0},
    {"file:///srv/project.git", "file", "/srv/project.git", true, false, 0},
    {"https://example.org/p.git", "https", NULL, false, false, 443},
    {"https://example.org:8443/p.git", "https", NULL, false, false, 8443},
    {"https://example.org/p:99/x", "https", NULL, false, false, 443},
    {"https://[2001:db8::1]/p.git", "https", NULL, false, false, 443},
    {"https://[2001:db8::1]:8443/p.git", "https", NULL, false, false, 8443},
    {"http://example.org/p.git", "http", NULL, false, false, 80},
    {"http://127.0.0.1:1/p", "http", NULL, false, false, 1},
    {"http://127.0.0.1:65535/p", "http", NULL, false, false, 65535},
    {"git://example.org/p.git", "git", NULL, false, false, 9418},
    {"git://example.org:9/p.git", "git", NULL, false, false, 9},
    {"ssh://example.org/p.git", "ssh", NULL, false, true, 22},
    {"ssh://git@example.org/p.git", "ssh", NULL, false, true, 22},
    {"ssh://git@example.org:2222/p.git", "ssh", NULL, false, true, 2222},
    {"ssh://git@[::1]/p.git", "ssh", NULL, false, true, 22},
    {"ssh://git@[::1]:2222/p.git", "ssh", NULL, false, true, 2222},
    {"ssh://git@[2001:db8::1]:2222/~git/p.git", "ssh", NULL, false, true, 2222},
    {"git@example.org:p.git", "ssh", NULL, false, true, 22},
    {"git@example.org:2222/p.git", "ssh", NULL, false, true, 22}, /* a path, as git reads it */
};

static void
forms(void **state)
{
	struct conf *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < COUNT(due); i++) {
		snprintf(c->remote, sizeof(c->remote), "%s", due[i].remote);
		assert_string_equal(remote_transport(c), due[i].transport);
		assert_int_equal(remote_is_local(c), due[i].local);
		assert_int_equal(remote_is_ssh(c), due[i].ssh);
		if (due[i].local)
			assert_string_equal(remote_path(c), due[i].path);
		else
			assert_int_equal(remote_port(c), due[i].port);
	}
	free(c);
}

static void
complain(void *arg, const char *file, int line, const char *text)
{
	(void)file, (void)line, (void)text;
	++*(int *)arg;
}

/* Each form above, and none that would lead a port out of its range, is a value of the key. */
static void
accepted(void **state)
{
	static const char *const refused[] = {"ssh://example.org:0/p", "ssh://example.org:65536/p",
	    "http://example.org:/p", "http://example.org:1x/p", "git://:9/p", "http://[::1/p",
	    "ext::sh -c x", "ftp://example.org/p", "example.org:p", "https://u:p@example.org/p"};
	struct fixture *f = *state;
	struct conf *c = calloc(1, sizeof(*c));
	char text[TEST_PATH_MAX], path[TEST_PATH_MAX];

	assert_non_null(c);
	snprintf(path, sizeof(path), "%.200s/moult.conf", f->root);
	for (size_t i = 0; i < COUNT(due) + COUNT(refused); i++) {
		bool good = i < COUNT(due);
		int complaints = 0;

		snprintf(text, sizeof(text), "[deploy]\nrepo = /r\nsignal = /s/x\nremote = %s\n",
		    good ? due[i].remote : refused[i - COUNT(due)]);
		put_text(f->root_fd, "moult.conf", text);
		conf_load(c, path, complain, &complaints);
		if ((complaints == 0) != good)
			fail_msg("%s", text);
	}
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST("each form of a remote has its transport, its port and its path", forms),
	    EXE_TEST("the configuration takes these forms and no other", accepted),
	};

	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
