#!/bin/sh
# fuzz.sh - runs the fuzzers that `make fuzz` has built, one after the other, and prints what they did.
#
# usage: fuzz.sh BUILD SECONDS NAME...
#
# Each begins with its kept corpus; what it finds of use beside that stays in BUILD/corpus/NAME, for
# the next time, and an input that fails in BUILD/NAME-*. Ends with 1 when there is one.
set -eu

build=$1
seconds=$2
shift 2
here=$(dirname "$0")
scratch=$(mktemp -d /dev/shm/moult-fuzz.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
# Neither process may have more memory than this: then an allocation fails, as here.
limit=max_allocation_size_mb=64:allocator_may_return_null=1
export TMPDIR="$scratch" ASAN_OPTIONS="$limit"

status=0
printf '%-10s %10s %8s %7s %9s  %s\n' fuzzer runs runs/s edges features findings
for name in "$@"; do
	program=$build/tests/fuzz/test_$name
	log=$build/$name.log
	mkdir -p "$build/corpus/$name"
	set -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
		-close_fd_mask=2 -print_final_stats=1 -artifact_prefix="$build/$name-"
	[ ! -e "$here/$name.dict" ] || set -- "$@" -dict="$here/$name.dict"
	found='none'
	"$program" "$@" "$build/corpus/$name" "$here/corpus/$name" >"$log" 2>&1 || {
		status=1
		found=$(sed -n 's/.*Test unit written to //p' "$log")
		found=${found:-"see $log"}
	}
	awk -v name="$name" -v found="$found" '
		/ cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") c = $(i + 1); if ($i == "ft:") f = $(i + 1) } }
		/number_of_executed_units/ { n = $2 }
		/average_exec_per_sec/ { s = $2 }
		END { printf "%-10s %10d %8d %7d %9d  %s\n", name, n, s, c, f, found }' "$log"
done
exit $status
