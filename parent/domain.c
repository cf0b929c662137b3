/*
 * domain.c - the monitor's Landlock domain: the files it may touch and the port it may call.
 *
 * room: monitor; the one file with its places.
 * distrusts: this very process, once it reads input.
 *
 * Signals are not scoped: when the monitor dies, the kernel signals the executor in the monitor's
 * name, and a scope would hold that back. The filter has no kill(2) in its place.
 *
 * A rule belongs to a directory, not to its name. When another directory takes the name of the
 * signal's, this process can never read it, and has to make room for one that can.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"
#include "log.h"

enum place { PLACE_SIGNAL, PLACE_STATUS, PLACE_REDIS };

static const struct row {
	enum place place;
	const char *name;
	uint32_t files; /* enum landlock_file */
	uint32_t ports; /* enum landlock_port */
	const char *why;
} rows[] = {
    {PLACE_SIGNAL, "the directory of signal", FILE_READ, 0, "the signal, and wishes for a retry"},
    {PLACE_STATUS, "state_dir/monitor",
	FILE_READ_FILE | FILE_WRITE_FILE | FILE_MAKE_REG | FILE_REMOVE_FILE, 0,
	"status.json: read once, then written aside and renamed"},
    {PLACE_REDIS, "the TCP port of [redis] url", 0, PORT_CONNECT, "the status goes to Redis"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void
mon_domain_walk(
    void (*see)(void *arg, const char *place, const char *rights, const char *why), void *arg)
{
	char words[LANDLOCK_WORDS_MAX];
	size_t i;

	for (i = 0; i < ROWS; i++) {
		landlock_words(rows[i].files, words);
		see(arg, rows[i].name, rows[i].ports != 0 ? "connect" : words, rows[i].why);
	}
}

/* The layers as a list for a person. */
static void
name_layers(uint32_t missing, char text[DOMAIN_TEXT_MAX])
{
	uint32_t layer;
	size_t used = 0;

	text[0] = '\0';
	for (layer = 0; layer < LAYER_END; layer++)
		if ((missing & 1u << layer) != 0 && used < DOMAIN_TEXT_MAX)
			used += (size_t)snprintf(text + used, DOMAIN_TEXT_MAX - used, "%s%s",
			    used == 0 ? "" : ", ", wire_layer_name(layer));
}

void
mon_domain_look(struct mon *m)
{
	landlock_probe(&m->domain.features, LANDLOCK_ABI_KNOWN);
	m->status.missing = landlock_missing(&m->domain.features);
	if (!filter_available())
		m->status.missing |= 1u << LAYER_SECCOMP;
}

void
mon_domain_probe(struct mon *m)
{
	char text[DOMAIN_TEXT_MAX];
	uint32_t layer, missing;

	mon_domain_look(m);
	missing = m->status.missing;
	if (missing == 0)
		return;
	if (m->conf.mode == CONF_REQUIRE) {
		name_layers(missing, text);
		log_exit(EX_OSERR,
		    "this kernel does not confine moult fully; missing: %s. Refusing to start: it "
		    "takes Linux 6.12 or later with seccomp and Landlock; [sandbox] mode = degrade "
		    "goes on without",
		    text);
	}
	for (layer = 0; layer < LAYER_END; layer++)
		if ((missing & 1u << layer) != 0)
			log_warnx("DEGRADED: %s is missing: %s", wire_layer_name(layer),
			    wire_layer_words(layer));
}

static void
allow_place(struct mon *m, int ruleset_fd, const struct row *row)
{
	struct mon_domain *d = &m->domain;
	struct stat st;
	int fd;

	if (row->place == PLACE_STATUS) {
		if (landlock_allow(&d->features, ruleset_fd, m->status_dir_fd, row->files) == -1)
			fatal("landlock: %s", row->name);
		return;
	}
	fd = open(m->watch.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return; /* when it appears, it is another one than we may read */
	if (fd == -1 || fstat(fd, &st) == -1 ||
	    landlock_allow(&d->features, ruleset_fd, fd, row->files) == -1)
		fatal("landlock: %s, %s", row->name, m->watch.dir);
	d->granted = true;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	(void)close(fd); /* only named; open it would hold back the directory's own end */
}

void
mon_domain_enter(struct mon *m)
{
	struct mon_domain *d = &m->domain;
	int fd = landlock_ruleset(&d->features, FILE_ALL, PORT_ALL, SCOPE_ABSTRACT);
	size_t i;

	if (fd == -1 && errno == ENOTSUP)
		return; /* told by mon_domain_probe() */
	if (fd == -1)
		fatal("landlock: no ruleset");
	for (i = 0; i < ROWS; i++)
		if (rows[i].place != PLACE_REDIS)
			allow_place(m, fd, &rows[i]);
		else if (m->conf.redis == CONF_REDIS_TCP &&
			 landlock_allow_port(&d->features, fd, m->conf.redis_port, rows[i].ports) ==
			     -1)
			fatal("landlock: %s", rows[i].name);
	if (landlock_enter(fd) == -1)
		fatal("landlock: the domain cannot be entered");
	(void)close(fd); /* a ruleset: nothing can be lost */
	d->confines_files = (d->features.files & FILE_READ_DIR) != 0;
}

bool
mon_domain_shuts_out(const struct mon *m)
{
	const struct mon_domain *d = &m->domain;
	struct stat st;

	if (!d->confines_files || stat(m->watch.dir, &st) == -1 || !S_ISDIR(st.st_mode))
		return false;
	return !d->granted || st.st_dev != d->dev || st.st_ino != d->ino;
}
