#!/usr/bin/env bash
# An S3 server (moto, from PyPI) for tests, on a free port of loopback, with one bucket named `state`. Nothing is
# kept: the server's data is in memory.
#
#   scripts/s3.sh install          only installs
#   scripts/s3.sh serve [locked]   prints `s3 at URL` and serves until its standard input ends; locked: refuses all keys
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=("$project/scripts/python.sh" "$project/runtime/tests/s3/requirements.txt")

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0"; }

case "${1:-help}" in
    install) "${python[@]}" -c "" ;;
    serve) exec "${python[@]}" "$project/runtime/tests/s3/server.py" "${@:2}" ;;
    help | -h | --help) usage ;;
    *) echo "s3: unknown command '$1'" >&2; usage >&2; exit 2 ;;
esac
