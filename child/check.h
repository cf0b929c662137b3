/*
 * check.h - `moult-executor --check`: what its two files share.
 *
 * room: executor.
 * distrusts: as executor.h.
 */
#ifndef MOULT_CHECK_H
#define MOULT_CHECK_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "executor.h"
#include "verdict.h"

#define CHECK_FAMILIES     46 /* of sockets: all that are known today */
#define CHECK_ATTEMPTS_MAX 32

/* What attempts are made on, outside of every step's places. Made before the seal. */
struct yard {
	char file[PATH_MAX], dir[PATH_MAX], program[PATH_MAX];
	struct sockaddr_in tcp;     /* somebody listens here */
	struct sockaddr_un local;   /* and here, at an abstract name */
	socklen_t local_len;        /* in bytes */
	int tcp_fd[2], local_fd[2]; /* not connected; the first for the control */
};

struct check {
	struct exe *e;
	char scratch[CONF_TEXT_MAX];   /* below it the state directory of this process */
	char state_dir[CONF_TEXT_MAX]; /* the configured one */
	struct yard yard;
	bool shown[CHECK_ATTEMPTS_MAX]; /* attempts that work where nothing confines them */
};

/* Does everything, and ends the process: 0 when all has been said. ready opens the places. */
void check(struct exe *e, void (*ready)(struct exe *e)) __attribute__((noreturn));

/* check_sandbox.c */
/* Before the seal. Shows of each attempt that it works while nothing confines it. */
void check_sandbox_prepare(struct check *c);
/* After it: makes each attempt in each profile, and says for each layer what has come of it. */
void check_sandbox(struct check *c);

#endif
