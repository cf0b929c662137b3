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

/* Builds all programs; widest is the network that no configured step exceeds. Ends the process
 * when one cannot be built. */
void profile_build(struct filters *f, enum network widest);

/* Loads what the executor itself is under. 0, or -1 and errno. */
int profile_load_own(const struct filters *f);

/* The tables themselves, for whoever prints or tests them. */
const struct filter_row *profile_calls(size_t *count);
const struct filter_row *profile_arguments(enum network network, size_t *count);

/* The row that refuses a call to a step; NULL: none does. */
const struct filter_row *profile_refusal(
    enum network network, int number, const uint64_t arguments[6]);

#endif
