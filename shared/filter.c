/*
 * filter.c - seccomp(2) filters from tables of rows; the one file that knows libseccomp.
 *
 * room: both processes; the mechanism. The tables, with a reason in each row, are each room's own.
 * distrusts: nothing; it runs before any input is read.
 */
#include "filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* What a tracer puts in place of a call that it wants skipped. */
#define CALL_SKIPPED (-1)

static uint32_t
action_of(enum filter_verdict verdict, int error)
{
	switch (verdict) {
	case FILTER_ALLOW:
		return SCMP_ACT_ALLOW;
	case FILTER_REFUSE:
		return SCMP_ACT_ERRNO((uint32_t)error);
	case FILTER_TELL:
		return SCMP_ACT_NOTIFY;
	case FILTER_KILL:
		return SCMP_ACT_KILL_PROCESS;
	}
	bug("filter: no such verdict: %d", (int)verdict);
}

static struct scmp_arg_cmp
comparison_of(const struct filter_row *row)
{
	struct scmp_arg_cmp c = {.arg = row->argument, .datum_a = row->value};

	switch (row->test) {
	case FILTER_EQ:
		c.op = SCMP_CMP_EQ;
		return c;
	case FILTER_NE:
		c.op = SCMP_CMP_NE;
		return c;
	case FILTER_LT:
		c.op = SCMP_CMP_LT;
		return c;
	case FILTER_GT:
		c.op = SCMP_CMP_GT;
		return c;
	case FILTER_MASKED_EQ:
		c.op = SCMP_CMP_MASKED_EQ;
		c.datum_a = row->mask;
		c.datum_b = row->value;
		return c;
	case FILTER_ALWAYS:
		break;
	}
	bug("filter: %s: no such test: %d", row->call, (int)row->test);
}

/* libseccomp silently drops whatever stands beside an unconditional row of the same call. */
static void
refuse_shadowed(const struct filter_row *rows, size_t count)
{
	size_t i, j;

	for (i = 0; i < count; i++)
		for (j = 0; rows[i].test == FILTER_ALWAYS && j < count; j++)
			if (i != j && strcmp(rows[i].call, rows[j].call) == 0)
				bug("filter: %s: a row beside one that always applies",
				    rows[i].call);
}

static void
add_row(scmp_filter_ctx ctx, const struct filter_row *row, uint32_t fallback)
{
	uint32_t action = action_of(row->verdict, row->error);
	int call = seccomp_syscall_resolve_name(row->call);
	struct scmp_arg_cmp c[2];
	unsigned int tests = 0;
	int rc;

	if (call == __NR_SCMP_ERROR)
		return; /* newer than this libseccomp: what is unknown gets the default */
	if (action == fallback)
		return; /* libseccomp refuses a rule that holds anyway; the row is for readers */
	if (row->test != FILTER_ALWAYS)
		c[tests++] = comparison_of(row);
	if (row->also_mask != 0)
		c[tests++] = (struct scmp_arg_cmp){.arg = row->also_argument,
		    .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = row->also_mask,
		    .datum_b = row->also_mask};
	rc = seccomp_rule_add_array(ctx, action, call, tests, tests == 0 ? NULL : c);
	if (rc != 0)
		bug("filter: %s: the row is rejected: %s", row->call, strerror(-rc));
}

/* All attributes exist since libseccomp 2.5, so failing is a bug. */
static void
set_attributes(scmp_filter_ctx ctx)
{
	/* A tree, by number: a long list of calls costs each call little, and loads sooner. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0 ||
	    seccomp_attr_set(ctx, SCMP_FLTATR_API_TSKIP, 1) != 0 ||
	    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		bug("filter: an attribute is rejected");
}

/* The program's bytes, by way of a file in memory: libseccomp writes to descriptors only. */
static int export(scmp_filter_ctx ctx, struct filter_program *p)
{
	int fd, rc, error;
	off_t bytes;

	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = seccomp_export_bpf(ctx, fd);
	if (rc != 0) {
		errno = -rc;
		goto fail;
	}
	bytes = lseek(fd, 0, SEEK_END);
	if (bytes <= 0 || (size_t)bytes / sizeof(*p->code) > BPF_MAXINSNS) {
		errno = E2BIG;
		goto fail;
	}
	p->code = malloc((size_t)bytes);
	if (p->code == NULL || pread(fd, p->code, (size_t)bytes, 0) != bytes)
		goto fail;
	p->length = (unsigned short)((size_t)bytes / sizeof(*p->code));
	(void)close(fd); /* a file in memory: nothing can be lost */
	return 0;
fail:
	error = errno;
	filter_clear(p);
	(void)close(fd); /* a file in memory */
	errno = error;
	return -1;
}

int
filter_build(struct filter_program *p, const struct filter_row *rows, size_t count,
    enum filter_verdict otherwise, int otherwise_error)
{
	uint32_t fallback = action_of(otherwise, otherwise_error);
	scmp_filter_ctx ctx;
	size_t i;
	int rc;

	*p = (struct filter_program){0};
	refuse_shadowed(rows, count);
	ctx = seccomp_init(fallback);
	if (ctx == NULL) {
		errno = ENOMEM;
		return -1;
	}
	set_attributes(ctx);
	if (fallback != SCMP_ACT_ERRNO(ENOSYS) &&
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), CALL_SKIPPED, 0) != 0)
		bug("filter: the rule for skipped calls is rejected");
	for (i = 0; i < count; i++)
		add_row(ctx, &rows[i], fallback);
	rc = export(ctx, p);
	seccomp_release(ctx);
	return rc;
}

int
filter_load(const struct filter_program *p)
{
	const struct sock_fprog program = {.len = p->length, .filter = p->code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int
filter_load_told(const struct filter_program *p)
{
	const struct sock_fprog program = {.len = p->length, .filter = p->code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
	    &program); /* close-on-exec by itself */
}

void
filter_clear(struct filter_program *p)
{
	free(p->code);
	*p = (struct filter_program){0};
}

static bool
meets(const struct filter_row *row, const uint64_t arguments[6])
{
	uint64_t value = arguments[row->argument];

	if (row->also_mask != 0 &&
	    (arguments[row->also_argument] & row->also_mask) != row->also_mask)
		return false;
	switch (row->test) {
	case FILTER_ALWAYS:
		return true;
	case FILTER_EQ:
		return value == row->value;
	case FILTER_NE:
		return value != row->value;
	case FILTER_LT:
		return value < row->value;
	case FILTER_GT:
		return value > row->value;
	case FILTER_MASKED_EQ:
		return (value & row->mask) == row->value;
	}
	bug("filter: %s: no such test: %d", row->call, (int)row->test);
}

const struct filter_row *
filter_find(const struct filter_row *rows, size_t count, int number, const uint64_t arguments[6])
{
	const struct filter_row *found = NULL;
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	for (size_t i = 0; name != NULL && found == NULL && i < count; i++)
		if (strcmp(rows[i].call, name) == 0 && meets(&rows[i], arguments))
			found = &rows[i];
	free(name);
	return found;
}

static int
knows(uint32_t action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int
filter_available(void)
{
	return knows(SECCOMP_RET_KILL_PROCESS);
}

int
filter_can_tell(void)
{
	return knows(SECCOMP_RET_USER_NOTIF);
}
