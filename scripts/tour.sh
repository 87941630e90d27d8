#!/bin/bash
# Builds Simple Chat and lets two people use it on a virtual display, step by step as it prints. Leaves a
# picture of their windows in target/tour/. Ends with 0 only if every step worked.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release -p chat-server -p gtk-client
export PROGRAMS=$PWD/target/release GEOMETRY=1840x700
exec scripts/headless-session.sh /usr/bin/python3 tests/ui/tour.py
