#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS (60 unless told otherwise), on the corpus in fuzz/corpus.
# What libFuzzer finds new there goes to target/fuzz-corpus; a failing input stays in fuzz/artifacts and
# belongs into fuzz/corpus once the fault is mended.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

targets=${FUZZ_TARGETS:-$(cargo fuzz list)}
for target in $targets; do
    printf '\n== %s, %s s\n' "$target" "$seconds"
    found=target/fuzz-corpus/$target
    mkdir -p "$found"
    # No sanitizer: the code is safe Rust, and so the stable compiler does.
    cargo fuzz run --sanitizer none --target-dir target/fuzz "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
done
