/*
 * replay.c - runs a fuzzer without libFuzzer: its kept corpus, then changes of it by chance.
 *
 * room: tests.
 * distrusts: the fuzzer: it may crash, hang or exit, and its input must be known then.
 *
 * usage: test_NAME [FILE]...
 *
 * Without files it reads tests/fuzz/corpus/NAME. The order of the changes follows from the seed
 * (MOULT_FUZZ_SEED) alone; how many there is time for is MOULT_FUZZ_MS. An input that fails is
 * kept beside the program, as NAME.failed; MOULT_FUZZ_LOUD=1 shows what is said of it.
 */
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "fuzz.h"

#define INPUT_MAX   16384
#define FILES_MAX   1024
#define CHANGES_MAX 8
#define RUNS_MAX    1000000u
#define HANG_MS     20000
#define TIME_MS     2500
#define SEED        20261123u
#define DATA_BYTES  (64u << 20) /* no process of ours may have more than some of these */

struct input {
	size_t len;
	uint8_t data[INPUT_MAX];
};

/* Shared with the process that runs the fuzzer: where it is, when it ends badly. */
struct shared {
	struct input input;
	uint64_t runs;
	bool ended;
};

struct corpus {
	struct input *files[FILES_MAX];
	size_t count;
};

/* A generator of Marsaglia's, xorshift64*: the same on every machine. */
static uint64_t
chance(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return ((*seed * UINT64_C(2685821657736338717)) >> 16) % below;
}

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	HOLDS(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
add_file(struct corpus *c, int dir_fd, const char *name)
{
	struct input *file = calloc(1, sizeof(*file));
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1 || file == NULL || c->count == FILES_MAX) {
		fprintf(stderr, "%s: cannot be taken into the corpus\n", name);
		exit(1);
	}
	while (file->len < INPUT_MAX &&
	       (n = read(fd, file->data + file->len, INPUT_MAX - file->len)) > 0)
		file->len += (size_t)n;
	close(fd);
	c->files[c->count++] = file;
}

static int
is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names, so that a seed means the same everywhere. */
static void
add_dir(struct corpus *c, const char *path)
{
	struct dirent **list;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;

	n = fd == -1 ? -1 : scandirat(fd, ".", &list, is_file, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s: no corpus\n", path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		add_file(c, fd, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	close(fd);
}

/* Puts len bytes of from at a place of in, over what is there or in front of it. */
static void
put(struct input *in, size_t at, const uint8_t *from, size_t len, bool insert)
{
	uint8_t piece[INPUT_MAX];

	memcpy(piece, from, len); /* from may be in itself */
	if (insert && len <= INPUT_MAX - in->len) {
		memmove(in->data + at + len, in->data + at, in->len - at);
		in->len += len;
	}
	if (len > in->len - at)
		len = in->len - at;
	memcpy(in->data + at, piece, len);
}

static void
change(struct input *in, const struct corpus *c, uint64_t *seed)
{
	static const uint8_t likely[] = "\0\xff\x7f\x80\n\r\t \"\\/{}[]:,.-+*$0159aAvz%#'=";
	const struct input *other = c->files[chance(seed, c->count)];
	size_t at = chance(seed, in->len + 1), len;
	uint8_t byte = likely[chance(seed, sizeof(likely) - 1)];

	switch (chance(seed, 7)) {
	case 0: /* a bit */
		if (at < in->len)
			in->data[at] ^= (uint8_t)(1u << chance(seed, 8));
		return;
	case 1: /* a byte */
		if (at < in->len)
			in->data[at] = (uint8_t)chance(seed, 256);
		return;
	case 2: /* a byte that means something to many */
		put(in, at, &byte, 1, chance(seed, 2) == 0);
		return;
	case 3: /* cut out */
		len = chance(seed, in->len - at + 1);
		memmove(in->data + at, in->data + at + len, in->len - at - len);
		in->len -= len;
		return;
	case 4: /* doubled */
		len = chance(seed, in->len - at + 1);
		put(in, chance(seed, in->len + 1), in->data + at, len, true);
		return;
	case 5: /* the same byte, many times */
		for (len = chance(seed, 300); len > 0; len--)
			put(in, at, &byte, 1, true);
		return;
	case 6: /* a piece of another one */
		at = chance(seed, other->len + 1);
		len = chance(seed, other->len - at + 1);
		put(in, chance(seed, in->len + 1), other->data + at, len, chance(seed, 2) == 0);
		return;
	}
}

static void
take(struct input *to, const struct input *from)
{
	to->len = from->len;
	memcpy(to->data, from->data, from->len);
}

/* What the sealed processes are limited to as well; a sanitizer needs more for itself. */
static void
limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
	const struct rlimit limit = {DATA_BYTES, DATA_BYTES};

	HOLDS(setrlimit(RLIMIT_DATA, &limit) == 0);
#endif
}

