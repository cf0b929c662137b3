#!/bin/sh
# supervisor.sh - the smallest service manager: runs a daemon, and again when it ends with 42.
# SIGTERM and SIGINT go on to the daemon. Ends with the daemon's status, or with 42 after MAX
# restarts.
#
#	supervisor.sh MAX DAEMON ARGUMENT...
set -u
left=$1
shift
child=
ending=
pass_on() {
	ending=yes
	[ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass_on TERM INT

while :; do
	"$@" &
	child=$!
	wait "$child"
	status=$?
	while [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do
		wait "$child" # a trap cut the wait short
		status=$?
	done
	child=
	[ "$status" -eq 42 ] && [ "$left" -gt 0 ] && [ -z "$ending" ] || exit "$status"
	left=$((left - 1))
	echo "supervisor: the daemon ended with 42 and is started again" >&2
done
