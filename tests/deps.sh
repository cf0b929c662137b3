#!/bin/sh
# deps.sh - install the Debian packages that moult's build and tests need, and only those missing.
set -eu

BUILD='gcc libc6-dev make libbsd-dev libmd-dev libhiredis-dev libseccomp-dev libjansson-dev libinih-dev'
RUN='git python3 redis-server'
TEST='libcmocka-dev python3-pytest python3-pytest-xdist openssh-client openssh-server gpg gpg-agent openssl procps spin strace util-linux'

missing=
for package in $BUILD $RUN $TEST ${EXTRA_DEPS:-}; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :) in
	installed) ;;
	*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing" ]; then
	# The directory of sshd's, which a service manager would have made.
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "moult: these packages are missing:$missing" >&2
	echo "moult: install them as root with: apt-get install$missing" >&2
	exit 69
fi
echo "moult: installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# No service is to start by itself: the tests start their own servers.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' > $policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
apt-get install -y -qq --no-install-recommends $missing
mkdir -p /run/sshd
