#!/bin/bash
# What is checked without running the programs: formatting, clippy without a warning, packaging files.
set -euo pipefail
cd "$(dirname "$0")/.."

# rustup's minimal profile comes without them.
for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done
cargo fmt --all --check
# A workspace of its own. Clippy there builds the peers, which takes minutes: `make lint-peers`.
cargo fmt --all --check --manifest-path crates/bench/peers/Cargo.toml
cargo clippy --workspace --all-targets -- --deny warnings
scripts/check-packaging.sh
