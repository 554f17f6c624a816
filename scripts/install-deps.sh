#!/usr/bin/env bash
# Installs the Debian packages that building and testing Cost Rhythm need. Safe to repeat: what is there already is
# not asked for again, and with nothing to do it neither touches the network nor needs root.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/install-deps.sh [GROUP...]

groups (default: all but prometheus)
  build    compiler, cmake, pkg-config and the headers that librdkafka's build wants
  engine   npm and tar, to fetch the embedded ClickHouse library
  stack    python3 with virtual environments, to check the container stack
  browser  Chromium, for the tests of the page
  kafka    Java 17, Maven, curl, openssl and python3, to run Apache Kafka and the schema registry
  prometheus  Prometheus and Alertmanager for the tests; their services are neither started nor enabled

The Rust toolchain is not a Debian package: rustup installs what rust-toolchain.toml names.
TEXT
}

missing_packages=()

installed() {
    [[ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" == "install ok installed" ]]
}

# A package that is known by the files it brings (headers): only dpkg can tell.
want_package() {
    installed "$1" || missing_packages+=("$1")
}

# A package that is wanted for a command: somebody may have installed the command in another way, which will do.
want_command() {
    local command=$1 package=$2
    command -v "$command" >/dev/null 2>&1 || missing_packages+=("$package")
}

group_build() {
    want_command cc build-essential
    want_command c++ build-essential
    want_command make build-essential
    want_command cmake cmake
    want_command pkg-config pkg-config
    want_package libssl-dev
    # librdkafka's cmake build looks for the libcurl headers even with its OIDC support off.
    want_package libcurl4-openssl-dev
    want_package zlib1g-dev
}

group_engine() {
    want_command npm npm
    want_command tar tar
    want_command openssl openssl
    want_command ldconfig libc-bin
}

group_kafka() {
    want_command java openjdk-17-jre-headless
    want_command mvn maven
    want_command curl curl
    want_command python3 python3
    # Certificates of `kafka.sh up --sasl`.
    want_command openssl openssl
}

group_prometheus() {
    want_command prometheus prometheus
    want_command promtool prometheus
    want_command prometheus-alertmanager prometheus-alertmanager
    want_command amtool prometheus-alertmanager
}

group_browser() {
    want_command chromium chromium
}

group_stack() {
    want_command python3 python3
    # Debian ships python3 without it.
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing_packages+=(python3-venv)
}

groups=()
for argument in "$@"; do
    case "$argument" in
        build | engine | kafka | stack | browser | prometheus) groups+=("$argument") ;;
        all) groups=(build engine kafka stack browser) ;;
        -h | --help) usage; exit 0 ;;
        *) echo "install-deps: unknown group '$argument'" >&2; usage >&2; exit 2 ;;
    esac
done
[[ ${#groups[@]} -gt 0 ]] || groups=(build engine kafka stack browser)

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "install-deps: this script knows Debian and Ubuntu only (no dpkg here); install by hand what 'scripts/README.md' lists" >&2
    exit 1
fi

# /sbin holds ldconfig and is not on every user's path.
PATH=$PATH:/usr/sbin:/sbin
for group in "${groups[@]}"; do "group_$group"; done

if [[ ${#missing_packages[@]} -eq 0 ]]; then
    echo "install-deps: ${groups[*]}: everything is there"
    exit 0
fi

readarray -t missing_packages < <(printf '%s\n' "${missing_packages[@]}" | sort -u)
echo "install-deps: ${groups[*]}: missing ${missing_packages[*]}"
if [[ "$(id -u)" -ne 0 ]]; then
    echo "install-deps: installing needs root. Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing_packages[*]}" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive

# Debian starts what it installs. The tests run these programs by hand, on loopback and free ports; a policy for the time of the installation keeps
# the services down, and they are not enabled for the next start of the machine.
services=()
for package in "${missing_packages[@]}"; do
    case "$package" in prometheus | prometheus-alertmanager) services+=("$package") ;; esac
done
policy=/usr/sbin/policy-rc.d
if [[ ${#services[@]} -gt 0 && ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
lock_wait=(-o DPkg::Lock::Timeout=300)
echo "install-deps: refreshing the package lists"
apt-get "${lock_wait[@]}" -qq update
echo "install-deps: installing ${missing_packages[*]}"
apt-get "${lock_wait[@]}" -qq install -y --no-install-recommends "${missing_packages[@]}" >/dev/null
if [[ ${#services[@]} -gt 0 ]] && command -v systemctl >/dev/null 2>&1; then
    systemctl --quiet disable "${services[@]}" || echo "install-deps: cannot disable ${services[*]}: look whether they start with the machine" >&2
fi
echo "install-deps: done"
