/*
 * attempts_network.c - attempts to reach Redis, the network and other machines.
 *
 * room: tests.
 * distrusts: nothing: it plays whoever has been taken over.
 */
#include "escape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ELSEWHERE  "127.0.0.2" /* for the kernel another machine than 127.0.0.1 */
#define DNS_PORT   53
#define CONNECT_MS 2000

static struct sockaddr_in
at_port(const char *host, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	(void)inet_pton(AF_INET, host, &in.sin_addr); /* a constant */
	return in;
}

static uint16_t
port(const struct stage *s, const struct row *r)
{
	return r->at == PORT_REMOTE ? s->remote_port : s->redis_port;
}

static struct sockaddr_in
server(const struct stage *s, const struct row *r)
{
	return at_port("127.0.0.1", port(s, r));
}

static int
reach(int fd, const void *name, size_t len)
{
	if (fd == -1)
		return errno;
	return CAME(connect(fd, name, (socklen_t)len));
}

/* ---- TCP ---- */

int
try_tcp_redis(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);

	return reach(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &in, sizeof(in));
}

int
try_tcp_redis_v6(const struct stage *s, const struct row *r)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port(s, r))};

	(void)inet_pton(AF_INET6, "::ffff:127.0.0.1", &in.sin6_addr); /* a constant */
	return reach(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), &in, sizeof(in));
}

int
try_tcp_redis_mptcp(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);

	return reach(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP), &in, sizeof(in));
}

int
try_tcp_redis_fastopen(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno;
	return CAME(sendto(
	    fd, "PING\r\n", 6, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&in, sizeof(in)));
}

int
try_tcp_redis_sendmsg_fastopen(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);
	struct iovec data = {(char[]){"PING\r\n"}, 6};
	struct mmsghdr one = {
	    .msg_hdr = {
		.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &data, .msg_iovlen = 1}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    flags = MSG_FASTOPEN | MSG_NOSIGNAL;

	if (fd == -1)
		return errno;
	if (r->at == SYS_sendmsg)
		return CAME(sendmsg(fd, &one.msg_hdr, flags));
	return CAME(sendmmsg(fd, &one, 1, flags));
}

/* connect(2) only notes the address, and the first write connects. */
int
try_tcp_redis_fastopen_option(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd == -1)
		return errno;
	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) == -1)
		return errno;
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1)
		return errno;
	return CAME(send(fd, "PING\r\n", 6, MSG_NOSIGNAL));
}

/* Without waiting for what connect(2) says. */
int
try_tcp_redis_async(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = server(s, r);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd slot = {.fd = fd, .events = POLLOUT};

	if (fd == -1)
		return errno;
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1 && errno != EINPROGRESS)
		return errno;
	if (poll(&slot, 1, CONNECT_MS) != 1)
		return CAME_BROKEN;
	return CAME(send(fd, "PING\r\n", 6, MSG_NOSIGNAL));
}

/* The port is the remote's, the machine is not. */
int
try_tcp_remote_elsewhere(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = at_port(ELSEWHERE, s->remote_port);

	(void)r;
	return reach(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &in, sizeof(in));
}

/* ---- UDP ---- */

static int
datagram_to(struct sockaddr_in in)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno;
	return CAME(sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&in, sizeof(in)));
}

int
try_udp_redis(const struct stage *s, const struct row *r)
{
	(void)r;
	return datagram_to(at_port("127.0.0.1", s->redis_udp_port));
}

int
try_udp_dns(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return datagram_to(at_port(ELSEWHERE, DNS_PORT));
}

int
try_bind_udp(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = at_port("127.0.0.1", 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)s, (void)r;
	return fd == -1 ? errno : CAME(bind(fd, (struct sockaddr *)&in, sizeof(in)));
}

/* ---- Unix sockets ---- */

static size_t
unix_name(struct sockaddr_un *un, const char *path)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%.100s", path);
	return sizeof(*un);
}

int
try_unix_redis(const struct stage *s, const struct row *r)
{
	struct sockaddr_un un;
	size_t len = unix_name(&un, s->redis_path);

	(void)r;
	return reach(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &un, len);
}

int
try_unix_redis_abstract(const struct stage *s, const struct row *r)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(s->redis_abstract);

	(void)r;
	memcpy(un.sun_path + 1, s->redis_abstract, len);
	return reach(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &un,
	    offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

/* socketpair(2) gives what socket(2) refuses, and it can be connected anew. */
static int
by_pair(const struct stage *s, int type)
{
	struct sockaddr_un un;
	size_t len = unix_name(&un, s->redis_datagrams);
	int ends[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == -1)
		return errno;
	return CAME(sendto(ends[0], "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&un, (socklen_t)len));
}

int
try_unix_redis_pair(const struct stage *s, const struct row *r)
{
	(void)r;
	return by_pair(s, SOCK_DGRAM);
}

/* Of a Unix socket this means the same. */
int
try_unix_pair_raw(const struct stage *s, const struct row *r)
{
	(void)r;
	return by_pair(s, SOCK_RAW);
}

/* ---- being called ---- */

int
try_listen_unbound(const struct stage *s, const struct row *r)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)s, (void)r;
	return fd == -1 ? errno : CAME(listen(fd, 1));
}

int
try_listen_bound(const struct stage *s, const struct row *r)
{
	struct sockaddr_in in = at_port("127.0.0.1", 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)s, (void)r;
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1)
		return errno;
	return CAME(listen(fd, 1));
}

/* ---- sockets of other kinds ---- */

int
try_socket_raw(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
}

int
try_socket_icmp(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
}

int
try_socket_packet(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

int
try_socket_netlink(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

int
try_socket_vsock(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int
try_socket_alg(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

int
try_socket_sctp(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
}

int
try_socket_sctp_default(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(socket(AF_INET, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

/* The kernel reads 32 bits of the family; a filter sees 64. */
int
try_socket_type_high(const struct stage *s, const struct row *r)
{
	(void)s, (void)r;
	return CAME(syscall(SYS_socket, (1UL << 32) | AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/* A descriptor of ours, to whoever listens at Redis' socket. */
int
try_descriptor_pass(const struct stage *s, const struct row *r)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = {(char[]){"x"}, 1};
	struct msghdr msg = {.msg_iov = &data,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct sockaddr_un un;
	size_t len = unix_name(&un, s->redis_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), came, gift = STDERR_FILENO;

	(void)r;
	if ((came = reach(fd, &un, len)) != 0)
		return came;
	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &gift, sizeof(gift));
	return CAME(sendmsg(fd, &msg, MSG_NOSIGNAL));
}
