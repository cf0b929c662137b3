/*
 * attempts_files.c - attempts on files, directories, programs and inherited descriptors.
 *
 * room: tests.
 * distrusts: nothing: it plays whoever has been taken over.
 */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OWN_MAX     (STAGE_PATH_MAX + 32)
#define COPY_BYTES  65536
#define FDS_MAX     256
#define FIRST_OTHER 6 /* behind the lock and the dialog's two */

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif

static const char *
spot(const struct stage *s, const struct row *r)
{
	return s->path[r->at];
}

/* ---- helpers ---- */

const char *
own_name(const struct stage *s, char path[OWN_MAX], const char *name)
{
	if (s->own_dir[0] == '\0')
		return NULL;
	snprintf(path, OWN_MAX, "%s/%s", s->own_dir, name);
	return path;
}

int
own_file(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd, rc = 0;

	if (path == NULL)
		return CAME_BROKEN;
	(void)unlink(path); /* of an earlier attempt */
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700)) == -1)
		return errno;
	if (write(fd, data, len) != (ssize_t)len || fchmod(fd, mode) == -1)
		rc = errno;
	close(fd);
	return rc;
}

int
run_program(const char *path, char *const argv[], char *const envp[], int *error)
{
	int ends[2], status = 0, null;
	pid_t pid;

	*error = 0;
	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		*error = errno;
		return -1;
	}
	if (pid == 0) {
		if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) != -1) {
			(void)dup2(null, STDOUT_FILENO);
			(void)dup2(null, STDERR_FILENO);
		}
		execve(path, argv, envp);
		*error = errno;
		(void)!write(ends[1], error, sizeof(*error)); /* no answer: it ran */
		_exit(127);
	}
	close(ends[1]);
	(void)!read(ends[0], error, sizeof(*error)); /* end of file: it ran */
	close(ends[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : CAME_SIGNAL(WTERMSIG(status));
}

static int
ran(const char *path)
{
	char *argv[] = {(char[]){"it"}, NULL}, *envp[] = {NULL};
	int error;

	(void)run_program(path, argv, envp, &error); /* however it ended, it ran */
	return error;
}

/* A copy of a small program of the system, in own_dir. */
static int
own_program(const struct stage *s, char path[OWN_MAX], mode_t mode)
{
	static char data[COPY_BYTES];
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, data, sizeof(data));

	if (fd != -1)
		close(fd);
	if (n <= 0 || n == (ssize_t)sizeof(data))
		return CAME_BROKEN;
	return own_file(own_name(s, path, "own-program"), data, (size_t)n, mode);
}

/* ---- a file of somebody ---- */

int
try_file_write(const struct stage *s, const struct row *r)
{
	return CAME(open(spot(s, r), O_WRONLY | O_APPEND | O_CLOEXEC));
}

int
try_file_truncate(const struct stage *s, const struct row *r)
{
	return CAME(truncate(spot(s, r), 0));
}

/* As it is opened for reading. */
int
try_file_empty(const struct stage *s, const struct row *r)
{
	return CAME(open(spot(s, r), O_RDONLY | O_TRUNC | O_CLOEXEC));
}

int
try_file_replace(const struct stage *s, const struct row *r)
{
	char own[OWN_MAX];
	int rc = own_file(own_name(s, own, "forged"), "{}\n", 3, 0644);

	return rc != 0 ? rc : CAME(rename(own, spot(s, r)));
}

int
try_file_remove(const struct stage *s, const struct row *r)
{
	return CAME(unlink(spot(s, r)));
}

/* The two calls that the monitor has: for its status. */
int
try_file_unlinkat(const struct stage *s, const struct row *r)
{
	return CAME(unlinkat(AT_FDCWD, spot(s, r), 0));
}

int
try_file_renameat(const struct stage *s, const struct row *r)
{
	return CAME(renameat(AT_FDCWD, s->path[SPOT_STATUS], AT_FDCWD, spot(s, r)));
}

int
try_file_exchange(const struct stage *s, const struct row *r)
{
	char own[OWN_MAX];
	int rc = own_file(own_name(s, own, "forged"), "{}\n", 3, 0644);

	return rc != 0 ? rc : CAME(renameat2(AT_FDCWD, own, AT_FDCWD, spot(s, r), RENAME_EXCHANGE));
}

/* A name of its own, to be opened by later. */
int
try_file_link(const struct stage *s, const struct row *r)
{
	char own[OWN_MAX];

	if (own_name(s, own, "linked") == NULL)
		return CAME_BROKEN;
	(void)unlink(own); /* of an earlier attempt */
	return CAME(link(spot(s, r), own));
}

