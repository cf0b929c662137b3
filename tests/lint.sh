#!/bin/sh
# lint.sh FLAGS - the analyzers, each room with its own include path.
set -eu

status=0
for room in shared parent child client; do
	case $room in
	shared) define=SHARED ;;
	parent) define=PARENT ;;
	child) define=CHILD ;;
	client) define=CLIENT ;;
	esac
	# shellcheck disable=SC2086 # the flags are meant to be split
	set -- "$1" -DMOULT_ROOM_$define -Iinclude -I$room -Ibuild-lint-gcc/$room
	flags=$1
	shift
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --std=c11 --suppress=missingIncludeSystem \
		"$@" $room || status=1
	for file in "$room"/*.c; do
		eval "clang-tidy --quiet --warnings-as-errors='*' '$file' -- $flags $*" \
			2>/dev/null || status=1
	done
	set -- "$flags"
done
exit $status
