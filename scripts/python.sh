#!/usr/bin/env bash
# Runs python with the packages of a requirements file, in a virtual environment of its own in the cache:
#   scripts/python.sh REQUIREMENTS ARGUMENTS...
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
requirements=$1
shift

"$project/scripts/install-deps.sh" stack >&2
environment=$cache/python/$(cat "$requirements" <(python3 --version) | sha256sum | cut -c1-16)
if [[ ! -f $environment/complete ]]; then
    echo "python: installing the packages of $requirements" >&2
    mkdir -p "$cache/python"
    # One at a time: a virtual environment cannot be renamed into place, it holds its own path.
    exec 9>"$environment.lock"
    flock 9
    if [[ ! -f $environment/complete ]]; then
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
        touch "$environment/complete"
    fi
    exec 9>&-
fi
exec "$environment/bin/python" "$@"
