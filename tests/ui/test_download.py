"""Downloading a file of the server."""

import os

from driver.case import WindowTest, make_file
from driver.relay import TcpRelay

# Takes seconds to come over: there is time to do something meanwhile. It has holes, so it costs no disk here.
LARGE_BYTES = 3 << 30


def make_large(path):
    with open(path, "wb") as file:
        os.truncate(file.fileno(), LARGE_BYTES)


class Download(WindowTest):
    def test_download_by_file_name(self):
        server = self.start_server()
        contents = make_file(server.files / "report.pdf", 3_000_001)
        window = self.enter(server, "alice")
        window.download("report.pdf")
        window.is_told("report.pdf was downloaded")
        self.assertEqual((window.downloads / "report.pdf").read_bytes(), contents)

    def test_download_with_a_name_to_save_as(self):
        server = self.start_server()
        contents = make_file(server.files / "docs" / "report.pdf", 70_000)
        window = self.enter(server, "alice")
        window.download("docs/report.pdf", save_as="mine.pdf")
        window.is_told("was downloaded")
        self.assertEqual((window.downloads / "mine.pdf").read_bytes(), contents)

    def test_an_empty_file_is_downloaded(self):
        server = self.start_server()
        make_file(server.files / "empty", 0)
        window = self.enter(server, "alice")
        window.download("empty")
        window.is_told("empty was downloaded")
        self.assertEqual((window.downloads / "empty").read_bytes(), b"")

    def test_an_existing_file_is_not_overwritten(self):
        server = self.start_server()
        contents = make_file(server.files / "report.pdf", 1000)
        window = self.enter(server, "alice")
        (window.downloads / "report.pdf").write_text("mine")
        window.download("report.pdf")
        window.is_told("report (1).pdf")
        self.assertEqual((window.downloads / "report.pdf").read_text(), "mine")
        self.assertEqual((window.downloads / "report (1).pdf").read_bytes(), contents)

    def test_a_missing_file_is_told(self):
        server = self.start_server()
        make_large(server.files / "large.iso")
        window = self.enter(server, "alice")
        window.download("large.iso")
        window.transfer_runs("large.iso")
        window.cancel_transfer("large.iso")
        (server.files / "large.iso").unlink()
        with window.files_dialog() as dialog:
            dialog.reads("The Folder Is Empty")
        # The row of the transfer still offers it.
        window.download_again("large.iso")
        window.is_told("File does not exist")
        window.downloads_are([])

    def test_chat_goes_on_during_a_download(self):
        server = self.start_server()
        make_large(server.files / "large.iso")
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        alice.download("large.iso")
        alice.transfer_runs("large.iso")
        alice.say("it is on its way")
        bob.sees("alice", "it is on its way")
        bob.say("good")
        alice.sees("bob", "good")
        self.assertFalse(alice.has(containing="was downloaded"), "the download ended too soon to tell")
        alice.cancel_transfer("large.iso")

    def test_a_download_is_cancelled(self):
        server = self.start_server()
        make_large(server.files / "large.iso")
        window = self.enter(server, "alice")
        window.download("large.iso")
        window.transfer_runs("large.iso")
        window.cancel_transfer("large.iso")
        window.transfer_reads("large.iso", "Cancelled")
        window.downloads_are([])

    def test_a_download_is_paused_and_resumed(self):
        server = self.start_server()
        make_large(server.files / "large.iso")
        window = self.enter(server, "alice")
        window.download("large.iso")
        window.transfer_runs("large.iso")
        window.pause_transfer("large.iso")
        window.transfer_reads("large.iso", "Paused")
        self.assertTrue((window.downloads / "large.iso.part").exists())
        window.resume_transfer("large.iso")
        window.transfer_reads("large.iso", "/s")
        window.cancel_transfer("large.iso")
        window.downloads_are([])

    def test_a_download_waits_for_its_turn(self):
        server = self.start_server(config="[limits]\ndownloads = 1\n")
        make_large(server.files / "large.iso")
        contents = make_file(server.files / "report.pdf", 70_000)
        other = self.cli(server, "alice", "get", "large.iso", "-o", self.folder / "other.iso")
        other.wait_for("progress")
        bob = self.enter(server, "bob")
        bob.download("report.pdf")
        bob.transfer_reads("report.pdf", "Waiting (1st in line)")
        other.interrupt()
        bob.is_told("report.pdf was downloaded")
        self.assertEqual((bob.downloads / "report.pdf").read_bytes(), contents)

    def test_download_over_tcp_where_udp_is_blocked(self):
        server = self.start_server()
        contents = make_file(server.files / "report.pdf", 500_000)
        # At this address the server is reached by TCP alone.
        with TcpRelay("127.0.0.2", server.port):
            window = self.open_window(server.link.replace("127.0.0.1", "127.0.0.2"))
            window.log_in("alice")
            window.download("report.pdf")
            window.is_told("report.pdf was downloaded")
            window.transfer_reads("report.pdf", "TCP")
        self.assertEqual((window.downloads / "report.pdf").read_bytes(), contents)
