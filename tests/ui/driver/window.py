"""One window of simple-chat: what a person does in it, by the names that a screen reader says."""

import time
from pathlib import Path

from driver import accessible, keyboard
from driver.accessible import BUTTON, DIALOG, ENTRY, SEARCH
from driver.programs import PROGRAMS, Program
from driver.waiting import until

EVERYONE = "Everyone"
# The author of what the server, or the program itself, says.
SERVER = "Server"
# How long a closed window takes to be gone for good, with room to spare.
REST_SECONDS = 0.5


class ChatWindow(Program):
    """A simple-chat with folders of its own."""

    def __init__(self, label, folder, *arguments):
        # Without a desktop's settings GTK would not take GNOME's typeface.
        settings = Path(folder) / "config" / "gtk-4.0" / "settings.ini"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("[Settings]\ngtk-font-name=Cantarell 11\n")
        super().__init__(label, [PROGRAMS / "simple-chat", *arguments], folder)
        self.downloads = self.folder / "Downloads"
        self.downloads.mkdir(exist_ok=True)
        self.recipient = EVERYONE

    @property
    def root(self):
        """The application as the accessibility bus sees it, all its windows included."""

        def registered():
            assert self.running, f"{self.label} ended with {self.process.returncode}:\n{self.last_words()}"
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

    # Pages that were shown once stay in the tree; what can be pressed tells which one is shown.

    def is_in_conversation(self):
        """Whether the conversation page is shown."""
        button = accessible.find_now(self.root, BUTTON, "Show Online")
        return button is not None and accessible.enabled(button)

    def in_conversation(self):
        """Waits for the conversation page."""
        until(f"{self.label} to be in the conversation", self.is_in_conversation)

    def at_log_in(self):
        """Waits for the log-in page, and until a name can be typed there."""

        def ready():
            entry = accessible.find_now(self.root, ENTRY, "User name")
            return entry is not None and accessible.enabled(entry) and not self.is_in_conversation()

        until(f"{self.label} to ask for a name", ready)

    def log_out(self):
        """Logs out by the menu."""
        self.choose_in_menu("Log Out")
        self.at_log_in()

    def close(self):
        """Closes the window by the button in its title bar, and waits for the program to end."""
        self.press("Close")
        return self.wait_until_ended()

    def choose_in_menu(self, item, role=accessible.MENU_ITEM):
        """Opens the main menu and takes one of its items."""
        self.open("Main Menu")
        accessible.press(self.find(role, item))
        self.gone(role, item)

    def check_in_menu(self, item):
        """Opens the main menu and turns one of its items on or off."""
        self.choose_in_menu(item, accessible.CHECK_MENU_ITEM)

    def open(self, name):
        """Opens what hangs on a menu button, unless it is open."""
        accessible.press(self.find(BUTTON, name))

    def trust(self):
        """Says that the fingerprint is the right one."""
        self.press("Trust and Continue")

    # ---- Messages

    def say(self, text, to=EVERYONE):
        """Writes to everyone or to one person."""
        self.choose_recipient(to)
        self.write(text)

    def choose_recipient(self, to):
        """Chooses in *To*: everyone, somebody of the list, or else a name that is typed."""
        if self.recipient == to:
            return
        self.open("To")
        if to == EVERYONE:
            self.press(EVERYONE)
        else:
            search = self.find(SEARCH, "Find or type a name")
            accessible.type_into(search, to)
            accessible.press(self._choice_below(search, to))
        self.recipient = to
        self.gone(SEARCH, "Find or type a name")

    def _choice_below(self, search, to):
        """The person of this name in the list below the search, or the offer to write to whom was typed."""

        def choice():
            nodes = list(accessible.walk(self.root))
            below = nodes[nodes.index(search) :]
            return next((node for node in below if _offers(node, to)), None)

        return until(f"a choice of {to!r}", choice)

    def write(self, text):
        """Writes to whoever is chosen."""
        self.type_into("Message", text)
        self.press("Send")
        self._message_is_on_its_way()

    def write_by_keys(self, text):
        """Writes to whoever is chosen, without a mouse: the cursor is where messages are written."""
        keyboard.write(self.pid, text)
        keyboard.keys(self.pid, "Return")
        self._message_is_on_its_way()

    def _message_is_on_its_way(self):
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

    def reads_no_more(self, containing):
        """Waits until nothing that can be read contains this."""
        until(
            f"{self.label} to read no {containing!r}",
            lambda: not any(containing in text for text in accessible.texts(self.root)),
        )

    # ---- Dialogs

    def online_dialog(self):
        """Opens the dialog of who is online, for a `with` block."""
        return Dialog(self, "Show Online", "Online")

    def files_dialog(self):
        """Opens the dialog of the server's files, for a `with` block."""
        return FilesDialog(self, "Show Server Files", "Server Files")

    # ---- Downloads

    def download(self, path, save_as=None):
        """Downloads a file by the dialog of the server's files, under its own name or another one."""
        with self.files_dialog() as dialog:
            if save_as is None:
                accessible.press(dialog.download_button(path))
            else:
                accessible.press(dialog.find(BUTTON, f"Save {path} As…"))
                accessible.type_into(dialog.find(ENTRY, "Save as"), save_as)
                accessible.press(dialog.find(BUTTON, "Download"))
                dialog.download_button(path)

    def transfer(self, path):
        """What the row of a transfer says: amount, speed, way."""
        self.open_transfers()
        row = self.find(containing=f"{path}, ")
        return accessible.name_of(row).removeprefix(f"{path}, ")

    def open_transfers(self):
        """Opens the list of transfers, unless it is open."""
        if not self.has(containing="Clear Finished"):
            self.open("Transfers")
            self.find(containing="Clear Finished")

    def transfer_runs(self, path):
        """Waits until bytes of the file arrive."""
        self.transfer_reads(path, " of ")

    def transfer_reads(self, path, containing):
        """Waits until the row of a transfer contains this."""
        until(f"the transfer of {path} to read {containing!r}", lambda: containing in self.transfer(path))

    def cancel_transfer(self, path):
        """Gives a transfer up."""
        self.open_transfers()
        self.press(f"Cancel {path}")

    def pause_transfer(self, path):
        """Lets a transfer rest."""
        self.open_transfers()
        self.press(f"Pause {path}")

    def resume_transfer(self, path):
        """Lets a transfer that rests go on."""
        self.open_transfers()
        self.press(f"Resume {path}")

    def download_again(self, path):
        """Asks once more for a file whose transfer ended without it."""
        self.open_transfers()
        self.press(f"Download {path} Again")

    def downloads_are(self, names):
        """Waits until the folder of downloads holds exactly these."""

        def held():
            return sorted(entry.name for entry in self.downloads.iterdir()) == sorted(names)

        until(f"{self.downloads} to hold {names}", held)


