/*
 * conf.h - moult.conf: one list of its keys, and a strict reader.
 *
 * room: every process, before it is sealed.
 * distrusts: the file's permissions and its syntax; its values are the administrator's.
 *
 * INI as inih reads it, without continuation lines. An unknown or repeated section or key, a value
 * that does not fit and a file that others may write are errors; all of them are told at once.
 */
#ifndef MOULT_CONF_H
#define MOULT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#define CONF_TEXT_MAX 256 /* lines have at most 199 bytes, so no value is cut */

enum conf_fetch { CONF_FETCH_TAGS, CONF_FETCH_TAG };
enum conf_mode { CONF_REQUIRE, CONF_DEGRADE };
enum conf_verify { CONF_VERIFY_NONE, CONF_VERIFY_TAG, CONF_VERIFY_COMMIT };
enum conf_version { CONF_VERSION_SIGNAL, CONF_VERSION_FILE, CONF_VERSION_DESCRIBE };

/*
 * X(section, key, field of struct conf, kind, default, choices, what it is)
 *
 * A default of NULL makes a key required; "" means not set. The kinds:
 *
 * NAME     text_is_name()
 * PATH     absolute, without empty, "." or ".." parts
 * FILE     a PATH whose last part is a NAME
 * PATHS    PATHs between blanks
 * RELPATH  inside the checkout: as PATH, but not absolute
 * REMOTE   /path, file:///path, http[s]://host[:port]/path, ssh://[user@]host[:port]/path,
 *          git://host[:port]/path or user@host:path; no password, no blanks, no other transport
 * WORDS    a command, split at blanks; there is no quoting, and quotes are refused
 * BRANCH   a branch name by git-check-ref-format(1)
 * USER     a user of this system
 * SECONDS  1 to 86400
 * BOOL     yes or no
 * CHOICE   one of the choices, in the order of the enum
 * VERSION  "signal", "describe" or "file RELPATH"
 * REDIS    redis://[user@]host[:port][/db] or unix:///path[?db=N]; no password
 */
#define CONF_KEYS(X)                                                                              \
	X(deploy, computer, computer, NAME, "@hostname", "",                                      \
	    "name of this computer in the Redis key")                                             \
	X(deploy, repo, repo, PATH, NULL, "", "the checkout that is updated")                     \
	X(deploy, remote, remote, REMOTE, NULL, "", "URL of the repository to fetch from")        \
	X(deploy, branch, branch, BRANCH, "main", "", "branch that the alpha channel follows")    \
	X(deploy, fetch, fetch, CHOICE, "tags", "tags tag",                                       \
	    "fetch all tags, or the announced one alone")                                         \
	X(deploy, signal, signal, FILE, NULL, "", "the signal file of the version watcher")       \
	X(deploy, signal_owner, signal_owner, USER, "", "",                                       \
	    "user who may own the signal file, beside root and moult")                            \
	X(deploy, state_dir, state_dir, PATH, "/var/lib/moult", "", "moult's own directory")      \
	X(deploy, version, version, VERSION, "signal", "",                                        \
	    "where alpha's version is read after the merge")                                      \
	X(deploy, migrations, migrations, RELPATH, "migrations", "",                              \
	    "directory of migrations in the checkout")                                            \
	X(deploy, migrate_command, migrate_command, WORDS, "", "",                                \
	    "external runner; called with --from A --to B")                                       \
	X(deploy, install_command, install_command, WORDS, "make install", "",                    \
	    "what installs the new version")                                                      \
	X(deploy, monitor_user, monitor_user, USER, "", "",                                       \
	    "whom the monitor becomes when started as root; default _moult, else nobody")         \
	X(deploy, deploy_user, deploy_user, USER, "", "",                                         \
	    "whom the executor and the steps become when started as root; default the owner of "  \
	    "repo")                                                                               \
	X(deploy, ssh_key, ssh_key, PATH, "", "", "private key for ssh remotes")                  \
	X(deploy, ssh_known_hosts, ssh_known_hosts, PATH, "", "", "host keys for ssh remotes")    \
	X(deploy, ca_file, ca_file, PATH, "", "",                                                 \
	    "certificate authorities for https remotes, PEM")                                     \
	X(redis, url, url, REDIS, "", "", "where status goes; not set: to status.json only")      \
	X(redis, password_file, password_file, PATH, "", "",                                      \
	    "file with the Redis password on its first line")                                     \
	X(verify, mode, verify, CHOICE, "none", "none tag commit", "what must be signed")         \
	X(verify, allowed_signers, allowed_signers, PATH, "", "",                                 \
	    "ssh keys that may sign, as in ssh-keygen(1)")                                        \
	X(verify, openpgp_keys, openpgp_keys, PATH, "", "", "OpenPGP public keys that may sign")  \
	X(sandbox, mode, mode, CHOICE, "require", "require degrade",                              \
	    "refuse to start unconfined, or say so")                                              \
	X(sandbox, write_paths, write_paths, PATHS, "", "",                                       \
	    "what migrations and the install command may write")                                  \
	X(sandbox, read_paths, read_paths, PATHS, "", "",                                         \
	    "what they may read and execute, beside the system")                                  \
	X(sandbox, migrate_network, migrate_network, BOOL, "no", "",                              \
	    "migrations may open network sockets")                                                \
	X(sandbox, install_network, install_network, BOOL, "no", "",                              \
	    "the install command may open network sockets")                                       \
	X(limits, fetch_s, fetch_s, SECONDS, "300", "", "limit of the fetch step, seconds")       \
	X(limits, checkout_s, checkout_s, SECONDS, "120", "",                                     \
	    "limit of the checkout step, seconds")                                                \
	X(limits, migration_s, migration_s, SECONDS, "3600", "",                                  \
	    "limit of each migration, seconds")                                                   \
	X(limits, install_s, install_s, SECONDS, "900", "", "limit of the install step, seconds") \
	X(limits, silence_s, silence_s, SECONDS, "60", "",                                        \
	    "limit of a fetch without any progress, seconds")                                     \
	X(limits, retry_s, retry_s, SECONDS, "60", "",                                            \
	    "first delay before a failed fetch is tried again, seconds")

