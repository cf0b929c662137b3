/*
 * domain.h - the table of places, and the Landlock domains made of it.
 *
 * room: executor.
 * distrusts: links in the checkout and in the state directory, which might lead out of them.
 */
#ifndef MOULT_DOMAIN_H
#define MOULT_DOMAIN_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "landlock.h"
#include "spawn.h"

#define DOMAIN_PATH_MAX 512 /* a path of the configuration, and what stands below it */

/* X(place, what it is, for the tables that are printed) */
/* clang-format off */
#define DOMAIN_PLACES(X) \
	X(SYSTEM, "/usr /bin /sbin /lib* /opt") \
	X(BASICS, "/etc: ld.so.cache nsswitch.conf passwd group localtime") \
	X(NAMES,"/etc: resolv.conf hosts host.conf gai.conf services protocols ssl ca-certificates gnutls") \
	X(ETC, "/etc, but not ssh_key, ssh_known_hosts, allowed_signers, openpgp_keys, password_file") \
	X(NULL, "/dev/null") \
	X(RANDOM, "/dev: urandom random zero full") \
	X(REPO, "repo") \
	X(STORE, "repo/.git: objects refs logs") \
	X(GIT, "state_dir/git") \
	X(TMP, "state_dir/tmp") \
	X(REMOTE, "remote, where it is a directory") \
	X(SSH, "of ssh remotes: ssh_key, ssh_known_hosts, /etc/ssh; ~/.ssh for what is not configured") \
	X(CA, "ca_file") \
	X(SIGNERS, "allowed_signers, openpgp_keys") \
	X(WRITE, "write_paths") \
	X(READ, "read_paths") \
	X(MIGRATOR, "the program of migrate_command") \
	X(INSTALLER, "the program of install_command")
/* clang-format on */

#define DOMAIN_ENUM_PLACE(symbol, words) PLACE_##symbol,
enum place { DOMAIN_PLACES(DOMAIN_ENUM_PLACE) PLACE_END };

/* In a profile: what may be done at and below a place. */
struct domain_row {
	enum profile profile;
	enum place place;
	uint32_t files; /* enum landlock_file */
	const char *why;
};

const struct domain_row *domain_rows(size_t *count);
const char *domain_place_name(enum place place);

/*
 * Makes a step's domain, to be entered by its process. 0 with *ruleset_fd (OWNED by the caller),
 * which is -1 on a kernel without Landlock; or -1 and errno, where naming the path that it failed
 * at.
 */
struct exe;
int domain_step(const struct exe *e, enum profile profile, enum network network, int *ruleset_fd,
    char where[DOMAIN_PATH_MAX]);

/* Enters the executor's own domain. 0, or -1 and errno. */
int domain_own(const struct exe *e);

/* Whether a profile's rows allow a right on path: by the path's words alone. */
bool domain_grants(const struct exe *e, enum profile profile, const char *path, uint32_t right);

#endif
