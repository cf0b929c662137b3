/*
 * conf.c - fuzzer of shared/conf.c: what it accepts, written down again, is accepted as the same.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "conf.h"
#include "fuzz.h"
#include "log.h"

#define FILE_MAX 65536

/* A file in memory under a name that open(2) takes; its content is replaced. */
static const char *
file_of(const void *data, size_t size)
{
	static char path[FUZZ_PATH_MAX];
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("moult.conf", MFD_CLOEXEC);
		HOLDS(fd != -1 && fchmod(fd, 0600) == 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	HOLDS(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return path;
}

static void
complain(void *arg, const char *file, int line, const char *text)
{
	(void)file;
	(*(int *)arg)++;
	HOLDS(line >= 0 && text[0] != '\0' && fuzz_is_printable(text));
}

static const char *
choice_of(const char *choices, unsigned int n)
{
	static char word[CONF_TEXT_MAX];

	while (n-- > 0)
		choices = strchr(choices, ' ') + 1;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(choices, " "), choices);
	return word;
}

/* One value as it is written in the file. */
static void
print_value(FILE *out, const struct conf *c, const struct conf_key *key, const void *field)
{
	if (strcmp(key->kind, "SECONDS") == 0)
		fprintf(out, "%u", *(const uint32_t *)field);
	else if (strcmp(key->kind, "BOOL") == 0)
		fprintf(out, "%s", *(const bool *)field ? "yes" : "no");
	else if (strcmp(key->kind, "CHOICE") == 0)
		fprintf(out, "%s", choice_of(key->choices, *(const unsigned int *)field));
	else if (strcmp(key->kind, "VERSION") == 0 && c->version == CONF_VERSION_FILE)
		fprintf(out, "file %s", c->version_file);
	else if (strcmp(key->kind, "VERSION") == 0)
		fprintf(out, "%s", c->version == CONF_VERSION_SIGNAL ? "signal" : "describe");
	else
		fprintf(out, "%s", (const char *)field);
}

static void
print(FILE *out, const struct conf *c)
{
	const struct conf_key *key = conf_keys();
	const char *section = "";

#define PRINT(s, k, field, kind, fallback, choices, help) \
	if (strcmp(section, key->section) != 0)           \
		fprintf(out, "[%s]\n", key->section);     \
	section = key->section;                           \
	fprintf(out, "%s = ", key->key);                  \
	print_value(out, c, key++, &c->field);            \
	fputc('\n', out);
	CONF_KEYS(PRINT)
#undef PRINT
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf c, again;
	char *text = NULL;
	size_t len = 0;
	int told = 0, complaints;
	FILE *out;

	if (size > FILE_MAX + 1)
		return 0;
	complaints = conf_load(&c, file_of(data, size), complain, &told);
	HOLDS(told == complaints);
	if (complaints > 0)
		return 0;
	HOLDS(c.repo[0] == '/' && c.signal[0] == '/' && c.remote[0] != '\0');
	out = open_memstream(&text, &len);
	HOLDS(out != NULL);
	print(out, &c);
	HOLDS(fclose(out) == 0);
	HOLDS(conf_load(&again, file_of(text, len), complain, &told) == 0);
	HOLDS(memcmp(&c, &again, sizeof(c)) == 0);
	free(text);
	return 0;
}