int
try_file_symlink(const struct stage *s, const struct row *r)
{
	char own[OWN_MAX];

	if (own_name(s, own, "symlink") == NULL)
		return CAME_BROKEN;
	(void)unlink(own); /* of an earlier attempt */
	if (symlink(spot(s, r), own) == -1)
		return errno;
	return CAME(open(own, O_WRONLY | O_APPEND | O_CLOEXEC));
}

/* A descriptor without rights, made one with them. */
int
try_file_reopen(const struct stage *s, const struct row *r)
{
	char path[64];
	int fd = open(spot(s, r), O_PATH | O_CLOEXEC);

	if (fd == -1)
		return errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return CAME(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
}

/* As file_reopen(), without a name in /proc. */
int
try_file_dup_path(const struct stage *s, const struct row *r)
{
	char dir[STAGE_PATH_MAX];
	const char *name = strrchr(spot(s, r), '/') + 1;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(name - 1 - spot(s, r)), spot(s, r));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd == -1 ? errno : CAME(openat(fd, name, O_WRONLY | O_APPEND | O_CLOEXEC));
}

int
try_file_openat2(const struct stage *s, const struct row *r)
{
	struct open_how how;

	memset(&how, 0, sizeof(how));
	how.flags = O_WRONLY | O_CLOEXEC;
	how.resolve = RESOLVE_NO_MAGICLINKS;
	return CAME(syscall(SYS_openat2, AT_FDCWD, spot(s, r), &how, sizeof(how)));
}

struct handle {
	struct file_handle head;
	unsigned char room[MAX_HANDLE_SZ];
};

int
try_file_handle(const struct stage *s, const struct row *r)
{
	struct handle h;
	int mount;

	memset(&h, 0, sizeof(h));
	h.head.handle_bytes = MAX_HANDLE_SZ;
	return CAME(name_to_handle_at(AT_FDCWD, spot(s, r), &h.head, &mount, 0));
}

int
try_file_by_handle(const struct stage *s, const struct row *r)
{
	struct handle h;
	int dir = open("/", O_PATH | O_CLOEXEC);

	(void)s, (void)r;
	memset(&h, 0, sizeof(h));
	h.head.handle_bytes = 8;
	h.head.handle_type = 1;
	if (dir == -1)
		return CAME_BROKEN;
	/* No such file; whoever may, is told so. */
	return open_by_handle_at(dir, &h.head, O_WRONLY) == -1 && errno != ESTALE ? errno : 0;
}

int
try_file_read(const struct stage *s, const struct row *r)
{
	char byte;
	int fd = open(spot(s, r), O_RDONLY | O_CLOEXEC);

	return fd == -1 ? errno : CAME(read(fd, &byte, 1));
}

int
try_file_chmod(const struct stage *s, const struct row *r)
{
	return CAME(chmod(spot(s, r), 0666));
}

int
try_file_utimes(const struct stage *s, const struct row *r)
{
	const struct timespec times[2] = {{1, 0}, {1, 0}};

	return CAME(utimensat(AT_FDCWD, spot(s, r), times, 0));
}

int
try_file_xattr(const struct stage *s, const struct row *r)
{
	return CAME(setxattr(spot(s, r), "user.moult", "x", 1, 0));
}

/* The same by a call that is younger than the table. */
int
try_file_xattr_new(const struct stage *s, const struct row *r)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = {(uintptr_t) "x", 1, 0};

	return CAME(
	    syscall(SYS_setxattrat, AT_FDCWD, spot(s, r), 0, "user.moult", &args, sizeof(args)));
}

int
try_file_chown(const struct stage *s, const struct row *r)
{
	return CAME(chown(spot(s, r), getuid(), getgid()));
}

int
try_file_stat(const struct stage *s, const struct row *r)
{
	struct stat st;

	return CAME(stat(spot(s, r), &st));
}

int
try_file_watch(const struct stage *s, const struct row *r)
{
	int fd = s->watch_fd != -1 ? s->watch_fd : inotify_init1(IN_CLOEXEC);

	return fd == -1 ? errno : CAME(inotify_add_watch(fd, spot(s, r), IN_ALL_EVENTS));
}

int
try_file_flock(const struct stage *s, const struct row *r)
{
	int fd = open(spot(s, r), O_RDONLY | O_CLOEXEC);

	return fd == -1 ? errno : CAME(flock(fd, LOCK_EX | LOCK_NB));
}

int
try_file_lease(const struct stage *s, const struct row *r)
{
	int fd = open(spot(s, r), O_RDONLY | O_CLOEXEC);

	return fd == -1 ? errno : CAME(fcntl(fd, F_SETLEASE, F_RDLCK));
}

