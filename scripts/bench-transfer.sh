#!/bin/bash
# bench-transfer.sh [PART...] [--quick]: measures the transfer engine beside quinn, s2n-quic, nginx and the
# machine's ceiling, and writes docs/BENCHMARKS.md. Without a PART, all of them. Installs and builds what
# is missing. The parts with an emulated link need root.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh packaging/debian-packages-bench.txt
# As packages ship it; the peers are built in the same way.
cargo build --profile dist -p chat-server -p chat-client -p bench
CARGO_TARGET_DIR=$PWD/target/peers cargo build --release --locked --manifest-path crates/bench/peers/Cargo.toml
exec target/dist/bench transfer "$@"
