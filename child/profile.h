/*
 * profile.h - the system calls of the executor and of each step.
 *
 * room: executor.
 * distrusts: every step.
 */
#ifndef MOULT_PROFILE_H
#define MOULT_PROFILE_H

#ifndef MOULT_ROOM_CHILD
#error "this header belongs to the executor alone"
#endif

#include <stddef.h>

#include "filter.h"
#include "spawn.h"

/* Builds all programs; widest is the profile that no configured step exceeds. Ends the process
 * when one cannot be built. */
void profile_build(struct filters *f, enum profile widest);

/* The tables themselves, for whoever prints or tests them. */
const struct filter_row *profile_calls(size_t *count);
const struct filter_row *profile_arguments(enum profile profile, size_t *count);

#endif
