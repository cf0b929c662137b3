/*
 * print_tables.c - prints, from the executor's own objects, what SECURITY.md holds: the messages of
 * both doors, the executor's rules, and the system calls of each profile.
 *
 * room: none; a tool of the tests, linked with the executor's objects.
 * distrusts: nothing.
 */
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "executor.h"
#include "profile.h"

#define PRINT_MESSAGE(symbol, name, payload) \
	printf("| %s | `%s` | %zu |\n", name, #payload, sizeof(struct payload));
#define STATE_WAITS(name, waits)                    waits,
#define PROFILE_NAME(symbol, name, network, use)    name,
#define PROFILE_USE(symbol, name, network, use)     use,
#define PROFILE_NETWORK(symbol, name, network, use) #network,
#define NETWORK_NAME(symbol, name, reach)           name,
#define NETWORK_REACH(symbol, name, reach)          reach,

static const char *const waits[] = {EXE_STATES(STATE_WAITS)};
static const char *const profile_names[] = {SPAWN_PROFILES(PROFILE_NAME)};
static const char *const profile_uses[] = {SPAWN_PROFILES(PROFILE_USE)};
static const char *const profile_networks[] = {SPAWN_PROFILES(PROFILE_NETWORK)};
static const char *const network_names[] = {SPAWN_NETWORKS(NETWORK_NAME)};
static const char *const network_reaches[] = {SPAWN_NETWORKS(NETWORK_REACH)};

static void
print_messages(void)
{
	printf("### Requests: monitor to executor\n\n| message | payload | bytes |\n"
	       "| --- | --- | --- |\n");
	WIRE_REQUESTS(PRINT_MESSAGE)
	printf("\n### Reports: executor to monitor\n\n| message | payload | bytes |\n"
	       "| --- | --- | --- |\n");
	WIRE_REPORTS(PRINT_MESSAGE)
}

static void
print_rules(void)
{
	printf("\n### The executor's rules\n\n| state (waits for) | event | action | next |\n"
	       "| --- | --- | --- | --- |\n");
	for (int s = 0; s < EXE_STATE_END; s++)
		for (int v = ON_NONE + 1; v < EXE_EVENT_END; v++) {
			enum exe_state state = (enum exe_state)s;
			enum exe_event event = (enum exe_event)v;
			const struct exe_rule *rule = exe_rule(state, event);

			if (rule == NULL)
				continue;
			printf("| %s (%s) | %s%s | %s | %s |\n", exe_state_name(state), waits[s],
			    exe_event_name(event), exe_event_is_peer(event) ? " (request)" : "",
			    rule->action == NULL ? "-" : exe_rule_action_name(state, event),
			    exe_state_name(rule->next));
		}
}

/* All calls of one reason on one line, in the table's order. */
static void
print_calls(enum filter_verdict verdict, const char *title)
{
	size_t count;
	const struct filter_row *rows = profile_calls(&count);

	printf("\n### %s\n\n| reason | calls |\n| --- | --- |\n", title);
	for (size_t i = 0; i < count; i++) {
		const char *separator = "";
		size_t j;

		for (j = 0; j < i; j++)
			if (rows[j].verdict == verdict && strcmp(rows[j].why, rows[i].why) == 0)
				break;
		if (rows[i].verdict != verdict || j < i)
			continue;
		printf("| %s | ", rows[i].why);
		for (j = i; j < count; j++)
			if (rows[j].verdict == verdict && strcmp(rows[j].why, rows[i].why) == 0) {
				printf("%s%s", separator, rows[j].call);
				separator = " ";
			}
		printf(" |\n");
	}
}

static void
print_test(const struct filter_row *row)
{
	static const char *const how[] = {
	    [FILTER_EQ] = "=", [FILTER_NE] = "!=", [FILTER_LT] = "<", [FILTER_GT] = ">"};

	if (row->test == FILTER_ALWAYS)
		printf("always");
	else if (row->test == FILTER_MASKED_EQ)
		printf("argument %u & %#llx = %#llx", row->argument, (unsigned long long)row->mask,
		    (unsigned long long)row->value);
	else
		printf("argument %u %s %#llx", row->argument, how[row->test],
		    (unsigned long long)row->value);
	if (row->also_mask != 0)
		printf(" and argument %u & %#llx", row->also_argument,
		    (unsigned long long)row->also_mask);
}

static void
print_networks(void)
{
	for (int n = 0; n < NETWORK_END; n++) {
		size_t count;
		const struct filter_row *rows = profile_arguments((enum network)n, &count);

		printf("\n### Refused by argument: network %s (%s)\n\n"
		       "| call | when | error | reason |\n| --- | --- | --- | --- |\n",
		    network_names[n], network_reaches[n]);
		for (size_t i = 0; i < count; i++) {
			printf("| %s | ", rows[i].call);
			print_test(&rows[i]);
			printf(" | %s | %s |\n", strerrorname_np(rows[i].error), rows[i].why);
		}
	}
}

/* "configured" is in capitals in the list, as is each network. */
static void
print_network_of(int profile)
{
	for (const char *c = profile_networks[profile]; *c != '\0'; c++)
		putchar(*c | 0x20);
}

static void
print_places(void)
{
	char words[LANDLOCK_WORDS_MAX];
	size_t count;
	const struct domain_row *rows = domain_rows(&count);

	printf("\n### Profiles of steps\n\n| profile | network | for |\n| --- | --- | --- |\n");
	for (int p = 0; p < PROFILE_END; p++) {
		printf("| %s | ", profile_names[p]);
		print_network_of(p);
		printf(" | %s |\n", profile_uses[p]);
	}
	for (int p = 0; p < PROFILE_END; p++) {
		printf("\n### Files of profile %s\n\n| place | rights | reason |\n"
		       "| --- | --- | --- |\n",
		    profile_names[p]);
		for (size_t i = 0; i < count; i++) {
			if ((int)rows[i].profile != p)
				continue;
			landlock_words(rows[i].files, words);
			printf("| %s | %s | %s |\n", domain_place_name(rows[i].place), words,
			    rows[i].why);
		}
	}
}

int
main(void)
{
	print_messages();
	print_rules();
	print_places();
	print_calls(FILTER_ALLOW, "System calls of the executor and its steps: allowed");
	print_calls(FILTER_REFUSE, "Refused with EPERM (every other call: ENOSYS)");
	print_networks();
	return 0;
}
