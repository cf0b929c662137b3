/*
 * remote.h - what the configured remote is: a directory, or a host and a port.
 *
 * room: executor.
 * distrusts: nothing: conf.c has checked the value.
 */
#ifndef MOULT_REMOTE_H
#define MOULT_REMOTE_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"

/* /path or file:///path */
bool remote_is_local(const struct conf *c);
/* ssh://..., or user@host:path */
bool remote_is_ssh(const struct conf *c);
/* The directory of a local remote; BORROWS c. */
const char *remote_path(const struct conf *c);
/* The transport as git's protocol.<name>.allow knows it. */
const char *remote_transport(const struct conf *c);
/* The TCP port of a remote that is not local. */
uint16_t remote_port(const struct conf *c);

#endif
