"""What becomes of the window when the server does not."""

from driver.case import WindowTest


class Connection(WindowTest):
    def test_the_server_is_killed_and_comes_back_under_the_banner(self):
        server = self.start_server()
        window = self.enter(server, "alice")
        window.say("before")
        window.sees("alice", "before")
        server.kill()
        window.reads("Connection lost")
        server = self.restart(server)
        window.gone(containing="Connection lost")
        guest = self.listener(server, "bob")
        window.say("after")
        guest.wait_for("message", text="after")
        window.sees("alice", "before")

    def test_a_server_that_does_not_run_is_told(self):
        server = self.start_server()
        server.stop()
        window = self.open_window(server.link)
        window.ask_for("alice")
        window.reads("127.0.0.1")
        window.at_log_in()
