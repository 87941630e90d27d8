"""The programs under test, each in folders of its own, and none left behind."""

import atexit
import base64
import json
import os
import signal
import subprocess
from pathlib import Path

from driver.waiting import until

PROJECT = Path(__file__).resolve().parents[3]
# Where the built programs are.
PROGRAMS = Path(os.environ.get("PROGRAMS", PROJECT / "target" / "debug"))
STOP_SECONDS = 10
LOG_LINES_SHOWN = 12

_started = []


@atexit.register
def stop_all():
    """Leaves nothing behind, however the tests end."""
    for program in reversed(_started):
        program.stop()


class Program:
    """A process that was started here. Its standard error goes to a log of its own."""

    def __init__(self, label, arguments, folder, **environment):
        self.label = label
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder / "log"
        self.output_path = self.folder / "output"
        with open(self.log_path, "ab") as log, open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env={**os.environ, **_homes(self.folder), **environment},
                start_new_session=True,
            )
        _started.append(self)

    @property
    def pid(self):
        """The process id: what tells two windows apart."""
        return self.process.pid

    @property
    def running(self):
        """Whether the process has not ended."""
        return self.process.poll() is None

    def lines(self):
        """The complete lines that it has written on standard output."""
        return self.output_path.read_text(errors="replace").split("\n")[:-1]

    def last_words(self):
        """The beginning of its log: what went wrong first."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[:LOG_LINES_SHOWN])

    def wait_until_ended(self):
        """Waits for the process to end by itself and returns its exit code."""
        until(f"{self.label} to end", lambda: not self.running)
        return self.process.returncode

    def stop(self):
        """Asks it to end, and makes it."""
        if not self.running:
            return self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode

    def interrupt(self):
        """Presses Ctrl+C and waits for it to end."""
        self.process.send_signal(signal.SIGINT)
        return self.wait_until_ended()

    def kill(self):
        """Ends it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Server(Program):
    """A chat-server on a port of its own, with a data folder and a files folder."""

    def __init__(self, folder, address="127.0.0.1:0", files=None, name="Test Server", config=""):
        folder = Path(folder)
        self.files = Path(files) if files else folder / "ServerFiles"
        self.files.mkdir(parents=True, exist_ok=True)
        arguments = [PROGRAMS / "chat-server", "--listen", address]
        arguments += ["--data", folder / "data", "--files", self.files, "--name", name]
        if config:
            (folder / "server.toml").write_text(config)
            arguments += ["--config", folder / "server.toml"]
        super().__init__("chat-server", arguments, folder)
        self.link = self._first_line()
        self.port = int(self.link.split("/")[2].rsplit(":", 1)[1])
        self.fingerprint = _groups(self.link.split("fp=")[1].split("&")[0])

    def restarted(self):
        """The same server again: same port, same key, same files."""
        return Server(self.folder, address=f"127.0.0.1:{self.port}", files=self.files)

    def order(self, *words):
        """What whoever runs it says to it; gives the answer."""
        command = [PROGRAMS / "chat-server", *words, "--data", self.folder / "data"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _first_line(self):
        def line_or_end():
            assert self.running, f"chat-server ended at once:\n{self.last_words()}"
            return self.lines()

        return until("chat-server to print its invite link", line_or_end)[0]


class Cli(Program):
    """A simple-chat-cli that logs in as `name`."""

    def __init__(self, server, name, folder, *command):
        arguments = [PROGRAMS / "simple-chat-cli", "--server", server.link, "--name", name, "--json"]
        super().__init__(f"cli-{name}", [*arguments, *command], folder)

    def events(self, kind):
        """The events of one kind that it has printed so far."""
        events = [json.loads(line) for line in self.lines()]
        return [event for event in events if event.get("event") == kind]

    def wait_for(self, kind, **fields):
        """Waits for an event of this kind with these fields."""

        def first():
            for event in self.events(kind):
                if fields.items() <= event.items():
                    return event
            return None

        return until(f"{self.label} to print {kind} {fields}", first)


def _groups(pin):
    """A pin as people compare it: base64url in links, groups of hexadecimal digits on the screen."""
    digits = base64.urlsafe_b64decode(pin + "=").hex().upper()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _homes(folder):
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "share"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_DOWNLOAD_DIR": str(folder / "Downloads"),
    }
