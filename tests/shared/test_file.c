/*
 * test_file.c - shared/file.c. Five calls of the C library are replaced by ones that can fail.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include <errno.h>
#include <limits.h>
#include <sha2.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "check.h"
#include "file.h"

static struct {
	int countdown; /* the call that brings this to 0 fails; 0: none */
	int error;     /* 0: a short write, where the call is write(2) */
	int syncs;     /* fsync(2) calls that succeeded */
	bool renamed;  /* renameat(2) succeeded */
} seam;

static bool
fails(int error)
{
	if (seam.countdown == 0 || --seam.countdown != 0)
		return false;
	errno = error;
	return true;
}

int
fsync(int fd)
{
	int rc = fails(seam.error) ? -1 : (int)syscall(SYS_fsync, fd);

	seam.syncs += rc == 0;
	return rc;
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	if (fd > STDERR_FILENO && len > 1 && fails(seam.error)) {
		if (seam.error != 0)
			return -1;
		len = 1;
	}
	return (ssize_t)syscall(SYS_write, fd, buf, len);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int rc =
	    fails(seam.error) ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);

	seam.renamed = seam.renamed || rc == 0;
	return rc;
}

int
close(int fd)
{
	bool failing = seam.countdown != 0 && fails(seam.error);
	int error = errno, rc = (int)syscall(SYS_close, fd);

	if (failing)
		errno = error;
	return failing ? -1 : rc;
}

struct world {
	char path[PATH_MAX];
	int dir;
};

static int
setup(void **state)
{
	static struct world w;

	memset(&seam, 0, sizeof(seam));
	check_dir_make(w.path, &w.dir);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	memset(&seam, 0, sizeof(seam));
	check_dir_remove(w->path, w->dir);
	return 0;
}

static void
put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void
assert_content(int dir, const char *name, const char *text)
{
	char *data;
	size_t len;

	assert_int_equal(file_slurp(dir, name, 1 << 20, &data, &len), 0);
	assert_string_equal(data, text);
	assert_int_equal(len, strlen(text));
	free(data);
}

static void
assert_absent(int dir, const char *name)
{
	assert_int_equal(faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(errno, ENOENT);
}

static struct file_identity
identity(int dir, const char *name)
{
	struct file_identity id;
	char buf[4096];
	size_t len;
	int fd = file_open_wary(dir, name);

	assert_true(fd >= 0);
	assert_int_equal(file_identify(fd, buf, sizeof(buf), &len, &id), 0);
	assert_int_equal(len, id.size_bytes);
	close(fd);
	return id;
}

static bool
same(struct file_identity a, struct file_identity b)
{
	return file_identity_compare(&a, &b) == 0;
}

static void
survives_rename(void **state)
{
	struct world *w = *state;
	struct file_identity before;

	put(w->dir, "a", "text");
	before = identity(w->dir, "a");
	assert_int_equal(renameat(w->dir, "a", w->dir, "b"), 0);
	assert_true(same(before, identity(w->dir, "b")));
}

static void
knows_content(void **state)
{
	struct world *w = *state;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000}};
	struct file_identity before;

	put(w->dir, "a", "text");
	assert_int_equal(utimensat(w->dir, "a", times, 0), 0);
	before = identity(w->dir, "a");
	put(w->dir, "a", "TEXT");
	assert_int_equal(utimensat(w->dir, "a", times, 0), 0);
	assert_false(same(before, identity(w->dir, "a")));
	put(w->dir, "a", "text");
	assert_int_equal(utimensat(w->dir, "a", times, 0), 0);
	assert_true(same(before, identity(w->dir, "a")));
}

static void
knows_same_text(void **state)
{
	struct world *w = *state;
	struct file_identity before;
	int held;

	put(w->dir, "a", "text");
	before = identity(w->dir, "a");
	held = file_open_wary(w->dir, "a"); /* a held inode's number is not used again */
	put(w->dir, "b", "text");
	assert_int_equal(renameat(w->dir, "b", w->dir, "a"), 0);
	assert_false(same(before, identity(w->dir, "a")));
	close(held);
}

