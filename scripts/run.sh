#!/bin/bash
# Builds Simple Chat, starts its server on ServerFiles/ and opens the window on it. Ends the server when the
# window is closed. Without a display two people use it on a virtual one instead: see tour.sh.
#
# PORT=NUMBER takes another port than 5050.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${DISPLAY:-}" ] && [ -z "${WAYLAND_DISPLAY:-}" ]; then
    echo "There is no display: two people will use Simple Chat on a virtual one."
    exec scripts/tour.sh
fi

cargo build --release -p chat-server -p gtk-client

port=${PORT:-5050}
output=$(mktemp --directory)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$output"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkfifo "$output/link"
target/release/chat-server --listen "127.0.0.1:$port" --listen "[::1]:$port" --files ServerFiles \
    >"$output/link" 2>"$output/log" &
server=$!
# The first line is the invite link; the pipe ends without one if the server cannot start.
if ! read -r link <"$output/link"; then
    cat "$output/log" >&2
    echo "The server did not start. If port $port is in use: PORT=$((port + 1)) make run" >&2
    exit 1
fi
echo "The server is up. Others on this machine join with"
echo "    $link"

target/release/simple-chat "$link"
