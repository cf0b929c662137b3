/*
 * moult.c - the command `moult`: one table of what it can do.
 *
 * room: client: a person's shell or a daemon's process, with that user's rights and no more.
 * distrusts: the command line.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client.h"
#include "log.h"

static const struct cli_command commands[] = {
    {"run", run_command, "+", "[-f FILE] [-- DAEMON ARGUMENT...]",
	"Watch for updates and install them, in the foreground",
	"\nWithout a daemon this is what a daemon spawns: it ends with 42 when the daemon should\n"
	"end with 42 too. With a daemon it runs that daemon as its child, forwards signals to it,\n"
	"and does the ending with 42 for it.\n\n"
	"Exit status: 42 restart me; 0 stopped; 64 usage; 70 bug; 71 system; 75 busy;\n"
	"76 protocol; 77 permission; 78 configuration. With a daemon: 42, or the daemon's own\n"
	"(128 + the signal), 127 when it was not found, 126 when it could not be executed.\n"},
    {"status", status_command, "j", "[-f FILE] [--json]", "Say what the monitor last reported",
	"  -j, --json          as one JSON object, with \"running\" added\n\n"
	"Exit status: 0; 1 when the update failed; 3 when the monitor does not run; 66 when its\n"
	"report cannot be read.\n"},
    {"retry", retry_command, "", "[-f FILE]", "Try a held or delayed update again now",
	"\nExit status: 0; 65 when the signal file itself is refused; 66 when there is none;\n"
	"73 when it cannot be asked for.\n"},
    {"signal", signal_command, "cC", "[-f FILE] [--channel=C] [--current=V] VERSION",
	"Announce a version by writing the signal file",
	"      --channel=C     alpha, beta or stable (default: stable)\n"
	"      --current=V     the version that is deployed (default: as last reported)\n\n"
	"On alpha VERSION may be a full commit id.\n\n"
	"Exit status: 0; 65 not a version, or not a newer one; 66 the deployed version is not\n"
	"known, or the report cannot be read; 73 not written.\n"},
    {"check", check_command, "", "[-f FILE]", "Prove that updates could be done here, confined",
	"\nRun it as whoever starts moult. It changes nothing, and may be run beside a moult at "
	"work.\n"
	"\n"
	"Exit status: 0, also with warnings; else that of the first of these that has failed:\n"
	"78 configuration; 69 a program is missing; 77 places and permissions; 71 the sandbox or\n"
	"the system; 68 the remote does not answer; 65 a signature does not verify; 74 Redis\n"
	"cannot be written.\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: moult COMMAND [OPTION...]\n\n");
	for (i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].brief);
	fprintf(to,
	    "\n  -h, --help     this text; `moult COMMAND --help` for one command; moult(1)\n"
	    "  -V, --version  the version\n");
}

/* Output that was lost, on a full disk for one, is no success. */
static int
finish(int status)
{
	if ((fflush(stdout) == EOF || ferror(stdout)) && status == EX_OK) {
		fprintf(stderr, "moult: the output could not be written\n");
		return EX_IOERR;
	}
	return status;
}

int
main(int argc, char *argv[])
{
	size_t i;

	log_init("moult");
	if (argc < 2) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return finish(EX_OK);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("moult " MOULT_VERSION "\n");
		return finish(EX_OK);
	}
	for (i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return finish(commands[i].run(&commands[i], argc - 1, argv + 1));
	fprintf(stderr, "moult: %s %s\n",
	    argv[1][0] == '-' ? "unknown option" : "no such command:", argv[1]);
	print_usage(stderr);
	return EX_USAGE;
}
