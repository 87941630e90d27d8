#!/bin/bash
# headless-session.sh COMMAND...: runs COMMAND in a desktop session without a desktop: an X server, a session
# bus and an accessibility bus that nobody else sees, and a home folder that is thrown away.
#
# Works as root, in a container and without systemd. GEOMETRY sets the size of the screen.
set -euo pipefail

home=$(mktemp --directory)
runtime=$(mktemp --directory)
started=()
clean_up() {
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${started[i]}" 2>/dev/null || true
        wait "${started[i]}" 2>/dev/null || true
    done
    rm -rf "$home" "$runtime"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Only the accessibility bus may be started on demand: with the system's own folders of services every
# window would first wait for the desktop portals.
mkdir "$runtime/services"
cat >"$runtime/services/org.a11y.Bus.service" <<SERVICE
[D-BUS Service]
Name=org.a11y.Bus
Exec=/usr/libexec/at-spi-bus-launcher
SERVICE
cat >"$runtime/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=$runtime</listen>
  <servicedir>$runtime/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
CONF

unset DISPLAY WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS AT_SPI_BUS_ADDRESS
export HOME=$home XDG_RUNTIME_DIR=$runtime
export XDG_CONFIG_HOME=$home/.config XDG_CACHE_HOME=$home/.cache
export XDG_DATA_HOME=$home/.local/share XDG_STATE_HOME=$home/.local/state
export XDG_SESSION_TYPE=x11 GDK_BACKEND=x11 GSK_RENDERER=cairo LC_ALL=C.UTF-8
export GTK_A11Y=atspi GTK_USE_PORTAL=0 ADW_DISABLE_PORTAL=1 GSETTINGS_BACKEND=memory

# Each of the two picks a free address and writes it once it listens: reading it waits for that.
exec {address}<> <(:)
wait_for() {
    local line
    if ! read -r -t 30 -u "$address" line; then
        echo "$1 did not start:" >&2
        cat "$home/$1.log" >&2
        return 1
    fi
    echo "$line"
}

Xvfb -displayfd "$address" -screen 0 "${GEOMETRY:-1280x900}x24" -nolisten tcp -noreset \
    >"$home/Xvfb.log" 2>&1 &
started+=($!)
DISPLAY=:$(wait_for Xvfb)
export DISPLAY

dbus-daemon --nofork --config-file="$runtime/bus.conf" --print-address="$address" \
    >"$home/dbus-daemon.log" 2>&1 &
started+=($!)
DBUS_SESSION_BUS_ADDRESS=$(wait_for dbus-daemon)
export DBUS_SESSION_BUS_ADDRESS

"$@" {address}<&- &
command=$!
started+=("$command")
trap 'kill -TERM "$command" 2>/dev/null' INT TERM
status=0
wait "$command" || status=$?
# A trapped signal ends the first wait early: the command then still cleans up.
wait "$command" 2>/dev/null || true
exit "$status"
