/*
 * output.c - fuzzer of child/output.c: what a step prints, and git's progress in it.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The input is cut at each byte 0xfe; the pieces go to the log and to the captured output in turn,
 * as a program would write them. What is kept is the end of the one and the beginning of the other.
 */
#include "executor.h"
#include "fuzz.h"

#define CUT '\xfe'

struct heard {
	char log[65536];
	size_t len;
	char out[65536];
	size_t out_len;
};

static void
open_pipe(int *reader, int *writer)
{
	int ends[2];

	HOLDS(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	*reader = ends[0];
	*writer = ends[1];
}

static void
set_up(struct exe *e, int peer[2], int log_fd)
{
	struct journal_state *s = &e->journal.state;

	memset(e, 0, sizeof(*e));
	HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, peer) == 0);
	wire_init(&e->wire, peer[0], DOOR_REQUESTS);
	s->channel = CHANNEL_STABLE;
	s->attempt = 1;
	e->run.step = STEP_FETCH;
	e->command.progress = true;
	HOLDS(ftruncate(log_fd, 0) == 0);
	e->run.log_fd = log_fd;
}

/* Each report is one that the monitor's door takes, and the percentage only grows. */
static uint32_t
hear(struct wire *w, uint32_t percent)
{
	struct wire_message m;

	while (wire_receive(w, &m) == 1) {
		HOLDS(m.header.type == REP_STEP && m.body.progress.percent > percent);
		percent = m.body.progress.percent;
	}
	return percent;
}

static void
check_kept(const struct exe *e, const struct heard *h, int log_fd)
{
	size_t tail = h->len < RUN_TAIL_MAX ? h->len : RUN_TAIL_MAX;
	char *file = malloc(h->len + 1);

	HOLDS(e->run.tail_len == tail);
	HOLDS(memcmp(e->run.tail, h->log + h->len - tail, tail) == 0);
	HOLDS(e->child.out_len == h->out_len && !e->child.out_cut);
	HOLDS(memcmp(e->child.out, h->out, h->out_len) == 0);
	HOLDS(file != NULL && pread(log_fd, file, h->len + 1, 0) == (ssize_t)h->len);
	HOLDS(memcmp(file, h->log, h->len) == 0);
	free(file);
}

/* Writes one piece where a program would, and has it read. */
static void
say(struct exe *e, struct heard *h, const char *piece, size_t len, const int to[2], bool out)
{
	size_t *used = out ? &h->out_len : &h->len;
	bool answer;

	if (len > sizeof(h->log) - *used)
		len = sizeof(h->log) - *used;
	memcpy((out ? h->out : h->log) + *used, piece, len);
	*used += len;
	HOLDS(write(to[out], piece, len) == (ssize_t)len);
	answer = output_read(e);
	HOLDS(answer == (e->command.dialog && memchr(h->out, '\n', h->out_len) != NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exe e;
	static struct heard h;
	static int log_fd = -1;
	char path[FUZZ_PATH_MAX];
	struct fuzz f = {(const char *)data, size};
	uint32_t percent = 0;
	struct wire monitor;
	int peer[2], to[2];
	bool out = false;

	if (log_fd == -1) {
		int dir_fd = fuzz_dir(path);

		log_fd = openat(dir_fd, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		HOLDS(log_fd != -1);
		close(dir_fd);
	}
	set_up(&e, peer, log_fd);
	e.command.dialog = size % 2 == 1;
	h.len = h.out_len = 0;
	wire_init(&monitor, peer[1], DOOR_REPORTS);
	open_pipe(&e.child.log_fd, &to[0]);
	open_pipe(&e.child.out_fd, &to[1]);
	for (; f.left > 0; out = !out) {
		const char *cut = memchr(f.at, CUT, f.left);
		size_t len = cut != NULL ? (size_t)(cut - f.at) : f.left;

		say(&e, &h, f.at, len, to, out);
		percent = hear(&monitor, percent);
		f.at += len + (cut != NULL);
		f.left -= len + (cut != NULL);
	}
	check_kept(&e, &h, log_fd);
	close(to[0]);
	close(to[1]);
	(void)output_read(&e);
	HOLDS(e.child.log_fd == -1 && e.child.out_fd == -1);
	HOLDS(percent == e.run.percent && percent <= 100);
	close(peer[0]);
	close(peer[1]);
	return 0;
}
