#!/bin/bash
# bench-chat.sh [PART...] [--quick]: measures the chat beside ngIRCd, Mumble's server and a bare fan-out with one
# load generator, and writes docs/BENCHMARKS.md. Without a PART, all of them. Installs and builds what is
# missing. Needs two cores: one for the server, one for the load.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh packaging/debian-packages-bench-chat.txt
# As packages ship it.
cargo build --profile dist -p chat-server -p chat-client -p bench
exec target/dist/bench chat "$@"
