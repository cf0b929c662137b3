/*
 * profile.c - which system calls the executor and its steps may make, each with its reason.
 *
 * room: executor. The only file of this room with filter rows.
 * distrusts: every step: it runs the code of the new version.
 *
 * Two programs, both in force at once and the stricter verdict wins. The first is a table of
 * names: what is listed passes, what is listed as refused gets EPERM, and any other call, known
 * or yet to come, gets ENOSYS, to which programs know how to fall back. Nothing is killed: git,
 * python and compilers try calls and go on without. The second looks at arguments; it differs
 * by network. A step inherits the executor's two and adds its own second one, with the refused
 * names in it: there the executor answers each of them, and knows afterwards what was refused.
 */
#include "profile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "log.h"

#define PASS(name, reason) {.call = #name, .verdict = FILTER_ALLOW, .why = reason},
#define REFUSE(name, reason) \
	{.call = #name, .verdict = FILTER_REFUSE, .error = EPERM, .why = reason},

#define FILES    "files and directories, within what the user may do"
#define MEMORY   "memory"
#define PROCESS  "processes: steps are programs that start programs"
#define IDENTITY "ids: make resets its own; without a capability only to what it is already"
#define SIGNALS  "signals"
#define TIME     "clocks and timers, reading and waiting"
#define WAITING  "waiting for descriptors"
#define SCHED    "scheduling of itself: by argument in the second program"
#define SOCKETS  "sockets: by argument in the second program"
#define SYSTEM   "asking about the system and its own limits"
#define CONFINE  "confining itself further"

/* One call a line. */
/* clang-format off */
static const struct filter_row calls[] = {
	PASS(read, FILES)
	PASS(write, FILES)
	PASS(open, FILES)
	PASS(close, FILES)
	PASS(stat, FILES)
	PASS(fstat, FILES)
	PASS(lstat, FILES)
	PASS(lseek, FILES)
	PASS(pread64, FILES)
	PASS(pwrite64, FILES)
	PASS(readv, FILES)
	PASS(writev, FILES)
	PASS(preadv, FILES)
	PASS(pwritev, FILES)
	PASS(preadv2, FILES)
	PASS(pwritev2, FILES)
	PASS(access, FILES)
	PASS(faccessat, FILES)
	PASS(faccessat2, FILES)
	PASS(pipe, FILES)
	PASS(pipe2, FILES)
	PASS(dup, FILES)
	PASS(dup2, FILES)
	PASS(dup3, FILES)
	PASS(sendfile, FILES)
	PASS(splice, FILES)
	PASS(tee, FILES)
	PASS(fcntl, FILES)
	PASS(flock, FILES)
	PASS(fsync, FILES)
	PASS(fdatasync, FILES)
	PASS(sync, FILES)
	PASS(syncfs, FILES)
	PASS(sync_file_range, FILES)
	PASS(truncate, FILES)
	PASS(ftruncate, FILES)
	PASS(fallocate, FILES)
	PASS(fadvise64, FILES)
	PASS(readahead, FILES)
	PASS(copy_file_range, FILES)
	PASS(getdents, FILES)
	PASS(getdents64, FILES)
	PASS(getcwd, FILES)
	PASS(chdir, FILES)
	PASS(fchdir, FILES)
	PASS(rename, FILES)
	PASS(renameat, FILES)
	PASS(renameat2, FILES)
	PASS(mkdir, FILES)
	PASS(mkdirat, FILES)
	PASS(rmdir, FILES)
	PASS(creat, FILES)
	PASS(openat, FILES)
	PASS(link, FILES)
	PASS(linkat, FILES)
	PASS(unlink, FILES)
	PASS(unlinkat, FILES)
	PASS(symlink, FILES)
	PASS(symlinkat, FILES)
	PASS(readlink, FILES)
	PASS(readlinkat, FILES)
	PASS(chmod, FILES)
	PASS(fchmod, FILES)
	PASS(fchmodat, FILES)
	PASS(chown, FILES)
	PASS(fchown, FILES)
	PASS(lchown, FILES)
	PASS(fchownat, FILES)
	PASS(umask, FILES)
	PASS(utime, FILES)
	PASS(utimes, FILES)
	PASS(futimesat, FILES)
	PASS(utimensat, FILES)
	PASS(mknod, FILES)
	PASS(mknodat, FILES)
	PASS(statfs, FILES)
	PASS(fstatfs, FILES)
	PASS(newfstatat, FILES)
	PASS(statx, FILES)
	PASS(ioctl, FILES)
	PASS(close_range, FILES)
	PASS(setxattr, FILES)
	PASS(lsetxattr, FILES)
	PASS(fsetxattr, FILES)
	PASS(getxattr, FILES)
	PASS(lgetxattr, FILES)
	PASS(fgetxattr, FILES)
	PASS(listxattr, FILES)
	PASS(llistxattr, FILES)
	PASS(flistxattr, FILES)
	PASS(removexattr, FILES)
	PASS(lremovexattr, FILES)
	PASS(fremovexattr, FILES)
	PASS(inotify_init, FILES)
	PASS(inotify_init1, FILES)
	PASS(inotify_add_watch, FILES)
	PASS(inotify_rm_watch, FILES)
	PASS(io_setup, FILES)
	PASS(io_destroy, FILES)
	PASS(io_getevents, FILES)
	PASS(io_submit, FILES)
	PASS(io_cancel, FILES)
	PASS(io_pgetevents, FILES)
	PASS(cachestat, FILES)
	PASS(mmap, MEMORY)
	PASS(mprotect, MEMORY)
	PASS(munmap, MEMORY)
	PASS(brk, MEMORY)
	PASS(mremap, MEMORY)
	PASS(msync, MEMORY)
	PASS(mincore, MEMORY)
	PASS(madvise, MEMORY)
	PASS(mlock, MEMORY)
	PASS(mlock2, MEMORY)
	PASS(munlock, MEMORY)
	PASS(mlockall, MEMORY)
	PASS(munlockall, MEMORY)
	PASS(membarrier, MEMORY)
	PASS(pkey_mprotect, MEMORY)
	PASS(pkey_alloc, MEMORY)
	PASS(pkey_free, MEMORY)
	PASS(clone, PROCESS)
	PASS(fork, PROCESS)
	PASS(vfork, PROCESS)
	PASS(execve, PROCESS)
	PASS(execveat, PROCESS)
	PASS(exit, PROCESS)
	PASS(exit_group, PROCESS)
	PASS(wait4, PROCESS)
	PASS(waitid, PROCESS)
	PASS(getpid, PROCESS)
	PASS(getppid, PROCESS)
	PASS(gettid, PROCESS)
	PASS(getpgid, PROCESS)
	PASS(getpgrp, PROCESS)
	PASS(setpgid, PROCESS)
	PASS(getsid, PROCESS)
	PASS(setsid, PROCESS)
	PASS(set_tid_address, PROCESS)
	PASS(set_robust_list, PROCESS)
	PASS(get_robust_list, PROCESS)
	PASS(rseq, PROCESS)
	PASS(futex, PROCESS)
	PASS(futex_waitv, PROCESS)
	PASS(arch_prctl, PROCESS)
	PASS(prctl, PROCESS)
	PASS(restart_syscall, PROCESS)
	PASS(pidfd_open, PROCESS)
	PASS(sched_yield, PROCESS)
	PASS(getuid, IDENTITY)
	PASS(getgid, IDENTITY)
	PASS(geteuid, IDENTITY)
	PASS(getegid, IDENTITY)
	PASS(setuid, IDENTITY)
	PASS(setgid, IDENTITY)
	PASS(setreuid, IDENTITY)
	PASS(setregid, IDENTITY)
	PASS(setresuid, IDENTITY)
	PASS(getresuid, IDENTITY)
	PASS(setresgid, IDENTITY)
	PASS(getresgid, IDENTITY)
	PASS(getgroups, IDENTITY)
	PASS(setgroups, IDENTITY)
	PASS(setfsuid, IDENTITY)
	PASS(setfsgid, IDENTITY)
	PASS(capget, IDENTITY)
	PASS(rt_sigaction, SIGNALS)
	PASS(rt_sigprocmask, SIGNALS)
	PASS(rt_sigreturn, SIGNALS)
	PASS(rt_sigpending, SIGNALS)
	PASS(rt_sigtimedwait, SIGNALS)
	PASS(rt_sigqueueinfo, SIGNALS)
	PASS(rt_tgsigqueueinfo, SIGNALS)
	PASS(rt_sigsuspend, SIGNALS)
	PASS(sigaltstack, SIGNALS)
	PASS(kill, SIGNALS)
	PASS(tkill, SIGNALS)
	PASS(tgkill, SIGNALS)
	PASS(pidfd_send_signal, SIGNALS)
	PASS(pause, SIGNALS)
	PASS(signalfd, SIGNALS)
	PASS(signalfd4, SIGNALS)
	PASS(nanosleep, TIME)
	PASS(clock_nanosleep, TIME)
	PASS(getitimer, TIME)
	PASS(setitimer, TIME)
	PASS(alarm, TIME)
	PASS(gettimeofday, TIME)
	PASS(time, TIME)
	PASS(times, TIME)
	PASS(clock_gettime, TIME)
	PASS(clock_getres, TIME)
	PASS(timer_create, TIME)
	PASS(timer_settime, TIME)
	PASS(timer_gettime, TIME)
	PASS(timer_getoverrun, TIME)
	PASS(timer_delete, TIME)
	PASS(timerfd_create, TIME)
	PASS(timerfd_settime, TIME)
	PASS(timerfd_gettime, TIME)
	PASS(poll, WAITING)
	PASS(ppoll, WAITING)
	PASS(select, WAITING)
	PASS(pselect6, WAITING)
	PASS(epoll_create, WAITING)
	PASS(epoll_create1, WAITING)
	PASS(epoll_ctl, WAITING)
	PASS(epoll_wait, WAITING)
	PASS(epoll_pwait, WAITING)
	PASS(epoll_pwait2, WAITING)
	PASS(eventfd, WAITING)
	PASS(eventfd2, WAITING)
	PASS(getpriority, SCHED)
	PASS(setpriority, SCHED)
	PASS(sched_setparam, SCHED)
	PASS(sched_getparam, SCHED)
	PASS(sched_setscheduler, SCHED)
	PASS(sched_getscheduler, SCHED)
	PASS(sched_get_priority_max, SCHED)
	PASS(sched_get_priority_min, SCHED)
	PASS(sched_rr_get_interval, SCHED)
	PASS(sched_setaffinity, SCHED)
	PASS(sched_getaffinity, SCHED)
	PASS(sched_setattr, SCHED)
	PASS(sched_getattr, SCHED)
	PASS(ioprio_set, SCHED)
	PASS(ioprio_get, SCHED)
	PASS(getcpu, SCHED)
	PASS(socket, SOCKETS)
	PASS(connect, SOCKETS)
	PASS(accept, SOCKETS)
	PASS(accept4, SOCKETS)
	PASS(sendto, SOCKETS)
	PASS(recvfrom, SOCKETS)
	PASS(sendmsg, SOCKETS)
	PASS(recvmsg, SOCKETS)
	PASS(sendmmsg, SOCKETS)
	PASS(recvmmsg, SOCKETS)
	PASS(shutdown, SOCKETS)
	PASS(bind, SOCKETS)
	PASS(listen, SOCKETS)
	PASS(getsockname, SOCKETS)
	PASS(getpeername, SOCKETS)
	PASS(socketpair, SOCKETS)
	PASS(setsockopt, SOCKETS)
	PASS(getsockopt, SOCKETS)
	PASS(uname, SYSTEM)
	PASS(sysinfo, SYSTEM)
	PASS(getrlimit, SYSTEM)
	PASS(setrlimit, SYSTEM)
	PASS(prlimit64, SYSTEM)
	PASS(getrusage, SYSTEM)
	PASS(getrandom, SYSTEM)
	PASS(seccomp, CONFINE)
	PASS(landlock_create_ruleset, CONFINE)
	PASS(landlock_add_rule, CONFINE)
	PASS(landlock_restrict_self, CONFINE)
	REFUSE(ptrace, "reads and steers other processes")
	REFUSE(process_vm_readv, "reads other processes")
	REFUSE(process_vm_writev, "writes other processes")
	REFUSE(process_madvise, "steers other processes' memory")
	REFUSE(process_mrelease, "steers other processes' memory")
	REFUSE(kcmp, "looks into other processes")
	REFUSE(pidfd_getfd, "takes descriptors from other processes")
	REFUSE(mount, "mounts")
	REFUSE(umount2, "mounts")
	REFUSE(pivot_root, "mounts")
	REFUSE(chroot, "changes the root")
	REFUSE(move_mount, "mounts")
	REFUSE(open_tree, "mounts")
	REFUSE(fsopen, "mounts")
	REFUSE(fsconfig, "mounts")
	REFUSE(fsmount, "mounts")
	REFUSE(fspick, "mounts")
	REFUSE(mount_setattr, "mounts")
	REFUSE(unshare, "namespaces: new attack surface")
	REFUSE(setns, "namespaces: new attack surface")
	REFUSE(keyctl, "kernel keyring, shared by the user's processes")
	REFUSE(add_key, "kernel keyring, shared by the user's processes")
	REFUSE(request_key, "kernel keyring, shared by the user's processes")
	REFUSE(bpf, "kernel attack surface")
	REFUSE(perf_event_open, "kernel attack surface")
	REFUSE(io_uring_setup, "makes calls that no filter sees")
	REFUSE(io_uring_enter, "makes calls that no filter sees")
	REFUSE(io_uring_register, "makes calls that no filter sees")
	REFUSE(userfaultfd, "kernel attack surface")
	REFUSE(memfd_secret, "kernel attack surface")
	REFUSE(vmsplice, "kernel attack surface")
	REFUSE(kexec_load, "replaces the kernel")
	REFUSE(kexec_file_load, "replaces the kernel")
	REFUSE(init_module, "changes the kernel")
	REFUSE(finit_module, "changes the kernel")
	REFUSE(delete_module, "changes the kernel")
	REFUSE(reboot, "the machine's, not a step's")
	REFUSE(swapon, "the machine's, not a step's")
	REFUSE(swapoff, "the machine's, not a step's")
	REFUSE(quotactl, "the machine's, not a step's")
	REFUSE(quotactl_fd, "the machine's, not a step's")
	REFUSE(acct, "the machine's, not a step's")
	REFUSE(syslog, "the kernel's log")
	REFUSE(settimeofday, "sets the clock")
	REFUSE(clock_settime, "sets the clock")
	REFUSE(clock_adjtime, "sets the clock")
	REFUSE(adjtimex, "sets the clock")
	REFUSE(iopl, "hardware")
	REFUSE(ioperm, "hardware")
	REFUSE(modify_ldt, "kernel attack surface")
	REFUSE(vhangup, "the terminal's, not a step's")
	REFUSE(personality, "switches protections off")
	REFUSE(lookup_dcookie, "obsolete")
	REFUSE(uselib, "obsolete")
	REFUSE(ustat, "obsolete")
	REFUSE(sysfs, "obsolete")
	REFUSE(sethostname, "the machine's, not a step's")
	REFUSE(setdomainname, "the machine's, not a step's")
	REFUSE(name_to_handle_at, "opens files past their directories")
	REFUSE(open_by_handle_at, "opens files past their directories")
	REFUSE(fanotify_init, "watches other processes' files")
	REFUSE(fanotify_mark, "watches other processes' files")
	REFUSE(mbind, "NUMA: steers memory of others")
	REFUSE(move_pages, "NUMA: steers memory of others")
	REFUSE(migrate_pages, "NUMA: steers memory of others")
	REFUSE(set_mempolicy, "NUMA: steers memory of others")
	REFUSE(get_mempolicy, "NUMA: steers memory of others")
	REFUSE(shmget, "System V IPC crosses every other boundary")
	REFUSE(shmat, "System V IPC crosses every other boundary")
	REFUSE(shmdt, "System V IPC crosses every other boundary")
	REFUSE(shmctl, "System V IPC crosses every other boundary")
	REFUSE(semget, "System V IPC crosses every other boundary")
	REFUSE(semop, "System V IPC crosses every other boundary")
	REFUSE(semctl, "System V IPC crosses every other boundary")
	REFUSE(semtimedop, "System V IPC crosses every other boundary")
	REFUSE(msgget, "System V IPC crosses every other boundary")
	REFUSE(msgsnd, "System V IPC crosses every other boundary")
	REFUSE(msgrcv, "System V IPC crosses every other boundary")
	REFUSE(msgctl, "System V IPC crosses every other boundary")
	REFUSE(mq_open, "POSIX message queues are reachable by name")
	REFUSE(mq_unlink, "POSIX message queues are reachable by name")
	REFUSE(mq_timedsend, "POSIX message queues are reachable by name")
	REFUSE(mq_timedreceive, "POSIX message queues are reachable by name")
	REFUSE(mq_notify, "POSIX message queues are reachable by name")
	REFUSE(mq_getsetattr, "POSIX message queues are reachable by name")
	REFUSE(capset, "capabilities")
};

/* An argument that makes an allowed call a refused one. Only the low 32 bits count where the
 * kernel reads no more: a high bit must not hide a value. */
#define LOW 0xffffffffu
#define MASKED(name, number, bits, low, code, reason) \
	{.call = name, .verdict = FILTER_REFUSE, .error = code, .test = FILTER_MASKED_EQ, \
	 .argument = number, .mask = bits, .value = low, .why = reason},
#define BITS(name, number, bits, reason)     MASKED(name, number, bits, bits, EPERM, reason)
#define IS(name, number, low, code, reason)  MASKED(name, number, LOW, low, code, reason)
#define COMPARED(name, number, how, bound, code, reason) \
	{.call = name, .verdict = FILTER_REFUSE, .error = code, .test = how, \
	 .argument = number, .value = bound, .why = reason},
#define OTHER(name, number, only, reason)    COMPARED(name, number, FILTER_NE, only, EPERM, reason)
#define NEVER(name, code, reason) \
	{.call = name, .verdict = FILTER_REFUSE, .error = code, .why = reason},
/* The mode counts only where the flags say that a file is made, with a name or without one. */
#define MAKES(name, flags, flag, mode, bits) \
	{.call = name, .verdict = FILTER_REFUSE, .error = EPERM, .test = FILTER_MASKED_EQ, \
	 .argument = mode, .mask = bits, .value = bits, .why = "makes a set-id program", \
	 .also_argument = flags, .also_mask = flag},
#define UNNAMED (O_TMPFILE & ~O_DIRECTORY)
#define OPENS(name, flags, mode) \
	MAKES(name, flags, O_CREAT, mode, S_ISUID) \
	MAKES(name, flags, O_CREAT, mode, S_ISGID) \
	MAKES(name, flags, UNNAMED, mode, S_ISUID) \
	MAKES(name, flags, UNNAMED, mode, S_ISGID)
#define SETID(name, mode) \
	BITS(name, mode, S_ISUID, "makes a set-id program") \
	BITS(name, mode, S_ISGID, "makes a set-id program")
#define SOCKET_TYPE 0xfu /* the rest of the argument is flags */
#define PAIR(type) \
	MASKED("socketpair", 1, SOCKET_TYPE, type, EPERM, \
	    "a datagram pair can be connected to a named socket")
#define NAMESPACE "namespaces: new attack surface"
#define ESCAPES   "a process that would not be the step's child"
#define TERMINAL  "types into a terminal"
#define OTHERS    "steers other processes of the same user"

#define NO_FASTOPEN(name, flags) BITS(name, flags, MSG_FASTOPEN, "connects without connect")

/* Whatever a wider network refuses a narrower one refuses too: the executor's own program is that of
 * the widest, and leaves the answer to the step's. */
#define COMMON \
	NO_FASTOPEN("sendto", 3) \
	NO_FASTOPEN("sendmsg", 2) \
	NO_FASTOPEN("sendmmsg", 3) \
	BITS("clone", 0, CLONE_NEWNS, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWUTS, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWIPC, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWUSER, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWPID, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWNET, NAMESPACE) \
	BITS("clone", 0, CLONE_NEWCGROUP, NAMESPACE) \
	BITS("clone", 0, CLONE_PARENT, ESCAPES) \
	BITS("clone", 0, CLONE_PTRACE, ESCAPES) \
	BITS("clone", 0, CLONE_UNTRACED, ESCAPES) \
	IS("ioctl", 1, TIOCSTI, EPERM, TERMINAL) \
	IS("ioctl", 1, TIOCLINUX, EPERM, TERMINAL) \
	SETID("chmod", 1) \
	SETID("fchmod", 1) \
	SETID("fchmodat", 2) \
	SETID("creat", 1) \
	SETID("mknod", 1) \
	SETID("mknodat", 2) \
	OPENS("open", 1, 2) \
	OPENS("openat", 2, 3) \
	OTHER("prlimit64", 0, 0, OTHERS) \
	OTHER("setpriority", 0, 0, OTHERS) \
	OTHER("setpriority", 1, 0, OTHERS) \
	OTHER("sched_setaffinity", 0, 0, OTHERS) \
	OTHER("sched_setscheduler", 0, 0, OTHERS) \
	OTHER("sched_setparam", 0, 0, OTHERS) \
	OTHER("sched_setattr", 0, 0, OTHERS) \
	OTHER("ioprio_set", 0, IOPRIO_WHO_PROCESS, OTHERS) \
	OTHER("ioprio_set", 1, 0, OTHERS) \
	BITS("execveat", 4, AT_EMPTY_PATH, "runs a program that has no name") \
	OTHER("socketpair", 0, AF_UNIX, "no family but this has pairs worth having") \
	PAIR(SOCK_DGRAM) \
	PAIR(SOCK_RAW) /* of which Unix sockets make a datagram pair */

#define FAMILY      "a socket family that the step has no use for"
#define RANGE(how, bound) COMPARED("socket", 0, how, bound, EAFNOSUPPORT, FAMILY)
#define NO_FAMILY(value)  IS("socket", 0, value, EAFNOSUPPORT, FAMILY)
#define NO_TYPE(type) \
	MASKED("socket", 1, SOCKET_TYPE, type, ESOCKTNOSUPPORT, "neither a stream nor a datagram")
#define NO_PROTOCOL(value) IS("socket", 2, value, EPROTONOSUPPORT, "neither TCP nor UDP")

#define FAMILIES \
	RANGE(FILTER_GT, AF_INET6) \
	NO_FAMILY(AF_AX25) \
	NO_FAMILY(AF_IPX) \
	NO_FAMILY(AF_APPLETALK) \
	NO_FAMILY(AF_NETROM) \
	NO_FAMILY(AF_BRIDGE) \
	NO_FAMILY(AF_ATMPVC) \
	NO_FAMILY(AF_X25) \
	NO_TYPE(SOCK_RAW) \
	NO_TYPE(SOCK_RDM) \
	NO_TYPE(SOCK_DCCP) \
	NO_TYPE(SOCK_PACKET) \
	NO_PROTOCOL(1) NO_PROTOCOL(2) NO_PROTOCOL(3) NO_PROTOCOL(4) NO_PROTOCOL(5)

/* Protocols 0 (the default), 6 (TCP) and 17 (UDP) remain. */
#define INTERNET \
	FAMILIES \
	COMPARED("socket", 2, FILTER_GT, IPPROTO_UDP, EPROTONOSUPPORT, "MPTCP, SCTP and the like") \
	NO_PROTOCOL(7) NO_PROTOCOL(8) NO_PROTOCOL(9) NO_PROTOCOL(10) NO_PROTOCOL(11) \
	NO_PROTOCOL(12) NO_PROTOCOL(13) NO_PROTOCOL(14) NO_PROTOCOL(15) NO_PROTOCOL(16)

/* Of a stream 0 and 6 remain, which are both TCP. */
#define TCP_ALONE \
	FAMILIES \
	COMPARED("socket", 2, FILTER_GT, IPPROTO_TCP, EPROTONOSUPPORT, "MPTCP, UDP and the like") \
	MASKED("socket", 1, SOCKET_TYPE, SOCK_DGRAM, ESOCKTNOSUPPORT, \
	    "UDP carries anything anywhere; names are asked for by TCP")

/* AF_INET and AF_INET6 share a bit that AF_UNIX lacks: there SEQPACKET is no SCTP. */
static_assert((AF_INET & AF_INET6 & ~AF_UNIX) == AF_INET, "a bit tells them apart");
#define NO_INTERNET_SEQPACKET \
	{.call = "socket", .verdict = FILTER_REFUSE, .error = ESOCKTNOSUPPORT, \
	 .test = FILTER_MASKED_EQ, .argument = 1, .mask = SOCKET_TYPE, .value = SOCK_SEQPACKET, \
	 .why = "SCTP by default", .also_argument = 0, .also_mask = AF_INET},

#define NOT_CALLED \
	NEVER("bind", EPERM, "the step is not called from outside") \
	NEVER("listen", EPERM, "the step is not called from outside") \
	NEVER("accept", EPERM, "the step is not called from outside") \
	NEVER("accept4", EPERM, "the step is not called from outside")

static const struct filter_row none[] = {
	COMMON
	NEVER("socket", EAFNOSUPPORT, "the step has no network")
	NOT_CALLED
};

static const struct filter_row remote[] = {
	COMMON
	TCP_ALONE
	NO_INTERNET_SEQPACKET
	RANGE(FILTER_LT, AF_INET)
	NOT_CALLED
};

static const struct filter_row internet[] = {
	COMMON
	INTERNET
	NO_INTERNET_SEQPACKET
	RANGE(FILTER_LT, AF_UNIX)
};
/* clang-format on */

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct {
	const struct filter_row *rows;
	size_t count;
} networks[NETWORK_END] = {
    [NETWORK_NONE] = {none, COUNT(none)},
    [NETWORK_REMOTE] = {remote, COUNT(remote)},
    [NETWORK_OPEN] = {internet, COUNT(internet)},
};

const struct filter_row *
profile_calls(size_t *count)
{
	*count = COUNT(calls);
	return calls;
}

const struct filter_row *
profile_arguments(enum network network, size_t *count)
{
	*count = networks[network].count;
	return networks[network].rows;
}

const struct filter_row *
profile_refusal(enum network network, int number, const uint64_t arguments[6])
{
	const struct filter_row *row =
	    filter_find(networks[network].rows, networks[network].count, number, arguments);

	if (row == NULL)
		row = filter_find(calls, COUNT(calls), number, arguments);
	return row != NULL && row->verdict == FILTER_REFUSE ? row : NULL;
}

/* The rows that refuse, in a list of their own: with their errors, or told to a listener. */
static size_t
gather(struct filter_row *list, const struct filter_row *rows, size_t count, bool allowed_too,
    bool tell)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (!allowed_too && rows[i].verdict != FILTER_REFUSE)
			continue;
		list[used] = rows[i];
		if (tell && rows[i].verdict == FILTER_REFUSE)
			list[used].verdict = FILTER_TELL;
		used++;
	}
	return used;
}

