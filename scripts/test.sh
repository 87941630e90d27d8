#!/bin/bash
# Every test there is, cheapest first, each program built once. Stops at the first step that fails.
# The last line counts the tests of the window.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    printf '\n== %s\n' "$*"
}

step "Formatting, clippy, packaging"
scripts/lint.sh

step "Build"
cargo build --workspace --all-targets

step "Unit tests, architecture, wire bytes, simulator, real server and client"
cargo test --workspace --no-fail-fast

step "A real disk that runs full"
if unshare --map-root-user --mount true 2>/dev/null; then
    cargo test --workspace --test recovery -- --exact --ignored a_disk_that_runs_full_is_waited_for
    cargo test --workspace --test real_server -- --exact --ignored \
        chaos::a_full_disk_loses_nothing_that_was_acknowledged_and_tells_nothing_twice
else
    echo "skipped: this system gives no mount namespaces"
fi

step "The window, as a person uses it"
scripts/headless-session.sh /usr/bin/python3 tests/ui
