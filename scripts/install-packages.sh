#!/bin/bash
# install-packages.sh [LIST]: installs the packages of LIST (packaging/debian-packages.txt) that are missing.
# Where it may not, it says the one command that a person has to run first. Costs a few milliseconds when
# nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t wanted < <(sed -E 's/#.*//; s/[[:space:]]+$//; /^$/d' "${1:-packaging/debian-packages.txt}")

installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^installed //p') || true
mapfile -t missing < <(comm -13 <(sort -u <<<"$installed") <(printf '%s\n' "${wanted[@]}" | sort -u))
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ]; then
    as_root=(env DEBIAN_FRONTEND=noninteractive)
elif sudo --non-interactive true 2>/dev/null; then
    as_root=(sudo --non-interactive env DEBIAN_FRONTEND=noninteractive)
else
    cat >&2 <<SAY
These packages are missing, and only root may install them. Please run this first:

    sudo ${install[*]}

SAY
    exit 1
fi

echo "Installing ${missing[*]}"
# The lists may be old or, in a container, not there at all.
"${as_root[@]}" "${install[@]}" </dev/null >/dev/null 2>&1 || {
    "${as_root[@]}" apt-get update </dev/null
    "${as_root[@]}" "${install[@]}" </dev/null
}
