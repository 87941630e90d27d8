"""What is on the screen, as a screen reader sees it: finding widgets by role and name, pressing, typing, reading.

Every function takes an `Atspi.Accessible` first. Widgets come and go while the tree is walked, so a branch
that vanishes meanwhile is passed over.
"""

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402 (the version has to be named first)

from driver.waiting import until  # noqa: E402

# GTK 4.8 has no cache for accessibility clients, and libatspi says so each time it asks for one.
GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)

BUTTON = "push button"
DIALOG = "dialog"
ENTRY = "text"
LABEL = "label"
MENU_ITEM = "menu item"
CHECK_MENU_ITEM = "check menu item"
SEARCH = "entry"


def application(pid):
    """The application that runs as process `pid`, or None while it has not registered."""
    desktop = Atspi.get_desktop(0)
    for child in _children(desktop):
        try:
            if child.get_process_id() == pid:
                return child
        except GLib.Error:
            continue
    return None


def name_of(node):
    """What a screen reader calls the widget; empty for one without a name."""
    try:
        return node.get_name() or ""
    except GLib.Error:
        return ""


def walk(node):
    """`node` and everything below it that can be seen, parents first."""
    yield node
    for child in _children(node):
        if _visible(child):
            yield from walk(child)


def matches(node, role=None, name=None, containing=None):
    """Whether a widget has this role, this very name, and a name that contains this."""
    try:
        return (
            (role is None or node.get_role_name() == role)
            and (name is None or name_of(node) == name)
            and (containing is None or containing in name_of(node))
        )
    except GLib.Error:
        return False


def find_all(root, role=None, name=None, containing=None):
    """All widgets below `root` that match, in reading order."""
    return [node for node in walk(root) if matches(node, role, name, containing)]


def find_now(root, role=None, name=None, containing=None):
    """The first widget below `root` that matches, or None."""
    return next((node for node in walk(root) if matches(node, role, name, containing)), None)


def find(root, role=None, name=None, containing=None):
    """Waits for the first widget below `root` that matches."""
    what = f"{role or 'widget'} named {name or '…' + (containing or '') + '…'!r}"
    return until(what, lambda: find_now(root, role, name, containing))


def gone(root, role=None, name=None, containing=None):
    """Waits until nothing below `root` matches any more."""
    what = f"{role or 'widget'} named {name or containing!r} to go away"
    return until(what, lambda: find_now(root, role, name, containing) is None)


def press(node):
    """Does what a click does."""
    until(f"{name_of(node)!r} to be enabled", lambda: enabled(node))
    assert node.get_action_iface().do_action(0), f"{name_of(node)!r} refused to be pressed"


def enabled(node):
    """Whether the widget reacts."""
    states = node.get_state_set()
    return states.contains(Atspi.StateType.SENSITIVE) or states.contains(Atspi.StateType.ENABLED)


def type_into(node, text):
    """Replaces the text of an entry."""
    assert node.get_editable_text_iface().set_text_contents(text), f"{name_of(node)!r} takes no text"
    until(f"{name_of(node)!r} to read {text!r}", lambda: read(node) == text)


def read(node):
    """The text of an entry or label."""
    text = node.get_text_iface()
    if text is None:
        return name_of(node)
    return Atspi.Text.get_text(text, 0, Atspi.Text.get_character_count(text))


def texts(root):
    """Everything that can be read below `root`: names and the texts of labels, for looking something up."""
    found = []
    for node in walk(root):
        try:
            found.append(name_of(node))
            if node.get_role_name() == LABEL:
                found.append(read(node))
        except GLib.Error:
            continue
    return [text for text in found if text]


def outline(node, depth=0):
    """The tree below `node` in words, one widget a line, hidden ones too."""
    try:
        component = node.get_component_iface()
        shape = component and _extents(component)
        size = f" {shape.width}x{shape.height}" if shape else ""
        yield f"{'  ' * depth}{node.get_role_name()} {name_of(node)!r}{size}{'' if enabled(node) else ' insensitive'}"
    except GLib.Error:
        return
    for child in _children(node):
        yield from outline(child, depth + 1)


def _children(node):
    try:
        count = node.get_child_count()
    except GLib.Error:
        return
    for index in range(count):
        try:
            child = node.get_child_at_index(index)
        except GLib.Error:
            continue
        if child is not None:
            yield child


def _visible(node):
    # GTK 4.8 does not tell which page of a stack is shown: one that has never been has no extent, one that has been
    # keeps it. A page itself has no component to ask; what is on it decides.
    try:
        if not node.get_state_set().contains(Atspi.StateType.VISIBLE):
            return False
        component = node.get_component_iface()
    except GLib.Error:
        return False
    shape = component and _extents(component)
    return component is None or (shape is not None and shape.width > 0 and shape.height > 0)


def _extents(component):
    try:
        return component.get_extents(Atspi.CoordType.WINDOW)
    except GLib.Error:
        return None
