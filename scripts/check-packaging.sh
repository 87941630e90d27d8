#!/bin/bash
# Holds every file of packaging/ against the validator of its kind, and the scripts against the shell's.
set -euo pipefail
cd "$(dirname "$0")/.."

app=org.simplechat.SimpleChat
# Of systemd-analyze security: 0 is locked in, 100 may do anything. As --threshold takes it; printed as a tenth.
exposure_max=15

say() {
    printf '%-34s %s\n' "$1" "$2"
}

desktop-file-validate packaging/desktop/$app.desktop
say "$app.desktop" valid

appstreamcli validate --no-net --pedantic packaging/desktop/$app.metainfo.xml >/dev/null ||
    appstreamcli validate --no-net --pedantic --explain packaging/desktop/$app.metainfo.xml
say "$app.metainfo.xml" valid

for icon in packaging/icons/hicolor/*/apps/*.svg; do
    xmllint --noout --nonet "$icon"
done
say "icons" well-formed

/usr/bin/python3 -m json.tool packaging/flatpak/$app.json >/dev/null
say "$app.json" well-formed

# The unit names programs where a package puts them; the check reads the ones of this system instead.
unit_folder=$(mktemp --directory)
trap 'rm -rf "$unit_folder"' EXIT
sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' packaging/systemd/simple-chat-server.service \
    >"$unit_folder/simple-chat-server.service"
cp packaging/systemd/simple-chat-server.socket "$unit_folder"
systemd-analyze verify --man=no "$unit_folder"/simple-chat-server.{service,socket}
say simple-chat-server.socket valid
systemd-analyze security --offline=true --no-pager --threshold=$exposure_max \
    "$unit_folder/simple-chat-server.service" >"$unit_folder/report" ||
    { cat "$unit_folder/report"; exit 1; }
say simple-chat-server.service "$(sed -n 's/.*\(exposure level\).*: \([0-9.]* [A-Z]*\).*/\1 \2/p' "$unit_folder/report")"

for script in scripts/*.sh .ci/run; do
    bash -n "$script"
done
say "scripts" well-formed
