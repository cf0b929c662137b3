#!/bin/sh
# demo.sh - a real daemon updates itself, shown step by step; then an update that fails.
#
# Everything is real and lives in one temporary directory: a git remote, a checkout, a Redis, the C
# daemon of tests/examples under a supervisor loop, migrations, `make install`. What is shown is
# verified too: the demo ends with 1 when anything of it is not so. BUILD names the build directory.
# As root the steps are www-data's and the monitor is nobody's; else all is the user's who calls.
set -eu
umask 022
unset MAKEFLAGS MFLAGS MAKEOVERRIDES # of a `make demo PREFIX=...`: not for the demo's own make

root=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$(cd "${BUILD:-$root/build}" && pwd)
if [ "$(id -u)" -eq 0 ]; then
	deploy_user=www-data
	dir=$(mktemp -d /tmp/moult-demo.XXXXXX) # where every user may look
	chmod 755 "$dir"
else
	deploy_user=$(id -un)
	dir=$(mktemp -d "${TMPDIR:-/tmp}/moult-demo.XXXXXX")
fi
signal=$dir/signals/update_available.json
key=system_status:demo:deploy
redis_pid=
supervisor_pid=

say() { printf '%s\n' "$*"; }
title() { printf '\n== %s\n' "$*"; }
die() {
	say "demo: FAILED: $*" >&2
	exit 1
}
verify() { # what, command...
	what=$1
	shift
	"$@" || die "$what"
	say "   verified: $what"
}

clean_up() {
	status=$?
	trap - EXIT INT TERM
	if [ -n "$supervisor_pid" ]; then
		kill -TERM "$supervisor_pid" 2>/dev/null || :
		wait "$supervisor_pid" || :
	fi
	if [ -n "$redis_pid" ]; then
		kill -TERM "$redis_pid" 2>/dev/null || :
		wait "$redis_pid" || :
	fi
	if [ "$status" -ne 0 ] && [ -f "$dir/daemon.log" ]; then
		say "--- the daemon's and moult's log:" >&2
		tail -n 60 "$dir/daemon.log" >&2
	fi
	rm -rf "$dir"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- tools ----

git_() { # nothing of the user's own configuration
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -c user.name=demo \
		-c user.email=demo@localhost -c advice.detachedHead=false "$@"
}

as_deploy_user() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid="$deploy_user" --regid="$(id -gn "$deploy_user")" --clear-groups "$@"
	else
		"$@"
	fi
}

redis() { redis-cli -s "$dir/redis.sock" "$@"; }

# The value of a key of a flat JSON object, as the monitor writes it.
field() { printf '%s\n' "$2" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

now() { date +%s.%N; }
older() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
since() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%7.3f", b - a }'; }

# What the daemon answers; waits for it to listen, 10 s at most.
ask_daemon() {
	/usr/bin/python3 - "$dir/daemon.sock" <<'PYTHON'
import socket, sys, time
deadline = time.monotonic() + 10
while True:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(5)
            s.connect(sys.argv[1])
            print(s.makefile().readline().strip())
            break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit("the daemon does not answer: %s" % error)
        time.sleep(0.02)
PYTHON
}
answers() { [ "$(ask_daemon)" = "$1" ]; }

# Shows the status stream from last_id on, as it grows, until one of the words in $2 has come.
# Leaves the words in $words.
last_id=0-0
show_steps() { # time of the signal, last words
	words=
	while :; do
		reply=$(redis XREAD COUNT 1 BLOCK 20000 STREAMS "{$key}:log" "$last_id")
		[ -n "$reply" ] || die "no status for 20 s"
		last_id=$(printf '%s\n' "$reply" | sed -n 2p)
		entry=$(printf '%s\n' "$reply" | sed -n 4p)
		older "$(field timestamp "$entry")" "$1" && continue # from before the signal
		word=$(field status "$entry")
		step=$(field step "$entry")
		percent=$(field percent "$entry")
		printf '   %s s  %-14s %-10s %s\n' "$(since "$1" "$(field timestamp "$entry")")" \
			"$word" "$step" "${percent:+$percent %}"
		case " $words " in
		*" $word ") ;;
		*) words="${words:+$words }$word" ;;
		esac
		case " $2 " in *" $word "*) return ;; esac
	done
}

