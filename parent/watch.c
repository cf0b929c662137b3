/*
 * watch.c - knowing at once when the signal's directory changes, by inotify(7).
 *
 * room: monitor.
 * distrusts: nobody here: an event only says "look"; what is seen is judged elsewhere.
 *
 * A directory can be replaced under its name, also by renaming one above it, and none of its own
 * events need say so (somebody may hold the old one open). So each part of the path is watched in
 * its parent by name, and any change there places all watches anew. Watches are placed from the
 * root down: what appears after its parent is watched makes an event, what was there before is
 * found. No descriptor of the directory is kept, since that would hold back its own end.
 */
#include "monitor.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bsd/string.h>

#include "log.h"

#define WATCH_EVENTS_BYTES 4096

/* Not in every <linux/magic.h>; statfs(2) has them. */
#define SMB2_MAGIC 0xfe534d42
#define CIFS_MAGIC 0xff534d42
#define FUSE_MAGIC 0x65735546
#define CEPH_MAGIC 0x00c36400

#define SELF_MASK  (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD)
#define ABOVE_MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | SELF_MASK)
/* CREATE: links and FIFOs are whole at once. ATTRIB: a refused file may have been put right. */
#define DIR_MASK                                                                            \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | \
	    SELF_MASK)

/* The length of path's first count parts, "/" counting as the first; 0 when there are fewer. */
static size_t
prefix_length(const char *path, size_t count)
{
	const char *p = path;

	for (; count > 1; count--) {
		p += strspn(p, "/");
		if (*p == '\0')
			return 0;
		p += strcspn(p, "/");
	}
	return p == path ? 1 : (size_t)(p - path);
}

/* True when name is the part of path behind its first count parts. */
static bool
is_next_part(const char *path, size_t count, const char *name)
{
	const char *p = path + prefix_length(path, count);
	size_t len;

	p += strspn(p, "/");
	len = strcspn(p, "/");
	return strlen(name) == len && memcmp(p, name, len) == 0;
}

static bool
is_last_prefix(const char *path, size_t count)
{
	return prefix_length(path, count + 1) == 0;
}

static void
remove_all(struct mon_watch *w)
{
	size_t i;

	/* Those of directories that are gone have been removed by the kernel already. */
	for (i = 0; i < w->above_count; i++)
		if (w->above_wd[i] != -1)
			(void)inotify_rm_watch(w->fd, w->above_wd[i]);
	if (w->dir_wd != -1)
		(void)inotify_rm_watch(w->fd, w->dir_wd);
	w->above_count = 0;
	w->dir_wd = -1;
}

/* Watches what lies above the directory. False: the last part that exists has no watch. */
static bool
add_above(struct mon_watch *w)
{
	char prefix[CONF_TEXT_MAX];
	bool watched = true;
	size_t n;
	int wd;

	for (n = 1; n <= WATCH_NODES_MAX && !is_last_prefix(w->dir, n); n++) {
		(void)strlcpy(prefix, w->dir, prefix_length(w->dir, n) + 1); /* as long as dir */
		wd = inotify_add_watch(w->fd, prefix, ABOVE_MASK);
		if (wd == -1 && (errno == ENOENT || errno == ENOTDIR))
			break;
		/* Without the right to read it there is none; the directory's own may still be had.
		 */
		watched = wd != -1;
		w->above_wd[w->above_count++] = wd;
	}
	return watched;
}

/* File systems whose other writers make no events here. */
static bool
is_shared(const char *dir)
{
	static const unsigned int kinds[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, SMB2_MAGIC,
	    CIFS_MAGIC, V9FS_MAGIC, FUSE_MAGIC, CEPH_MAGIC};
	struct statfs fs;
	size_t i;

	if (statfs(dir, &fs) == -1)
		return false;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((unsigned int)fs.f_type == kinds[i])
			return true;
	return false;
}