static void
knows_digest(void **state)
{
	static const uint8_t abc[FILE_SHA256_BYTES] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf,
	    0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96,
	    0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	struct world *w = *state;
	struct file_identity id;

	put(w->dir, "a", "abc"); /* FIPS 180-2, appendix B.1 */
	id = identity(w->dir, "a");
	assert_memory_equal(id.sha256, abc, sizeof(abc));
	assert_int_equal(id.size_bytes, 3);
}

static void
opens_warily(void **state)
{
	struct world *w = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, s;

	assert_int_equal(symlinkat("a", w->dir, "link"), 0);
	assert_int_equal(file_open_wary(w->dir, "link"), -1);
	assert_int_equal(errno, ELOOP);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", w->dir);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(file_open_wary(w->dir, "socket"), -1);
	assert_int_equal(errno, ENXIO);
	close(s);
	put(w->dir, "a", "x");
	fd = file_open_wary(w->dir, "a");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void
assert_unfit(int dir, const char *name, size_t size, int error)
{
	struct file_identity id;
	char buf[64], *data = NULL;
	size_t len;
	int fd = file_open_wary(dir, name);

	assert_true(fd >= 0);
	assert_int_equal(file_identify(fd, buf, size, &len, &id), -1);
	assert_int_equal(errno, error);
	close(fd);
	assert_int_equal(file_slurp(dir, name, size, &data, &len), -1);
	assert_int_equal(errno, error);
	assert_null(data);
}

static void
regular_only(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkfifoat(w->dir, "fifo", 0600), 0);
	assert_unfit(w->dir, "fifo", 64, EINVAL);
	assert_int_equal(mkdirat(w->dir, "dir", 0700), 0);
	assert_unfit(w->dir, "dir", 64, EINVAL);
	assert_unfit(AT_FDCWD, "/dev/null", 64, EINVAL);
	assert_unfit(AT_FDCWD, "/dev/zero", 64, EINVAL);
}

static void
size_limit(void **state)
{
	struct world *w = *state;
	char *data;
	size_t len;
	int fd;

	put(w->dir, "a", "12345");
	assert_unfit(w->dir, "a", 4, EFBIG);
	assert_int_equal(file_slurp(w->dir, "a", 5, &data, &len), 0);
	assert_string_equal(data, "12345");
	free(data);
	fd = openat(w->dir, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)10 << 30), 0);
	close(fd);
	assert_unfit(w->dir, "sparse", 64, EFBIG);
	put(w->dir, "empty", "");
	assert_content(w->dir, "empty", "");
}