/* A domain that allows everything, inside of ours. */
int
try_file_own_domain(const struct stage *s, const struct row *r)
{
	struct {
		uint64_t files, ports;
	} attr = {1u << 1 /* write */, 0};
	struct {
		uint64_t files;
		int32_t fd;
	} __attribute__((packed)) rule = {1u << 1, open("/", O_PATH | O_CLOEXEC)};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return CAME_BROKEN;
	if (fd != -1 && (syscall(SYS_landlock_add_rule, fd, 1, &rule, 0) == -1 ||
			    syscall(SYS_landlock_restrict_self, fd, 0) == -1))
		return CAME_BROKEN;
	return try_file_write(s, r);
}

int
try_file_chdir(const struct stage *s, const struct row *r)
{
	return CAME(chdir(spot(s, r)));
}

/* ---- a directory of somebody ---- */

static void
in_dir(const struct stage *s, const struct row *r, char path[OWN_MAX])
{
	snprintf(path, OWN_MAX, "%s/planted", spot(s, r));
}

int
try_dir_create(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	in_dir(s, r, path);
	return CAME(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
}

int
try_dir_tmpfile(const struct stage *s, const struct row *r)
{
	return CAME(open(spot(s, r), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644));
}

int
try_dir_list(const struct stage *s, const struct row *r)
{
	return CAME(open(spot(s, r), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* The whole directory, out of the way. */
int
try_dir_rename_away(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	snprintf(path, sizeof(path), "%s.away", spot(s, r));
	return CAME(rename(spot(s, r), path));
}

/* Into a directory that it may write, and so out of its own. */
int
try_dir_rename_in(const struct stage *s, const struct row *r)
{
	char own[OWN_MAX];

	if (own_name(s, own, "taken") == NULL)
		return CAME_BROKEN;
	return CAME(rename(spot(s, r), own));
}

int
try_dir_socket(const struct stage *s, const struct row *r)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno;
	if (snprintf(name.sun_path, sizeof(name.sun_path), "%s/door", spot(s, r)) >=
	    (int)sizeof(name.sun_path))
		return CAME_BROKEN;
	return CAME(bind(fd, (struct sockaddr *)&name, sizeof(name)));
}

/* ---- the machine's own files ---- */

static const char *const machine_paths[] = {
#define MACHINE_PATH(symbol, path) path,
    ESCAPE_MACHINE(MACHINE_PATH)};

static const char *
machine_path(const struct row *r)
{
	return machine_paths[r->at];
}

int
try_path_read(const struct stage *s, const struct row *r)
{
	int fd = open(machine_path(r), O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)s;
	return fd == -1 ? (errno == ENOENT ? CAME_ABSENT : errno) : 0;
}

/* Opened alone: nothing is written. */
int
try_path_write(const struct stage *s, const struct row *r)
{
	int fd = open(machine_path(r), O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	(void)s;
	return fd == -1 ? (errno == ENOENT ? CAME_ABSENT : errno) : 0;
}

/* Without a name: it is gone when it is closed, whatever becomes of us. */
int
try_path_create(const struct stage *s, const struct row *r)
{
	int fd = open(machine_path(r), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	(void)s;
	return fd == -1 ? (errno == ENOENT ? CAME_ABSENT : errno) : 0;
}

/* ---- running what should not run ---- */

int
try_exec_spot(const struct stage *s, const struct row *r)
{
	return ran(spot(s, r));
}

int
try_exec_own(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = own_program(s, path, 0755);

	(void)r;
	return rc != 0 ? rc : ran(path);
}

int
try_exec_own_by_loader(const struct stage *s, const struct row *r)
{
	static const char *const loaders[] = {
	    "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", NULL};
	char path[OWN_MAX], *argv[] = {(char[]){"ld.so"}, path, NULL}, *envp[] = {NULL};
	int error, status, rc = own_program(s, path, 0644);

	(void)r;
	if (rc != 0)
		return rc;
	for (const char *const *loader = loaders; *loader != NULL; loader++) {
		if (access(*loader, F_OK) == -1)
			continue;
		status = run_program(*loader, argv, envp, &error);
		return error != 0 ? error : status == 0 ? 0 : EACCES;
	}
	return CAME_ABSENT;
}

int
try_exec_memfd(const struct stage *s, const struct row *r)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	char path[64];
	int fd = (int)syscall(SYS_memfd_create, "it", 0);

	(void)s, (void)r;
	if (fd == -1)
		return errno;
	if (write(fd, script, sizeof(script) - 1) != (ssize_t)sizeof(script) - 1)
		return CAME_BROKEN;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return ran(path);
}

int
try_exec_empty_path(const struct stage *s, const struct row *r)
{
	char *argv[] = {(char[]){"it"}, NULL}, *envp[] = {NULL};
	int fd = open("/bin/true", O_PATH | O_CLOEXEC), status;
	pid_t pid;

	(void)s, (void)r;
	if (fd == -1 || (pid = fork()) == -1)
		return CAME_BROKEN;
	if (pid == 0) {
		(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		_exit(errno);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : CAME_BROKEN;
}

/* No exec at all: its own file becomes memory that runs. */
int
try_exec_mapped(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = own_program(s, path, 0644), fd;

	(void)r;
	if (rc != 0)
		return rc;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno
											 : 0;
}

/* ---- programs with rights of their owner ---- */

#define SETID 06755

static int
setid_ground(const struct stage *s, char path[OWN_MAX])
{
	return own_file(own_name(s, path, "setid"), "x", 1, 0755);
}

int
try_setid_chmod(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = setid_ground(s, path);

	return rc != 0 ? rc : CAME(chmod(path, (mode_t)r->at));
}

int
try_setid_fchmod(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = setid_ground(s, path), fd;

	if (rc != 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd == -1 ? errno : CAME(fchmod(fd, (mode_t)r->at));
}

int
try_setid_fchmodat(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = setid_ground(s, path);

	return rc != 0 ? rc : CAME(syscall(SYS_fchmodat, AT_FDCWD, path, r->at));
}

int
try_setid_fchmodat2(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];
	int rc = setid_ground(s, path);

	return rc != 0 ? rc : CAME(syscall(SYS_fchmodat2, AT_FDCWD, path, r->at, 0));
}

int
try_setid_open(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	(void)r;
	if (own_name(s, path, "setid") == NULL)
		return CAME_BROKEN;
	(void)unlink(path); /* of an earlier attempt */
	return CAME(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, SETID));
}

int
try_setid_creat(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	(void)r;
	if (own_name(s, path, "setid") == NULL)
		return CAME_BROKEN;
	(void)unlink(path); /* of an earlier attempt */
#ifdef SYS_creat
	return CAME(syscall(SYS_creat, path, SETID));
#else
	return CAME_ABSENT;
#endif
}

int
try_setid_mknod(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	(void)r;
	if (own_name(s, path, "setid") == NULL)
		return CAME_BROKEN;
	(void)unlink(path); /* of an earlier attempt */
	return CAME(mknod(path, S_IFREG | SETID, 0));
}

int
try_setid_tmpfile(const struct stage *s, const struct row *r)
{
	(void)r;
	if (s->own_dir[0] == '\0')
		return CAME_BROKEN;
	return CAME(open(s->own_dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, SETID));
}

/* The null device, by a name of its own; at: of characters or of blocks. */
int
try_device_make(const struct stage *s, const struct row *r)
{
	char path[OWN_MAX];

	if (own_name(s, path, "device") == NULL)
		return CAME_BROKEN;
	return CAME(mknod(path, (mode_t)r->at | 0600, makedev(1, 3)));
}

/* ---- what was inherited ---- */

int
try_descriptors_leaked(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	for (int fd = FIRST_OTHER; fd < FDS_MAX; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return 0;
	return EBADF;
}

#define LOCK_FD 3

static int
lock_ask(int fd, int how, short type)
{
	struct flock lock;

	memset(&lock, 0, sizeof(lock));
	lock.l_type = type;
	lock.l_whence = SEEK_SET;
	return fcntl(fd, how, &lock);
}

int
try_lock_release(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return lock_ask(LOCK_FD, F_OFD_SETLK, F_UNLCK) == -1 ? errno : CAME_NOTHING;
}

/* Whether somebody else could take the lock of the checkout now. */
bool
lock_is_free(const struct stage *s)
{
	int fd = open(s->path[SPOT_LOCK], O_RDWR | O_CLOEXEC);
	bool is_free = fd != -1 && lock_ask(fd, F_OFD_SETLK, F_WRLCK) == 0;

	if (fd != -1)
		close(fd);
	return is_free;
}

/* Nothing of it: whether it could is enough. */
int
try_lock_write(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(write(LOCK_FD, "", 0));
}

/* What has been printed, and may belong to another step. */
int
try_log_reread(const struct stage *s, const struct row *r)
{
	char byte;

	(void)s, (void)r;
	return CAME(read(STDERR_FILENO, &byte, 1));
}

/* ---- the monitor's memory and programs ---- */

int
try_memory_exec(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		       MAP_FAILED
		   ? errno
		   : 0;
}

int
try_memory_make_exec(const struct stage *s, const struct row *r)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s, (void)r;
	return page == MAP_FAILED ? CAME_BROKEN : CAME(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

int
try_fork_plain(const struct stage *s, const struct row *r)
{
	pid_t pid = fork();

	(void)s, (void)r;
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return CAME(pid);
}

/* Without a fork: this process becomes it, and its exit status says so. */
int
try_exec_shell(const struct stage *s, const struct row *r)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exit 0"}, NULL}, *envp[] = {NULL};

	(void)s, (void)r;
	execve("/bin/sh", argv, envp);
	return errno;
}
