/*
 * fixture.h - a monitor for unit tests: real directories, a real socketpair, no Redis, no filter.
 *
 * room: tests.
 * distrusts: nothing.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../shared/check.h"
#include "monitor.h"

struct fixture {
	struct mon m;
	struct wire executor; /* the other end */
	char path[PATH_MAX];
	int dirfd;
};

__attribute__((unused)) static void
fixture_open(struct fixture *f)
{
	int pair[2];

	memset(f, 0, sizeof(*f));
	mon_timers_clear(&f->m);
	check_dir_make(f->path, &f->dirfd);
	assert_int_equal(mkdirat(f->dirfd, "status", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "sig", 0755), 0);
	f->m.status_dir_fd = openat(f->dirfd, "status", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->m.status_dir_fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	wire_init(&f->m.wire, pair[0], DOOR_REPORTS);
	wire_init(&f->executor, pair[1], DOOR_REQUESTS);
	f->m.owners = (struct mon_owners){.self = geteuid()};
	f->m.events_fd = f->m.daemon_fd = f->m.signal_fd = f->m.watch.fd = -1;
	f->m.watch.dir_wd = -1;
	f->m.redis.link = LINK_OFF;
	f->m.status.pid = 4711;
	f->m.status.pid_start = 12345;
	f->m.conf.fetch_s = 300;
	f->m.conf.checkout_s = f->m.conf.migration_s = f->m.conf.install_s = 120;
	strcpy(f->m.conf.computer, "box");
	strcpy(f->m.conf.repo, "/srv/app");
	strcpy(f->m.conf.state_dir, "/nowhere");
	assert_true(strlen(f->path) + sizeof("/sig/u.json") < CONF_TEXT_MAX);
	snprintf(f->m.watch.dir, sizeof(f->m.watch.dir), "%.200s/sig", f->path);
	snprintf(f->m.conf.signal, sizeof(f->m.conf.signal), "%.200s/sig/u.json", f->path);
	strcpy(f->m.watch.name, "u.json");
	strcpy(f->m.watch.retry_name, "u.json.retry");
}

__attribute__((unused)) static void
fixture_close(struct fixture *f)
{
	if (f->m.wire.fd != -1)
		close(f->m.wire.fd);
	if (f->executor.fd != -1)
		close(f->executor.fd);
	if (f->m.watch.fd != -1)
		close(f->m.watch.fd);
	close(f->m.status_dir_fd);
	check_dir_remove(f->path, f->dirfd);
}

/* name in the fixture's directory holds text. */
__attribute__((unused)) static void
fixture_put(struct fixture *f, const char *name, const void *text, size_t len)
{
	int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

__attribute__((unused)) static struct wire_update
fixture_update(void)
{
	return (struct wire_update){
	    .channel = CHANNEL_STABLE,
	    .attempt = 2,
	    .run = "20261123T150000Z-0001",
	    .from = "1.0.0",
	    .to = "1.1.0",
	    .commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    .previous = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	};
}

__attribute__((unused)) static int
set_up(void **state)
{
	static struct fixture f;

	fixture_open(&f);
	*state = &f;
	return 0;
}

__attribute__((unused)) static int
tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->m.redis.context != NULL)
		(void)mon_redis_timer(&f->m); /* what is open is late, and dropped */
	fixture_close(f);
	return 0;
}

#define MON_TEST(title, function)                        \
	{                                                \
		title, function, set_up, tear_down, NULL \
	}

#endif
