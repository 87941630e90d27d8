"""The two ways out."""

from driver.case import WindowTest


class LogOut(WindowTest):
    def test_log_out_by_the_button(self):
        server = self.start_server()
        guest = self.listener(server, "bob")
        window = self.enter(server, "alice")
        window.log_out()
        guest.wait_for("left", name="alice")
        # The name is free at once.
        window.log_in("alice")

    def test_log_out_by_closing_the_window(self):
        server = self.start_server()
        guest = self.listener(server, "bob")
        window = self.enter(server, "alice")
        self.assertEqual(window.close(), 0)
        guest.wait_for("left", name="alice")
        self.assertEqual(self.cli(server, "alice", "online").wait_until_ended(), 0)
