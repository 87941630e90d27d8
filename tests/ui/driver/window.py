"""One window of simple-chat: what a person does in it, by the names that a screen reader says."""

from driver import accessible, keyboard
from driver.accessible import BUTTON, ENTRY
from driver.programs import PROGRAMS, Program
from driver.waiting import until

EVERYONE = "Everyone"
# The author of what the server, or the program itself, says.
SERVER = "Server"


class ChatWindow(Program):
    """A simple-chat with folders of its own."""

    def __init__(self, label, folder, *arguments):
        super().__init__(label, [PROGRAMS / "simple-chat", *arguments], folder)
        self.downloads = self.folder / "Downloads"
        self.downloads.mkdir(exist_ok=True)

    @property
    def root(self):
        """The application as the accessibility bus sees it, all its windows included."""

        def registered():
            assert self.running, f"{self.label} ended with {self.process.returncode}: {self.log_path.read_text()}"
            return accessible.application(self.pid)

        return until(f"{self.label} on the accessibility bus", registered)

    def find(self, role=None, name=None, containing=None):
        """Waits for a widget of this window."""
        return accessible.find(self.root, role, name, containing)

    def has(self, role=None, name=None, containing=None):
        """Whether the widget is there now."""
        return accessible.find_now(self.root, role, name, containing) is not None

    def gone(self, role=None, name=None, containing=None):
        """Waits until the widget is gone."""
        accessible.gone(self.root, role, name, containing)

    def press(self, name, role=BUTTON):
        """Presses the button of this name."""
        accessible.press(self.find(role, name))

    def type_into(self, entry, text):
        """Replaces what stands in the entry of this name."""
        accessible.type_into(self.find(ENTRY, entry), text)

    def keys(self, *combinations):
        """Presses keys, such as `ctrl+w`."""
        keyboard.keys(self.pid, *combinations)

    # ---- Logging in and out

    def ask_for(self, name):
        """Fills in a name and presses *Log In*."""
        self.type_into("User name", name)
        self.press("Log In")

    def log_in(self, name):
        """Logs in and waits for the conversation."""
        self.ask_for(name)
        self.in_conversation()
        return self

    def in_conversation(self):
        """Waits for the conversation page."""
        self.find(ENTRY, "Message")

    def at_log_in(self):
        """Waits for the log-in page."""
        self.find(ENTRY, "User name")

    def log_out(self):
        """Logs out by the menu."""
        self.choose_in_menu("Log Out")
        self.at_log_in()

    def close(self):
        """Closes the window by the button in its title bar, and waits for the program to end."""
        self.press("Close")
        return self.wait_until_ended()

    def choose_in_menu(self, item):
        """Opens the main menu and takes one of its items."""
        self.open_popup("Main Menu", containing=item)
        accessible.press(self.find(accessible.MENU_ITEM, item))
        self.gone(accessible.MENU_ITEM, item)

    def open_popup(self, button, containing):
        """Presses a button until what it opens is there: one press may fall on a popup that still closes."""
        accessible.press(self.find(name=button))
        self.find(containing=containing)

    # ---- Messages

    def say(self, text, to=EVERYONE):
        """Writes to everyone or to one person."""
        self.choose_recipient(to)
        self.type_into("Message", text)
        self.press("Send")
        until("the message to be on its way", lambda: accessible.read(self.find(ENTRY, "Message")) == "")

    def rows(self):
        """The rows of the conversation that can be seen, as (author, text)."""
        found = []
        for node in accessible.walk(self.root):
            parts = accessible.name_of(node).split(", ", 2)
            if len(parts) == 3 and _is_time(parts[1]):
                found.append((parts[0], parts[2]))
        return found

    def sees(self, author, text):
        """Waits for a row of this author with this text."""
        until(f"{self.label} to see {author!r} write {text!r}", lambda: (author, text) in self.rows())

    def is_told(self, containing):
        """Waits for a row of the server's, or the program's own, that contains this."""

        def told():
            return next((text for author, text in self.rows() if author == SERVER and containing in text), None)

        return until(f"{self.label} to be told {containing!r}", told)

    def reads(self, containing):
        """Waits until something that can be read contains this."""

        def found():
            return next((text for text in accessible.texts(self.root) if containing in text), None)

        return until(f"{self.label} to read {containing!r}", found)


def _is_time(text):
    hours, colon, minutes = text.partition(":")
    return bool(colon) and hours.isdigit() and minutes.isdigit()
