/*
 * status.c - fuzzer of parent/status.c: an earlier monitor's status.json.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * Whatever stands there, what stands there after is an object about this process, and the next
 * monitor reads it as that.
 */
#include <jansson.h>

#include "fuzz.h"
#include "monitor.h"

#define FILE_NAME "status.json"
#define NAME      "box"

static json_t *
read_back(int dir_fd)
{
	json_t *object;
	char *data;
	size_t len;

	HOLDS(file_slurp(dir_fd, FILE_NAME, STATUS_TEXT_MAX, &data, &len) == 0);
	object = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	for (size_t i = 0; object != NULL && i < len; i++)
		HOLDS((unsigned char)data[i] >= 0x20 || data[i] == '\n');
	free(data);
	return object;
}

static void
restore(struct mon *m, pid_t pid)
{
	m->status = (struct mon_status){.pid = pid, .pid_start = 12345};
	m->redis.unsent = false;
	mon_status_restore(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[FUZZ_PATH_MAX];
	static struct mon m;
	static int dir_fd = -1;
	json_t *object;

	if (dir_fd == -1) {
		dir_fd = fuzz_dir(path);
		m.status_dir_fd = dir_fd;
		m.events_fd = m.daemon_fd = m.signal_fd = m.watch.fd = -1;
		m.redis.link = LINK_OFF;
		strcpy(m.conf.computer, NAME);
	}
	fuzz_put(dir_fd, FILE_NAME, data, size);
	restore(&m, 4711);
	object = read_back(dir_fd);
	/* An outcome that grew past the bound by being written anew is left as it was. */
	if (size < STATUS_TEXT_MAX / 8) {
		HOLDS(json_is_object(object));
		HOLDS(json_is_string(json_object_get(object, "status")));
		HOLDS(strcmp(json_string_value(json_object_get(object, "computer")), NAME) == 0);
		HOLDS(json_integer_value(json_object_get(object, "pid")) == 4711);
	}
	json_decref(object);
	return 0;
}
