#!/usr/bin/env bash
# Fetches Debian's Prometheus and Alertmanager for the tests and unpacks them into the cache: nothing is installed, no service starts and
# root is not needed. The last line printed is the directory with prometheus, promtool, prometheus-alertmanager and amtool. A second run is instant.
#
#   COST_RHYTHM_CACHE   cache directory, shared by all clones (default: ~/.cache/cost-rhythm)
set -euo pipefail

readonly PACKAGES=(prometheus prometheus-alertmanager)
readonly PROGRAMS=(prometheus promtool prometheus-alertmanager amtool)

fail() {
    echo "install-prometheus: $*" >&2
    exit 1
}
say() { echo "install-prometheus: $*" >&2; }

if [[ $# -gt 0 ]]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
directory=$cache/prometheus

complete() {
    local program
    for program in "${PROGRAMS[@]}"; do [[ -x $1/$program ]] || return 1; done
}

# Somebody may have installed them.
if complete /usr/bin; then
    say "found in /usr/bin"
    echo /usr/bin
    exit 0
fi
if complete "$directory/usr/bin"; then
    say "found in the cache"
    echo "$directory/usr/bin"
    exit 0
fi

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "this script knows Debian and Ubuntu only; install ${PROGRAMS[*]} into /usr/bin by hand"

mkdir -p "$cache"
part=$(mktemp -d "$cache/prometheus.XXXXXX")
trap 'rm -rf "$part"' EXIT
cd "$part"
say "fetching ${PACKAGES[*]}"
if ! apt-get -qq download "${PACKAGES[@]}" 2>"$part/errors"; then
    # Lists that are missing or old; only root may refresh them.
    [[ "$(id -u)" -eq 0 ]] || fail "apt-get download failed: $(tail -1 "$part/errors"). Run: sudo apt-get update"
    say "refreshing the package lists"
    apt-get -o DPkg::Lock::Timeout=300 -qq update
    apt-get -qq download "${PACKAGES[@]}"
fi
for package in *.deb; do dpkg-deb --extract "$package" unpacked; done
complete unpacked/usr/bin || fail "the packages do not hold ${PROGRAMS[*]}"
rm -rf "$directory"
mv unpacked "$directory"
say "unpacked"
echo "$directory/usr/bin"
