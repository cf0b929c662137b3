/*
 * options.c - in builds with sanitizers alone: a sealed process cannot trace itself for leaks, and
 * the limit of memory, which sanitizers do not bear, is the allocator's instead.
 *
 * room: tests; linked into both processes by `make san`.
 * distrusts: nothing.
 */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:max_allocation_size_mb=64:allocator_may_return_null=1";
}