static void
run_one(struct shared *s)
{
	(void)LLVMFuzzerTestOneInput(s->input.data, s->input.len);
	s->runs++;
}

static void
run_all(struct shared *s, const struct corpus *c, uint64_t seed, int64_t time_ms)
{
	int64_t end_ms = now_ms() + time_ms;

	for (size_t i = 0; i < c->count; i++) {
		take(&s->input, c->files[i]);
		run_one(s);
	}
	while (s->runs < RUNS_MAX && now_ms() < end_ms) {
		take(&s->input, c->files[chance(&seed, c->count)]);
		for (uint64_t n = 1 + chance(&seed, CHANGES_MAX); n > 0; n--)
			change(&s->input, c, &seed);
		run_one(s);
	}
	s->ended = true;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

/* Waits for the process; one that comes no further is killed. */
static int
watch(pid_t pid, const struct shared *s)
{
	struct pollfd slot = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	uint64_t runs = 0;
	int status = 0;

	HOLDS(slot.fd != -1);
	while (poll(&slot, 1, HANG_MS) == 0) {
		if (s->runs == runs)
			kill(pid, SIGKILL);
		runs = s->runs;
	}
	close(slot.fd);
	HOLDS(waitpid(pid, &status, 0) == pid);
	return status;
}

static void
tell_failure(const struct shared *s, const char *program, const char *name, int status)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%.*s%s.failed",
	    (int)(strlen(program) - strlen(name) - strlen("test_")), program, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd != -1) {
		(void)!write(fd, s->input.data, s->input.len); /* the test has failed anyway */
		close(fd);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		printf("it hangs\n");
	printf("run %llu, %zu bytes, kept as %s; wait status %#x\n", (unsigned long long)s->runs,
	    s->input.len, path, (unsigned int)status);
	printf("[  FAILED  ] 1 test(s).\n");
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name;
	char dir[64] = "/dev/shm/moult-fuzz.XXXXXX", path[FUZZ_PATH_MAX];
	uint64_t seed = number_of("MOULT_FUZZ_SEED", SEED);
	static struct corpus corpus;
	struct shared *s;
	int status;
	pid_t pid;

	name = (slash != NULL ? slash + 1 : argv[0]) + strlen("test_");
	snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", name);
	for (int i = 1; i < argc; i++)
		add_file(&corpus, AT_FDCWD, argv[i]);
	if (argc == 1)
		add_dir(&corpus, path);
	if (mkdtemp(dir) == NULL)
		HOLDS(mkdtemp(strcpy(dir, "/tmp/moult-fuzz.XXXXXX")) != NULL);
	setenv("TMPDIR", dir, 1);
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	HOLDS(s != MAP_FAILED);
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	pid = fork();
	HOLDS(pid != -1);
	if (pid == 0) {
		/* What the code logs is expected. */
		if (getenv("MOULT_FUZZ_LOUD") == NULL)
			HOLDS(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) != -1);
		limit_memory();
		run_all(s, &corpus, seed | 1,
		    argc > 1 ? 0 : (int64_t)number_of("MOULT_FUZZ_MS", TIME_MS));
		exit(0);
	}
	status = watch(pid, s);
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* what stays is in memory */
	if (status != 0 || !s->ended) {
		tell_failure(s, argv[0], name, status);
		return 1;
	}
	printf("%zu kept inputs and %llu changed ones\n", corpus.count,
	    (unsigned long long)(s->runs - corpus.count));
	printf("[  PASSED  ] 1 test(s).\n");
	return 0;
}