#define CONF_WORDS_MAX 32 /* words of a command, with the NULL behind them */

enum conf_redis { CONF_REDIS_NONE, CONF_REDIS_TCP, CONF_REDIS_UNIX };

/* Every value checked; a key that was not set holds its default. */
struct conf {
	char computer[CONF_TEXT_MAX];
	char repo[CONF_TEXT_MAX];
	char remote[CONF_TEXT_MAX];
	char branch[CONF_TEXT_MAX];
	enum conf_fetch fetch;
	char signal[CONF_TEXT_MAX];       /* an absolute path; its last part is a plain name */
	char signal_owner[CONF_TEXT_MAX]; /* user name; "" none */
	char state_dir[CONF_TEXT_MAX];
	enum conf_version version;
	char version_file[CONF_TEXT_MAX]; /* in the checkout, for CONF_VERSION_FILE */
	char migrations[CONF_TEXT_MAX];
	char migrate_command[CONF_TEXT_MAX];
	char install_command[CONF_TEXT_MAX];
	char ssh_key[CONF_TEXT_MAX];
	char ssh_known_hosts[CONF_TEXT_MAX];
	char ca_file[CONF_TEXT_MAX];
	char url[CONF_TEXT_MAX]; /* of Redis, as it was written; its parts: */
	enum conf_redis redis;
	char redis_host[CONF_TEXT_MAX]; /* or the socket's path */
	char redis_user[CONF_TEXT_MAX];
	uint16_t redis_port;
	uint16_t redis_db;
	char password_file[CONF_TEXT_MAX];
	char monitor_user[CONF_TEXT_MAX], deploy_user[CONF_TEXT_MAX]; /* "": the defaults */
	enum conf_verify verify;
	char allowed_signers[CONF_TEXT_MAX];
	char openpgp_keys[CONF_TEXT_MAX];
	char write_paths[CONF_TEXT_MAX], read_paths[CONF_TEXT_MAX]; /* conf_words() splits them */
	enum conf_mode mode;
	bool migrate_network;
	bool install_network;
	uint32_t fetch_s;
	uint32_t checkout_s;
	uint32_t migration_s;
	uint32_t install_s;
	uint32_t silence_s;
	uint32_t retry_s; /* doubles with each failure, up to WIRE_RETRY_MS_MAX */
};

/* One complaint: line is 0 when it is about the whole file. */
typedef void conf_complain(void *arg, const char *file, int line, const char *text);

/*
 * Reads path into c. Returns the number of complaints made; 0 means that all of c is usable.
 * A file that cannot be read is one complaint. Complaints are printable ASCII. Asks for the host's
 * name and the user database, so it runs before the seal.
 */
int conf_load(struct conf *c, const char *path, conf_complain *complain, void *arg);

/* A complaint as one line of the log: "moult.conf:12: ...". */
void conf_complain_to_log(void *arg, const char *file, int line, const char *text);

/*
 * Splits a WORDS value at blanks into argv, NULL at its end. The words BORROW buf, which receives
 * the copy. The value has passed conf_load(), so it fits.
 */
void conf_words(const char *value, char buf[CONF_TEXT_MAX], char *argv[CONF_WORDS_MAX]);

/* The keys, for --help, `moult check` and the tests. NULL behind the last. */
struct conf_key {
	const char *section, *key, *kind, *fallback, *choices, *help;
};
const struct conf_key *conf_keys(void);

/* The directory and the last part of an absolute path, e.g. of c->signal. */
void conf_split_path(const char *path, char dir[CONF_TEXT_MAX], char name[CONF_TEXT_MAX]);

#endif
