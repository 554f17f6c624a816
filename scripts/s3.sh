#!/usr/bin/env bash
# An S3 server (moto, from PyPI) for tests, on a free port of loopback, with one bucket named `state`. Its Python packages
# live in a virtual environment in the cache; a second run finds them there. Nothing is kept: the server's data is in memory.
#
#   scripts/s3.sh install          only installs
#   scripts/s3.sh serve [locked]   prints `s3 at URL` and serves until its standard input ends; locked: refuses all keys
#
#   COST_RHYTHM_CACHE   cache directory, shared by all clones (default: ~/.cache/cost-rhythm)
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
requirements=$project/runtime/tests/s3/requirements.txt

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

install() {
    "$project/scripts/install-deps.sh" stack >&2
    environment=$cache/s3/$(cat "$requirements" <(python3 --version) | sha256sum | cut -c1-16)
    if [[ -f $environment/complete ]]; then return; fi
    echo "s3: installing its Python packages" >&2
    mkdir -p "$cache/s3"
    # One at a time: a virtual environment cannot be renamed into place, it holds its own path.
    exec 9>"$environment.lock"
    flock 9
    if [[ ! -f $environment/complete ]]; then
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
        touch "$environment/complete"
    fi
    exec 9>&-
}

case "${1:-help}" in
    install) install ;;
    serve)
        install
        exec "$environment/bin/python" "$project/runtime/tests/s3/server.py" "${@:2}"
        ;;
    help | -h | --help) usage ;;
    *) echo "s3: unknown command '$1'" >&2; usage >&2; exit 2 ;;
esac
