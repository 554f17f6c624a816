#!/usr/bin/env bash
# Fuzzes what reads bytes of others, guided by coverage, on the pinned toolchain: libFuzzer with the compiler's coverage counters, which need no
# nightly. Needs a C++ compiler. Starts from fuzz/seeds/ and what earlier runs here left in fuzz/corpus/; a found case is written to fuzz/found/.
# The limit is on resident memory: one on single allocations would need a sanitizer, which needs a nightly.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t targets < <(ls fuzz/seeds)
seconds=${FUZZ_SECONDS:-600}
if [[ ${1:-} == help || ${1:-} == --help || ${1:-} == -h ]]; then
    echo "usage: scripts/fuzz.sh [TARGET...]     FUZZ_SECONDS=$seconds each; targets: ${targets[*]}"
    exit
fi
if [[ $# -gt 0 ]]; then targets=("$@"); fi

host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
echo "fuzz: building (minutes at the first time)" >&2
cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir target/fuzz
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" fuzz/found
    echo "fuzz: $target for $seconds s" >&2
    FUZZ_TARGET=$target "target/fuzz/$host/release/fuzz" "fuzz/corpus/$target" "fuzz/seeds/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="fuzz/found/$target-" -print_final_stats=1 -verbosity=0
done
