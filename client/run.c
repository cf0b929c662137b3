/*
 * run.c - `moult run`: becomes the monitor, or supervises a daemon with one.
 *
 * room: client: the daemon's own process, or its supervisor's.
 * distrusts: the command line.
 */
#include <string.h>
#include <unistd.h>

#include "client.h"

int
run_command(const struct cli_command *self, int argc, char *argv[])
{
	struct cli_options o;
	int status = cli_parse(self, argc, argv, &o);

	if (status != CLI_GO_ON)
		return status;
	if (optind > 1 && strcmp(argv[optind - 1], "--") == 0) {
		if (optind == argc)
			return cli_usage(self, "no daemon behind --");
		return supervise(o.config, argv + optind);
	}
	if (optind < argc) /* a mistyped option must not become a program to run */
		return cli_usage(self, "the daemon goes behind --");
	return spawn_become_monitor(o.config);
}
