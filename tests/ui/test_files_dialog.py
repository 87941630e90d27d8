"""The dialog of the server's files."""

from driver.case import WindowTest, make_file


class FilesDialog(WindowTest):
    def test_show_server_files(self):
        server = self.start_server()
        make_file(server.files / "report.pdf", 2_000_000)
        make_file(server.files / "photos" / "beach.jpg", 10)
        window = self.enter(server, "alice")
        with window.files_dialog() as dialog:
            dialog.offers("report.pdf")
            dialog.offers("photos/beach.jpg")
            dialog.reads("2.0")

    def test_show_server_files_changes_while_it_is_open(self):
        server = self.start_server()
        window = self.enter(server, "alice")
        with window.files_dialog() as dialog:
            make_file(server.files / "new.txt", 5)
            dialog.offers("new.txt")
            (server.files / "new.txt").unlink()
            dialog.offers_no("new.txt")

    def test_an_empty_folder_says_so(self):
        window = self.enter(self.start_server(), "alice")
        with window.files_dialog() as dialog:
            dialog.reads("The Folder Is Empty")