#define LIST_MAX (COUNT(calls) + COUNT(none) + COUNT(remote) + COUNT(internet))

static void
build_arguments(struct filter_program *p, enum network network, bool tell)
{
	struct filter_row list[LIST_MAX];
	size_t n = gather(list, networks[network].rows, networks[network].count, false, tell);

	n += gather(list + n, calls, COUNT(calls), false, tell);
	if (filter_build(p, list, n, FILTER_ALLOW, 0) == -1)
		fatal("the table of arguments");
}

int
profile_load_own(const struct filters *f)
{
	const struct filter_program *own =
	    f->told[f->widest].code != NULL ? &f->told[f->widest] : &f->plain[f->widest];

	/* Arguments first: the table of names would let the second load pass either way. */
	return filter_load(own) == -1 || filter_load(&f->calls) == -1 ? -1 : 0;
}

void
profile_build(struct filters *f, enum network widest)
{
	struct filter_row list[LIST_MAX];
	bool tell = filter_can_tell();
	size_t n = gather(list, calls, COUNT(calls), true, tell);

	if (filter_build(&f->calls, list, n, FILTER_REFUSE, ENOSYS) == -1)
		fatal("the table of system calls");
	f->widest = widest;
	for (size_t i = 0; i <= widest; i++) {
		build_arguments(&f->plain[i], (enum network)i, false);
		if (tell)
			build_arguments(&f->told[i], (enum network)i, true);
	}
}