static void
complain(struct mon *m, const char *text)
{
	struct mon_watch *w = &m->watch;

	if (strcmp(text, w->complaint) == 0)
		return;
	if (text[0] == '\0')
		log_info("watching %s again", w->dir);
	else
		log_warnx("%s", text);
	(void)strlcpy(w->complaint, text, sizeof(w->complaint)); /* cut: compared cut, too */
}

static void
add_all(struct mon *m)
{
	struct mon_watch *w = &m->watch;
	char text[WATCH_TEXT_MAX] = "";
	bool watched;

	if (w->fd == -1) {
		m->due_ms[TIMER_WATCH] = clock_monotonic_ms() + MON_WATCH_MS;
		return;
	}
	remove_all(w);
	watched = add_above(w);
	w->dir_wd = inotify_add_watch(w->fd, w->dir, DIR_MASK);
	m->due_ms[TIMER_WATCH] = MON_NEVER;
	if (w->dir_wd == -1) {
		watched = watched && (errno == ENOENT || errno == ENOTDIR);
		(void)snprintf(text, sizeof(text),
		    "the signal's directory %s cannot be watched (%s); %s", w->dir,
		    strerrordesc_np(errno),
		    watched ? "waiting for its return" : "looking each 30 s"); /* cut: for people */
		if (!watched)
			m->due_ms[TIMER_WATCH] = clock_monotonic_ms() + MON_WATCH_MS;
	}
	if (w->dir_wd != -1 && is_shared(w->dir))
		m->due_ms[TIMER_WATCH] = clock_monotonic_ms() + MON_WATCH_MS;
	complain(m, text);
}

void
mon_watch_open(struct mon *m)
{
	struct mon_watch *w = &m->watch;

	conf_split_path(m->conf.signal, w->dir, w->name);
	(void)snprintf(w->retry_name, sizeof(w->retry_name), "%s.retry", w->name); /* fits */
	w->dir_wd = -1;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd == -1) /* a user may have only so many */
		log_warn("inotify is not to be had; looking each 30 s");
	add_all(m);
}

int
mon_watch_fd(const struct mon *m, short *events)
{
	*events = POLLIN;
	return m->watch.fd;
}

/* What an event asks for. */
enum { WATCH_NOTHING = 0, WATCH_LOOK = 1, WATCH_ANEW = 2 };

static int
judge_event(const struct mon_watch *w, const struct inotify_event *ev)
{
	const char *name = ev->len > 0 ? ev->name : NULL;
	size_t i;

	if (ev->mask & IN_Q_OVERFLOW)
		return WATCH_LOOK | WATCH_ANEW;
	if (ev->wd == w->dir_wd && name == NULL)
		return ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)
			   ? WATCH_LOOK | WATCH_ANEW
			   : WATCH_NOTHING;
	if (ev->wd == w->dir_wd && (strcmp(name, w->name) == 0 || strcmp(name, w->retry_name) == 0))
		return WATCH_LOOK;
	/* A watch number that is not ours any more belongs to watches removed before. */
	for (i = 0; i < w->above_count; i++)
		if (ev->wd == w->above_wd[i] && (name == NULL || is_next_part(w->dir, i + 1, name)))
			return WATCH_LOOK | WATCH_ANEW;
	return WATCH_NOTHING;
}

enum mon_event
mon_watch_ready(struct mon *m, short revents)
{
	char buf[WATCH_EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *ev;
	int wanted = WATCH_NOTHING;
	ssize_t n, at;

	(void)revents;
	while ((n = read(m->watch.fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += (ssize_t)sizeof(*ev) + (ssize_t)ev->len) {
			ev = (const void *)(buf + at);
			wanted |= judge_event(&m->watch, ev);
		}
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		bug("inotify: %s", strerrordesc_np(errno));
	if (wanted & WATCH_ANEW)
		add_all(m);
	return wanted & WATCH_LOOK ? ON_LOOK : ON_NONE;
}

enum mon_event
mon_timer_watch(struct mon *m)
{
	add_all(m);
	return ON_LOOK;
}
