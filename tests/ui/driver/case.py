"""The base of every test of the window: a server of its own, windows and command lines on it, evidence of a failure."""

import os
import shutil
import tempfile
import unittest
from pathlib import Path

from driver import evidence
from driver.programs import PROJECT, Cli, Server
from driver.window import ChatWindow

FAILURES = PROJECT / "target" / "ui-failures"


class WindowTest(unittest.TestCase):
    """One feature, on real programs."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="simple-chat-ui-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.programs = []
        self.addCleanup(self._stop_all)

    def start_server(self, **options):
        """A server on a free port; with `files`, a folder of the test's."""
        return self._started(Server(self.folder / "server", **options))

    def restart(self, server):
        """Starts a killed server again on its port, with its key."""
        return self._started(server.restarted())

    def open_window(self, *arguments, label="window"):
        """A window that is not logged in."""
        return self._started(ChatWindow(label, self.folder / label, *arguments))

    def enter(self, server, name):
        """A window in which `name` is logged in."""
        return self.open_window(server.link, label=name).log_in(name)

    def cli(self, server, name, *command):
        """A person on the command line."""
        return self._started(Cli(server, name, self.folder / f"cli-{len(self.programs)}", *command))

    def listener(self, server, name):
        """A person on the command line who is logged in and listens."""
        cli = self.cli(server, name, "listen")
        cli.wait_for("connected")
        return cli

    def keep_evidence(self):
        """Called on a failure, while everything still runs."""
        evidence.keep(FAILURES / self.id().rsplit(".", 1)[-1], self.programs)

    def _started(self, program):
        self.programs.append(program)
        return program

    def _stop_all(self):
        for program in reversed(self.programs):
            program.stop()


def make_file(path, size):
    """Writes a file of `size` bytes that no compression and no mix-up would survive; returns its bytes."""
    contents = os.urandom(size)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(contents)
    return contents
