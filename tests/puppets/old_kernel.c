/*
 * old_kernel.c - starts a command under a kernel that lacks what confines moult.
 *
 * usage: old_kernel [--without seccomp] [--without landlock] [--landlock-abi N] [--in-name-only]
 *	-- COMMAND [ARGUMENT]...
 *
 * room: tests; it stands below both processes, where the kernel would.
 * distrusts: nothing.
 *
 * A filter answers as an older kernel does: landlock(7) calls and seccomp(2) with ENOSYS,
 * prctl(PR_SET_SECCOMP) with EINVAL. For an older Landlock a helper listens at the filter and
 * answers each landlock_create_ruleset(2); it is no child of the command, and ends with the last
 * process under the filter. A process may have one listener: below this one nobody gets another.
 * In name only, the same program changes nothing: what the filter itself costs can be told apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE_MAX    64
#define ASK_VERSION 1u /* flags of landlock_create_ruleset(2) */
#define ABI_ERRATA  7  /* since when it is asked about them with 2 */
#define FIELDS      3

static const struct {
	int abi; /* the first one that knows the right */
	uint64_t rights[FIELDS];
} abis[] = {
    {1, {0x1fff, 0, 0}},
    {2, {0x2000, 0, 0}},
    {3, {0x4000, 0, 0}},
    {4, {0, 0x3, 0}},
    {5, {0x8000, 0, 0}},
    {6, {0, 0, 0x3}},
};

struct kernel {
	bool seccomp, landlock, in_name_only;
	int abi; /* 0: the running kernel's */
};

struct program {
	struct sock_filter code[CODE_MAX];
	unsigned short length;
};

static void __attribute__((noreturn)) fail(const char *what)
{
	perror(what);
	exit(126);
}

static void
emit(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->length == CODE_MAX)
		abort();
	p->code[p->length++] = (struct sock_filter){code, yes, no, k};
}

static void
answer(struct program *p, const struct kernel *k, uint32_t verdict)
{
	emit(p, BPF_RET | BPF_K, 0, 0, k->in_name_only ? SECCOMP_RET_ALLOW : verdict);
}

static void
on_call(struct program *p, const struct kernel *k, long number, uint32_t verdict)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)number);
	answer(p, k, verdict);
}

static void
on_prctl(struct program *p, const struct kernel *k)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_prctl);
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[0]));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PR_SET_SECCOMP);
	answer(p, k, SECCOMP_RET_ERRNO | EINVAL);
}

static void
compile(struct program *p, const struct kernel *k)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	if (!k->landlock) {
		on_call(p, k, SYS_landlock_create_ruleset, SECCOMP_RET_ERRNO | ENOSYS);
		on_call(p, k, SYS_landlock_add_rule, SECCOMP_RET_ERRNO | ENOSYS);
		on_call(p, k, SYS_landlock_restrict_self, SECCOMP_RET_ERRNO | ENOSYS);
	} else if (k->abi != 0)
		on_call(p, k, SYS_landlock_create_ruleset, SECCOMP_RET_USER_NOTIF);
	if (!k->seccomp) {
		on_call(p, k, SYS_seccomp, SECCOMP_RET_ERRNO | ENOSYS);
		on_prctl(p, k); /* the last one: it loads an argument */
	}
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

/* As root it is loaded without no_new_privs, which an older kernel would not have set either. */
static int
load(const struct program *p, bool listen)
{
	struct sock_filter code[CODE_MAX];
	const struct sock_fprog program = {.len = p->length, .filter = code};
	unsigned int flags = listen ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	long rc;

	memcpy(code, p->code, sizeof(code));
	rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (rc == -1 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (rc == -1)
		fail("seccomp");
	return (int)rc;
}

static uint64_t
known(int abi, size_t field)
{
	uint64_t rights = 0;

	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++)
		if (abis[i].abi <= abi)
			rights |= abis[i].rights[field];
	return rights;
}

