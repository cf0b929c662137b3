/*
 * clock.c - see clock.h.
 *
 * room: every process; pure.
 * distrusts: nothing.
 */
#include "clock.h"

#include <time.h>

#include "log.h"

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		fatal("clock_gettime");
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_monotonic_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_boottime_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}