# ---- the stage ----

make_remote() {
	mkdir "$dir/project" "$dir/signals"
	cd "$dir/project"
	git_ init -q -b main
	cp "$root/tests/examples/c/daemon.c" "$root/tests/examples/c/Makefile" \
		"$root/tests/examples/c/VERSION" "$root/tests/examples/c/.gitignore" .
	git_ add -A
	git_ commit -q -m 'The first version'
	git_ tag v1.0.0

	echo 1.1.0 > VERSION
	mkdir -p migrations/v1.1.0
	cat > migrations/v1.1.0/001_settings.py <<PYTHON
import json
import os

SETTINGS = "$dir/var/settings.json"


def check():
    return os.path.exists(SETTINGS)


def migrate():
    with open(SETTINGS + ".new", "w") as file:
        json.dump({"format": 2}, file)
    os.replace(SETTINGS + ".new", SETTINGS)
    return True
PYTHON
	cat > migrations/v1.1.0/002_cache <<SHELL
#!/bin/sh
# Any executable can be a migration: "check" asks whether it is applied, "migrate" does it.
case \$1 in
check) test -d "$dir/var/cache" ;;
migrate) mkdir -p "$dir/var/cache" ;;
esac
SHELL
	chmod +x migrations/v1.1.0/002_cache
	git_ add -A
	git_ commit -q -m 'Settings of format 2'
	git_ tag v1.1.0

	echo 1.2.0 > VERSION
	mkdir -p migrations/v1.2.0
	cat > migrations/v1.2.0/001_orders.py <<'PYTHON'
def check():
    return False


def migrate():
    print("opening the orders")
    raise RuntimeError("order 17 has no customer")
PYTHON
	git_ add -A
	git_ commit -q -m 'Orders, with a migration that fails here'
	git_ tag v1.2.0
	cd "$dir"
	git_ clone -q --bare project remote.git
}

install_first_version() {
	git_ clone -q "file://$dir/remote.git" checkout
	git_ -C checkout checkout -q --detach v1.0.0
	mkdir prefix var sdk
	cp "$root/include/moult.h" "$BUILD/libmoult.a" sdk/
	printf 'PREFIX = %s\nCPPFLAGS = -I%s\nLDLIBS = %s\n' "$dir/prefix" "$dir/sdk" \
		"$dir/sdk/libmoult.a" > checkout/config.mk
	if [ "$(id -u)" -eq 0 ]; then
		chown -R "$deploy_user:" checkout prefix var signals
	fi
	as_deploy_user make -s -C checkout install
	cat > moult.conf <<CONF
[deploy]
computer = demo
repo = $dir/checkout
remote = file://$dir/remote.git
signal = $signal
state_dir = $dir/state

[redis]
url = unix://$dir/redis.sock

[sandbox]
mode = degrade
write_paths = $dir/prefix $dir/var
read_paths = $dir/sdk
CONF
}

start_redis() {
	redis-server --port 0 --unixsocket "$dir/redis.sock" --unixsocketperm 777 --save '' --appendonly no \
		--dir "$dir" > "$dir/redis.log" 2>&1 &
	redis_pid=$!
	tries=0
	until [ "$(redis PING 2>/dev/null)" = PONG ]; do
		tries=$((tries + 1))
		if [ "$tries" -ge 100 ] || ! kill -0 "$redis_pid"; then
			die "redis-server does not start"
		fi
		sleep 0.05
	done
}

start_daemon() {
	"$root/tests/examples/supervisor.sh" 3 "$dir/prefix/bin/example-daemon" -f "$dir/moult.conf" \
		-m "$BUILD/moult-monitor" "$dir/daemon.sock" > "$dir/daemon.log" 2>&1 &
	supervisor_pid=$!
}

