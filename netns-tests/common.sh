# shellcheck shell=bash
# What the scripts of this folder share: the cache, this machine, and packages.
# Sourced, never run.

set -euo pipefail

cache=${DTLS_SCTP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dtls-sctp}
mkdir -p "$cache"
PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin

say() { echo "${0##*/}: $*" >&2; }

# die says what is wrong and exits with 125: not the command's own status, and
# not that of a time limit (124) either.
die() {
	say "$@"
	exit 125
}

# machine prints the distribution's name for this processor: amd64, arm64.
machine() { dpkg --print-architecture; }

# release prints distribution and version, such as debian12 or ubuntu24.04.
release() (
	# shellcheck source=/dev/null
	. /etc/os-release
	echo "$ID${VERSION_ID:-}"
)

# need COMMAND:PACKAGE... installs the packages whose command is missing.
need() {
	local pair missing=()
	for pair; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages NAME... installs them by apt, or tells whoever is not root
# how to.
install_packages() {
	[ "$(id -u)" = 0 ] ||
		die "missing packages; as root run: apt-get update && apt-get install --no-install-recommends $*"
	say "installing $*"
	local log=$cache/apt-install.log
	# The lists may be absent (a container) or old: then a second try with new ones.
	apt_install "$@" >"$log" 2>&1 ||
		{ apt update && apt_install "$@"; } >>"$log" 2>&1 ||
		{
			tail -n 20 "$log" >&2
			die "cannot install $* (all of it: $log)"
		}
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# apt is apt-get, one at a time: apt does not wait for the lock of its lists.
apt() { flock -o "$cache/apt.lock" apt-get "$@"; }

# logged FILE COMMAND... keeps what the command prints in FILE, and shows the
# end of it if the command fails. (A function that is called in a condition runs
# on after errors, whatever set -e says; so this one must not be.)
logged() {
	local log=$1 status
	shift
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	set -e
	[ $status -eq 0 ] && return
	tail -n 30 "$log" >&2
	die "failed: $* (all of it: $log)"
}

# libraries FILE... prints the shared libraries that these programs load.
libraries() { { ldd "$@" 2>/dev/null || true; } | sed -n 's/.*[[:space:]]\(\/[^ ]*\.so[^ ]*\) .*/\1/p' | sort -u; }
