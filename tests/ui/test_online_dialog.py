"""The dialog of who is online."""

from driver.case import WindowTest


class OnlineDialog(WindowTest):
    def test_show_online(self):
        server = self.start_server()
        self.listener(server, "bob")
        window = self.enter(server, "alice")
        with window.online_dialog() as dialog:
            dialog.shows("alice")
            dialog.shows("bob")
            dialog.reads("2 people")

    def test_show_online_changes_while_it_is_open(self):
        server = self.start_server()
        window = self.enter(server, "alice")
        with window.online_dialog() as dialog:
            dialog.reads("Only you")
            guest = self.listener(server, "bob")
            dialog.shows("bob")
            guest.interrupt()
            dialog.shows_no("bob")