await_pair() { # for its first word to Redis, 10 s at most
	tries=0
	until [ -n "$(redis GET "$key")" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || die "the monitor says nothing to Redis"
		sleep 0.05
	done
}

restarts() { grep -c '^supervisor: ' "$dir/daemon.log" || :; }
show_status() { "$BUILD/moult" status -f "$dir/moult.conf" | sed 's/^/   /'; }
status_is() { # exit status
	code=0
	"$BUILD/moult" status -f "$dir/moult.conf" > /dev/null || code=$?
	[ "$code" -eq "$1" ]
}
redis_says() { # word
	value=$(redis GET "$key")
	[ "$(field status "$value")" = "$1" ] &&
		field timestamp "$value" | grep -Eq '^[0-9]+\.[0-9]+$'
}

# The processes of the pair with their users, and what of the confinement this kernel lacks.
show_pair() {
	monitor=$(field pid "$(redis GET "$key")")
	executor=$(pgrep -P "$monitor" -x moult-executor)
	for pid in "$monitor" "$executor"; do
		say "   $(ps -o user:12=,pid:8=,comm= -p "$pid")"
	done
	missing=$(printf '%s\n' "$(redis GET "$key")" | sed -n 's/.*"degraded": *\[\([^]]*\)\].*/\1/p')
	say "   missing layers of confinement: ${missing:-none}"
}
runs_as() { [ "$(ps -o user:32= -p "$1" | tr -d " ")" = "$2" ]; }

# ---- the play ----

title "The stage: $dir"
make_remote
install_first_version
start_redis
say "   a git remote with v1.0.0, v1.1.0 and v1.2.0; a checkout of v1.0.0, installed; a Redis"

title "The daemon, under a supervisor that restarts it when it ends with 42"
start_daemon
verify "the daemon answers 1.0.0" answers 1.0.0
await_pair
show_pair
if [ "$(id -u)" -eq 0 ]; then
	verify "the monitor is nobody, who owns nothing here" runs_as "$monitor" nobody
	verify "the executor is $deploy_user, who owns the checkout" runs_as "$executor" "$deploy_user"
fi

title "A version watcher drops the signal: 1.1.0 on stable"
say '   {"current":"1.0.0","available":"1.1.0","channel":"stable"}'
printf '{"current":"1.0.0","available":"1.1.0","channel":"stable"}' > "$signal.new"
began=$(now)
mv "$signal.new" "$signal"
say "   each status as it comes from the Redis stream, seconds since the signal:"
show_steps "$began" "deployed update_failed"
say
verify "the words came in their order" [ "$words" = \
	"checking updating migrating installing restarting deployed" ]
verify "the daemon ended with 42, once, and was started again" [ "$(restarts)" -eq 1 ]
verify "the daemon answers 1.1.0" answers 1.1.0
verify "both migrations were applied" \
	[ -f "$dir/var/settings.json" -a -d "$dir/var/cache" ]
verify "the signal file is gone" [ ! -e "$signal" ]
verify "Redis says deployed, with a float timestamp, under $key" redis_says deployed
say
say "   \$ moult status"
show_status
verify "moult status ends with 0" status_is 0

title "The next signal, by hand: moult signal 1.2.0; one of its migrations fails"
began=$(now)
"$BUILD/moult" signal -f "$dir/moult.conf" 1.2.0 | sed 's/^/   /'
show_steps "$began" "deployed update_failed"
say
verify "it ended in update_failed, without installing or restarting" [ "$words" = \
	"checking updating migrating update_failed" ]
verify "the daemon was not restarted" [ "$(restarts)" -eq 1 ]
verify "the daemon still answers 1.1.0" answers 1.1.0
verify "the signal file is kept" [ -e "$signal" ]
verify "Redis says update_failed" redis_says update_failed
say
say "   \$ moult status"
show_status
verify "moult status ends with 1" status_is 1

title "All of it is so."
