/*
 * landlock.c - Landlock domains by raw system calls; the one file that makes them.
 *
 * room: both processes; the mechanism. The tables, with a reason in each row, are each room's own.
 * distrusts: what the kernel says of itself: each feature is tried before it is counted on.
 *
 * The structures and numbers are of the kernel's include/uapi/linux/landlock.h and stand here by
 * hand: the header that is installed may be older than the kernel that runs.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire.h"

#define CREATE_VERSION (1u << 0) /* flags of landlock_create_ruleset(2) */
#define CREATE_ERRATA  (1u << 1)
#define RULE_PATH      1 /* kinds of landlock_add_rule(2) */
#define RULE_PORT      2

#define ABI_PORTS  4 /* the versions that made the structure longer */
#define ABI_SCOPES 6

struct ruleset_attr {
	uint64_t files, ports, scopes;
};

struct path_attr {
	uint64_t files;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t ports, port;
};

/* Rights that mean something for what is no directory; others are refused in its rules. */
#define NOT_OF_DIRECTORIES \
	(FILE_EXECUTE | FILE_WRITE_FILE | FILE_READ_FILE | FILE_TRUNCATE | FILE_IOCTL_DEV)

static const struct {
	uint32_t bit;
	int abi;
	const char *word;
} rights[] = {
#define ROW(symbol, number, since, name) {FILE_##symbol, since, name},
    LANDLOCK_FILE_RIGHTS(ROW)
#undef ROW
};

#define RIGHTS (sizeof(rights) / sizeof(rights[0]))

static int
create(const struct ruleset_attr *attr, size_t size, unsigned int flags)
{
	return (int)syscall(SYS_landlock_create_ruleset, attr, size, flags);
}

/* Whether the kernel takes a ruleset with these; an older one knows a shorter structure. */
static bool
takes(uint32_t files, uint32_t ports, uint32_t scopes, size_t size)
{
	const struct ruleset_attr attr = {files, ports, scopes};
	int fd = create(&attr, size, 0);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

void
landlock_probe(struct landlock_features *f, int abi_max)
{
	int abi = create(NULL, 0, CREATE_VERSION), errata;

	memset(f, 0, sizeof(*f));
	if (abi < 1)
		return;
	f->abi = abi < abi_max ? abi : abi_max;
	errata = create(NULL, 0, CREATE_ERRATA);
	f->errata = errata > 0 ? (uint32_t)errata : 0;
	for (size_t i = 0; i < RIGHTS; i++)
		if (rights[i].abi <= f->abi && takes(rights[i].bit, 0, 0, sizeof(uint64_t)))
			f->files |= rights[i].bit;
	if (f->abi >= ABI_PORTS && takes(0, PORT_ALL, 0, 2 * sizeof(uint64_t)))
		f->ports = PORT_ALL;
	if (f->abi >= ABI_SCOPES && takes(0, 0, SCOPE_ALL, 3 * sizeof(uint64_t)))
		f->scopes = SCOPE_ALL;
}

uint32_t
landlock_missing(const struct landlock_features *f)
{
	const uint32_t first = FILE_ALL & ~(uint32_t)(FILE_TRUNCATE | FILE_IOCTL_DEV);
	uint32_t missing = 0;

	if ((f->files & first) != first)
		missing |= 1u << LAYER_FILES;
	if ((f->files & FILE_TRUNCATE) == 0)
		missing |= 1u << LAYER_TRUNCATE;
	if ((f->files & FILE_IOCTL_DEV) == 0)
		missing |= 1u << LAYER_DEVICES;
	if (f->ports != PORT_ALL)
		missing |= 1u << LAYER_NETWORK;
	if (f->scopes != SCOPE_ALL)
		missing |= 1u << LAYER_SCOPE;
	return missing;
}

int
landlock_ruleset(const struct landlock_features *f, uint32_t files, uint32_t ports, uint32_t scopes)
{
	const struct ruleset_attr attr = {f->files & files, f->ports & ports, f->scopes & scopes};
	size_t size = sizeof(uint64_t);

	if (f->abi >= ABI_SCOPES)
		size = sizeof(attr);
	else if (f->abi >= ABI_PORTS)
		size = 2 * sizeof(uint64_t);
	if ((attr.files | attr.ports | attr.scopes) == 0) {
		errno = ENOTSUP;
		return -1;
	}
	return create(&attr, size, 0); /* close-on-exec by itself */
}

int
landlock_allow(const struct landlock_features *f, int ruleset_fd, int path_fd, uint32_t files)
{
	struct path_attr attr = {.files = f->files & files, .fd = path_fd};
	struct stat st;

	if (fstat(path_fd, &st) == -1)
		return -1;
	if (!S_ISDIR(st.st_mode))
		attr.files &= NOT_OF_DIRECTORIES;
	if (attr.files == 0)
		return 0; /* a rule without rights is refused, and would change nothing */
	return (int)syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH, &attr, 0);
}

int
landlock_allow_port(
    const struct landlock_features *f, int ruleset_fd, uint16_t port, uint32_t ports)
{
	const struct port_attr attr = {.ports = f->ports & ports, .port = port};

	if (attr.ports == 0)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PORT, &attr, 0);
}

int
landlock_enter(int ruleset_fd)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return (int)syscall(SYS_landlock_restrict_self, ruleset_fd, 0);
}

void
landlock_words(uint32_t files, char words[LANDLOCK_WORDS_MAX])
{
	size_t used = 0;

	words[0] = '\0';
	for (size_t i = 0; i < RIGHTS; i++)
		if ((files & rights[i].bit) != 0 && used < LANDLOCK_WORDS_MAX)
			used += (size_t)snprintf(words + used, LANDLOCK_WORDS_MAX - used, "%s%s",
			    used == 0 ? "" : " ", rights[i].word);
}
