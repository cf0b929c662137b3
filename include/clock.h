/*
 * clock.h - time that nobody can set.
 *
 * room: every process; pure.
 * distrusts: the wall clock, which is for people alone.
 */
#ifndef MOULT_CLOCK_H
#define MOULT_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ms: for limits; it stands still while the machine is suspended. */
int64_t clock_monotonic_ms(void);

/* CLOCK_BOOTTIME in ms: for delays that survive a restart of the process; it goes on meanwhile. */
int64_t clock_boottime_ms(void);

#endif
