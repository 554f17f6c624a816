#!/usr/bin/env bash
# Fetches the embedded ClickHouse engine (libchdb.so) from its npm package and checks it against the pinned hash.
# The last line printed is the path of the library. A second run finds it in the cache and is instant.
#
#   COST_RHYTHM_CACHE   cache directory, shared by all clones (default: ~/.cache/cost-rhythm)
set -euo pipefail

readonly VERSION=26.7.3-stable.1
readonly PACKAGE=@chdb/lib-linux-x64-gnu
readonly TARBALL_SHA512=XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==

fail() {
    echo "install-engine: $*" >&2
    exit 1
}
say() { echo "install-engine: $*" >&2; }

if [[ $# -gt 0 ]]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi

platform="$(uname -s)-$(uname -m)"
[[ $platform == Linux-x86_64 ]] ||
    fail "the engine is published for Linux on x86-64 only, this is $platform; use a ClickHouse server instead (clickhouse.url in the configuration)"

cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
directory=$cache/engine/$VERSION
library=$directory/libchdb.so

# The hash file is written beside the library in the same rename, so one without the other never appears.
if [[ -s $library && "$(cat "$directory/npm-sha512" 2>/dev/null)" == "$TARBALL_SHA512" ]]; then
    say "found in the cache"
    echo "$library"
    exit 0
fi

for tool in npm tar openssl; do
    command -v "$tool" >/dev/null 2>&1 || fail "'$tool' is missing: run scripts/install-deps.sh engine"
done

mkdir -p "$cache/engine"
work=$(mktemp -d "$cache/engine/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching npm package $PACKAGE $VERSION (566 MB unpacked)"
# An empty package.json keeps npm from reading a project's own settings further up.
echo '{}' >"$work/package.json"
(cd "$work" && npm pack --silent --pack-destination "$work" "$PACKAGE@$VERSION" >"$work/npm.out" 2>&1) ||
    fail "npm could not fetch the package: $(tail -n 5 "$work/npm.out")"
tarballs=("$work"/*.tgz)
[[ ${#tarballs[@]} -eq 1 && -f ${tarballs[0]} ]] || fail "npm left no package behind: $(cat "$work/npm.out")"

found=$(openssl dgst -sha512 -binary "${tarballs[0]}" | openssl base64 -A)
[[ $found == "$TARBALL_SHA512" ]] ||
    fail "the package is not the expected one: sha512 is $found, expected $TARBALL_SHA512"

say "unpacking"
mkdir "$work/ready" "$work/unpacked"
tar -xzf "${tarballs[0]}" -C "$work/unpacked"
unpacked=$(find "$work/unpacked" -name libchdb.so -type f -print -quit)
[[ -n $unpacked ]] || fail "the package holds no libchdb.so"
mv "$unpacked" "$work/ready/libchdb.so"
# The licence travels with the library.
find "$work/unpacked" -maxdepth 2 -iname 'licen*' -type f -exec cp {} "$work/ready/" \;
echo "$TARBALL_SHA512" >"$work/ready/npm-sha512"
chmod 755 "$work/ready"

if [[ -e $directory ]]; then
    # Broken, of another package, or put there by another run just now: the new one takes its place.
    mv "$directory" "$work/old"
fi
# -T: never into a directory that another run has put there meanwhile (its content is the same, and stays).
mv -T "$work/ready" "$directory" 2>/dev/null || [[ -s $library ]] || fail "cannot write $directory"
say "ready"
echo "$library"
