/*
 * retry.c - when a signal that failed may be tried again.
 *
 * room: executor.
 * distrusts: the wall clock: CLOCK_BOOTTIME alone is asked, and a time of another boot is over.
 */
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "log.h"

/* retry_s doubling to the maximum; the upper half of it is chance, so that a fleet spreads out. */
static uint32_t
delay_ms(uint32_t first_s, uint64_t attempt)
{
	uint64_t delay = (uint64_t)first_s * 1000;

	while (attempt-- > 1 && delay < WIRE_RETRY_MS_MAX)
		delay *= 2;
	if (delay > WIRE_RETRY_MS_MAX)
		delay = WIRE_RETRY_MS_MAX;
	return (uint32_t)(delay / 2) + arc4random_uniform((uint32_t)(delay / 2) + 1);
}

void
retry_note_failure(struct exe *e)
{
	struct journal_state *s = &e->journal.state;

	s->due_ms = 0;
	s->due_boot[0] = '\0';
	if (s->held)
		return;
	s->due_ms = (uint64_t)clock_boottime_ms() + delay_ms(e->conf.retry_s, s->attempt);
	memcpy(s->due_boot, e->boot_id, sizeof(s->due_boot));
}

uint32_t
retry_wait_ms(const struct exe *e)
{
	const struct journal_state *s = &e->journal.state;
	uint64_t now = (uint64_t)clock_boottime_ms();

	if (s->held || strcmp(s->due_boot, e->boot_id) != 0 || s->due_ms <= now)
		return 0;
	return s->due_ms - now > WIRE_RETRY_MS_MAX ? WIRE_RETRY_MS_MAX
						   : (uint32_t)(s->due_ms - now);
}