class Dialog:
    """A dialog over the window, closed again at the end of its `with` block."""

    def __init__(self, window, button, title):
        self.window = window
        self.title = title
        window.press(button)
        self.root = window.find(DIALOG, title)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the dialog."""
        accessible.press(self.find(BUTTON, "Close"))
        # GTK 4.8 may crash when somebody looks at a window that is just being destroyed.
        time.sleep(REST_SECONDS)
        self.window.gone(DIALOG, self.title)

    def find(self, role=None, name=None, containing=None):
        """Waits for a widget of this dialog."""
        return accessible.find(self.root, role, name, containing)

    def shows(self, name):
        """Waits until somebody is listed."""
        return self.find(BUTTON, name)

    def shows_no(self, name):
        """Waits until somebody is not listed any more."""
        accessible.gone(self.root, BUTTON, name)

    def reads(self, containing):
        """Waits until something that can be read contains this."""
        until(f"the dialog to read {containing!r}", lambda: any(containing in text for text in accessible.texts(self.root)))


class FilesDialog(Dialog):
    """The dialog of the server's files."""

    def download_button(self, path):
        """The button that downloads a file."""
        return self.find(BUTTON, f"Download {path}")

    def offers(self, path):
        """Waits until a file is listed."""
        self.download_button(path)

    def offers_no(self, path):
        """Waits until a file is not listed any more."""
        accessible.gone(self.root, BUTTON, f"Download {path}")


def _offers(node, name):
    return accessible.matches(node, BUTTON, name) or accessible.matches(node, BUTTON, f"Write to “{name}”")


def _is_time(text):
    hours, colon, minutes = text.partition(":")
    return bool(colon) and hours.isdigit() and minutes.isdigit()
