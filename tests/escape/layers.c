/*
 * layers.c - takes a layer off: linked in place of the calls that the product puts it on with.
 *
 * room: tests. The product has no such switch, and these few calls are all that is exchanged, by
 *	ld --wrap.
 * distrusts: nothing.
 */
#include "escape.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"

int __real_setrlimit(int resource, const struct rlimit *limit);
int __real_prctl(int option, ...);
int __real_close_range(unsigned int first, unsigned int last, int flags);
int __real_filter_available(void);
void __real_landlock_probe(struct landlock_features *f, int abi_max);
int __real_landlock_ruleset(
    const struct landlock_features *f, uint32_t files, uint32_t ports, uint32_t scopes);
int __wrap_setrlimit(int resource, const struct rlimit *limit);
int __wrap_prctl(int option, ...);
int __wrap_close_range(unsigned int first, unsigned int last, int flags);
int __wrap_filter_available(void);
void __wrap_landlock_probe(struct landlock_features *f, int abi_max);
int __wrap_landlock_ruleset(
    const struct landlock_features *f, uint32_t files, uint32_t ports, uint32_t scopes);

/* Of this process and its children; ESC_ALL: nothing is exchanged. */
static uint32_t layers = ESC_ALL;

void
layers_off(uint32_t on)
{
	layers = on;
}

void
layers_done(void)
{
	layers = ESC_ALL;
}

static bool
is_on(enum escape_layer layer)
{
	return (layers & ESC_BIT(layer)) != 0;
}

/* A domain, and nothing that it forbids. */
static bool
is_bare(void)
{
	return is_on(ESC_DOMAIN) && !is_on(ESC_FILES) && !is_on(ESC_PORTS) && !is_on(ESC_SCOPE);
}

int
__wrap_setrlimit(int resource, const struct rlimit *limit)
{
	return is_on(ESC_LIMITS) ? __real_setrlimit(resource, limit) : 0;
}

int
__wrap_prctl(int option, ...)
{
	unsigned long arg[4];
	va_list ap;

	va_start(ap, option);
	for (size_t i = 0; i < 4; i++)
		arg[i] = va_arg(ap, unsigned long); /* what is not there is not read either */
	va_end(ap);
	if (option == PR_SET_NO_NEW_PRIVS && !is_on(ESC_PRIVS))
		return 0;
	if (option == PR_SET_DUMPABLE && !is_on(ESC_DUMPABLE))
		arg[0] = 1; /* becoming another user has cleared it */
	return __real_prctl(option, arg[0], arg[1], arg[2], arg[3]);
}

int
__wrap_close_range(unsigned int first, unsigned int last, int flags)
{
	return is_on(ESC_CLOEXEC) ? __real_close_range(first, last, flags) : 0;
}

int
__wrap_filter_available(void)
{
	return is_on(ESC_CALLS) ? __real_filter_available() : 0;
}

void
__wrap_landlock_probe(struct landlock_features *f, int abi_max)
{
	__real_landlock_probe(f, abi_max);
	if (!is_on(ESC_DOMAIN)) {
		memset(f, 0, sizeof(*f));
		return;
	}
	if (!is_on(ESC_FILES))
		f->files = is_bare() ? FILE_REFER : 0;
	if (!is_on(ESC_PORTS))
		f->ports = 0;
	if (!is_on(ESC_SCOPE))
		f->scopes = 0;
}

/* One right is handled, or there would be no domain; and it is allowed everywhere. */
int
__wrap_landlock_ruleset(
    const struct landlock_features *f, uint32_t files, uint32_t ports, uint32_t scopes)
{
	int fd = __real_landlock_ruleset(f, files, ports, scopes), root;

	if (fd == -1 || !is_bare())
		return fd;
	root = open("/", O_PATH | O_CLOEXEC);
	if (root == -1 || landlock_allow(f, fd, root, FILE_REFER) == -1) {
		close(fd);
		fd = -1;
	}
	if (root != -1)
		close(root);
	return fd;
}