static void
reads_from_start(void **state)
{
	struct world *w = *state;
	struct file_identity first, second;
	char buf[16];
	size_t len;
	int fd;

	put(w->dir, "a", "abc");
	fd = file_open_wary(w->dir, "a");
	assert_int_equal(file_identify(fd, buf, sizeof(buf), &len, &first), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(file_identify(fd, buf, sizeof(buf), &len, &second), 0);
	assert_memory_equal(buf, "abc", 4);
	assert_true(same(first, second));
	close(fd);
}

static void
replaces(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(file_replace(w->dir, "f", "old", 3, 0600), 0);
	assert_content(w->dir, "f", "old");
	assert_int_equal(seam.syncs, 2);
	assert_int_equal(file_replace(w->dir, "f", "", 0, 0600), 0);
	assert_content(w->dir, "f", "");
	assert_int_equal(file_replace_volatile(w->dir, "f", "quick", 5, 0640), 0);
	assert_content(w->dir, "f", "quick");
	assert_int_equal(seam.syncs, 4);
	assert_int_equal(fstatat(w->dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07137, 0);
	assert_absent(w->dir, ".f.tmp");
}

static void
old_aside(void **state)
{
	struct world *w = *state;

	put(w->dir, "precious", "precious");
	assert_int_equal(linkat(w->dir, "precious", w->dir, ".f.tmp", 0), 0);
	assert_int_equal(file_replace(w->dir, "f", "new", 3, 0600), 0);
	assert_content(w->dir, "f", "new");
	assert_content(w->dir, "precious", "precious");
	assert_int_equal(symlinkat("precious", w->dir, ".f.tmp"), 0);
	assert_int_equal(file_replace(w->dir, "f", "newer", 5, 0600), 0);
	assert_content(w->dir, "f", "newer");
	assert_content(w->dir, "precious", "precious");
}

static void
bad_names(void **state)
{
	struct world *w = *state;
	char name[NAME_MAX + 1];

	assert_int_equal(file_replace(w->dir, "../f", "x", 1, 0600), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_replace(w->dir, "", "x", 1, 0600), -1);
	assert_int_equal(errno, EINVAL);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(file_replace(w->dir, name, "x", 1, 0600), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(mkdirat(w->dir, "dir", 0700), 0);
	assert_int_equal(file_replace(w->dir, "dir", "x", 1, 0600), -1);
	assert_absent(w->dir, ".dir.tmp");
}

/* Fails the 1st, 2nd, ... call until a run passes untouched. */
static void
every_failure(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	struct world *w = *state;
	size_t i;
	int n, rc;

	for (i = 0; i < COUNT(errors); i++)
		for (n = 1;; n++) {
			memset(&seam, 0, sizeof(seam));
			assert_int_equal(file_replace(w->dir, "f", "old", 3, 0600), 0);
			memset(&seam, 0, sizeof(seam));
			seam.countdown = n;
			seam.error = errors[i];
			rc = file_replace(w->dir, "f", "new!", 4, 0600);
			if (seam.countdown > 0) {
				assert_int_equal(rc, 0);
				assert_int_equal(n, 6); /* write fsync close rename fsync */
				break;
			}
			assert_int_equal(rc, -1);
			assert_int_equal(errno, errors[i]);
			/* A failed sync is final: what was not synced takes no name. */
			assert_true(!seam.renamed || seam.syncs == 1);
			assert_content(w->dir, "f", seam.renamed ? "new!" : "old");
			assert_absent(w->dir, ".f.tmp");
		}
}

static void
interrupted_writes(void **state)
{
	static const int errors[] = {EINTR, 0};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(errors); i++) {
		seam.countdown = 1;
		seam.error = errors[i];
		put(w->dir, "f", "the whole text");
		assert_int_equal(seam.countdown, 0);
		assert_content(w->dir, "f", "the whole text");
	}
}

static void
directories(void **state)
{
	struct world *w = *state;
	int fd;

	assert_int_equal(mkdirat(w->dir, "d", 0700), 0);
	fd = file_open_dir(w->dir, "d");
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	put(w->dir, "f", "x");
	assert_int_equal(file_open_dir(w->dir, "f"), -1);
	assert_int_equal(errno, ENOTDIR);
}

#define FILE_TEST(title, function)                     \
	{                                              \
		title, function, setup, teardown, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    FILE_TEST("an identity survives a rename", survives_rename),
	    FILE_TEST("new content of the same size and time is another identity", knows_content),
	    FILE_TEST("a new file with the same text is another identity", knows_same_text),
	    FILE_TEST("the digest is SHA-256", knows_digest),
	    FILE_TEST("a link and a socket are not opened, and nothing is inherited", opens_warily),
	    FILE_TEST("a FIFO, a directory and a device are refused without waiting", regular_only),
	    FILE_TEST("a file that is too large is refused before it is read", size_limit),
	    FILE_TEST("a second look reads from the start again", reads_from_start),
	    FILE_TEST("a replaced file holds exactly the new content", replaces),
	    FILE_TEST("an old aside is not written through", old_aside),
	    FILE_TEST("a name that cannot be replaced leaves no aside", bad_names),
	    FILE_TEST("whichever call fails, old or new stands and no aside stays", every_failure),
	    FILE_TEST("interrupted and short writes are continued", interrupted_writes),
	    FILE_TEST("a directory is opened so that it can be synced", directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
