/*
 * print_tables.c - prints, from the monitor's own objects, what SECURITY.md holds: its rules,
 * its system calls and its places.
 *
 * room: none; a tool of the tests, linked with the monitor's objects.
 * distrusts: nothing.
 */
#include <stdio.h>

#include "filter.h"
#include "monitor.h"

static void
print_rule(void *arg, enum mon_state state, enum mon_event event, const struct mon_rule *r)
{
	(void)arg;
	printf("| %s (%s) | %s%s | %s | %s |\n", mon_state_name(state), mon_state_waits(state),
	    mon_event_name(event), mon_event_is_peer(event) ? " (report)" : "", r->name,
	    mon_state_name(r->next));
}

static void
print_row(void *arg, const char *table, const struct filter_row *row)
{
	(void)arg;
	printf("| %s | %s", table, row->call);
	if (row->test == FILTER_EQ)
		printf(", argument %u = %#llx", row->argument, (unsigned long long)row->value);
	else if (row->test == FILTER_GT)
		printf(", argument %u > %#llx", row->argument, (unsigned long long)row->value);
	else if (row->test == FILTER_MASKED_EQ)
		printf(", argument %u & %#llx = %#llx", row->argument,
		    (unsigned long long)row->mask, (unsigned long long)row->value);
	printf(" | %s |\n", row->why);
}

static void
print_place(void *arg, const char *place, const char *rights, const char *why)
{
	(void)arg;
	printf("| %s | %s | %s |\n", place, rights, why);
}

int
main(void)
{
	printf("\n### The monitor's rules\n\n| state (waits for) | event | action | next |\n"
	       "| --- | --- | --- | --- |\n");
	mon_rules_walk(print_rule, NULL);
	printf("\n### System calls of the monitor (every other call: killed)\n\n"
	       "| allowed | call | reason |\n| --- | --- | --- |\n");
	mon_seal_walk(print_row, NULL);
	printf("\n### Files and ports of the monitor (every other: refused)\n\n"
	       "| place | rights | reason |\n| --- | --- | --- |\n");
	mon_domain_walk(print_place, NULL);
	return 0;
}
