/*
 * attempt.c - one attempt, as a program: attempt STAGE-FILE ROW.
 *
 * room: tests. What a migration or a Makefile would run.
 * distrusts: nothing.
 */
#include "escape.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A row's question to the outside; here nobody asks it. */
bool
victim_was_signaled(const struct stage *s)
{
	(void)s;
	return false;
}

int
main(int argc, char *argv[])
{
	static struct stage stage;
	size_t row = argc == 3 ? strtoul(argv[2], NULL, 10) : rows_count();
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (row >= rows_count() || fd == -1 ||
	    read(fd, &stage, sizeof(stage)) != (ssize_t)sizeof(stage))
		return EXIT_BROKEN;
	close(fd);
	return exit_of_came(rows[row].try(&stage, &rows[row]));
}
