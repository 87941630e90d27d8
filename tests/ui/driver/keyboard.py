"""Real key presses in one window. There is no window manager on the test's screen: the focus is set by hand."""

import subprocess

from driver.waiting import until


def window_id(pid):
    """The X window of process `pid` that is seen: its largest, as dialogs and menus are windows too."""
    return max(_window_ids(pid), key=_area, default=None)


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


def place_dialog(pid, x, y):
    """Moves the dialog of process `pid`: its window that is large, but not the largest."""
    windows = until("a dialog to move", lambda: _two_or_more(_window_ids(pid)))
    dialog = sorted(windows, key=_area)[-2]
    _xdotool("windowmove", "--sync", dialog, str(x), str(y))


def _two_or_more(windows):
    return windows if len(windows) > 1 else None


def _window_ids(pid):
    return _xdotool("search", "--all", "--onlyvisible", "--pid", str(pid)).split()


def _area(window):
    shape = dict(
        line.split("=", 1) for line in _xdotool("getwindowgeometry", "--shell", window).split() if "=" in line
    )
    return int(shape.get("WIDTH", 0)) * int(shape.get("HEIGHT", 0))


def _xdotool(*arguments):
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
