/*
 * test_retry.c - child/retry.c: when a signal that failed may be tried again.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#define SAMPLES 400

/* The delay of one failure, in ms, as it was journaled. */
static uint64_t
delay_of(struct exe *e, uint64_t attempt)
{
	uint64_t before = (uint64_t)clock_boottime_ms(), after, due_ms;

	e->journal.state.attempt = attempt;
	retry_note_failure(e);
	after = (uint64_t)clock_boottime_ms();
	due_ms = e->journal.state.due_ms;
	assert_true(due_ms >= before);
	return due_ms - after;
}

static void
assert_delays_of(struct exe *e, uint64_t attempt, uint64_t full_ms)
{
	uint64_t slack_ms = 1000, delay_ms = delay_of(e, attempt);

	assert_true(delay_ms + slack_ms >= full_ms / 2);
	assert_true(delay_ms <= full_ms);
}

static void
doubles(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;
	uint64_t full_ms = 60000;

	e->conf.retry_s = 60;
	assert_delays_of(e, 0, full_ms); /* no such attempt; still no nonsense */
	for (uint64_t attempt = 1; attempt <= 6; attempt++, full_ms *= 2)
		for (int i = 0; i < SAMPLES / 10; i++)
			assert_delays_of(e, attempt, full_ms);
}

static void
capped(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;
	static const uint64_t attempts[] = {7, 8, 64, 65, 1000000, UINT64_MAX};

	e->conf.retry_s = 60;
	for (size_t i = 0; i < COUNT(attempts); i++)
		assert_delays_of(e, attempts[i], WIRE_RETRY_MS_MAX);
	e->conf.retry_s = 86400;
	assert_delays_of(e, 1, WIRE_RETRY_MS_MAX);
}

static void
never_zero(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;

	/* 0 would say on the wire that it is held. */
	e->conf.retry_s = 1;
	for (int i = 0; i < SAMPLES; i++) {
		delay_of(e, 1);
		assert_true(retry_wait_ms(e) > 0);
	}
}

static void
jitters(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;
	bool quarter[4] = {false};

	e->conf.retry_s = 60;
	for (int i = 0; i < SAMPLES; i++) {
		uint64_t delay_ms = delay_of(e, 1);

		if (delay_ms >= 30000 && delay_ms < 60000)
			quarter[(delay_ms - 30000) / 7500] = true;
	}
	assert_true(quarter[0] && quarter[1] && quarter[2] && quarter[3]);
}

static void
held(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;

	e->conf.retry_s = 60;
	delay_of(e, 1);
	assert_true(retry_wait_ms(e) > 0);
	e->journal.state.held = 1;
	assert_int_equal(retry_wait_ms(e), 0);
	retry_note_failure(e);
	assert_int_equal(e->journal.state.due_ms, 0);
	assert_string_equal(e->journal.state.due_boot, "");
}

static void
another_boot(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;

	e->conf.retry_s = 60;
	delay_of(e, 1);
	assert_string_equal(e->journal.state.due_boot, "this-boot");
	snprintf(e->boot_id, sizeof(e->boot_id), "the-next-boot");
	assert_int_equal(retry_wait_ms(e), 0);
}

static void
over(void **state)
{
	struct exe *e = &((struct fixture *)*state)->e;

	e->conf.retry_s = 60;
	delay_of(e, 1);
	e->journal.state.due_ms = (uint64_t)clock_boottime_ms() - 1;
	assert_int_equal(retry_wait_ms(e), 0);
	e->journal.state.due_ms = UINT64_MAX; /* what a damaged number would say */
	assert_int_equal(retry_wait_ms(e), WIRE_RETRY_MS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    EXE_TEST("the delay doubles with each attempt, half of it is chance", doubles),
	    EXE_TEST("the delay ends at an hour, whatever the attempt and the setting", capped),
	    EXE_TEST("a delay is never 0, which would mean held", never_zero),
	    EXE_TEST("the chance covers the upper half of the delay", jitters),
	    EXE_TEST("what is held has no time of its own", held),
	    EXE_TEST("a time of another boot is over", another_boot),
	    EXE_TEST("a time that has passed is over, and none is longer than an hour", over),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
