#!/usr/bin/env bash
# Checks docker-compose.yml, the Dockerfile and the Grafana files without a container engine (tests/stack/README.md), and
# with 'sql' prints the dashboards' queries.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
check=("$project/scripts/python.sh" "$project/tests/stack/requirements.txt" "$project/tests/stack/check_stack.py")
if [[ $# -gt 0 ]]; then exec "${check[@]}" "$@"; fi
"${check[@]}" check
"${check[@]}" self-test