/* The error of an older kernel for this structure; 0: it would take it, or cannot be looked at. */
static int
refusal(const struct seccomp_notif *call, int abi)
{
	uint64_t fields[FIELDS] = {0, 0, 0};
	size_t size = call->data.args[1], fields_known = abi < 4 ? 1 : abi < 6 ? 2 : 3;
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/mem", call->pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		n = pread(fd, fields, size < sizeof(fields) ? size : sizeof(fields),
		    (off_t)call->data.args[0]);
		close(fd);
	}
	if (n <= 0)
		return size > fields_known * sizeof(uint64_t) ? E2BIG : 0;
	for (size_t i = 0; i < FIELDS; i++)
		if (i >= fields_known && fields[i] != 0)
			return E2BIG;
		else if ((fields[i] & ~known(abi, i)) != 0)
			return EINVAL;
	return 0;
}

static void
serve_one(int listener, int abi)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp reply;

	memset(&call, 0, sizeof(call));
	memset(&reply, 0, sizeof(reply));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1)
		return;
	reply.id = call.id;
	if (call.data.args[2] == ASK_VERSION)
		reply.val = abi;
	else if (call.data.args[2] != 0 && abi < ABI_ERRATA)
		reply.error = -EINVAL;
	else if (call.data.args[2] != 0 || (reply.error = -refusal(&call, abi)) == 0)
		reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply); /* ENOENT: it has been killed */
}

/* The helper: gets the listener, and stays until nobody is under the filter any more. */
static void __attribute__((noreturn)) serve(int from, int abi)
{
	struct pollfd slot = {.events = POLLIN};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg;
	int null = open("/dev/null", O_RDWR);

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&msg) == NULL)
		_exit(1);
	memcpy(&slot.fd, CMSG_DATA(&control.header), sizeof(int));
	for (int fd = 0; fd <= STDERR_FILENO; fd++) /* whoever waits for their end */
		dup2(null, fd);
	close(from);
	(void)setsid();
	while (poll(&slot, 1, -1) == 1 && (slot.revents & POLLIN) != 0)
		serve_one(slot.fd, abi);
	_exit(0);
}

static int
start_helper(int abi)
{
	int ends[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		fail("socketpair");
	if ((pid = fork()) == 0) {
		close(ends[0]);
		if (fork() == 0)
			serve(ends[1], abi);
		_exit(0);
	}
	close(ends[1]);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		fail("fork");
	return ends[0];
}

static void
hand_over(int to, int listener)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg;

	memset(&control, 0, sizeof(control));
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &listener, sizeof(int));
	if (sendmsg(to, &msg, MSG_NOSIGNAL) != 1)
		fail("sendmsg");
	close(to);
	close(listener);
}

static char **
read_options(struct kernel *k, char **argv)
{
	for (argv++; *argv != NULL && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "--in-name-only") == 0)
			k->in_name_only = true;
		else if (argv[1] != NULL && strcmp(*argv, "--without") == 0)
			*(strcmp(*++argv, "seccomp") == 0 ? &k->seccomp : &k->landlock) = false;
		else if (argv[1] != NULL && strcmp(*argv, "--landlock-abi") == 0)
			k->abi = (int)strtol(*++argv, NULL, 10);
		else
			break;
	if (*argv == NULL || argv[1] == NULL || strcmp(*argv, "--") != 0) {
		fprintf(stderr, "usage: old_kernel [--without seccomp] [--without landlock] "
				"[--landlock-abi N] [--in-name-only] -- COMMAND...\n");
		exit(64);
	}
	return argv + 1;
}

int
main(int argc, char *argv[])
{
	struct kernel k = {.seccomp = true, .landlock = true};
	struct program p = {.length = 0};
	char **command = read_options(&k, argv);
	bool listen = k.landlock && k.abi != 0 && !k.in_name_only;
	int helper = -1, fd;

	(void)argc;
	compile(&p, &k);
	if (listen)
		helper = start_helper(k.abi);
	fd = load(&p, listen);
	if (listen)
		hand_over(helper, fd);
	execvp(command[0], command);
	fail(command[0]);
}
