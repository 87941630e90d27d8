"""Real key presses in one window. There is no window manager on the test's screen: the focus is set by hand."""

import subprocess

from driver.waiting import until


def window_id(pid):
    """The X window of process `pid` that is seen: its largest, as menus and the like are windows too."""
    found = _xdotool("search", "--all", "--onlyvisible", "--pid", str(pid)).split()
    return max(found, key=_area, default=None)


def keys(pid, *combinations):
    """Presses key combinations such as `ctrl+w` in the window of process `pid`."""
    focus(pid)
    _xdotool("key", "--clearmodifiers", *combinations)


def write(pid, text):
    """Types text, a key at a time, in the window of process `pid`."""
    focus(pid)
    _xdotool("type", "--delay", "5", "--", text)


def focus(pid):
    """Brings the window of process `pid` to the front and gives it the keyboard."""
    window = until("a window to type into", lambda: window_id(pid))
    _xdotool("windowraise", window, "windowfocus", "--sync", window)


def place(pid, x, y):
    """Moves the window of process `pid`."""
    window = until("a window to move", lambda: window_id(pid))
    _xdotool("windowmove", window, str(x), str(y))


def _area(window):
    shape = dict(
        line.split("=", 1) for line in _xdotool("getwindowgeometry", "--shell", window).split() if "=" in line
    )
    return int(shape.get("WIDTH", 0)) * int(shape.get("HEIGHT", 0))


def _xdotool(*arguments):
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
