#!/usr/bin/env bash
# Checks docker-compose.yml, the Dockerfile and the Grafana files without a container engine (tests/stack/README.md), and
# with 'sql' prints the dashboards' queries. Its Python packages live in a virtual environment in the cache.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
requirements=$project/tests/stack/requirements.txt

"$project/scripts/install-deps.sh" stack >&2
environment=$cache/stack/$(cat "$requirements" <(python3 --version) | sha256sum | cut -c1-16)
if [[ ! -f $environment/complete ]]; then
    echo "check-stack: installing its Python packages" >&2
    mkdir -p "$cache/stack"
    # One at a time: a virtual environment cannot be renamed into place, it holds its own path.
    exec 9>"$environment.lock"
    flock 9
    if [[ ! -f $environment/complete ]]; then
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
        touch "$environment/complete"
    fi
fi

check=("$environment/bin/python" "$project/tests/stack/check_stack.py")
if [[ $# -gt 0 ]]; then exec "${check[@]}" "$@"; fi
"${check[@]}" check
"${check[@]}" self-test
